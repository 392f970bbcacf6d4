"""A run as one zip or folder: what goes in, what stops it, and that nothing is half written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from touchlab.cli import main
from touchlab.errors import ParameterError, ReportError
from touchlab.reporting import files as printing
from touchlab.reporting.leaks import find_leaks, machine_needles
from touchlab.reporting.record import NotWritten
from touchlab.reporting.share import find_run, reduced, share_run

RUN_ID = "20260301T060000Z-shop"
PAGE = (
    "<!doctype html><html><head><title>Q</title><style>p {{}}</style></head><body>"
    '<a href="../index.html">All reports</a> <a href="01_a.html#top">A</a>'
    ' <a href="01_a.ipynb">notebook</a> <a href="https://example.org">source</a>'
    '<img alt="x" src="data:image/png;base64,AAAA">{}</body></html>'
)
DAYS = "day,events\n1,3\n2,40\n"


def _run(out: Path, *, body: str = "", printed: str = "4,057 outcomes", **record: Any) -> Path:
    """Write a finished run of one notebook by hand."""
    folder = out / RUN_ID
    (folder / "tables/01_a").mkdir(parents=True)
    page = {"name": "01_a", "title": "Q", "answer": "A", "seconds": 1.0, "status": "complete"}
    facts = {
        "run_id": RUN_ID, "status": "complete", "started": "2026-03-01T06:00:00+00:00",
        "seconds": 1.0, "data": "shop", "parameters": {}, "pages": [page], "failure": None,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps({**facts, **record}))
    for name in ("index", "01_a"):
        (folder / f"{name}.html").write_text(PAGE.format(body))
    (folder / "tables/01_a/01-days.csv").write_text(DAYS)
    (folder / "tables/01_a/01-days.parquet").write_bytes(b"PAR1")
    (folder / "run.log").write_text("kernel started on vm-7")
    output = {
        "output_type": "display_data",
        "data": {"text/plain": printed, "image/png": "AAAA"},
        "metadata": {"image/png": {"alt": "few", "table": {"columns": ["n"], "data": [[3]]}}},
    }
    times = {"execution": {"iopub.status.idle": "2026-03-01T06:00:01Z"}, "tags": ["parameters"]}
    cell = {"cell_type": "code", "metadata": times, "source": "x = 1", "outputs": [output]}
    notebook = {
        "cells": [cell], "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3"}, "papermill": {"input_path": "/srv/a"}},
    }  # fmt: skip
    (folder / "01_a.ipynb").write_text(json.dumps(notebook))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return _run(tmp_path / "reports")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Data with customers named cust-1041 and so on."""
    folder = tmp_path / "shop"
    folder.mkdir()
    touches = [f"cust-{1040 + i},2026-01-0{1 + i}T08:00Z,search" for i in range(5)]
    (folder / "touches.csv").write_text("\n".join(["customer_id,timestamp,touchpoint", *touches]))
    (folder / "outcomes.csv").write_text(
        "customer_id,timestamp,outcome\ncust-1041,2026-01-09T08:00Z,conversion\n"
    )
    return folder


def test_pages_tables_and_notebooks_go_the_rest_stays(run: Path, tmp_path: Path) -> None:
    shared = share_run(run, tmp_path / "send")
    files = ("01_a.html", "01_a.ipynb", "index.html", "tables/01_a/01-days.csv")
    assert shared.files == files
    assert sorted(p.name for p in (tmp_path / "send").iterdir()) == [
        "01_a.html", "01_a.ipynb", "index.html", "tables"
    ]  # fmt: skip
    notebook = json.loads((tmp_path / "send/01_a.ipynb").read_text())
    assert notebook["metadata"] == {"kernelspec": {"name": "python3"}}
    assert notebook["cells"][0]["metadata"] == {"tags": ["parameters"]}
    assert notebook["cells"][0]["outputs"][0]["metadata"] == {"image/png": {"alt": "few"}}


def test_links_to_what_is_not_sent_become_words(run: Path, tmp_path: Path) -> None:
    share_run(run, tmp_path / "all")
    assert (
        'All reports <a href="01_a.html#top">A</a> <a href="01_a.ipynb">notebook</a>'
        ' <a href="https://example.org">source</a>'
    ) in (tmp_path / "all/index.html").read_text()
    share_run(run, tmp_path / "pages", notebooks=False)
    assert "</a> notebook <a" in (tmp_path / "pages/index.html").read_text()
    assert not list((tmp_path / "pages").glob("*.ipynb"))


def test_tables_go_as_they_are_with_their_labels(tmp_path: Path) -> None:
    # bins are called 1 to 6, as counts could be: what is few was hidden where it was shown
    bins = "touches,journeys\n1,40\n2,30\n6,20\n"
    run = _run(tmp_path / "reports")
    (run / "tables/01_a/01-days.csv").write_text(bins)
    share_run(run, tmp_path / "send")
    assert (tmp_path / "send/tables/01_a/01-days.csv").read_text() == bins


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    first = share_run(run, tmp_path / "a.zip").path.read_bytes()
    for path in run.rglob("*"):
        os.utime(path, (0, 0))
    assert share_run(run, tmp_path / "b.zip").path.read_bytes() == first
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert packed.testzip() is None
        assert packed.namelist() == [
            f"{RUN_ID}/{name}"
            for name in ("01_a.html", "01_a.ipynb", "index.html", "tables/01_a/01-days.csv")
        ]


SECRET = "hunter2-correct-horse"
LEAKS = {
    "password in an address": f"postgres://eva:{SECRET}@host/shop",
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "key of a cloud": "AKIA" + "ABCDEFGHIJKLMNOP",
    "token": "Authorization: Bearer " + "a1b2c3d4e5f6a7b8",
    "password or key": f'password = "{SECRET}"',
    "path": "FileNotFoundError: /home/eva/shop/touches.csv",
    "internal host or bucket": "no answer from db7.shop.internal",
    "e-mail address": "ann.smith+shop@mail.example.org wrote",
    "phone number": "call +49 (0)30 1234567",
    "IBAN": "DE89 3704 0044 0532 0130 00",
    "card number": "4111 1111 1111 1111",
}
A, H = "aB3" * 30, "0123456789abcdef" * 4
"""Enough letters and digits for any token."""
PLANTED = {
    "password in an address": (
        "redis://:hunter2@cache/0", "https://x.example/a?user=eva&password=hunt", "mysql://a:b@h/d",
        "https://x.example/b?sig=abcdef",
    ),
    "private key": ("-----BEGIN OPENSSH PRIVATE KEY-----", "PuTTY-User-Key-File-2: ssh-rsa",
                    "-----BEGIN PRIVATE KEY-----"),
    "key of a cloud": (
        "ASIAABCDEFGHIJKLMNOP", f"AIza{A[:35]}", f"AccountKey={A[:86]}==", f"aws_key = '{A[:40]}'",
    ),
    "token": (
        f"ghp_{A[:36]}", f"github_pat_{A[:22]}", f"glpat-{A[:20]}", f"glrt-{A[:20]}",
        f"xoxb-1234567890-{A[:10]}", "https://hooks.slack.com/services/T0/x", f"sk_live_{A[:24]}",
        f"rk_test_{A[:24]}", f"sk-{A[:30]}", f"hf_{A[:34]}", f"npm_{A[:36]}", f"pypi-{A[:70]}",
        f"SG.{A[:22]}.{A[:43]}", f"AC{H[:32]}", f"SK{H[:32]}", f"{H[:32]}-us12",
        f"sq0csp-{A[:43]}", f"123456789:{A[:35]}", "Authorization: Basic ZXZhOmh1bnRlcjI=",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
    ),
    "password or key": ("pwd: 'abcd'", 'api_key="1234"', "DB_PASSWORD=hunter2", "X_TOKEN=abcd",
                        '"secret": "hunt"'),
    "internal host or bucket": (
        "s3://shop-raw/touches", "gs://shop", "abfss://a@b.dfs", "hdfs://name/data", "vpn.corp",
        "wiki.intranet", "10.1.2.3:5432", "http://192.168.1.17/x", "172.20.0.4:80",
    ),
    "e-mail address": ("eva@example.org", "<a href='mailto:eva@a-b.co.uk'>", "o'neil@x.example"),
    "phone number": ("+1 202-555-0143", "0049 30 1234567", "(030) 1234567", "+442079460958",
                     "030/1234567", "0171 2345678"),
    "IBAN": ("GB82WEST12345698765432", "FR14 2004 1010 0505 0001 3M02 606"),
    "card number": ("5500-0000-0000-0004", "378282246310005", "6011000990139424"),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_planted_is_found(kind: str) -> None:
    for text in PLANTED[kind]:
        split = f"{text[:6]}<b>{text[6:]}</b>" if "<" not in text else text
        for written in (text, f'{{"text": "{text}"}}', f"<p>{text}</p>", split):
            kinds = {one.kind for one in find_leaks("a.csv", written, {})}
            assert kind in kinds, written


NUMBERS = (
    "4111 1111 1111 1112", "0.4111111111111111", "4111111111111111.5", "DE89 3704 0044 0532 0132",
    "2026-03-01", "2026-03-01T06:00:00+00:00", "+1,234 more", "+12.3 to +45.6 %", "0.5 0.25 0.125",
    "1,234,567 touches", "10.5 to 172.3", "v10.2.3", "touchlab 0.1.0, pandas 3.0.1", "@media print",
    "sha256-" + A[:43] + "=", "m 10.25 172.16 L 192.168 0.5", "0532 0130", "a@b", "c-00017",
)  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_of_a_page_are_no_details_of_persons(text: str) -> None:
    assert find_leaks("a.html", text, {}) == []


@pytest.mark.parametrize(("kind", "text"), LEAKS.items())
def test_a_secret_or_path_stops_it_and_is_not_repeated(
    kind: str, text: str, tmp_path: Path
) -> None:
    run = _run(tmp_path / "reports", printed=text)
    with pytest.raises(ReportError) as refused:
        share_run(run, tmp_path / "send.zip")
    said = str(refused.value)
    assert said == (
        f"share: {RUN_ID} is not safe to send: 1 finding; nothing was written\n"
        f"  01_a.ipynb: {kind}: line 15\n"
        "  take it out of the notebook or the data it comes from, and run the report again"
    )
    assert SECRET not in said
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]


def test_other_spellings_of_paths_and_tokens_are_found() -> None:
    for text in (
        r"C:\Users\eva", r'"C:\\Users\\eva"', "file:///x", "('/root')", "/root/.cache",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN", "ghp_" + "a" * 36,
        "at /tmp/x.py", "&#x2F;home&#x2F;eva",
    ):  # fmt: skip
        assert len(find_leaks("a.csv", text, {})) == 1, text


def test_touchpoints_prose_and_pictures_are_no_leaks() -> None:
    for text in (
        "/home > /product/cart > /checkout", "https://shop.example/home/sale", "12:30/home/x",
        "the token of a journey: its password is unknown", "token = journey_id", "a/tmp/b",
        "postgres://host/shop", "n: 3", "data:image/png;base64,AKIAABCDEFGHIJKLMNOP",
        '"image/png": "AKIAABCDEFGHIJKLMNOP+/home/eva"',
    ):  # fmt: skip
        assert find_leaks("a.html", text, {}) == [], text


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="https://x.example/a.png">', "<img src=//x.example/a.png>",
        '<link rel="stylesheet" href="a.css">', "<style>p{background:url(http://x)}</style>",
        '<script src="https://x.example/a.js"></script>', "<style>@import 'a'</style>",
        '<iframe src="a.html">',
    ],
)  # fmt: skip
def test_references_to_elsewhere_stop_it(markup: str, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"01_a\.html: external reference: line 1"):
        share_run(_run(tmp_path / "reports", body=markup), tmp_path / "send")


def test_names_of_the_machine_and_values_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_API_KEY", 'a"b<c&d-long')
    monkeypatch.setenv("SHOP_TOKEN", "short")
    monkeypatch.setenv("SHOP_SECRET", "six666")
    monkeypatch.setattr("socket.gethostname", lambda: "vm-finance-7")
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    monkeypatch.chdir(tmp_path)
    needles = machine_needles("/data/customers")
    for text in ('key a"b<c&d-long', r"key a\"b<c&d-long", "key a&quot;b&lt;c&amp;d-long"):
        (found,) = find_leaks("a.html", text, needles)
        assert found.kind == "value of the environment variable SHOP_API_KEY"
    for text in ("SIX666", "c2l4NjY2", "si<b>x66</b>6"):
        (found,) = find_leaks("a.html", text, needles)
        assert found.kind == "value of the environment variable SHOP_SECRET"
    kinds = [
        one.kind
        for one in find_leaks("a.csv", f"on vm-finance-7\nin {tmp_path}x\n/data/customers", needles)
    ]
    # pytest's own folder lies in a place that is known for a path in any case
    assert kinds[0] == "name of user or host" and kinds[-1] == "path"
    assert find_leaks("a.csv", "short root vm-finance-72", needles) == []


def test_customer_ids_stop_it_where_the_data_is_given(shop: Path, tmp_path: Path) -> None:
    for number, where in enumerate(({"printed": "see cust-1041"}, {"body": "<p>cust-1041</p>"})):
        run = _run(tmp_path / f"reports{number}", **where)
        with pytest.raises(ReportError, match="customer id: 1 of the data") as refused:
            share_run(run, tmp_path / "send.zip", data=shop)
        assert "cust-1041" not in str(refused.value)
        assert "touchlab pseudonymise" in str(refused.value)
    run = _run(tmp_path / "tables")
    (run / "tables/01_a/01-days.csv").write_text("name,score\ncust-1041,0.5\n")
    with pytest.raises(ReportError, match=r"tables/01_a/01-days\.csv: customer id"):
        share_run(run, tmp_path / "send.zip", data=shop)
    shutil.copyfile(run.parents[1] / "reports0" / RUN_ID / "index.html", run / "index.html")
    (run / "tables/01_a/01-days.csv").write_text(DAYS)
    assert share_run(run, tmp_path / "send.zip", data=shop).notes == ()


def test_small_counts_on_a_page_stop_it(shop: Path, tmp_path: Path) -> None:
    run = _run(tmp_path / "reports", body="<p>Only 4 customers stayed.</p>")
    with pytest.raises(ReportError, match="small count: the number 4 in a sentence") as refused:
        share_run(run, tmp_path / "send.zip", data=shop)
    assert "higher --param min_customers" in str(refused.value)


def test_nothing_is_overwritten_unasked(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "send.zip"
    target.write_text("mine")
    with pytest.raises(ParameterError) as refused:
        share_run(run, target)
    assert str(refused.value) == (
        f"share: {str(target)!r} is there already\n  give another --out, or --force to replace it"
    )
    assert target.read_text() == "mine"
    share_run(run, target, force=True)
    assert zipfile.is_zipfile(target)


def test_force_replaces_a_shared_folder_and_no_other(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "send"
    share_run(run, target)
    (target / "01_a.html").write_text("old")
    share_run(run, target, force=True)
    assert (target / "01_a.html").read_text() != "old"
    (target / "thesis.docx").write_text("mine")
    with pytest.raises(ParameterError, match="is not a shared report, and is left alone"):
        share_run(run, target, force=True)
    assert (target / "thesis.docx").read_text() == "mine"


def test_failed_runs_only_when_asked(tmp_path: Path) -> None:
    run = _run(tmp_path / "reports", status="failed")
    with pytest.raises(ParameterError) as refused:
        share_run(run, tmp_path / "send")
    assert str(refused.value) == (
        f"share: the run {RUN_ID} is failed\n"
        "  share a run that finished, or give --failed to share it as it is"
    )
    assert share_run(run, tmp_path / "send", failed=True).path == tmp_path / "send"


def test_links_out_of_the_run_are_not_followed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a\n1\n")
    (run / "tables/01_a/02-other.csv").symlink_to(tmp_path / "other.csv")
    assert "tables/01_a/02-other.csv" not in share_run(run, tmp_path / "send").files
    (run / "tables").rename(tmp_path / "outside")
    (run / "tables").symlink_to(tmp_path / "outside")
    files = share_run(run, tmp_path / "sent").files
    assert "index.html" in files and not [name for name in files if name.startswith("tables")]


def test_a_run_goes_by_folder_latest_or_name(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.parent / "latest").symlink_to(RUN_ID)
    monkeypatch.chdir(tmp_path)
    for name in (run, "reports/latest", RUN_ID, f"reports/{RUN_ID}", "latest"):
        assert find_run(name).folder == run
    with pytest.raises(ParameterError) as refused:
        find_run("reports/2025")
    assert str(refused.value) == (
        f"share: 'reports/2025' is not the folder of a run\n  found {RUN_ID}\n"
        "  give the folder of a run, or reports/latest"
    )


def test_a_place_that_takes_nothing(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match="cannot be written: "):
        share_run(run, tmp_path / "file/send.zip")


def test_the_command(
    run: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["share", str(run), "--data", str(shop), "--no-notebooks"]) == 0
    assert capsys.readouterr().out == (f"to send: {RUN_ID}.zip (3 files)\n")
    assert main(["share", str(run)]) == 2
    assert capsys.readouterr().err.startswith("ParameterError: share: ")


def test_no_browser_is_said(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing.shutil, "which", lambda _: None)
    with pytest.raises(ReportError, match="no browser to print with; looked for chromium, "):
        share_run(run, tmp_path / "send", pdf=True)
    assert not (tmp_path / "send").exists()


def test_a_browser_that_hangs_or_fails_is_said(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("chromium", 120)

    monkeypatch.setattr(printing.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(printing.subprocess, "run", hang)
    with pytest.raises(ReportError, match=r"01_a\.html was not printed: no answer within 120"):
        share_run(run, tmp_path / "send", pdf=True)
    failed = subprocess.CompletedProcess([], 5)
    monkeypatch.setattr(printing.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ReportError, match="the browser ended with code 5"):
        share_run(run, tmp_path / "send", pdf=True)


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
@pytest.mark.slow
def test_pages_as_pdf_know_no_path_and_no_time(run: Path, tmp_path: Path) -> None:
    first = share_run(run, tmp_path / "one.zip", pdf=True)
    assert {"01_a.pdf", "index.pdf"} <= set(first.files)
    with zipfile.ZipFile(first.path) as packed:
        content = packed.read(f"{RUN_ID}/01_a.pdf")
    assert content.startswith(b"%PDF")
    assert b"file:" not in content and str(tmp_path).encode() not in content
    assert b"https://example.org" in content  # links outwards work
    assert share_run(run, tmp_path / "two.zip", pdf=True).path.read_bytes() == (
        first.path.read_bytes()
    )


def test_reducing_leaves_the_notebook_as_it_was(run: Path) -> None:
    notebook = json.loads((run / "01_a.ipynb").read_text())
    before = json.dumps(notebook)
    reduced(notebook)
    assert json.dumps(notebook) == before
