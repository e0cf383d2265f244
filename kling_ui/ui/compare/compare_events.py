"""The compare view's component and its events: look at some ids, star one of them.

Whoever has the ids may look; a star is the owner's.
"""

import asyncio
from typing import Any

import gradio as gr

from kling_ui.service import LedgerError, Service
from kling_ui.ui.asked_view import answering, asked_view
from kling_ui.ui.compare import compare_view
from kling_ui.ui.compare.compare_view import MOST, Slot
from kling_ui.ui.event_options import AT_ONCE
from kling_ui.ui.formatting import ledger_trouble
from kling_ui.ui.question import Question
from kling_ui.ui.visit import Visit


class CompareEvents:
    """The component that `compare.js` shows over the page."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.view = asked_view("compare", frame=compare_view.frame(), script=compare_view.SCRIPT)

    def wire(self) -> None:
        """Answer what `compare.js` asks."""
        compare = answering(self._on_compare, told=compare_view.told)
        self.view.select(compare, None, [self.view], **AT_ONCE)
        star = answering(self._on_compare_star, told=compare_view.told)
        self.view.like(star, None, [self.view], **AT_ONCE)

    async def _on_compare(self, asked: Question, visit: Visit) -> str:
        ids = await self._ids(asked, visit)
        slots = await asyncio.gather(*(self._slot(each, visit) for each in ids))
        if len(ids) == 1 and asked.text("previous"):
            return compare_view.told("There is no earlier video of yours.", asked=asked.number)
        return compare_view.view(slots, asked=asked.number)

    async def _on_compare_star(self, asked: Question, visit: Visit) -> Any:
        ids = asked.ids(most=1)
        try:
            await self._service.history.star(visit.owner, ids, is_starred=asked.is_set("starred"))
        except LedgerError as exc:
            return compare_view.told(ledger_trouble(exc), asked="", star="".join(ids))
        return gr.skip()

    async def _ids(self, asked: Question, visit: Visit) -> list[str]:
        """Return what is to be compared: ids, or a generation behind the one made before it."""
        newer = asked.text("previous")
        if not newer:
            return asked.ids(most=MOST)
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
