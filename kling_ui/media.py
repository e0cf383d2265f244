"""What we do with MP4 files: see whether one is whole, and take its poster. PyAV only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer


class BrokenVideoError(ValueError):
    """The file is not an MP4 that can be played to its end; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What a verified file holds: pixels, seconds, frames a second."""

    width: int
    height: int
    duration_seconds: float
    frames_per_second: float


def verify(path: Path) -> VideoFacts:
    """Return the facts of the MP4 at `path`; raise BrokenVideoError unless it is whole.

    Reads every packet and decodes the first and the last pictures: a cut file has its index
    but not its end. Memory stays constant, however long the video is.
    """
    try:
        with _opened(path) as container:
            return _facts(container)
    except (av.FFmpegError, OSError, ValueError, IndexError) as exc:
        raise BrokenVideoError(f"The file is not a whole MP4 video ({_reason(exc)}).") from exc


def save_poster(video: Path, poster: Path, *, max_side: int = 640) -> None:
    """Write the first picture of `video` to `poster` as JPEG, its longer side ≤ `max_side` px.

    Raises BrokenVideoError where nothing can be decoded.
    """
    try:
        with _opened(video) as container:
            image = next(container.decode(video=0)).to_image()  # type: ignore[no-untyped-call]
    except (av.FFmpegError, OSError, ValueError, IndexError, StopIteration) as exc:
        raise BrokenVideoError(f"The video has no picture to show ({_reason(exc)}).") from exc
    image.thumbnail((max_side, max_side))
    image.save(poster, "JPEG", quality=82)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    # FFmpeg would also open a playlist, and fetch whatever that lists from disk or network.
    try:
        container = av.open(str(path), options={"format_whitelist": "mov"})
    except av.ArgumentError as exc:
        raise BrokenVideoError("it is not MP4") from exc
    with container:
        yield container


def _facts(container: InputContainer) -> VideoFacts:
    if not container.streams.video:
        raise BrokenVideoError("it has no picture")
    stream = container.streams.video[0]
    packets, size = 0, 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise BrokenVideoError("it is cut off")
        packets += packet.size > 0
        size += packet.size
    if packets == 0 or (stream.frames and packets < stream.frames):
        raise BrokenVideoError(f"{packets} of {stream.frames} pictures are there")
    seconds = float((stream.duration or 0) * (stream.time_base or 0))
    seconds = seconds or float(container.duration or 0) / av.time_base
    # The first pictures, then those from the last key frame on: both ends really decode.
    for start in (0, stream.duration or 0):
        container.seek(start, stream=stream)
        if next(container.decode(stream), None) is None:
            raise BrokenVideoError("its pictures can't be decoded")
    return VideoFacts(
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        duration_seconds=seconds,
        frames_per_second=float(stream.average_rate or 0),
    )


def _reason(exc: Exception) -> str:
    said = getattr(exc, "strerror", None) or str(exc)
    return said.split(":")[0].strip()[:80] or type(exc).__name__
