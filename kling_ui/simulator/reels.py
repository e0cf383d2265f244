"""Clips that were given: their facts, and their frames as a film, restyled where asked for.

What is opened is opened as one of a few known containers and nothing else: a playlist dressed
up as a video would otherwise make FFmpeg fetch addresses.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from PIL import Image

from kling_ui.simulator.light import tones
from kling_ui.simulator.planes import Planes, blend, cropped, planes_of

LONGEST_SECONDS = 15.0
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,wav,mp3,aac"
_SHORTEST_SECONDS = 0.5
_UNTOLD_SECONDS = 5.0
BROKEN = (av.FFmpegError, OSError, ValueError, LookupError, StopIteration)
_TINT = np.uint16(150)
"""How much of a restyled frame's color is ours, of 256."""
_LEAN = 0.2


class BrokenInputError(ValueError):
    """An input that arrived whole and can't be used all the same; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video file and what is known of it; sizes are as it is to be shown, upright."""

    file: Path
    width: int
    height: int
    seconds: float


@contextmanager
def opened(file: Path) -> Iterator[InputContainer]:
    """Open a media file of a known container, by its content and without following links."""
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    with file.open("rb") as content, av.open(content, "r", options=options) as container:
        yield container


def clip_of(file: Path) -> Clip:
    """Return the facts of the video in `file`, or raise BrokenInputError."""
    try:
        with opened(file) as container:
            stream = container.streams.video[0]
            frame = next(container.decode(stream))
            ticks = float((stream.duration or 0) * (stream.time_base or 0))
            seconds = ticks or float(container.duration or 0) / av.time_base
    except BROKEN as exc:
        raise BrokenInputError("the video can't be decoded") from exc
    is_lying = frame.rotation % 180 != 0
    width, height = (frame.height, frame.width) if is_lying else (frame.width, frame.height)
    told = seconds or _UNTOLD_SECONDS
    return Clip(
        file=file,
        width=width,
        height=height,
        seconds=min(max(told, _SHORTEST_SECONDS), LONGEST_SECONDS),
    )


def poster(clip: Clip) -> Image.Image:
    """Return the first frame of `clip` in RGB."""
    try:
        with opened(clip.file) as container:
            frame = next(container.decode(container.streams.video[0]))
            picture = frame.to_image()  # type: ignore[no-untyped-call]
    except BROKEN as exc:
        raise BrokenInputError("the video can't be decoded") from exc
    turned: Image.Image = picture.rotate(frame.rotation, expand=True)
    return turned


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A look that wipes over the clip from the left between two times."""

    words: str
    begins: float
    ends: float

    def edge(self, seconds: float) -> float:
        """Return up to which share of the width it has come."""
        return min(max((seconds - self.begins) / (self.ends - self.begins), 0.0), 1.0)


class Reel:
    """A clip that fills its box; it starts over where the time asked for is beyond its end."""

    def __init__(self, clip: Clip, size: tuple[int, int], grade: Grade | None = None) -> None:
        self.lean = (0.0, 0.0)
        """Where in the picture something moves: x and y from -0.5 to 0.5, smoothed."""
        self._clip = clip
        self._size = size
        self._grade = grade
        self._tones = tones(grade.words) if grade else None
        self._frames = self._decoded()
        self._now = next(self._frames, None)
        self._next = next(self._frames, None)
        self._shown: VideoFrame | None = None
        self._planes: Planes = []
        self._scaler = VideoReformatter()

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint the frame of `seconds`, restyled as far as the wipe has come."""
        while self._next is not None and self._next[0] <= seconds:
            self._now, self._next = self._next, next(self._frames, None)
        if self._now is not None and self._now[1] is not self._shown:
            self._show(self._now[1])
        for plane, source in zip(planes, self._planes, strict=bool(self._planes)):
            plane[...] = source
        if self._grade and self._tones is not None:
            _restyle(planes, self._tones, self._grade.edge(seconds))

    def _decoded(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yield times and frames, over and over."""
        offset = 0.0
        while True:
            last = None
            # What is broken further on ends there and starts over.
            with suppress(*BROKEN), opened(self._clip.file) as container:
                stream = container.streams.video[0]
                stream.thread_type = "SLICE"
                first: float | None = None
                for frame in container.decode(stream):
                    first = frame.time or 0.0 if first is None else first
                    last = (frame.time or 0.0) - first
                    if last > LONGEST_SECONDS:
                        break
                    yield offset + last, frame
            if last is None:
                return
            offset += max(self._clip.seconds, last + 1 / 60)

    def _show(self, frame: VideoFrame) -> None:
        self._shown = frame
        width, height = self._size
        is_lying = frame.rotation % 180 != 0
        box = (height, width) if is_lying else (width, height)
        scale = max(box[0] / frame.width, box[1] / frame.height)
        # Rounded up to even sides, so that the box is always filled.
        wide, tall = (-int(-side * scale // 2) * 2 for side in (frame.width, frame.height))
        scaled = self._scaler.reformat(
            frame,
            max(wide, box[0]),
            max(tall, box[1]),
            "yuv420p",
            dst_colorspace=Colorspace.ITU709,
            interpolation=Interpolation.FAST_BILINEAR,
            threads=1,
        )
        left, top = ((scaled.width - box[0]) // 4 * 2, (scaled.height - box[1]) // 4 * 2)
        planes = cropped(planes_of(scaled), left, top, *box)
        planes = [np.rot90(plane, round(frame.rotation / 90)) for plane in planes]
        if self._planes:
            self._follow(self._planes[0], planes[0])
        self._planes = planes

    def _follow(self, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> None:
        step = max(1, after.shape[0] // 45)
        change = np.abs(
            after[::step, ::step].astype(np.int16) - before[::step, ::step].astype(np.int16)
        )
        change[change < 12] = 0  # noqa: PLR2004  grain is no movement
        total = float(change.sum())
        if total == 0:
            return
        rows, columns = change.shape
        x = float(change.sum(axis=0) @ np.arange(columns)) / total / columns - 0.5
        y = float(change.sum(axis=1) @ np.arange(rows)) / total / rows - 0.5
        self.lean = (
            self.lean[0] + (x - self.lean[0]) * _LEAN,
            self.lean[1] + (y - self.lean[1]) * _LEAN,
        )


def _restyle(planes: Planes, tones_: npt.NDArray[np.uint8], edge: float) -> None:
    """Give the columns left of `edge` the colors that their brightness stands for."""
    height, width = planes[0].shape
    end = round(width * edge / 2) * 2
    if end == 0:
        return
    y, u, v = cropped(planes, 0, 0, end, height)
    bright = y[::2, ::2]
    for plane, tone in ((u, tones_[1]), (v, tones_[2])):
        blend(plane, np.take(tone, bright), _TINT)
    y[...] = np.take(tones_[0], y)
    if end < width:
        y[:, -max(2, width // 320) :] = 235
