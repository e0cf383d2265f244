"""How long a request's video will be, as far as its values tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kling_ui.catalog.model import Model
from kling_ui.catalog.params import Choice, Storyboard

_SHOT_SECONDS = 5
"""The documented length of a shot that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondsRange:
    """The shortest and the longest that a video can become, in seconds."""

    low: float
    high: float

    @property
    def exact(self) -> float | None:
        """The length where it is certain, else None."""
        return self.low if self.low == self.high else None


def output_seconds(model: Model, values: Mapping[str, Any]) -> SecondsRange | None:
    """Return how long the video will be; None where the input's length decides it.

    Timed shots set the length in place of `duration`. What is missing without a documented
    default, or wrong, leaves every length open that the model offers.
    """
    duration = model.param("duration")
    if not isinstance(duration, Choice):
        return None
    offered = [seconds for seconds in duration.choices if isinstance(seconds, int)]
    seconds = _chosen_seconds(model, duration, values)
    if seconds is None:
        return SecondsRange(low=min(offered), high=max(offered))
    return SecondsRange(low=seconds, high=seconds)


def _chosen_seconds(model: Model, duration: Choice, values: Mapping[str, Any]) -> int | None:
    board, shots = model.param("multi_prompt"), values.get("multi_prompt")
    if isinstance(board, Storyboard) and board.is_timed and not board.is_empty(shots):
        return _shots_seconds(board, shots)
    given = values.get(duration.name)
    try:
        return int(duration.check(duration.default if duration.is_empty(given) else given))
    except ValueError:
        return None


def _shots_seconds(board: Storyboard, shots: Any) -> int | None:
    lengths: list[Any] = [
        shot.get("duration", _SHOT_SECONDS) if isinstance(shot, Mapping) else None
        for shot in (shots if isinstance(shots, list) else [None])
    ]
    are_right = all(
        type(length) is int and 1 <= length <= board.LONGEST_SECONDS for length in lengths
    )
    return sum(lengths) if are_right else None
