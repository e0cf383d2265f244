"""What a script of the page sent with an event, read as what it should be: it may be anything."""

import math
from collections.abc import Mapping
from typing import Any

import gradio as gr

_ID_LENGTH = 64
_NUMBER_LENGTH = 32
_MOST_LISTED = 1000


class Question:
    """The data of one event. What is missing or of another type reads as empty."""

    def __init__(self, event: gr.EventData) -> None:
        data = event._data  # noqa: SLF001  its attributes raise where there is nothing
        self.values: Mapping[str, Any] = data if isinstance(data, Mapping) else {}

    @property
    def number(self) -> str:
        """Which question of the page it is; the answer repeats it."""
        return self.text("asked", most=_NUMBER_LENGTH)

    def text(self, name: str, *, most: int = _ID_LENGTH) -> str:
        """Return a text, cut to `most` characters."""
        value = self.values.get(name)
        return value[:most] if isinstance(value, str) else ""

    def is_set(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.values.get(name) is True

    def ids(self, *, most: int) -> list[str]:
        """Return the `most` first of the ids that were sent, each once."""
        value = self.values.get("ids")
        listed = value[: 2 * most] if isinstance(value, list) else []
        ids = [each[:_ID_LENGTH] for each in listed if each and isinstance(each, str)]
        return list(dict.fromkeys(ids))[:most]

    def texts(self, name: str) -> list[str] | None:
        """Return a list of texts, None where none was sent."""
        value = self.values.get(name)
        if not isinstance(value, list):
            return None
        return [each[:_ID_LENGTH] for each in value[:_MOST_LISTED] if isinstance(each, str)]

    def amount(self, name: str) -> float | None:
        """Return an amount of USD, None where none was sent."""
        value = self.values.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return float(value) if math.isfinite(value) and value >= 0 else None

    def count(self, name: str) -> int:
        """Return a whole number, 0 where none was sent."""
        value = self.values.get(name)
        return value if type(value) is int else 0
