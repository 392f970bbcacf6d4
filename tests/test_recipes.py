"""What touchlab.toml may say of a table: formats, filters, parts, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.data.formats import formatted
from touchlab.data.readers import engine
from touchlab.data.recipe import make_table
from touchlab.data.settings import Recipe

NEW_YEAR = pd.Timestamp("2026-01-01 00:00:00.5", tz="UTC")
# values, what is said of them, how they are passed on
FORMATS: dict[str, tuple[list[Any], dict[str, Any], list[Any]]] = {
    "day first": (
        ["1/3/2026", "31.12.2026 9:05", "03-04-2026 23:59:59", "2026-03-01", "31/13/2026", None],
        {"day_first": True},
        [
            "2026-03-01", "2026-12-31T09:05:00", "2026-04-03T23:59:59", "2026-03-01",
            "2026-13-31", None,
        ],
    ),
    "month first": (["03/01/2026"], {"day_first": False}, ["2026-03-01"]),
    "months by name": (
        ["Mar 1, 2026", "December 24, 26", "1 Mar"],
        {"format": ["%b %d, %Y", "%b %d, %y"]},
        ["2026-03-01", "2026-12-24", "1 Mar"],
    ),
    "twelve hours": (
        ["3/1/69 12:05 AM", "3/1/26 1:30 p.m.", "3/1/26 12:00 PM"],
        {"format": "%m/%d/%y %I:%M %p"},
        ["1969-03-01T00:05:00", "2026-03-01T13:30:00", "2026-03-01T12:00:00"],
    ),
    "zone": (
        ["2026-03-01 09:00", "2026-03-01T09:00:00.5", "2026-03-01 09:00Z", "2026-03-01", "soon"],
        {"zone": "Europe/Berlin"},
        [
            "2026-03-01 09:00 Europe/Berlin", "2026-03-01T09:00:00.5 Europe/Berlin",
            "2026-03-01 09:00Z", "2026-03-01", "soon",
        ],
    ),
    "microseconds as text": (
        ["1767225600000001", "soon", None],
        {"unit": "us"},
        ["2026-01-01 00:00:00.000001Z", "soon", None],
    ),
    "seconds": ([1767225600.5], {"unit": "s"}, [NEW_YEAR]),
    "milliseconds": ([1767225600500], {"unit": "ms"}, [NEW_YEAR]),
    "decimal comma": (
        ["1.234,50", "12,5", "1.234", "-3", "1 000,00 €", "12.5", "1.23", None],
        {"decimal": ","},
        [
            "1234.50", "12.5", "1234", "-3", "1000.00", "12.5 (decimal sign ,)",
            "1.23 (decimal sign ,)", None,
        ],
    ),
    "decimal point": (
        ["1,234.50", "$12", "1,5"], {"decimal": "."}, ["1234.50", "12", "1,5 (decimal sign .)"]
    ),
    "cents": (["1250", "free"], {"divide": 100}, ["12.5", "free"]),
    "cents as numbers": ([1250], {"divide": 100}, [12.5]),
    "words": (["INBOUND", " OUT ", "letter"], {"map": {"INBOUND": "in", "OUT": "out"}},
              ["in", "out", "letter"]),
    "first of several": (["a; b", "c"], {"split": ";"}, ["a", "c"]),
    "amounts": (["-3.5", "2"], {"absolute": True}, ["3.5", "2"]),
    "in one order": (["-12,50;x"], {"split": ";", "decimal": ",", "divide": 100, "absolute": True},
                     ["0.125"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str) -> None:
    values, given, expected = FORMATS[name]
    table = engine().create_table(ibis.util.gen_name("t"), pd.DataFrame({"x": values}), temp=True)
    found = formatted(table.x, given).to_pyarrow().to_pylist()
    assert found == expected


EVENTS = """who,at,what,ref,amount,via,by
1,2026-03-01T10:00:00Z,visit,google,,cpc,INBOUND
1,2026-03-02T10:00:00Z,sale,,120,,
2,2026-03-01T10:00:00Z,visit,,,,OUTBOUND
2,2026-03-04T10:00:00Z,sale,,-20,,
3,2026-03-01T10:00:00Z,test,x,,y,
"""
OPENS = """
[touches]
table = "log"
where = { what = "visit" }
customer_id = "who"
timestamp = "at"
touchpoint = ["ref", "via"]
direction = { column = "by", map = { INBOUND = "in", OUTBOUND = "out" } }
[outcomes]
table = "log"
where = { what = ["sale", "return"] }
customer_id = "who"
timestamp = "at"
outcome = { constant = "conversion" }
value = "amount"
refunds = true
"""


def write(folder: Path, settings: str, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in {"log": EVENTS, **files}.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "touchlab.toml").write_text(settings)
    return folder


def records(table: Any) -> list[tuple[Any, ...]]:
    frame = table.drop("timestamp").to_pandas().astype(object)
    return sorted(map(tuple, frame.where(frame.notna(), None).to_numpy()))


def test_one_file_for_two_tables(tmp_path: Path) -> None:
    settings = OPENS.replace('["ref", "via"]', '{ first = ["ref", { constant = "none" }] }')
    data = tl.open_data(write(tmp_path / "shop", settings))
    assert records(data.touches) == [("1", "google", "in"), ("2", "none", "out")]
    assert records(data.outcomes) == [("1", "conversion", 120.0), ("2", "refund", 20.0)]


REFUSED = {
    "no such column": (
        ("touchpoint = [", 'touchpoint = ["reff", '),
        [
            "touches.touchpoint: touchlab.toml maps it to 'reff', which is not a column; "
            "did you mean 'ref'?",
            "  give one of who, at, what, ref, amount, via, by",
        ],
    ),
    "no such word": (
        ("map =", "maps ="),
        [
            "touches.direction: touchlab.toml says maps of it; did you mean 'map'?",
            "  say one of column, first, join, constant, channel, latest; beside it may stand by, "
            "each, rules, split, map, decimal, divide, absolute, format, day_first, unit, zone",
        ],
    ),
    "filter by what is not there": (
        ("what =", "kind ="),
        [
            "touches: touchlab.toml asks for 'kind', which is not a column",
            "  give one of who, at, what, ref, amount, via, by",
            "outcomes: touchlab.toml asks for 'kind', which is not a column",
            "  give one of who, at, what, ref, amount, via, by",
        ],
    ),
    "no such table": (
        ('table = "log"\nwhere = { what = "visit" }', 'table = "../log"'),
        [
            "touches: touchlab.toml names a table that is not there; found log.csv",
            "  add the table, or take [touches] out",
        ],
    ),
    "a format unknown": (
        ('timestamp = "at"\ntouch', 'timestamp = { column = "at", format = "%Q" }\ntouch'),
        [
            "touches.timestamp: format: %Q is not known",
            "  use %d, %m, %b, %Y, %y, %H, %I, %M, %S, %p, such as %d/%m/%Y %H:%M",
        ],
    ),
    "a zone unknown": (
        ('timestamp = "at"\ntouch', 'timestamp = { column = "at", zone = "Berlin" }\ntouch'),
        [
            "touches.timestamp: zone: 'Berlin' is not a time zone; did you mean 'Europe/Berlin'?",
            "  such as zone = 'Europe/Berlin'",
        ],
    ),
    "a value that does not fit": (
        ('timestamp = "at"\ntouch', 'timestamp = { column = "what", day_first = true }\ntouch'),
        [
            "touches.timestamp: 2 of 2 rows are not times",
            "  first: row 1, customer '1', value 'visit'",
            "  give ISO 8601 (2026-02-28 or 2026-02-28T09:30:00Z)",
        ],
    ),
    "a word that is none of the contract": (
        ('OUTBOUND = "out"', 'OUT = "out"'),
        [
            "touches.direction: 1 of 2 rows are not an allowed word",
            "  first: row 2, customer '2', value 'OUTBOUND'",
            "  use in, out",
        ],
    ),
    "a channel rule elsewhere": (
        ('["ref", "via"]', '{ channel = { source = "ref" }, rules = "../rules.csv" }'),
        [
            "touches.touchpoint: rules: '../rules.csv' is not a file beside the data",
            "  name a CSV file there",
        ],
    ),
    "a channel of nothing": (
        ('["ref", "via"]', '{ channel = { sourse = "ref" } }'),
        [
            "touches.touchpoint: channel: 'sourse' does not tell where a visit came from; "
            "did you mean 'source'?",
            "  give any of source, medium, campaign, referrer, page, gclid, wbraid, gbraid, "
            "dclid, msclkid, fbclid, ttclid, twclid, li_fat_id",
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    (old, new), expected = REFUSED[name]
    settings = OPENS.replace(old, new).replace('= ["ref", "via"]', '= "what"')
    assert new in settings or '"via"' in new
    with pytest.raises(tl.DataError) as error:
        tl.open_data(write(tmp_path / "shop", settings))
    assert str(error.value).splitlines()[1:] == expected


# source, medium, campaign, page, referrer, gclid: the channel
CHANNELS = """
google,organic,,,,,Organic Search
google,organic,,,,abc,Paid Search
google,cpc,spring-shop,,,abc,Paid Shopping
(direct),(none),,,,,Direct
,,,,,,Direct
,,,https://shop.example/?utm_source=Bing&utm_medium=CPC,,,Paid Search
,,,https://shop.example/?msclkid=1,,,Paid Search
,,,https://shop.example/?ttclid=1,,,Paid Social
,,,https://shop.example/?fbclid=1,,,Organic Social
,,,https://shop.example/,https://www.google.com/,,Organic Search
,,,https://shop.example/,https://mail.google.com/,,Email
,,,https://shop.example/,https://gemini.google.com/,,AI Assistants
,,,https://shop.example/,https://chatgpt.com/,,AI Assistants
,,,https://shop.example/,https://blog.example/,,Referral
,,,https://www.shop.example/b,https://shop.example/a,,Direct
m.facebook.com,referral,,,,,Organic Social
facebook,paid_social,,,,,Paid Social
youtube.com,cpv,,,,,Paid Video
youtube.com,cpc,,,,,Paid Video
criteo,retargeting,,,,,Paid Other
dv360,cpm,,,,,Display
anything,cross,my cross-network 1,,,,Cross-network
spring,email,,,,,Email
news,newsletter,,,,,(other)
partner,affiliate,,,,,Affiliates
spotify,audio,,,,,Audio
app,push,,,,,Mobile Push
amazon.com,referral,,,,,Organic Shopping
"""


def test_channels_are_those_published(tmp_path: Path) -> None:
    lines = CHANNELS.strip().splitlines()
    log = "who,source,medium,campaign,page,referrer,gclid,at\n" + "".join(
        f"{number},{line.rpartition(',')[0]},2026-03-01T10:00:00Z\n"
        for number, line in enumerate(lines)
    )
    settings = """
[touches]
table = "log"
customer_id = "who"
timestamp = "at"
touchpoint.channel = { source = "source", medium = "medium", campaign = "campaign", \
page = "page", referrer = "referrer", gclid = "gclid" }
"""
    outcomes = "customer_id,timestamp,outcome\n1,2026-03-02T00:00:00Z,conversion\n"
    settings = settings.replace("\\\n", "")
    data = tl.open_data(write(tmp_path / "shop", settings, log=log, outcomes=outcomes))
    found = data.touches.to_pandas().set_index("customer_id").touchpoint
    expected = {str(number): line.rpartition(",")[2] for number, line in enumerate(lines)}
    assert found.sort_index().to_dict() == dict(sorted(expected.items()))
    assert data.notes.note[0] == "by channel rules 3.6 % are (other) and 10.7 % are Direct"


RULES = """touchpoint,source,medium
Search,^google$,
Letters,,^(mail|post)$
"""


def test_rules_are_a_file_that_people_edit(tmp_path: Path) -> None:
    settings = OPENS.replace(
        '["ref", "via"]', '{ channel = { source = "ref", medium = "via" }, rules = "rules.csv" }'
    )
    folder = write(tmp_path / "shop", settings, rules=RULES)
    assert records(tl.open_data(folder).touches)[0] == ("1", "Search", "in")
    for text, message in {
        RULES.replace("google$", "(google"): "rules.csv: line 2: source is '^(google', which "
        "engines cannot read",
        RULES.replace("source", "sauce"): "rules.csv: its columns are touchpoint, sauce, medium; "
        "did you mean 'source'?",
        RULES.replace("Search", " "): "rules.csv: line 2 names no touchpoint, or nothing that "
        "makes it one",
    }.items():
        (folder / "rules.csv").write_text(text)
        with pytest.raises(tl.DataError) as error:
            tl.open_data(folder)
        assert str(error.value).splitlines()[0] == message


def test_rows_alone_with_their_key_are_parted_without_a_difference() -> None:
    random = np.random.default_rng(7)
    n = 400
    frame = pd.DataFrame(
        {
            "who": random.choice(["a", "b", "c", None], n),
            "session": random.integers(0, 90, n),
            "at": pd.Timestamp("2026-03-01") + pd.to_timedelta(random.integers(0, 40, n), unit="h"),
            "via": random.choice(["x", "y", " ", None], n),
        }
    )
    raw = engine().create_table(ibis.util.gen_name("t"), frame, temp=True)
    columns = {"customer_id": "who", "timestamp": "at", "touchpoint": "via"}
    recipe = Recipe("touches", ("t",), columns, {"one_per": ["who", "session"]})
    made = [make_table(recipe, raw, default_rules_of, parted=parted)[0] for parted in (True, False)]
    rows = [table.to_pandas().astype(str).sort_values([*columns]) for table in made]
    counts = frame.groupby(["who", "session"], dropna=False).size()
    assert (counts == 1).sum() > 20 and (counts > 1).sum() > 20 and frame.who.isna().any()
    pd.testing.assert_frame_equal(*(one.reset_index(drop=True) for one in rows))
    assert len(rows[0]) == len(counts)


def default_rules_of(_name: str) -> tuple[Any, ...]:
    return ()
