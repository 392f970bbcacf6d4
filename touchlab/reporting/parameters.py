"""What may a notebook be given? Its `parameters` cell read, values checked.

papermill only warns about a mistyped name and runs on the defaults, and its own reading of a
`parameters` cell takes a # inside a text for a comment and the next line for the value. So the
cell is read here, and all values are checked, for all notebooks, before a kernel starts.
"""

from __future__ import annotations

import ast
import io
import json
import math
import re
import tokenize
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchlab.data.level import LEVELS
from touchlab.errors import ParameterError, listing, nearest, shorten

Value = Any  # a plain JSON value: None, bool, int, float, str, or lists and dicts of those
DATA, RESULTS, PREVIOUS, LEDGER, SEALS = "data", "results", "previous", "ledger", "seals"
FILLED = {
    DATA: "give the data as the first argument",
    RESULTS: "a report gives it the folder of its tables",
    PREVIOUS: "a report gives it the tables of the run before",
    LEDGER: "a report gives it the forecasts of earlier runs",
    SEALS: "a report gives it what earlier runs remember of their forecasts",
}
"""Parameters that a report fills in itself."""
_TAKES: Mapping[type, tuple[str, Any]] = {
    bool: ("true or false", bool),
    int: ("a whole number", int),
    float: ("a number", int | float),
    str: ("text", str),
    list: ("a list", list),
    dict: ("a mapping", dict),
    type(None): ("text or a number", str | int | float | None),
}
"""What a parameter takes, in words and as types, by the type of its default."""
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+([eE][-+]?\d+)?)?")  # leading zeros mean a code


def _is_duration(text: str) -> bool:
    import pandas as pd  # slow to import, and seldom needed

    try:
        return not text.strip().isdigit() and pd.Timedelta(text) >= pd.Timedelta(milliseconds=1)
    except ValueError:
        return False


_POSITIVE = ("1 or more", lambda value: value >= 1)
_NOT_NEGATIVE = ("0 or more", lambda value: value >= 0)
RANGES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "customers": _POSITIVE,
    "days": _POSITIVE,
    "folds": ("0, or 2 to 20", lambda folds: folds in (0, *range(2, 21))),
    "horizon_days": _POSITIVE,
    "level": ("touchpoint or campaign", lambda word: word in LEVELS),
    "lookback": ("a duration such as 30D or 12h", _is_duration),
    "min_customers": _POSITIVE,
    "outcome": ("not empty", bool),
    "period_days": _POSITIVE,
    "saturation": ("log or exp", lambda word: word in ("log", "exp")),
    "seed": _NOT_NEGATIVE,
    "seeds": _NOT_NEGATIVE,
}
"""What a parameter may be, in words and as a test (of each item of a list), by its name: one
name means one thing in every notebook."""


NAMING: Mapping[str, tuple[str, ...]] = {
    "outcome": ("outcome",),
    "order": ("outcome",),
    "target": ("metric", "outcome"),
    "by": ("trait",),
    "segment": ("trait",),
    "touchpoint": ("touchpoint",),
}
"""What a parameter names in the data, by its name."""


@dataclass(frozen=True)
class Parameter:
    """One line of a `parameters` cell: its name, its default and the comment behind it."""

    name: str
    default: Value
    comment: str = ""


def read_parameters(source: str, *, notebook: str = "notebook") -> dict[str, Parameter]:
    """Read the source of a `parameters` cell into its parameters, by name.

    Does not run the cell, so it answers only for lines of the form ``name = literal``.

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
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Parameter] = {}
    for statement in statements:
        try:
            name, default = _assignment(statement)
        except (ValueError, TypeError, SyntaxError) as error:
            line = source.splitlines()[statement.lineno - 1].strip()
            raise ParameterError(
                f"{notebook}: the parameters cell holds something other than name = literal\n"
                f"  line {statement.lineno}: {line}\n"
                "  allowed are text, numbers, True, False, None, lists and dicts; move the rest to"
                " a cell below"
            ) from error
        found[name] = Parameter(name, default, comments.get(statement.end_lineno or 0, ""))
    return found


def _assignment(statement: ast.stmt) -> tuple[str, Value]:
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
        ):
            default = ast.literal_eval(value)
            if not _trouble_of(default):
                return name, default
    raise ValueError("not a name and a plain literal")


def _trouble_of(value: object) -> str:
    """Say why a value is not plain JSON; empty if it is."""
    match value:
        case None | bool() | int() | str():
            return ""
        case float():
            return "" if math.isfinite(value) else f"{value!r} is not a finite number"
        case list():
            return next(filter(None, map(_trouble_of, value)), "")
        case dict() if all(isinstance(key, str) for key in value):
            return _trouble_of([*value.values()])
        case dict():
            return f"{value!r} has keys that are not text"
    return f"{value!r} is a {type(value).__name__}, not a plain value"


def check_parameters(
    given: Mapping[str, object], notebooks: Mapping[str, Mapping[str, Parameter]]
) -> dict[str, dict[str, Value]]:
    """Share the given values out to the notebooks that declare them, after checking all.

    >>> one = read_parameters("outcome = 'conversion'")
    >>> check_parameters({"outcome": "churn"}, {"03_attribution": one, "01_map": {}})
    {'03_attribution': {'outcome': 'churn'}, '01_map': {}}
    """
    problems = [_problem_with(name, value, notebooks) for name, value in given.items()]
    if any(problems):
        raise ParameterError("\n".join(filter(None, problems)))
    return {
        notebook: {name: value for name, value in given.items() if name in parameters}
        for notebook, parameters in notebooks.items()
    }


def check_names(given: Mapping[str, object], there: Mapping[str, Sequence[str]]) -> None:
    """Refuse a value that names what the data does not have; `there` lists its names by kind.

    >>> check_names({"outcome": "churn", "seed": 1}, {"outcome": ["churn", "conversion"]})
    """
    problems = []
    for name, value in given.items():
        kinds = [kind for kind in NAMING.get(name, ()) if kind in there]
        known = [one for kind in kinds for one in there[kind]]
        if kinds and value and value not in known:
            said = f"parameter {name!r}: the data has no {kinds[0]} {shorten(value)}"
            problems.append(f"{said}{nearest(str(value), known)}\n  it has {listing(known)}")
    if problems:
        raise ParameterError("\n".join(problems))


def _problem_with(
    name: object, value: object, notebooks: Mapping[str, Mapping[str, Parameter]]
) -> str:
    """Say what is wrong with one given value; empty if nothing is."""
    declared = {one for parameters in notebooks.values() for one in parameters}
    if not isinstance(name, str) or not name.isidentifier():
        return f"parameter name {name!r} is not a name\n  use letters, digits and underscores"
    if name in FILLED:
        return f"parameter {name!r} cannot be set here\n  {FILLED[name]}"
    if name not in declared:
        return _unknown(name, declared)
    if trouble := _trouble_of(value):
        return f"parameter {name!r}: {trouble}\n  allowed are text, numbers, true, false, lists"
    for notebook, parameters in notebooks.items():
        if name in parameters and not _fits(value, parameters[name].default):
            return _wrong_type(value, parameters[name], f" of {notebook}")
    words, allows = RANGES.get(name, ("", lambda _: True))
    values = value if isinstance(value, list) else [value]
    if value is not None and not all(map(allows, values)):
        return f"parameter {name!r} must be {words}, not {value!r}"
    return ""


def _fits(value: object, default: Value) -> bool:
    if isinstance(value, bool):  # to Python also a whole number
        return isinstance(default, bool)
    return isinstance(value, _TAKES[type(default)][1])


def _wrong_type(value: object, parameter: Parameter, where: str = "") -> str:
    meaning = f" ({parameter.comment})" if parameter.comment else ""
    takes, _ = _TAKES[type(parameter.default)]
    return (
        f"parameter {parameter.name!r}{where} must be {takes}, not {value!r}\n"
        f"  its default is {parameter.default!r}{meaning}"
    )


def _unknown(name: str, declared: Collection[str]) -> str:
    names = sorted(set(declared) - set(FILLED))
    known = ", ".join(names) or "none"
    return f"unknown parameter {name!r}{nearest(name, names)}\n  the chosen notebooks know: {known}"


# --- as a user types them -----------------------------------------------------------------


def parse_assignments(texts: Sequence[str], declared: Mapping[str, Parameter]) -> dict[str, Value]:
    """Turn ``name=value`` texts of a command line into values of the declared types.

    The type of the default decides: ``010`` stays text for a text and ``true`` is a truth
    value only for a truth value. Lists and mappings are JSON; a list may also be ``a,b``.

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


def _parse(text: str, parameter: Parameter) -> Value:
    try:
        match parameter.default:
            case str():
                return text
            case None:
                return json.loads(text) if _NUMBER.fullmatch(text) else text
            case bool():
                return {"true": True, "false": False}[text.strip().lower()]
            case int() | float() as default:
                return type(default)(text)
            case list() as default if not text.lstrip().startswith("["):
                item = Parameter(parameter.name, default[0] if default else "")
                return [_parse(one.strip(), item) for one in text.split(",") if one.strip()]
        if _fits(value := json.loads(text), parameter.default):
            return value
    except ParameterError:
        raise  # an item of a list already says what is wrong with it
    except (KeyError, ValueError):
        pass
    raise ParameterError(_wrong_type(text, parameter))


def read_parameter_file(path: Path) -> dict[str, Value]:
    """Read parameters from a file of lines such as ``lookback = "14D"``: TOML, as touchlab.toml."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ParameterError(
            f"{path.name}: cannot be read as TOML: {why}\n  give lines such as name = 'text'"
        ) from error
