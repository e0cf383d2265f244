"""The service that page and API talk to: one asyncio task per unfinished generation.

The tasks belong to the app; broadcaster only watch. What a task does stands in `life`.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any

from kling_ui import catalog
from kling_ui.client import Client, Route
from kling_ui.ledger import SIMULATOR, Generation, Ledger, LedgerError, Status
from kling_ui.service import messages
from kling_ui.service.broadcaster import Broadcaster
from kling_ui.service.files import Files
from kling_ui.service.runner import GenerationRunner, PollSettings, Runtime

_log = logging.getLogger(__name__)

_LONGEST_KEPT = 4096
"""Characters of a data URI that the ledger keeps whole."""


class Service:
    """Generations from submission to the verified file, all on one event loop.

    `origin` is who is asked (LIVE or SIMULATOR); only its generations are picked up. `route`
    None means: the pair that each model documents.
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
    ) -> None:
        self.origin = origin
        self.files = Files(folder)
        self.poll_settings = poll_settings or PollSettings()
        self._ledger = ledger
        self._broadcaster = Broadcaster()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._beginning: set[str] = set()
        self._runner = GenerationRunner(
            client=client,
            ledger=ledger,
            files=self.files,
            broadcaster=self._broadcaster,
            route=route,
            poll_settings=self.poll_settings,
            runtime=runtime or Runtime(),
        )

    async def submit(
        self, model_id: Any, values: Mapping[str, Any], *, owner: str = "local"
    ) -> Generation:
        """Check, write down and POST one generation; return it once that is answered or lost.

        Raises catalog.InvalidValuesError where nothing may be sent. Every other failure is a
        state of the returned generation. The POST goes on even if the caller is cancelled.
        """
        model = catalog.find_model(model_id)
        # In a thread: pictures are decoded to see whether they may be sent.
        payload = await asyncio.to_thread(model.payload, values)
        # Shielded: a row without its task would say "submitting" until the next restart.
        generation = await asyncio.shield(self._begin(self._new(model.id, payload, owner), payload))
        if generation.status.is_final:
            return generation
        async for snapshot in self.follow(generation.id):
            generation = snapshot
            is_in_line = snapshot.error is not None and snapshot.error.kind == "in_line"
            if snapshot.status is not Status.SUBMITTING or is_in_line:
                break
        return generation

    async def follow(
        self, generation_id: str, *, watcher: str | None = None
    ) -> AsyncIterator[Generation]:
        """Yield a generation as it is now and after each change, until it rests.

        It rests at a final status, or where the service has stopped trying for now (`error`
        says why). A `watcher`, one per page, follows one generation at a time: `stop` or its
        next `follow` ends this one. Yields nothing for an unknown id.
        """
        with self._broadcaster.join(generation_id, watcher) as follower:
            async for snapshot in follower:
                yield snapshot
            if follower.has_seen_any or follower.is_stopped:
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
        return self.poll_settings.typical(generation)

    def stop(self, watcher: str) -> None:
        """Stop watching, for one watcher. The generation goes on: nothing can cancel it."""
        self._broadcaster.stop(watcher)

    def is_working_on(self, generation_id: str) -> bool:
        """Tell whether a generation is being taken on right now, watched or not."""
        return generation_id in self._tasks or generation_id in self._beginning

    async def get(self, generation_id: str) -> Generation | None:
        """Return a generation as it is now, or None."""
        snapshot = self._broadcaster.snapshot(generation_id)
        return snapshot or await asyncio.to_thread(self._ledger.get, generation_id)

    async def newest(
        self, owner: str, *, limit: int = 50, only_unfinished: bool = False
    ) -> list[Generation]:
        """Return up to `limit` generations of `owner`, newest first."""
        return await asyncio.to_thread(
            self._ledger.newest, owner, limit=limit, only_unfinished=only_unfinished
        )

    async def resume(self) -> int:
        """Pick up every unfinished generation, never sending one again; return how many.

        Waits where the ledger can't be read for now.
        """
        await asyncio.to_thread(self.files.prepare)
        unfinished = await self._runner.patiently(self._ledger.unfinished, origin=self.origin)
        for generation in unfinished:
            self._go_on(generation)
        return len(unfinished)

    async def resume_one(self, generation_id: str) -> None:
        """Go on with an unfinished generation that rests: look again, or download again.

        It goes on even if the caller is cancelled.
        """
        snapshot = self._broadcaster.snapshot(generation_id)
        if snapshot is not None and self._broadcaster.is_resting(generation_id):
            # Its next look may be an hour away, and somebody wants to know now.
            await asyncio.shield(self._look_again(snapshot))
            return
        generation = await self.get(generation_id)
        if generation is None or generation.origin != self.origin:
            return
        if not generation.status.is_final:
            self._go_on(generation)

    async def forget(self, generation_id: str) -> None:
        """Give up on a request whose answer never came, or that waits in line to be sent."""
        if self._runner.withdraw(generation_id):
            async for _ in self.follow(generation_id):
                pass
            return
        generation = await self.get(generation_id)
        if generation is not None and generation.status is Status.UNKNOWN:
            await asyncio.shield(self._forget(generation))

    async def close(self) -> None:
        """End all tasks; the next `resume` picks up what they were doing."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_again(self, generation: Generation) -> None:
        await self._interrupt(generation.id)
        # Whatever the row says by now: whoever is interrupted has to be followed by another.
        self._go_on(generation)

    async def _forget(self, generation: Generation) -> None:
        await self._interrupt(generation.id)
        with contextlib.suppress(LedgerError):
            generation = await asyncio.to_thread(
                self._ledger.update,
                generation.id,
                only_from=Status.UNKNOWN,
                status=Status.REJECTED,
                error=messages.forgotten(),
            )
        if not generation.status.is_final:
            # Found at the last moment, or not written: then it goes on.
            self._go_on(generation)

    async def _interrupt(self, generation_id: str) -> None:
        task = self._tasks.get(generation_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _go_on(self, generation: Generation) -> None:
        if not self.is_working_on(generation.id):
            self._start(generation, self._runner.run(generation.id))

    def _new(self, model_id: str, payload: Mapping[str, Any], owner: str) -> Generation:
        stamp = self._ledger.stamp()
        return Generation(
            id=uuid.uuid4().hex,
            model=model_id,
            payload={name: abridged(value) for name, value in payload.items()},
            owner=owner,
            origin=self.origin,
            status=Status.SUBMITTING,
            created_at=stamp,
            updated_at=stamp,
        )

    async def _begin(self, generation: Generation, payload: Mapping[str, Any]) -> Generation:
        """Write a generation down, then send it; one that can't be written is not sent."""
        # From the row on, a resume that runs late could take it for one of another run.
        self._beginning.add(generation.id)
        try:
            await asyncio.to_thread(self._ledger.insert, generation)
        except LedgerError as exc:
            _log.error("generation %s not recorded, so not sent: %s", generation.id, exc)
            return dataclasses.replace(
                generation, status=Status.REJECTED, error=messages.not_recorded(str(exc))
            )
        else:
            self._start(generation, self._runner.submit(generation, payload))
        finally:
            self._beginning.discard(generation.id)
        return generation

    def _start(self, generation: Generation, work: Coroutine[Any, Any, None]) -> None:
        self._broadcaster.publish(generation)
        task = asyncio.create_task(self._guard(generation.id, work), name=generation.id)
        self._tasks[generation.id] = task
        # One that is canceled before its first step can't clean up after itself.
        task.add_done_callback(lambda _: self._end(generation.id, task, work))

    def _end(
        self,
        generation_id: str,
        task: asyncio.Task[None] | None,
        work: Coroutine[Any, Any, None],
    ) -> None:
        if self._tasks.get(generation_id) is task:
            work.close()
            del self._tasks[generation_id]
            self._broadcaster.end(generation_id)

    async def _guard(self, generation_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Let no mistake of ours end a generation: it stays open, and says so."""
        try:
            await work
        except Exception:  # noqa: BLE001  a paid task outlives any mistake of ours
            _log.exception("generation %s: left open after an unexpected error", generation_id)
            last = self._broadcaster.snapshot(generation_id)
            if last is not None:
                self._broadcaster.publish(dataclasses.replace(last, error=messages.unexpected()))
            with contextlib.suppress(LedgerError, KeyError):
                # For those who come later and read the row.
                trouble = messages.unexpected()
                await asyncio.to_thread(self._ledger.update, generation_id, error=trouble)
        finally:
            self._end(generation_id, asyncio.current_task(), work)


def abridged(value: Any) -> Any:
    """Return a payload's value with long data URIs cut to their type, size and fingerprint.

    A row is read often and never sent again; the bytes of a picture are no use in it.
    """
    if isinstance(value, list):
        return [abridged(item) for item in value]
    if isinstance(value, dict):
        return {name: abridged(item) for name, item in value.items()}
    if not isinstance(value, str) or len(value) <= _LONGEST_KEPT or value[:5] != "data:":
        return value
    kind = value[: value.find(",") + 1]
    fingerprint = hashlib.sha256(value.encode()).hexdigest()[:16]
    return f"{kind}… ({len(value):,} characters, sha256 {fingerprint})"
