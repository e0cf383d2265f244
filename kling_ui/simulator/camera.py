"""Camera movements: which part of a picture fills the frame, and how that changes in time."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MAX_AMOUNT = 10
"""The largest number a camera axis takes, either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A part of a picture: its middle and its size in shares of the picture.

    `turn` is the camera's, in radians, clockwise: what it sees then leans the other way.
    """

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0
    turn: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A movement from `start` to `end` that sets off and arrives gently; `sways` as dances do."""

    start: View
    end: View
    sways: bool = False

    def at(self, share: float) -> View:
        """Return the view after `share` (0 to 1) of the time."""
        start, end = self.start, self.end
        eased = 0.35 * share + 0.325 * (1 - math.cos(math.pi * share))
        return View(
            x=start.x + (end.x - start.x) * eased,
            y=start.y + (end.y - start.y) * eased,
            size=start.size * (end.size / start.size) ** eased,
            turn=start.turn + (end.turn - start.turn) * eased,
        )

    def zoompan(self, frames: int) -> str:
        """Return FFmpeg's zoompan options; the filter itself stays inside the picture."""
        start, end = self.start, self.end
        eased = _eased("on", frames)
        zoom = f"{1 / start.size:.5f}*pow({start.size / end.size:.5f},{eased})"
        x = f"{start.x:.5f}+{end.x - start.x:.5f}*{eased}"
        y = f"{start.y:.5f}+{end.y - start.y:.5f}*{eased}"
        if self.sways:
            zoom += "*(1+0.07*abs(sin(on/7)))"
            x += "+0.025*sin(on/7)"
        return f"z='{zoom}':x='iw*({x}-0.5/zoom)':y='ih*({y}-0.5/zoom)'"

    def rotation(self, frames: int) -> str:
        """Return FFmpeg's expression for the picture's angle, which is against the camera's."""
        start, end = self.start.turn, self.end.turn
        return f"-({start:.5f}+{end - start:.5f}*{_eased('n', frames)})"

    def overscan(self, aspect: float) -> float:
        """Return how much larger than a frame of `aspect` (width/height) a turned picture is."""
        turn = max(abs(self.start.turn), abs(self.end.turn))
        return math.cos(turn) + math.sin(turn) * max(aspect, 1 / aspect)


STILL = Move(start=View(), end=View())
DANCE = Move(start=View(size=0.95), end=View(size=0.86), sways=True)
MEETING = (
    Move(start=View(x=0.56, size=0.88), end=View(x=0.46, size=0.84)),
    Move(start=View(x=0.44, size=0.88), end=View(x=0.54, size=0.84)),
)
"""Two people side by side who come closer to each other."""
_PRESETS = {
    "down_back": Move(start=View(y=0.36, size=0.66), end=View(y=0.54, size=0.9)),
    "forward_up": Move(start=View(y=0.54, size=0.92), end=View(y=0.38, size=0.62)),
    "right_turn_forward": Move(start=View(x=0.42, size=0.84), end=View(x=0.64, size=0.62)),
    "left_turn_forward": Move(start=View(x=0.58, size=0.84), end=View(x=0.36, size=0.62)),
}


def approach(take: str, *, nearest: float = 0.86) -> Move:
    """Begin with the whole picture and come closer, a little to one side: which one is chance."""
    chance = random.Random(take)  # noqa: S311  no secret
    reach = (1 - nearest) / 2
    x = 0.5 + chance.choice((-1, 1)) * chance.uniform(0.4, 0.9) * reach
    return Move(start=View(), end=View(x=x, y=0.5 + chance.uniform(-0.8, 0) * reach, size=nearest))


def framing(take: str, number: int) -> Move:
    """Look at another part for each `number` of shot; the first begins with all of it."""
    if number == 0:
        return approach(take)
    chance = random.Random(f"{take} {number}")  # noqa: S311  no secret
    size = chance.uniform(0.58, 0.72)
    shift = (1 - size) / 2 * (1 if number % 2 else -1)
    y = 0.5 + chance.uniform(-0.7, 0.2) * abs(shift)
    end = View(x=0.5 + shift * 0.2, y=y, size=size * chance.choice((0.88, 1.12)))
    return Move(start=View(x=0.5 + shift * 0.8, y=y, size=size), end=end)


def camera(control: str | Mapping[str, Any]) -> Move:
    """Return the movement that a camera control asks for, in any of the provider's forms.

    `control` is a preset's name, `{"type", "config"}` or `{"movement_type", "movement_value"}`.
    """
    axis, amount = _asked(control)
    if axis in _PRESETS:
        return _PRESETS[axis]
    if amount == 0:
        return Move(start=View(size=0.9), end=View(size=0.9))
    far = math.copysign(0.3 + 0.7 * abs(amount) / _MAX_AMOUNT, amount)
    shift = far * 0.11
    match axis:
        case "horizontal" | "pan":
            return Move(start=View(x=0.5 - shift, size=0.78), end=View(x=0.5 + shift, size=0.78))
        case "vertical" | "tilt":
            # Up is where the picture's y is small.
            return Move(start=View(y=0.5 + shift, size=0.78), end=View(y=0.5 - shift, size=0.78))
        case "roll":
            return Move(start=View(), end=View(turn=far * math.radians(28)))
    wide, near = View(), View(size=1 - 0.5 * abs(far))
    return Move(start=wide, end=near) if far < 0 else Move(start=near, end=wide)


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


def _eased(number: str, frames: int) -> str:
    """Return the easing of `Move.at` as an FFmpeg expression of the frame's `number`."""
    share = f"{number}/{max(frames - 1, 1)}"
    return f"(0.35*{share}+0.325*(1-cos(PI*{share})))"
