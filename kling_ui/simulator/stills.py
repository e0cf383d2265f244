"""Still pictures made ready for a video: captions, cards, mosaics, cutouts.

A caption is a band at the foot of the video: the SIMULATED label, the model and the prompt. The
picture ends where the band begins. A picture or clip that comes from the simulator is known by
its band, which is cut off before a new one is set.
"""

import unicodedata
from bisect import bisect
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

Size = tuple[int, int]
Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont

LABEL = "SIMULATED"
INK, WHITE, _PALE = (13, 14, 23), (246, 247, 252), (168, 175, 200)
HEADROOM = (0.5, 0.3)
"""Where pictures are cut: people stand with their heads in the upper third."""
_BAND_SHARE = 8
"""The band takes one part in so many of the height."""
_MARGIN = 28
"""In 720ths of the shorter side, as the sizes of letters."""
_LETTER_SIZES = (30, 26, 22, 19)
_MAX_LETTERS = 1200
"""More never fit into the band."""
_FONTS = (
    *("NotoSans-Regular.ttf", "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "msyh.ttc"),
    *("NotoSansCJKsc-Regular.otf", "Hiragino Sans GB.ttc", "Arial Unicode.ttf"),
)
"""Asked for only where the font that comes with Pillow lacks a letter; none has to be there."""
_UNKNOWN_SCRIPT = "(A prompt in letters this simulator has no font for)"
_NOISE = 6
"""How far the band's color may be off after compression, of 255."""
_MOST_CUT_ASIDE, _MOST_CUT_BELOW = 2.1, 1.6
"""Where more would be cut off than this factor, a picture is shown whole over its own blur."""


def band(size: Size, *, text: str, title: str, accent: Color) -> Image.Image:
    """Set the band of a frame of `size`."""
    unit, height = min(size) / 720, size[1] // _BAND_SHARE // 2 * 2
    margin, middle, top = (round(part * unit) for part in (_MARGIN, 23, 37))
    picture = Image.new("RGB", (size[0], height), INK)
    draw, small, width = ImageDraw.Draw(picture), _font(13 * unit), size[0] - 2 * margin
    left = margin + width - small.getlength(LABEL) - 19 * unit
    edge = (left, middle - 10 * unit, margin + width, middle + 10 * unit)
    draw.rounded_rectangle(edge, radius=6 * unit, outline=WHITE, width=max(1, round(1.4 * unit)))
    draw.text(((left + edge[2]) / 2, middle), LABEL, font=small, fill=WHITE, anchor="mm")
    named = _rows(title.upper(), small, left - 2 * margin)[0]
    draw.text((margin, middle), named, font=small, fill=accent, anchor="lm")
    words, name = _drawable(" ".join(text[:_MAX_LETTERS].split()))
    for points in _LETTER_SIZES:
        font = _font(points * unit, name)
        rows, most = _rows(words, font, width), int((height - top) / (1.22 * font.size)) or 1
        if len(rows) <= most:
            break
    else:
        rows = [*rows[: most - 1], rows[most - 1][:-1].rstrip(" ,.;:") + "…"]
    for number, row in enumerate(rows):
        place = (margin, top + 1.22 * number * font.size)
        draw.text(place, row, font=font, fill=WHITE)
    return picture


def without_band(picture: Image.Image) -> Image.Image:
    """Return an RGB picture without the band, where it is a frame of a simulated video."""
    width, height = picture.size
    unit, end = min(picture.size) / 720, height - height // _BAND_SHARE
    inner, top = round(_MARGIN * unit * 0.7), end + round(18 * unit)
    if inner < 2 or top >= height - 1:  # noqa: PLR2004  too small to tell
        return picture
    for side in ((1, top, inner, height - 1), (width - inner, top, width - 1, height - 1)):
        off = np.asarray(picture.crop(side)).astype(int) - INK
        if np.abs(off.mean((0, 1))).max() > _NOISE or off.std() > _NOISE:
            return picture
    return picture.crop((0, 0, width, end))


def framed(picture: Image.Image, size: Size) -> Image.Image:
    """Return an RGB picture of `size`: cut to it, or whole over its own blur."""
    aspect = picture.width * size[1] / (picture.height * size[0])
    if 1 / _MOST_CUT_BELOW <= aspect <= _MOST_CUT_ASIDE:
        return ImageOps.fit(picture, size, Image.Resampling.BICUBIC, centering=HEADROOM)
    small = ImageOps.fit(picture, (80, 45)).filter(ImageFilter.GaussianBlur(8))
    ground = small.point(lambda level: level * 0.7).resize(size, Image.Resampling.BICUBIC)
    whole = ImageOps.contain(picture, size, Image.Resampling.BICUBIC)
    ground.paste(whole, ((size[0] - whole.width) // 2, (size[1] - whole.height) // 2))
    return ground


def mosaic(pictures: Sequence[Image.Image], size: Size) -> Image.Image:
    """Show pictures beside each other, in reading order; a single one fills `size`."""
    made, count, gutter = Image.new("RGB", size, INK), len(pictures), max(size) // 200
    aspect = sum(picture.width / picture.height for picture in pictures) / count
    row_count = min(max(round((count * aspect * size[1] / size[0]) ** 0.5), 1), count)
    rest = list(pictures)
    for number, (top, bottom) in enumerate(_parts(size[1], row_count, gutter)):
        for left, right in _parts(size[0], (count + number) // row_count, gutter):
            made.paste(framed(rest.pop(0), (right - left, bottom - top)), (left, top))
    return made


def soft_mask(mask: Image.Image, size: Size) -> Image.Image:
    """Return a mask of `size` in 8 bits: what is opaque, or else what is bright, is masked."""
    alpha = mask.convert("RGBA").getchannel("A")
    flat = mask.convert("L") if alpha.getextrema() == (255, 255) else alpha
    hard = ImageOps.fit(flat, size, centering=HEADROOM).point([0] * 128 + [255] * 128)
    return hard.filter(ImageFilter.GaussianBlur(max(size) / 320))


def cut_out(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """Return what an 8-bit mask shows of a picture of its size, in RGBA."""
    piece = picture.convert("RGBA")
    piece.putalpha(mask)
    return piece


def without(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """Fill what an 8-bit mask covers of an RGB picture with the colors around it."""
    left, filled = cut_out(picture, ImageChops.invert(mask)), Image.new("RGBA", picture.size)
    for cells in (1, 4, 12):
        # RGBA is scaled with its alpha: a cell has the color of what is seen in it.
        small = left.resize((cells, cells), Image.Resampling.BOX)
        filled.alpha_composite(small.resize(picture.size, Image.Resampling.BILINEAR))
    return Image.composite(filled.convert("RGB"), picture, mask)


def card(address: str, kind: str) -> Image.Image:
    """Draw a card that stands for the picture or video at a public address, never fetched."""
    size, parts, y = (1280, 960), urlsplit(address), 380
    drawn = ImageOps.colorize(Image.linear_gradient("L"), (72, 80, 112), (26, 28, 42)).resize(size)
    name = unquote(parts.path).rstrip("/").rpartition("/")[2]
    rows = (f"{kind} at", 26, _PALE), (parts.hostname or "", 40, WHITE), (name, 28, _PALE)
    for text, points, color in rows:
        shown = _rows(text, _font(points), size[0] / 2)[0]
        ImageDraw.Draw(drawn).text((640, y), shown, font=_font(points), fill=color, anchor="ma")
        y += round(points * 1.5)
    return drawn


def _parts(length: int, count: int, gutter: int) -> list[tuple[int, int]]:
    """Divide `length` into `count` parts with gutters between: each with its start and end."""
    edges = [(length + gutter) * number // count for number in range(count + 1)]
    return [(start, end - gutter) for start, end in pairwise(edges)]


def _font(size: float, name: str | None = None) -> Font:
    """Return Pillow's own font, or the one called `name`, in `size` pixels."""
    points = max(6, round(size))
    font = ImageFont.truetype(name, points) if name else ImageFont.load_default(points)
    if not isinstance(font, Font):
        raise RuntimeError("Pillow was built without FreeType, so it has no scalable font.")
    return font


def _rows(text: str, font: Font, room: float) -> list[str]:
    """Break text at spaces; where there are none (a long word, Chinese), anywhere."""
    rows = []
    while text:
        end = len(text)
        if font.getlength(text) > room:
            fits = bisect(range(1, end), room, key=lambda count: font.getlength(text[:count]))
            end = max(text.rfind(" ", 0, fits + 1), 0) or max(fits, 1)
        rows.append(text[:end])
        text = text[end:].lstrip()
    return rows or [""]


def _drawable(text: str) -> tuple[str, str | None]:
    """Return what of `text` can be drawn, and the font (None: Pillow's own) that draws most."""
    letters = {letter for letter in text if unicodedata.category(letter)[0] not in "CZ"}
    wanted = {letter for letter in letters if unicodedata.category(letter)[0] in "LNP"}
    best, known = None, _known(letters, None)
    for name in _FONTS if wanted - known else ():
        found = _known(letters, name)
        if len(found) > len(known):
            best, known = name, found
    kept = "".join(letter if letter in known else " " for letter in text)
    return " ".join(kept.split()) or (_UNKNOWN_SCRIPT if letters else ""), best


def _known(letters: set[str], name: str | None) -> set[str]:
    """Return which `letters` the font has: an unknown one looks like the unknown one."""
    try:
        font = _font(24, name)
    except OSError:
        return set()
    unknown = [bytes(font.getmask(letter)) for letter in ("\uffff", "\U000e0fff")]
    return {letter for letter in letters if bytes(font.getmask(letter)) not in unknown}
