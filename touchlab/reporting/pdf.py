"""Pages as PDF, printed by a browser that is already on the machine."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote

from touchlab.errors import ReportError

_LINK = re.compile(
    r'<a\b[^>]*?\shref="(?!#|[a-z][\w+.-]*:)([^"#]*)[^"]*"[^>]*>(.*?)</a>', re.DOTALL
)
BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge"
)  # fmt: skip
SECONDS = 120
_QUIET = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--no-pdf-header-footer",  # it would print where the file is
)  # fmt: skip
_WHEN = re.compile(rb"/(CreationDate|ModDate) \(D:[^)]*\)")


def write_pdfs(folder: Path) -> list[Path]:
    """Print every page of a folder to a PDF beside it, without links between the pages.

    One PDF a page, so that no further program is needed and a page can be sent alone. Links
    to other pages become words: a PDF would hold them as paths of this machine. Times of
    creation are set to 1980, so the same page and browser give the same bytes.

    Parameters
    ----------
    folder
        Folder with ``*.html`` that ask the network for nothing.

    Raises
    ------
    ReportError
        There is no browser, or it took longer than `SECONDS` for a page, or failed.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory() as scratch:
        return [_print(browser, page, Path(scratch)) for page in sorted(folder.glob("*.html"))]


def find_browser() -> str:
    """Find Chromium or a relative of it on the search path."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise ReportError(
        f"pdf: no browser to print with; looked for {', '.join(BROWSERS)}\n"
        "  install Chromium, or share without --pdf"
    )


def _print(browser: str, page: Path, scratch: Path) -> Path:
    source = scratch / "page.html"
    source.write_text(without_links(page.read_text(encoding="utf-8"), set()), encoding="utf-8")
    target = page.with_suffix(".pdf")
    command = [browser, *_QUIET, f"--user-data-dir={scratch / 'profile'}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium does not start as root with it
    command += [f"--print-to-pdf={target.resolve()}", source.as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ReportError(_failed(page, f"no answer within {SECONDS} seconds")) from None
    if done.returncode or not target.is_file():
        raise ReportError(_failed(page, f"the browser ended with code {done.returncode}"))
    # Same length, so that the addresses inside the file stay right.
    target.write_bytes(_WHEN.sub(_blank, target.read_bytes()))
    return target


def _blank(match: re.Match[bytes]) -> bytes:
    return re.sub(rb"\d{14}", b"19800101000000", match[0])


def _failed(page: Path, why: str) -> str:
    return f"pdf: {page.name} was not printed: {why}\n  try again, or share without --pdf"


def without_links(page: str, sent: set[str]) -> str:
    """Turn links to files that are not sent into plain words.

    >>> without_links('<a href="../index.html">All</a> <a href="a.html#b">A</a>', {"a.html"})
    'All <a href="a.html#b">A</a>'
    """
    return _LINK.sub(lambda match: match[0] if unquote(match[1]) in sent else match[2], page)
