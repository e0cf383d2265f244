"""A graph of FFmpeg's filters, fed with frames from memory: no filter ever opens a file."""

from collections.abc import Generator, Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from av.frame import Frame
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from PIL import Image

from kling_ui.simulator.scene import FRAMES_PER_SECOND

FRAME_TIME = Fraction(1, FRAMES_PER_SECOND)


class Pad(NamedTuple):
    """An output of a filter."""

    filter: FilterContext
    output: int = 0


class Filters:
    """Filters linked to each other; sources are fed as sinks are pulled."""

    def __init__(self) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        self._feeds: list[tuple[FilterContext, Generator[Frame]]] = []
        self._whole: list[tuple[FilterContext, Iterable[Frame]]] = []

    def add(self, name: str, options: str, *inputs: Pad) -> Pad:
        """Add a filter behind `inputs`, in their order."""
        added = self._graph.add(name, options)
        for index, pad in enumerate(inputs):
            pad.filter.link_to(added, pad.output, index)
        return Pad(added)

    def chain(self, pad: Pad, *filters: str) -> Pad:
        """Add filters one after the other, each written as `name=options`."""
        for each in filters:
            name, _, options = each.partition("=")
            pad = self.add(name, options, pad)
        return pad

    def split(self, pad: Pad, count: int, name: str = "split") -> list[Pad]:
        """Return `pad` `count` times."""
        split = self.add(name, f"outputs={count}", pad)
        return [Pad(split.filter, output) for output in range(count)]

    def sound_source(self, frames: Iterable[Frame], options: str) -> Pad:
        """Add a source of sound that is pushed whole at the start.

        Were it fed as it is needed, pulling it would push pictures that nobody has asked for.
        """
        source = self.add("abuffer", options)
        self._whole.append((source.filter, frames))
        return source

    def video(
        self, frames: Iterable[Frame], size: tuple[int, int], pixels: str, time: Fraction
    ) -> Pad:
        """Add a source of pictures, pushed as they are needed; times are multiples of `time`."""
        shape = f"video_size={size[0]}x{size[1]}:pix_fmt={pixels}"
        if pixels.startswith("yuv"):
            shape += ":colorspace=bt709:range=tv"
        rate = f"time_base={time}:frame_rate={FRAMES_PER_SECOND}"
        source = self.add("buffer", f"{shape}:{rate}")
        self._feeds.append((source.filter, _each(frames)))
        return source

    def still(
        self, picture: Image.Image, *, count: int = 1, size: tuple[int, int] | None = None
    ) -> Pad:
        """Add an RGB or RGBA picture that is seen for `count` frames, scaled to `size`."""
        width, height = size or picture.size
        is_clear = picture.mode == "RGBA"
        frame = VideoFrame.from_ndarray(np.asarray(picture), "rgba" if is_clear else "rgb24")
        shown = frame.reformat(
            width,
            height,
            "yuva420p" if is_clear else "yuv420p",
            dst_colorspace=Colorspace.ITU709,
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )
        shown.pts, shown.time_base = 0, FRAME_TIME
        pad = self.video([shown], (width, height), shown.format.name, FRAME_TIME)
        return self.chain(pad, f"loop=loop={count - 1}:size=1") if count > 1 else pad

    def sink(self, pad: Pad, name: str = "buffersink") -> FilterContext:
        """Add an end to pull from."""
        return self.add(name, "", pad).filter

    def start(self) -> None:
        """Connect everything; nothing can be added from here on."""
        self._graph.configure()
        for source, frames in self._whole:
            for frame in frames:
                source.push(frame)
            source.push(None)

    def close(self) -> None:
        """Close what feeds the sources: a clip that is being decoded holds the limiter."""
        for _, frames in self._feeds:
            frames.close()

    def pull(self, sink: FilterContext) -> Frame:
        """Return the next frame that arrives at `sink`."""
        while True:
            try:
                return sink.pull()
            except BlockingIOError:
                for source, frames in self._feeds:
                    source.push(next(frames, None))


def _each(frames: Iterable[Frame]) -> Generator[Frame]:
    yield from frames
