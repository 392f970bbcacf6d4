"""The files of a finished run: executed notebooks, their pages, the front page, the record."""

from collections.abc import Sequence

from touchlab.reporting.computing import TABLES, Done
from touchlab.reporting.export import export_html
from touchlab.reporting.index import write_run_page
from touchlab.reporting.record import Run, write_record


def write_pages(run: Run, done: Sequence[Done]) -> None:
    """Write everything into ``run.folder``; of a notebook that never ran there is no page."""
    import nbformat

    for one in done:
        if one.notebook is not None:
            name = one.page.name
            nbformat.write(one.notebook, run.folder / f"{name}.ipynb")  # type: ignore[no-untyped-call]
            page = export_html(one.notebook, name=name, run=run, blocks=one.blocks)
            (run.folder / f"{name}.html").write_text(page, encoding="utf-8")
    if not any((run.folder / TABLES).iterdir()):
        (run.folder / TABLES).rmdir()
    write_record(run)
    write_run_page(run)
