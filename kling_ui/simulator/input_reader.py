"""What was handed in with a request: stored once, and read again when the video is made.

Public addresses stay what they are and are never fetched: a card stands for them.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import av
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.video.frame import VideoFrame
from PIL import ExifTags, Image, ImageOps

from kling_ui.catalog import Inputs, PictureLimits, is_reference
from kling_ui.catalog.media_input import MAX_PIXELS, check_media
from kling_ui.catalog.media_input.kinds import DAMAGE, uri_bytes
from kling_ui.catalog.media_input.values import canonical_type
from kling_ui.media import decoding, open_media
from kling_ui.simulator.pictures import Size, card, without_band

SOUND_RATE = 48_000
LONGEST_CLIP_SECONDS, LONGEST_SOUND_SECONDS = 15.0, 60.0
_SHORTEST_SECONDS, _UNTOLD_SECONDS = 0.5, 5.0
_CONTAINERS = ("mov", "matroska", "wav", "mp3", "aac")
_LONGEST_SIDE = 1800
_MAX_FRAME_PIXELS = str(8192 * 4352)
_GROUND = (26, 28, 40, 255)
"""Seen where a picture is clear."""
_LYING = 5
"""From this EXIF orientation on the width is the height."""
_BROKEN = (*DAMAGE, av.FFmpegError, Image.DecompressionBombError, MemoryError)

Sound = npt.NDArray[Any]
"""Two rows of samples, SOUND_RATE of them a second, from -1 to 1."""
T = TypeVar("T")


class BrokenInputError(ValueError):
    """An input that arrived whole and can't be used all the same; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video file; `poster` is its first frame, upright, in RGB.

    `turns` by 90°, counterclockwise, set its frames upright.
    """

    file: Path
    seconds: float
    turns: int
    poster: Image.Image

    def frames(self) -> Generator[tuple[float, VideoFrame]]:
        """Decode it over and over, with seconds going on; what is broken further on ends there."""
        offset = 0.0
        while True:
            first = last = None
            with suppress(*_BROKEN), open_media(self.file, containers=_CONTAINERS) as container:
                for frame in _decoded(container):
                    time = frame.time or 0.0
                    first = time if first is None else first
                    if time - first > LONGEST_CLIP_SECONDS:
                        break
                    last = offset + time - first
                    yield last, frame
            if last is None:
                return
            offset = max(offset + self.seconds, last + 1 / 60)


@dataclass(frozen=True, slots=True)
class InputReader:
    """The inputs of every task, in one folder; the same one handed in twice is kept once."""

    inputs: Inputs

    def take(
        self, value: object, kind: Literal["image", "audio", "video"], limits: PictureLimits | None
    ) -> str:
        """Check a medium and store it; return a reference to it, or the address that it is."""
        checked = check_media(value, kind, limits)
        if checked[:5].lower() != "data:":
            return checked
        return self.inputs.keep(uri_bytes(checked), canonical_type(checked, kind))

    def look_at(self, value: Any) -> Any:
        """Return the file that a reference means, and any other value as it is."""
        return self.inputs.path(value) if is_reference(value) else value

    def picture(
        self, value: str, field: str, kind: Literal["image", "video"] = "image"
    ) -> Image.Image:
        """Return a picture in RGB, at most 1800 px wide or high; for an address, a card.

        The caption of another simulated video is cut off.
        """
        seen = self.read(value, field, upright)
        if seen is None:
            return card(value, kind)
        ground = Image.new("RGBA", seen.size, _GROUND)
        return without_band(Image.alpha_composite(ground, seen).convert("RGB"))

    def read(self, value: str | None, field: str, reader: Callable[[Path], T]) -> T | None:
        """Read an input with one of the functions below; None for an address, or for none.

        Raises BrokenInputError naming `field`.
        """
        if not is_reference(value):
            return None
        try:
            with decoding:
                return reader(self.inputs.path(str(value)))
        except _BROKEN as exc:
            reason = exc if isinstance(exc, BrokenInputError) else "it can't be decoded"
            raise BrokenInputError(f"{field}: {reason}") from exc


def clip_of(file: Path) -> Clip:
    """Return the facts of the video in `file`."""
    with open_media(file, containers=_CONTAINERS) as container:
        stream = container.streams.video[0]
        ticks = float((stream.duration or 0) * (stream.time_base or 0))
        seconds = ticks or float(container.duration or 0) / av.time_base or _UNTOLD_SECONDS
        frame = next(_decoded(container), None)
    if frame is None:
        raise BrokenInputError("there is no picture in it")
    poster: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    return Clip(
        file=file,
        seconds=min(max(seconds, _SHORTEST_SECONDS), LONGEST_CLIP_SECONDS),
        turns=round(frame.rotation / 90) % 4,
        poster=poster.rotate(frame.rotation, expand=True),
    )


def sound_of(file: Path) -> Sound | None:
    """Return the sound of a media file; None where it has none."""
    heard: list[Sound] = []
    with open_media(file, containers=_CONTAINERS) as container:
        if not container.streams.audio:
            return None
        resampler = AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE)
        # What comes before the damage is heard.
        with suppress(av.FFmpegError):
            for frame in container.decode(audio=0):
                heard += [each.to_ndarray() for each in resampler.resample(frame)]
                if (frame.time or 0) > LONGEST_SOUND_SECONDS:
                    break
            heard += [each.to_ndarray() for each in resampler.resample(None)]
    if not heard:
        raise BrokenInputError("the sound can't be decoded")
    return np.concatenate(heard, axis=1)[:, : int(LONGEST_SOUND_SECONDS * SOUND_RATE)]


def upright(file: Path) -> Image.Image:
    """Return the picture in `file` in RGBA, upright, at most 1800 px wide or high."""
    with Image.open(file) as opened:
        # JPEG can be decoded at half its size or less, which is much faster.
        opened.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
        if opened.width * opened.height > MAX_PIXELS:
            raise BrokenInputError("the picture has too many pixels")
        opened.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BICUBIC)
        picture = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I"):
            # 16 bits of gray; Pillow would cut off what is bright.
            picture = picture.point(lambda level: level * (1 / 256)).convert("L")
        return picture.convert("RGBA")


def upright_size(file: Path) -> Size:
    """Return width and height of the picture in `file` when it is upright."""
    with Image.open(file) as opened:
        is_lying = opened.getexif().get(ExifTags.Base.Orientation, 1) >= _LYING
        return opened.size[::-1] if is_lying else opened.size


def _decoded(container: InputContainer) -> Iterator[VideoFrame]:
    stream = container.streams.video[0]
    stream.codec_context.options = {"max_pixels": _MAX_FRAME_PIXELS}
    stream.thread_type = "SLICE"
    yield from container.decode(stream)
