"""The look of one's own house on pages and slides: `[brand]` in `touchlab.toml`.

What a record of a run says of it is read as from a stranger: a colour and a picture, or nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring

from touchlab.data.settings import BRAND, SETTINGS, settings_of
from touchlab.errors import ParameterError, listing, nearest, shorten

KNOWN = ("logo", "colour")
READABLE = 4.5
"""Contrast of small letters [WCAG 2.2, 1.4.3]."""
LARGEST = 200_000
"""Bytes of a logo: it is in every page."""
PAPER, INK = "#ffffff", "#1c2126"
DARK_PAPER, DARK_INK = "#1c2125", "#e4e8eb"
_COLOUR = re.compile("#[0-9a-f]{6}")
_LOGO = re.compile(r"data:image/(png|svg\+xml);base64,[A-Za-z0-9+/]+=*")
_ACTIVE = ("script", "foreignobject", "image", "feimage", "iframe", "a")
_ELSEWHERE = re.compile(r"url\(\s*[\"']?(?!#)|^(?!#).", re.IGNORECASE)


def read_brand(place: str) -> dict[str, str]:
    """Read `[brand]` beside the data: the colour, and the logo as a data address."""
    given = settings_of(place, BRAND)
    for name, value in given.items():
        if name not in KNOWN:
            raise _refused(f"{name!r} is not known{nearest(name, KNOWN)}", f"use {listing(KNOWN)}")
        if not isinstance(value, str):
            raise _refused(f"{name} is {shorten(value)}", f'write {name} = "text"')
    brand = {}
    if "colour" in given:
        brand["colour"] = _colour(given["colour"].lower())
    if "logo" in given:
        brand["logo"] = _logo(Path(place), given["logo"])
    return brand


def known(brand: Mapping[str, Any]) -> dict[str, str]:
    """Keep of a brand from anywhere what is a colour and a picture, and nothing else."""
    forms = {"colour": _COLOUR, "logo": _LOGO}
    return {n: str(brand[n]) for n in brand if n in forms and forms[n].fullmatch(str(brand[n]))}


def style_of(brand: Mapping[str, Any]) -> str:
    """Write the colours of a brand for the style sheet; nothing where it has none."""
    colour = known(brand).get("colour")
    if not colour:
        return ""
    light, dark = shades(colour), shades(colour, DARK_PAPER, DARK_INK)
    screen = "@media screen and (prefers-color-scheme: dark)"
    return f":root {{ {_variables(light)} }}\n{screen} {{ :root {{ {_variables(dark)} }} }}\n"


def shades(colour: str, paper: str = PAPER, ink: str = INK) -> dict[str, str]:
    """Give a colour as letters on paper, as ground of ink, and as a hint of itself."""
    return {
        "accent": _until(colour, ink, paper),
        "shade": _until(colour, paper, ink),
        "tint": mixed(colour, paper, 0.92),
    }


def _variables(colours: Mapping[str, str]) -> str:
    figures = {f"figure-{name}": colours[name] for name in ("accent", "shade")}
    of_page = {name: colours[name] for name in ("accent", "tint")}
    return " ".join(f"--{name}: {colour};" for name, colour in (of_page | figures).items())


def _until(colour: str, towards: str, other: str) -> str:
    """Mix a colour with another, no more than it takes to be readable with a third."""
    steps = (mixed(colour, towards, step / 20) for step in range(21))
    return next((one for one in steps if contrast(one, other) >= READABLE), towards)


def mixed(colour: str, other: str, share: float) -> str:
    """Mix two colours.

    >>> mixed("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """How far two colours are apart for the eye, from 1 to 21 [WCAG 2.2].

    >>> round(contrast("#000000", "#ffffff")), round(contrast("#0b6e99", "#ffffff"), 1)
    (21, 5.7)
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (part / 255 for part in _parts(colour))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _colour(colour: str) -> str:
    if not _COLOUR.fullmatch(colour):
        raise _refused(f"colour: {shorten(colour)} is not a colour", "write it as '#0b6e99'")
    if (found := contrast(colour, PAPER)) < READABLE:
        said = f"colour: {colour!r} has a contrast of {found:.1f} on white, where words of it stand"
        darker = _until(colour, "#000000", PAPER)
        raise _refused(said, f"give one of {READABLE} or more, such as {darker!r}")
    return colour


def _logo(folder: Path, name: str) -> str:
    """Read a logo that lies with the data: a folder that somebody sent shows no other file."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise _refused(f"logo: there is no file {shorten(name)} beside the data", "put it there")
    if path.stat().st_size > LARGEST:
        found = f"logo: {shorten(name)} has {path.stat().st_size:,} bytes, and is in every page"
        raise _refused(found, f"give one of at most {LARGEST:,}")
    content = path.read_bytes()
    kind = "png" if content.startswith(b"\x89PNG\r\n\x1a\n") else "svg+xml"
    if kind != "png" and (reason := _not_plain(content)):
        raise _refused(f"logo: {shorten(name)} {reason}", "save it as PNG, or as plain SVG")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _not_plain(content: bytes) -> str:
    """Say why an SVG is not a drawing and nothing else; nothing where it is one."""
    if b"<!ENTITY" in content:
        return "is an SVG with entities"
    try:
        root = fromstring(content)
    except (ParseError, ValueError, RecursionError):
        return "is neither PNG nor SVG"
    if root.tag.rpartition("}")[2] != "svg":
        return "is neither PNG nor SVG"
    for element in root.iter():
        tag = str(element.tag).rpartition("}")[2].lower()
        if tag in _ACTIVE:
            return f"is an SVG with <{tag}> in it"
        if tag == "style" and re.search(r"@|url\(", element.text or ""):
            return "is an SVG with a style from elsewhere"
        for name, value in element.items():
            plain = name.rpartition("}")[2].lower()
            address = value if plain == "href" else "#" + value
            if plain.startswith("on") or _ELSEWHERE.search(address):
                return f"is an SVG with {plain!r} in it"
    return ""


def _refused(found: str, mend: str) -> ParameterError:
    return ParameterError(f"{SETTINGS}: [{BRAND}] {found}\n  {mend}")
