"""Simulated videos: a real H.264 MP4 with the prompt in it, beautiful enough to be shown."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from kling_ui.simulator.lettering import Layout, lettering
from kling_ui.simulator.light import Light, Planes, palette, yuv

FRAMES_PER_SECOND = 24
_SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (864, 864)}
_DRAFT_SHARE = 4
_FIELD_LONG_SIDE = 208
_DRAFT_FIELD_LONG_SIDE = 64
_ENCODER = {
    "preset": "ultrafast",
    "crf": "22",
    "x264-params": "threads=1:aq-mode=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}

Plane = npt.NDArray[Any]
Ink = npt.NDArray[np.float32]
Box = tuple[slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a video shows: the words, and the shape. `take` makes each generation move its way.

    `seconds` is exact within a frame. An unknown `aspect_ratio` is 16:9. A draft has a
    sixteenth of the pixels.
    """

    text: str
    title: str
    seconds: float
    aspect_ratio: str
    take: str
    is_draft: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = _SIZES.get(self.aspect_ratio, _SIZES["16:9"])
        share = _DRAFT_SHARE if self.is_draft else 1
        return width // share, height // share

    @property
    def frames(self) -> int:
        """How many pictures it has."""
        return max(1, round(self.seconds * FRAMES_PER_SECOND))


def render(scene: Scene, path: Path, *, is_given_up: threading.Event) -> bool:
    """Write the video of `scene` to `path`; False where it was given up half-way."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_ENCODER)
        stream.width, stream.height = scene.size
        stream.pix_fmt = "yuv420p"
        for frame in _pictures(scene):
            if is_given_up.is_set():
                return False
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return True


def _pictures(scene: Scene) -> Iterator[VideoFrame]:
    width, height = scene.size
    layout = Layout(width, height)
    colors = palette(scene.text)
    accent = colors[-1]
    red, green, blue = (round(float(part) * 255) for part in accent)
    words = lettering(layout, text=scene.text, title=scene.title, accent=(red, green, blue))
    overlay = _Overlay(words.picture)
    bar = _Bar(layout, accent)
    long_side = _DRAFT_FIELD_LONG_SIDE if scene.is_draft else _FIELD_LONG_SIDE
    share = long_side / max(width, height)
    small = (round(width * share), round(height * share))
    light = Light(
        words=scene.text,
        take=scene.take,
        width=small[0],
        height=small[1],
        dark_from=words.dark_from,
        dark_at=words.dark_at,
        orbs=1 if scene.is_draft else 7,
    )
    scaler = VideoReformatter()
    for number in range(scene.frames):
        source = _frame(light.at(number / FRAMES_PER_SECOND))
        frame = scaler.reformat(
            source, width, height, "yuv420p", interpolation=Interpolation.BICUBIC, threads=1
        )
        planes = [_plane(frame, index) for index in range(3)]
        overlay.put_on(planes)
        bar.put_on(planes, (number + 1) / scene.frames)
        frame.pts = number
        yield frame


def _frame(fields: Planes) -> VideoFrame:
    """Wrap three planes of 16 bits; scaling them to 8 bits then dithers, so that nothing bands."""
    _, height, width = fields.shape
    frame = VideoFrame(width, height, "yuv444p16le")
    for index, field in enumerate(fields):
        _plane(frame, index, np.uint16)[...] = field
    return frame


def _plane(frame: VideoFrame, index: int, dtype: type[np.generic] = np.uint8) -> Plane:
    """Return a plane of `frame` as rows that can be written to."""
    plane = frame.planes[index]
    # A plane is a buffer, though PyAV's hints don't say so.
    samples: Plane = np.frombuffer(plane, dtype)  # type: ignore[call-overload]
    return samples.reshape(plane.height, -1)[:, : plane.width]


class _Overlay:
    """A still RGBA picture, laid over frames where it is not clear."""

    def __init__(self, picture: Image.Image) -> None:
        rgba = np.asarray(picture)
        self._patches = [
            _Patch(index, box, rgba) for box in _boxes(rgba[..., 3] > 0) for index in range(3)
        ]

    def put_on(self, planes: list[Plane]) -> None:
        """Blend into the planes in place."""
        for patch in self._patches:
            patch.put_on(planes)


class _Patch:
    """One box of a picture in one plane, made ready so that blending costs three cheap steps."""

    def __init__(self, index: int, box: Box, rgba: npt.NDArray[np.uint8]) -> None:
        part = rgba[box].astype(np.float32) / np.float32(255)
        cover: Ink = part[..., 3]
        ink: Ink = yuv(part[..., :3])[..., index] / np.float32(256) * cover
        by = 2 if index else 1
        if index:
            cover, ink = _halved(cover), _halved(ink)
        self._index = index
        self._box = tuple(slice(side.start // by, side.stop // by) for side in box)
        self._shown = (256 - np.rint(cover * 256)).astype(np.uint16)
        self._ink = (np.rint(ink * 256) + 128).astype(np.uint16)

    def put_on(self, planes: list[Plane]) -> None:
        """Blend into its plane in place."""
        target = planes[self._index][self._box]
        mixed = target * self._shown
        mixed += self._ink
        mixed >>= 8
        target[...] = mixed


class _Bar:
    """The thin line that fills while the video plays."""

    def __init__(self, layout: Layout, accent: npt.NDArray[np.float32]) -> None:
        self._line = layout.line
        self._color = np.rint(yuv(accent[None])[0] / 256).astype(np.uint8)

    def put_on(self, planes: list[Plane], share: float) -> None:
        """Fill `share` of the line."""
        left, top, right, bottom = self._line
        end = left + round((right - left) * share / 2) * 2
        for index, color in enumerate(self._color):
            by = 2 if index else 1
            planes[index][top // by : bottom // by, left // by : end // by] = color


def _halved(field: Ink) -> Ink:
    height, width = field.shape
    quads = field.reshape(height // 2, 2, width // 2, 2)
    halved: Ink = quads.mean(axis=(1, 3), dtype=np.float32)
    return halved


def _boxes(is_covered: npt.NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the bands of rows that hold something, as narrow as can be, with even edges."""
    pairs = is_covered.any(axis=1).reshape(-1, 2).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], pairs, [False]))))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        rows = slice(int(first) * 2, int(end) * 2)
        columns = np.flatnonzero(is_covered[rows].any(axis=0))
        yield rows, slice(int(columns[0]) // 2 * 2, int(columns[-1]) // 2 * 2 + 2)
