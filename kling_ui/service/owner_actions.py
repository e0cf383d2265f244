"""What an owner does to a generation under way: go on, withdraw, give up, put away.

Nothing here ends what the provider works on: nobody can.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kling_ui.ledger import ErrorKind, Generation, GenerationSet, Ledger, LedgerError, Status
from kling_ui.service import messages
from kling_ui.service.connection import Connections
from kling_ui.service.files import Files, lost_file
from kling_ui.service.runs import Registry
from kling_ui.service.starter import RunStarter


def owns(made: Generation | GenerationSet, owner: str | None) -> bool:
    """Tell whether `owner` may change a generation or a set: the one comparison of owners."""
    return bool(owner) and made.owner == owner


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerActions:
    """What is done to one generation at a time; others than its owner do nothing.

    `get` returns a generation as it is now, `follow` yields it and its changes.
    """

    ledger: Ledger
    files: Files
    connections: Connections
    starter: RunStarter
    runs: Registry
    get: Callable[[str], Awaitable[Generation | None]]
    follow: Callable[[str], AsyncIterator[Generation]]

    async def resume_one(self, generation_id: str, *, owner: str | None = "local") -> None:
        """Go on with an unfinished generation at once: look again, download again, send it now.

        It goes on even if the caller is cancelled. Does nothing for anyone but its owner.
        """
        generation = await self._owned(generation_id, owner)
        if generation is None:
            return
        run = self.runs.get(generation_id)
        if run is not None:
            run.wake()
            return
        is_reachable = self.connections.of(generation) is not None
        if not is_reachable or generation.status.is_final:
            return
        await asyncio.shield(self._go_on_again(generation))

    async def cancel(self, generation_id: str, *, owner: str | None = "local") -> None:
        """Withdraw a request that waits to be sent; too late for one whose POST is out.

        Where the ledger can't be written for now, it returns before the end is committed.
        """
        if await self._owned(generation_id, owner) is None:
            return
        run = self.runs.get(generation_id)
        if run is not None and run.snapshot.status is Status.WAITING:
            run.is_cancelled = True
            run.wake()
            async for snapshot in self.follow(generation_id):
                if snapshot.error is not None and snapshot.error.kind is ErrorKind.LEDGER:
                    return
        if self.runs.get(generation_id) is not None:
            return
        with contextlib.suppress(KeyError):
            # A run that was just about to end, or none.
            await asyncio.to_thread(
                self.ledger.update,
                generation_id,
                only_from=(Status.WAITING,),
                status=Status.CANCELLED,
                error=messages.CANCELLED,
            )

    async def abandon(self, generation_id: str, *, owner: str | None = "local") -> None:
        """Give up on a request whose answer never came."""
        generation = await self._owned(generation_id, owner)
        if generation is not None and generation.status is Status.UNKNOWN:
            await asyncio.shield(self._abandon(generation))

    async def put_away(self, generation_id: str, *, owner: str | None = "local") -> None:
        """Take an unfinished generation off the stage and out of the count; it goes on."""
        if await self._owned(generation_id, owner) is None:
            return
        with contextlib.suppress(KeyError):
            await asyncio.to_thread(self.ledger.update, generation_id, is_put_away=True)
        run = self.runs.get(generation_id)
        if run is not None:
            run.publish(dataclasses.replace(run.snapshot, is_put_away=True))

    async def confirm(self, generation: Generation) -> None:
        """Write down that a person wants a request sent that waits, at what it costs now."""
        confirmed: dict[str, Any] = {"confirmed_at": self.ledger.stamp(), "error": None}
        connection = self.connections.of(generation)
        if generation.usd_confirmed is not None and connection is not None:
            confirmed["usd_confirmed"] = await connection.estimates.most_usd(generation)
        with contextlib.suppress(KeyError):
            await asyncio.to_thread(
                self.ledger.update, generation.id, only_from=(Status.WAITING,), **confirmed
            )

    async def _owned(self, generation_id: str, owner: str | None) -> Generation | None:
        """Return a generation for its owner to change, and None for everybody else."""
        generation = await self.get(generation_id)
        return generation if generation is not None and owns(generation, owner) else None

    async def _go_on_again(self, generation: Generation) -> None:
        if not self.starter.is_working_on(generation.id):
            await self._reopen(generation.id)
        if generation.status is Status.WAITING:
            await self.confirm(generation)
        self.starter.go_on(generation)

    async def _reopen(self, generation_id: str) -> None:
        """Write down that a completed video is to be fetched anew, if its file really is gone."""

        def write() -> None:
            row = self.ledger.get(generation_id)
            if row is not None and self.files.is_lost(row):
                changes = lost_file()
                self.ledger.update(generation_id, only_from=(Status.COMPLETED,), **changes)

        # From here on it is being worked on: two clicks must not reopen what the first fetched.
        with self.starter.claim([generation_id]):
            await asyncio.to_thread(write)

    async def _abandon(self, generation: Generation) -> None:
        run = self.runs.get(generation.id)
        if run is not None and run.task is not None:
            run.task.cancel()
            await asyncio.wait([run.task])
        with contextlib.suppress(LedgerError):
            generation = await asyncio.to_thread(
                self.ledger.update,
                generation.id,
                only_from=(Status.UNKNOWN,),
                status=Status.ABANDONED,
                error=messages.ABANDONED,
            )
        if not generation.status.is_final:
            # Found at the last moment, or not written: then it goes on.
            self.starter.go_on(generation)
