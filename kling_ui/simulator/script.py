"""From a request to a scene: how long it lasts, what is seen and heard in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from PIL import Image

from kling_ui.catalog import MODELS
from kling_ui.simulator.brush import Stroke
from kling_ui.simulator.inputs import Inputs
from kling_ui.simulator.reels import LONGEST_SECONDS, BrokenInputError, Clip, poster
from kling_ui.simulator.scene import FRAMES_PER_SECOND, Footage, Given, Scene, Shot
from kling_ui.simulator.sounds import Sound, chord, length_of, loudness, sound_in
from kling_ui.simulator.views import camera_words

_USUAL_SECONDS = 5
_UNSEEN_SIZE = (1280, 720)
"""How large a start image is taken to be that lies at an address and has no mask."""

Payload = Mapping[str, Any]


def seconds_of(payload: Payload, inputs: Inputs) -> float:
    """Return how long the video that `payload` asks for is.

    A voice or a source video decides, where there is one and the model takes no duration; what
    is broken lasts as long as usual, until it is found to be so.
    """
    model = MODELS[payload["model"]]
    try:
        if voice := inputs.file(payload.get("audio_url", "")):
            return _tidy(length_of(sound_in(voice)))
        if model.param("duration") is None and "video_url" in payload:
            clip = inputs.clip(payload["video_url"], "video_url")
            return _tidy(clip.seconds) if clip else _USUAL_SECONDS
    except BrokenInputError:
        return _USUAL_SECONDS
    param = model.param("duration")
    timed = [shot for shot in payload.get("multi_prompt", []) if isinstance(shot, dict)]
    if timed and "duration" not in payload:
        return min(sum(map(_shot_seconds, timed)), LONGEST_SECONDS)
    return int(payload.get("duration") or (param.initial if param else None) or _USUAL_SECONDS)


def scene_of(
    payload: Payload, inputs: Inputs, *, seconds: float, take: str, is_draft: bool
) -> Scene:
    """Turn what was asked for into what is to be seen; raise BrokenInputError naming the input."""
    reader = _Reader(payload=payload, inputs=inputs)
    sound = reader.sound(seconds, take)
    given = reader.given(sound)
    effect = payload.get("effect_scene")
    notes = [effect and "effect", given.camera and camera_words(given.camera)]
    notes += [(given.strokes or given.still_mask) and "motion brush"]
    title = " · ".join([MODELS[payload["model"]].title, *(note for note in notes if note)])
    shots = _shots(payload.get("multi_prompt", []), seconds)
    text = _readable(effect) if effect else str(payload.get("prompt", ""))
    return Scene(
        text=text or (shots[0].text if shots else ""),
        title=title,
        seconds=seconds,
        aspect_ratio=str(payload.get("aspect_ratio") or "16:9"),
        take=take,
        is_draft=is_draft,
        aspect=reader.aspect(given),
        shots=shots,
        given=given,
        sound=sound,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the inputs that a payload refers to."""

    payload: Payload
    inputs: Inputs

    def given(self, sound: Sound | None) -> Given:
        payload = self.payload
        first, *others = self._pictures("image_url") or (None,)
        has_voice = "audio_url" in payload and sound is not None
        camera = payload.get("camera_control") or payload.get("advanced_camera_control")
        return Given(
            start=first,
            pair=others[0] if others else None,
            tail=next(
                iter(self._pictures("tail_image_url") or self._pictures("last_image_url")), None
            ),
            pictures=self._pictures("image_list"),
            elements=tuple(self._element(part) for part in payload.get("elements", [])),
            footage=self._footage(),
            loudness=loudness(sound, FRAMES_PER_SECOND)
            if has_voice and sound is not None
            else None,
            camera=camera,
            still_mask=self._mask(payload.get("static_mask"), "static_mask"),
            strokes=tuple(self._strokes()),
            is_effect="effect_scene" in payload,
        )

    def sound(self, seconds: float, take: str) -> Sound | None:
        """Return what is heard: the voice, the source's own sound, or chords."""
        if "audio_url" in self.payload:
            voice = self.inputs.file(self.payload["audio_url"])
            heard = sound_in(voice) if voice else chord(take, seconds)
            if heard is None:
                raise BrokenInputError("audio_url: there is no sound in it")
            return heard
        if self._is_on("generate_audio"):
            return chord(take, seconds)
        if self._is_on("keep_audio"):
            source = self.inputs.file(self.payload["video_url"])
            return sound_in(source, longest=LONGEST_SECONDS) if source else None
        return None

    def aspect(self, given: Given) -> float | None:
        """Return the shape where an input decides it."""
        faces_like_video = self.payload.get("character_orientation", "video") == "video"
        if isinstance(given.footage, Clip) and (given.start is None or faces_like_video):
            has_ratio = MODELS[self.payload["model"]].param("aspect_ratio") is not None
            return None if has_ratio else given.footage.width / given.footage.height
        decides = self.payload.get("image_url")
        if given.start is None or given.pair or self.inputs.file(_first(decides)) is None:
            return None
        return given.start.width / given.start.height

    def _is_on(self, name: str) -> bool:
        param = MODELS[self.payload["model"]].param(name)
        return bool(param and self.payload.get(name, param.default))

    def _pictures(self, name: str) -> tuple[Image.Image, ...]:
        value = self.payload.get(name, [])
        listed = value if isinstance(value, list) else [value]
        return tuple(self.inputs.picture(reference, name) for reference in listed)

    def _mask(self, reference: str | None, name: str) -> Image.Image | None:
        return self.inputs.mask(reference, name) if reference else None

    def _footage(self) -> Footage | None:
        reference = self.payload.get("video_url")
        if reference is None:
            return None
        clip = self.inputs.clip(reference, "video_url")
        return clip or self.inputs.picture(reference, "video_url", "video")

    def _element(self, part: Mapping[str, Any]) -> tuple[Image.Image, ...]:
        front = [part["frontal_image_url"]] if "frontal_image_url" in part else []
        pictures = [
            self.inputs.picture(reference, "elements")
            for reference in (*front, *part["reference_image_urls"])
        ]
        if video := part.get("video_url"):
            clip = self.inputs.clip(video, "elements")
            pictures.append(
                poster(clip) if clip else self.inputs.picture(video, "elements", "video")
            )
        return tuple(pictures)

    def _strokes(self) -> Iterator[Stroke]:
        for part in self.payload.get("dynamic_masks", []):
            mask = self._mask(part["mask"], "dynamic_masks")
            if mask is None:
                continue
            size = self.inputs.picture_size(_first(self.payload.get("image_url")), "image_url")
            width, height = size or _UNSEEN_SIZE
            # The provider's points have their origin at the bottom left.
            points = [(p["x"] / width, 1 - p["y"] / height) for p in part["trajectories"]]
            yield Stroke(mask=mask, points=tuple(points))


def _shots(storyboard: list[Any], seconds: float) -> tuple[Shot, ...]:
    """Return the shots with their starts: by their own seconds where they have them, or evenly."""
    lengths = [_shot_seconds(shot) for shot in storyboard]
    whole = sum(lengths) or 1
    starts = accumulate(lengths, initial=0)
    return tuple(
        Shot(text=shot["prompt"] if isinstance(shot, dict) else shot, start=start * seconds / whole)
        for shot, start in zip(storyboard, starts, strict=False)
    )


def _shot_seconds(shot: Any) -> int:
    return int(shot.get("duration", _USUAL_SECONDS)) if isinstance(shot, dict) else 1


def _readable(effect: str) -> str:
    return effect.replace("_", " ").capitalize()


def _first(value: Any) -> str:
    first = value[0] if isinstance(value, list) else value
    return str(first or "")


def _tidy(seconds: float) -> float:
    """Return seconds as an answer tells them; whole ones are whole numbers."""
    rounded = round(seconds, 2)
    return int(rounded) if rounded.is_integer() else rounded
