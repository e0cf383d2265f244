"""The service that page and API talk to: one asyncio task per unfinished generation.

The tasks belong to the app; subscribers only watch. What a task does stands in `runner`.
"""

import asyncio
import contextlib
import dataclasses
import logging
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from kling_ui import catalog
from kling_ui.client import Client, Route
from kling_ui.ledger import (
    LIVE,
    SIMULATOR,
    ErrorKind,
    Generation,
    Ledger,
    LedgerError,
    Status,
)
from kling_ui.service import messages
from kling_ui.service.context import PollSettings, RunContext, Runtime
from kling_ui.service.day_limit import DayLimit
from kling_ui.service.estimates import Estimates
from kling_ui.service.files import Files
from kling_ui.service.live_catalog import LiveCatalog
from kling_ui.service.owned_inputs import OwnedInputs
from kling_ui.service.runner import GenerationRunner
from kling_ui.service.runs import Registry, Run
from kling_ui.service.waits import UsualWaits

_log = logging.getLogger(__name__)

PURGE_EVERY_SECONDS = 3600.0
NOBODY = ""
"""The owner of what was submitted by someone who is nobody: it is in no one's list."""


class Service:
    """Generations from submission to the verified file, all on one event loop.

    `origin` is who is asked (LIVE or SIMULATOR); only its generations are resumed. `route`
    None means: the pair that each model documents. `day_usd` is what one UTC day may cost at the
    provider; None means: no limit.
    """

    def __init__(
        self,
        *,
        client: Client,
        ledger: Ledger,
        folder: Path,
        origin: str,
        route: Route | None = None,
        poll_settings: PollSettings | None = None,
        runtime: Runtime | None = None,
        day_usd: float | None = None,
    ) -> None:
        self.origin = origin
        self.files = Files(folder)
        self.poll_settings = poll_settings or PollSettings()
        runtime = runtime or Runtime()
        self._ledger = ledger
        self._runs = Registry()
        self._inputs = OwnedInputs(folder / "inputs", ledger=ledger, now=runtime.now)
        self._beginning: set[str] = set()
        self.day_limit = DayLimit(
            day_usd if origin == LIVE else None, ledger=ledger, now=runtime.now
        )
        self.live = LiveCatalog(client=client, folder=folder, origin=origin, now=runtime.now)
        self.waits = UsualWaits(
            ledger=ledger,
            origin=origin,
            simulator_seconds=self.poll_settings.simulator_seconds,
        )
        self.estimates = Estimates(
            live=self.live, waits=self.waits, is_simulated=self.is_simulated, now=runtime.now
        )
        self._context = RunContext(
            client=client,
            ledger=ledger,
            files=self.files,
            body_of=self._inputs.body_of,
            forced_route=route,
            poll_settings=self.poll_settings,
            runtime=runtime,
            waits=self.waits,
            live=self.live,
        )
        self._runner = GenerationRunner(self._context)

    async def prepare(
        self, model_id: Any, values: Mapping[str, Any], *, owner: str | None = "local"
    ) -> catalog.Request:
        """Check a request and keep its media, once for all that is done with it.

        `input:SHA256.ext` is taken from the owner who has used it before. Raises
        catalog.InvalidValuesError with every problem at once.
        """
        # In a thread: media are decoded to see whether they may be sent.
        return await asyncio.to_thread(self._inputs.prepare, model_id, values, owner or NOBODY)

    async def submit(self, request: catalog.Request, *, owner: str | None = "local") -> Generation:
        """Write down and POST one generation; return it once that is answered, lost or waits.

        Raises DayLimitError where nothing may be sent. Every other failure is a state of the
        returned generation. The POST goes on even if the caller is cancelled.
        """
        # Shielded: a row without its task would say "waiting" until the next restart.
        generation = await asyncio.shield(self._admit(self._new(request, owner or NOBODY)))
        if generation.status.is_final:
            return generation
        async for snapshot in self.follow(generation.id):
            generation = snapshot
            is_on_its_way = snapshot.status is Status.SUBMITTING or (
                snapshot.status is Status.WAITING and snapshot.error is None
            )
            if not is_on_its_way:
                break
        return generation

    async def follow(
        self, generation_id: str, *, watcher: str | None = None
    ) -> AsyncIterator[Generation]:
        """Yield a generation as it is now and after each change, until it rests.

        It rests at a final status, or where nothing new is to be expected for a while (`error`
        says why). A `watcher`, one per page, follows one generation at a time: `stop` or its
        next `follow` ends this one. Yields nothing for an unknown id.
        """
        with self._runs.subscribe(generation_id, watcher) as subscription:
            async for snapshot in subscription:
                yield snapshot
            if subscription.has_seen_any or subscription.is_stopped:
                return
        generation = await self.get(generation_id)
        if generation is not None:
            yield generation

    @property
    def is_simulated(self) -> bool:
        """Tell whether the simulator is asked: no money, no real videos."""
        return self.origin == SIMULATOR

    def typical_seconds(self, generation: Generation) -> float:
        """Return how long such a generation usually takes."""
        return self.waits.usual(generation.model, generation.payload).p50

    def stop(self, watcher: str) -> None:
        """Stop watching, for one watcher. The generation goes on: nothing can cancel it."""
        self._runs.stop(watcher)

    def is_working_on(self, generation_id: str) -> bool:
        """Tell whether a generation is being taken on right now, watched or not."""
        return self._runs.get(generation_id) is not None or generation_id in self._beginning

    def is_resting(self, generation_id: str) -> bool:
        """Tell whether nothing new is to be expected of a generation for a good while."""
        run = self._runs.get(generation_id)
        return run is None or run.is_resting

    def diagnostics(self) -> dict[str, int]:
        """Count what the service holds for what goes on; all are 0 when nothing does."""
        return {**self._runs.diagnostics(), "beginning": len(self._beginning)}

    async def get(self, generation_id: str) -> Generation | None:
        """Return a generation as it is now, or None."""
        run = self._runs.get(generation_id)
        if run is not None:
            return run.snapshot

        def read() -> Generation | None:
            row = self._ledger.get(generation_id)
            return None if row is None else self._as_it_is(row)

        return await asyncio.to_thread(read)

    async def newest(
        self, owner: str | None, *, limit: int = 50, only_unfinished: bool = False
    ) -> list[Generation]:
        """Return up to `limit` generations of `owner`, newest first; nobody (None) has none."""
        if not owner:
            return []

        def read() -> list[Generation]:
            rows = self._ledger.newest(owner, limit=limit, only_unfinished=only_unfinished)
            return [self._as_it_is(row) for row in rows]

        return await asyncio.to_thread(read)

    async def media_file(self, generation: Generation, name: str) -> Path | None:
        """Return the file that a generation calls `name` (video, poster, an input), or None."""
        return await asyncio.to_thread(self.files.named, generation, name)

    @staticmethod
    def owns(generation: Generation, owner: str | None) -> bool:
        """Tell whether `owner` may change a generation: the one comparison of owners."""
        return bool(owner) and generation.owner == owner

    async def resume(self) -> int:
        """Take on every unfinished generation, never sending one twice; return how many.

        Waits where the ledger can't be read for now.
        """
        await asyncio.to_thread(self.files.prepare)
        unfinished = await self._context.patiently(self._ledger.unfinished, origin=self.origin)
        for generation in unfinished:
            self._go_on(generation)
        return len(unfinished)

    async def keep_informed(self) -> None:
        """Learn the usual waits, keep the provider's lists fresh and the inputs few.

        Run it once the page is served; nothing waits for it.
        """
        try:
            await asyncio.to_thread(self.waits.load)
        except LedgerError as exc:
            _log.warning("usual waits: %s", exc)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.live.keep_fresh())
            tasks.create_task(self._purge_inputs())

    async def _purge_inputs(self) -> None:
        while True:
            try:
                removed = await asyncio.to_thread(self._inputs.purge)
            except (LedgerError, OSError) as exc:
                _log.warning("inputs: nothing was removed: %s", exc)
            else:
                _log.info("inputs: %d that nothing refers to were removed", removed)
            await self._context.runtime.sleep(PURGE_EVERY_SECONDS)

    async def resume_one(self, generation_id: str, *, owner: str | None = "local") -> None:
        """Go on with an unfinished generation at once: look again, download again, send it now.

        It goes on even if the caller is cancelled. Does nothing for anyone but its owner.
        """
        generation = await self._owned(generation_id, owner)
        if generation is None:
            return
        run = self._runs.get(generation_id)
        if run is not None:
            run.wake()
            return
        if generation.origin != self.origin or generation.status.is_final:
            return
        if not self.is_working_on(generation_id):
            await asyncio.shield(self._reopen(generation_id))
        self._go_on(generation, is_confirmed=True)

    async def cancel(self, generation_id: str, *, owner: str | None = "local") -> None:
        """Withdraw a request that waits to be sent; too late for one whose POST is out.

        Where the ledger can't be written for now, it returns before the end is committed.
        """
        if await self._owned(generation_id, owner) is None:
            return
        run = self._runs.get(generation_id)
        if run is not None and run.snapshot.status is Status.WAITING:
            run.is_cancelled = True
            run.wake()
            async for snapshot in self.follow(generation_id):
                if snapshot.error is not None and snapshot.error.kind is ErrorKind.LEDGER:
                    return
        if self._runs.get(generation_id) is not None:
            return
        with contextlib.suppress(KeyError):
            # A run that was just about to end, or none.
            await asyncio.to_thread(
                self._ledger.update,
                generation_id,
                only_from=(Status.WAITING,),
                status=Status.CANCELLED,
                error=messages.cancelled(),
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
            await asyncio.to_thread(self._ledger.update, generation_id, is_put_away=True)
        run = self._runs.get(generation_id)
        if run is not None:
            run.publish(dataclasses.replace(run.snapshot, is_put_away=True))

    async def close(self) -> None:
        """End all tasks; the next `resume` takes on what they were doing."""
        tasks = self._runs.tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _owned(self, generation_id: str, owner: str | None) -> Generation | None:
        """Return a generation for its owner to change, and None for everybody else."""
        generation = await self.get(generation_id)
        return generation if generation is not None and self.owns(generation, owner) else None

    def _as_it_is(self, generation: Generation) -> Generation:
        """Return a row as the disk has it: a completed video whose file is gone is to be fetched.

        Blocks: it looks at the disk.
        """
        is_fetchable = generation.status is Status.COMPLETED and generation.task_id is not None
        if not is_fetchable or self.files.path(generation) is not None:
            return generation
        return dataclasses.replace(generation, **_lost_file())

    async def _reopen(self, generation_id: str) -> None:
        """Write down that a completed video is to be fetched anew, if its file really is gone."""

        def write() -> None:
            row = self._ledger.get(generation_id)
            if row is not None and self._as_it_is(row) is not row:
                self._ledger.update(generation_id, only_from=(Status.COMPLETED,), **_lost_file())

        # From here on it is being worked on: two clicks must not reopen what the first fetched.
        self._beginning.add(generation_id)
        try:
            await asyncio.to_thread(write)
        finally:
            self._beginning.discard(generation_id)

    async def _abandon(self, generation: Generation) -> None:
        run = self._runs.get(generation.id)
        if run is not None and run.task is not None:
            run.task.cancel()
            await asyncio.wait([run.task])
        with contextlib.suppress(LedgerError):
            generation = await asyncio.to_thread(
                self._ledger.update,
                generation.id,
                only_from=(Status.UNKNOWN,),
                status=Status.ABANDONED,
                error=messages.abandoned(),
            )
        if not generation.status.is_final:
            # Found at the last moment, or not written: then it goes on.
            self._go_on(generation)

    def _go_on(self, generation: Generation, *, is_confirmed: bool = False) -> None:
        if not self.is_working_on(generation.id):
            self._start(generation).is_confirmed = is_confirmed

    def _new(self, request: catalog.Request, owner: str) -> Generation:
        stamp = self._ledger.stamp()
        return Generation(
            id=uuid.uuid4().hex,
            model=request.model.id,
            payload=request.payload,
            owner=owner,
            origin=self.origin,
            status=Status.WAITING,
            created_at=stamp,
            updated_at=stamp,
        )

    async def _admit(self, generation: Generation) -> Generation:
        async with self.day_limit.turn():
            return await self._begin(generation)

    async def _begin(self, generation: Generation) -> Generation:
        """Write a generation down, then send it; one that can't be written is not sent."""
        # From the row on, a resume that runs late could take it for one of another run.
        self._beginning.add(generation.id)
        try:
            await asyncio.to_thread(self._ledger.insert, generation)
        except LedgerError as exc:
            _log.error("generation %s not recorded, so not sent: %s", generation.id, exc)
            return await self._withdraw_unsure(generation, str(exc))
        else:
            self._start(generation)
        finally:
            self._beginning.discard(generation.id)
        return generation

    async def _withdraw_unsure(self, generation: Generation, reason: str) -> Generation:
        """Close a row whose COMMIT failed: a database may have made it, and a start would send it.

        Where that can't be made sure either, the answer says so.
        """
        error = messages.not_recorded(reason)
        try:
            await asyncio.to_thread(
                self._ledger.update,
                generation.id,
                only_from=(Status.WAITING,),
                status=Status.REJECTED,
                error=error,
            )
        except KeyError:
            pass  # there is no such row
        except LedgerError:
            error = messages.perhaps_recorded(reason)
        return dataclasses.replace(generation, status=Status.REJECTED, error=error)

    def _start(self, generation: Generation) -> Run:
        run = self._runs.add(generation)
        run.task = asyncio.create_task(self._guard(run), name=generation.id)
        # One that is cancelled before its first step can't clean up after itself.
        run.task.add_done_callback(lambda _: self._runs.remove(run))
        return run

    async def _guard(self, run: Run) -> None:
        """Let no mistake of ours end a generation: it stays open, and says so."""
        try:
            await self._runner.run(run)
        except Exception:  # noqa: BLE001  a paid task outlives any mistake of ours
            _log.exception("generation %s: left open after an unexpected error", run.id)
            run.publish(dataclasses.replace(run.snapshot, error=messages.unexpected()))
            with contextlib.suppress(LedgerError, KeyError):
                # For those who come later and read the row.
                error = messages.unexpected()
                await asyncio.to_thread(self._ledger.update, run.id, error=error)
        finally:
            self._runs.remove(run)


def _lost_file() -> dict[str, Any]:
    """Return what changes of a completed generation whose file is gone."""
    return {
        "status": Status.SAVING,
        "video": None,
        "finished_at": None,
        "error": messages.file_gone(),
    }
