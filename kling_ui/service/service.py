"""The service that page and API talk to: one asyncio task per unfinished generation.

The tasks belong to the app; subscribers only watch. What a task does stands in `runner`.
"""

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from kling_ui import catalog
from kling_ui.client import Route
from kling_ui.ledger import (
    SIMULATOR,
    Generation,
    Ledger,
    LedgerError,
    Status,
)
from kling_ui.media import Playback
from kling_ui.service.balance import Balance
from kling_ui.service.batches import NOBODY, Batches
from kling_ui.service.connection import Connection, ConnectionFactory, Connections, Connector
from kling_ui.service.context import PollSettings
from kling_ui.service.day_limit import DayLimit
from kling_ui.service.estimates import Estimates
from kling_ui.service.files import Files
from kling_ui.service.history import History
from kling_ui.service.live_catalog import LiveCatalog
from kling_ui.service.owned_inputs import Kind, OwnedInputs
from kling_ui.service.owner_actions import OwnerActions, owns
from kling_ui.service.preferences import Preferences
from kling_ui.service.provider import Provider
from kling_ui.service.request_export import RequestExport, export_request
from kling_ui.service.runs import Registry
from kling_ui.service.runtime import Runtime
from kling_ui.service.starter import RunStarter
from kling_ui.service.storage import DataPlace, Storage


class Service:
    """Generations from submission to the verified file, all on one event loop.

    `origin` is who is asked at first (LIVE or SIMULATOR); only its generations are resumed.
    `connector` None means: that stays so. `route` None means: the pair that each model documents.
    `day_usd` is what one UTC day may cost at the provider; None means: no limit. `data_place` is
    what is known of where `folder` lies.
    """

    owns = staticmethod(owns)

    def __init__(
        self,
        *,
        client: Provider,
        ledger: Ledger,
        folder: Path,
        origin: str,
        route: Route | None = None,
        poll_settings: PollSettings | None = None,
        runtime: Runtime | None = None,
        day_usd: float | None = None,
        connector: Connector | None = None,
        data_place: DataPlace | None = None,
    ) -> None:
        self.files = Files(folder)
        self.preferences = Preferences(folder)
        self.storage = Storage(
            folder,
            ledger_file=ledger.path,
            preferences=self.preferences,
            place=data_place or DataPlace(),
        )
        self._ledger = ledger
        self._runtime = runtime or Runtime()
        self._runs = Registry()
        self._inputs = OwnedInputs(folder / "inputs", ledger=ledger, now=self._runtime.now)
        poll_settings = poll_settings or PollSettings()
        factory = ConnectionFactory(
            ledger=ledger,
            folder=folder,
            files=self.files,
            body_of=self._inputs.body_of,
            seconds_of=self._inputs.seconds_of,
            parallel=lambda: self.preferences.parallel,
            route=route,
            poll_settings=poll_settings,
            runtime=self._runtime,
            day_usd=day_usd,
        )
        seconds = poll_settings.simulator_seconds
        first = factory.connection(client, origin, simulator_seconds=seconds)
        self.connections = Connections(factory, first, connector=connector)
        self._starter = RunStarter(ledger=ledger, runs=self._runs, connections=self.connections)
        actions = OwnerActions(
            ledger=ledger,
            files=self.files,
            connections=self.connections,
            starter=self._starter,
            runs=self._runs,
            get=self.get,
            follow=self.follow,
        )
        self.resume_one = actions.resume_one
        self.cancel = actions.cancel
        self.abandon = actions.abandon
        self.put_away = actions.put_away
        self.batches = Batches(
            ledger=ledger,
            files=self.files,
            connections=self.connections,
            starter=self._starter,
            runs=self._runs,
            new=self._new,
            check=self.prepare,
            confirm=actions.confirm,
        )
        self.history = History(
            ledger=ledger,
            files=self.files,
            inputs=self._inputs,
            runtime=self._runtime,
            is_working_on=self.is_working_on,
        )

    @property
    def origin(self) -> str:
        """Who is asked for what is submitted now: LIVE or SIMULATOR."""
        return self.connections.current.origin

    @property
    def live(self) -> LiveCatalog:
        """What the provider in use lists by now."""
        return self.connections.current.live

    @property
    def estimates(self) -> Estimates:
        """Prices and waits at the provider in use."""
        return self.connections.current.estimates

    @property
    def day_limit(self) -> DayLimit:
        """What a day may cost at the provider in use."""
        return self.connections.current.day_limit

    @property
    def balance(self) -> Balance:
        """The account's balance at the provider in use."""
        return self.connections.current.balance

    async def use_key(self, key: str) -> float:
        """Send new requests to the API with `key`, and take on what it left unfinished.

        Returns the account's balance in USD. Raises CannotConnectError: then nothing has changed.
        """
        balance = await self.connections.use_key(key)
        await asyncio.shield(self._starter.take_on(self.connections.current))
        return balance

    async def use_simulator(self) -> None:
        """Send new requests to the simulator, and take on what it left unfinished.

        What the API works on is asked for all the same. Raises CannotConnectError.
        """
        await self.connections.use_simulator()
        await asyncio.shield(self._starter.take_on(self.connections.current))

    def is_reachable(self, generation: Generation) -> bool:
        """Tell whether the app has a connection to where a generation was sent."""
        return self.connections.of(generation) is not None

    async def prepare(
        self, model_id: Any, values: Mapping[str, Any], *, owner: str | None = "local"
    ) -> catalog.Request:
        """Check a request and keep its media, once for all that is done with it.

        `input:SHA256.ext` is taken from the owner who has used it before. Raises
        catalog.InvalidValuesError with every problem at once.
        """
        # In a thread: media are decoded to see whether they may be sent.
        return await asyncio.to_thread(self._inputs.prepare, model_id, values, owner or NOBODY)

    async def keep_upload(
        self,
        path: Path,
        *,
        kind: Kind,
        limits: catalog.PictureLimits | None = None,
        owner: str | None = "local",
    ) -> catalog.KeptUpload:
        """Keep an uploaded file from the moment a form has it; a request takes its `reference`.

        Raises catalog.UnusableMediaError, or LedgerError where it can't be written down whose
        it is.
        """
        keep = self._inputs.keep_upload
        return await asyncio.to_thread(keep, path, kind, limits, owner or NOBODY)

    async def with_files(
        self, values: Mapping[str, Any], *, owner: str | None = "local"
    ) -> dict[str, Any]:
        """Return values with the file of each input of `owner`'s in its place, for the form."""
        return await asyncio.to_thread(self._inputs.with_files, values, owner or NOBODY)

    async def submit(self, request: catalog.Request, *, owner: str | None = "local") -> Generation:
        """Write down and POST one generation; return it once that is answered, lost or waits.

        Raises DayLimitError where nothing may be sent. Every other failure is a state of the
        returned generation. The POST goes on even if the caller is cancelled.
        """
        # Shielded: a row without its task would say "waiting" until the next restart.
        generation = await asyncio.shield(self._admit(request, owner or NOBODY))
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

    async def follow_all(self, generation_ids: Iterable[str]) -> AsyncGenerator[Generation]:
        """Yield each state of these generations, whichever changes, until all of them rest."""
        queue: asyncio.Queue[Generation | None] = asyncio.Queue()

        async def pass_on(generation_id: str) -> None:
            try:
                async for snapshot in self.follow(generation_id):
                    queue.put_nowait(snapshot)
            finally:
                queue.put_nowait(None)

        tasks = [asyncio.create_task(pass_on(each)) for each in generation_ids]
        open_count = len(tasks)
        try:
            while open_count:
                snapshot = await queue.get()
                if snapshot is None:
                    open_count -= 1
                else:
                    yield snapshot
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_simulated(self) -> bool:
        """Tell whether the simulator is asked: no money, no real videos."""
        return self.origin == SIMULATOR

    def typical_seconds(self, generation: Generation) -> float:
        """Return how long such a generation usually takes."""
        connection = self.connections.of(generation) or self.connections.current
        return connection.waits.usual(generation.model, generation.payload).p50

    def stop(self, watcher: str) -> None:
        """Stop watching, for one watcher. The generation goes on: nothing can cancel it."""
        self._runs.stop(watcher)

    def is_working_on(self, generation_id: str) -> bool:
        """Tell whether a generation is being taken on right now, watched or not."""
        return self._starter.is_working_on(generation_id)

    def is_resting(self, generation_id: str) -> bool:
        """Tell whether nothing new is to be expected of a generation for a good while."""
        run = self._runs.get(generation_id)
        return run is None or run.is_resting

    def diagnostics(self) -> dict[str, int]:
        """Count what the service holds for what goes on; all are 0 when nothing does."""
        return {**self._runs.diagnostics(), "beginning": self._starter.beginning_count}

    async def get(self, generation_id: str) -> Generation | None:
        """Return a generation as it is now; None where there is none, or it is deleted."""
        run = self._runs.get(generation_id)
        if run is not None:
            return run.snapshot

        def read() -> Generation | None:
            row = self._ledger.get(generation_id)
            return None if row is None or row.deleted_at else self.files.as_on_disk(row)

        return await asyncio.to_thread(read)

    async def newest(
        self, owner: str | None, *, limit: int = 50, only_unfinished: bool = False
    ) -> list[Generation]:
        """Return up to `limit` generations of `owner`, newest first; nobody (None) has none."""
        if not owner:
            return []

        def read() -> list[Generation]:
            rows = self._ledger.newest(owner, limit=limit, only_unfinished=only_unfinished)
            return [self.files.as_on_disk(row) for row in rows]

        return await asyncio.to_thread(read)

    async def count(self, owner: str | None) -> int:
        """Return how many generations `owner` has; nobody (None) has none."""
        return await asyncio.to_thread(self._ledger.count, owner) if owner else 0

    async def neighbor(
        self, generation_id: str, owner: str | None, *, is_newer: bool
    ) -> str | None:
        """Return the id of the video of `owner` that was made next after or before this one."""
        if not owner:
            return None
        return await asyncio.to_thread(
            self._ledger.neighbor, generation_id, owner, is_newer=is_newer
        )

    async def media_file(self, generation: Generation, name: str) -> Path | None:
        """Return the file that a generation calls `name` (video, poster, an input), or None."""
        return await asyncio.to_thread(self.files.named, generation, name)

    async def playback(self, generation: Generation) -> Playback | None:
        """Return how a generation's video plays, or None where there is none on disk."""
        return await asyncio.to_thread(self.files.playback, generation)

    async def exported(self, generation: Generation, *, is_owned: bool = True) -> RequestExport:
        """Return a generation's request as far as it can be sent once more; see RequestExport."""
        return await asyncio.to_thread(export_request, generation, self.files, is_owned=is_owned)

    async def resume(self) -> int:
        """Take on every unfinished generation, never sending one twice; return how many.

        Waits where the ledger can't be read for now.
        """
        await asyncio.to_thread(self.files.prepare)
        return await self._starter.take_on(self.connections.current)

    async def keep_informed(self) -> None:
        """Learn the usual waits, keep the provider's lists fresh and the inputs few, count space.

        Run it once the page is served; nothing waits for it.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.connections.keep_informed())
            tasks.create_task(self._inputs.keep_purged(self._runtime.sleep))
            tasks.create_task(self.history.keep_purged())
            tasks.create_task(self.storage.keep_counted(self._runtime.sleep))

    async def close(self) -> None:
        """End all tasks; the next `resume` takes on what they were doing."""
        self.storage.close()
        tasks = self._runs.tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.connections.close()

    def _new(
        self, request: catalog.Request, owner: str, connection: Connection, **more: Any
    ) -> Generation:
        stamp = self._ledger.stamp()
        return Generation(
            id=uuid.uuid4().hex,
            model=request.model.id,
            payload=request.payload,
            owner=owner,
            origin=connection.origin,
            status=Status.WAITING,
            created_at=stamp,
            updated_at=stamp,
            confirmed_at=stamp,
            **more,
        )

    async def note_frame(self, reference: str, *, of: str, owner: str | None) -> None:
        """Note that an owner's input is a picture of the video of generation `of`."""
        await asyncio.to_thread(self._ledger.note_frame, owner or NOBODY, reference, of=of)

    async def chain_to(self, request: catalog.Request, owner: str | None) -> tuple[str, ...]:
        """Return the ids of the generations that a request continues, the first one first."""
        start = request.payload.get("image_url")
        if not isinstance(start, str) or not catalog.is_reference(start):
            return ()
        try:
            return await asyncio.to_thread(self._ledger.chain_to, owner or NOBODY, start)
        except LedgerError:
            return ()  # told when the row can't be written

    async def _admit(self, request: catalog.Request, owner: str) -> Generation:
        connection = self.connections.current  # one for all that follows, if it changes meanwhile
        chain = await self.chain_to(request, owner)
        generation = self._new(request, owner, connection, chain=chain)

        def insert() -> None:
            self._ledger.insert(generation)

        async with connection.day_limit.turn():
            error = await self._starter.begin([generation], connection, insert=insert)
        if error is None:
            return generation
        return dataclasses.replace(generation, status=Status.REJECTED, error=error)
