"""The kinds of parameters that move the camera: the models take three, each its own."""

from dataclasses import dataclass
from typing import Any

from kling_ui.catalog.params import Choice, Param, Section
from kling_ui.catalog.value_checks import checked_number, checked_object, either, said

AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")
"""What a camera can do; each from −10 to 10."""

AXIS_HELP = {
    "horizontal": "− left, + right",
    "vertical": "− down, + up",
    "pan": "− turn left, + turn right",
    "tilt": "− look down, + look up",
    "roll": "− counter-clockwise, + clockwise",
    "zoom": "− closer, + wider",
}
CAMERA_PRESETS = ("down_back", "forward_up", "right_turn_forward", "left_turn_forward")
FARTHEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera(Param):
    """A camera movement as an object: one of the presets, or `simple` with exactly one axis.

    Shape: `{"type": "simple", "config": {"zoom": -4}}` or `{"type": "down_back"}`.
    """

    type = "object"

    section: Section = Section.CONTROL

    def check(self, value: Any) -> dict[str, Any]:
        """Return the object unchanged, or raise ValueError."""
        parts = checked_object(value, required=("type",), optional=("config",))
        kind = parts["type"]
        if kind not in ("simple", *CAMERA_PRESETS):
            kinds = either(["simple", *CAMERA_PRESETS])
            raise ValueError(f"needs a type of {kinds}, not {said(kind)}.")
        if kind != "simple":
            if "config" in parts:
                raise ValueError(f"takes no config with the type {kind}. Leave config out.")
            return parts
        if "config" not in parts:
            raise ValueError("needs a config with one axis, for example zoom.")
        axes = checked_object(parts["config"], required=(), optional=AXES)
        moved = [a for a in axes if checked_number(axes[a], -FARTHEST, FARTHEST, a) != 0]
        if len(moved) != 1:
            raise ValueError(f"must move exactly one axis, not {len(moved) or 'none'}.")
        return parts

    def bounds(self) -> dict[str, Any]:
        """Return the parts of the object."""
        axis = {"type": "number", "minimum": -FARTHEST, "maximum": FARTHEST}
        return {
            "properties": {
                "type": {"type": "string", "enum": ["simple", *CAMERA_PRESETS], "required": True},
                "config": {"type": "object", "properties": dict.fromkeys(AXES, axis)},
            }
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPreset(Choice):
    """A ready-made camera movement by its name."""

    section: Section = Section.CONTROL
    choices: tuple[str | int, ...] = CAMERA_PRESETS


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMove(Param):
    """One camera movement by a whole number: `{"movement_type": "pan", "movement_value": 3}`."""

    type = "object"

    section: Section = Section.CONTROL

    def check(self, value: Any) -> dict[str, Any]:
        """Return the object unchanged, or raise ValueError."""
        parts = checked_object(value, required=("movement_type", "movement_value"))
        if parts["movement_type"] not in AXES:
            kinds = either(list(AXES))
            raise ValueError(
                f"needs a movement_type of {kinds}, not {said(parts['movement_type'])}."
            )
        amount = parts["movement_value"]
        checked_number(amount, -FARTHEST, FARTHEST, "movement_value")
        if not float(amount).is_integer():
            raise ValueError(f"needs a whole movement_value, not {said(amount)}.")
        return {**parts, "movement_value": int(amount)}

    def bounds(self) -> dict[str, Any]:
        """Return the parts of the object."""
        amount = {"type": "integer", "minimum": -FARTHEST, "maximum": FARTHEST, "required": True}
        kind = {"type": "string", "enum": list(AXES), "required": True}
        return {"properties": {"movement_type": kind, "movement_value": amount}}
