"""What a video shows, as plain values: the words, the shape, and what was handed in for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kling_ui.simulator.brush import Stroke
from kling_ui.simulator.reels import Clip
from kling_ui.simulator.sounds import Sound

FRAMES_PER_SECOND = 24
_SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (864, 864)}
_AREA = 1280 * 720
_MOST_ASPECT = 2.5
_DRAFT_SHARE = 4

Footage = Clip | Image.Image
"""A video, or the card that stands for one that can't be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One part of a storyboard: what happens from `start` seconds on."""

    text: str
    start: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was handed in besides words; pictures are RGB, masks RGBA.

    `start` is the picture a video begins with, a portrait or a character; `pair` the second
    person of an effect. Each of `elements` holds the pictures of one person or thing.
    `loudness` is 0 to 1 for each frame.
    """

    start: Image.Image | None = None
    pair: Image.Image | None = None
    tail: Image.Image | None = None
    pictures: tuple[Image.Image, ...] = ()
    elements: tuple[tuple[Image.Image, ...], ...] = ()
    footage: Footage | None = None
    loudness: npt.NDArray[np.float32] | None = None
    camera: str | Mapping[str, Any] | None = None
    still_mask: Image.Image | None = None
    strokes: tuple[Stroke, ...] = ()
    is_effect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a video shows. `take` makes each generation move its way.

    `seconds` is exact within a frame. An unknown `aspect_ratio` is 16:9; where a picture
    decides the shape, `aspect` is its width by its height. Without `shots` the whole is one.
    `sound` of any length is cut or filled up. A draft has a sixteenth of the pixels.
    """

    text: str
    title: str
    seconds: float
    aspect_ratio: str
    take: str
    is_draft: bool = False
    aspect: float | None = None
    shots: tuple[Shot, ...] = ()
    given: Given = field(default_factory=Given)
    sound: Sound | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        share = _DRAFT_SHARE if self.is_draft else 1
        if self.aspect is None:
            width, height = _SIZES.get(self.aspect_ratio, _SIZES["16:9"])
            return width // share, height // share
        aspect = min(max(self.aspect, 1 / _MOST_ASPECT), _MOST_ASPECT)
        height = round((_AREA / aspect) ** 0.5 / share / 2) * 2
        return round(height * aspect / 2) * 2, height

    @property
    def frames(self) -> int:
        """How many pictures it has."""
        return max(1, round(self.seconds * FRAMES_PER_SECOND))
