"""Who watches what: the newest snapshot of each running generation, and its broadcaster."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kling_ui.ledger import Generation


class Subscription:
    """One watch over one generation; iterate it once for the snapshots."""

    def __init__(self, live: "_Live | None") -> None:
        self._live = live
        self.wake = asyncio.Event()
        self.is_stopped = False
        self.has_seen_any = False

    async def __aiter__(self) -> AsyncIterator[Generation]:
        """Yield the snapshot now and each newer one, until there will be none."""
        live, seen = self._live, 0
        while live is not None and not self.is_stopped:
            if live.version != seen:
                seen = live.version
                self.has_seen_any = True
                yield live.snapshot
                continue
            if live.is_over or live.is_resting or live.snapshot.status.is_final:
                return
            self.wake.clear()
            await self.wake.wait()


@dataclass(slots=True, kw_only=True)
class _Live:
    snapshot: Generation
    version: int = 1
    is_resting: bool = False
    is_over: bool = False
    broadcaster: set[Subscription] = field(default_factory=set)

    def wake_all(self) -> None:
        for follower in self.broadcaster:
            follower.wake.set()


class Broadcaster:
    """The running generations' snapshots, handed to any number of broadcaster on one loop."""

    def __init__(self) -> None:
        self._live: dict[str, _Live] = {}
        self._by_watcher: dict[str, Subscription] = {}

    def __len__(self) -> int:
        return sum(len(live.broadcaster) for live in self._live.values())

    def snapshot(self, generation_id: str) -> Generation | None:
        """Return the newest snapshot of a running generation, or None."""
        live = self._live.get(generation_id)
        return live.snapshot if live else None

    def publish(self, generation: Generation) -> None:
        """Hand a new snapshot to the broadcaster of its generation."""
        live = self._live.get(generation.id)
        if live is None:
            self._live[generation.id] = _Live(snapshot=generation)
            return
        live.snapshot = generation
        live.version += 1
        live.is_resting = False
        live.wake_all()

    def is_resting(self, generation_id: str) -> bool:
        """Tell whether nothing new is to be expected of a running generation for a good while."""
        live = self._live.get(generation_id)
        return live is not None and live.is_resting

    def rest(self, generation_id: str) -> None:
        """Let the broadcaster go: nothing new is to be expected for a good while."""
        live = self._live[generation_id]
        live.is_resting = True
        live.wake_all()

    def end(self, generation_id: str) -> None:
        """Let the broadcaster go and forget the generation: the ledger has its last state."""
        live = self._live.pop(generation_id)
        live.is_over = True
        live.wake_all()

    def stop(self, watcher: str) -> None:
        """End the watch of one watcher, if it has one."""
        follower = self._by_watcher.pop(watcher, None)
        if follower is not None:
            follower.is_stopped = True
            follower.wake.set()

    @contextmanager
    def join(self, generation_id: str, watcher: str | None) -> Iterator[Subscription]:
        """Watch a generation for as long as the context lasts; end the watcher's other watch."""
        live = self._live.get(generation_id)
        follower = Subscription(live)
        if watcher is not None:
            self.stop(watcher)
            self._by_watcher[watcher] = follower
        if live is not None:
            live.broadcaster.add(follower)
        try:
            yield follower
        finally:
            if live is not None:
                live.broadcaster.discard(follower)
            if watcher is not None and self._by_watcher.get(watcher) is follower:
                del self._by_watcher[watcher]
