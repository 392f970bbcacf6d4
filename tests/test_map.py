"""The map of touchpoints: proposal, audit, drop-off, reach, and what is said of bad maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import parse_events
from tiny import customers, refusal, surveys, tables, touches, touchpoints, utc, write

import touchlab as tl
from touchlab import show
from touchlab.cli import main
from touchlab.errors import MissingInput, ParameterError
from touchlab.experience.map import (
    NOT_KNOWN,
    audit_map,
    guess,
    propose_map,
    starter_map,
    to_add,
    touch_shares,
    touchpoint_map,
)
from touchlab.experience.stages import coverage_by_segment, stage_flow
from touchlab.plots.experience import plot_flow
from touchlab.plots.journey_map import plot_map
from touchlab.sentences import experience as sentences_experience

Open = Callable[..., tl.Dataset]

STAGED = pd.DataFrame(
    {
        "touchpoint": ["ad", "search", "shop", "app", "forum"],
        "stage": ["awareness", "consideration", "purchase", "retention", "advocacy"],
        "owner": ["company", "company", "company", None, "customer"],
        "goal": ["be known", None, "sell", "keep", "help"],
    }
)


def windows(*names: str, until: str = "2026-09-01") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": names,
            "observed_from": pd.Timestamp("2026-02-01"),
            "observed_to": pd.Timestamp(until),
        }
    )


def test_starter_map_keeps_the_contract() -> None:
    data = tl.open_data(tables(touchpoints=starter_map()))
    phases = starter_map().phase.value_counts()
    assert set(phases.index) == {"before", "during", "after"}
    assert data.tables["touchpoints"].count().to_pandas() == len(starter_map())


@pytest.mark.parametrize(
    ("name", "stage", "channel"),
    [
        ("Paid Search", "consideration", "search"),  # the longer phrase wins over `search`
        ("paidSearch", "consideration", "search"),
        ("newsletter-DE", "consideration", "email"),
        ("welcome_email", "retention", "email"),  # not the plain `email`
        ("In-Store Display", "purchase", "store"),  # not `display`
        ("order confirmation", "retention", "email"),
        ("Referral", "consideration", "partner site"),  # as web analytics says: a link elsewhere
        ("referral program", "advocacy", "email"),
    ],
)
def test_names_are_read_as_words(name: str, stage: str, channel: str) -> None:
    row = guess([name]).iloc[0]
    assert (row.stage, row.channel) == (stage, channel)
    assert row.reason.startswith("named like '")


USUAL = """social media, ratings and reviews, testimonials, word of mouth, community, advertising,
PR, store, website, catalog, promotions, sales team, phone system, point of sale, billing,
transactional emails, marketing emails, service team, help center, follow-ups, thank-you cards,
referral program, packaging, chatbot, voice assistant, AR/VR, connected devices, SMS, WhatsApp,
events, inspection, closing, AI Assistants, Paid Shopping, Organic Video, Mobile Push"""


def test_usual_touchpoints_are_known() -> None:
    names = USUAL.replace("\n", " ").split(", ")
    known = guess([*names, *(f"{name}s" for name in names if name[-1] in "etlnr")])
    assert known.touchpoint[known.reason == NOT_KNOWN].tolist() == []
    row = guess(["Landing Pages"]).iloc[0]
    assert (row.stage, row.reason) == ("consideration", "named like 'landing page'")


def test_a_name_within_a_word_is_not_taken() -> None:
    row = guess(["research_panel"]).iloc[0]  # holds `search`
    assert pd.isna(row.stage) and row.reason == NOT_KNOWN


def test_sample_is_proposed_as_its_owner_mapped_it() -> None:
    data = tl.open_data("data/sample")
    given = data.tables["touchpoints"].to_pandas().set_index("touchpoint")
    proposed = propose_map(data).set_index("touchpoint")
    assert (proposed.stage == given.stage.reindex(proposed.index)).all()
    assert (proposed.owner == given.owner.reindex(proposed.index)).all()


def test_map_counts_touches_and_proposes_where_the_map_is_silent() -> None:
    data = tl.open_data(tables(touchpoints=touchpoints(touchpoint=["email", "forum"])))
    table = touchpoint_map(data).set_index("touchpoint")
    assert table.mapped.to_dict() == {"search": False, "email": True, "forum": True}
    assert table.touches.to_dict() == {"search": 2, "email": 1, "forum": 0}
    assert table.customers.to_dict() == {"search": 2, "email": 1, "forum": 0}
    assert table.share.round(4).to_dict() == {"search": 0.6667, "email": 0.3333, "forum": 0.0}
    assert table.stage["search"] == "consideration"  # from its name
    assert table.stage["email"] == "purchase"  # from the map, whatever the name says


def test_audit_finds_each_kind_of_gap(open_events: Open) -> None:
    # 20 customers see the ad only, 4 go on to the search; nobody meets shop, app, forum
    events = {i: "ad@0" for i in range(20)} | {i: "ad@0 search@3" for i in range(20, 24)}
    events |= {24: "ad@0 kiosk@1 search@2 *@4"}
    data = open_events(
        events,
        customers=windows(*map(str, range(25))).assign(customer_id=range(25)),
        touchpoints=pd.concat(
            [STAGED, pd.DataFrame({"touchpoint": ["seo"], "stage": ["consideration"]})]
        ),
        surveys=pd.DataFrame(
            {"timestamp": utc("2026-03-02"), "touchpoint": ["ad"], "metric": ["nps"], "score": [9]}
        ),
    )
    found = audit_map(data).table
    listed = [tuple(v if isinstance(v, str) else None for v in row) for row in found.to_numpy()]
    seen = "on the map, but the data has no touch of it: closed, or not recorded?"
    none = "none of its touchpoints is ever seen"
    silent = "no survey asks how customers find it"
    assert listed == [
        ("not on the map", "kiosk", None, "1 touches"),
        ("never seen", "seo", "consideration", seen),
        ("never seen", "shop", "purchase", seen),
        ("never seen", "app", "retention", seen),
        ("never seen", "forum", "advocacy", seen),
        ("no touches", None, "purchase", none),
        ("no touches", None, "retention", none),
        ("no touches", None, "advocacy", none),
        ("owner missing", "seo", "consideration", ""),
        ("owner missing", "app", "retention", ""),
        ("goal missing", "search", "consideration", ""),
        ("goal missing", "seo", "consideration", ""),
        ("never asked", "search", "consideration", silent),
        ("never asked", "kiosk", None, silent),
    ]


def test_heavy_drop_off_needs_few_touchpoints_too(open_events: Open) -> None:
    # awareness 1 touchpoint in use, consideration 3: 40 of 41 stop at awareness
    events = {i: "ad@0" for i in range(40)} | {40: "ad@0 a@1 b@2 c@3 *@4"}
    own = pd.DataFrame(
        {"touchpoint": ["ad", "a", "b", "c"], "stage": ["awareness", *["consideration"] * 3]}
    )
    data = open_events(
        events, touchpoints=own, customers=windows(*[""] * 41).assign(customer_id=range(41))
    )
    found = audit_map(data).table.set_index("finding")
    assert found.detail["heavy drop-off"] == (
        "98 % of 41 customers go no further, and 1 of 4 touchpoints in use are here"
    )
    assert found.stage["heavy drop-off"] == "awareness"


def test_a_map_without_gaps_says_so() -> None:
    data = tl.open_data(
        tables(
            touches=touches(
                customer_id=list("aaaaa"),
                timestamp=utc(*[f"2026-03-0{d}" for d in range(1, 6)]),
                touchpoint=list(STAGED.touchpoint),
            ),
            outcomes=pd.DataFrame(
                {"customer_id": ["a"], "timestamp": utc("2026-03-06"), "outcome": ["conversion"]}
            ),
            touchpoints=STAGED.fillna("company"),
        )
    )
    audit = audit_map(data)
    assert audit.table.empty
    assert audit.sentence() == "The map of 5 touchpoints has no gaps."


def test_stage_flow_by_hand(open_events: Open) -> None:
    events = {
        "on": "ad@0 search@5",  # goes on
        "skips": "ad@0 app@10",  # a stage left out is no drop-off
        "buys": "ad@0 *@9",  # nor is buying at once
        "back": "search@0 ad@1 *@200",  # an earlier stage and a late purchase are not further
        "late": "ad@0 search@31",  # after the watch of 30 days
        "tied": "ad@2 search@2",  # same instant: taken as going on
        "short": "ad@0 search@5",  # cannot be watched, though the search is seen
        "left": "ad@0",  # churned: known to go no further
    }
    churned = pd.DataFrame(
        {"customer_id": ["left"], "outcome": ["churn"], "timestamp": utc("2026-03-11")}
    )
    seen = windows(*events).set_index("customer_id")
    seen.loc["short", "observed_to"] = pd.Timestamp("2026-03-20")
    seen.loc["left", "observed_to"] = pd.Timestamp("2026-03-11T00:00:01")
    frames = parse_events(events)
    frames["outcomes"] = pd.concat([frames["outcomes"], churned])
    data = tl.open_data({**frames, "touchpoints": STAGED, "customers": seen.reset_index()})
    table = stage_flow(data, days=30).set_index("stage")
    # awareness: all but `short` are watched; back, late and left stop
    assert table.customers["awareness"] == 8
    assert (table.n["awareness"], table.stopped["awareness"]) == (7, 3)
    # consideration: on, back, tied and late are watched, short is not; nobody goes on:
    # back's purchase is after 200 days
    assert (table.customers["consideration"], table.n["consideration"]) == (5, 4)
    assert table.stopped["consideration"] == 4
    assert table.rate["awareness"] == pytest.approx(3 / 7)
    # Wilson, 3 of 7
    assert table.ci_low["awareness"] == pytest.approx(0.1582, abs=1e-4)
    assert table.ci_high["awareness"] == pytest.approx(0.7495, abs=1e-4)
    assert pd.isna(table.rate["retention"])  # nothing comes after what is seen last
    assert list(table.touchpoints) == [1, 1, 1]


def test_touch_shares_add_up(open_events: Open) -> None:
    data = open_events({1: "ad@0 ad@1 app@2 odd@3 *@4"}, touchpoints=STAGED)
    table = touch_shares(data).set_index("owner")
    assert table.touches.to_dict() == {"company": 2, "(not given)": 2, "customer": 0}
    assert table.touchpoints.to_dict() == {"company": 3, "(not given)": 2, "customer": 1}
    assert table.share.sum() == pytest.approx(1)
    with pytest.raises(ParameterError) as caught:
        touch_shares(data, by="colour")
    assert str(caught.value) == (
        "by: 'colour' is not a column of the map\n  use one of stage, channel, owner, goal, phase"
    )


def test_coverage_counts_customers_of_every_segment() -> None:
    people = customers(
        customer_id=["a", "b", "c"],
        observed_from=utc(*["2026-01-01"] * 3),
        observed_to=utc(*["2026-04-01"] * 3),
    ).assign(region=["north", "south", None])
    table = coverage_by_segment(tl.open_data(tables(customers=people)), by="region")
    rows = {(r.touchpoint, r.segment): (r.customers, r.n) for r in table.itertuples()}
    assert rows[("search", "north")] == (1, 1)
    assert rows[("search", "(unknown)")] == (0, 1)  # nobody reached is a row, too
    assert rows[("email", "south")] == (0, 1)
    assert table[table.touchpoint == "search"].overall.tolist() == [pytest.approx(2 / 3)] * 3
    with pytest.raises(ParameterError) as caught:
        coverage_by_segment(tl.open_data(tables(customers=people)), by="regions")
    assert str(caught.value) == (
        "by: 'regions' is not a trait of customers; did you mean 'region'?\n  use one of: region"
    )


def test_what_is_missing_is_said_with_what_it_would_answer() -> None:
    data = tl.open_data(tables())
    for ask, what in (
        (audit_map, "which touchpoints are missing from it, and where customers drop off"),
        (stage_flow, "how many customers go from stage to stage"),
        (touch_shares, "touches by owner"),
    ):
        with pytest.raises(MissingInput) as caught:
            ask(data)
        assert str(caught.value) == (
            "The data has no map of its touchpoints. With one (`touchlab map init` proposes it), "
            f"{what} would be shown here."
        )
    with pytest.raises(MissingInput, match="The data has no customers table") as caught:
        coverage_by_segment(data, by="region")
    assert str(caught.value).endswith("which touchpoints reach which segments would be shown here.")


def test_bad_maps_are_refused_in_whole_sentences() -> None:
    twice = touchpoints(touchpoint=["email", "email"], stage=["purchase", "retention"])
    assert refusal(tables(touchpoints=twice))[1:] == [
        "touchpoints.touchpoint: 2 of 2 rows repeat a key",
        "  first: touchpoint 'email', 2 rows",
        "  keep one row for each touchpoint",
    ]
    unknown = touchpoints(stage=["purchase", "loyalty"])
    assert refusal(tables(touchpoints=unknown))[1:] == [
        "touchpoints.stage: 1 of 2 rows are not an allowed word",
        "  first: row 2, value 'loyalty'",
        "  use awareness, consideration, purchase, retention, advocacy",
    ]


def test_a_paths_table_has_a_map_but_no_flow(open_paths: Open) -> None:
    data = open_paths(("search > email", 3, 5), ("email", 1, 1))
    table = touchpoint_map(data).set_index("touchpoint")
    assert table.touches.to_dict() == {"search": 8, "email": 10}
    assert table.customers.isna().all()


def test_answer_without_a_map_says_what_would_help() -> None:
    table = touchpoint_map(tl.open_data(tables()))
    said = sentences_experience.about_map(table.assign(touches=100, customers=50))
    assert said == ("2 touchpoints are in use; stages are guessed from names, for 2 of 2.")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what other tests left
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what other tests left
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("width", [show.WIDE, show.NARROW])
def test_map_draws_whatever_it_is_given(width: float) -> None:
    names = ["<img src=x>", "$\\frac{ $", "_x", "x" * 200, *(f"t{i}" for i in range(40))]
    bare = pd.DataFrame({"touchpoint": names, "stage": None, "touches": range(len(names))})
    rich = bare.assign(stage="retention", mapped=False, score=50.0, incremental=-3.0)
    none = bare.head(1)
    for table in (bare, rich, none):
        assert plot_map(table).svg(width)[:4] == "<svg"


def test_map_title_names_what_is_scored_lowest() -> None:
    table = pd.DataFrame(
        {
            "touchpoint": ["ad", "shop", "forum"],
            "stage": ["awareness", "purchase", "advocacy"],
            "touches": [900, 100, 0],
            "score": [80.0, 41.0, None],
        }
    )
    said = "shop is scored lowest: 41 of 100; 1 of 3 touchpoints never seen"
    assert plot_map(table).alt.startswith(said)
    assert plot_map(table.drop(columns="score")).alt.startswith(
        "ad has the most touches: 90\N{NO-BREAK SPACE}% of all; 1 of 3 touchpoints never seen"
    )
    guessed = plot_map(table.assign(mapped=False)).alt
    assert guessed.startswith(f"{said} (stages guessed from names)")


def test_stages_that_leak_or_are_empty_are_told_what_others_have_there() -> None:
    """Not what the map has already, by whatever name, and nothing for stages without a gap."""
    gaps = [("heavy drop-off", "purchase"), ("no touches", "advocacy"), ("never seen", "awareness")]
    findings = pd.DataFrame(gaps, columns=["finding", "stage"])
    ideas = to_add(findings, pd.DataFrame({"touchpoint": ["Live Chats", "zork"]}))
    assert ideas.stage.unique().tolist() == ["purchase", "advocacy"]
    assert "checkout" in set(ideas.touchpoint) and "live_chat" not in set(ideas.touchpoint)
    usual = starter_map()
    assert len(ideas) == usual.stage.isin(["purchase", "advocacy"]).sum() - 1
    assert to_add(findings.tail(1), usual).empty


def test_flow_of_one_stage_draws(open_events: Open) -> None:
    flow = stage_flow(open_events({1: "forum@0 *@1"}, touchpoints=STAGED))
    picture = plot_flow(flow.assign(customers=100))
    assert picture.alt == "There is one stage only: nothing to drop off from."
    assert picture.svg()


def test_map_init_writes_once_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["customer_id,timestamp,touchpoint", "a,2026-03-01T10:00Z,search"]
    more = "\n".join([*rows, "a,2026-03-02T10:00Z,zork", ""])
    folder = write(tmp_path, {"touches.csv": more})
    assert main(["map", "init", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    path = folder / "touchpoints.csv"
    assert said[-3:] == [
        f"written: {path}",
        "next: read every row, and correct it",
        "1 not known by name: fill in their stage, or the data will not open",
    ]
    written = pd.read_csv(path)
    assert written.stage.fillna("").to_dict() == {0: "consideration", 1: ""}
    assert written.reason.to_list() == ["named like 'search'", "not known by its name: fill in"]
    path.write_text(path.read_text().replace("zork,,", "zork,purchase,"))
    assert tl.open_data(folder).has("touchpoints")
    before = path.read_bytes()
    assert main(["map", "init", str(folder)]) == 2
    assert capsys.readouterr().err == (
        "DataError: map init: the data has a map already, which is left as it is\n"
        "  edit it, or name another file with --out to compare\n"
    )
    assert main(["map", "init", str(folder), "--out", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"DataError: {path}: the file exists and is left as it is\n"
        "  edit it, or name another file with --out\n"
    )
    assert path.read_bytes() == before
    other = tmp_path / "other.csv"
    assert main(["map", "init", str(folder), "--out", str(other)]) == 0
    assert other.is_file()


def test_surveys_alone_put_a_touchpoint_on_the_proposal() -> None:
    data = tl.open_data(tables(surveys=surveys(touchpoint=["delivery", "email"])))
    assert propose_map(data).set_index("touchpoint").touches["delivery"] == 0
