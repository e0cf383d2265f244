"""Simulated videos, drawn frame by frame: H.264 in MP4, with AAC where they sound.

A layer returns what is seen in the frame of a number, and is asked for frames in order. Layers
stay in 4:2:0, as videos are encoded: converting each frame from RGB would take twice as long.
"""

import math
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from PIL import Image, ImageDraw

from kling_ui.simulator.input_reader import SOUND_RATE, Clip, Sound
from kling_ui.simulator.pictures import (
    INK,
    WHITE,
    Size,
    View,
    band,
    framed,
    light,
    mosaic,
    number_of,
    palette,
    soft_mask,
    without,
    without_band,
)
from kling_ui.simulator.scene import (
    DANCE,
    FRAMES_PER_SECOND,
    MEETING,
    STILL,
    Footage,
    Move,
    Scene,
    framing,
)

_ENCODER = {
    "preset": "ultrafast",
    "crf": "22",
    "x264-params": "threads=1:aq-mode=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}
_LIGHT_SHARE = 0.16
"""How large light is computed: it has no detail that scaling up would blur."""
_DETAIL = 1.25
"""How much larger than they are seen pictures are kept, for a camera that comes closer."""
_TINTS = ((-24, 22), (22, -18), (16, 20), (-20, -12))
"""What the colors (U, V) of a given video are shifted by to restyle it; its words choose."""
_TONES = (110.00, 164.81, 220.00, 246.94, 329.63, 369.99)
_SAMPLES_PER_FRAME = SOUND_RATE // FRAMES_PER_SECOND
_FADE_SECONDS = 0.25
_BARS = 32
"""A voice is drawn as so many bars, the newest on the right."""


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
        sound, track = film.sound, None
        if sound is not None:
            # The coder that FFmpeg takes by default is several times as slow on pure tones.
            coder = {"aac_coder": "fast"}
            track = container.add_stream("aac", rate=SOUND_RATE, layout="stereo", options=coder)
        for number in range(scene.frames):
            if is_given_up.is_set():
                return False
            frame = film.at(number).frame()
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
            frame.pict_type = PictureType.NONE
            container.mux(stream.encode(frame))
            if track and sound is not None:
                container.mux(track.encode(_heard(sound, number)))
        container.mux(stream.encode())
        if track:
            container.mux(track.encode(None))
    return True


class Planes(NamedTuple):
    """A picture as it is encoded: luma, and two planes of color half as wide and high."""

    y: Image.Image
    u: Image.Image
    v: Image.Image

    @classmethod
    def of(cls, source: Image.Image | VideoFrame, size: Size | None = None) -> "Planes":
        """Convert an RGB picture or a frame, scaled to `size` (or its own made even)."""
        frame = source if isinstance(source, VideoFrame) else VideoFrame.from_image(source)  # type: ignore[no-untyped-call]
        width, height = size or _even(frame.width, frame.height)
        looks = {"dst_colorspace": Colorspace.ITU709, "dst_color_range": ColorRange.MPEG}
        scaled = {"interpolation": Interpolation.BICUBIC, "threads": 1, **looks}
        flat = frame.reformat(width, height, "yuv420p", **scaled).to_ndarray()
        colors = flat[height:].reshape(2, height // 2, width // 2)
        return cls(*(Image.fromarray(plane) for plane in (flat[:height], *colors)))

    def frame(self) -> VideoFrame:
        """Convert to what encoders take."""
        flat = np.concatenate([np.asarray(plane).ravel() for plane in self])
        return VideoFrame.from_ndarray(flat.reshape(-1, self.y.width), "yuv420p")

    def each(self, act: Callable[[Image.Image, int], Image.Image]) -> "Planes":
        """Do the same to each plane; `act` is also told by what its sides are divided."""
        return Planes(act(self.y, 1), act(self.u, 2), act(self.v, 2))

    def seen(self, view: View, size: Size) -> "Planes":
        """Return in `size` what a camera sees of it."""
        (width, height), half = self.y.size, view.size / 2
        x, y = (min(max(at, half), 1 - half) for at in view[:2])
        box = ((x - half) * width, (y - half) * height, (x + half) * width, (y + half) * height)
        scale = view.size * width / size[0]
        along, aside = scale * math.cos(view.turn), scale * math.sin(view.turn)
        left = x * width - (along * size[0] - aside * size[1]) / 2
        top = y * height - (aside * size[0] + along * size[1]) / 2

        def act(plane: Image.Image, by: int) -> Image.Image:
            into = (size[0] // by, size[1] // by)
            if not view.turn:
                corners = (box[0] / by, box[1] / by, box[2] / by, box[3] / by)
                return plane.resize(into, Image.Resampling.BILINEAR, corners)
            turned = (along, -aside, left / by, aside, along, top / by)
            return plane.transform(into, Image.Transform.AFFINE, turned, Image.Resampling.BILINEAR)

        return self.each(act)

    def pasted(
        self, piece: "Planes", at: tuple[int, int], mask: Image.Image | None = None
    ) -> "Planes":
        """Return a copy with `piece` on it, where `mask` (8 bits, as large as it) lets it show."""
        made = self.each(lambda plane, _: plane.copy())
        small = mask and mask.reduce(2)
        made.y.paste(piece.y, at, mask)
        made.u.paste(piece.u, (at[0] // 2, at[1] // 2), small)
        made.v.paste(piece.v, (at[0] // 2, at[1] // 2), small)
        return made


Layer = Callable[[int], Planes]
Points = Sequence[tuple[float, float]]
Place = Callable[[int], tuple[int, int]]
"""Where something is in each frame, in pixels from the top left."""


class _Film:
    """What is seen and heard in each frame of a scene."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._shots, self._count = scene, scene.shots, scene.frames
        self._unit = min(scene.size) / 720
        self._streams: list[Generator[tuple[float, VideoFrame]]] = []
        red, green, blue = (round(float(level) * 255) for level in palette(scene.text)[-2])
        accent = (red, green, blue)
        self._line = Planes.of(Image.new("RGB", _even(scene.size[0], 4 * self._unit), accent))
        self._grounds, self._size = [], scene.size
        for n, shot in enumerate(self._shots, 1):
            title = scene.title + (f" · shot {n} of {len(self._shots)}" if self._shots[1:] else "")
            caption = band(scene.size, text=shot.text, title=title, accent=accent)
            self._size = (scene.size[0], scene.size[1] - caption.height)
            ground = Image.new("RGB", scene.size, INK)
            ground.paste(caption, (0, self._size[1]))
            self._grounds.append(Planes.of(ground))
        self.sound = self._sound()
        self._area = self._composed()
        if scene.is_voice and self.sound is not None:
            self._area = self._with_voice(self._area, self.sound)

    def at(self, number: int) -> Planes:
        """Return the whole frame: the picture, its caption and a line that fills above that."""
        width, height = self._size
        ground, _ = self._shot(number)
        filled = width * (number + 1) // self._count // 2 * 2
        made = self._grounds[ground].pasted(self._area(number), (0, 0))
        return made.pasted(self._line, (filled - width, height))

    def close(self) -> None:
        """Close what is being decoded, which holds the limiter."""
        for stream in self._streams:
            stream.close()

    def _shot(self, number: int) -> tuple[int, float]:
        """Return which shot a frame belongs to, and how much of that has passed."""
        index = max(n for n, shot in enumerate(self._shots) if shot.start <= number)
        shot = self._shots[index]
        return index, (number - shot.start) / max(shot.frames - 1, 1)

    def _composed(self) -> Layer:
        """Choose the composition by what was handed in."""
        scene = self._scene
        if scene.start and scene.pair:
            return self._tiles([scene.start, scene.pair], MEETING)
        if scene.start and scene.footage:
            return self._following(scene.start, scene.footage)
        if scene.footage:
            return self._with_references(self._restyled(scene.footage))
        if scene.start:
            return self._with_references(self._animated(scene.start))
        if not scene.references:
            return self._light()
        moves = [framing(f"{scene.take} {n}") for n in range(len(scene.references))]
        return self._tiles(scene.references, moves)

    def _light(self) -> Layer:
        scene, move = self._scene, self._scene.move or STILL
        small = (round(self._size[0] * _LIGHT_SHARE), round(self._size[1] * _LIGHT_SHARE))
        lights = [
            light(words=shot.text, take=f"{scene.take} {n}", size=small)
            for n, shot in enumerate(self._shots)
        ]

        def layer(number: int) -> Planes:
            shine = lights[self._shot(number)[0]]
            field = shine(number / FRAMES_PER_SECOND, move.at(number / self._count))
            return Planes.of(VideoFrame.from_ndarray(field, "rgb48le"), self._size)

        return layer

    def _animated(self, start: Image.Image) -> Layer:
        """Return the start image in motion, and what it turns into."""
        scene, picture, last = self._scene, start, self._shots[-1]
        moves = [framing(scene.take, number) for number in range(len(self._shots))]
        scale = max(self._size[0] / start.width, self._size[1] / start.height)
        across, down = start.width * scale, start.height * scale
        masks = [
            (soft_mask(mask, self._size), [(x * across, y * down) for x, y in points])
            for mask, points in scene.strokes
        ]
        if masks:
            start = framed(start, self._size)
            picture = without(start, [mask for mask, _ in masks])
        is_brushed = any(points[1:] for _, points in masks)
        moves = [STILL] if is_brushed else [scene.move] if scene.move else moves
        layer = self._shown(picture, self._size, moves)
        for mask, points in masks:
            layer = self._brushed(layer, start, mask, points)
        if scene.tail is None:
            return layer
        coming = framing(scene.take)
        tail = self._shown(scene.tail, self._size, [Move(coming.end, coming.start)])

        def turning(number: int) -> Planes:
            share = _passed((number - last.start) / last.frames, 0.4, 0.8)
            both = zip(layer(number), tail(number), strict=True)
            return Planes(*(Image.blend(before, after, share) for before, after in both))

        return turning

    def _shown(self, picture: Image.Image, size: Size, moves: Sequence[Move]) -> Layer:
        """Show a picture in `size` through a moving camera; of several moves each takes a shot."""
        turn = max(abs(view.turn) for move in moves for view in (move.start, move.end))
        # A picture that is turned is to reach into the corners.
        over = math.cos(turn) + math.sin(turn) * max(size[0] / size[1], size[1] / size[0])
        kept = framed(picture, _even(size[0] * _DETAIL * over, size[1] * _DETAIL * over))
        planes = Planes.of(kept)

        def layer(number: int) -> Planes:
            index, share = self._shot(number)
            if len(moves) == 1:
                index, share = 0, number / max(self._count - 1, 1)
            view = moves[index].at(share, number / FRAMES_PER_SECOND)
            return planes.seen(view._replace(size=view.size / over), size)

        return layer

    def _brushed(
        self, layer: Layer, picture: Image.Image, mask: Image.Image, points: Points
    ) -> Layer:
        """Let what `mask` shows of `picture` move along `points`."""
        left, top, right, bottom = mask.getbbox() or (0, 0, 2, 2)
        box = (left // 2 * 2, top // 2 * 2, *_even(right, bottom))
        gone = [0.0, *accumulate(math.dist(*leg) for leg in pairwise(points))]
        axes = list(zip(*points, strict=True))

        def place(number: int) -> tuple[int, int]:
            # The path is done a little before the end, so that one sees where it ends.
            now = min(number / (0.94 * self._count), 1) * gone[-1]
            x, y = (np.interp(now, gone, axis) - axis[0] for axis in axes)
            return round((box[0] + x) / 2) * 2, round((box[1] + y) / 2) * 2

        return _over(layer, _still(picture.crop(box)), place, mask.crop(box))

    def _restyled(self, footage: Footage) -> Layer:
        """Show the given video, over which a new look wipes from the left."""
        scene, (width, height) = self._scene, self._size
        given = self._played(footage, self._size)
        tints = _TINTS[number_of(scene.text) % len(_TINTS)]
        looks = [
            [min(max(round(level * 1.15 - 16), 16), 235) for level in range(256)],
            *([round(90 + level * 0.3 + tint) for level in range(256)] for tint in tints),
        ]

        def layer(number: int) -> Planes:
            planes = given(number)
            right = round(width * _passed(number / self._count, 0.2, 0.5) / 2) * 2
            if not right:
                return planes
            part = planes.each(lambda plane, by: plane.crop((0, 0, right // by, height // by)))
            new = Planes(*(plane.point(look) for plane, look in zip(part, looks, strict=True)))
            return planes.pasted(new, (0, 0))

        return layer

    def _following(self, character: Image.Image, footage: Footage) -> Layer:
        """Let the character dance; the video that it is to follow is shown beside it."""
        shape = footage.poster if isinstance(footage, Clip) else footage
        side, narrowing = 220 * self._unit, (shape.width / shape.height) ** 0.5
        size = _even(side * narrowing, side / narrowing)
        dancing = self._shown(character, self._size, [DANCE])
        return self._inset(dancing, self._played(footage, size), size)

    def _played(self, clip: Footage, size: Size) -> Layer:
        """Show a clip in `size`, without the caption of another simulated video."""
        if not isinstance(clip, Clip):
            return self._shown(clip, size, [framing(self._scene.take)])
        shown = without_band(clip.poster).height / clip.poster.height
        stream = clip.frames()
        self._streams.append(stream)
        coming, now = next(stream), Planes.of(framed(clip.poster, size))

        def fitted(plane: Image.Image, by: int) -> Image.Image:
            for _ in range(clip.turns):
                plane = plane.transpose(Image.Transpose.ROTATE_90)
            part = plane.crop((0, 0, plane.width, round(plane.height * shown)))
            return framed(part, (size[0] // by, size[1] // by), dim=(0.7, 1)[by - 1])

        def layer(number: int) -> Planes:
            nonlocal coming, now
            newest = None
            while coming[0] <= number / FRAMES_PER_SECOND:
                newest, coming = coming[1], next(stream, (math.inf, coming[1]))
            if newest is not None:
                near = min(2 * max(size) / max(newest.width, newest.height), 1)
                now = Planes.of(newest, _even(newest.width * near, newest.height * near)).each(
                    fitted
                )
            return now

        return layer

    def _tiles(self, pictures: Sequence[Image.Image], moves: Sequence[Move]) -> Layer:
        """Show pictures beside each other, each through a camera of its own."""
        layer = _still(Image.new("RGB", self._size, INK))
        boxes = mosaic(self._size, len(pictures), max(2, int(3 * self._unit) * 2))
        for picture, (at, size), move in zip(pictures, boxes, moves, strict=True):
            layer = _over(layer, self._shown(picture, size, [move]), at)
        return layer

    def _with_references(self, layer: Layer) -> Layer:
        """Show elements and pictures small, beside what they are to be seen with."""
        pictures = self._scene.references
        if not pictures:
            return layer
        columns, side = min(len(pictures), 6), (140 if len(pictures) < 5 else 90) * self._unit  # noqa: PLR2004
        size = _even(columns * side, math.ceil(len(pictures) / columns) * side)
        made = Image.new("RGB", size, WHITE)
        for picture, (at, cell) in zip(pictures, mosaic(size, len(pictures), 4), strict=True):
            made.paste(framed(picture, cell), at)
        return self._inset(layer, _still(made), size)

    def _inset(self, layer: Layer, small: Layer, size: Size) -> Layer:
        at = _even(20 * self._unit, 0)[0]
        edge = Image.new("RGB", (size[0] + 8, size[1] + 8), WHITE)
        return _over(_over(layer, _still(edge), (at, at)), small, (at + 4, at + 4))

    def _with_voice(self, layer: Layer, sound: Sound) -> Layer:
        """Draw the voice as bars low in the picture."""
        width, height = _even(self._size[0] / 2, 72 * self._unit)
        loud = np.sqrt((sound.reshape(2, -1, _SAMPLES_PER_FRAME) ** 2).mean((0, 2)))
        halves = [0.0] * _BARS + list(np.sqrt(loud / max(loud.max(), 0.05)) * height / 2)
        white = Planes.of(Image.new("RGB", (width, height), WHITE))
        at = ((self._size[0] - width) // 4 * 2, _even(0, self._size[1] - 1.25 * height)[1])

        def speaking(number: int) -> Planes:
            mask, step = Image.new("L", (width, height)), width / _BARS
            draw = ImageDraw.Draw(mask)
            for n, half in enumerate(halves[number + 1 : number + 1 + _BARS]):
                up = max(half, 1)
                edges = (n * step, height / 2 - up, (n + 0.55) * step, height / 2 + up)
                draw.rounded_rectangle(edges, step / 4, fill=230)
            return layer(number).pasted(white, at, mask)

        return speaking

    def _sound(self) -> Sound | None:
        """Return what is heard, as long as the video, fading out; None where it is silent."""
        scene, samples = self._scene, self._count * _SAMPLES_PER_FRAME
        if scene.sound is None and not scene.has_chords:
            return None
        heard = _chord(scene.take, samples) if scene.sound is None else scene.sound[:, :samples]
        whole = np.pad(heard, ((0, 0), (0, samples - heard.shape[1])))
        left = np.arange(samples, 0, -1) / (_FADE_SECONDS * SOUND_RATE)
        return (whole * np.minimum(left, 1)).astype(np.float32)


def _chord(take: str, samples: int) -> Sound:
    """Return a chord whose tones swell and fade, each at another time."""
    times, sound = np.arange(samples) / SOUND_RATE, np.zeros((2, samples))
    for place, tone in enumerate(_TONES):
        swell = 0.9 * times + number_of(take) % 8 + 2.4 * place
        sound += 0.05 * np.sin(2 * np.pi * tone * times) * (1 + np.sin([swell, swell + 1]))
    return (sound * np.minimum(2 * times, 1)).astype(np.float32)


def _heard(sound: Sound, number: int) -> AudioFrame:
    """Return the part of a sound that goes with a frame."""
    begin = number * _SAMPLES_PER_FRAME
    part = np.ascontiguousarray(sound[:, begin : begin + _SAMPLES_PER_FRAME])
    frame = AudioFrame.from_ndarray(part, "fltp", "stereo")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, begin, Fraction(1, SOUND_RATE)
    return frame


def _still(picture: Image.Image) -> Layer:
    """Show an RGB picture as it is."""
    planes = Planes.of(picture)
    return lambda _: planes


def _over(
    layer: Layer, piece: Layer, at: Place | tuple[int, int], mask: Image.Image | None = None
) -> Layer:
    """Lay a piece over a layer."""
    return lambda number: layer(number).pasted(
        piece(number), at(number) if callable(at) else at, mask
    )


def _passed(share: float, begin: float, end: float) -> float:
    """Return how much of the way from `begin` to `end` is gone, from 0 to 1."""
    return min(max((share - begin) / (end - begin), 0), 1)


def _even(width: float, height: float) -> Size:
    """Round up to even sides, so that what is to be filled is filled."""
    return math.ceil(width / 2) * 2, math.ceil(height / 2) * 2
