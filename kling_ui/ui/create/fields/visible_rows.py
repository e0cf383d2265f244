"""Rows of a field that are shown one more at a time: shots, elements."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from kling_ui.ui.create.fields.field import Updates
from kling_ui.ui.event_options import QUIET


class GrowingRows:
    """Laid-out rows of which the first ones are shown, and a button that shows one more.

    Make it inside the Blocks that they belong to. `parts` are what the field's `extras` hold.
    """

    def __init__(self, rows: Sequence[Any], button: str, *, first: int) -> None:
        self._rows, self._first = rows, first
        self._more = gr.Button(button, size="sm", elem_classes=["k-quiet-button"])
        self._shown = gr.State(first)
        self.parts = (self._shown, self._more, *rows)
        self._more.click(self._add, [self._shown], list(self.parts), **QUIET)

    def revealing(self, filled: Sequence[bool]) -> Updates:
        """Return how they change so that each row that is filled is seen."""
        return self._showing(max([self._first, *(i for i, each in enumerate(filled, 1) if each)]))

    def _add(self, shown: int) -> dict[Any, Any]:
        updates = self._showing(min(shown + 1, len(self._rows)))
        count = updates.pop(self._shown)["value"]
        return {self._shown: count, **{each: gr.update(**more) for each, more in updates.items()}}

    def _showing(self, count: int) -> Updates:
        return {
            self._shown: {"value": count},
            self._more: {"visible": count < len(self._rows)},
            **{row: {"visible": i <= count} for i, row in enumerate(self._rows, 1)},
        }
