"""Tables as people read them: numbers to the right, headers named, wide ones scroll."""

import re
from collections.abc import Iterator
from typing import Any

_MISSING = frozenset({"", "-", "\u2013", "\u2014", "nan", "NaN", "NaT", "None", "<NA>", "..."})
_HIDDEN = "hidden"  # as touchlab.show.Table writes numbers of few customers
# A number, with what may stand around it: signs, currencies, per cent, an interval, a unit.
_NUMBERLIKE = re.compile(r"[^A-Za-z]*\d[^A-Za-z]*(e[-+]?\d+)?[^A-Za-z]*(pp|x|d|s)?")
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")


def dress_tables(markup: str, *, label: str) -> str:
    """Give every table of cleaned markup alignment, header scopes and a scroll region.

    Parameters
    ----------
    markup
        HTML from :func:`touchlab.reporting.sanitise.clean_html`.
    label
        Name of the region for people who cannot see it; a caption is taken instead.

    Examples
    --------
    >>> dress_tables("<table><tr><td>12</td></tr></table>", label="Table 1").partition("<table>")[0]
    '<div aria-label="Table 1" class="scroll" role="region" tabindex="0">'
    """
    if "<table" not in markup:
        return markup
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(markup, "html.parser")
    for table in soup.find_all("table"):
        if table.find_parent("table") is None:
            _dress(soup, table, label)
    return str(soup)


def _dress(soup: Any, table: Any, label: str) -> None:
    _merge_header_rows(table)
    _drop_counting_index(table)
    numeric = _numeric_columns(table)
    for column, _row, cell in _grid(table):
        if column in numeric:
            cell["class"] = ["num"]
        if cell.name == "th":
            _name_header(cell)
        elif _DATE.match(cell.get_text(strip=True)):
            cell["class"] = ["when"]
    caption = table.find("caption")
    name = " ".join(caption.get_text(" ").split()) if caption else label
    region = soup.new_tag("div", attrs={"class": "scroll", "role": "region", "tabindex": "0"})
    region["aria-label"] = name
    region.attrs = dict(sorted(region.attrs.items()))
    table.wrap(region)


def _name_header(cell: Any) -> None:
    if not cell.get_text(strip=True):
        cell.name = "td"  # an empty header names nothing
    else:
        cell["scope"] = "col" if cell.find_parent("thead") else "row"


def _grid(table: Any) -> Iterator[tuple[int, int, Any]]:
    """Yield column, row and cell, with cells that span rows or columns accounted for."""
    taken: set[tuple[int, int]] = set()
    for row, line in enumerate(table.find_all("tr")):
        column = 0
        for cell in line.find_all(["td", "th"], recursive=False):
            while (row, column) in taken:
                column += 1
            wide, high = _span(cell, "colspan"), _span(cell, "rowspan")
            taken |= {(row + down, column + right) for down in range(high) for right in range(wide)}
            if wide == 1:
                yield column, row, cell
            column += wide


def _span(cell: Any, name: str) -> int:
    # Browsers cap these too; an absurd one in a hostile table must not fill the memory.
    text = str(cell.get(name, "1"))
    return min(max(int(text), 1), 200) if text.isdecimal() and len(text) < 6 else 1


def _numeric_columns(table: Any) -> set[int]:
    """Find the columns whose body holds numbers, or nothing, and at least one number."""
    numbers: dict[int, bool] = {}
    for column, _row, cell in _grid(table):
        if cell.find_parent("thead") or cell.name == "th":
            continue
        text = cell.get_text(" ", strip=True)
        if text in _MISSING:
            continue
        numbers[column] = numbers.get(column, True) and _is_number(text)
    return {column for column, is_number in numbers.items() if is_number}


def _is_number(text: str) -> bool:
    # Intervals are written "1.2 to 3.4". The length first: the pattern is slow on long texts.
    text = text.replace(" to ", " ")
    if text == _HIDDEN:
        return True
    return len(text) < 40 and bool(_NUMBERLIKE.fullmatch(text)) and not _DATE.match(text)


def _merge_header_rows(table: Any) -> None:
    """Lift the names of an index into the row of the column names, as pandas prints two."""
    head = table.find("thead")
    rows = head.find_all("tr") if head else []
    if len(rows) != 2:
        return
    first, second = (row.find_all("th", recursive=False) for row in rows)
    if len(first) != len(second) or any(cell.has_attr("colspan") for cell in first + second):
        return
    pairs = list(zip(first, second, strict=True))
    if any(a.get_text(strip=True) and b.get_text(strip=True) for a, b in pairs):
        return
    for above, below in pairs:
        if below.get_text(strip=True):
            above.replace_with(below.extract())
    rows[1].decompose()


def _drop_counting_index(table: Any) -> None:
    """Drop the first column where it only counts 0, 1, 2: the default index of a frame."""
    head, body = table.find("thead"), table.find("tbody")
    rows = body.find_all("tr") if body else []
    heads = head.find_all("tr") if head else []
    firsts = [row.find(["td", "th"]) for row in rows]
    corners = [row.find(["td", "th"]) for row in heads]
    if not rows or not heads or any(cell is None or cell.name != "th" for cell in firsts):
        return
    if any(cell.has_attr("rowspan") or cell.has_attr("colspan") for cell in firsts + corners):
        return
    counting = [cell.get_text(strip=True) for cell in firsts]
    if counting != [str(number) for number in range(len(rows))]:
        return
    if not any(cell.get_text(strip=True) for cell in corners):
        for cell in firsts + corners:
            cell.decompose()
