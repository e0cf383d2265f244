"""What moves in a video: light, pictures under a camera, and films made of other films.

A film paints a box of the frame, whose planes it is handed, as it looks at a time in seconds.
Times come in order. Clips and the motion brush are films of their own modules.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image, ImageOps

from kling_ui.simulator.light import Light
from kling_ui.simulator.planes import Planes, empty, mix, plane_of, planes_of, split
from kling_ui.simulator.views import Path

_DETAIL = 1.25
"""How much finer than the frame a picture is kept: the camera comes closer."""
_FINE = 3
"""Samples a pixel's width: the camera moves by thirds of pixels, which looks smooth."""
_HEADROOM = (0.5, 0.42)
"""Where pictures are cut: people stand with their heads above the middle."""


class Film(Protocol):
    """Something that moves."""

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint all of `planes` as they are at `seconds`."""


class Glow:
    """A scene of light, computed small and scaled up."""

    def __init__(self, light: Light, path: Path | None = None) -> None:
        self._light = light
        self._path = path
        self._scaler = VideoReformatter()

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint the light."""
        fields = self._light.at(seconds, self._path(seconds) if self._path else None)
        _, height, width = fields.shape
        # Scaling 16 bits to 8 dithers, so that nothing bands.
        frame = VideoFrame(width, height, "yuv444p16le")
        for index, field in enumerate(fields):
            plane_of(frame, index, np.uint16)[...] = field
        tall, wide = planes[0].shape
        scaled = self._scaler.reformat(
            frame, wide, tall, "yuv420p", interpolation=Interpolation.BICUBIC, threads=1
        )
        for plane, source in zip(planes, planes_of(scaled), strict=True):
            plane[...] = source


class Still:
    """A picture that fills its box, seen by a moving camera."""

    def __init__(
        self, picture: Image.Image, size: tuple[int, int], path: Path, *, fine: int = _FINE
    ) -> None:
        self._path = path
        self._fine = fine
        self._aspect = size[0] / size[1]
        detailed = ImageOps.fit(
            picture, _even(size, _DETAIL), Image.Resampling.BICUBIC, centering=_HEADROOM
        )
        # Scaled up here, once, so that taking the nearest sample is enough for each frame.
        sides = (size[0] * fine, size[1] * fine)
        halves = (sides[0] // 2, sides[1] // 2)
        self._sources = [
            Image.fromarray(plane).resize(samples, Image.Resampling.BICUBIC)
            for plane, samples in zip(split(detailed), (sides, halves, halves), strict=True)
        ]

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint what the camera sees."""
        view = self._path(seconds).kept_inside(self._aspect)
        along = self._fine * view.size * math.cos(view.turn)
        across = self._fine * view.size * math.sin(view.turn)
        for plane, source in zip(planes, self._sources, strict=True):
            height, width = plane.shape
            left = source.width * view.x - (along * width - across * height) / 2
            top = source.height * view.y - (across * width + along * height) / 2
            seen = source.transform(
                (width, height),
                Image.Transform.AFFINE,
                (along, -across, left, across, along, top),
                Image.Resampling.NEAREST,
            )
            plane[...] = np.asarray(seen)


class Dissolve:
    """One film that turns into another between two times."""

    def __init__(self, first: Film, second: Film, *, begins: float, ends: float) -> None:
        self._first, self._second = first, second
        self._begins, self._ends = begins, ends
        self._scratch: Planes | None = None

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint the one, both or the other."""
        share = (seconds - self._begins) / (self._ends - self._begins)
        if share >= 1:
            self._second.paint(planes, seconds)
            return
        self._first.paint(planes, seconds)
        if share <= 0:
            return
        if self._scratch is None:
            height, width = planes[0].shape
            self._scratch = empty(width, height)
        self._second.paint(self._scratch, seconds)
        mix(planes, self._scratch, share * share * (3 - 2 * share))


class Cuts:
    """Films one after the other; each begins at its own time and keeps the common clock."""

    def __init__(self, films: Sequence[Film], starts: Sequence[float]) -> None:
        self._films = list(zip(starts, films, strict=True))

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint the film whose turn it is."""
        film = self._films[0][1]
        for start, other in self._films:
            if seconds >= start:
                film = other
        film.paint(planes, seconds)


def _even(size: tuple[int, int], by: float) -> tuple[int, int]:
    return round(size[0] * by / 2) * 2, round(size[1] * by / 2) * 2
