"""Pages of the site that are made from the package: reference, gallery, list of decisions.

mkdocs calls `on_files` before it reads the pages. Nothing is written into docs/.
"""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TITLES = {
    "data": "Data",
    "journeys": "Journeys",
    "credit": "Credit",
    "drivers": "Drivers",
    "retention": "Retention and lifetime value",
    "experience": "Experience",
    "budget": "Budget",
    "experiments": "Experiments",
    "next": "The next touch",
    "forecasts": "Forecasts and their grades",
    "privacy": "Privacy",
    "errors": "Errors",
}


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for name, text in {**reference(), **decisions(), **gallery(), **exports()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def public_names() -> dict[str, dict[str, str]]:
    """Where each public name is written, by room: {room: {name: module}}."""
    stub = ast.parse((ROOT / "touchlab/__init__.pyi").read_text(encoding="utf-8"))
    rooms: dict[str, dict[str, str]] = defaultdict(dict)
    for line in stub.body:
        if isinstance(line, ast.ImportFrom) and line.module:
            for name in line.names:
                rooms[line.module.split(".")[0]][name.asname or name.name] = line.module
    return rooms


def reference() -> dict[str, str]:
    """A page a room, an entry a public name, and one page that shows the whole surface."""
    import touchlab as tl

    rooms, pages = public_names(), {}
    surface = ["# Reference\n\nEverything that `import touchlab as tl` gives.\n"]
    for room in sorted(rooms, key=lambda room: list(TITLES).index(room)):
        title = TITLES[room]
        surface.append(f"\n## {title}\n\n| name | what it answers |\n|---|---|")
        entries = []
        for name, module in sorted(rooms[room].items()):
            said = inspect.getdoc(getattr(tl, name)) or ""
            first = said.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            surface.append(f"| [`tl.{name}`]({room}.md#touchlab.{module}.{name}) | {first} |")
            entries.append(f"::: touchlab.{module}.{name}\n")
        pages[f"reference/{room}.md"] = f"# {title}\n\n" + "\n".join(entries)
    surface.append("\n## What pages are made of\n\n| module | what is in it |\n|---|---|")
    for name in (name for name in tl.__all__ if inspect.ismodule(getattr(tl, name))):
        first = (inspect.getdoc(getattr(tl, name)) or "").split("\n\n")[0].replace("\n", " ")
        surface.append(f"| `tl.{name}` | {first} |")
    return {"reference/index.md": "\n".join(surface) + "\n", **pages}


FIGURES = {
    "Who is given credit, by model": "plots.plot_credit(tl.attribute(data))",
    "What removing a touchpoint loses": """\
effects = tl.removal_effects(data)
plots.plot_removal(effects, outcome="conversion")""",
    "Where customers go next": "plots.plot_steps(tl.transition_matrix(tl.build_journeys(data)))",
    "How long before the outcome": "plots.plot_times(tl.time_to_outcome(data))",
    "What would not have happened": """\
drivers = tl.fit_drivers(data, outcome="conversion", seed=1)
checks = tl.check_drivers(data, drivers)
plots.plot_incremental(drivers.incremental(total=False, checks=checks), outcome="conversion")""",
    "What an outcome costs": """\
costs = tl.cost_per_incremental(drivers, checks=checks)
plots.plot_cost_per_incremental(costs, outcome="conversion")""",
    "Where money should move": """\
plan = tl.reallocate(drivers, checks=checks, seed=1)
plots.plot_reallocation(plan.table, plan.gain)""",
    "How long customers stay": 'plots.plot_survival(tl.survival_curves(data, by="plan"))',
    "Who comes back": """\
cohorts = tl.cohort_table(data, outcome="conversion", after="conversion")
plots.plot_cohorts(cohorts, outcome="conversion")""",
    "Where the experience is weak": "plots.plot_survey_scores(tl.survey_scores(data))",
    "Whether it matters": "plots.plot_importance(tl.key_drivers(data, seed=1))",
    "Where customers stop": "plots.plot_flow(tl.stage_flow(data))",
}
"""Code of the gallery, in order; the last expression is the figure."""


def gallery() -> dict[str, str]:
    """Every figure with the code that drew it, from the sample company."""
    import touchlab as tl
    from touchlab import plots

    known: dict[str, Any] = {"tl": tl, "plots": plots, "data": tl.open_data(ROOT / "data/sample")}
    parts = ["# Gallery\n\nFigures of the sample company, drawn when this site was built."]
    for title, code in FIGURES.items():
        *before, last = code.splitlines()
        exec("\n".join(before), known)
        drawn = eval(last, known).svg()
        parts.append(f"## {title}\n\n```python\n{code}\n```\n\n{drawn}")
    return {"gallery.md": "\n\n".join(parts) + "\n"}


EXPORTS = {
    "ga4": "Google Analytics 4", "segment": "Segment, RudderStack", "snowplow": "Snowplow",
    "hubspot": "HubSpot", "stripe": "Stripe", "ads": "Google Ads, Meta Ads", "typeform": "Typeform",
}  # fmt: skip


def exports() -> dict[str, str]:
    """What becomes of a small export of each source: its files, its settings, the map."""
    import touchlab as tl
    from touchlab import plots, show
    from touchlab.show.words import forget_words

    parts = [
        "# Exports, and what becomes of them\n\nSmall made-up exports in the shape of each vendor, "
        "opened when this site was built. [How to open your own](sources.md)."
    ]
    for name, title in EXPORTS.items():
        folder = ROOT / "tests/data/sources" / name
        data = show.protect(tl.open_data(folder), min_customers=1)  # nobody's: all may be seen
        files = ", ".join(f"`{f.name}`" for f in sorted(folder.iterdir()) if f.suffix != ".toml")
        settings = (folder / "touchlab.toml").read_text(encoding="utf-8")
        rows = [f"| {row.table} | {row.rows} |" for row in data.overview.itertuples()]
        table = "\n".join(["| table | rows |", "|---|---|", *rows])
        drawn = plots.plot_map(tl.touchpoint_map(data, scores=data.has("surveys"))).svg()
        parts.append(f"## {title}\n\n{files}\n\n```toml\n{settings}```\n\n{table}\n\n{drawn}")
    show.protect(tl.open_data(ROOT / "data/sample"))
    forget_words()
    return {"exports.md": "\n\n".join(parts) + "\n"}


def decisions() -> dict[str, str]:
    """The list of decisions, by their first lines."""
    files = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    heads = [(f.name, f.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")) for f in files]
    items = "\n".join(f"- [{head}]({name})" for name, head in heads)
    return {
        "decisions/index.md": "# Decisions\n\nWhere a method, a name or a default was contested: "
        f"what was measured, and what was chosen.\n\n{items}\n"
    }
