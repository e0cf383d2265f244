"""What the camera sees: which part of a scene fills the frame, and how that changes in time."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

_MOST = 10
"""The largest number a camera axis takes, either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A part of a scene: its middle in shares of the scene, its size (1: all of it), its turn.

    `turn` is the camera's, in radians, clockwise: what it sees then leans the other way.
    """

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0
    turn: float = 0.0

    def kept_inside(self, aspect: float) -> "View":
        """Return the nearest view that shows nothing beyond a scene of `aspect` (width/height)."""
        along, across = abs(math.cos(self.turn)), abs(math.sin(self.turn))
        wide, tall = along + across / aspect, along + across * aspect
        size = min(self.size, 1 / wide, 1 / tall)
        half_x, half_y = size * wide / 2, size * tall / 2
        return replace(
            self,
            x=min(max(self.x, half_x), 1 - half_x),
            y=min(max(self.y, half_y), 1 - half_y),
            size=size,
        )


Path = Callable[[float], View]
"""The view at a time in seconds."""


def still(_: float) -> View:
    """Show all of it, always."""
    return View()


def between(start: View, end: View, seconds: float) -> Path:
    """Move from `start` to `end` within `seconds`, setting off and arriving gently."""

    def at(now: float) -> View:
        share = min(max(now / seconds, 0.0), 1.0)
        eased = 0.35 * share + 0.65 * (0.5 - 0.5 * math.cos(math.pi * share))
        return View(
            x=start.x + (end.x - start.x) * eased,
            y=start.y + (end.y - start.y) * eased,
            size=start.size * (end.size / start.size) ** eased,
            turn=start.turn + (end.turn - start.turn) * eased,
        )

    return at


def approach(take: str, seconds: float, *, nearest: float = 0.86) -> Path:
    """Begin with the whole picture and come closer, a little to one side: which one is chance."""
    return between(View(), _aside(take, nearest), seconds)


def arrival(take: str, seconds: float, *, nearest: float = 0.86) -> Path:
    """Begin close and end with the whole picture."""
    return between(_aside(take, nearest), View(), seconds)


def framing(take: str, number: int, seconds: float) -> Path:
    """Look at another part for each `number` of shot; the first begins with all of it."""
    if number == 0:
        return approach(take, seconds)
    chance = random.Random(f"{take} {number}")  # noqa: S311  no secret
    size = chance.uniform(0.58, 0.72)
    reach = (1 - size) / 2
    side = 1 if number % 2 else -1
    start = View(x=0.5 + side * reach * 0.8, y=0.5 + chance.uniform(-0.7, 0.3) * reach, size=size)
    end = replace(start, x=0.5 + side * reach * 0.2, size=size * chance.choice((0.88, 1.12)))
    return between(start, end, seconds)


def beat(seconds: float, *, sway: float = 0.03) -> Path:
    """Bounce and sway in place, as effects do; turning would cost more than it shows."""
    onto = between(View(size=0.94), View(size=0.8), seconds)

    def at(now: float) -> View:
        base = onto(now)
        angle = now * math.pi * 1.1
        bounce = abs(math.sin(angle))
        return replace(
            base,
            x=base.x + sway * math.sin(angle),
            y=base.y + 0.5 * sway * bounce,
            size=base.size * (1 - 0.07 * bounce),
        )

    return at


def camera(control: str | Mapping[str, Any], seconds: float, *, reach: float = 1.0) -> Path:
    """Return the movement that a camera control asks for, in any of the provider's forms.

    `control` is a preset's name, `{"type", "config"}` or `{"movement_type", "movement_value"}`.
    `reach` above 1 goes farther than a picture could.
    """
    if isinstance(control, str):
        return _preset(control, seconds, reach)
    if "movement_type" in control:
        axis, amount = control["movement_type"], control["movement_value"]
    elif control.get("type") != "simple":
        return _preset(str(control.get("type")), seconds, reach)
    else:
        config = control.get("config") or {}
        axis, amount = next(((a, v) for a, v in config.items() if v), ("zoom", 0))
    return _axis(axis, amount / _MOST, seconds, reach)


def camera_words(control: str | Mapping[str, Any]) -> str:
    """Say in a few words which movement `control` asks for."""
    if isinstance(control, str):
        return f"camera {control.replace('_', ' ')}"
    if "movement_type" in control:
        return f"camera {control['movement_type']} {_signed(control['movement_value'])}"
    moved = [(axis, value) for axis, value in (control.get("config") or {}).items() if value]
    if not moved:
        return camera_words(str(control.get("type")))
    return f"camera {moved[0][0]} {_signed(moved[0][1])}"


def _signed(amount: float) -> str:
    return f"{amount:+g}"


def _axis(axis: str, amount: float, seconds: float, reach: float) -> Path:
    if amount == 0:
        return between(View(size=0.9), View(size=0.9), seconds)
    side = math.copysign(1, amount)
    far = 0.3 + 0.7 * abs(amount)
    size = 0.78
    shift = side * far * (1 - size) / 2 * reach
    close = 1 - 0.5 * far
    match axis:
        case "horizontal" | "pan":
            start, end = View(x=0.5 - shift, size=size), View(x=0.5 + shift, size=size)
        case "vertical" | "tilt":
            # Up is where the picture's y is small.
            start, end = View(y=0.5 + shift, size=size), View(y=0.5 - shift, size=size)
        case "roll":
            start, end = View(size=0.94), View(size=0.94, turn=side * far * math.radians(32))
        case _:
            wide, near = View(), View(size=close)
            start, end = (wide, near) if side < 0 else (near, wide)
    return between(start, end, seconds)


_PRESETS = {
    "down_back": (View(y=0.36, size=0.66), View(y=0.54, size=0.9)),
    "forward_up": (View(y=0.54, size=0.92), View(y=0.38, size=0.62)),
    "right_turn_forward": (View(x=0.42, size=0.84), View(x=0.64, size=0.62)),
    "left_turn_forward": (View(x=0.58, size=0.84), View(x=0.36, size=0.62)),
}


def _preset(name: str, seconds: float, reach: float) -> Path:
    start, end = (
        replace(view, x=0.5 + (view.x - 0.5) * reach, y=0.5 + (view.y - 0.5) * reach)
        for view in _PRESETS.get(name, (View(size=0.9), View(size=0.9)))
    )
    return between(start, end, seconds)


def _aside(take: str, size: float) -> View:
    chance = random.Random(take)  # noqa: S311  no secret
    reach = (1 - size) / 2
    return View(
        x=0.5 + chance.choice((-1, 1)) * chance.uniform(0.4, 0.9) * reach,
        y=0.5 + chance.uniform(-0.8, 0.3) * reach,
        size=size,
    )
