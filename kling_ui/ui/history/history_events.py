"""The History tab and its events: a list, what has changed in it, stars, deletions, undo.

`history.js` asks with one event a purpose; every answer is the component's value.
"""

from typing import Any

import gradio as gr

from kling_ui.service import HistoryQuery, Service
from kling_ui.ui.asked_view import answering, asked_view
from kling_ui.ui.event_options import AT_ONCE
from kling_ui.ui.history import tiles, toolbar
from kling_ui.ui.history.history_filters import NAMES, InvalidFilterError, read_filters
from kling_ui.ui.question import Question
from kling_ui.ui.visit import Visit

PAGE = 60
"""How many tiles come at once."""

_MOST_IDS = 1000


class HistoryEvents:
    """The component of the History tab; a `click` on it opens the generation `id`."""

    def __init__(self, service: Service) -> None:
        self._history = service.history
        self.listing = asked_view("history", frame=toolbar.frame(), script=toolbar.SCRIPT)

    def wire(self) -> None:
        """Answer what `history.js` asks."""
        for listen, handler in (
            (self.listing.input, self._on_list),
            (self.listing.expand, self._on_more),
            (self.listing.tick, self._on_changes),
            (self.listing.like, self._on_star),
            (self.listing.delete, self._on_delete),
            (self.listing.undo, self._on_undo),
        ):
            answer = answering(handler, told=tiles.unreadable_answer)
            listen(answer, None, [self.listing], **AT_ONCE)

    async def _on_list(self, asked: Question, visit: Visit) -> str:
        return await self._page(asked, visit, after=None)

    async def _on_more(self, asked: Question, visit: Visit) -> str:
        return await self._page(asked, visit, after=asked.text("after"))

    async def _on_changes(self, asked: Question, visit: Visit) -> Any:
        since = asked.text("stamp")
        found = await self._history.changes(visit.owner, _filters(asked), since=since)
        return gr.skip() if found is None else tiles.changes_answer(found, asked=asked.number)

    async def _on_star(self, asked: Question, visit: Visit) -> Any:
        ids = asked.ids(most=_MOST_IDS)
        await self._history.star(visit.owner, ids, is_starred=asked.is_set("starred"))
        return gr.skip()

    async def _on_delete(self, asked: Question, visit: Visit) -> str:
        ids = asked.ids(most=_MOST_IDS)
        deleted = await self._history.delete(visit.owner, ids)
        return tiles.deletion_answer(
            deleted,
            asked=asked.number,
            kept=len(ids) - len(deleted),
            remaining=await self._history.page(visit.owner, _filters(asked), limit=0),
        )

    async def _on_undo(self, asked: Question, visit: Visit) -> str:
        await self._history.restore(visit.owner, asked.ids(most=_MOST_IDS))
        return await self._page(asked, visit, after=None)

    async def _page(self, asked: Question, visit: Visit, *, after: str | None) -> str:
        page = await self._history.page(visit.owner, _filters(asked), limit=PAGE, after=after)
        is_first = after is None
        return tiles.page_answer(page, asked=asked.number, is_first=is_first, limit=PAGE)


def _filters(asked: Question) -> HistoryQuery:
    """Return the filter; what an address of somebody else's asks in vain filters nothing."""
    given = {name: asked.values[name] for name in NAMES if name in asked.values}
    search, sort = asked.values.get("q"), asked.values.get("sort")
    try:
        return read_filters(search, given, sort)
    except InvalidFilterError:
        return read_filters(search if isinstance(search, str) else "", {})
