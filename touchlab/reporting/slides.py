"""A finished run as slides: its answers, and each figure with its sentence, to be edited."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring, tostring

from touchlab.reporting.brand import known, shades
from touchlab.reporting.clean import figure_colours, plain
from touchlab.reporting.index import key_figures
from touchlab.reporting.page import Block, answered, answers_of, blocks_of, moment, window
from touchlab.reporting.record import NotWritten, Run, first_sentence
from touchlab.reporting.share import find_run
from touchlab.show import LIGHT

WIDTH, HEIGHT, EDGE, TOP, FOOT = 13.333, 7.5, 0.6, 2.0, 6.95
"""Of a slide, in inches; what a slide shows stands between top and foot."""
PIXELS = 2400
"""Width of a picture: more than 200 to an inch."""
UNKNOWN = "What is not known"
_TITLE = {"font-weight": "700", "font-size": "11.5px"}
"""How `touchlab.plots` sets the title of a figure."""
_BELOW_TITLE = 6.0
_VARIABLE = re.compile(r"var\(--figure-(\w+)\)")
_TAKEAWAY = re.compile(r'<p class="takeaway">(.*?)</p>', re.DOTALL)
_TITLES = ((60, 30), (110, 26), (170, 22), (260, 19), (10**6, 16))
_LINES = ((500, 20), (900, 18), (1300, 16), (1900, 14), (10**6, 12))
"""Letters of a title, or of all lines, and the points that up to so many are set in."""
INK, SOFT = "1C2126", "55606A"
_DATE, _FOOT, _NUMBER = 10, 11, 12
"""Places of a layout, as PowerPoint numbers them."""
_NO_LETTERS = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff\ud800-\udfff]+")


@dataclass(frozen=True)
class Slide:
    """What a slide says: the question of its page, its sentence, and what stands below it."""

    question: str
    title: str
    lines: tuple[str, ...] = ()
    picture: bytes = b""
    alt: str = ""


def slides_of(run: Run) -> Iterator[Slide]:
    """List what the pages of a run answer and draw, in their order, and what they do not know."""
    import nbformat

    unknown: list[str] = []
    colours = {name: str(colour) for colour, name in figure_colours().items()}
    if own := known(run.brand).get("colour"):
        colours |= shades(own)
    for page in run.pages:
        file = run.folder / f"{page.name}.ipynb"
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        notebook: Any = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
        found, missing = answered(blocks_of(notebook))
        blocks = [block for block in found if block.kind != "code"]
        said = answers_of(blocks)
        if said:
            title = first_sentence(said[0], len(said[0]))
            rest = (said[0].removeprefix(title).strip(), *said[1:])
            yield Slide(page.title, title, tuple(filter(None, rest)))
        unknown += [line for line in said if line.startswith("Not known")]
        unknown += [
            f"{asked}{'' if asked.endswith('?') else ':'} {need}" for asked, need in missing
        ]
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            if actions := _actions(block):
                yield Slide(page.title, "What to do next", actions)
            if block.kind == "figure" and (slide := _figure(block, page.title, colours)):
                after = _TAKEAWAY.findall(following.html) if following else []
                yield replace(slide, lines=tuple(map(plain, after)))
    if unknown:
        yield Slide("", UNKNOWN, tuple(dict.fromkeys(unknown)))


def _actions(block: Block) -> tuple[str, ...]:
    """Read the table of `propose_actions` as lines: what to do, what it brings, and its badge."""
    from bs4 import BeautifulSoup

    rows = BeautifulSoup(block.html, "html.parser").find_all("tr")
    cells = [[plain(str(cell)) for cell in row.find_all(["td", "th"])] for row in rows]
    if not cells or cells[0][:2] != ["action", "brings"]:
        return ()
    return tuple(f"{row[0]} {row[1]} ({row[-1]})" for row in cells[1:])


def _figure(block: Block, question: str, colours: Mapping[str, str]) -> Slide | None:
    """Draw a figure without its title, which becomes that of the slide; None if it cannot be.

    Drawings that are shown as images may come from anywhere, and could draw files of this machine.
    """
    if not block.html:
        kind, _, packed = block.text.partition(";base64,")
        pixels = base64.b64decode(packed) if kind in ("data:image/png", "data:image/jpeg") else b""
        return Slide(question, first_sentence(block.alt), (), pixels, block.alt) if pixels else None
    svg = str(block.html).partition("</svg>")[0] + "</svg>"
    root = fromstring(svg)
    titles = [text for text in root.iter("text") if _TITLE.items() <= text.attrib.items()]
    title = re.sub(r"(?<=\w-) ", "", " ".join(text.text or "" for text in titles))
    if titles:
        last = titles[-1].attrib
        y = last["y"] if "y" in last else last["transform"].split()[1].rstrip(")")
        top = float(y) + _BELOW_TITLE
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        root.attrib |= {"viewBox": f"0 {top} {width} {height - top}", "height": f"{height - top}pt"}
        for text in titles:
            text.text = ""
    root.set("xmlns", "http://www.w3.org/2000/svg")
    drawn = tostring(root, encoding="unicode")
    drawn = _VARIABLE.sub(lambda name: colours[name[1]], drawn)
    return Slide(question, title or first_sentence(block.alt), (), pixels_of(drawn), block.alt)


def pixels_of(svg: str | bytes) -> bytes:
    """Draw an SVG as PNG, with letters that are there on every machine."""
    import resvg_py
    from matplotlib import get_data_path

    letters: dict[str, Any] = dict.fromkeys(("font_family", "sans_serif_family"), "DejaVu Sans")
    text = svg if isinstance(svg, str) else svg.decode("utf-8-sig")
    folder = str(Path(get_data_path(), "fonts", "ttf"))
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=text, width=PIXELS, dpi=96, background="white", font_dirs=[folder], **letters
        )
    )


# --- the file -----------------------------------------------------------------------------


def write_pptx(run_folder: str | Path, target: Path) -> int:
    """Write a run as slides and count them: a title, answers, figures, and what is not known.

    Titles stand in the places that the layout has for them, so outlines and screen readers find
    them and another design can be laid over. Text is text, a figure is a picture with its words.
    """
    run = find_run(run_folder)
    deck = _Deck(run)
    deck.cover()
    for slide in slides_of(run):
        deck.add(slide)
    try:
        deck.file.save(str(target))
    except OSError as error:
        mend = "close it where it is open, or give another file"
        raise NotWritten(f"export: {target.name} cannot be written: {error}\n  {mend}") from None
    return len(deck.file.slides)


class _Deck:
    """The slides of a run as they are written, in its colour and with its logo."""

    def __init__(self, run: Run) -> None:
        from pptx import Presentation  # seldom needed
        from pptx.util import Inches

        self.run, self.file = run, Presentation()
        brand = known(run.brand)
        self.colour = brand.get("colour", LIGHT.accent)[1:].upper()
        packed = base64.b64decode(brand.get("logo", ",").partition(",")[2])
        self.logo = packed if packed.startswith(b"\x89PNG") or not packed else pixels_of(packed)
        self.file.slide_width, self.file.slide_height = Inches(WIDTH), Inches(HEIGHT)
        for layout in list(self.file.slide_layouts):
            if layout.name not in ("Title Only", "Title and Content"):
                self.file.slide_layouts.remove(layout)
                continue
            for place in list(layout.placeholders):
                if place.placeholder_format.idx == _DATE:
                    place.element.getparent().remove(place.element)
        self.plain, self.listed = self.file.slide_layouts[1], self.file.slide_layouts[0]

    def cover(self) -> None:
        """Say what the report is of, and its first figures."""
        slide = self.file.slides.add_slide(self.plain)
        self._bar(slide, HEIGHT)
        self._say(slide.shapes.title, [f"Report on {self.run.data}"], 40, _at(2.0, 1.2))
        made = f"Report of {moment(self.run.started)}" if self.run.started else ""
        under = [f"Data from {days}" if (days := window(self.run.window)) else "", made]
        self._text(slide, list(filter(None, under)), 18, _at(3.2, 0.9), SOFT)
        figures = key_figures(self.run, None)[:4]
        for place, (what, shown, _) in enumerate(figures):
            left = EDGE + place * (WIDTH - 2 * EDGE) / 4
            self._text(slide, [shown], 34, (left, 4.6, 2.9, 0.7), self.colour, bold=True)
            self._text(slide, [what], 13, (left, 5.25, 2.7, 0.8), SOFT)
        self._show_logo(slide, 0.6)

    def add(self, one: Slide) -> None:
        """Add a slide: its lines stand alone, or below its picture."""
        listed = bool(one.lines) and not one.picture
        slide = self.file.slides.add_slide(self.listed if listed else self.plain)
        self._bar(slide, 0.12)
        self._text(slide, [one.question], 13, (EDGE, 0.38, WIDTH - 3.5, 0.35), SOFT)
        size = _size([one.title], _TITLES)
        self._say(slide.shapes.title, [one.title], size, _at(0.72, 1.15))
        if listed:
            body = slide.placeholders[1]
            self._say(body, one.lines, _size(one.lines, _LINES), _at(TOP, FOOT - TOP), gap=10)
        if one.picture:
            bottom = FOOT - 0.27 * sum(1 + len(line) // 110 for line in one.lines)
            self._show(slide, one, bottom - TOP)
            below = (EDGE, bottom, WIDTH - 2 * EDGE, FOOT - bottom)
            self._text(slide, one.lines, 14, below, INK)
            slide.notes_slide.notes_text_frame.text = one.alt
        self._show_logo(slide, 0.35)
        self._foot(slide)

    def _show(self, slide: Any, one: Slide, height: float) -> None:
        from pptx.util import Inches

        picture = slide.shapes.add_picture(BytesIO(one.picture), Inches(EDGE), Inches(TOP))
        room = Inches(WIDTH - 2 * EDGE) / picture.width, Inches(height - 0.15) / picture.height
        picture.width, picture.height = (
            int(n * min(room)) for n in (picture.width, picture.height)
        )
        picture.left = (self.file.slide_width - picture.width) // 2
        picture._element.nvPicPr.cNvPr.set("descr", one.alt)  # for those who hear the slide

    def _show_logo(self, slide: Any, top: float) -> None:
        from pptx.util import Inches

        if self.logo:
            picture = slide.shapes.add_picture(BytesIO(self.logo), 0, Inches(top - 0.12))
            share = min(Inches(0.5) / picture.height, Inches(1.8) / picture.width)
            picture.width, picture.height = int(picture.width * share), int(picture.height * share)
            picture.left = Inches(WIDTH - EDGE) - picture.width
            picture._element.nvPicPr.cNvPr.set("descr", "Logo")

    def _bar(self, slide: Any, height: float) -> None:
        """Lay the colour along the left of the first slide, and along the top of the others."""
        from pptx.util import Inches

        width = 0.25 if height == HEIGHT else WIDTH
        bar = slide.shapes.add_shape(1, 0, 0, Inches(width), Inches(height))
        bar.fill.solid()
        bar.fill.fore_color.rgb = _rgb(self.colour)
        bar.line.fill.background()
        bar.shadow.inherit = False

    def _foot(self, slide: Any) -> None:
        """Say what the slide is from, and its number, which follows when slides are moved."""
        from pptx.util import Inches

        said = ", ".join(filter(None, (self.run.data, window(self.run.window))))
        for place in slide.slide_layout.placeholders:
            if place.placeholder_format.idx in (_FOOT, _NUMBER):
                slide.shapes._spTree.append(deepcopy(place.element))
        places = {place.placeholder_format.idx: place for place in slide.placeholders}
        self._say(places[_FOOT], [said], 10, (EDGE, 7.0, 10.0, 0.3), SOFT)
        number = places[_NUMBER]
        number.left, number.top, number.width, number.height = map(Inches, (11.7, 7.0, 1.03, 0.3))

    def _text(self, slide: Any, lines: Sequence[str], *look: Any, **more: Any) -> None:
        box = slide.shapes.add_textbox(0, 0, 0, 0)
        self._say(box, lines, *look, **more)

    def _say(
        self, shape: Any, lines: Sequence[str], size: int, at: Sequence[float], colour: str = INK,
        *, bold: bool | None = None, gap: int = 0,
    ) -> None:  # fmt: skip
        """Write lines into a shape, to the left and from its top."""
        from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
        from pptx.util import Inches, Pt

        title = shape.is_placeholder and shape.placeholder_format.idx == 0
        shape.left, shape.top, shape.width, shape.height = map(Inches, at)
        frame = shape.text_frame
        frame.word_wrap, frame.vertical_anchor = True, MSO_ANCHOR.TOP
        frame.margin_left = frame.margin_right = 0
        for place, line in enumerate(lines):
            paragraph = frame.add_paragraph() if place else frame.paragraphs[0]
            paragraph.alignment, paragraph.space_after = PP_ALIGN.LEFT, Pt(gap)
            written = paragraph.add_run()
            written.text = _NO_LETTERS.sub(" ", line)
            written.font.size, written.font.bold = Pt(size), bold or title
            written.font.color.rgb = _rgb(colour)


def _rgb(colour: str) -> Any:
    from pptx.dml.color import RGBColor

    return RGBColor.from_string(colour)  # type: ignore[no-untyped-call]


def _at(top: float, height: float) -> tuple[float, float, float, float]:
    return EDGE, top, WIDTH - 2 * EDGE, height


def _size(lines: Sequence[str], sizes: Sequence[tuple[int, int]]) -> int:
    """Choose the points in which so many letters have room."""
    letters = sum(map(len, lines))
    return next(points for most, points in sizes if letters <= most)
