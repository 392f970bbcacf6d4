"""The pages around the notebooks: one for each run, and the index of all runs."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from touchlab.reporting.export import render_page
from touchlab.reporting.moved import OTHERS, moved, newest_pair, packed, read_estimates
from touchlab.reporting.record import FILE, Run, read_records
from touchlab.reporting.settled import put_in_place


@dataclass(frozen=True)
class Part:
    """One report of a sweep: where its runs are, the newest run, and the newest good one."""

    folder: Path
    newest: Run
    good: Run | None


def write_index(out: Path) -> Path:
    """Write ``index.html`` of a folder of reports: newest answers, what changed, every run.

    Failed runs are listed as what they are. The reports of a sweep lie in folders of their own;
    the page has a row for each. It is replaced in one step, so a reader never meets half of it.
    The estimates of all runs are inside it, so any two can be compared.

    Parameters
    ----------
    out
        The folder that holds the folders of the runs.

    Returns
    -------
    Path of the index.
    """
    runs = read_records(out)
    good = [run for run in runs if run.status == "complete"]
    known = [one for one in map(read_estimates, runs) if one.tables]
    pair = newest_pair(known)
    page = render_page(
        "index.html.j2",
        scripts=("page.js", "runs.js"),
        title="Reports",
        newest=runs[0] if runs else None,
        good=good[0] if good else None,
        runs=runs,
        known=[one.run for one in known],
        estimates=[packed(one) for one in known] if len(known) > 1 else [],
        moved=moved(*pair) if pair else None,
        others=OTHERS,
        parts=read_parts(out),
        link=partial(link, out),
    )
    target = out / "index.html"
    draft = out / ".work-index.html"  # a run clears away what begins so
    draft.write_text(page, encoding="utf-8")
    put_in_place(draft, target)
    return target


def read_parts(out: Path) -> list[Part]:
    """Read the reports of a sweep, by name: folders in `out` that hold runs themselves."""
    folders = {path.parents[1] for path in out.glob(f"*/*/{FILE}")}
    found = []
    for folder in sorted(f for f in folders if f.name[0] != "." and not f.is_symlink()):
        runs = read_records(folder)
        if runs:
            good = next((run for run in runs if run.status == "complete"), None)
            found.append(Part(folder, runs[0], good))
    return found


def write_run_page(run: Run) -> Path:
    """Write the front page of one run: its answers, or why it stopped."""
    title = f"Report on {run.data}" if run.status == "complete" else f"Unfinished: {run.data}"
    page = render_page("run.html.j2", scripts=(), title=title, run=run, link=link_inside)
    run.page.write_text(page, encoding="utf-8")
    return run.page


def link(out: Path, of: Run | Part, file: str = "index.html") -> str:
    """Make the relative address of a page from the index; empty if there is no such page."""
    page = of.folder / file
    return quote(page.relative_to(out).as_posix()) if page.is_file() else ""


def link_inside(run: Run, file: str) -> str:
    """Make the relative address of a page from another page of the same run."""
    return quote(file) if (run.folder / file).is_file() else ""
