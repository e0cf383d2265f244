"""From a request to a scene: how long it lasts, what is seen and heard in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from av.audio.frame import AudioFrame
from PIL import Image

from kling_ui.catalog import MODELS, output_seconds
from kling_ui.simulator.camera import Move, camera, camera_words
from kling_ui.simulator.input_reader import (
    LONGEST_SOUND_SECONDS,
    SOUND_RATE,
    BrokenInputError,
    Clip,
    InputReader,
    clip_of,
    sound_of,
    upright,
    upright_size,
)
from kling_ui.simulator.pictures import Size, without_band

FRAMES_PER_SECOND = 24
_SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (864, 864)}
_MAX_ASPECT = 2.5
_DRAFT_SHARE = 4
_USUAL_SECONDS, _SHORTEST_SECONDS = 5, 0.5
_UNSEEN_SIZE = (1280, 720)
"""How large a start image is taken to be that lies at an address."""

Payload = Mapping[str, Any]
Footage = Clip | Image.Image
"""A video, or the card that stands for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One part of a storyboard: what happens from frame `start` on, for `frames`."""

    text: str
    start: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A painted area and its path: points in shares of the picture, y downwards, first to last."""

    mask: Image.Image
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a video shows. `take` makes each generation move its way.

    `start` is the picture a video begins with, a portrait or a character; `pair` the second
    person of an effect. Each of `references` is one picture, or all those of an element.
    Pictures are RGB, masks RGBA. `aspect` is width by height where an input decides it; an
    unknown `aspect_ratio` is 16:9. `storyboard` holds words and seconds. A voice is heard and
    drawn. A draft has a sixteenth of the pixels.
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
    references: tuple[tuple[Image.Image, ...], ...] = ()
    footage: Footage | None = None
    move: Move | None = None
    still_mask: Image.Image | None = None
    strokes: tuple[Stroke, ...] = ()
    is_effect: bool = False
    sound: tuple[AudioFrame, ...] = ()
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
            Shot(text=text, start=start, frames=max(end - start, 1))
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
    try:
        if heard := reader.read(payload.get("audio_url"), "audio_url", sound_of):
            seconds = sum(frame.samples for frame in heard) / SOUND_RATE
            return _tidy(min(max(seconds, _SHORTEST_SECONDS), LONGEST_SOUND_SECONDS))
        clip = reader.read(payload.get("video_url"), "video_url", clip_of)
    except BrokenInputError:
        return _USUAL_SECONDS
    return _tidy(clip.seconds) if clip else _USUAL_SECONDS


def scene_of(
    payload: Payload, reader: InputReader, *, seconds: float, take: str, is_draft: bool
) -> Scene:
    """Turn what was asked for into what is to be seen; raise BrokenInputError naming the input."""
    asked = _Asked(payload=payload, reader=reader)
    effect = payload.get("effect_scene")
    control = payload.get("camera_control") or payload.get("advanced_camera_control")
    start, pair = (*asked.pictures("image_url"), None, None)[:2]
    tail = (*asked.pictures("tail_image_url"), *asked.pictures("last_image_url"), None)[0]
    still_mask = asked.mask("static_mask", payload.get("static_mask"), start)
    strokes = tuple(asked.strokes(start)) if start else ()
    notes = ("effect" if effect else "", camera_words(control) if control else "")
    brushed = "motion brush" if strokes or still_mask else ""
    elements = map(asked.element, payload.get("elements", []))
    footage, sound = asked.footage("video_url", payload.get("video_url")), asked.sound()
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
        references=(*elements, *((picture,) for picture in asked.pictures("image_list"))),
        footage=footage,
        move=camera(control) if control else None,
        still_mask=still_mask,
        strokes=strokes,
        is_effect=effect is not None,
        sound=sound,
        is_voice="audio_url" in payload and bool(sound),
        has_chords=asked.is_on("generate_audio") or ("audio_url" in payload and not sound),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A payload, and the inputs that it refers to."""

    payload: Payload
    reader: InputReader

    def pictures(self, name: str) -> tuple[Image.Image, ...]:
        """Return the pictures handed in as `name`, without captions of other simulated videos."""
        value = self.payload.get(name, [])
        listed = value if isinstance(value, list) else [value]
        return tuple(without_band(self.reader.picture(each, name)) for each in listed)

    def element(self, part: Mapping[str, Any]) -> tuple[Image.Image, ...]:
        """Return all pictures of a person or thing, and the first frame of its video."""
        listed = filter(None, (part.get("frontal_image_url"), *part["reference_image_urls"]))
        pictures = [self.reader.picture(each, "elements") for each in listed]
        video = self.footage("elements", part.get("video_url"))
        seen = video.poster if isinstance(video, Clip) else video
        return (*pictures, seen) if seen else tuple(pictures)

    def footage(self, name: str, value: str | None) -> Footage | None:
        """Return the video that was handed in, or a card for one at an address."""
        clip = self.reader.read(value, name, clip_of)
        return clip or (self.reader.picture(value, name, "video") if value else None)

    def mask(self, name: str, value: str | None, start: Image.Image | None) -> Image.Image | None:
        """Return a mask of what `start` shows of the start image."""
        mask = self.reader.read(value, name, upright)
        if mask is None or start is None:
            return None
        return mask.crop((0, 0, mask.width, round(mask.height * self._shown(start))))

    def strokes(self, start: Image.Image) -> Iterator[Stroke]:
        """Yield what was painted with the motion brush."""
        width, height = self._start_size() or _UNSEEN_SIZE
        shown = height * self._shown(start)
        for part in self.payload.get("dynamic_masks", []):
            mask = self.mask("dynamic_masks", part["mask"], start)
            # The provider's points have their origin at the bottom left.
            points = [(p["x"] / width, (height - p["y"]) / shown) for p in part["trajectories"]]
            if mask is not None:
                yield Stroke(mask=mask, points=tuple(points))

    def sound(self) -> tuple[AudioFrame, ...]:
        """Return the voice or the source's own sound, as far as it can be heard here."""
        voice = self.reader.read(self.payload.get("audio_url"), "audio_url", sound_of)
        if voice == []:
            raise BrokenInputError("audio_url: there is no sound in it")
        if voice or not self.is_on("keep_audio"):
            return tuple(voice or ())
        return tuple(self.reader.read(self.payload.get("video_url"), "video_url", sound_of) or ())

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

    def _shown(self, start: Image.Image) -> float:
        """Return which share of the start image's height is left without a caption."""
        width, height = self._start_size() or start.size
        return min(start.height * width / (start.width * height), 1.0)

    def _start_size(self) -> Size | None:
        value = self.payload.get("image_url")
        first = value[0] if isinstance(value, list) else value
        return self.reader.read(first, "image_url", upright_size)


def _words_and_seconds(shot: Any) -> tuple[str, float]:
    if isinstance(shot, dict):
        return shot["prompt"], shot.get("duration", _USUAL_SECONDS)
    return shot, 1.0


def _tidy(seconds: float) -> float:
    """Return seconds as an answer tells them; whole ones are whole numbers."""
    rounded = round(seconds, 2)
    return int(rounded) if rounded.is_integer() else rounded
