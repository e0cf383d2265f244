"""What several values mean together: which exclude or need each other, and what Kling undocumented.

A rule that is broken blocks; a doubt only warns, since the provider's own schema allows it.
Source: the provider's model pages, and Kling's capability map behind them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that may not be sent: the parameter's API name and what to do about it."""

    field: str
    message: str


Rule = Callable[[Values], Iterator[Problem]]
"""Reads values that are right by themselves, and yields what is wrong with them together."""


def exclude_each_other(*groups: tuple[str, ...]) -> Rule:
    """Allow at most one group of parameters, as with tail frame, masks and camera control."""

    def check(values: Values) -> Iterator[Problem]:
        given = [[name for name in group if name in values] for group in groups]
        given = [names for names in given if names]
        if len(given) < 2:  # noqa: PLR2004  two are what excludes
            return
        first, *others = (" and ".join(names) for names in given)
        for names in given[1:]:
            rest = ", ".join(other for other in (first, *others) if other != " and ".join(names))
            yield Problem(names[0], f"can't be used together with {rest}. Leave one of them out.")

    return check


def need_one_of(*names: str) -> Rule:
    """Ask for at least one of the parameters."""

    def check(values: Values) -> Iterator[Problem]:
        if not any(name in values for name in names):
            yield Problem(names[0], f"is required, or {' or '.join(names[1:])} in its place.")

    return check


def tail_needs_silence(values: Values) -> Iterator[Problem]:
    """Ask for `generate_audio: false` said explicitly where there is a tail frame."""
    if "tail_image_url" in values and values.get("generate_audio") is not False:
        yield Problem(
            "tail_image_url",
            "needs generate_audio to be off, and said so: it is on by default. "
            "Switch the sound off, or leave the last frame out.",
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
        people = (
            "two people: exactly two pictures, the left one first"
            if wanted > 1
            else ("one picture only")
        )
        yield Problem("image_url", f"holds {given}, but the effect {scene} takes {people}.")


UNDOCUMENTED = ("tail_image_url", "camera_control", "dynamic_masks", "static_mask")
"""The parameters that Kling documents for fewer models than the provider takes them for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undocumented:
    """For which seconds Kling itself documents a feature of a model; empty: for none.

    `simple_camera_only`: of the camera, only `simple` movements.
    """

    tail: tuple[int, ...] = ()
    brush: tuple[int, ...] = ()
    camera: tuple[int, ...] = ()
    simple_camera_only: bool = False

    def about(self, values: Values) -> Iterator[Problem]:
        """Yield what the provider may refuse of these values."""
        seconds = values.get("duration", 5)
        features = {
            "tail_image_url": self.tail,
            "static_mask": self.brush,
            "dynamic_masks": self.brush,
            "camera_control": self.camera,
        }
        for name, documented in features.items():
            if name in values and seconds not in documented:
                yield Problem(name, _doubt(documented))
        camera = values.get("camera_control")
        if self.simple_camera_only and isinstance(camera, dict) and camera.get("type") != "simple":
            yield Problem(
                "camera_control",
                "Kling itself documents only simple movements here; the provider may refuse "
                "others, which costs nothing.",
            )


def _doubt(documented: tuple[int, ...]) -> str:
    if not documented:
        return (
            "Kling itself documents this for other models only; the provider may refuse it, "
            "which costs nothing."
        )
    seconds = " or ".join(f"{s} s" for s in documented)
    return (
        f"Kling itself documents this for {seconds} only; the provider may refuse it, "
        "which costs nothing."
    )
