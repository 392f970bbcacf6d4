"""Who answered, beside everyone: traits, touches and outcomes."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.experience.answers import (
    NO_SCORES,
    UNKNOWN,
    need_ids,
    one_if,
    surveys_of,
    traits_of,
)
from touchlab.experience.intervals import Z

MOST_LEVELS = 8
MOST_OUTCOMES = 5
GROUPS = ("everyone", "asked", "answered")


def responders(data: Dataset) -> pd.DataFrame:
    """How do customers who answered differ from all customers?

    Where they differ, the scores speak for some customers more than for others. Where
    they do not, they may still differ in what no column shows, such as their mood.

    Parameters
    ----------
    data
        An opened Dataset whose surveys name their customers. Everyone is the customers
        table, or, without one, whoever has a touch.

    Returns
    -------
    pandas.DataFrame
        ``what, unit, everyone, asked, answered, difference, ci_low, ci_high, n``: a row
        for touches, each outcome (customers who had it at any time) and each trait (its
        mean, or a row a level; the eight largest). `difference` is answered less
        everyone with its 95 % interval, in `unit`; `n` is the customers who answered.
        `asked` is missing where the data holds answers only.

    Raises
    ------
    MissingInput
        Without surveys, their customers or any answer.

    Notes
    -----
    The interval is that of a simple random sample of `n` out of everyone, with the finite
    population correction.

    Examples
    --------
    >>> import touchlab as tl
    >>> table = responders(tl.open_data("data/sample"))
    >>> table[["what", "unit", "everyone", "answered"]].head(3).round(1)
             what            unit  everyone  answered
    0     touches            mean      16.2      22.8
    1  conversion  % of customers      15.2      47.6
    2       churn  % of customers       3.9      11.9
    """
    need_ids(data, "who answered")
    people = _people(data)
    counts = people.aggregate(**{group: people[group].sum() for group in GROUPS})
    sizes = counts.to_pandas().iloc[0].astype(float)
    if not sizes.answered > 0:
        raise MissingInput(NO_SCORES)
    numbers, levels = _traits(people, traits_of(data))
    had = [c for c in people.columns if c.startswith("had_")]
    rows = _means(people, ["touches", *had, *numbers])
    rows += [row for name in levels for row in _levels(people, sizes, name)]
    table = pd.DataFrame(rows)
    if not sizes.asked > sizes.answered:  # answers alone do not tell who was asked
        table["asked"] = np.nan
    table["difference"] = table.answered - table.everyone
    finite = max(1 - sizes.answered / sizes.everyone, 0.0)
    reach = Z * np.sqrt(table.variance / sizes.answered * finite)
    table["ci_low"], table["ci_high"] = table.difference - reach, table.difference + reach
    table["n"] = int(sizes.answered)
    return table[["what", "unit", *GROUPS, "difference", "ci_low", "ci_high", "n"]]


def _people(data: Dataset) -> ir.Table:
    """Give a row a customer: touches, had_<outcome>, traits, asked and answered as 0 and 1."""
    touches, surveys = data.touches, surveys_of(data)
    counted = touches.group_by("customer_id").aggregate(touches=touches.count().cast("float64"))
    if data.has("customers"):
        people = data.tables["customers"].drop("observed_from", "observed_to")
        people = people.rename({f"trait_{t}": t for t in traits_of(data)})
        people = people.left_join(counted, "customer_id").drop("customer_id_right")
    else:
        people = counted
    asked = surveys.filter(surveys.customer_id.notnull()).group_by("customer_id")
    asked = asked.aggregate(answered=one_if(surveys.score.notnull()).max())
    had = _had(data)
    for table in (asked, had):
        people = people.left_join(table, "customer_id").drop("customer_id_right")
    filled = {c: people[c].fill_null(0.0) for c in ("touches", *had.columns[1:])}
    return people.mutate(
        **filled,
        everyone=ibis.literal(1.0),
        asked=one_if(people.answered.notnull()),
        answered=people.answered.fill_null(0.0),
    )


def _had(data: Dataset) -> ir.Table:
    """Give the most frequent outcomes of each customer as 0 and 1: customer_id, had_<outcome>."""
    rows = data.outcomes
    counts = rows.group_by("outcome").aggregate(n=rows.count()).to_pandas()
    names = counts.sort_values(["n", "outcome"], ascending=[False, True]).outcome[:MOST_OUTCOMES]
    return rows.group_by("customer_id").aggregate(
        **{f"had_{name}": one_if(rows.outcome == name).max() for name in names}
    )


def _traits(people: ir.Table, traits: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part traits into numbers and names."""
    columns = [f"trait_{trait}" for trait in traits]
    numbers = [c for c in columns if people[c].type().is_numeric()]
    return numbers, [c for c in columns if c not in numbers]


def _means(people: ir.Table, columns: Sequence[str]) -> list[dict[str, object]]:
    """Compare means: of touches and numeric traits as they are, of outcomes in per cent."""
    sums: dict[str, ir.Value] = {}
    for i, column in enumerate(columns):
        value = people[column].cast("float64")
        there = one_if(value.notnull())
        sums[f"squares{i}"] = (value * value * people.answered).sum()
        for group in GROUPS:
            sums[f"{group}{i}"] = (value * people[group]).sum()
            sums[f"n_{group}{i}"] = (there * people[group]).sum()
    row = people.aggregate(**sums).to_pandas().iloc[0].astype(float)
    compared = []
    for i, column in enumerate(columns):
        scale = 100.0 if column.startswith("had_") else 1.0
        n = {g: max(row[f"n_{g}{i}"], 1.0) for g in GROUPS}
        means = {g: scale * row[f"{g}{i}"] / n[g] for g in GROUPS}
        variance = max(scale**2 * row[f"squares{i}"] / n["answered"] - means["answered"] ** 2, 0.0)
        what = column.removeprefix("had_").removeprefix("trait_")
        unit = "% of customers" if scale > 1 else "mean"
        compared.append({"what": what, "unit": unit, "variance": variance, **means})
    return compared


def _levels(people: ir.Table, sizes: pd.Series, column: str) -> list[dict[str, object]]:
    """Compare how many customers have each level of a trait, in per cent."""
    level = people[column].cast("string").fill_null(UNKNOWN)
    counts = people.group_by(level=level).aggregate(
        **{group: people[group].sum() for group in GROUPS}
    )
    table = counts.to_pandas().sort_values(["everyone", "level"], ascending=[False, True])
    compared = []
    for row in table.head(MOST_LEVELS).itertuples():
        shares = {g: 100.0 * getattr(row, g) / max(sizes[g], 1.0) for g in GROUPS}
        variance = shares["answered"] * (100.0 - shares["answered"])
        what = f"{column.removeprefix('trait_')}: {row.level}"
        compared.append({"what": what, "unit": "% of customers", "variance": variance, **shares})
    return compared
