"""Generations begin here: written down first, then taken on by one run each."""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kling_ui.ledger import Generation, GenerationError, Ledger, LedgerError, Status
from kling_ui.service import messages
from kling_ui.service.connection import Connection, Connections
from kling_ui.service.runner import run_to_its_end
from kling_ui.service.runs import Registry, Run

_log = logging.getLogger(__name__)


class RunStarter:
    """Sees that a generation is worked on once. One for all connections, on one event loop."""

    def __init__(self, *, ledger: Ledger, runs: Registry, connections: Connections) -> None:
        self._ledger = ledger
        self._runs = runs
        self._connections = connections
        self._beginning: set[str] = set()

    def is_working_on(self, generation_id: str) -> bool:
        """Tell whether a generation is being taken on right now, watched or not."""
        return self._runs.get(generation_id) is not None or generation_id in self._beginning

    @property
    def beginning_count(self) -> int:
        """How many are about to begin."""
        return len(self._beginning)

    @contextmanager
    def claim(self, ids: Iterable[str]) -> Iterator[None]:
        """Let these count as worked on for as long as the context lasts."""
        claimed = set(ids)
        self._beginning |= claimed
        try:
            yield
        finally:
            self._beginning -= claimed

    async def begin(
        self,
        generations: Sequence[Generation],
        connection: Connection,
        *,
        insert: Callable[[], None],
    ) -> GenerationError | None:
        """Write generations down by `insert`, all or none, then start them.

        Returns why they could not be written down: then none of them is sent.
        """
        # From the rows on, a resume that runs late could take them for those of another run.
        with self.claim(generation.id for generation in generations):
            try:
                await asyncio.to_thread(insert)
            except LedgerError as exc:
                _log.error("%d generations not recorded, so not sent: %s", len(generations), exc)
                return await self._withdraw_unsure([each.id for each in generations], str(exc))
            for generation in generations:
                self._start(generation, connection)
        return None

    def go_on(self, generation: Generation) -> None:
        """Take on an unfinished generation, unless that is done already or can't be."""
        connection = self._connections.of(generation)
        if connection is not None and not self.is_working_on(generation.id):
            self._start(generation, connection)

    async def take_on(self, connection: Connection) -> int:
        """Take on all that a connection's origin has left unfinished; return how many."""
        unfinished = await connection.patiently(self._ledger.unfinished, origin=connection.origin)
        for generation in unfinished:
            self.go_on(generation)
        return len(unfinished)

    async def _withdraw_unsure(self, ids: list[str], reason: str) -> GenerationError:
        """Close rows whose COMMIT failed: a database may have made it, and a start would send them.

        Where that can't be made sure either, the answer says so.
        """
        error = messages.not_recorded(reason)
        try:
            await asyncio.to_thread(
                self._ledger.end_waiting, ids, status=Status.REJECTED, error=error
            )
        except LedgerError:
            error = messages.perhaps_recorded(reason)
        return error

    def _start(self, generation: Generation, connection: Connection) -> None:
        run = self._runs.add(generation)
        guarded = self._guard(run, connection)
        run.task = asyncio.create_task(guarded, name=generation.id)
        # One that is cancelled before its first step can't clean up after itself.
        run.task.add_done_callback(lambda _: self._runs.remove(run))

    async def _guard(self, run: Run, connection: Connection) -> None:
        """Let no mistake of ours end a generation: it stays open, and says so."""
        try:
            await run_to_its_end(run, connection)
        except Exception:  # noqa: BLE001  a paid task outlives any mistake of ours
            _log.exception("generation %s: left open after an unexpected error", run.id)
            error = messages.UNEXPECTED
            run.publish(dataclasses.replace(run.snapshot, error=error))
            with contextlib.suppress(LedgerError, KeyError):
                # For those who come later and read the row.
                await asyncio.to_thread(self._ledger.update, run.id, error=error, **_undone(run))
        finally:
            self._runs.remove(run)
            connection.turns.recheck()


def _undone(run: Run) -> dict[str, Any]:
    """Return what changes of a row in a set: it has no place, and asks before it gets one."""
    is_of_set = run.snapshot.set_id is not None
    return {"admitted_at": None, "confirmed_at": None} if is_of_set else {}
