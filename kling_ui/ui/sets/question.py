"""What a script of the page sent with an event, read as what it should be."""

import math
from collections.abc import Mapping
from typing import Any

import gradio as gr

_ID_LENGTH = 64
_NUMBER_LENGTH = 32
_MOST_LISTED = 1000


class Question:
    """The data of one event; whatever is missing or of another kind is empty."""

    def __init__(self, event: gr.EventData) -> None:
        values = getattr(event, "_data", None)
        self._values: Mapping[str, Any] = values if isinstance(values, Mapping) else {}

    @property
    def number(self) -> str:
        """Which question it is; the answer repeats it."""
        return self.text("asked", _NUMBER_LENGTH)

    def text(self, name: str, longest: int = _ID_LENGTH) -> str:
        """Return a text, cut to a length."""
        value = self._values.get(name)
        return value[:longest] if isinstance(value, str) else ""

    def texts(self, name: str, longest: int = _ID_LENGTH) -> list[str] | None:
        """Return a list of texts, None where none was sent."""
        value = self._values.get(name)
        if not isinstance(value, list):
            return None
        return [each[:longest] for each in value[:_MOST_LISTED] if isinstance(each, str)]

    def amount(self, name: str) -> float | None:
        """Return an amount of USD, None where none was sent."""
        value = self._values.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return float(value) if math.isfinite(value) and value >= 0 else None

    def count(self, name: str) -> int:
        """Return a whole number, 0 where none was sent."""
        value = self._values.get(name)
        return value if type(value) is int else 0

    def is_set(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self._values.get(name) is True
