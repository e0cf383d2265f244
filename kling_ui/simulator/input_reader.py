"""What was handed in with a request, read again when the video is made.

Public addresses stay what they are and are never fetched.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from kling_ui.catalog import Inputs, is_reference
from kling_ui.media import decoding, film, open_media
from kling_ui.simulator.stills import Size, card

LONGEST_SOUND_SECONDS = 60.0
SOUND_RATE = 48_000
MICROSECOND = Fraction(1, 1_000_000)
"""What the frames of clips count their time in."""
Sound = npt.NDArray[Any]
"""32-bit floats: two sides × samples from -1 to 1, SOUND_RATE of them a second."""
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
    """Reads the inputs of every task. What is missing raises MissingInputError."""

    inputs: Inputs

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

    def sound(self, value: str | None) -> Sound | None:
        """Return the sound of a medium; None where there is none."""
        if not is_reference(value):
            return None
        heard: list[Sound] = []
        with open_media(self.inputs.path(str(value)), containers=_CONTAINERS) as container:
            resampler = AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE)
            with suppress(av.FFmpegError):  # what comes before any damage is heard
                for frame in container.decode(audio=0) if container.streams.audio else ():
                    heard += [part.to_ndarray() for part in resampler.resample(frame)]
                    if (frame.time or 0) > LONGEST_SOUND_SECONDS:
                        break
        return np.concatenate(heard, axis=1) if heard else None


def _stream(container: InputContainer) -> VideoStream:
    stream = film(container) or container.streams.video[0]
    # A frame further on may be far larger than the first, which was looked at.
    stream.codec_context.options = {"max_pixels": _MAX_FRAME_PIXELS}
    return stream
