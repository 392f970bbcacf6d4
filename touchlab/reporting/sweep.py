"""One report over many segments, markets or periods: each in a folder of its own.

[sweep.north]                  # in touchlab.toml beside the data
where = { region = "north" }   # customers with this trait; a list for several values

[sweep.spring]
from = 2025-03-01              # times from here, up to before `until`
until = 2025-06-01

[sweep.churn]
outcome = "churn"              # anything else is a parameter
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from touchlab.data.dataset import Dataset, open_data
from touchlab.data.settings import REPORT, SETTINGS, SWEEP, settings_of
from touchlab.errors import ParameterError
from touchlab.reporting.brand import read_brand
from touchlab.reporting.index import write_index
from touchlab.reporting.notebooks import Plan, choose_tasks, notebooks_folder
from touchlab.reporting.parameters import check_names
from touchlab.reporting.publish import LATEST, locked, not_written, reports_folder
from touchlab.reporting.record import Busy, NotFinished, Run
from touchlab.reporting.run import Limits, Progress, run_plan
from touchlab.reporting.source import (
    Cut,
    Source,
    count_customers,
    data_key,
    data_name,
    data_place,
    folder_name,
    names_in,
    part_of,
    refuse_few,
)

_WHERE, _FROM, _UNTIL = "where", "from", "until"
_PATIENCE = 10.0  # seconds


def run_sweep(
    data: str | Path,
    *,
    out: str | Path = "reports",
    only: Sequence[str] = (),
    parameters: Mapping[str, object] | None = None,
    folder: Path | None = None,
    notebooks: str | Path | None = None,
    limits: Limits | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> list[Run]:
    """Run the report once for every [sweep.name] in `touchlab.toml`, into ``out/<name>/``.

    Names, parameters and the size of each part are checked before the first report starts; a
    report that stops does not keep the others from being made: NotFinished, after the last one, has
    what each says. ``out/index.html`` has the answers side by side.
    """
    folder, out = (folder or notebooks_folder()).resolve(), reports_folder(out)
    place, given = data_place(data, folder.parent), dict(parameters or {})
    chosen = []
    for name, (cut, own) in read_sweep(place).items():
        if twice := sorted(given.keys() & own.keys()):
            raise ParameterError(
                f"parameter {twice[0]!r} is set by the sweep {name!r}\n  leave it out here"
            )
        chosen.append((name, cut, given | own, choose_tasks(folder, only, given | own, notebooks)))
    # who looks into a server first has its processors: there each report looks itself
    if any(cut for _, cut, _, _ in chosen) or data_key(place):
        _look_into(open_data(place), chosen)
    runs, stopped = [], []
    for name, cut, own, plan in chosen:
        source = Source(f"{data_name(place)} {name}", place, cut)
        try:
            runs.append(run_plan(
                plan, source, own, out / folder_name(name), limits or Limits(),
                force=force, progress=progress,
            ))  # fmt: skip
        except (NotFinished, ParameterError) as problem:
            stopped.append(f"{name}: {problem}")
    try:
        # a run that holds the folder for longer writes the page itself, at its end
        with suppress(Busy), locked(out, patience=_PATIENCE):
            write_index(out)
    except OSError as error:
        raise not_written(out, error) from error
    if stopped:
        raise NotFinished("\n".join(stopped))
    return runs


def check_beside(place: str, data: Dataset) -> None:
    """Hold what a folder says of reports, [report], [brand] and [sweep.name], against its data."""
    folder = notebooks_folder()
    read_brand(place)
    given = settings_of(place, REPORT)
    mine = given.pop("notebooks", None)  # read for their parameters, and not run
    mine = Path(place, mine) if mine else None
    own = read_sweep(place) if settings_of(place, SWEEP) else {}
    whole: dict[str, tuple[Cut | None, dict[str, Any]]] = {"report": (None, {})} if given else {}
    _look_into(data, [
        (name, cut, given | more, choose_tasks(folder, [], given | more, mine))
        for name, (cut, more) in (whole | own).items()
    ])  # fmt: skip


def _look_into(
    data: Dataset, chosen: Sequence[tuple[str, Cut | None, Mapping[str, Any], Plan]]
) -> None:
    """Refuse names that the data does not have, and parts of few customers, all at once."""
    problems, names = [], names_in(data) if chosen else {}
    for name, cut, given, plan in chosen:
        try:
            check_names(given, names)
            if cut:
                refuse_few(str(cut), count_customers(part_of(data, cut)), plan.min_customers)
        except ParameterError as problem:
            problems.append(f"{name}: {problem}")
    if (wheres := [cut for _, cut, _, _ in chosen if cut and cut.where]) and not problems:
        rest = data.tables["customers"]
        for cut in wheres:
            rest = rest.anti_join(part_of(data, Cut(cut.where))["customers"], "customer_id")
        if left := count_customers({"customers": rest}):
            least = max(plan.min_customers for *_, plan in chosen)
            refuse_few("the customers that are in none of these parts", left, least)
    if problems:
        raise ParameterError("\n".join(problems))


def read_sweep(place: str) -> dict[str, tuple[Cut | None, dict[str, Any]]]:
    """Read the sweep beside the data: of each report its part of the data, and parameters.

    What cannot be told apart or understood is refused.
    """
    sections = settings_of(place, SWEEP)
    if not sections:
        raise ParameterError(
            f"no sweep in {SETTINGS} beside the data\n"
            '  write one section a report, such as [sweep.north] with where = { region = "north" }'
        )
    folders: dict[str, str] = {LATEST: LATEST}
    for name in sections:
        taken = folders.setdefault(folder_name(name).lower(), name)
        if taken != name or name == LATEST:
            raise ParameterError(
                f"sweep: {name!r} and {taken!r} would share a folder\n  rename one of them"
            )
    return {name: _read(name, section) for name, section in sections.items()}


def _read(name: str, section: Any) -> tuple[Cut | None, dict[str, Any]]:
    if not isinstance(section, dict):
        raise ParameterError(f"sweep: {name!r} is a value\n  write a section [sweep.{name}]")
    where = section.get(_WHERE, {})
    if not isinstance(where, dict):
        raise ParameterError(
            f"sweep {name!r}: where is {where!r}\n"
            '  write columns of customers and their values, such as { region = "north" }'
        )
    cut = Cut(where, _time(name, section, _FROM), _time(name, section, _UNTIL))
    own = {key: section[key] for key in section if key not in (_WHERE, _FROM, _UNTIL)}
    return cut if cut != Cut() else None, own


def _time(name: str, section: Mapping[str, Any], key: str) -> str:
    value = str(section.get(key, ""))
    try:
        return value and dt.datetime.fromisoformat(value).isoformat()
    except ValueError:
        raise ParameterError(
            f"sweep {name!r}: {key} is {section[key]!r}, not a time\n"
            "  write a date such as 2026-03-01"
        ) from None
