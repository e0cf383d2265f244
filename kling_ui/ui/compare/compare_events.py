"""The compare view's component and its events: look at some ids, star one of them.

Whoever has the ids may look; a star is the owner's.
"""

import asyncio
from typing import Any

import gradio as gr

from kling_ui.service import LedgerError, Service
from kling_ui.ui.compare import compare_view
from kling_ui.ui.compare.compare_view import MOST, Slot
from kling_ui.ui.create.fields import QUIET
from kling_ui.ui.ledger_errors import in_words
from kling_ui.ui.visit import Visit

_ID_LENGTH = 64
_ASKED_LENGTH = 32


class CompareEvents:
    """The component that `compare.js` shows over the page."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.view = gr.HTML(
            "",
            html_template=compare_view.frame(),
            js_on_load=compare_view.SCRIPT,
            apply_default_css=False,
            elem_id="compare",
            elem_classes=["k-plain"],
        )

    def wire(self) -> None:
        """Answer what `compare.js` asks."""
        at_once = {**QUIET, "trigger_mode": "multiple"}
        self.view.select(self._on_compare, None, [self.view], **at_once)
        self.view.like(self._on_compare_star, None, [self.view], **at_once)

    async def _on_compare(self, event: gr.EventData, request: gr.Request) -> str:
        visit, asked = Visit.of(request), _text(event, "asked")[:_ASKED_LENGTH]
        try:
            ids = await self._ids(event, visit)
            slots = await asyncio.gather(*(self._slot(each, visit) for each in ids))
        except LedgerError as exc:
            return compare_view.told(in_words(exc), asked=asked)
        if len(ids) == 1 and _text(event, "previous"):
            return compare_view.told("There is no earlier video of yours.", asked=asked)
        return compare_view.view(slots, asked=asked)

    async def _on_compare_star(self, event: gr.EventData, request: gr.Request) -> Any:
        visit, ids = Visit.of(request), _listed(event)[:1]
        is_starred = _values(event).get("starred") is True
        try:
            await self._service.history.star(visit.owner, ids, is_starred=is_starred)
        except LedgerError as exc:
            return compare_view.told(in_words(exc), asked="", star="".join(ids))
        return gr.skip()

    async def _ids(self, event: gr.EventData, visit: Visit) -> list[str]:
        """Return what is to be compared: ids, or a generation behind the one made before it."""
        newer = _text(event, "previous")
        if not newer:
            return _listed(event)
        older = await self._service.neighbor(newer, visit.owner, is_newer=False)
        return [newer] if older is None else [older, newer]

    async def _slot(self, generation_id: str, visit: Visit) -> Slot:
        generation = await self._service.get(generation_id)
        if generation is None:
            return Slot(id=generation_id)
        return Slot(
            id=generation_id,
            generation=generation,
            playback=await self._service.playback(generation),
            is_mine=self._service.owns(generation, visit.owner),
        )


def _values(event: gr.EventData) -> dict[str, Any]:
    data = getattr(event, "_data", None)
    return data if isinstance(data, dict) else {}


def _text(event: gr.EventData, name: str) -> str:
    value = _values(event).get(name)
    return value[:_ID_LENGTH] if isinstance(value, str) else ""


def _listed(event: gr.EventData) -> list[str]:
    """Return the ids that were sent, each once, and no more than can be compared."""
    value = _values(event).get("ids")
    ids = (
        [each[:_ID_LENGTH] for each in value[: 2 * MOST] if isinstance(each, str)]
        if (isinstance(value, list))
        else []
    )
    return list(dict.fromkeys(each for each in ids if each))[:MOST]
