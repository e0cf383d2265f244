"""The moving picture behind the words: silk-like color and slow orbs of light, as small fields.

They are computed small, in 16 bits a channel, and scaled up by the caller: smooth things lose
nothing by it, and a whole video costs less than a second of CPU.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kling_ui.simulator.views import View

Field = npt.NDArray[np.float32]
Planes = npt.NDArray[np.uint16]
"""Three planes (Y, U, V) of 16 bits, height by width."""

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
_LUT_SIZE = 4096

# Full-range RGB to limited-range YUV, BT.709, for planes of 16 bits.
_KR, _KB = 0.2126, 0.0722
_TO_YUV = np.array(
    [
        [_KR, 1 - _KR - _KB, _KB],
        [-_KR / (2 - 2 * _KB), -(1 - _KR - _KB) / (2 - 2 * _KB), 0.5],
        [0.5, -(1 - _KR - _KB) / (2 - 2 * _KR), -_KB / (2 - 2 * _KR)],
    ],
    dtype=np.float32,
)
_SPAN = np.array([219, 224, 224], dtype=np.float32) * 256
_FLOOR = np.array([16, 128, 128], dtype=np.float32) * 256
_BLACK, _WHITE = 16 * 256.0, 235 * 256.0
_INK = (np.array([[0.03, 0.033, 0.06]], dtype=np.float32) @ _TO_YUV.T * _SPAN + _FLOOR).reshape(
    3, 1, 1
)
"""What is darkest in the picture: nearly black, a little blue."""


@dataclass(frozen=True, slots=True)
class _Orb:
    x: float
    y: float
    radius: float
    blur: float
    drift_x: float
    drift_y: float
    glow: float
    phase: float


@dataclass(frozen=True, slots=True)
class _Camera:
    """Where it is, in shares of the shorter side, and the parts of its turn and size."""

    x: float
    y: float
    along: float
    across: float

    @property
    def size(self) -> float:
        return float(np.hypot(self.along, self.across))

    @property
    def room(self) -> float:
        """How much more than the frame orbs need to fill it: its corners turn outwards."""
        return max(1.0, self.size) * (1.4 if self.across else 1.0)

    def placed(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Return the places in the scene of places in the frame."""
        along, across = np.float32(self.along), np.float32(self.across)
        if not self.across:
            return x * along + np.float32(self.x), y * along + np.float32(self.y)
        return (
            x * along - y * across + np.float32(self.x),
            x * across + y * along + np.float32(self.y),
        )

    def seen(self, x: float, y: float) -> tuple[float, float]:
        """Return the place in the frame of what is `x` and `y` away in the scene."""
        square = self.along**2 + self.across**2
        return (
            (x * self.along + y * self.across) / square,
            (y * self.along - x * self.across) / square,
        )


class Light:
    """A scene of light of `width` by `height`; `words` choose its colors, `take` its movement.

    `dark_from` and `dark_at` are shares of the height: between them the picture falls off into
    the dark on which words are read.
    """

    def __init__(
        self,
        *,
        words: str,
        take: str,
        width: int,
        height: int,
        dark_from: float = 1.0,
        dark_at: float = 1.0,
        orbs: int = 7,
    ) -> None:
        self._size = (height, width)
        short = min(width, height)
        self._x = _places(width, short)[None, :]
        self._y = _places(height, short)[:, None]
        colors = palette(words)
        self._lut = yuv(_gradient(colors))
        self._glow = yuv(np.array([colors[-1]], dtype=np.float32))[0]
        self._vignette = _vignette(self._x, self._y)
        self._scrim = _scrim(height, dark_from, dark_at)
        chance = np.random.default_rng(_number(take))
        self._phases = chance.uniform(0, 2 * np.pi, 8).astype(np.float32)
        self._orbs = [_orb(chance, width / short, height / short) for _ in range(orbs)]

    def at(self, seconds: float, view: View | None = None) -> Planes:
        """Return the picture at `seconds`, as a camera sees it that may go anywhere."""
        camera = self._camera(view or View())
        planes = self._silk(np.float32(seconds), camera)
        for orb in self._orbs:
            self._add(orb, planes, seconds, camera)
        planes += self._scrim * (_INK - planes)
        np.clip(planes[0], _BLACK, _WHITE, out=planes[0])
        return planes.astype(np.uint16)

    def _camera(self, view: View) -> _Camera:
        height, width = self._size
        short = min(width, height)
        return _Camera(
            x=(view.x - 0.5) * width / short,
            y=(view.y - 0.5) * height / short,
            along=view.size * np.cos(view.turn),
            across=view.size * np.sin(view.turn),
        )

    def _silk(self, t: np.float32, camera: _Camera) -> Field:
        (x, y), p = camera.placed(self._x, self._y), self._phases
        warped_x = (
            x
            + 0.22 * np.sin(2.3 * y + 0.31 * t + p[0])
            + 0.07 * np.sin(3.9 * y - 2.7 * x + 0.47 * t + p[1])
        )
        warped_y = (
            y
            + 0.20 * np.sin(2.0 * x - 0.27 * t + p[2])
            + 0.06 * np.sin(4.4 * x + 2.1 * y - 0.38 * t + p[3])
        )
        drift = np.sin(1.9 * warped_x + 1.3 * warped_y + 0.21 * t + p[4])
        sway = np.sin(-1.4 * warped_x + 2.6 * warped_y - 0.33 * t + p[5])
        fold = np.sin(4.6 * warped_x + 3.4 * warped_y + 1.1 * drift + 0.52 * t + p[6])
        place = 0.46 + 0.27 * drift + 0.17 * sway + 0.05 * fold
        index = np.clip(place * _LUT_SIZE, 0, _LUT_SIZE - 1).astype(np.int32)
        planes = np.empty((3, *self._size), dtype=np.float32)
        for plane, column in zip(planes, self._lut.T, strict=True):
            np.take(column, index, out=plane)
        ridge = 0.5 + 0.5 * fold
        light = (0.86 + 0.34 * ridge * ridge * ridge) * self._vignette
        planes[0] = (planes[0] - _BLACK) * light + _BLACK
        return planes

    def _add(self, orb: _Orb, planes: Field, seconds: float, camera: _Camera) -> None:
        height, width = self._size
        short = min(width, height)
        half_x, half_y = width / short / 2, height / short / 2
        radius = orb.radius / camera.size
        reach = radius * (1 + orb.blur)
        # Orbs wrap around a little outside of the picture, so that none pops up.
        room = orb.radius * (1 + orb.blur)
        x = _wrap(orb.x + orb.drift_x * seconds - camera.x, half_x * camera.room + room)
        y = _wrap(orb.y + orb.drift_y * seconds - camera.y, half_y * camera.room + room)
        x, y = camera.seen(x, y)
        x += 0.012 * np.sin(0.7 * seconds + orb.phase)
        left, right = (round((edge + half_x) * short) for edge in (x - reach, x + reach))
        top, bottom = (round((edge + half_y) * short) for edge in (y - reach, y + reach))
        box = (slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0)))
        across, down = self._x[:, box[1]] - x, self._y[box[0]] - y
        distance = np.sqrt(across * across + down * down) / radius
        edge = np.clip((1 + orb.blur - distance) / (2 * orb.blur), 0, 1)
        breath = 0.85 + 0.15 * np.sin(0.9 * seconds + orb.phase)
        share = orb.glow * breath * edge * edge * (3 - 2 * edge) * (0.62 + 0.38 * distance**2)
        for plane, color in zip(planes, self._glow, strict=True):
            plane[box] += share * (color - plane[box])


def palette(words: str) -> npt.NDArray[np.float32]:
    """Return the colors that `words` stand for, dark to light, as RGB from 0 to 1."""
    chosen = _PALETTES[_number(words) % len(_PALETTES)]
    numbers = [[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in chosen]
    return np.array(numbers, dtype=np.float32) / np.float32(255)


def yuv(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn rows of RGB (0 to 1) into rows of YUV as planes of 16 bits hold it."""
    return rgb @ _TO_YUV.T * _SPAN + _FLOOR


def tones(words: str) -> npt.NDArray[np.uint8]:
    """Return three tables of 256, from brightness to Y, U and V: the look that `words` stand for.

    Y keeps its order with more contrast, so that everything stays recognizable.
    """
    table = yuv(_gradient(palette(words)))[:: _LUT_SIZE // 256] / 256
    bright = np.linspace(0, 1, 256)
    curved = 0.35 * bright + 0.65 * bright * bright * (3 - 2 * bright)
    luma = 0.72 * (16 + 219 * curved) + 0.28 * table[:, 0]
    return np.rint(np.stack([luma, table[:, 1], table[:, 2]])).clip(0, 255).astype(np.uint8)


def _gradient(colors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    stops = np.linspace(0, 1, len(colors))
    # The lightest color is for highlights: most of the picture stays between the others.
    stops = stops**0.9
    places = np.linspace(0, 1, _LUT_SIZE)
    channels = [np.interp(places, stops, channel) for channel in colors.T]
    smooth = np.ones(_LUT_SIZE // 8) / (_LUT_SIZE // 8)
    padded = [np.pad(channel, _LUT_SIZE // 16, mode="edge") for channel in channels]
    rows = [np.convolve(channel, smooth, mode="same") for channel in padded]
    edge = _LUT_SIZE // 16
    return np.stack(rows, axis=1)[edge:-edge].astype(np.float32)


def _places(length: int, short: int) -> Field:
    """Return the middles of `length` pixels, in shares of the shorter side, 0 in the middle."""
    places: Field = ((np.arange(length) + 0.5 - length / 2) / short).astype(np.float32)
    return places


def _vignette(x: Field, y: Field) -> Field:
    far = (x / np.abs(x).max()) ** 2 + (y / np.abs(y).max()) ** 2
    shade: Field = (1.04 - 0.2 * far * far / 2).astype(np.float32)
    return shade


def _scrim(height: int, dark_from: float, dark_at: float) -> Field:
    rows = (np.arange(height) + 0.5) / height
    fall = np.clip((rows - dark_from) / max(dark_at - dark_from, 1 / height), 0, 1)
    rest = np.clip((rows - dark_at) / max(1 - dark_at, 1 / height), 0, 1)
    # Eased: where it begins can't be told.
    cover: Field = (0.74 * fall * fall * (3 - 2 * fall) + 0.14 * rest).astype(np.float32)
    return cover[:, None]


def _orb(chance: np.random.Generator, width: float, height: float) -> _Orb:
    depth = chance.uniform(0, 1)
    return _Orb(
        x=chance.uniform(-width / 2, width / 2),
        y=chance.uniform(-height / 2, height / 2),
        radius=0.032 + 0.11 * depth**2,
        blur=0.7 - 0.5 * depth,
        drift_x=chance.uniform(-0.012, 0.02) * (0.5 + depth),
        drift_y=-(0.014 + 0.034 * depth),
        glow=0.30 - 0.17 * depth,
        phase=chance.uniform(0, 2 * np.pi),
    )


def _wrap(place: float, bound: float) -> float:
    return (place + bound) % (2 * bound) - bound


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")
