"""From a request to a scene: how long it lasts, what is seen and heard in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from av.audio.frame import AudioFrame
from PIL import Image

from kling_ui import catalog
from kling_ui.catalog import MODELS, is_reference
from kling_ui.simulator.camera import DANCE, Move, camera
from kling_ui.simulator.input_reader import LONGEST_SOUND_SECONDS, SOUND_RATE, Clip, InputReader
from kling_ui.simulator.pictures import Size, card, without_band

FRAMES_PER_SECOND = 24
_WIDE = 16 / 9
_MAX_ASPECT = 2.5
_DRAFT_SHARE = 4
_USUAL_SECONDS, _SHORTEST_SECONDS, _LONGEST_CLIP_SECONDS = 5, 0.5, 15.0

Payload = Mapping[str, Any]


class Shot(NamedTuple):
    """One part of a storyboard: its words, and for how many frames it is seen."""

    text: str
    frames: int


class Stroke(NamedTuple):
    """A painted area and its path: points in shares of the picture, y downwards, first to last."""

    mask: Image.Image
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a video shows. `take` makes each generation of light move its way.

    `pictures` are what it is about, side by side; without any it is `clip`, or else light of the
    words' colors. `insets` are seen small, as is a clip beside pictures. Pictures are RGB, masks
    RGBA. `storyboard` holds words and seconds. A draft has a sixteenth of the pixels.
    """

    text: str
    title: str
    seconds: float
    take: str
    aspect: float = _WIDE
    is_draft: bool = False
    storyboard: tuple[tuple[str, float], ...] = ()
    pictures: tuple[Image.Image, ...] = ()
    tail: Image.Image | None = None
    insets: tuple[Image.Image, ...] = ()
    clip: Clip | None = None
    move: Move | None = None
    still_mask: Image.Image | None = None
    strokes: tuple[Stroke, ...] = ()
    sound: AudioFrame | None = None
    is_voice: bool = False
    has_chords: bool = False

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
        parts = self.storyboard or ((self.text, 1.0),)
        ends = list(accumulate((seconds for _, seconds in parts), initial=0.0))
        edges = [round(end * self.frames / ends[-1]) for end in ends]
        lengths = [max(end - start, 1) for start, end in pairwise(edges)]
        return [Shot(text, frames) for (text, _), frames in zip(parts, lengths, strict=True)]


def seconds_of(payload: Payload, reader: InputReader) -> float:
    """Return how long the video that `payload` asks for is.

    A voice or a source video decides, where the model takes no duration.
    """
    model = MODELS[payload["model"]]
    if span := catalog.output_seconds(model, payload):
        param = model.param("duration")
        return span.exact or int((param and param.initial) or _USUAL_SECONDS)
    seconds, longest = None, _LONGEST_CLIP_SECONDS
    if sound := reader.sound(payload.get("audio_url")):
        seconds, longest = sound.samples / SOUND_RATE, LONGEST_SOUND_SECONDS
    elif "video_url" in payload:
        seconds = catalog.seconds_of(reader.look_at(payload["video_url"]))
    return round(min(max(seconds or _USUAL_SECONDS, _SHORTEST_SECONDS), longest), 2)


def scene_of(
    payload: Payload, reader: InputReader, *, seconds: float, take: str, is_draft: bool
) -> Scene:
    """Turn what was asked for into what is to be seen; raise MissingInputError."""
    asked = _Asked(payload=payload, reader=reader)
    whole, references = asked.pictures("image_url"), asked.references()
    starts = tuple(map(without_band, whole))
    tails = (*asked.pictures("tail_image_url"), *asked.pictures("last_image_url"))
    clip = reader.clip(payload.get("video_url"))
    if clip is None and "video_url" in payload:
        references = (*references, card(payload["video_url"], "Video"))
    pictures = starts or (() if clip else references)
    shown = starts[0].height / whole[0].height if starts else 1.0
    still_mask, strokes = asked.mask(payload.get("static_mask"), shown), asked.strokes(shown)
    effect = payload.get("effect_scene")
    control = payload.get("camera_control") or payload.get("advanced_camera_control")
    move, words = camera(control) if control else (None, "")
    if len(starts) == 1 and (effect or clip):
        move = DANCE
    brushed = "motion brush" if strokes or still_mask else ""
    notes = (MODELS[payload["model"]].title, "effect" if effect else "", words, brushed)
    sound = asked.sound()
    return Scene(
        text=effect.replace("_", " ").capitalize() if effect else str(payload.get("prompt", "")),
        title=" · ".join(filter(None, notes)),
        seconds=seconds,
        take=take,
        aspect=asked.aspect(whole, clip),
        is_draft=is_draft,
        storyboard=tuple(map(_words_and_seconds, payload.get("multi_prompt", []))),
        pictures=pictures,
        tail=without_band(tails[0]) if tails else None,
        insets=references if starts or clip else (),
        clip=clip,
        move=move,
        still_mask=still_mask,
        strokes=strokes,
        sound=sound,
        is_voice="audio_url" in payload and sound is not None,
        has_chords=asked.is_on("generate_audio") or ("audio_url" in payload and sound is None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A payload, and the inputs that it refers to."""

    payload: Payload
    reader: InputReader

    def values(self, name: str) -> list[str]:
        """Return what was handed in as `name`, which may be one value or several."""
        value = self.payload.get(name, [])
        return value if isinstance(value, list) else [value]

    def pictures(self, name: str) -> tuple[Image.Image, ...]:
        """Return the pictures handed in as `name`."""
        return tuple(map(self.reader.picture, self.values(name)))

    def references(self) -> tuple[Image.Image, ...]:
        """Return all pictures of elements, the first frames of their videos, other pictures."""
        elements = self.payload.get("elements", [])
        seen = (*(each for part in elements for each in self._element(part)),)
        return tuple(map(without_band, seen + self.pictures("image_list")))

    def _element(self, part: Mapping[str, Any]) -> Iterator[Image.Image]:
        yield from map(self.reader.picture, filter(None, [part.get("frontal_image_url")]))
        yield from map(self.reader.picture, part["reference_image_urls"])
        if video := part.get("video_url"):
            clip = self.reader.clip(video)
            yield clip.poster if clip else card(video, "Video")

    def mask(self, value: str | None, shown: float) -> Image.Image | None:
        """Return the part of a mask that lies over what is `shown` of the picture's height."""
        if value is None or not is_reference(value):
            return None
        mask = self.reader.picture(value, "RGBA")
        return mask.crop((0, 0, mask.width, round(mask.height * shown)))

    def strokes(self, shown: float) -> tuple[Stroke, ...]:
        """Return what was painted with the motion brush."""
        strokes = []
        for part in self.payload.get("dynamic_masks", []):
            if (mask := self.mask(part["mask"], shown)) is None:
                continue
            width, height = self.reader.size(part["mask"])
            # The provider's points have their origin at the bottom left.
            points = ((p["x"] / width, (1 - p["y"] / height) / shown) for p in part["trajectories"])
            strokes.append(Stroke(mask, tuple(points)))
        return tuple(strokes)

    def sound(self) -> AudioFrame | None:
        """Return the voice or the source's own sound, as far as it can be heard here."""
        source = self.payload.get("video_url") if self.is_on("keep_audio") else None
        return self.reader.sound(self.payload.get("audio_url", source))

    def aspect(self, starts: tuple[Image.Image, ...], clip: Clip | None) -> float:
        """Return width by height: an input's, or the one that was asked for."""
        has_ratio = MODELS[self.payload["model"]].param("aspect_ratio") is not None
        is_like_image = self.payload.get("character_orientation") == "image"
        if clip and not has_ratio and not (starts and is_like_image):
            return clip.poster.width / clip.poster.height
        if len(starts) == 1 and is_reference(self.values("image_url")[0]):
            return starts[0].width / starts[0].height
        return float(Fraction(self.payload.get("aspect_ratio", "16:9").replace(":", "/")))

    def is_on(self, name: str) -> bool:
        """Tell whether the flag `name` is set, by hand or by default."""
        param = MODELS[self.payload["model"]].param(name)
        return bool(param and self.payload.get(name, param.default))


def _words_and_seconds(shot: Any) -> tuple[str, float]:
    if isinstance(shot, dict):
        return shot["prompt"], shot.get("duration", _USUAL_SECONDS)
    return shot, 1.0
