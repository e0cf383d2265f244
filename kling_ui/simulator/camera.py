"""Camera movements over a picture, written as options of FFmpeg's zoompan and rotate filters."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

_MAX_AMOUNT = 10
"""The largest number a camera axis takes, either way."""


class View(NamedTuple):
    """A part of a picture: its middle and its size in shares of the picture.

    `turn` is the camera's, in radians, clockwise: what it sees then leans the other way.
    """

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0
    turn: float = 0.0


class Move(NamedTuple):
    """A movement from `start` to `end` that sets off and arrives gently; `sways` as dances do."""

    start: View = View()
    end: View = View()
    sways: bool = False

    def zoompan(self, frames: int) -> str:
        """Return zoompan's expressions; the filter itself stays inside the picture."""
        x, y = (_between("on", frames, self.start[axis], self.end[axis]) for axis in (0, 1))
        zoom = f"1/({_between('on', frames, self.start.size, self.end.size)})"
        if self.sways:
            x, zoom = f"{x}+0.025*sin(on/7)", f"{zoom}*(1+0.07*abs(sin(on/7)))"
        return f"z='{zoom}':x='iw*({x}-0.5/zoom)':y='ih*({y}-0.5/zoom)'"

    def rotation(self, frames: int) -> str:
        """Return the picture's angle, which is against the camera's, as an expression."""
        return f"-({_between('n', frames, self.start.turn, self.end.turn)})"


APPROACH = Move(end=View(y=0.48, size=0.9))
"""Begins with the whole picture and comes closer."""
DANCE = Move(start=View(size=0.95), end=View(size=0.86), sways=True)
FRAMINGS = (
    APPROACH,
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


def camera(control: str | Mapping[str, Any]) -> tuple[Move, str]:
    """Return the movement that a camera control asks for, and a few words that say which.

    `control` is a preset's name, `{"type", "config"}` or `{"movement_type", "movement_value"}`.
    """
    axis, amount = _asked(control)
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


def _asked(control: str | Mapping[str, Any]) -> tuple[str, float]:
    """Return an axis and its amount, or a preset and 0."""
    if isinstance(control, str):
        return control, 0
    if "movement_type" in control:
        return control["movement_type"], control["movement_value"]
    moved = [(axis, value) for axis, value in (control.get("config") or {}).items() if value]
    return moved[0] if moved else (control["type"], 0)


def _between(number: str, frames: int, start: float, end: float) -> str:
    """Go from `start` to `end`, gently, as an expression of the frame's `number`."""
    share = f"{number}/{max(frames - 1, 1)}"
    return f"{start:.5f}+{end - start:.5f}*(0.35*{share}+0.325*(1-cos(PI*{share})))"
