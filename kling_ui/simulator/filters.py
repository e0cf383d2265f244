"""A graph of FFmpeg's filters, fed with frames from memory: no filter ever opens a file."""

from collections.abc import Generator, Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext
from av.frame import Frame
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from PIL import Image

from kling_ui.simulator.pictures import Size
from kling_ui.simulator.scene import FRAMES_PER_SECOND

FRAME_TIME = Fraction(1, FRAMES_PER_SECOND)


class Pad(NamedTuple):
    """An output of a filter."""

    filter: FilterContext
    output: int = 0


class Filters:
    """Filters linked to each other; sources are fed as sinks are pulled."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.graph.threads = 1
        self._feeds: list[tuple[FilterContext, Generator[Frame]]] = []

    def add(self, name: str, options: str, *inputs: Pad) -> Pad:
        """Add a filter behind `inputs`, in their order."""
        added = self.graph.add(name, options)
        for index, pad in enumerate(inputs):
            pad.filter.link_to(added, pad.output, index)
        return Pad(added)

    def chain(self, pad: Pad, *filters: str) -> Pad:
        """Add filters one after the other, each written as `name=options`."""
        for each in filters:
            name, _, options = each.partition("=")
            pad = self.add(name, options, pad)
        return pad

    def joined(self, parts: list[Pad]) -> Pad:
        """Show one part after the other."""
        if len(parts) == 1:
            return parts[0]
        joined = self.add("concat", f"n={len(parts)}", *parts)
        return self.chain(joined, f"settb={FRAME_TIME}", f"fps={FRAMES_PER_SECOND}")

    def video(self, frames: Iterable[Frame], size: Size, pixels: str, time: Fraction) -> Pad:
        """Add a source of pictures, whose times are multiples of `time`."""
        shape = f"video_size={size[0]}x{size[1]}:pix_fmt={pixels}"
        if pixels.startswith("yuv"):
            shape += ":colorspace=bt709:range=tv"
        rate = f"time_base={time}:frame_rate={FRAMES_PER_SECOND}"
        return self._fed(self.add("buffer", f"{shape}:{rate}"), frames)

    def still(self, picture: Image.Image, count: int = 1) -> Pad:
        """Add an RGB or RGBA picture that is seen for `count` frames."""
        pixels, given = ("yuva420p", "rgba") if picture.mode == "RGBA" else ("yuv420p", "rgb24")
        frame = VideoFrame.from_ndarray(np.asarray(picture), given)
        shown = frame.reformat(format=pixels, dst_colorspace=Colorspace.ITU709, threads=1)
        shown.pts, shown.time_base = 0, FRAME_TIME
        pad = self.video([shown], picture.size, pixels, FRAME_TIME)
        return self.chain(pad, f"loop=loop={count - 1}:size=1")

    def audio(self, frame: AudioFrame) -> Pad:
        """Add a sound."""
        options = f"sample_rate={frame.sample_rate}:sample_fmt=fltp:channel_layout=stereo"
        return self._fed(self.add("abuffer", options), [frame])

    def pull(self, sink: FilterContext) -> Frame:
        """Return the next frame that arrives at `sink`."""
        while True:
            try:
                return sink.pull()
            except BlockingIOError:
                for source, frames in self._feeds:
                    source.push(next(frames, None))

    def close(self) -> None:
        """Close what feeds the sources: a clip that is being decoded holds the limiter."""
        for _, frames in self._feeds:
            frames.close()

    def _fed(self, source: Pad, frames: Iterable[Frame]) -> Pad:
        self._feeds.append((source.filter, (frame for frame in frames)))
        return source
