"""What several values mean together: which exclude or need each other, and what is in doubt.

A rule that is broken blocks; a note only warns, since the provider's own schema allows it.
Source: the provider's model pages, and Kling's capability map behind them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kling_ui.catalog.media_input.recordings import seconds_of

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that may not be sent: the parameter's API name and what to do about it."""

    field: str
    message: str


Rule = Callable[[Values], Iterator[Problem]]
"""Reads values that are right by themselves, and yields what is wrong with them together."""


@dataclass(frozen=True, slots=True)
class ExcludeEachOther:
    """Allow at most one group of parameters, as with tail frame, masks and camera control."""

    groups: tuple[tuple[str, ...], ...]

    def __call__(self, values: Values) -> Iterator[Problem]:
        """Yield a problem for each group but the first that is given."""
        given = [[name for name in group if name in values] for group in self.groups]
        given = [names for names in given if names]
        for names in given[1:]:
            rest = ", ".join(" and ".join(others) for others in given if others is not names)
            yield Problem(names[0], f"can't be used together with {rest}. Leave one of them out.")


def need_one_of(*names: str) -> Rule:
    """Ask for at least one of the parameters."""

    def check(values: Values) -> Iterator[Problem]:
        if not any(name in values for name in names):
            yield Problem(names[0], f"is required, or {' or '.join(names[1:])} in its place.")

    return check


def tail_needs_silence(values: Values) -> Iterator[Problem]:
    """Ask for `generate_audio: false` said explicitly where there is a tail frame."""
    if _is_tail_with_sound(values):
        yield Problem(
            "tail_image_url",
            "needs generate_audio to be off, and said so: it is on by default. "
            "Switch the sound off, or leave the last frame out.",
        )


def tail_with_sound_is_in_doubt(values: Values) -> Iterator[Problem]:
    """Note that the pages contradict themselves about a tail frame with sound."""
    if _is_tail_with_sound(values):
        yield Problem(
            "tail_image_url",
            "The model's page says both that a last frame goes with sound and that it does not; "
            "both are sent as given. If the provider refuses, which costs nothing, switch the "
            "sound off.",
        )


def _is_tail_with_sound(values: Values) -> bool:
    return "tail_image_url" in values and values.get("generate_audio") is not False


def one_element_with_video(values: Values) -> Iterator[Problem]:
    """Ask that a video shows at most one of the elements."""
    numbers = [str(number) for number, _ in _elements_with_video(values)]
    if len(numbers) > 1:
        yield Problem(
            "elements",
            f"may have a video in one element only, not in {' and '.join(numbers)}. "
            "Show the others by pictures alone.",
        )


def pictures_beside_video_are_in_doubt(values: Values) -> Iterator[Problem]:
    """Note that the pages name pictures or a video for an element, never both."""
    for number, element in _elements_with_video(values):
        if "frontal_image_url" in element or "reference_image_urls" in element:
            yield Problem(
                "elements",
                f"Element {number} has pictures beside its video. The model's page speaks of "
                "pictures or a video, its schema of both; both are sent as given, and a refusal "
                "costs nothing.",
            )


def _elements_with_video(values: Values) -> list[tuple[int, Values]]:
    elements = values.get("elements")
    numbered = enumerate(elements if isinstance(elements, list) else [], start=1)
    return [(n, each) for n, each in numbered if isinstance(each, Mapping) and "video_url" in each]


LONGEST_MOTION_SECONDS = {"image": 10, "video": 30}
"""How long a video of movements may be, by what the character's orientation follows."""


def motion_fits_orientation(values: Values) -> Iterator[Problem]:
    """Ask for a video of movements that is short enough; a link can't be measured."""
    orientation = values.get("character_orientation", "video")
    longest = LONGEST_MOTION_SECONDS.get(orientation) if isinstance(orientation, str) else None
    seconds = seconds_of(values.get("video_url")) if longest else None
    # Encoders pad by up to a frame or two, which no one can cut off.
    if longest is None or seconds is None or round(seconds, 1) <= longest:
        return
    way_out = " or let the character face as in the video" if orientation == "image" else ""
    yield Problem(
        "video_url",
        f"is {seconds:.1f} s long; with character_orientation {orientation} it may be "
        f"{longest} s at most. Cut it{way_out}.",
    )


PAIR_SCENES = frozenset({"hug", "kiss", "heart_gesture", "fight"})
"""Effects of two people, so of two pictures (`fight`: judged, the provider names the others)."""


def pictures_fit_effect(values: Values) -> Iterator[Problem]:
    """Ask for two pictures where the effect shows two people, else for one."""
    picture, scene = values.get("image_url"), values.get("effect_scene")
    if picture is None or scene is None:
        return
    given = len(picture) if isinstance(picture, list) else 1
    wanted = 2 if scene in PAIR_SCENES else 1
    if given != wanted:
        two = "two people: exactly two pictures, the left one first"
        takes = "one picture only" if wanted == 1 else two
        yield Problem("image_url", f"holds {given}, but the effect {scene} takes {takes}.")


NOTED = ("tail_image_url", "camera_control", "dynamic_masks", "static_mask", "elements")
"""The parameters that a model may have a note on."""


def documented_by_kling(
    *,
    tail: tuple[int, ...] = (),
    brush: tuple[int, ...] = (),
    camera: tuple[int, ...] = (),
    simple_camera_only: bool = False,
) -> Rule:
    """Note what Kling's own documentation does not back; the provider's schema takes more.

    Each feature has the seconds Kling documents it for (none: not for this model).
    `simple_camera_only`: of the camera, only `simple` movements.
    """
    features = {
        "tail_image_url": tail,
        "static_mask": brush,
        "dynamic_masks": brush,
        "camera_control": camera,
    }

    def check(values: Values) -> Iterator[Problem]:
        seconds = values.get("duration", 5)
        for name, documented in features.items():
            if name in values and seconds not in documented:
                yield Problem(name, _doubt(documented))
        movement = values.get("camera_control")
        if simple_camera_only and isinstance(movement, dict) and movement.get("type") != "simple":
            yield Problem(
                "camera_control",
                "Kling itself documents only simple movements here; the provider may refuse "
                "others, which costs nothing.",
            )

    return check


def _doubt(documented: tuple[int, ...]) -> str:
    backed = " or ".join(f"{seconds} s" for seconds in documented) or "other models"
    return (
        f"Kling itself documents this for {backed} only; the provider may refuse it, "
        "which costs nothing."
    )
