"""Simulated videos: H.264 in MP4, with AAC where it sounds; stills moved by FFmpeg's filters."""

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from functools import reduce
from itertools import islice, pairwise
from math import ceil, cos, sin
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import Colorspace
from PIL import Image, ImageChops, ImageOps

from kling_ui.simulator.input_reader import MICROSECOND, SOUND_RATE, Clip, Sound
from kling_ui.simulator.light import Field, light, palette
from kling_ui.simulator.scene import FRAMES_PER_SECOND, Move, Scene, Shot
from kling_ui.simulator.stills import (
    HEADROOM,
    WHITE,
    Size,
    band,
    cut_out,
    framed,
    mosaic,
    soft_mask,
    without,
    without_band,
)

_ENCODER = {
    "preset": "ultrafast",
    "crf": "22",
    "x264-params": "threads=1:aq-mode=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}
_FRAME_TIME = Fraction(1, FRAMES_PER_SECOND)
_SAMPLES_PER_FRAME = SOUND_RATE // FRAMES_PER_SECOND
_FINE = 2
"""How much larger than the frame pictures are kept: `zoompan` moves by whole pixels."""
_LIGHT_SHARE = 0.125
"""How large light is computed: it has no detail that scaling up would blur."""
_BT709 = "flags=bicubic:out_color_matrix=bt709:out_range=tv"
_RESTYLED = "y='clip(val*1.15-16,16,235)':u='66+val*0.3':v='112+val*0.3'"
_TURNS: tuple[tuple[str, ...], ...] = ((), ("transpose=2",), ("hflip", "vflip"), ("transpose=1",))
"""What sets a clip upright, by its turns of 90°, counterclockwise."""


def render(scene: Scene, path: Path, *, is_given_up: threading.Event) -> bool:
    """Write the video of `scene` to `path`; False where it was given up half-way."""
    with (
        av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container,
        closing(_Film(scene)) as film,
    ):
        container.metadata["comment"] = "Simulated by Kling UI: not made by Kling"
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_ENCODER)
        stream.width, stream.height = scene.size
        stream.pix_fmt = "yuv420p"
        track = None if scene.sound is None else _audio_stream(container)
        for number in range(scene.frames):
            if is_given_up.is_set():
                return False
            container.mux(stream.encode(film.picture(number)))
            if track:
                container.mux(track.encode(film.sound(number)))
        container.mux(stream.encode())
        if track:
            container.mux(track.encode(None))
    return True


def _audio_stream(container: OutputContainer) -> AudioStream:
    # The coder that FFmpeg takes by default is several times as slow on pure tones.
    coder = {"aac_coder": "fast"}
    stream = container.add_stream("aac", rate=SOUND_RATE, layout="stereo", options=coder)
    stream.bit_rate = 128_000
    return stream


class _Filters:
    """A graph of FFmpeg's filters, fed with frames from memory: no filter ever opens a file."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.graph.threads = 1
        self._feeds: list[tuple[FilterContext, Generator[VideoFrame]]] = []

    def add(self, name: str, options: str, *inputs: FilterContext) -> FilterContext:
        """Add a filter behind the first outputs of `inputs`, in their order."""
        added = self.graph.add(name, options)
        for index, each in enumerate(inputs):
            each.link_to(added, 0, index)
        return added

    def chain(self, last: FilterContext, *filters: str) -> FilterContext:
        """Add filters one after the other, each written as `name=options`."""
        for each in filters:
            name, _, options = each.partition("=")
            last = self.add(name, options, last)
        return last

    def joined(self, parts: list[FilterContext]) -> FilterContext:
        """Show one part after the other."""
        if len(parts) == 1:
            return parts[0]
        joined = self.add("concat", f"n={len(parts)}", *parts)
        return self.chain(joined, f"settb={_FRAME_TIME}", f"fps={FRAMES_PER_SECOND}")

    def video(
        self, frames: Iterable[VideoFrame], size: Size, pixels: str, time: Fraction = _FRAME_TIME
    ) -> FilterContext:
        """Add a source of pictures, whose times are multiples of `time`; it is fed as needed."""
        shape = f"video_size={size[0]}x{size[1]}:pix_fmt={pixels}"
        if pixels.startswith("yuv"):
            shape += ":colorspace=bt709:range=tv"
        source = self.add("buffer", f"{shape}:time_base={time}:frame_rate={FRAMES_PER_SECOND}")
        self._feeds.append((source, (frame for frame in frames)))
        return source

    def still(self, picture: Image.Image, count: int = 1) -> FilterContext:
        """Add an RGB or RGBA picture that is seen for `count` frames."""
        pixels, given = ("yuva420p", "rgba") if picture.mode == "RGBA" else ("yuv420p", "rgb24")
        frame = VideoFrame.from_ndarray(np.asarray(picture), given)
        shown = frame.reformat(format=pixels, dst_colorspace=Colorspace.ITU709, threads=1)
        source = self.video([_timed(shown, 0)], picture.size, pixels)
        return self.chain(source, f"loop=loop={count - 1}:size=1")

    def pull(self) -> VideoFrame:
        """Return the next frame that comes out at the end."""
        while True:
            try:
                return self.graph.vpull()
            except BlockingIOError:
                for source, frames in self._feeds:
                    source.push(next(frames, None))

    def close(self) -> None:
        """Close what feeds the sources: a clip that is being decoded holds the limiter."""
        for _, frames in self._feeds:
            frames.close()


class _Film(_Filters):
    """One scene: an area for the picture, the band below it, and the sound."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene, self._count = scene, scene.frames
        self._unit = min(scene.size) / 720
        self._sound = _track(scene)
        bands = _bands(scene)
        self._size = (scene.size[0], scene.size[1] - bands[0].height)
        area = self._with_insets(self._area())
        if scene.is_voice:
            area = self._with_waves(area)
        shots = zip(bands, scene.shots, strict=True)
        caption = self.joined([self.still(each, shot.frames) for each, shot in shots])
        self.add("buffersink", "", self.add("vstack", "", area, caption))
        self.graph.configure()

    def picture(self, number: int) -> VideoFrame:
        frame = _timed(self.pull(), number)
        frame.pict_type = PictureType.NONE
        return frame

    def sound(self, number: int) -> AudioFrame:
        start = number * _SAMPLES_PER_FRAME
        samples = np.ascontiguousarray(self._sound[:, start : start + _SAMPLES_PER_FRAME])
        frame = AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        return frame

    # What is seen

    def _area(self) -> FilterContext:
        """Choose the composition by what was handed in."""
        scene, pictures = self._scene, self._scene.pictures
        if scene.clip and not pictures:
            return self._restyled(scene.clip)
        still = scene.still_mask and soft_mask(scene.still_mask, self._size)
        if still:
            pictures = (without(framed(pictures[0], self._size), still),)
        if scene.strokes:
            area = self._brushed(pictures[0])
        else:
            area = self.joined([self._filmed(pictures, shot) for shot in scene.shots])
        if still:
            area = self._pasted(area, framed(scene.pictures[0], self._size), still)
        return self._with_tail(area)

    def _filmed(self, pictures: Sequence[Image.Image], shot: Shot) -> FilterContext:
        """Show pictures, or light, through a moving camera."""
        move, (width, height) = shot.move, self._size
        if move is None:
            return self._light(shot, self._size)
        turn = abs(move.end.turn)
        # A picture that turns has to fill the frame at every angle.
        over = cos(turn) + sin(turn) * max(width / height, height / width)
        fine = _FINE if pictures and not turn else over
        size = _even(width * fine, height * fine)
        seen = (
            self.still(mosaic(pictures, size), shot.frames) if pictures else self._light(shot, size)
        )
        if turn:
            angle = f"a='{_rotation(move, shot.frames)}':ow={width}:oh={height}"
            return self.add("rotate", angle, seen)
        shape = f"d=1:s={width}x{height}:fps={FRAMES_PER_SECOND}"
        return self.add("zoompan", f"{_zoompan(move, shot.frames)}:{shape}", seen)

    def _light(self, shot: Shot, size: Size) -> FilterContext:
        small = (round(size[0] * _LIGHT_SHARE), round(size[1] * _LIGHT_SHARE))
        fields = islice(light(shot.text, shot.take, small), shot.frames)
        source = self.video(_frames(fields, "rgb48le"), small, "rgb48le")
        return self.chain(source, f"scale={size[0]}:{size[1]}:{_BT709}", "format=yuv420p")

    def _with_tail(self, area: FilterContext) -> FilterContext:
        """Let the last shot turn into the last frame that was handed in."""
        scene = self._scene
        if scene.tail is None:
            return area
        lasts = 0.4 * scene.seconds / len(scene.shots)
        times = f"offset={scene.seconds - 1.5 * lasts}:duration={lasts}"
        tail = self.still(framed(scene.tail, self._size), self._count)
        return self.add("xfade", times, area, tail)

    def _brushed(self, start: Image.Image) -> FilterContext:
        """Move the painted areas of the start image along their paths."""
        strokes, picture = self._scene.strokes, framed(start, self._size)
        masks = [soft_mask(stroke.mask, self._size) for stroke in strokes]
        covered = reduce(ImageChops.lighter, masks)
        area = self.still(without(picture, covered), self._count)
        scale = max(self._size[0] / start.width, self._size[1] / start.height)
        for stroke, mask in zip(strokes, masks, strict=True):
            points = [(x * start.width * scale, y * start.height * scale) for x, y in stroke.points]
            area = self._pasted(area, picture, mask, *_path(points, self._count))
        return area

    def _pasted(
        self,
        area: FilterContext,
        picture: Image.Image,
        mask: Image.Image,
        x: str = "0",
        y: str = "0",
    ) -> FilterContext:
        """Lay what `mask` shows of `picture` over `area`, shifted by expressions in pixels."""
        box = mask.getbbox() or (0, 0, 1, 1)
        piece = self.still(cut_out(picture, mask).crop(box))
        return self.add("overlay", f"x='{box[0]}+{x}':y='{box[1]}+{y}'", area, piece)

    def _restyled(self, clip: Clip) -> FilterContext:
        """Show the given video, over which a new look wipes from the left."""
        begins, lasts = 0.2 * self._scene.seconds, 0.3 * self._scene.seconds
        plain = self.add("split", "", self._clip(clip, self._size))
        restyled = self.add("lutyuv", _RESTYLED)
        plain.link_to(restyled, 1)
        # `xfade` shows its second input from that one's beginning: both are to go on together.
        late = self.chain(restyled, f"trim=start={begins}", "setpts=PTS-STARTPTS")
        wipe = f"transition=wiperight:duration={lasts}:offset={begins}"
        return self.add("xfade", wipe, plain, late)

    def _clip(self, clip: Clip, size: Size) -> FilterContext:
        """Show a clip in `size`, cut to it, without the caption of another simulated video."""
        shown = without_band(clip.poster).height / clip.poster.height
        return self.chain(
            self.video(clip.frames(), clip.size, "yuv420p", MICROSECOND),
            "setpts=PTS-STARTPTS",
            f"fps={FRAMES_PER_SECOND}",
            "tpad=stop=-1:stop_mode=clone",
            *_TURNS[clip.turns],
            f"crop=iw:floor(ih*{shown}/2)*2:0:0",
            f"scale={size[0]}:{size[1]}:force_original_aspect_ratio=increase:{_BT709}",
            f"crop={size[0]}:{size[1]}:(iw-ow)/2:(ih-oh)*{HEADROOM[1]}",
            "format=yuv420p",
            "setsar=1",
        )

    # What is seen besides

    def _with_insets(self, area: FilterContext) -> FilterContext:
        """Show small what is to be kept to: pictures on the left, a video of movements right."""
        scene, margin = self._scene, round(20 * self._unit)
        if scene.insets:
            count = len(scene.insets)
            side, columns = 140 * self._unit * min(1, (8 / count) ** 0.5), min(count, 4)
            size = _even(columns * side, ceil(count / columns) * side)
            small = ImageOps.expand(mosaic(scene.insets, size), border=2, fill=WHITE)
            area = self.add("overlay", f"x={margin}:y={margin}", area, self.still(small))
        if scene.clip and scene.pictures:
            side = 220 * self._unit
            narrowing = (scene.clip.poster.width / scene.clip.poster.height) ** 0.5
            shown = self._clip(scene.clip, _even(side * narrowing, side / narrowing))
            edge = self.add("pad", "w=iw+4:h=ih+4:x=2:y=2:color=white", shown)
            area = self.add("overlay", f"x=W-w-{margin}:y={margin}", area, edge)
        return area

    def _with_waves(self, area: FilterContext) -> FilterContext:
        """Draw the voice as waves low in the picture."""
        size = _even(self._size[0] / 2, 56 * self._unit)
        waves = self.video(_frames(_waves(self._sound, size), "rgba"), size, "rgba")
        return self.add("overlay", "x=(W-w)/2:y=H-1.25*h", area, waves)


def _bands(scene: Scene) -> list[Image.Image]:
    """Return the caption of each shot."""
    red, green, blue = (round(float(level) * 255) for level in palette(scene.text)[-2])
    return [
        band(scene.size, text=shot.text, title=shot.title, accent=(red, green, blue))
        for shot in scene.shots
    ]


def _track(scene: Scene) -> Sound:
    """Return the scene's sound, as long as the video is; it fades out at the end."""
    track = np.zeros((2, scene.frames * _SAMPLES_PER_FRAME), np.float32)
    if scene.sound is not None:
        heard = scene.sound[:, : track.shape[1]]
        track[:, : heard.shape[1]] = heard
    fading = track[:, -SOUND_RATE // 4 :]
    fading *= np.linspace(1, 0, fading.shape[1], dtype=np.float32)
    return track


def _waves(sound: Sound, size: Size) -> Iterator[Field]:
    """Yield white pictures in RGBA, one a frame, in which the louder is less transparent."""
    width, height = size
    from_middle = np.abs(np.linspace(-1, 1, height))[:, None]
    starts = np.arange(width) * _SAMPLES_PER_FRAME // width
    for heard in np.abs(sound).max(axis=0).reshape(-1, _SAMPLES_PER_FRAME):
        loudness = np.maximum.reduceat(heard, starts)
        picture = np.full((height, width, 4), 255, np.uint8)
        picture[..., 3] = 255 * (from_middle <= np.sqrt(loudness))
        yield picture


def _frames(pictures: Iterable[Field], pixels: str) -> Iterator[VideoFrame]:
    for number, picture in enumerate(pictures):
        yield _timed(VideoFrame.from_ndarray(picture, pixels), number)


def _timed(frame: VideoFrame, number: int) -> VideoFrame:
    frame.pts, frame.time_base = number, _FRAME_TIME
    return frame


def _zoompan(move: Move, frames: int) -> str:
    """Return zoompan's expressions for `move`; the filter itself stays inside the picture."""
    x, y, size = (_between("on", frames, move.start[n], move.end[n]) for n in range(3))
    zoom = f"1/({size})"
    if move.sways:
        x, zoom = f"{x}+0.025*sin(on/7)", f"{zoom}*(1+0.07*abs(sin(on/7)))"
    return f"z='{zoom}':x='iw*({x}-0.5/zoom)':y='ih*({y}-0.5/zoom)'"


def _rotation(move: Move, frames: int) -> str:
    """Return the picture's angle, which is against the camera's, as an expression."""
    return f"-({_between('n', frames, move.start.turn, move.end.turn)})"


def _between(number: str, frames: int, start: float, end: float) -> str:
    """Go from `start` to `end`, gently, as an expression of the frame's `number`."""
    share = f"{number}/{max(frames - 1, 1)}"
    return f"{start:.5f}+{end - start:.5f}*(0.35*{share}+0.325*(1-cos(PI*{share})))"


def _path(points: Sequence[tuple[float, float]], count: int) -> tuple[str, str]:
    """Return how far along its path an area is, x and y, as expressions of the frame's number."""
    legs = list(pairwise(points))
    # The path is done a little before the end, so that one sees where it ends.
    done = f"n*{len(legs) / (0.94 * count):.5f}"
    shares = [f"clip({done}-{number},0,1)" for number in range(len(legs))]
    x, y = (
        "+".join(
            f"{after[axis] - before[axis]:.2f}*{share}"
            for (before, after), share in zip(legs, shares, strict=True)
        )
        for axis in (0, 1)
    )
    return x, y


def _even(width: float, height: float) -> Size:
    """Round up to even sides, so that what is to be filled is filled."""
    return ceil(width / 2) * 2, ceil(height / 2) * 2
