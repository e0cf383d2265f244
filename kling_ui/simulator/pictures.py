"""What videos are made of: captions, cards, tiles, masks and moving light.

A caption is a band at the foot of the video: the SIMULATED label, the model and the prompt. The
picture ends where the band begins. A picture or clip that comes from the simulator is known by
its band, which is cut off before a new one is set.
"""

import hashlib
import math
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

Size = tuple[int, int]
Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont
Field = npt.NDArray[Any]

LABEL = "SIMULATED"
INK, WHITE, _PALE = (13, 14, 23), (246, 247, 252), (168, 175, 200)
_HEADROOM = (0.5, 0.3)
"""Where pictures are cut: people stand with their heads in the upper third."""
_BAND_SHARE = 8
"""The band takes one part in so many of the height."""
_OTHER_FONTS = (
    *("NotoSans-Regular.ttf", "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "msyh.ttc"),
    *("NotoSansCJKsc-Regular.otf", "Hiragino Sans GB.ttc", "Arial Unicode.ttf"),
)
"""Asked for only where the font that comes with Pillow lacks a letter; none has to be there."""
_UNKNOWN_SCRIPT = "(A prompt in letters this simulator has no font for)"
_MARGIN, _SIZES, _LEADING = 28, (30, 26, 22, 19), 1.22
"""In 720ths of the shorter side: the margin and the sizes of letters; lines are so far apart."""
_MAX_LETTERS = 1200
"""More never fit into the band."""
_NOISE = 6
"""How far the band's color may be off after compression, of 255."""
_MOST_CUT_ASIDE, _MOST_CUT_BELOW = 2.1, 1.6
"""Where more would be cut off than this factor, a picture is shown whole over its own blur."""
_PALETTES = (
    ("#170d33", "#4a2380", "#c4487c", "#ff8f6b", "#ffdca8"),  # dusk
    ("#041c29", "#0a4a5c", "#1a9698", "#76d9c3", "#eefbdc"),  # lagoon
    ("#080d2b", "#1b357f", "#2196a0", "#7be3a6", "#e3ffec"),  # aurora
    ("#22090f", "#741b36", "#cf4339", "#f6943f", "#ffe9b8"),  # ember
    ("#0e0e38", "#352aa5", "#7a55f2", "#ea83cb", "#ffdff1"),  # iris
    ("#0a1c15", "#1f4c37", "#4f8f54", "#cfc267", "#fff5cc"),  # moss
    ("#0a1730", "#234a86", "#5595da", "#a9d3fb", "#f6fbff"),  # glacier
    ("#221019", "#743749", "#cf7f79", "#f2bd99", "#fff0df"),  # rose
)
_SHADES, _ORBS = 1024, 7
_CAMERA_REACH = 2.6
"""Light has no edge, so that the camera may go farther than over a picture."""


class View(NamedTuple):
    """A part of a picture: its middle and its size in shares of the picture.

    `turn` is the camera's, in radians, clockwise: what it sees then leans the other way.
    """

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0
    turn: float = 0.0


def band(size: Size, *, text: str, title: str, accent: Color) -> Image.Image:
    """Set the band of a frame of `size`."""
    unit, height = min(size) / 720, size[1] // _BAND_SHARE // 2 * 2
    margin, top, row = (round(part * unit) for part in (_MARGIN, 13, 24))
    picture = Image.new("RGB", (size[0], height), INK)
    draw, small, middle = ImageDraw.Draw(picture), _font(13 * unit), top + row * 0.42
    left, right = size[0] - margin - small.getlength(LABEL) - row * 0.8, size[0] - margin
    edge, line = (left, top, right, top + row * 0.84), max(1, round(1.4 * unit))
    draw.rounded_rectangle(edge, radius=row * 0.25, outline=WHITE, width=line)
    draw.text(((left + right) / 2, middle), LABEL, font=small, fill=WHITE, anchor="mm")
    named = " ".join(_rows(title.upper(), small, left - 2 * margin, most=1))
    draw.text((margin, middle), named, font=small, fill=accent, anchor="lm")
    words, name = _drawable(" ".join(text[:_MAX_LETTERS].split()))
    for points in _SIZES:
        font = _font(points * unit, name)
        most = max(1, int((height - top - row - 3 * unit) / (font.size * _LEADING)))
        if len(rows := _rows(words, font, size[0] - 2 * margin)) <= most:
            break
    else:
        rows = _rows(words, font, size[0] - 2 * margin, most=most)
    for number, each in enumerate(rows):
        place = (margin, top + row + number * font.size * _LEADING)
        draw.text(place, each, font=font, fill=WHITE)
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


def framed(picture: Image.Image, size: Size, *, dim: float = 0.7) -> Image.Image:
    """Return a picture of `size`: cut to it, or whole over its own blur, darkened by `dim`."""
    aspect = picture.width * size[1] / (picture.height * size[0])
    if 1 / _MOST_CUT_BELOW <= aspect <= _MOST_CUT_ASIDE:
        return ImageOps.fit(picture, size, Image.Resampling.BICUBIC, centering=_HEADROOM)
    small = ImageOps.fit(picture, (max(size[0] // 16, 2), max(size[1] // 16, 2)))
    dark = small.filter(ImageFilter.GaussianBlur(8)).point(lambda level: level * dim)
    ground = dark.resize(size, Image.Resampling.BICUBIC)
    scale = min(size[0] / picture.width, size[1] / picture.height)
    fitted = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    whole = picture.resize(fitted, Image.Resampling.BICUBIC)
    ground.paste(whole, ((size[0] - whole.width) // 2, (size[1] - whole.height) // 2))
    return ground


def mosaic(size: Size, count: int, gutter: int) -> list[tuple[tuple[int, int], Size]]:
    """Divide `size` among `count` pictures, column by column: where each is and how large, even."""
    columns = max(1 if count < 4 else 2, round((count * size[0] / size[1]) ** 0.5 - 0.4))  # noqa: PLR2004
    return [
        ((left, top), (width, height))
        for number, (left, width) in enumerate(_parts(size[0], columns, gutter))
        for top, height in _parts(size[1], (count + number) // columns, gutter)
    ]


def soft_mask(mask: Image.Image, size: Size) -> Image.Image:
    """Return a mask of `size` in 8 bits: what is opaque, or else what is bright, is masked."""
    rgba = mask.convert("RGBA")
    alpha = rgba.getchannel("A")
    flat = rgba.convert("L") if alpha.getextrema() == (255, 255) else alpha
    fitted = ImageOps.fit(flat, size, Image.Resampling.BILINEAR, centering=_HEADROOM)
    hard = fitted.point([0] * 128 + [255] * 128)
    return hard.filter(ImageFilter.GaussianBlur(max(size) / 320))


def without(picture: Image.Image, masks: Sequence[Image.Image]) -> Image.Image:
    """Fill what the masks cover of an RGB picture with the colors around it."""
    covered = Image.new("L", picture.size)
    for mask in masks:
        covered = ImageChops.lighter(covered, mask.filter(ImageFilter.MaxFilter(5)))
    left, patch = picture.convert("RGBA"), Image.new("RGBA", picture.size)
    left.putalpha(ImageChops.invert(covered))
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
    lines = (kinds, 26, _PALE), (parts.hostname or "", 40, WHITE), (name, 28, _PALE)
    for text, points, color in lines:
        shown = " ".join(_rows(text, _font(points), size[0] / 2, most=1))
        draw.text((size[0] / 2, y), shown, font=_font(points), fill=color, anchor="ma")
        y += round(points * 1.5)
    return drawn


def light(*, words: str, take: str, size: Size) -> Callable[[float, View], Field]:
    """Make moving light of `size`: silk-like color and soft orbs that rise.

    `words` choose its colors, `take` its movement. What is returned draws what a camera sees
    after so many seconds: height × width × RGB, 16 bits each, so that no bands are seen.
    """
    # Places are in shares of the shorter side, from the middle.
    across, down = (side / min(size) for side in size)
    grid_x = np.linspace(-across / 2, across / 2, size[0], dtype=np.float32)[None, :]
    grid_y = np.linspace(-down / 2, down / 2, size[1], dtype=np.float32)[:, None]
    vignette = 1.04 - 0.44 * ((grid_x / across) ** 2 + (grid_y / down) ** 2) ** 2
    colors = palette(words)
    # Blended from color to color; the lightest is for highlights.
    away = np.linspace(0, 1, _SHADES)[:, None] - np.linspace(0, 1, len(colors)) ** 0.9
    weights = np.exp(-((away / 0.16) ** 2)).astype(np.float32)
    shades = weights @ colors / weights.sum(axis=1, keepdims=True)
    chance = np.random.default_rng(number_of(take))
    p = chance.uniform(0, 2 * np.pi, 5).astype(np.float32)
    orbs = chance.uniform(0, 1, (_ORBS, 4)).tolist()

    def at(t: float, view: View) -> Field:
        along, aside = view.size * math.cos(view.turn), view.size * math.sin(view.turn)
        x = grid_x * along - grid_y * aside + _CAMERA_REACH * (view.x - 0.5)
        y = grid_x * aside + grid_y * along + _CAMERA_REACH * (view.y - 0.5)
        bent_x = x + 0.22 * np.sin(2.3 * y + 0.31 * t + p[0])
        bent_y = y + 0.20 * np.sin(2.0 * x - 0.27 * t + p[1])
        drift = np.sin(1.9 * bent_x + 1.3 * bent_y + 0.21 * t + p[2])
        sway = np.sin(-1.4 * bent_x + 2.6 * bent_y - 0.33 * t + p[3])
        fold = np.sin(4.6 * bent_x + 3.4 * bent_y + 1.1 * drift + 0.52 * t + p[4])
        place = np.clip(0.46 + 0.27 * drift + 0.17 * sway + 0.05 * fold, 0, 1) * (_SHADES - 1)
        bright = (0.86 + 0.34 * (0.5 + 0.5 * fold) ** 3) * vignette
        color = shades[place.astype(np.int32)] * bright[..., None]
        for left, top, depth, phase in orbs:
            radius = 0.032 + 0.11 * depth**2
            # Orbs wrap around outside of the picture, so that none pops up.
            wide, high = across + 2 * radius + 0.4, down + 2 * radius + 0.4
            at_x = (left * wide + (0.03 * phase - 0.012) * t) % wide - wide / 2
            at_y = (top * high - (0.014 + 0.05 * depth) * t) % high - high / 2
            apart = ((x - at_x) ** 2 + (y - at_y) ** 2) / radius**2
            breath = (0.30 - 0.17 * depth) * (0.85 + 0.15 * math.sin(0.9 * t + 6 * phase))
            color += (breath * np.exp(-(apart**2)))[..., None] * (colors[-1] - color)
        levels: Field = np.rint(np.clip(color, 0, 1) * 65535).astype(np.uint16)
        return levels

    return at


def palette(words: str) -> Field:
    """Return the colors that `words` stand for, dark to light: rows of RGB from 0 to 1."""
    chosen = _PALETTES[number_of(words) % len(_PALETTES)]
    return np.array([list(bytes.fromhex(color[1:])) for color in chosen], np.float32) / 255


def number_of(text: str) -> int:
    """Return a large number that is always the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _parts(length: int, count: int, gutter: int) -> list[tuple[int, int]]:
    """Divide `length` into `count` parts: each with its start and its length, all even."""
    starts = [int(number * (length + gutter) / count // 2) * 2 for number in range(count)]
    ends = [*(start - gutter for start in starts[1:]), length]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _font(size: float, name: str | None = None) -> Font:
    """Return Pillow's own font, or the one called `name`, in `size` pixels."""
    points = max(6, round(size))
    font = ImageFont.truetype(name, points) if name else ImageFont.load_default(points)
    if not isinstance(font, Font):
        raise RuntimeError("Pillow was built without FreeType, so it has no scalable font.")
    return font


def _rows(text: str, font: Font, room: float, *, most: int | None = None) -> list[str]:
    """Wrap `text` to `room` pixels; an ellipsis ends the last of `most` rows where it is cut."""
    width = int(1.2 * room * len(text) / max(font.getlength(text), 1)) + 1
    while True:
        rows = textwrap.wrap(text, width, max_lines=most, placeholder="…")
        if width == 1 or all(font.getlength(row) <= room for row in rows):
            return rows
        width -= 1


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
