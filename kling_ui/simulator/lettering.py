"""The words in the picture: prompt, model and the SIMULATED label, set once for a whole video."""

import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

LABEL = "SIMULATED"
_OTHER_FONTS = (
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "msyh.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
)
"""Asked for only where the font that comes with Pillow lacks a letter; none has to be there."""
_UNKNOWN_SCRIPT = "(A prompt in letters this simulator has no font for)"
_WHITE = (255, 255, 255)
_INK = (8, 9, 16)
_ELLIPSIS = "…"
_MOST_LETTERS = 1200
"""More never fit into the lower third."""

_SPACING = 0.14

Sizes = tuple[int, ...]
"""Sizes of letters to be tried in turn, in 720ths of the shorter side."""
LARGE: Sizes = (44, 38, 33, 29, 26, 23)
MODEST: Sizes = (33, 29, 26, 23)
"""For pictures, which are to be seen themselves."""

Font = ImageFont.FreeTypeFont
Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """Measures in pixels, from the frame's size."""

    width: int
    height: int

    @property
    def unit(self) -> float:
        """One 720th of the shorter side."""
        return min(self.width, self.height) / 720

    @property
    def margin(self) -> int:
        """The free space at each edge."""
        return round(56 * self.unit)

    @property
    def line(self) -> tuple[int, int, int, int]:
        """The box of the progress line: left, top, right, bottom; all even."""
        thick = max(2, round(2 * self.unit) * 2)
        bottom = (self.height - round(44 * self.unit)) // 2 * 2
        left = self.margin // 2 * 2
        return left, bottom - thick, self.width - left, bottom


@dataclass(frozen=True, slots=True)
class Lettering:
    """The words as an RGBA picture, clear elsewhere, and the dark ground they want below.

    It begins at `dark_from` and is there at `dark_at`, both shares of the height.
    """

    picture: Image.Image
    dark_from: float
    dark_at: float


def lettering(
    layout: Layout,
    *,
    text: str,
    title: str,
    accent: Color,
    sizes: Sizes = LARGE,
    is_on_picture: bool = False,
) -> Lettering:
    """Set `text` low in the picture below `title`, the label into a corner and the empty line.

    `sizes` are tried in turn. On pictures the dark ground is part of the lettering.
    """
    rows, font = _fitted(text, layout, sizes)
    prompt = [row for row in rows if row]
    leading = round(font.size * 1.32)
    top = layout.line[1] - round(24 * layout.unit) - leading * len(prompt)
    caption_top = top - round(38 * layout.unit)
    dark_from, dark_at = caption_top - 190 * layout.unit, caption_top + 30 * layout.unit
    picture = Image.new("RGBA", (layout.width, layout.height), (*_WHITE, 0))
    if is_on_picture:
        widest = max((font.getlength(row) for row in prompt), default=0.0)
        picture = _ground(layout, caption_top, layout.margin + widest)
    draw = ImageDraw.Draw(picture)
    for number, row in enumerate(prompt):
        draw.text((layout.margin, top + number * leading), row, font=font, fill=(*_WHITE, 248))
    _caption(draw, layout, (layout.margin, caption_top), title.upper(), (*accent, 255))
    left, line_top, right, bottom = layout.line
    draw.rectangle((left, line_top, right - 1, bottom - 1), fill=(*_WHITE, 56))
    _label(picture, layout, cover=205 if is_on_picture else 122)
    return Lettering(picture, dark_from / layout.height, dark_at / layout.height)


def put_tag(picture: Image.Image, layout: Layout, text: str, place: tuple[int, int]) -> None:
    """Draw `text` on a small dark ground whose upper left corner is at `place`."""
    scale = 4
    font = scalable_font(13 * layout.unit * scale)
    inside, height = font.getlength(text), tag_height(layout) * scale
    tag = Image.new("RGBA", (round(inside + height * 0.8), round(height)), (*_INK, 0))
    draw = ImageDraw.Draw(tag)
    draw.rounded_rectangle(
        (0, 0, tag.width - 1, tag.height - 1), radius=tag.height * 0.32, fill=(*_INK, 200)
    )
    middle = (tag.width / 2, tag.height / 2)
    draw.text(middle, text, font=font, fill=(*_WHITE, 255), anchor="mm")
    small = tag.resize((tag.width // scale, tag.height // scale), Image.Resampling.LANCZOS)
    picture.alpha_composite(small, place)


def tag_height(layout: Layout) -> int:
    """Return how high a tag is, in pixels."""
    return max(8, round(23 * layout.unit))


def put_frame(picture: Image.Image, layout: Layout, box: tuple[int, int, int, int]) -> None:
    """Draw a thin light frame around `box`: left, top, right, bottom."""
    thick = max(1, round(2.4 * layout.unit))
    left, top, right, bottom = box
    edge = (left - thick, top - thick, right + thick - 1, bottom + thick - 1)
    draw = ImageDraw.Draw(picture)
    draw.rectangle(edge, outline=(*_WHITE, 235), width=thick)


def _ground(layout: Layout, caption_top: float, text_right: float) -> Image.Image:
    """Darken what is below the caption, and less so where there are no words to the right."""
    unit = layout.unit
    below = _eased(np.arange(layout.height), caption_top - 150 * unit, caption_top + 10 * unit)
    beside = _eased(np.arange(layout.width), text_right + 40 * unit, text_right + 420 * unit)
    cover = 0.74 * below[:, None] * (1 - 0.6 * beside[None, :])
    rgba = np.empty((layout.height, layout.width, 4), np.uint8)
    rgba[..., :3] = _INK
    rgba[..., 3] = np.rint(cover * 255)
    return Image.fromarray(rgba)


def _eased(places: npt.NDArray[Any], start: float, end: float) -> npt.NDArray[Any]:
    """Rise from 0 at `start` to 1 at `end`."""
    share = np.clip((places + 0.5 - start) / (end - start), 0, 1)
    return share * share * (3 - 2 * share)


def _caption(
    draw: ImageDraw.ImageDraw,
    layout: Layout,
    place: tuple[int, int],
    text: str,
    fill: tuple[int, int, int, int],
) -> None:
    room = layout.width - 2 * layout.margin
    for size in (18, 16, 14, 12, 10):
        font = scalable_font(size * layout.unit)
        if font.getlength(text) + len(text) * font.size * _SPACING <= room:
            break
    _spaced(draw, place, text, font=font, fill=fill)


def _label(picture: Image.Image, layout: Layout, *, cover: int) -> None:
    """Put the pill into the upper right corner, drawn large and scaled down for smooth edges."""
    scale = 4
    font = scalable_font(15 * layout.unit * scale)
    spacing = font.size * _SPACING
    inside = sum(font.getlength(letter) + spacing for letter in LABEL) - spacing
    height = font.size * 2.1
    width = inside + height * 1.1
    pill = Image.new("RGBA", (round(width), round(height)), (*_WHITE, 0))
    draw = ImageDraw.Draw(pill)
    draw.rounded_rectangle(
        (0, 0, pill.width - 1, pill.height - 1),
        radius=pill.height / 2,
        fill=(*_INK, cover),
        outline=(*_WHITE, 150),
        width=max(scale, round(1.3 * scale * layout.unit)),
    )
    place = ((pill.width - inside) / 2, pill.height / 2)
    _spaced(draw, place, LABEL, font=font, fill=(*_WHITE, 255), anchor="lm")
    small = pill.resize((pill.width // scale, pill.height // scale), Image.Resampling.LANCZOS)
    corner = (layout.width - layout.margin - small.width, round(layout.margin * 0.86))
    picture.alpha_composite(small, corner)


def _spaced(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    *,
    font: Font,
    fill: tuple[int, int, int, int],
    anchor: str = "la",
) -> None:
    x, y = place
    for letter in text:
        draw.text((x, y), letter, font=font, fill=fill, anchor=anchor)
        x += font.getlength(letter) + font.size * _SPACING


def _fitted(text: str, layout: Layout, sizes: Sizes) -> tuple[list[str], Font]:
    """Wrap `text` in the largest size that leaves it room; cut what never fits."""
    words, name = _drawable(" ".join(text[:_MOST_LETTERS].split()))
    room = layout.width - 2 * layout.margin
    tall = layout.height * 0.32
    rows: list[str] = []
    for size in sizes:
        font = scalable_font(size * layout.unit, name)
        rows = _wrapped(words, font, room)
        if len(rows) * font.size * 1.32 <= tall and len(rows) <= max(2, 240 / size):
            return rows, font
    most = max(1, int(tall / (font.size * 1.32)))
    return _cut(rows, most, font, room), font


def _cut(rows: list[str], most: int, font: Font, room: float) -> list[str]:
    if len(rows) <= most:
        return rows
    last = rows[most - 1]
    while last and font.getlength(last + _ELLIPSIS) > room:
        last = last[:-1]
    return [*rows[: most - 1], last.rstrip(" ,.;:") + _ELLIPSIS]


def _wrapped(text: str, font: Font, room: float) -> list[str]:
    space = font.getlength(" ")
    widths = {word: font.getlength(word) for word in set(text.split(" "))}
    rows, used = [""], 0.0
    for word in text.split(" "):
        if rows[-1] and used + space + widths[word] <= room:
            rows[-1] += f" {word}"
            used += space + widths[word]
            continue
        pieces = [word] if widths[word] <= room else _broken(word, font, room)
        rows.extend(pieces)
        used = font.getlength(pieces[-1])
    return rows[1:]


def _broken(word: str, font: Font, room: float) -> list[str]:
    """Break what is wider than the picture (or a text without spaces) anywhere."""
    pieces, used = [""], 0.0
    for letter in word:
        width = font.getlength(letter)
        if pieces[-1] and used + width > room:
            pieces.append("")
            used = 0.0
        pieces[-1] += letter
        used += width
    return pieces


def scalable_font(size: float, name: str | None = None) -> Font:
    """Return Pillow's own font, or the one called `name`, in `size` pixels."""
    points = max(6, round(size))
    if name is not None:
        return ImageFont.truetype(name, points)
    font = ImageFont.load_default(points)
    if not isinstance(font, Font):
        raise RuntimeError("Pillow was built without FreeType, so it has no scalable font.")
    return font


def _drawable(text: str) -> tuple[str, str | None]:
    """Return what of `text` can be drawn, and the font (None: Pillow's own) that draws most."""
    letters = set(text) - {" "}
    best, most = None, _known(letters, scalable_font(24))
    for name in _OTHER_FONTS:
        if len(most) == len({letter for letter in letters if _is_letter(letter)}):
            break
        try:
            known = _known(letters, scalable_font(24, name))
        except OSError:
            continue
        if len(known) > len(most):
            best, most = name, known
    kept = "".join(letter if letter in most or letter == " " else " " for letter in text)
    return " ".join(kept.split()) or (_UNKNOWN_SCRIPT if letters else ""), best


def _is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNP"


def _known(letters: set[str], font: Font) -> set[str]:
    """Return which `letters` the font has: an unknown one looks like the unknown one."""
    unknown = [bytes(font.getmask(letter)) for letter in ("\uffff", "\U000e0fff")]
    return {
        letter
        for letter in letters
        if unicodedata.category(letter)[0] != "C" and bytes(font.getmask(letter)) not in unknown
    }
