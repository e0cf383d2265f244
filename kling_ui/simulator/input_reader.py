"""What was handed in with a request: stored once, and read again when the video is made.

Public addresses stay what they are and are never fetched.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from kling_ui.catalog import Inputs, PictureLimits, is_reference
from kling_ui.catalog.media_input.kinds import uri_bytes
from kling_ui.catalog.media_input.values import canonical_type, check_media
from kling_ui.media import decoding, film, open_media
from kling_ui.simulator.pictures import Size, card

LONGEST_SOUND_SECONDS = 60.0
SOUND_RATE = 48_000
MICROSECOND = Fraction(1, 1_000_000)
"""What the frames of clips count their time in."""
_CONTAINERS = ("mov", "matroska", "wav", "mp3", "aac")
_LARGEST = (1800, 1800)
_MAX_FRAME_PIXELS = str(8192 * 4352)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video file; `poster` is its first frame, upright, in RGB.

    Frames are of `size`; `turns` by 90°, counterclockwise, set them upright.
    """

    file: Path
    size: Size
    turns: int
    poster: Image.Image

    def frames(self) -> Iterator[VideoFrame]:
        """Decode it; what is broken ends it.

        Size and pixels may change within a file, which filters don't expect: they are made one.
        """
        with suppress(av.FFmpegError), open_media(self.file, containers=_CONTAINERS) as container:
            for frame in container.decode(_stream(container)):
                shown = frame.reformat(
                    *self.size,
                    "yuv420p",
                    dst_colorspace=Colorspace.ITU709,
                    dst_color_range=ColorRange.MPEG,
                    threads=1,
                )
                shown.pts = round((frame.time or 0) / MICROSECOND)
                shown.time_base = MICROSECOND
                yield shown


@dataclass(frozen=True, slots=True)
class InputReader:
    """The inputs of every task, in one folder; the same one handed in twice is kept once.

    What is missing raises MissingInputError.
    """

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

    def picture(self, value: str, mode: str = "RGB") -> Image.Image:
        """Return a picture, upright, at most 1800 px wide or high; for an address, a card."""
        if not is_reference(value):
            return card(value, "Picture").convert(mode)
        with decoding, Image.open(self.inputs.path(value)) as opened:
            opened.thumbnail(_LARGEST)
            return ImageOps.exif_transpose(opened).convert(mode)

    def size(self, value: str) -> Size:
        """Return width and height of a stored picture in its own pixels."""
        with Image.open(self.inputs.path(value)) as opened:
            return opened.size

    def clip(self, value: str | None) -> Clip | None:
        """Return a video; None for an address, or for none."""
        if not is_reference(value):
            return None
        file = self.inputs.path(str(value))
        with open_media(file, containers=_CONTAINERS) as container:
            frame = next(container.decode(_stream(container)))
        poster: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        return Clip(
            file=file,
            size=(frame.width, frame.height),
            turns=round(frame.rotation / 90) % 4,
            poster=poster.rotate(frame.rotation, expand=True),
        )

    def sound(self, value: str | None) -> AudioFrame | None:
        """Return the sound of a medium: planar float, stereo, 48 kHz; None where there is none."""
        if not is_reference(value):
            return None
        heard: list[AudioFrame] = []
        with open_media(self.inputs.path(str(value)), containers=_CONTAINERS) as container:
            resampler = AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE)
            with suppress(av.FFmpegError):  # what comes before any damage is heard
                for frame in container.decode(audio=0) if container.streams.audio else ():
                    heard += resampler.resample(frame)
                    if (frame.time or 0) > LONGEST_SOUND_SECONDS:
                        break
        if not heard:
            return None
        samples = np.concatenate([frame.to_ndarray() for frame in heard], axis=1)
        whole = AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        whole.sample_rate, whole.pts, whole.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        return whole


def _stream(container: InputContainer) -> VideoStream:
    stream = film(container) or container.streams.video[0]
    # A frame further on may be far larger than the first, which was looked at.
    stream.codec_context.options = {"max_pixels": _MAX_FRAME_PIXELS}
    return stream
