"""What may a notebook be told? The `parameters` cell read, given values checked.

papermill itself only warns about a mistyped name and runs on the defaults, so everything
is checked here, for all notebooks, before the first kernel starts.
"""

import ast
import difflib
import io
import math
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from touchlab.errors import ParameterError
from touchlab.reporting.ranges import out_of_range

Value = Any  # a plain JSON value: None, bool, int, float, str, or lists and dicts of those
DATA = "data"  # filled from the first argument of a report, never by a parameter
RESULTS = "results"  # filled with the folder of the run's tables
PREVIOUS = "previous"  # filled with the folder of the tables of the run before
_FILLED = {
    DATA: "give the data as the first argument",
    RESULTS: "a report gives it the folder of its tables",
    PREVIOUS: "a report gives it the tables of the run before",
}

_TYPE_NAMES = {
    "NoneType": "None",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "list": "a list",
    "dict": "a mapping",
}


@dataclass(frozen=True)
class Parameter:
    """One line of a `parameters` cell: its name, its default and the comment behind it."""

    name: str
    default: Value
    comment: str = ""


def read_parameters(source: str, *, notebook: str = "notebook") -> dict[str, Parameter]:
    """Read the source of a `parameters` cell into its parameters, by name.

    Does not run the cell, so it answers only for lines of the form ``name = literal``.

    Parameters
    ----------
    source
        Python source of the cell; empty if the notebook has none.
    notebook
        Name used in messages.

    Returns
    -------
    dict of Parameter, in the order of the cell.

    Raises
    ------
    ParameterError
        The cell is not Python, or holds something other than plain literals.

    Examples
    --------
    >>> read_parameters('outcome = "churn"  # conversion, churn or referral')
    {'outcome': Parameter(name='outcome', default='churn', comment='conversion, churn or referral')}
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(
            f"{notebook}: the parameters cell is not Python\n"
            f"  line {error.lineno}: {error.msg}\n"
            "  keep it to lines such as: outcome = 'conversion'  # its meaning and unit"
        ) from error
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for statement in statements:
        line = source.splitlines()[statement.lineno - 1].strip()
        name, default = _assignment(statement, line, notebook)
        comment = comments.get(statement.end_lineno or 0, "")
        found[name] = Parameter(name, default, comment)
    return found


def check_parameters(
    given: Mapping[str, object], notebooks: Mapping[str, Mapping[str, Parameter]]
) -> dict[str, dict[str, Value]]:
    """Share the given values out to the notebooks that declare them, after checking all.

    Parameters
    ----------
    given
        Values by parameter name.
    notebooks
        Declared parameters by notebook name.

    Returns
    -------
    dict of dict
        For each notebook the values it declares; a value may go to several.

    Raises
    ------
    ParameterError
        All problems found: names no notebook declares (with the nearest one), values of
        another type than the default or out of range, values that are not plain JSON.

    Examples
    --------
    >>> one = read_parameters("outcome = 'conversion'")
    >>> check_parameters({"outcome": "churn"}, {"03_attribution": one, "01_map": {}})
    {'03_attribution': {'outcome': 'churn'}, '01_map': {}}
    """
    declared = {name for parameters in notebooks.values() for name in parameters}
    problems = []
    for name, value in given.items():
        problem = _problem_with(name, value, notebooks, declared)
        if problem:
            problems.append(problem)
    if problems:
        raise ParameterError("\n".join(problems))
    return {
        notebook: {name: value for name, value in given.items() if name in parameters}
        for notebook, parameters in notebooks.items()
    }


def _problem_with(
    name: object,
    value: object,
    notebooks: Mapping[str, Mapping[str, Parameter]],
    declared: set[str],
) -> str:
    """Say what is wrong with one given value; empty if nothing is."""
    if not isinstance(name, str) or not name.isidentifier():
        return f"parameter name {name!r} is not a name\n  use letters, digits and underscores"
    if name in _FILLED:
        return f"parameter {name!r} cannot be set here\n  {_FILLED[name]}"
    if name not in declared:
        return unknown_name(name, declared)
    trouble = _not_plain(value)
    if trouble:
        return f"parameter {name!r}: {trouble}\n  allowed are text, numbers, true, false, lists"
    for notebook, parameters in notebooks.items():
        parameter = parameters.get(name)
        if parameter and not _fits(value, parameter.default):
            return wrong_type(value, parameter, f" of {notebook}")
    allowed = out_of_range(name, value)
    if allowed:
        return f"parameter {name!r} must be {allowed}, not {value!r}"
    return ""


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _assignment(statement: ast.stmt, line: str, notebook: str) -> tuple[str, Value]:
    target: ast.expr | None = None
    value: ast.expr | None = None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign):
        target, value = statement.target, statement.value
    if not isinstance(target, ast.Name) or value is None:
        raise _not_literal(notebook, statement.lineno, line)
    try:
        default = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError) as error:
        raise _not_literal(notebook, statement.lineno, line) from error
    if _not_plain(default):
        raise _not_literal(notebook, statement.lineno, line)
    return target.id, default


def _not_literal(notebook: str, number: int, line: str) -> ParameterError:
    return ParameterError(
        f"{notebook}: the parameters cell holds something other than name = literal\n"
        f"  line {number}: {line}\n"
        "  allowed are text, numbers, True, False, None, lists and dicts; move the rest to"
        " a cell below"
    )


def _not_plain(value: object) -> str:
    """Say why a value is not plain JSON; empty if it is."""
    if value is None or isinstance(value, bool | int | str):
        return ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"{value!r} is not a finite number"
    if isinstance(value, list):
        return next(filter(None, map(_not_plain, value)), "")
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            return f"{value!r} has keys that are not text"
        return next(filter(None, map(_not_plain, value.values())), "")
    return f"{value!r} is a {type(value).__name__}, not a plain value"


def _fits(value: object, default: Value) -> bool:
    if default is None:
        return value is None or (isinstance(value, str | int | float) and not _is_bool(value))
    if isinstance(default, float):
        return isinstance(value, int | float) and not _is_bool(value)
    if isinstance(default, int) and not _is_bool(default):
        return isinstance(value, int) and not _is_bool(value)
    return isinstance(value, type(default))


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def wrong_type(value: object, parameter: Parameter, where: str = "") -> str:
    kind = _TYPE_NAMES[type(parameter.default).__name__]
    if parameter.default is None:
        kind = "text or a number"
    meaning = f" ({parameter.comment})" if parameter.comment else ""
    return (
        f"parameter {parameter.name!r}{where} must be {kind}, not {value!r}\n"
        f"  its default is {parameter.default!r}{meaning}"
    )


def unknown_name(name: str, declared: Mapping[str, Parameter] | set[str]) -> str:
    names = sorted(set(declared) - set(_FILLED))
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"  did you mean {nearest[0]!r}?\n" if nearest else ""
    known = ", ".join(names) or "none"
    return f"unknown parameter {name!r}\n{hint}  the chosen notebooks know: {known}"
