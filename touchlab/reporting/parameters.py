"""What may a notebook be told? The `parameters` cell read, given values checked.

papermill itself only warns about a mistyped name and runs on the defaults, so everything
is checked here, for all notebooks, before the first kernel starts.
"""

import ast
import difflib
import io
import json
import math
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from touchlab.errors import ParameterError

Value = Any  # a plain JSON value: None, bool, int, float, str, or lists and dicts of those
DATA = "data"  # filled from the first argument of a report, never by a parameter

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


def parse_assignments(texts: Sequence[str], declared: Mapping[str, Parameter]) -> dict[str, Value]:
    """Turn ``name=value`` texts of a command line into values of the declared types.

    The type of the default decides: ``010`` stays text for a text and ``true`` is a truth
    value only for a truth value. Lists and mappings are JSON; a list may also be ``a,b``.

    Raises
    ------
    ParameterError
        No equals sign, a name nobody declares, or a value of the wrong type.

    Examples
    --------
    >>> declared = read_parameters("code = ''\\nseed = 1\\nsynergy = False\\nweights = [0.4, 0.2]")
    >>> parse_assignments(["code=010", "seed=010", "synergy=true", "weights=1,2"], declared)
    {'code': '010', 'seed': 10, 'synergy': True, 'weights': [1.0, 2.0]}
    """
    values: dict[str, Value] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ParameterError(
                f"parameter {text!r} has no name or no value\n  write it as name=value"
            )
        if name not in declared:
            raise ParameterError(_unknown(name, declared))
        if name in values:
            raise ParameterError(f"parameter {name!r} is given twice\n  keep one of them")
        values[name] = _parse(value, declared[name])
    return values


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
        another type than the default, values that are not plain JSON.

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
    if name == DATA:
        return "parameter 'data' cannot be set here\n  give the data as the first argument"
    if name not in declared:
        return _unknown(name, declared)
    trouble = _not_plain(value)
    if trouble:
        return f"parameter {name!r}: {trouble}\n  allowed are text, numbers, true, false, lists"
    for notebook, parameters in notebooks.items():
        parameter = parameters.get(name)
        if parameter and not _fits(value, parameter.default):
            return _wrong_type(value, parameter, f" of {notebook}")
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


def _parse(text: str, parameter: Parameter) -> Value:
    default = parameter.default
    try:
        if isinstance(default, str):
            return text
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.strip().lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
        if isinstance(default, list) and not text.lstrip().startswith("["):
            return _split_list(text, parameter)
        if isinstance(default, list | dict):
            return _json_of(type(default), text)
    except ParameterError:
        raise  # an item of a list already says what is wrong with it
    except (KeyError, ValueError) as error:
        raise ParameterError(_wrong_type(text, parameter)) from error
    return _number_or_text(text)


def _json_of(kind: type, text: str) -> Value:
    value = json.loads(text)
    if not isinstance(value, kind):
        raise ValueError(text)
    return value


def _split_list(text: str, parameter: Parameter) -> list[Value]:
    items = [item.strip() for item in text.split(",") if item.strip()]
    first = parameter.default[0] if parameter.default else ""
    return [_parse(item, Parameter(parameter.name, first)) for item in items]


def _number_or_text(text: str) -> Value:
    """Read what a default of None accepts; leading zeros mean a code, not a number."""
    if re.fullmatch(r"-?(0|[1-9]\d*)", text):
        return int(text)
    if re.fullmatch(r"-?(0|[1-9]\d*)\.\d+([eE][-+]?\d+)?", text):
        return float(text)
    return text


def _wrong_type(value: object, parameter: Parameter, where: str = "") -> str:
    kind = _TYPE_NAMES[type(parameter.default).__name__]
    if parameter.default is None:
        kind = "text or a number"
    meaning = f" ({parameter.comment})" if parameter.comment else ""
    return (
        f"parameter {parameter.name!r}{where} must be {kind}, not {value!r}\n"
        f"  its default is {parameter.default!r}{meaning}"
    )


def _unknown(name: str, declared: Mapping[str, Parameter] | set[str]) -> str:
    names = sorted(set(declared) - {DATA})
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"  did you mean {nearest[0]!r}?\n" if nearest else ""
    known = ", ".join(names) or "none"
    return f"unknown parameter {name!r}\n{hint}  the chosen notebooks know: {known}"
