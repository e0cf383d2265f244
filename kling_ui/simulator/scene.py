"""From a request to a scene: how long it lasts, how the camera moves, what is seen and heard."""

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from PIL import Image

from kling_ui.catalog import MODELS, is_reference, output_seconds
from kling_ui.simulator.input_reader import (
    SOUND_RATE,
    BrokenInputError,
    Clip,
    InputReader,
    Sound,
    clip_of,
    sound_of,
    upright,
    upright_size,
)
from kling_ui.simulator.pictures import Size, View, without_band

FRAMES_PER_SECOND = 24
_USUAL_SECONDS, _SHORTEST_SECONDS = 5, 0.5
_SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (864, 864)}
_MAX_ASPECT = 2.5
_DRAFT_SHARE = 4
_MAX_AMOUNT = 10
"""The largest number a camera axis takes, either way."""

Payload = Mapping[str, Any]
Footage = Clip | Image.Image
"""A video, or the card that stands for one."""


@dataclass(frozen=True, slots=True)
class Move:
    """A movement from `start` to `end` that sets off and arrives gently; `sways` as dances do."""

    start: View
    end: View
    sways: bool = False

    def at(self, share: float, seconds: float = 0) -> View:
        """Return the view after `share` (0 to 1) of the time, or so many `seconds` of a dance."""
        eased = 0.35 * share + 0.325 * (1 - math.cos(math.pi * share))
        x, y, size, turn = (a + (b - a) * eased for a, b in zip(self.start, self.end, strict=True))
        beat = math.sin(3.4 * seconds) if self.sways else 0
        return View(x + 0.025 * beat, y, size / (1 + 0.07 * abs(beat)), turn)


STILL = Move(View(), View())
DANCE = Move(View(size=0.95), View(size=0.86), sways=True)
MEETING = (
    Move(View(x=0.56, size=0.88), View(x=0.46, size=0.84)),
    Move(View(x=0.44, size=0.88), View(x=0.54, size=0.84)),
)
"""Two people side by side who come closer to each other."""
_PRESETS = {
    "down_back": Move(View(y=0.36, size=0.66), View(y=0.54, size=0.9)),
    "forward_up": Move(View(y=0.54, size=0.92), View(y=0.38, size=0.62)),
    "right_turn_forward": Move(View(x=0.42, size=0.84), View(x=0.64, size=0.62)),
    "left_turn_forward": Move(View(x=0.58, size=0.84), View(x=0.36, size=0.62)),
}


def framing(take: str, number: int = 0) -> Move:
    """Look at another part for each `number` of shot, by chance; the first begins with all of it.

    The first comes closer, a little to one side.
    """
    chance = random.Random(f"{take} {number}")  # noqa: S311  no secret
    if number == 0:
        x = 0.5 + chance.choice((-1, 1)) * chance.uniform(0.028, 0.063)
        return Move(View(), View(x, 0.5 - chance.uniform(0, 0.056), 0.86))
    size = chance.uniform(0.58, 0.72)
    shift = (1 - size) / 2 * (1 if number % 2 else -1)
    y = 0.5 + chance.uniform(-0.7, 0.2) * abs(shift)
    end = View(0.5 + shift * 0.2, y, size * chance.choice((0.88, 1.12)))
    return Move(View(0.5 + shift * 0.8, y, size), end)


def camera(control: str | Mapping[str, Any]) -> Move:
    """Return the movement that a camera control asks for, in any of the provider's forms.

    `control` is a preset's name, `{"type", "config"}` or `{"movement_type", "movement_value"}`.
    """
    axis, amount = _asked(control)
    if axis in _PRESETS:
        return _PRESETS[axis]
    if amount == 0:
        return Move(View(size=0.9), View(size=0.9))
    far = math.copysign(0.3 + 0.7 * abs(amount) / _MAX_AMOUNT, amount)
    shift = far * 0.11
    match axis:
        case "horizontal" | "pan":
            return Move(View(x=0.5 - shift, size=0.78), View(x=0.5 + shift, size=0.78))
        case "vertical" | "tilt":
            # Up is where the picture's y is small.
            return Move(View(y=0.5 + shift, size=0.78), View(y=0.5 - shift, size=0.78))
        case "roll":
            return Move(View(), View(turn=far * math.radians(28)))
    wide, near = View(), View(size=1 - 0.5 * abs(far))
    return Move(wide, near) if far < 0 else Move(near, wide)


def camera_words(control: str | Mapping[str, Any]) -> str:
    """Say in a few words which movement `control` asks for."""
    axis, amount = _asked(control)
    return f"camera {axis.replace('_', ' ')}" + (f" {amount:+g}" if amount else "")


def _asked(control: str | Mapping[str, Any]) -> tuple[str, float]:
    """Return an axis and its amount, or a preset and 0."""
    if isinstance(control, str):
        return control, 0
    if "movement_type" in control:
        return control["movement_type"], control["movement_value"]
    moved = [(axis, value) for axis, value in (control.get("config") or {}).items() if value]
    return moved[0] if moved else (str(control.get("type")), 0)


class Shot(NamedTuple):
    """One part of a storyboard: what happens from frame `start` on, for `frames`."""

    text: str
    start: int
    frames: int


class Stroke(NamedTuple):
    """A painted area and its path: points in shares of the picture, y downwards."""

    mask: Image.Image
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a video shows. `take` makes each generation move its way.

    `start` is the picture a video begins with, a portrait or a character; `pair` the second
    person of an effect. Pictures are RGB, masks RGBA. `aspect` is width by height where an input
    decides it; an unknown `aspect_ratio` is 16:9. `storyboard` holds words and seconds. A voice
    is heard and drawn. A draft has a sixteenth of the pixels.
    """

    text: str
    title: str
    seconds: float
    aspect_ratio: str
    take: str
    is_draft: bool = False
    aspect: float | None = None
    storyboard: tuple[tuple[str, float], ...] = ()
    start: Image.Image | None = None
    pair: Image.Image | None = None
    tail: Image.Image | None = None
    references: tuple[Image.Image, ...] = ()
    footage: Footage | None = None
    move: Move | None = None
    strokes: tuple[Stroke, ...] = ()
    sound: Sound | None = None
    is_voice: bool = False
    has_chords: bool = False

    @property
    def size(self) -> Size:
        """Width and height in pixels, both even."""
        share = _DRAFT_SHARE if self.is_draft else 1
        if self.aspect is None:
            width, height = _SIZES.get(self.aspect_ratio, _SIZES["16:9"])
            return width // share, height // share
        aspect = min(max(self.aspect, 1 / _MAX_ASPECT), _MAX_ASPECT)
        height = round((1280 * 720 / aspect) ** 0.5 / share / 2) * 2
        return round(height * aspect / 2) * 2, height

    @property
    def frames(self) -> int:
        """How many pictures it has."""
        return max(1, round(self.seconds * FRAMES_PER_SECOND))

    @property
    def shots(self) -> list[Shot]:
        """The parts of the storyboard, or the whole as one; each has a frame at least."""
        parts = self.storyboard[: self.frames] or ((self.text, 1.0),)
        whole = sum(seconds for _, seconds in parts)
        ends = [round(end * self.frames / whole) for end in accumulate(s for _, s in parts)]
        return [
            Shot(text, start, max(end - start, 1))
            for (text, _), start, end in zip(parts, [0, *ends], ends, strict=False)
        ]


def seconds_of(payload: Payload, reader: InputReader) -> float:
    """Return how long the video that `payload` asks for is.

    A voice or a source video decides, where the model takes no duration; what is broken lasts as
    long as usual, until it is found to be so.
    """
    model = MODELS[payload["model"]]
    if span := output_seconds(model, payload):
        param = model.param("duration")
        return span.exact or int((param and param.initial) or _USUAL_SECONDS)
    seconds: float = _USUAL_SECONDS
    with suppress(BrokenInputError):
        heard = reader.read(payload.get("audio_url"), "audio_url", sound_of)
        if heard is not None:
            seconds = max(heard.shape[1] / SOUND_RATE, _SHORTEST_SECONDS)
        elif clip := reader.read(payload.get("video_url"), "video_url", clip_of):
            seconds = clip.seconds
    rounded = round(float(seconds), 2)
    return int(rounded) if rounded.is_integer() else rounded


def scene_of(
    payload: Payload, reader: InputReader, *, seconds: float, take: str, is_draft: bool
) -> Scene:
    """Turn what was asked for into what is to be seen; raise BrokenInputError naming the input."""
    asked = _Asked(payload, reader)
    effect = payload.get("effect_scene")
    control = payload.get("camera_control") or payload.get("advanced_camera_control")
    start, pair = (*asked.pictures("image_url"), None, None)[:2]
    tail = (*asked.pictures("tail_image_url"), *asked.pictures("last_image_url"), None)[0]
    strokes = tuple(asked.painted(start)) if start else ()
    notes = ("effect" if effect else "", camera_words(control) if control else "")
    brushed = "motion brush" if strokes else ""
    footage, sound = asked.footage("video_url", payload.get("video_url")), asked.sound()
    has_voice = "audio_url" in payload
    return Scene(
        text=effect.replace("_", " ").capitalize() if effect else str(payload.get("prompt", "")),
        title=" · ".join(filter(None, (MODELS[payload["model"]].title, *notes, brushed))),
        seconds=seconds,
        aspect_ratio=str(payload.get("aspect_ratio") or "16:9"),
        take=take,
        is_draft=is_draft,
        aspect=None if pair else asked.aspect(footage),
        storyboard=tuple(map(_words_and_seconds, payload.get("multi_prompt", []))),
        start=start,
        pair=pair,
        tail=tail,
        references=(*asked.elements(), *asked.pictures("image_list")),
        footage=footage,
        move=camera(control) if control else DANCE if effect else None,
        strokes=strokes,
        sound=sound,
        is_voice=has_voice and sound is not None,
        has_chords=asked.is_on("generate_audio") or (has_voice and sound is None),
    )


class _Asked(NamedTuple):
    """A payload, and the inputs that it refers to."""

    payload: Payload
    reader: InputReader

    def pictures(self, name: str) -> Iterator[Image.Image]:
        """Yield the pictures handed in as `name`."""
        value = self.payload.get(name, [])
        for each in value if isinstance(value, list) else [value]:
            yield self.reader.picture(each, name)

    def elements(self) -> Iterator[Image.Image]:
        """Yield all pictures of persons and things, and the first frame of their videos."""
        for part in self.payload.get("elements", []):
            for each in (part.get("frontal_image_url"), *part["reference_image_urls"]):
                if each:
                    yield self.reader.picture(each, "elements")
            if video := self.footage("elements", part.get("video_url")):
                yield without_band(video.poster) if isinstance(video, Clip) else video

    def footage(self, name: str, value: str | None) -> Footage | None:
        """Return the video that was handed in, or a card for one at an address."""
        clip = self.reader.read(value, name, clip_of)
        return clip or (self.reader.picture(value, name, "video") if value else None)

    def painted(self, start: Image.Image) -> Iterator[Stroke]:
        """Yield what was painted over the start image; what is to stay there goes nowhere."""
        width, height = self._start_size() or start.size
        # The caption of another simulated video has been cut off.
        shown = min(start.height * width / (start.width * height), 1.0)
        parts = [("dynamic_masks", part) for part in self.payload.get("dynamic_masks", [])]
        if still := self.payload.get("static_mask"):
            parts.append(("static_mask", {"mask": still, "trajectories": [{"x": 0, "y": 0}]}))
        for name, part in parts:
            if mask := self.reader.read(part["mask"], name, upright):
                # The provider's points have their origin at the bottom left.
                path = [
                    (p["x"] / width, (1 - p["y"] / height) / shown) for p in part["trajectories"]
                ]
                yield Stroke(mask.crop((0, 0, mask.width, round(mask.height * shown))), path)

    def sound(self) -> Sound | None:
        """Return the voice or the source's own sound, as far as it can be heard here."""
        audio = self.payload.get("audio_url")
        voice = self.reader.read(audio, "audio_url", sound_of)
        if voice is None and is_reference(audio):
            raise BrokenInputError("audio_url: there is no sound in it")
        if voice is not None or not self.is_on("keep_audio"):
            return voice
        return self.reader.read(self.payload.get("video_url"), "video_url", sound_of)

    def aspect(self, footage: Footage | None) -> float | None:
        """Return the shape where an input decides it."""
        faces_like_video = self.payload.get("character_orientation", "video") == "video"
        if isinstance(footage, Clip) and ("image_url" not in self.payload or faces_like_video):
            has_ratio = MODELS[self.payload["model"]].param("aspect_ratio") is not None
            return None if has_ratio else footage.poster.width / footage.poster.height
        size = self._start_size()
        return size and size[0] / size[1]

    def is_on(self, name: str) -> bool:
        """Tell whether the flag `name` is set, by hand or by default."""
        param = MODELS[self.payload["model"]].param(name)
        return bool(param and self.payload.get(name, param.default))

    def _start_size(self) -> Size | None:
        value = self.payload.get("image_url")
        first = value[0] if isinstance(value, list) else value
        return self.reader.read(first, "image_url", upright_size)


def _words_and_seconds(shot: Any) -> tuple[str, float]:
    if isinstance(shot, dict):
        return shot["prompt"], shot.get("duration", _USUAL_SECONDS)
    return shot, 1.0
