"""Still pictures made ready for a video: captions, cards, collages, cutouts.

A caption is a band at the foot of the video: the SIMULATED label, the model and the prompt. The
picture ends where the band begins. A picture or clip that comes from the simulator is known by
its band, which is cut off before a new one is set.
"""

import unicodedata
from bisect import bisect
from collections.abc import Sequence
from math import ceil
from typing import Literal
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

Size = tuple[int, int]
Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels, all even."""
Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont

LABEL = "SIMULATED"
INK, WHITE, _PALE = (13, 14, 23), (246, 247, 252), (168, 175, 200)
HEADROOM = (0.5, 0.3)
"""Where pictures are cut: people stand with their heads in the upper third."""
_BAND_SHARE = 8
"""The band takes one part in so many of the height."""
_OTHER_FONTS = (
    *("NotoSans-Regular.ttf", "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "msyh.ttc"),
    *("NotoSansCJKsc-Regular.otf", "Hiragino Sans GB.ttc", "Arial Unicode.ttf"),
)
"""Asked for only where the font that comes with Pillow lacks a letter; none has to be there."""
_UNKNOWN_SCRIPT = "(A prompt in letters this simulator has no font for)"
_MARGIN = 28
"""In 720ths of the shorter side, as the sizes of letters."""
_SIZES = (30, 26, 22, 19)
_LEADING = 1.22
_MAX_LETTERS = 1200
"""More never fit into the band."""
_NOISE = 6
"""How far the band's color may be off after compression, of 255."""
_MOST_CUT_ASIDE, _MOST_CUT_BELOW = 2.1, 1.6
"""Where more would be cut off than this factor, a picture is shown whole over its own blur."""
_SOFT_EDGE = 320
"""The edge of a painted area is as soft as this part of the frame's longer side."""


def band(size: Size, *, text: str, title: str, accent: Color) -> Image.Image:
    """Set the band of a frame of `size`."""
    unit, height = min(size) / 720, size[1] // _BAND_SHARE // 2 * 2
    margin, top, row = (round(part * unit) for part in (_MARGIN, 13, 24))
    picture = Image.new("RGB", (size[0], height), INK)
    draw = ImageDraw.Draw(picture)
    small, middle = _font(13 * unit), top + row * 0.42
    left = size[0] - margin - small.getlength(LABEL) - row * 0.8
    edge = (left, top, size[0] - margin, top + row * 0.84)
    draw.rounded_rectangle(edge, radius=row * 0.25, outline=WHITE, width=max(1, round(1.4 * unit)))
    draw.text(((left + edge[2]) / 2, middle), LABEL, font=small, fill=WHITE, anchor="mm")
    named = _shortened(title.upper(), small, left - 2 * margin)
    draw.text((margin, middle), named, font=small, fill=accent, anchor="lm")
    room = (size[0] - 2 * margin, height - top - row - round(3 * unit))
    rows, font = _fitted(text, unit, room)
    for number, words in enumerate(rows):
        place = (margin, top + row + number * font.size * _LEADING)
        draw.text(place, words, font=font, fill=WHITE)
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
    small = ImageOps.fit(picture, (max(size[0] // 16, 2), max(size[1] // 16, 2)))
    dark = small.filter(ImageFilter.GaussianBlur(8)).point(lambda level: level * 0.7)
    ground = dark.resize(size, Image.Resampling.BICUBIC)
    whole = ImageOps.contain(picture, size, Image.Resampling.BICUBIC)
    ground.paste(whole, ((size[0] - whole.width) // 2, (size[1] - whole.height) // 2))
    return ground


def mosaic(size: Size, count: int, gutter: int) -> list[Box]:
    """Divide `size` among `count` pictures, in reading order, with thin gutters between."""
    width, height = size
    if count == 3 and width > 1.2 * height:  # noqa: PLR2004  thin strips would cut off too much
        (_, first), (left, second) = _parts(width, 2, gutter)
        right = [(left, top, second, tall) for top, tall in _parts(height, 2, gutter)]
        return [(0, 0, first, height), *right]
    row_count = max(1, ceil((count * height / width) ** 0.5 - 0.35))
    boxes: list[Box] = []
    for number, (top, tall) in enumerate(_parts(height, row_count, gutter)):
        columns = _parts(width, (count + number) // row_count, gutter)
        boxes += [(left, top, wide, tall) for left, wide in columns]
    return boxes


def collage(pictures: Sequence[Image.Image], size: Size, gutter: int = 2) -> Image.Image:
    """Show several pictures in one of `size`; a single one stays as it is."""
    if len(pictures) == 1:
        return pictures[0]
    made = Image.new("RGB", size, INK)
    for picture, box in zip(pictures, mosaic(size, len(pictures), gutter), strict=True):
        made.paste(framed(picture, box[2:]), box[:2])
    return made


def soft_mask(mask: Image.Image, size: Size) -> Image.Image:
    """Return a mask of `size` in 8 bits: what is opaque, or else what is bright, is masked."""
    rgba = mask.convert("RGBA")
    alpha = rgba.getchannel("A")
    flat = rgba.convert("L") if alpha.getextrema() == (255, 255) else alpha
    fitted = ImageOps.fit(flat, size, Image.Resampling.BILINEAR, centering=HEADROOM)
    hard = fitted.point([0] * 128 + [255] * 128)
    return hard.filter(ImageFilter.GaussianBlur(max(size) / _SOFT_EDGE))


def cut_out(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """Return what an 8-bit mask shows of a picture of its size, in RGBA."""
    piece = picture.convert("RGBA")
    piece.putalpha(mask)
    return piece


def without(picture: Image.Image, masks: Sequence[Image.Image]) -> Image.Image:
    """Fill what the masks cover of an RGB picture with the colors around it."""
    covered = Image.new("L", picture.size)
    for mask in masks:
        covered = ImageChops.lighter(covered, mask.filter(ImageFilter.MaxFilter(5)))
    left = cut_out(picture, ImageChops.invert(covered))
    patch = Image.new("RGBA", picture.size)
    for cells in (1, 3, 8, 20):
        # RGBA is scaled with its alpha: a cell has the color of what is seen in it.
        small = left.resize((cells, cells), Image.Resampling.BOX)
        patch.alpha_composite(small.resize(picture.size, Image.Resampling.BILINEAR))
    return Image.composite(patch.convert("RGB"), picture, covered)


def card(address: str, kind: Literal["image", "video"]) -> Image.Image:
    """Draw a card that stands for what lies at a public address, which isn't fetched."""
    size = (1280, 960)
    bottom, top = (Image.new("RGB", size, color) for color in ((26, 28, 42), (72, 80, 112)))
    drawn = Image.composite(bottom, top, Image.linear_gradient("L").resize(size))
    draw, parts, y = ImageDraw.Draw(drawn), urlsplit(address), 380
    name = unquote(parts.path).rstrip("/").rpartition("/")[2]
    kinds = "Picture at" if kind == "image" else "Video at"
    rows = (kinds, 26, _PALE), (parts.hostname or "", 40, WHITE), (name, 28, _PALE)
    for text, points, color in rows:
        shown = _shortened(text, _font(points), size[0] / 2)
        draw.text((size[0] / 2, y), shown, font=_font(points), fill=color, anchor="ma")
        y += round(points * 1.5)
    return drawn


def _parts(length: int, count: int, gutter: int) -> list[tuple[int, int]]:
    """Divide `length` into `count` parts: each with its start and its length, all even."""
    step = (length + gutter) / count
    starts = [int(number * step // 2) * 2 for number in range(count)]
    ends = [*(start - gutter for start in starts[1:]), length]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _font(size: float, name: str | None = None) -> Font:
    """Return Pillow's own font, or the one called `name`, in `size` pixels."""
    points = max(6, round(size))
    font = ImageFont.truetype(name, points) if name else ImageFont.load_default(points)
    if not isinstance(font, Font):
        raise RuntimeError("Pillow was built without FreeType, so it has no scalable font.")
    return font


def _shortened(text: str, font: Font, room: float) -> str:
    """Cut `text` to `room` pixels; an ellipsis says so."""
    if font.getlength(text) <= room:
        return text
    most = bisect(range(len(text)), room, key=lambda count: font.getlength(text[:count] + "…"))
    return text[: max(most - 1, 0)].rstrip(" ,.;:") + "…"


def _fitted(text: str, unit: float, room: Size) -> tuple[list[str], Font]:
    """Wrap `text` in the largest size that leaves it room; cut what never fits."""
    words, name = _drawable(" ".join(text[:_MAX_LETTERS].split()))
    for size in _SIZES:
        font = _font(size * unit, name)
        rows = _wrapped(words, font, room[0])
        most = max(1, int(room[1] / (font.size * _LEADING)))
        if len(rows) <= most:
            return rows, font
    return [*rows[: most - 1], _shortened(" ".join(rows[most - 1 :]), font, room[0])], font


def _wrapped(text: str, font: Font, room: float) -> list[str]:
    """Break at spaces; what is wider than the picture (or has no spaces) anywhere."""
    rows: list[str] = []
    for word in text.split():
        if rows and font.getlength(f"{rows[-1]} {word}") <= room:
            rows[-1] += f" {word}"
            continue
        rows.append("")
        for letter in word:
            if rows[-1] and font.getlength(rows[-1] + letter) > room:
                rows.append("")
            rows[-1] += letter
    return rows


def _drawable(text: str) -> tuple[str, str | None]:
    """Return what of `text` can be drawn, and the font (None: Pillow's own) that draws most."""
    letters = {letter for letter in text if unicodedata.category(letter)[0] not in "CZ"}
    wanted = {letter for letter in letters if unicodedata.category(letter)[0] in "LNP"}
    best, known = None, _known(letters, _font(24))
    for name in _OTHER_FONTS:
        if wanted <= known:
            break
        try:
            found = _known(letters, _font(24, name))
        except OSError:
            continue
        if len(found) > len(known):
            best, known = name, found
    kept = "".join(letter if letter in known else " " for letter in text)
    return " ".join(kept.split()) or (_UNKNOWN_SCRIPT if letters else ""), best


def _known(letters: set[str], font: Font) -> set[str]:
    """Return which `letters` the font has: an unknown one looks like the unknown one."""
    unknown = [bytes(font.getmask(letter)) for letter in ("\uffff", "\U000e0fff")]
    return {letter for letter in letters if bytes(font.getmask(letter)) not in unknown}
