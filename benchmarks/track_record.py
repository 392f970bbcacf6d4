"""Do forecasts hold, is a break seen, and is nothing seen where nothing broke?

Six monthly runs of the simulated company, each on what was known at a month's end; the next one
grades the last. `python benchmarks/track_record.py [seeds] [customers]`; figures in
docs/track_record.md.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

import touchlab as tl
from touchlab.forecasts.grade import GRADED, Record
from touchlab.forecasts.ledger import read_ledger, with_forecasts
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World, company_world, simulate

Tables = dict[str, pd.DataFrame]
RUNS = pd.date_range("2025-06-30", periods=7, freq="ME") + pd.Timedelta(days=1)
BREAK = RUNS[-2]
NUMBERS = ("forecast", "by_drivers", "by_last_touch")
STEADY = {"season": (), "late_share": 0.0}


def worlds(customers: int) -> dict[str, World]:
    """The company, with four times its orders, as it grows and has a season, and without both."""
    company = company_world(customers)
    orders = replace(company.outcomes["conversion"], rate=4 * company.outcomes["conversion"].rate)
    company = replace(company, outcomes={**company.outcomes, "conversion": orders})
    return {"company": company, "steady company": replace(company, **STEADY)}


def halved(world: World) -> World:
    """The same world with half the hazard of a conversion."""
    less = replace(world.outcomes["conversion"], rate=world.outcomes["conversion"].rate / 2)
    return replace(world, outcomes={**world.outcomes, "conversion": less})


def until(tables: Tables, end: pd.Timestamp) -> Tables:
    """What was known at the beginning of a day."""
    cut = {}
    for name in ("touches", "outcomes"):
        cut[name] = tables[name][tables[name].timestamp < end]
    people = tables["customers"]
    people = people[people.observed_from < end]
    cut["customers"] = people.assign(observed_to=people.observed_to.clip(upper=end))
    return cut


def spliced(first: Tables, then: Tables, day: pd.Timestamp) -> Tables:
    """One company up to a day, another from it on."""
    both = {n: pd.concat([first[n][first[n].timestamp < day], then[n][then[n].timestamp >= day]])
            for n in ("touches", "outcomes")}  # fmt: skip
    people = first["customers"].set_index("customer_id")
    later = then["customers"].set_index("customer_id")
    stays = people.observed_to >= day
    people.loc[stays, "observed_to"] = later.observed_to[stays]
    people = people.reset_index()
    window = people.set_index("customer_id")
    for name in both:
        ends = both[name].customer_id.map(window.observed_to)
        both[name] = both[name][both[name].timestamp <= ends]
    return both | {"customers": people}


def record_of(tables: Tables, folder: Path, seed: int) -> list[Record]:
    """Six runs that write down what they foretell; the record as each and one more saw it."""
    ledger, seen, drivers = folder / "forecasts.jsonl", [], None
    for number, end in enumerate(RUNS):
        data = tl.open_data(until(tables, end))
        seen.append(tl.grade_forecasts(data, ledger))
        if number < len(RUNS) - 1:
            drivers = drivers or tl.fit_drivers(data, seed=seed)  # of the first run, for speed
            found = tl.forecast(data, drivers, seed=seed)
            found = found[found.customers >= 10]
            ledger.write_text(with_forecasts(ledger, found, f"run{number}", f"{end:%Y-%m-%d}"))
    return seen


def more_of_an_idle_one(seed: int) -> dict[str, float]:
    """In the last month an ad that does nothing comes four times as often: what is made of it?"""
    ad = TouchpointSpec("ad", rate=0.03)
    mail = TouchpointSpec("mail", rate=0.03, effects={"conversion": 1.0})
    orders = {"conversion": OutcomeSpec(0.006)}
    world = World((ad, mail), customers=2000, days=365, outcomes=orders)
    louder = replace(world, touchpoints=(replace(ad, rate=0.12), mail))
    usual, then = (simulate(one, seed=seed).tables for one in (world, louder))
    data = tl.open_data(until(usual, BREAK))
    found = tl.forecast(data, tl.fit_drivers(data, seed=seed), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "forecasts.jsonl"
        ledger.write_text(with_forecasts(ledger, found, "run", f"{BREAK:%Y-%m-%d}"))
        later = tl.open_data(until(spliced(usual, then, BREAK), RUNS[-1]))
        row = tl.grade_forecasts(later, ledger).given_touches.iloc[0]
    return {"seed": seed} | {n: float(row[n]) for n in ("came", *NUMBERS)}


def main(seeds: int = 4, customers: int = 4000) -> None:
    rows = []
    for kind, world in worlds(customers).items():
        for seed in range(1, seeds + 1):
            plain = simulate(world, seed=seed).tables
            broken = spliced(plain, simulate(halved(world), seed=seed).tables, BREAK)
            for what, tables in (("as it is", plain), ("broken", broken)):
                with tempfile.TemporaryDirectory() as folder:
                    seen = record_of(tables, Path(folder), seed)
                    table = read_ledger(Path(folder) / "forecasts.jsonl")[0]
                last = seen[-1]
                graded = last.table[last.table.status == GRADED]
                before = graded[graded.period < graded.period.max()]
                usual = graded if what == "as it is" else before
                given = last.given_touches
                own = {name: (given[name] - given.came).abs().sum() / given.came.sum()
                       for name in NUMBERS}  # fmt: skip
                alarms = [bool(len(one.broken)) for one in seen[1:]]
                row = {"world": kind, "data": what, "seed": seed, "written": len(table)}
                row |= {"graded": len(usual), "held": int(usual.held.sum())}
                whole = usual[usual.what != "by last touch"]
                row |= {"totals": len(whole), "totals_held": int(whole.held.sum())}
                row |= {"alarms_before": sum(alarms[:-1]), "alarm_at_the_end": alarms[-1]} | own
                rows.append(row)
                print(row, flush=True)
                if "-v" in sys.argv:
                    print(last.graded.drop(columns=["until", "status", "afterwards"]).to_string())
                    print(last.given_touches.to_string(), last.sentence(), sep="\n", flush=True)
    table = pd.DataFrame(rows)
    print(pd.DataFrame([more_of_an_idle_one(seed) for seed in range(1, seeds + 1)]).to_string())
    print(table.groupby(["world", "data"]).sum(numeric_only=True).drop(columns="seed").to_string())


if __name__ == "__main__":
    main(*map(int, [one for one in sys.argv[1:] if one != "-v"]))
