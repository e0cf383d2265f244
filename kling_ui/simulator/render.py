"""Simulated videos: H.264 in MP4, with AAC where it sounds; stills moved by FFmpeg's filters."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import reduce
from itertools import islice, pairwise
from math import ceil, cos, sin
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from PIL import Image, ImageChops, ImageOps

from kling_ui.simulator.camera import APPROACH, FRAMINGS, Move
from kling_ui.simulator.filters import FRAME_TIME, Filters, Pad
from kling_ui.simulator.input_reader import MICROSECOND, SOUND_RATE, Clip
from kling_ui.simulator.light import light, palette
from kling_ui.simulator.pictures import (
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
from kling_ui.simulator.scene import FRAMES_PER_SECOND, Scene, Shot

_ENCODER = {
    "preset": "ultrafast",
    "crf": "22",
    "x264-params": "threads=1:aq-mode=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}
_AUDIO_BITS = 128_000
_SAMPLES_PER_FRAME = SOUND_RATE // FRAMES_PER_SECOND
_FINE = 2
"""How much larger than the frame pictures are kept: `zoompan` moves by whole pixels."""
_LIGHT_SHARE = 0.125
"""How large light is computed: it has no detail that scaling up would blur."""
_BT709 = "flags=bicubic:out_color_matrix=bt709:out_range=tv"
_RESTYLED = "lutyuv=y='clip(val*1.15-16,16,235)':u='66+val*0.3':v='112+val*0.3'"
_TURNS: tuple[tuple[str, ...], ...] = ((), ("transpose=2",), ("hflip", "vflip"), ("transpose=1",))
"""What sets a clip upright, by its turns of 90°, counterclockwise."""
_CHORDS = "|".join(
    "min(2*t,1)*0.05*("
    + "+".join(f"sin(2*PI*{tone}*t)*(1+sin(t*0.9+{place}))" for place, tone in enumerate(tones))
    + ")"
    for tones in ((110.0, 164.81, 246.94, 369.99), (110.0, 220.0, 329.63, 246.94))
)
"""A chord for each side; each tone swells and fades at another time."""
_TONE_RATE = 8000
"""Enough for tones below 700 Hz, and much cheaper to compute."""


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
        track = _audio_stream(container) if film.sound else None
        for number in range(scene.frames):
            if is_given_up.is_set():
                return False
            frame = film.pull(film.pictures)
            if isinstance(frame, VideoFrame):
                frame.pts, frame.time_base, frame.pict_type = number, FRAME_TIME, PictureType.NONE
                container.mux(stream.encode(frame))
            heard = film.pull(film.sound) if film.sound else None
            if track and isinstance(heard, AudioFrame):
                container.mux(track.encode(heard))
        container.mux(stream.encode())
        if track:
            container.mux(track.encode(None))
    return True


def _audio_stream(container: OutputContainer) -> AudioStream:
    # The coder that FFmpeg takes by default is several times as slow on pure tones.
    coder = {"aac_coder": "fast"}
    stream = container.add_stream("aac", rate=SOUND_RATE, layout="stereo", options=coder)
    stream.bit_rate = _AUDIO_BITS
    return stream


class _Film(Filters):
    """The filters of one scene: an area for the picture, the band below it, and the sound."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene, self._count = scene, scene.frames
        self._unit = min(scene.size) / 720
        bands = self._bands()
        self._size = (scene.size[0], scene.size[1] - bands[0].height)
        area, sound = self._with_insets(self._area()), self._sound()
        if sound and scene.is_voice:
            sound = self.add("asplit", "", sound)
            area = self._with_waves(area, sound._replace(output=1))
        shots = zip(bands, scene.shots, strict=True)
        caption = self.joined([self.still(each, shot.frames) for each, shot in shots])
        self.pictures = self.add("buffersink", "", self.add("vstack", "", area, caption)).filter
        self.sound = self.add("abuffersink", "", sound).filter if sound else None
        self.graph.configure()

    def _bands(self) -> list[Image.Image]:
        """Return the band of each shot."""
        scene, shots = self._scene, self._scene.shots
        red, green, blue = (round(float(level) * 255) for level in palette(scene.text)[-2])
        titles = [f"{scene.title} · shot {n + 1} of {len(shots)}" for n in range(len(shots))]
        return [
            band(scene.size, text=shot.text, title=title, accent=(red, green, blue))
            for shot, title in zip(shots, titles if len(shots) > 1 else [scene.title], strict=True)
        ]

    # What is seen

    def _area(self) -> Pad:
        """Choose the composition by what was handed in."""
        scene, pictures = self._scene, self._scene.pictures
        if scene.clip and not pictures:
            return self._restyled(scene.clip)
        still = scene.still_mask and soft_mask(scene.still_mask, self._size)
        if still:
            pictures = (without(framed(pictures[0], self._size), still),)
        area = self._brushed(pictures[0]) if scene.strokes else self._shots(pictures)
        if still:
            area = self._pasted(area, framed(scene.pictures[0], self._size), still)
        return self._with_tail(area)

    def _shots(self, pictures: Sequence[Image.Image]) -> Pad:
        scene, shots = self._scene, self._scene.shots
        moves = FRAMINGS if pictures and len(shots) > 1 else [scene.move]
        return self.joined(
            [
                self._filmed(pictures, shot, number, moves[number % len(moves)])
                for number, shot in enumerate(shots)
            ]
        )

    def _filmed(
        self, pictures: Sequence[Image.Image], shot: Shot, number: int, move: Move | None
    ) -> Pad:
        """Show pictures, or light, through a moving camera."""
        if not pictures and move is None:
            return self._light(shot, number, self._size)
        move = move or APPROACH
        turn, (width, height) = abs(move.end.turn), self._size
        # A picture that turns has to fill the frame at every angle.
        over = cos(turn) + sin(turn) * max(width / height, height / width)
        fine = _FINE if pictures and not turn else over
        size = _even(width * fine, height * fine)
        pad = (
            self.still(mosaic(pictures, size), shot.frames)
            if pictures
            else self._light(shot, number, size)
        )
        if turn:
            angle = f"a='{move.rotation(shot.frames)}':ow={width}:oh={height}"
            return self.add("rotate", angle, pad)
        shape = f"d=1:s={width}x{height}:fps={FRAMES_PER_SECOND}"
        return self.add("zoompan", f"{move.zoompan(shot.frames)}:{shape}", pad)

    def _light(self, shot: Shot, number: int, size: Size) -> Pad:
        small = (round(size[0] * _LIGHT_SHARE), round(size[1] * _LIGHT_SHARE))
        frames = _light_frames(shot, f"{self._scene.take} {number}", small)
        pad = self.video(frames, small, "rgb48le", FRAME_TIME)
        return self.chain(pad, f"scale={size[0]}:{size[1]}:{_BT709}", "format=yuv420p")

    def _with_tail(self, pad: Pad) -> Pad:
        """Let the last shot turn into the last frame that was handed in."""
        scene = self._scene
        if scene.tail is None:
            return pad
        lasts = 0.4 * scene.seconds / len(scene.shots)
        times = f"offset={scene.seconds - 1.5 * lasts}:duration={lasts}"
        tail = self.still(framed(scene.tail, self._size), self._count)
        return self.add("xfade", times, pad, tail)

    def _brushed(self, start: Image.Image) -> Pad:
        """Move the painted areas of the start image along their paths."""
        strokes, picture = self._scene.strokes, framed(start, self._size)
        masks = [soft_mask(stroke.mask, self._size) for stroke in strokes]
        covered = reduce(ImageChops.lighter, masks)
        pad = self.still(without(picture, covered), self._count)
        scale = max(self._size[0] / start.width, self._size[1] / start.height)
        for stroke, mask in zip(strokes, masks, strict=True):
            points = [(x * start.width * scale, y * start.height * scale) for x, y in stroke.points]
            pad = self._pasted(pad, picture, mask, *_path(points, self._count))
        return pad

    def _pasted(
        self, pad: Pad, picture: Image.Image, mask: Image.Image, x: str = "0", y: str = "0"
    ) -> Pad:
        """Lay what `mask` shows of `picture` over `pad`, shifted by expressions in pixels."""
        box = mask.getbbox() or (0, 0, 1, 1)
        piece = self.still(cut_out(picture, mask).crop(box))
        return self.add("overlay", f"x='{box[0]}+{x}':y='{box[1]}+{y}'", pad, piece)

    def _restyled(self, clip: Clip) -> Pad:
        """Show the given video, over which a new look wipes from the left."""
        begins, lasts = 0.2 * self._scene.seconds, 0.3 * self._scene.seconds
        plain = self.add("split", "", self._clip(clip, self._size))
        # `xfade` shows its second input from that one's beginning: both are to go on together.
        late = (f"trim=start={begins}", "setpts=PTS-STARTPTS")
        restyled = self.chain(plain._replace(output=1), _RESTYLED, *late)
        wipe = f"transition=wiperight:duration={lasts}:offset={begins}"
        return self.add("xfade", wipe, plain, restyled)

    def _clip(self, clip: Clip, size: Size) -> Pad:
        """Show a clip in `size`, cut to it, without the caption of another simulated video."""
        pad = self.video(clip.frames(), clip.size, "yuv420p", MICROSECOND)
        shown = without_band(clip.poster).height / clip.poster.height
        return self.chain(
            pad,
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

    def _with_insets(self, pad: Pad) -> Pad:
        """Show small what is to be kept to: pictures on the left, a video of movements right."""
        scene, margin = self._scene, round(20 * self._unit)
        if scene.insets:
            count = len(scene.insets)
            side, columns = 140 * self._unit * min(1, (8 / count) ** 0.5), min(count, 4)
            size = _even(columns * side, ceil(count / columns) * side)
            small = ImageOps.expand(mosaic(scene.insets, size), border=2, fill=WHITE)
            pad = self.add("overlay", f"x={margin}:y={margin}", pad, self.still(small))
        if scene.clip and scene.pictures:
            side = 220 * self._unit
            narrowing = (scene.clip.poster.width / scene.clip.poster.height) ** 0.5
            shown = self._clip(scene.clip, _even(side * narrowing, side / narrowing))
            edge = self.add("pad", "w=iw+4:h=ih+4:x=2:y=2:color=white", shown)
            pad = self.add("overlay", f"x=W-w-{margin}:y={margin}", pad, edge)
        return pad

    def _with_waves(self, area: Pad, sound: Pad) -> Pad:
        """Draw the voice as waves low in the picture."""
        width, height = _even(self._size[0] / 2, 56 * self._unit)
        look = f"mode=cline:rate={FRAMES_PER_SECOND}:colors=white:scale=sqrt:draw=full"
        waves = self.add("showwaves", f"s={width}x{height}:{look}", sound)
        return self.add("overlay", "x=(W-w)/2:y=H-1.25*h", area, waves)

    # What is heard

    def _sound(self) -> Pad | None:
        scene = self._scene
        if scene.sound:
            pad = self.audio(scene.sound)
        elif scene.has_chords:
            pad = self.add("aevalsrc", f"exprs='{_CHORDS}':d={scene.seconds}:s={_TONE_RATE}")
        else:
            return None
        return self.chain(
            pad,
            f"aresample={SOUND_RATE}",
            "aformat=sample_fmts=fltp:channel_layouts=stereo",
            "apad",
            f"atrim=end_sample={self._count * _SAMPLES_PER_FRAME}",
            f"afade=t=out:st={max(scene.seconds - 0.25, 0)}:d=0.25",
            f"asetnsamples={_SAMPLES_PER_FRAME}",
        )


def _light_frames(shot: Shot, take: str, size: Size) -> Iterator[VideoFrame]:
    for number, field in enumerate(islice(light(shot.text, take, size), shot.frames)):
        frame: VideoFrame = VideoFrame.from_ndarray(field, "rgb48le")
        frame.pts, frame.time_base = number, FRAME_TIME
        yield frame


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
