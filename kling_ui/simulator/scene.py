"""From a request to a scene: how long it lasts, what is seen and heard, how the camera moves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

from PIL import Image

from kling_ui import catalog
from kling_ui.catalog import MODELS, Model, is_reference
from kling_ui.simulator.input_reader import (
    LONGEST_SOUND_SECONDS,
    SOUND_RATE,
    Clip,
    InputReader,
    Sound,
)
from kling_ui.simulator.light import chords
from kling_ui.simulator.stills import Size, card, without_band

FRAMES_PER_SECOND = 24
_MAX_ASPECT = 2.5
_DRAFT_SHARE = 4
_USUAL_SECONDS, _SHORTEST_SECONDS, _LONGEST_CLIP_SECONDS = 5, 0.5, 15.0
_MAX_AMOUNT = 10
"""The largest number a camera axis takes, either way."""

Payload = Mapping[str, Any]


class View(NamedTuple):
    """A part of a picture: its middle and its size in shares of the picture.

    `turn` is the camera's, in radians, clockwise: what it sees then leans the other way.
    """

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0
    turn: float = 0.0


class Move(NamedTuple):
    """A camera movement from `start` to `end`; `sways` as dances do."""

    start: View = View()
    end: View = View()
    sways: bool = False


_APPROACH = Move(end=View(y=0.48, size=0.9))
"""Begins with the whole picture and comes closer."""
_DANCE = Move(start=View(size=0.95), end=View(size=0.86), sways=True)
_FRAMINGS = (
    _APPROACH,
    Move(start=View(x=0.36, y=0.42, size=0.66), end=View(x=0.44, y=0.42, size=0.6)),
    Move(start=View(x=0.62, y=0.45, size=0.6), end=View(x=0.56, y=0.47, size=0.7)),
)
"""What the shots of a storyboard look at, in turn."""
_PRESETS = {
    "down_back": Move(start=View(y=0.36, size=0.66), end=View(y=0.54, size=0.9)),
    "forward_up": Move(start=View(y=0.54, size=0.92), end=View(y=0.38, size=0.62)),
    "right_turn_forward": Move(start=View(x=0.42, size=0.84), end=View(x=0.64, size=0.62)),
    "left_turn_forward": Move(start=View(x=0.58, size=0.84), end=View(x=0.36, size=0.62)),
}


class Shot(NamedTuple):
    """One part of a storyboard: its words, for how many frames it is seen, and the camera's move.

    Without a move, light fills the frame as it is; `take` decides how that light moves.
    """

    text: str
    title: str
    take: str
    frames: int
    move: Move | None


class Stroke(NamedTuple):
    """A painted area and its path: points in shares of the picture, y downwards, first to last."""

    mask: Image.Image
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a video shows. `take` makes each generation of light move its way.

    `pictures` are what it is about, side by side; without any it is `clip`, or else light of the
    words' colors. `insets` are seen small, as is a clip beside pictures; a voice is seen as waves.
    Pictures are RGB, masks RGBA. `storyboard` holds words and seconds. A draft has a sixteenth of
    the pixels.
    """

    text: str
    title: str
    seconds: float
    take: str
    aspect: float = 16 / 9
    is_draft: bool = False
    storyboard: tuple[tuple[str, float], ...] = ()
    pictures: tuple[Image.Image, ...] = ()
    tail: Image.Image | None = None
    insets: tuple[Image.Image, ...] = ()
    clip: Clip | None = None
    move: Move | None = None
    still_mask: Image.Image | None = None
    strokes: tuple[Stroke, ...] = ()
    sound: Sound | None = None
    is_voice: bool = False

    @property
    def size(self) -> Size:
        """Width and height in pixels, both even: the area of 1280 × 720."""
        aspect = min(max(self.aspect, 1 / _MAX_ASPECT), _MAX_ASPECT)
        height = (1280 * 720 / aspect) ** 0.5 / (_DRAFT_SHARE if self.is_draft else 1)
        return round(height * aspect / 2) * 2, round(height / 2) * 2

    @property
    def frames(self) -> int:
        """How many pictures it has."""
        return max(1, round(self.seconds * FRAMES_PER_SECOND))

    @property
    def shots(self) -> list[Shot]:
        """The parts of the storyboard, or the whole as one."""
        move = self.move or (_APPROACH if self.pictures else None)
        parts = self.storyboard or ((self.text, 1.0),)
        count = len(parts)
        moves = _FRAMINGS if self.pictures and count > 1 else (move,)
        ends = list(accumulate((seconds for _, seconds in parts), initial=0.0))
        edges = [round(end * self.frames / ends[-1]) for end in ends]
        return [
            Shot(
                text=text,
                title=f"{self.title} · shot {number + 1} of {count}" if count > 1 else self.title,
                take=f"{self.take} {number}",
                frames=max(edges[number + 1] - edges[number], 1),
                move=moves[number % len(moves)],
            )
            for number, (text, _) in enumerate(parts)
        ]


def camera(control: str | Mapping[str, Any]) -> tuple[Move, str]:
    """Return the movement that a camera control asks for, and a few words that say which.

    `control` is a preset's name, `{"type", "config"}` or `{"movement_type", "movement_value"}`.
    """
    axis, amount = _axis_and_amount(control)
    words = f"camera {axis.replace('_', ' ')}" + (f" {amount:+g}" if amount else "")
    if axis in _PRESETS:
        return _PRESETS[axis], words
    # The root lets one see small amounts as well.
    far = math.copysign((abs(amount) / _MAX_AMOUNT) ** 0.5, amount)
    shift, near = 0.11 * far, View(size=1 - 0.5 * abs(far))
    across = Move(start=View(x=0.5 - shift, size=0.78), end=View(x=0.5 + shift, size=0.78))
    # Up is where the picture's y is small.
    down = Move(start=View(y=0.5 + shift, size=0.78), end=View(y=0.5 - shift, size=0.78))
    zoom = Move(end=near) if far < 0 else Move(start=near)
    roll = Move(end=View(turn=far * math.radians(28)))
    moves = {"horizontal": across, "pan": across, "vertical": down, "tilt": down, "roll": roll}
    return moves.get(axis, zoom), words


def _axis_and_amount(control: str | Mapping[str, Any]) -> tuple[str, float]:
    """Return an axis and its amount, or a preset and 0."""
    if isinstance(control, str):
        return control, 0
    if "movement_type" in control:
        return control["movement_type"], control["movement_value"]
    moved = [(axis, value) for axis, value in (control.get("config") or {}).items() if value]
    return moved[0] if moved else (control["type"], 0)


def seconds_of(payload: Payload, reader: InputReader) -> float:
    """Return how long the video that `payload` asks for is.

    A voice or a source video decides, where the model takes no duration.
    """
    model = MODELS[payload["model"]]
    if span := catalog.output_seconds(model, payload):
        param = model.param("duration")
        return span.exact or int((param and param.initial) or _USUAL_SECONDS)
    seconds, longest = None, _LONGEST_CLIP_SECONDS
    if (voice := reader.sound(payload.get("audio_url"))) is not None:
        seconds, longest = voice.shape[1] / SOUND_RATE, LONGEST_SOUND_SECONDS
    elif "video_url" in payload:
        seconds = catalog.seconds_of(reader.inputs.look_at(payload["video_url"]))
    return round(min(max(seconds or _USUAL_SECONDS, _SHORTEST_SECONDS), longest), 2)


def scene_of(
    payload: Payload, reader: InputReader, *, seconds: float, take: str, is_draft: bool
) -> Scene:
    """Turn what was asked for into what is to be seen; raise MissingInputError."""
    asked = _Asked(payload=payload, reader=reader, model=MODELS[payload["model"]])
    whole, references = asked.pictures("image_url"), asked.references()
    starts = tuple(map(without_band, whole))
    tails = (*asked.pictures("tail_image_url"), *asked.pictures("last_image_url"))
    clip = reader.clip(payload.get("video_url"))
    if clip is None and "video_url" in payload:
        references = (*references, card(payload["video_url"], "Video"))
    shown = starts[0].height / whole[0].height if starts else 1.0
    still_mask, strokes = asked.mask(payload.get("static_mask"), shown), asked.strokes(shown)
    effect = payload.get("effect_scene")
    control = payload.get("camera_control") or payload.get("advanced_camera_control")
    move, words = camera(control) if control else (None, "")
    if len(starts) == 1 and (effect or clip):
        move = _DANCE
    brushed = "motion brush" if strokes or still_mask else ""
    sound = asked.sound()
    is_voice = "audio_url" in payload and sound is not None
    if sound is None and ("audio_url" in payload or asked.is_on("generate_audio")):
        sound = chords(seconds, SOUND_RATE)
    return Scene(
        text=effect.replace("_", " ").capitalize() if effect else str(payload.get("prompt", "")),
        title=" · ".join(filter(None, (asked.model.title, effect and "effect", words, brushed))),
        seconds=seconds,
        take=take,
        aspect=asked.aspect(whole, clip),
        is_draft=is_draft,
        storyboard=tuple(map(_words_and_seconds, payload.get("multi_prompt", []))),
        pictures=starts or (() if clip else references),
        tail=without_band(tails[0]) if tails else None,
        insets=references if starts or clip else (),
        clip=clip,
        move=move,
        still_mask=still_mask,
        strokes=strokes,
        sound=sound,
        is_voice=is_voice,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A payload, the model it is for, and the inputs that it refers to."""

    payload: Payload
    reader: InputReader
    model: Model

    def values(self, name: str) -> list[str]:
        value = self.payload.get(name, [])
        return value if isinstance(value, list) else [value]

    def pictures(self, name: str) -> tuple[Image.Image, ...]:
        return tuple(map(self.reader.picture, self.values(name)))

    def references(self) -> tuple[Image.Image, ...]:
        """Return all pictures of elements, the first frames of their videos, other pictures."""
        seen: list[Image.Image] = []
        for part in self.payload.get("elements", []):
            shown = [part.get("frontal_image_url"), *part["reference_image_urls"]]
            seen += map(self.reader.picture, filter(None, shown))
            if video := part.get("video_url"):
                clip = self.reader.clip(video)
                seen.append(clip.poster if clip else card(video, "Video"))
        return tuple(map(without_band, (*seen, *self.pictures("image_list"))))

    def mask(self, value: str | None, shown: float) -> Image.Image | None:
        """Return the part of a mask that lies over what is `shown` of the picture's height."""
        if not is_reference(value):
            return None
        mask = self.reader.picture(str(value), "RGBA")
        return mask.crop((0, 0, mask.width, round(mask.height * shown)))

    def strokes(self, shown: float) -> tuple[Stroke, ...]:
        strokes = []
        for part in self.payload.get("dynamic_masks", []):
            if (mask := self.mask(part["mask"], shown)) is None:
                continue
            width, height = self.reader.size(part["mask"])
            # The provider's points have their origin at the bottom left.
            points = ((p["x"] / width, (1 - p["y"] / height) / shown) for p in part["trajectories"])
            strokes.append(Stroke(mask, tuple(points)))
        return tuple(strokes)

    def sound(self) -> Sound | None:
        """Return the voice or the source's own sound, as far as it can be heard here."""
        source = self.payload.get("video_url") if self.is_on("keep_audio") else None
        return self.reader.sound(self.payload.get("audio_url", source))

    def aspect(self, starts: tuple[Image.Image, ...], clip: Clip | None) -> float:
        """Return width by height: an input's, or the one that was asked for."""
        has_ratio = self.model.param("aspect_ratio") is not None
        is_like_image = self.payload.get("character_orientation") == "image"
        if clip and not has_ratio and not (starts and is_like_image):
            return clip.poster.width / clip.poster.height
        if len(starts) == 1 and is_reference(self.values("image_url")[0]):
            return starts[0].width / starts[0].height
        return float(Fraction(self.payload.get("aspect_ratio", "16:9").replace(":", "/")))

    def is_on(self, name: str) -> bool:
        """Tell whether the flag `name` is set, by hand or by default."""
        param = self.model.param(name)
        return bool(param and self.payload.get(name, param.default))


def _words_and_seconds(shot: Any) -> tuple[str, float]:
    if isinstance(shot, dict):
        return shot["prompt"], shot.get("duration", _USUAL_SECONDS)
    return shot, 1.0
