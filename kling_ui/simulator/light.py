"""What stands in for a model's own inventions: moving light, silk-like with orbs, and soft chords.

Fields are computed small and in 16 bits; whoever scales them up loses nothing and bands nothing.
"""

import hashlib
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[Any]

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
_PLACES = (0.0, 0.28, 0.54, 0.8, 1.1)
"""Where the colors lie on the silk; the lightest is for highlights."""
_ORBS = 7
_CHORDS = ((110.0, 164.81, 246.94, 369.99), (110.0, 220.0, 329.63, 246.94))
"""The tones of each side, in Hz."""


def light(words: str, take: str, size: tuple[int, int]) -> Iterator[Field]:
    """Yield 24 fields a second without an end: height × width × RGB, 16 bits each.

    `words` choose the colors, `take` the movement.
    """
    colors, chance = palette(words), np.random.default_rng(number_of(take))
    phases = chance.uniform(0, 2 * np.pi, 5).tolist()
    orbs = chance.uniform(0, 1, (_ORBS, 4)).tolist()
    # Places are in shares of the shorter side, from the middle.
    across, down = (side / min(size) for side in size)
    x = np.linspace(-across / 2, across / 2, size[0], dtype=np.float32)[None, :]
    y = np.linspace(-down / 2, down / 2, size[1], dtype=np.float32)[:, None]
    vignette = 1.04 - 0.44 * ((x / across) ** 2 + (y / down) ** 2) ** 2
    for number in count():
        color = _silk(x, y, number / 24, phases, colors) * vignette[..., None]
        for orb in orbs:
            glow = _glow(x, y, number / 24, orb, (across, down))
            color += glow[..., None] * (colors[-1] - color)
        yield np.rint(np.clip(color, 0, 1) * 65535).astype(np.uint16)


def _silk(x: Field, y: Field, t: float, phases: list[float], colors: Field) -> Field:
    bent_x = x + 0.22 * np.sin(2.3 * y + 0.31 * t + phases[0])
    bent_y = y + 0.20 * np.sin(2.0 * x - 0.27 * t + phases[1])
    drift = np.sin(1.9 * bent_x + 1.3 * bent_y + 0.21 * t + phases[2])
    sway = np.sin(-1.4 * bent_x + 2.6 * bent_y - 0.33 * t + phases[3])
    fold = np.sin(4.6 * bent_x + 3.4 * bent_y + 1.1 * drift + 0.52 * t + phases[4])
    place = 0.46 + 0.27 * drift + 0.17 * sway + 0.05 * fold
    bright = 0.86 + 0.34 * (0.5 + 0.5 * fold) ** 3
    blended = [np.interp(place, _PLACES, channel) * bright for channel in colors.T]
    return np.stack(blended, axis=-1, dtype=np.float32)


def _glow(x: Field, y: Field, t: float, orb: list[float], spans: tuple[float, float]) -> Field:
    left, top, depth, phase = orb
    radius = 0.032 + 0.11 * depth**2
    # Orbs wrap around outside of the picture, so that none pops up.
    room_x, room_y = (span + 2 * radius + 0.4 for span in spans)
    at_x = (left * room_x + (0.03 * phase - 0.012) * t) % room_x - room_x / 2
    at_y = (top * room_y - (0.014 + 0.05 * depth) * t) % room_y - room_y / 2
    apart = ((x - at_x) ** 2 + (y - at_y) ** 2) / radius**2
    glow: Field = (0.30 - 0.17 * depth) * np.exp(-(apart**2))
    return glow


def chords(seconds: float, rate: int) -> Field:
    """Return a chord for each side, whose tones swell and fade: 2 × samples from -1 to 1."""
    t = np.arange(round(seconds * rate)) / rate
    heard = np.zeros((2, len(t)), np.float32)
    for side, tones in enumerate(_CHORDS):
        for number, tone in enumerate(tones):
            heard[side] += np.sin(2 * np.pi * tone * t) * (1 + np.sin(0.9 * t + number))
    heard *= 0.05 * np.minimum(2 * t, 1)
    return heard


def palette(words: str) -> Field:
    """Return the colors that `words` stand for, dark to light: rows of RGB from 0 to 1."""
    chosen = _PALETTES[number_of(words) % len(_PALETTES)]
    return np.array([list(bytes.fromhex(color[1:])) for color in chosen], np.float32) / 255


def number_of(text: str) -> int:
    """Return a large number that is always the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")
