"""What an owner has made: found, starred, deleted. What was spent on it stays counted."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kling_ui import catalog
from kling_ui.ledger import (
    Generation,
    HistoryQuery,
    HistoryTotals,
    Ledger,
    LedgerError,
    SearchTerm,
    SetTotals,
    stamp_of,
)
from kling_ui.service.files import Files
from kling_ui.service.owned_inputs import OwnedInputs
from kling_ui.service.runtime import Runtime
from kling_ui.service.set_export import write_zip

_log = logging.getLogger(__name__)

UNDO_SECONDS = 10.0
"""How long a deletion is offered to be taken back."""

_RESTORED_WITHIN = timedelta(seconds=UNDO_SECONDS + 5)
"""How long that is done: the offer's last click may take a while to arrive."""

_PURGED_AFTER = timedelta(seconds=UNDO_SECONDS + 10)
_LONGEST_SEARCH = 500
_MOST_CHANGES = 200

_NO_TOTALS = HistoryTotals(count=0, usd=0.0, simulated_usd=0.0)


def history_query(
    search: str = "",
    *,
    tasks: tuple[catalog.Task, ...] = (),
    models: tuple[str, ...] = (),
    **more: Any,
) -> HistoryQuery:
    """Return the query that finds every word of `search` in prompt, effect, model or id.

    `models` are ids, `tasks` those that the models belong to; empty ones filter nothing. `more` is
    what HistoryQuery takes besides.
    """
    wanted = models or None
    if tasks:
        of_tasks = [model.id for model in catalog.MODELS.values() if model.task in tasks]
        wanted = tuple(each for each in of_tasks if not models or each in models)
    terms = tuple(_term(word) for word in search[:_LONGEST_SEARCH].split())
    return HistoryQuery(terms=terms, models=wanted, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """A page of generations; `stamp` is when the owner's last change before it was.

    `sets` are those that any of them belongs to, by id.
    """

    generations: tuple[Generation, ...] = ()
    sets: Mapping[str, SetTotals] = field(default_factory=dict)
    totals: HistoryTotals = _NO_TOTALS
    deleted: HistoryTotals = _NO_TOTALS
    stamp: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChanges:
    """What is another since a stamp: `ids` of all that changed, and those still to be found.

    `is_whole`: False where more has changed than is worth telling one by one.
    """

    page: HistoryPage
    ids: tuple[str, ...]
    is_whole: bool


class History:
    """An owner's generations, apart from their life. Nobody (None) has none.

    Raises LedgerError from every call where the ledger can't be used.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        files: Files,
        inputs: OwnedInputs,
        runtime: Runtime,
        is_working_on: Callable[[str], bool],
    ) -> None:
        self._ledger = ledger
        self._files = files
        self._inputs = inputs
        self._runtime = runtime
        self._is_working_on = is_working_on
        self._has_deleted = asyncio.Event()

    async def page(
        self,
        owner: str | None,
        query: HistoryQuery,
        *,
        limit: int,
        offset: int = 0,
        after: str | None = None,
    ) -> HistoryPage:
        """Return a page of what is found: from `offset`, or behind the generation `after`."""
        if not owner:
            return HistoryPage()

        def read() -> HistoryPage:
            # The stamp first: what changes while the rest is read is told once more.
            stamp = self._ledger.last_change(owner)
            rows = self._ledger.history(owner, query, limit=limit, offset=offset, after=after)
            return self._page(owner, query, rows, stamp)

        return await asyncio.to_thread(read)

    async def changes(
        self, owner: str | None, query: HistoryQuery, *, since: str
    ) -> HistoryChanges | None:
        """Return what has changed since the stamp of a page, or None where nothing has."""
        if not owner:
            return None

        def read() -> HistoryChanges | None:
            stamp = self._ledger.last_change(owner)
            if stamp == since:
                return None
            ids = self._ledger.changed_since(owner, since, limit=_MOST_CHANGES + 1)
            rows = self._ledger.history(owner, query, limit=_MOST_CHANGES, among=ids)
            return HistoryChanges(
                page=self._page(owner, query, rows, stamp),
                ids=tuple(ids),
                is_whole=len(ids) <= _MOST_CHANGES,
            )

        return await asyncio.to_thread(read)

    async def export(self, ids: Collection[str], path: Path) -> None:
        """Write videos, and a table of their settings and prices, to a zip file at `path`.

        For whoever has their ids; unknown ones are left out. Raises KeyError where none is left,
        OSError where it can't be written; then nothing is left at `path`.
        """

        def write() -> None:
            found = [self._ledger.get(each) for each in dict.fromkeys(ids)]
            rows = [each for each in found if each is not None and each.deleted_at is None]
            if not rows:
                raise KeyError(*ids)
            write_zip(path, rows, self._files)

        await asyncio.to_thread(write)

    async def star(self, owner: str | None, ids: Collection[str], *, is_starred: bool) -> None:
        """Mark an owner's generations, or take the mark away."""
        if owner:
            await asyncio.to_thread(self._ledger.star, owner, ids, is_starred=is_starred)

    async def delete(self, owner: str | None, ids: Collection[str]) -> list[str]:
        """Delete those of an owner's generations that have ended; return the ids of these.

        What is paid for and not yet there stays, and so does whatever is being worked on.
        """
        if not owner:
            return []
        idle = [each for each in ids if not self._is_working_on(each)]
        deleted = await asyncio.to_thread(self._ledger.delete, owner, idle)
        self._has_deleted.set()
        return deleted

    async def restore(self, owner: str | None, ids: Collection[str]) -> list[str]:
        """Take deletions back that are a few seconds old; return the ids of these."""
        if not owner:
            return []
        since = stamp_of(self._runtime.now() - _RESTORED_WITHIN)
        return await asyncio.to_thread(self._ledger.restore, owner, ids, deleted_since=since)

    async def keep_purged(self) -> None:
        """Remove what deleted generations were made of, from an earlier run too; never returns."""
        while True:
            self._has_deleted.clear()
            try:
                is_done = await asyncio.to_thread(self.purge)
            except (LedgerError, OSError) as exc:
                _log.warning("deleted generations: their files are still there: %s", exc)
                is_done = False
            if is_done:
                await self._has_deleted.wait()
            await self._runtime.sleep(_PURGED_AFTER.total_seconds())

    def purge(self) -> bool:
        """Strip what can't be restored any more; tell whether nothing is left to be. Blocks.

        Files go first: a row that is not stripped yet is found again after a crash.
        """
        before = stamp_of(self._runtime.now() - _PURGED_AFTER)
        gone = self._ledger.deleted(before=before)
        if gone:
            self._strip(gone)
        return not self._ledger.deleted(before=self._ledger.stamp())

    def _strip(self, gone: list[Generation]) -> None:
        for generation in gone:
            self._files.remove(generation)
        self._ledger.strip([generation.id for generation in gone])
        references = {each for row in gone for each in catalog.references(row.payload)}
        if references:
            first = min(row.deleted_at for row in gone if row.deleted_at)
            self._inputs.release(references, unused_since=datetime.fromisoformat(first))

    def _page(
        self, owner: str, query: HistoryQuery, rows: list[Generation], stamp: str
    ) -> HistoryPage:
        ids = {row.set_id for row in rows if row.set_id is not None}
        return HistoryPage(
            sets=self._ledger.set_totals(owner, ids),
            generations=tuple(self._files.as_on_disk(row) for row in rows),
            totals=self._ledger.history_totals(owner, query),
            deleted=self._ledger.deleted_totals(owner),
            stamp=stamp,
        )


def _term(word: str) -> SearchTerm:
    folded = word.casefold()
    named = (model.id for model in catalog.MODELS.values() if folded in model.title.casefold())
    return SearchTerm(text=word, models=tuple(named))
