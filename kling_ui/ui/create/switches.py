"""What excludes each other in a request, as switches of which one side counts."""

from collections.abc import Iterator
from typing import Any

from kling_ui.catalog import Model, Section

PROMPT = "prompt"
NONE = ""
"""The side of the control switch on which no control is used."""

_NAMES = {
    "prompt": "One prompt",
    "multi_prompt": "Storyboard",
    "tail_image_url": "Last frame",
    "static_mask": "Brush",
    "dynamic_masks": "Brush",
    "camera_control": "Camera",
    "advanced_camera_control": "Camera",
}


ALL_WORDS = [(_NAMES[name], name) for name in (PROMPT, "multi_prompt")]
ALL_CONTROLS = [
    ("None", NONE),
    *((_NAMES[name], name) for name in ("tail_image_url", "dynamic_masks", "camera_control")),
]
"""Every side of any model: what Gradio checks the value of a hidden switch against."""


def words_sides(model: Model) -> list[tuple[str, str]]:
    """Return the sides of the switch of words, each with its name; none where it has one side."""
    sides = next((set_ for set_ in model.alternatives if (PROMPT,) in set_), ())
    return [(_NAMES[names[0]], names[0]) for names in sides]


def control_sides(model: Model) -> list[tuple[str, str]]:
    """Return the sides of the switch of controls, "none" first; none where there is no control."""
    groups = list(_control_groups(model))
    return [("None", NONE), *((_NAMES[names[0]], names[0]) for names in groups)] if groups else []


def switched_off(model: Model, *, words: Any, control: Any) -> set[str]:
    """Return the parameters that don't count as the two switches stand."""
    off: set[str] = set()
    if sides := [side for _, side in words_sides(model)]:
        off |= {side for side in sides if side != (words if words in sides else sides[0])}
    for names in _control_groups(model):
        if names[0] != control:
            off |= set(names)
    return off


def sides_for(model: Model, given: Any) -> tuple[str, str]:
    """Return how the two switches stand where these parameters are given."""
    words = next((side for _, side in words_sides(model)[1:] if side in given), PROMPT)
    used = (names[0] for names in _control_groups(model) if not set(names).isdisjoint(given))
    return words, next(used, NONE)


def _control_groups(model: Model) -> Iterator[tuple[str, ...]]:
    """Yield the parameters of each control; the first name stands for the group."""
    rest = [param.name for param in model.params if param.section is Section.CONTROL]
    for groups in model.alternatives:
        if (PROMPT,) in groups:
            continue
        for group in groups:
            if names := tuple(name for name in reversed(group) if model.param(name)):
                yield names
                rest = [name for name in rest if name not in names]
    if rest:
        yield tuple(rest)
