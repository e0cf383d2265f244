"""The History tab and its events: a list, what has changed in it, stars, deletions, undo.

`history.js` asks with one event a purpose; every answer is the component's value.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr

from kling_ui.service import LedgerError, Service
from kling_ui.ui.asked_view import asked_view
from kling_ui.ui.event_options import AT_ONCE
from kling_ui.ui.formatting import ledger_trouble
from kling_ui.ui.history import tiles, toolbar
from kling_ui.ui.history.filters import NAMES, InvalidFilterError, read_filters
from kling_ui.ui.identity import owner_of
from kling_ui.ui.question import Question

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
            listen(handler, None, [self.listing], **AT_ONCE)

    async def _on_list(self, event: gr.EventData, request: gr.Request) -> Any:
        return await _told(event, lambda asked: self._page(asked, request, after=None))

    async def _on_more(self, event: gr.EventData, request: gr.Request) -> Any:
        return await _told(
            event, lambda asked: self._page(asked, request, after=asked.text("after"))
        )

    async def _on_changes(self, event: gr.EventData, request: gr.Request) -> Any:
        async def changes(asked: "_Asked") -> Any:
            found = await self._history.changes(
                owner_of(request), asked.filters(), since=asked.text("stamp")
            )
            return gr.skip() if found is None else tiles.changes_answer(found, asked=asked.number)

        return await _told(event, changes)

    async def _on_star(self, event: gr.EventData, request: gr.Request) -> Any:
        async def star(asked: "_Asked") -> Any:
            ids = asked.ids(most=_MOST_IDS)
            await self._history.star(owner_of(request), ids, is_starred=asked.is_set("starred"))
            return gr.skip()

        return await _told(event, star)

    async def _on_delete(self, event: gr.EventData, request: gr.Request) -> Any:
        async def delete(asked: "_Asked") -> str:
            owner, ids = owner_of(request), asked.ids(most=_MOST_IDS)
            deleted = await self._history.delete(owner, ids)
            return tiles.deletion_answer(
                deleted,
                asked=asked.number,
                kept=len(ids) - len(deleted),
                remaining=await self._history.page(owner, asked.filters(), limit=0),
            )

        return await _told(event, delete)

    async def _on_undo(self, event: gr.EventData, request: gr.Request) -> Any:
        async def undo(asked: "_Asked") -> str:
            await self._history.restore(owner_of(request), asked.ids(most=_MOST_IDS))
            return await self._page(asked, request, after=None)

        return await _told(event, undo)

    async def _page(self, asked: "_Asked", request: gr.Request, *, after: str | None) -> str:
        page = await self._history.page(owner_of(request), asked.filters(), limit=PAGE, after=after)
        is_first = after is None
        return tiles.page_answer(page, asked=asked.number, is_first=is_first, limit=PAGE)


class _Asked(Question):
    """What `history.js` sent with an event."""

    def filters(self) -> Any:
        """Return the filter; what an address of somebody else's asks in vain filters nothing."""
        given = {name: self.values[name] for name in NAMES if name in self.values}
        search, sort = self.values.get("q"), self.values.get("sort")
        try:
            return read_filters(search, given, sort)
        except InvalidFilterError:
            return read_filters(search if isinstance(search, str) else "", {})


async def _told(event: gr.EventData, answer: Callable[[_Asked], Awaitable[Any]]) -> Any:
    """Return an answer, or in words why the ledger gives none."""
    asked = _Asked(event)
    try:
        return await answer(asked)
    except LedgerError as exc:
        return tiles.unreadable_answer(ledger_trouble(exc), asked=asked.number)
