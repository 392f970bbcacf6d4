"""Fits are results alike: a table, a summary, a sentence, a figure, notes; and show themselves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

import touchlab as tl
from touchlab import show
from touchlab.results import Result


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tl.TouchlabWarning)
        data = tl.open_data("data/sample")
        fitted = tl.fit_drivers(data)
        experiments = tl.holdout_effects(data)
        yield {
            "drivers": fitted,
            "calibrated": tl.calibrate(fitted, experiments),
            "experiments": experiments,
            "checks": tl.check_drivers(data, fitted),
            "prediction": tl.check_prediction(fitted, folds=2),
            "plan": tl.reallocate(fitted),
            "cox": tl.fit_cox(data, touchpoints=["mobile_app_push", "support_contact"]),
            "touched": tl.touched_survival(data, "mobile_app_push"),
            "groups": tl.compare_groups(data, by="plan"),
            "lifetime": tl.fit_lifetime(data),
            "validation": tl.validate_lifetime(data),
            "renewals": tl.fit_renewals(data),
            "key drivers": tl.key_drivers(data),
        }


def test_results_answer_alike_and_show_themselves(
    results: dict[str, Any], shell: InteractiveShell
) -> None:
    for name, result in results.items():
        assert isinstance(result, Result), name
        for table in (result.table, result.summary()):
            assert isinstance(table, pd.DataFrame) and len(table), name
        assert {"ci_low", "ci_high", "n"} <= {*result.table, *result.summary()} or name in {
            "checks", "prediction", "plan",  # whose intervals are named by what they are of
            "experiments",  # whose arms have an n each
        }, name  # fmt: skip
        assert result.sentence().endswith("."), name
        assert isinstance(result.notes, tuple), name
        assert isinstance(result.plot(), show.Picture) and result.plot().svg(), name
        data, metadata = shell.display_formatter.format(result)
        assert show.takeaway(result.sentence())._repr_html_() in data["text/html"], name
        assert "<table" in data["text/html"] and metadata["text/html"]["table"]["columns"], name
        for note in result.notes:
            assert show.note(note)._repr_html_() in data["text/html"], name


def test_the_regression_has_a_row_a_term(results: dict[str, Any]) -> None:
    drivers = results["drivers"]
    table = drivers.table.set_index("term")
    assert list(table.index[:13]) == list(drivers.moments.touchpoints)
    assert set(table.kind) == {"touchpoint", "control"} and "intercept" not in table.index
    # the same regression by statsmodels, without the weak pull to 0 and on scaled controls
    own = drivers.regression.params
    push = table.loc["mobile_app_push"]
    assert push.coefficient == pytest.approx(own["mobile_app_push"], rel=0.02)
    assert push.ci_low < push.coefficient < push.ci_high
    spread = dict(zip(drivers.model.controls.names, drivers.model.controls.spread, strict=True))
    plan = table.loc["plan: plus"]
    assert plan.coefficient * spread["plan: plus"] == pytest.approx(own["plan: plus"], rel=0.02)
    ratio = drivers.hazard_ratios.set_index("touchpoint").hazard_ratio["mobile_app_push"]
    assert 2**push.coefficient == pytest.approx(ratio)  # one touch is log(1 + 1) of exposure
