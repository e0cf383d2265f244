"""Simulated videos: H.264 in MP4, with AAC where it sounds; stills moved by FFmpeg's filters."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import pairwise
from math import ceil, dist
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.frame import Frame
from av.video.frame import PictureType, VideoFrame
from PIL import Image

from kling_ui.simulator.camera import DANCE, MEETING, STILL, Move, approach, framing
from kling_ui.simulator.filters import FRAME_TIME, Filters, Pad
from kling_ui.simulator.input_reader import MICROSECOND, SOUND_RATE, Clip
from kling_ui.simulator.light import Light, number_of, palette
from kling_ui.simulator.pictures import (
    HEADROOM,
    WHITE,
    Color,
    Size,
    band,
    collage,
    cut_out,
    framed,
    mosaic,
    soft_mask,
    without,
    without_band,
)
from kling_ui.simulator.scene import FRAMES_PER_SECOND, Footage, Scene

_ENCODER = {
    "preset": "ultrafast",
    "crf": "22",
    "x264-params": "threads=1:aq-mode=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}
_AUDIO_BITS = 128_000
_SAMPLES_PER_FRAME = SOUND_RATE // FRAMES_PER_SECOND
_DETAIL, _FINE = 1.5, 3
"""How much larger than the frame pictures are cut, and kept: `zoompan` moves by whole pixels."""
_LIGHT_SHARE = 0.16
"""How large light is computed: it has no detail that scaling up would blur."""
_TINTS = ((-24, 22), (22, -18), (16, 20), (-20, -12))
"""What the colors (U, V) of a given video are shifted by to restyle it; its words choose."""
_BT709 = "flags=bicubic:out_color_matrix=bt709:out_range=tv"
_TURNS: tuple[tuple[str, ...], ...] = ((), ("transpose=2",), ("hflip", "vflip"), ("transpose=1",))
"""What sets a clip upright, by its turns of 90°, counterclockwise."""
_TONES = (110.00, 164.81, 220.00, 246.94, 329.63, 369.99)
_TONE_SECONDS = 7.0
"""A tone swells and fades so fast, each at another time: a chord that changes slowly."""
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
        self._scene = scene
        self._count = scene.frames
        self._unit = min(scene.size) / 720
        bands, accent = self._bands()
        self._size = (scene.size[0], scene.size[1] - bands[0].height)
        area, sound = self._area(), self._sound()
        if sound and scene.is_voice:
            sound, heard = self.split(sound, 2, "asplit")
            area = self._with_waves(area, heard)
        whole = self.add("vstack", "", area, self._band(bands, accent))
        self.pictures = self.sink(whole)
        self.sound = self.sink(sound, "abuffersink") if sound else None
        self.start()

    def _area(self) -> Pad:
        """Choose the composition by what was handed in."""
        scene = self._scene
        if scene.start and scene.pair:
            return self._tiles([(scene.start,), (scene.pair,)], MEETING)
        if scene.start and scene.footage:
            return self._motion(scene.start, scene.footage)
        if scene.footage:
            return self._with_references(self._restyled(scene.footage))
        if scene.start:
            return self._with_references(self._animated(scene.start))
        if not scene.references:
            return self._light()
        moves = [approach(f"{scene.take} {number}") for number in range(len(scene.references))]
        return self._tiles(scene.references, moves)

    # What is seen

    def _light(self) -> Pad:
        scene, (width, height) = self._scene, self._size
        small = (round(width * _LIGHT_SHARE), round(height * _LIGHT_SHARE))
        pad = self.video(_light_frames(scene, small), small, "rgb48le", FRAME_TIME)
        return self.chain(pad, f"scale={width}:{height}:{_BT709}", "format=yuv420p")

    def _animated(self, start: Image.Image) -> Pad:
        """Return the start image in motion, and what it turns into."""
        scene = self._scene
        picture = framed(start, self._size) if scene.strokes or scene.still_mask else start
        masks = [soft_mask(scene.still_mask, self._size)] if scene.still_mask else []
        if scene.strokes:
            pad = self._brushed(picture, start.size)
        else:
            pad = self._moving(without(picture, masks) if masks else picture)
        for mask in masks:
            pad = self._pasted(pad, picture, mask)
        if scene.tail is None:
            return pad
        last, coming = scene.shots[-1], approach(scene.take)
        arrival = Move(start=coming.end, end=coming.start)
        tail = self._shown(scene.tail, self._size, arrival)
        begins, lasts = last.start + 0.4 * last.frames, 0.4 * last.frames
        times = f"offset={begins / FRAMES_PER_SECOND}:duration={lasts / FRAMES_PER_SECOND}"
        return self.add("xfade", times, pad, tail)

    def _moving(self, picture: Image.Image) -> Pad:
        scene, shots = self._scene, self._scene.shots
        if len(shots) == 1:
            move = scene.move or (DANCE if scene.is_effect else approach(scene.take))
            return self._shown(picture, self._size, move)
        moves = [framing(scene.take, number) for number in range(len(shots))]
        parts = [
            self._panned(pad, move, self._size, shot.frames)
            for pad, move, shot in zip(
                self.split(self._detailed(picture, self._size), len(shots)),
                moves,
                shots,
                strict=True,
            )
        ]
        return self.add("concat", f"n={len(parts)}", *parts)

    def _shown(self, picture: Image.Image, size: Size, move: Move) -> Pad:
        """Show a picture in `size` through a moving camera."""
        width, height = size
        over = move.overscan(width / height)
        if over == 1:
            return self._panned(self._detailed(picture, size), move, size, self._count)
        pad = self.still(framed(picture, _even(width * over, height * over)), count=self._count)
        turning = f"a='{move.rotation(self._count)}':ow={width}:oh={height}"
        return self.add("rotate", turning, pad)

    def _detailed(self, picture: Image.Image, size: Size) -> Pad:
        cut = framed(picture, _even(size[0] * _DETAIL, size[1] * _DETAIL))
        return self.still(cut, size=(size[0] * _FINE, size[1] * _FINE))

    def _panned(self, pad: Pad, move: Move, size: Size, count: int) -> Pad:
        shape = f"s={size[0]}x{size[1]}:d={count}:fps={FRAMES_PER_SECOND}"
        return self.add("zoompan", f"{move.zoompan(count)}:{shape}", pad)

    def _brushed(self, picture: Image.Image, drawn: Size) -> Pad:
        """Move the painted areas of `picture`, which was `drawn` so large, along their paths."""
        strokes = self._scene.strokes
        masks = [soft_mask(stroke.mask, self._size) for stroke in strokes]
        pad = self.still(without(picture, masks), count=self._count)
        scale = max(self._size[0] / drawn[0], self._size[1] / drawn[1])
        for stroke, mask in zip(strokes, masks, strict=True):
            points = [(x * drawn[0] * scale, y * drawn[1] * scale) for x, y in stroke.points]
            pad = self._pasted(pad, picture, mask, *_shifts(points, self._count))
        return pad

    def _pasted(
        self, pad: Pad, picture: Image.Image, mask: Image.Image, x: str = "0", y: str = "0"
    ) -> Pad:
        """Lay what `mask` shows of `picture` over `pad`, shifted by expressions in pixels."""
        found = mask.getbbox()
        if found is None:
            return pad
        left, top = found[0] // 2 * 2, found[1] // 2 * 2
        box = (left, top, *_even(found[2], found[3]))
        piece = self.still(cut_out(picture, mask).crop(box))
        return self.add("overlay", f"x='{left}+{x}':y='{top}+{y}'", pad, piece)

    def _restyled(self, footage: Footage) -> Pad:
        """Show the given video, over which a new look wipes from the left."""
        scene = self._scene
        if not isinstance(footage, Clip):
            return self._shown(footage, self._size, approach(scene.take))
        begins, lasts = 0.2 * scene.seconds, 0.3 * scene.seconds
        blue, red = _TINTS[number_of(scene.text) % len(_TINTS)]
        look = f"lutyuv=y='clip(val*1.15-16,16,235)':u='90+val*0.3+{blue}':v='90+val*0.3+{red}'"
        plain, other = self.split(self._clip(footage, self._size), 2)
        # `xfade` shows its second input from that one's beginning: both are to go on together.
        late = (f"trim=start={begins}", "setpts=PTS-STARTPTS")
        restyled = self.chain(other, look, *late)
        wipe = f"transition=wiperight:duration={lasts}:offset={begins}"
        return self.add("xfade", wipe, plain, restyled)

    def _motion(self, character: Image.Image, footage: Footage) -> Pad:
        """Let the character dance; the video that it is to follow is shown beside it."""
        shape = footage.poster if isinstance(footage, Clip) else footage
        side, narrowing = 220 * self._unit, (shape.width / shape.height) ** 0.5
        size = _even(side * narrowing, side / narrowing)
        small = (
            self._clip(footage, size)
            if isinstance(footage, Clip)
            else self.still(framed(footage, size))
        )
        edge = self.add("pad", "w=iw+4:h=ih+4:x=2:y=2:color=white", small)
        return self._inset(self._shown(character, self._size, DANCE), edge)

    def _clip(self, clip: Clip, size: Size) -> Pad:
        """Show a clip in `size`, cut to it, without the caption of another simulated video."""
        pad = self.video(clip.frames(), clip.size, "yuv420p", MICROSECOND)
        shown = without_band(clip.poster).height / clip.poster.height
        return self.chain(
            pad,
            f"fps={FRAMES_PER_SECOND}:start_time=0",
            *_TURNS[clip.turns],
            f"crop=iw:floor(ih*{shown}/2)*2:0:0",
            f"scale={size[0]}:{size[1]}:force_original_aspect_ratio=increase:{_BT709}",
            f"crop={size[0]}:{size[1]}:(iw-ow)/2:(ih-oh)*{HEADROOM[1]}",
            "format=yuv420p",
            "setsar=1",
        )

    # What is put together

    def _tiles(self, references: Sequence[Sequence[Image.Image]], moves: Sequence[Move]) -> Pad:
        """Show pictures beside each other, each through a camera of its own."""
        boxes = mosaic(self._size, len(references), max(2, int(3 * self._unit) * 2))
        tiles = [
            self._shown(collage(pictures, box[2:]), box[2:], move)
            for pictures, box, move in zip(references, boxes, moves, strict=True)
        ]
        if len(tiles) == 1:
            return tiles[0]
        layout = "|".join(f"{left}_{top}" for left, top, _, _ in boxes)
        return self.add("xstack", f"inputs={len(tiles)}:layout={layout}:fill=0x0d0e17", *tiles)

    def _with_references(self, pad: Pad) -> Pad:
        """Show elements and pictures small, beside what they are to be seen with."""
        references = self._scene.references
        if not references:
            return pad
        side, in_row = _even(140 * self._unit, 0)[0], min(len(references), 4)
        size = (in_row * side + 4, ceil(len(references) / in_row) * side + 4)
        made = Image.new("RGB", size, WHITE)
        for number, pictures in enumerate(references):
            row, column = divmod(number, in_row)
            cell = framed(collage(pictures, (side, side)), (side - 4, side - 4))
            made.paste(cell, (4 + column * side, 4 + row * side))
        return self._inset(pad, self.still(made))

    def _inset(self, pad: Pad, small: Pad) -> Pad:
        margin = _even(20 * self._unit, 0)[0]
        return self.add("overlay", f"x={margin}:y={margin}", pad, small)

    def _bands(self) -> tuple[list[Image.Image], Color]:
        """Return the band of each shot, and the color that goes with the words."""
        scene, shots = self._scene, self._scene.shots
        red, green, blue = (round(float(level) * 255) for level in palette(scene.text)[-2])
        accent = (red, green, blue)
        titles = [f" · shot {n} of {len(shots)}" for n in range(1, len(shots) + 1)]
        return [
            band(
                scene.size,
                text=shot.text,
                title=scene.title + (of if len(shots) > 1 else ""),
                accent=accent,
            )
            for shot, of in zip(shots, titles, strict=True)
        ], accent

    def _band(self, bands: list[Image.Image], accent: Color) -> Pad:
        """Change the bands with the shots, and let a line fill along their upper edge."""
        parts = [
            self.still(each, count=shot.frames)
            for each, shot in zip(bands, self._scene.shots, strict=True)
        ]
        pad = parts[0] if len(parts) == 1 else self.add("concat", f"n={len(parts)}", *parts)
        line = Image.new("RGB", (self._size[0], _even(0, 4 * self._unit)[1]), accent)
        return self.add("overlay", f"x='-w+w*(n+1)/{self._count}':y=0", pad, self.still(line))

    # What is heard

    def _sound(self) -> Pad | None:
        scene = self._scene
        if scene.sound:
            layout = f"sample_rate={SOUND_RATE}:sample_fmt=fltp:channel_layout=stereo"
            pad = self.sound_source(_numbered(scene.sound), f"time_base=1/{SOUND_RATE}:{layout}")
        elif scene.has_chords:
            both = "|".join(_chord(number_of(scene.take) + side) for side in (0, 1))
            pad = self.add("aevalsrc", f"exprs='{both}':d={scene.seconds}:s={_TONE_RATE}")
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

    def _with_waves(self, area: Pad, sound: Pad) -> Pad:
        """Draw the voice as waves low in the picture."""
        width, height = _even(self._size[0] / 2, 56 * self._unit)
        look = f"mode=cline:rate={FRAMES_PER_SECOND}:colors=white:scale=sqrt:draw=full"
        waves = self.add("showwaves", f"s={width}x{height}:{look}", sound)
        return self.add("overlay", "x=(W-w)/2:y=H-1.25*h", area, waves)


def _light_frames(scene: Scene, size: Size) -> Iterator[VideoFrame]:
    for number, shot in enumerate(scene.shots):
        light = Light(words=shot.text, take=f"{scene.take} {number}", size=size)
        for n in range(shot.start, shot.start + shot.frames):
            field = light.at(n / FRAMES_PER_SECOND, (scene.move or STILL).at(n / scene.frames))
            frame: VideoFrame = VideoFrame.from_ndarray(field, "rgb48le")
            frame.pts, frame.time_base = n, FRAME_TIME
            yield frame


def _numbered(sound: Sequence[AudioFrame]) -> Iterator[Frame]:
    """Let sound begin at once, whatever its file says, and have no gaps."""
    at = 0
    for frame in sound:
        frame.pts, frame.time_base = at, Fraction(1, SOUND_RATE)
        at += frame.samples
        yield frame


def _shifts(points: Sequence[tuple[float, float]], count: int) -> tuple[str, str]:
    """Return how far along its path an area is, x and y, as expressions of the frame's number."""
    legs = list(pairwise(points))
    # The path is done a little before the end, so that one sees where it ends.
    gone = f"(n*{sum(dist(*leg) for leg in legs) / (0.94 * count):.4f})"
    shifts = ["0", "0"]
    begun = 0.0
    for before, after in legs:
        length = dist(before, after) or 1
        share = f"clip(({gone}-{begun:.2f})/{length:.2f},0,1)"
        for axis in (0, 1):
            shifts[axis] += f"+{after[axis] - before[axis]:.2f}*{share}"
        begun += length
    return shifts[0], shifts[1]


def _chord(number: int) -> str:
    """Return one side's chord as an expression; `number` says which of its tones begin."""
    tones = (
        f"0.05*sin(2*PI*{tone}*t)*(1+sin(2*PI*t/{_TONE_SECONDS}+{number % 8 + 2.4 * place:.1f}))"
        for place, tone in enumerate(_TONES)
    )
    return f"min(2*t,1)*({'+'.join(tones)})"


def _even(width: float, height: float) -> Size:
    """Round up to even sides, so that what is to be filled is filled."""
    return ceil(width / 2) * 2, ceil(height / 2) * 2
