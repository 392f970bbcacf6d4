"""Odd inputs, records and addresses by the hundred: our own words come out, and no secret."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = spec_from_file_location("fuzz", SCRIPT)
    assert spec and spec.loader
    sys.modules["fuzz"] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("kind", "count"), [("inputs", 25), ("records", 150), ("addresses", 80)])
def test_what_is_odd_is_read_or_refused_in_our_words(
    kind: str, count: int, fuzz: ModuleType
) -> None:
    assert list(fuzz.falls(kind, count, first=5000)) == []


def test_what_falls_is_seen(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(*_: object) -> str:
        return next(said)

    said = iter([f"no {fuzz.SECRET}", "Traceback (most recent call last)", "\x1b[2J", "well"])
    monkeypatch.setitem(fuzz.KINDS, "inputs", odd)
    assert [seed for seed, _ in fuzz.falls("inputs", 5)] == [0, 1, 2, 4]  # 4 is a foreign error


def test_what_fell_once(fuzz: ModuleType, tmp_path: Path) -> None:
    """Each of these had got out: a foreign error, or a password that a mistyped address held."""
    (tmp_path / "a").mkdir()
    for name, lines in fuzz.TABLES.items():
        kept = lines[:1] if name == "surveys" else lines
        (tmp_path / "a" / f"{name}.csv").write_text("\n".join(kept))
    assert "surveys: the table has no rows" in fuzz.said(["check", str(tmp_path / "a")])
    for address in (
        "postgres//u:{}@h/db", "postgres://u%3A{}%40127.0.0.1:1/x", "sc://127.0.0.1:1/;token={}",
        "htt\np://u:{}@127.0.0.1/x", "sqlit\\e:///x?key={}",
    ):  # fmt: skip
        said = fuzz.said(["check", address.format(fuzz.SECRET)])
        assert fuzz.SECRET not in said and "DataError" in said
