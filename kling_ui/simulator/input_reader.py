"""What was handed in with a request: stored once, and read again when the video is made.

Public addresses stay what they are and are never fetched.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from PIL import ExifTags, Image, ImageOps

from kling_ui.catalog import Inputs, MissingInputError, PictureLimits, is_reference, references
from kling_ui.catalog.media_input import MAX_PIXELS, check_media
from kling_ui.catalog.media_input.kinds import DAMAGE, uri_bytes
from kling_ui.catalog.media_input.values import canonical_type
from kling_ui.media import decoding, open_media
from kling_ui.simulator.pictures import card

LONGEST_CLIP_SECONDS = 15.0
LONGEST_SOUND_SECONDS = 60.0
SOUND_RATE = 48_000
MICROSECOND = Fraction(1, 1_000_000)
"""What the frames of clips count their time in."""
_CONTAINERS = ("mov", "matroska", "wav", "mp3", "aac")
_LONGEST_SIDE = 1800
_MAX_FRAME_PIXELS = str(8192 * 4352)
_GROUND = (26, 28, 40, 255)
"""Seen where a picture is clear."""
_LYING = (5, 6, 7, 8)
"""EXIF orientations whose width is the height."""
_SHORTEST_SECONDS, _UNTOLD_SECONDS = 0.5, 5.0
_BROKEN = (*DAMAGE, av.FFmpegError, Image.DecompressionBombError, MemoryError)

T = TypeVar("T")


class BrokenInputError(ValueError):
    """An input that arrived whole and can't be used all the same; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video file; `poster` is its first frame, upright, in RGB.

    Frames are of `size`; `turns` by 90°, counterclockwise, set them upright.
    """

    file: Path
    seconds: float
    size: tuple[int, int]
    turns: int
    poster: Image.Image

    def frames(self) -> Iterator[VideoFrame]:
        """Decode it over and over, with `time` going on; what is broken further on ends there.

        Size and pixels may change within a file, which filters don't expect: they are made one.
        """
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
                    yield self._uniform(frame, last)
            if last is None:
                return
            offset = max(offset + self.seconds, last + 1 / 60)

    def _uniform(self, frame: VideoFrame, seconds: float) -> VideoFrame:
        shown = frame.reformat(
            *self.size,
            "yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        shown.pts, shown.time_base = round(seconds / MICROSECOND), MICROSECOND
        return shown


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

    def has_all(self, payload: Any) -> bool:
        """Tell whether everything that a payload refers to is still kept."""
        try:
            for reference in references(payload):
                self.inputs.path(reference)
        except MissingInputError:
            return False
        return True

    def look_at(self, value: Any) -> Any:
        """Return the file that a reference means, and any other value as it is."""
        return self.inputs.path(value) if is_reference(value) else value

    def picture(
        self, value: str, field: str, kind: Literal["image", "video"] = "image"
    ) -> Image.Image:
        """Return a picture in RGB, at most 1800 px wide or high; for an address, a card."""
        seen = self.read(value, field, upright)
        if seen is None:
            return card(value, kind)
        return Image.alpha_composite(Image.new("RGBA", seen.size, _GROUND), seen).convert("RGB")

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
        size=(frame.width, frame.height),
        turns=round(frame.rotation / 90) % 4,
        poster=poster.rotate(frame.rotation, expand=True),
    )


def sound_of(file: Path) -> list[AudioFrame]:
    """Return the sound of a media file as planar float, stereo, 48 kHz; [] where it has none."""
    heard: list[AudioFrame] = []
    with open_media(file, containers=_CONTAINERS) as container:
        if not container.streams.audio:
            return []
        resampler = AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE)
        # What comes before the damage is heard.
        with suppress(av.FFmpegError):
            for frame in container.decode(audio=0):
                heard += resampler.resample(frame)
                if (frame.time or 0) > LONGEST_SOUND_SECONDS:
                    break
            heard += resampler.resample(None)
    if not heard:
        raise BrokenInputError("the sound can't be decoded")
    return heard


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


def upright_size(file: Path) -> tuple[int, int]:
    """Return width and height of the picture in `file` when it is upright."""
    with Image.open(file) as opened:
        is_lying = opened.getexif().get(ExifTags.Base.Orientation, 1) in _LYING
        width, height = opened.size
    return (height, width) if is_lying else (width, height)


def _decoded(container: InputContainer) -> Iterator[VideoFrame]:
    stream = container.streams.video[0]
    stream.codec_context.options = {"max_pixels": _MAX_FRAME_PIXELS}
    stream.thread_type = "SLICE"
    yield from container.decode(stream)
