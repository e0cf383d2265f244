"""The generations under way: one `Run` each, found in one registry, watched by any number."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kling_ui.ledger import Generation

Sleep = Callable[[float], Coroutine[Any, Any, None]]


class Subscription:
    """One watch over one generation; iterate it once for the snapshots."""

    def __init__(self, run: "Run | None") -> None:
        self._run = run
        self.changed = asyncio.Event()
        self.is_stopped = False
        self.has_seen_any = False

    async def __aiter__(self) -> AsyncIterator[Generation]:
        """Yield the snapshot now and each newer one, until there will be none for a while."""
        run, seen = self._run, 0
        while run is not None and not self.is_stopped:
            if run.version != seen:
                seen = run.version
                self.has_seen_any = True
                yield run.snapshot
                continue
            if run.is_over or run.is_resting or run.snapshot.status.is_final:
                return
            self.changed.clear()
            await self.changed.wait()

    def stop(self) -> None:
        """End the watch."""
        self.is_stopped = True
        self.changed.set()


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One generation under way: its task, its newest snapshot and who watches it.

    `is_cancelled`: a person does not want what waits to be sent. `is_resting`: nothing new is to
    be expected for a while. `posts` counts how often the request was sent, all times before a
    restart as one; `loss` says why the answer to it named no task, as far as this run of the app
    knows; `remarks` holds what the provider remarked and was logged.
    """

    snapshot: Generation
    task: asyncio.Task[None] | None = None
    version: int = 1
    is_cancelled: bool = False
    is_resting: bool = False
    is_over: bool = False
    posts: int = 0
    loss: str | None = None
    remarks: set[str] = field(default_factory=set)
    subscriptions: set[Subscription] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """The id of the generation."""
        return self.snapshot.id

    def publish(self, generation: Generation) -> None:
        """Hand a new snapshot to the subscribers."""
        self.snapshot = generation
        self.version += 1
        self.is_resting = False
        self._notify()

    def rest(self) -> None:
        """Let the subscribers go: nothing new is to be expected for a good while."""
        self.is_resting = True
        self._notify()

    def end(self) -> None:
        """Let the subscribers go for good: the ledger has the last state."""
        self.is_over = True
        self._notify()

    def wake(self) -> None:
        """End the pause that the run is in, if it is in one; there will be news."""
        self.is_resting = False
        self.woken.set()

    async def pause(self, seconds: float, sleep: Sleep) -> bool:
        """Wait for `seconds` or until woken; tell whether it was woken."""
        waits = [asyncio.ensure_future(sleep(seconds)), asyncio.ensure_future(self.woken.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        is_woken = self.woken.is_set()
        self.woken.clear()
        return is_woken

    def _notify(self) -> None:
        for subscription in self.subscriptions:
            subscription.changed.set()


class Registry:
    """The runs by generation, and the one subscription of each watcher; all on one loop."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._watchers: dict[str, Subscription] = {}

    def get(self, generation_id: str) -> Run | None:
        """Return the run of a generation, or None where it is not under way here."""
        return self._runs.get(generation_id)

    def add(self, generation: Generation) -> Run:
        """Make a run for a generation that has none; its task is set by the caller."""
        run = self._runs[generation.id] = Run(snapshot=generation)
        return run

    def remove(self, run: Run) -> None:
        """Forget a run that has ended; harmless a second time."""
        if self._runs.get(run.id) is run:
            del self._runs[run.id]
            run.end()

    def tasks(self) -> list[asyncio.Task[None]]:
        """Return the tasks of all runs."""
        return [run.task for run in self._runs.values() if run.task is not None]

    def diagnostics(self) -> dict[str, int]:
        """Count what is held: runs, subscriptions, watchers. All are 0 when nothing goes on."""
        subscriptions = sum(len(run.subscriptions) for run in self._runs.values())
        return {
            "runs": len(self._runs),
            "subscriptions": subscriptions,
            "watchers": len(self._watchers),
        }

    def stop(self, watcher: str) -> None:
        """End the watch of one watcher, if it has one."""
        subscription = self._watchers.pop(watcher, None)
        if subscription is not None:
            subscription.stop()

    @contextmanager
    def subscribe(self, generation_id: str, watcher: str | None) -> Iterator[Subscription]:
        """Watch a generation for as long as the context lasts; end the watcher's other watch."""
        run = self._runs.get(generation_id)
        subscription = Subscription(run)
        if watcher is not None:
            self.stop(watcher)
            self._watchers[watcher] = subscription
        if run is not None:
            run.subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            if run is not None:
                run.subscriptions.discard(subscription)
            if watcher is not None and self._watchers.get(watcher) is subscription:
                del self._watchers[watcher]
