"""The sample company: the committed files, their size, their truth, their dictionary."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from touchlab.errors import ParameterError
from touchlab.simulate import company_world, simulate, write_company
from touchlab.simulate.worlds import CUSTOMERS, SEED, company_tables

SAMPLE = Path(__file__).parent.parent / "data" / "sample"
DAY = pd.Timedelta("1D")


@pytest.fixture(scope="module")
def sample_tables():
    return {path.stem: pd.read_parquet(path) for path in SAMPLE.glob("*.parquet")}


def test_committed_sample_is_what_the_code_makes(sample_tables):
    made = company_tables(seed=SEED, customers=CUSTOMERS)
    assert set(made) == set(sample_tables)
    for name, table in made.items():
        # Parquet keeps values, not the pandas type of an empty or missing text.
        pd.testing.assert_frame_equal(table, sample_tables[name], check_dtype=False)


def test_sample_is_small_and_believable(sample_tables):
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 4_000_000
    customers, outcomes = sample_tables["customers"], sample_tables["outcomes"]
    assert len(customers) == 20_000
    conversions = outcomes.query("outcome == 'conversion'")
    assert 0.10 < conversions["customer_id"].nunique() / len(customers) < 0.20
    assert 1.2 < len(conversions) / conversions["customer_id"].nunique() < 2.0
    assert 40 < conversions["value"].median() < 70
    by_month = conversions["timestamp"].dt.month.value_counts()
    assert by_month.idxmax() == 12
    assert outcomes["outcome"].value_counts()[["churn", "referral"]].min() > 400
    assert 200_000 < len(sample_tables["touches"]) < 400_000
    surveys = sample_tables["surveys"]
    assert 0.1 < surveys["score"].notna().mean() < 0.6
    assert (surveys["score"].isna() == surveys["timestamp"].isna()).all()


def test_planted_truths_of_the_sample(sample_tables):
    truth = sample_tables["truth"].set_index(["outcome", "touchpoint"])
    both = ["incremental_direct", "incremental_total"]
    for outcome in ("conversion", "churn", "referral"):
        assert truth.loc[(outcome, "retargeting"), both].tolist() == [0, 0]
        assert truth.loc[(outcome, "community_forum"), both].tolist() == [0, 0]
    # The immortal-time trap: onboarding does nothing to churn, whatever a naive split says.
    assert truth.loc[("churn", "onboarding_call"), "hazard_ratio"] == 1
    assert truth.loc[("churn", "onboarding_call"), both].tolist() == [0, 0]
    display = truth.loc[("conversion", "display")]
    assert display["incremental_total"] > display["incremental_direct"] > 0
    assert truth.loc[("churn", "mobile_app_push"), "incremental_direct"] < -20
    assert truth.loc[("referral", "referral_program"), "incremental_direct"] > 20
    outcomes = sample_tables["outcomes"]["outcome"].value_counts()
    assert (truth["outcomes"].groupby("outcome").first() == outcomes.sort_index()).all()
    share = truth.loc[("conversion", "display"), "baseline"] / outcomes["conversion"]
    assert 0.6 < share < 0.8


def test_data_dictionary_names_every_column(sample_tables):
    text = (SAMPLE / "README.md").read_text()
    for name, table in sample_tables.items():
        assert f"{name}.parquet" in text
        assert [column for column in table.columns if f"`{column}`" not in text] == []


def test_write_company_is_deterministic_to_the_byte(tmp_path):
    first = write_company(tmp_path / "a", seed=1, customers=200)
    second = write_company(tmp_path / "b", seed=1, customers=200)
    for name in first:
        assert first[name].read_bytes() == second[name].read_bytes()
    columns = pd.read_parquet(first["touches"]).columns
    assert not any("index" in column for column in columns)


def test_a_file_is_no_folder(tmp_path):
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(ParameterError) as caught:
        write_company(place)
    assert str(caught.value) == f"folder: {place} is a file; give a folder, new or existing"


def test_trouble_makes_support_contacts_look_harmful():
    """The trap: churn is far more frequent in the week after a contact, though it helps."""
    tables = simulate(company_world(8_000), seed=3).tables
    outcomes = tables["outcomes"]
    churn = outcomes.query("outcome == 'churn'").set_index("customer_id")["timestamp"]
    first = outcomes.query("outcome == 'conversion'").groupby("customer_id")["timestamp"].min()
    until = tables["customers"].set_index("customer_id")["observed_to"]
    overall = len(churn) / ((until[first.index] - first) / DAY).sum()
    calls = tables["touches"].query("touchpoint == 'support_contact'")
    week = pd.Timedelta("7D")
    left = calls["customer_id"].map(churn) - calls["timestamp"]
    exposed = (calls["customer_id"].map(until) - calls["timestamp"]).clip(upper=week)
    assert (left <= week).sum() / (exposed / DAY).sum() > 1.5 * overall
    effects = {spec.name: spec.effects for spec in company_world(10).touchpoints}
    assert effects["support_contact"]["churn"] < 0 < effects["trouble"]["churn"]
