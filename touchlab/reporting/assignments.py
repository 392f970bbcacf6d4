"""Parameters as a user gives them: `name=value` on the command line, or a TOML file."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from touchlab.errors import ParameterError
from touchlab.reporting.parameters import Parameter, Value, unknown_name, wrong_type


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
    >>> from touchlab.reporting.parameters import read_parameters
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
            raise ParameterError(unknown_name(name, declared))
        if name in values:
            raise ParameterError(f"parameter {name!r} is given twice\n  keep one of them")
        values[name] = _parse(value, declared[name])
    return values


def read_parameter_file(path: Path) -> dict[str, Value]:
    """Read parameters from a TOML file of lines such as ``lookback = "14D"``.

    TOML, because `touchlab.toml` is TOML too, and because it says which value is text.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ParameterError(
            f"{path.name}: cannot be read as TOML: {why}\n  give lines such as name = 'text'"
        ) from error


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
        raise ParameterError(wrong_type(text, parameter)) from error
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
