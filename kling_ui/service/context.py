"""What the steps of a generation share: the parts of the app, time, and commits that wait."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from kling_ui import catalog
from kling_ui.client import (
    AccessDeniedError,
    KeyRefusedError,
    LogEntry,
    Route,
    TaskState,
)
from kling_ui.ledger import Generation, GenerationError, Ledger, LedgerError, Status
from kling_ui.service import messages, policy
from kling_ui.service.estimates import Estimates
from kling_ui.service.files import Files
from kling_ui.service.live_catalog import LiveCatalog
from kling_ui.service.provider import Provider
from kling_ui.service.runs import Run
from kling_ui.service.runtime import Runtime
from kling_ui.service.turns import Turns
from kling_ui.service.waits import UsualWaits, poll_delay

_log = logging.getLogger(__name__)
T = TypeVar("T")
OTHER_ROUTE: Mapping[Route, Route] = {"kling": "universal", "universal": "kling"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """How often to ask for a task's state; `poll_seconds` None: by its usual wait.

    `simulator_seconds` is how long the simulator takes, None where the live API is asked.
    """

    poll_seconds: float | None = None
    simulator_seconds: float | None = None


@dataclass(slots=True, kw_only=True)
class Silence:
    """Since when, for how long, and how often in a row questions brought nothing to read.

    `since` is for people. Decisions stand on `seconds`, which a wall clock that jumps can't change.
    """

    runtime: Runtime
    since: datetime | None = None
    times: int = 0
    began: float = 0.0

    def note(self) -> datetime:
        """Count one more; return since when."""
        if self.since is None:
            self.since, self.began = self.runtime.now(), self.runtime.monotonic()
        self.times += 1
        return self.since

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self.runtime.monotonic() - self.began if self.times else 0.0

    def clear(self) -> None:
        """Begin anew."""
        self.since, self.times = None, 0


@dataclass(slots=True, kw_only=True)
class Denials:
    """The 401s and 403s in a row, and among them the times that the provider refused the key."""

    denied: Silence
    refused: Silence

    @classmethod
    def none_yet(cls, runtime: Runtime) -> "Denials":
        """Begin to count."""
        return cls(denied=Silence(runtime=runtime), refused=Silence(runtime=runtime))

    def note(self, error: AccessDeniedError) -> datetime:
        """Count one more; return since when questions are turned away."""
        if isinstance(error, KeyRefusedError):
            self.refused.note()
        else:
            self.refused.clear()
        return self.denied.note()

    @property
    def times(self) -> int:
        """How often in a row."""
        return self.denied.times

    @property
    def is_key_given_up(self) -> bool:
        """Tell whether the provider itself has refused the key for so long that it is believed."""
        return self.refused.seconds >= policy.KEY_REFUSED_FOR_SECONDS

    def clear(self) -> None:
        """Begin anew."""
        self.denied.clear()
        self.refused.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The parts that the steps of a generation work with.

    `body_of` makes the body to POST from a row, or returns None where its inputs are gone.
    `forced_route` None means: the pair that each model documents. `new_words` are the provider's
    status words that were logged as new to us.
    """

    client: Provider
    ledger: Ledger
    files: Files
    body_of: Callable[[Generation], Mapping[str, Any] | None]
    forced_route: Route | None
    poll_settings: PollSettings
    runtime: Runtime
    waits: UsualWaits
    live: LiveCatalog
    estimates: Estimates
    turns: Turns
    new_words: set[str] = field(default_factory=set)

    async def adopt(self, run: Run, found: TaskState | LogEntry) -> Generation:
        """Commit the task id and its price: from here on the task can't be lost."""
        return await self.commit(
            run,
            status=Status.QUEUED,
            task_id=found.task_id,
            credits_used=found.credits_used,
            usd_spent=found.usd_spent,
            error=None,
        )

    async def get_state(self, generation: Generation) -> TaskState:
        """Ask the provider for a task, on the route that took its POST."""
        return await self.client.get(generation.task_id or "", route=self.route_of(generation))

    async def pause(self, run: Run, seconds: float) -> bool:
        """Wait until it is time or somebody wants to know now; tell whether it was that."""
        if policy.is_long(seconds):
            run.rest()
        return await run.pause(seconds, self.runtime.sleep)

    async def show(self, run: Run, error: GenerationError) -> None:
        """Commit an error that explains, if it is another one than is shown."""
        if run.snapshot.error != error:
            await self.commit(run, error=error)

    async def commit(
        self, run: Run, *, only_from: tuple[Status, ...] = (), **changes: Any
    ) -> Generation:
        """Write changes down, then tell the subscribers; a ledger in trouble is waited for.

        `only_from`: a row that has none of these statuses by now is published as it is.
        """
        delay, before = 1.0, run.snapshot
        while True:
            try:
                changed = await self._written(run.id, only_from, changes)
            except LedgerError as exc:
                _log.error("generation %s: %s Trying again.", run.id, exc)
                run.publish(dataclasses.replace(before, **_known_meanwhile(changes, str(exc))))
                await self.runtime.sleep(delay)
                delay = min(2 * delay, 30.0)
                continue
            if changed.status is not before.status:
                age = self.age(changed)
                _log.info("generation %s: %s after %.1f s", changed.id, changed.status, age)
                self.turns.note(changed.status)
            run.publish(changed)
            return changed

    async def patiently(self, read: Callable[..., T], *arguments: Any, **more: Any) -> T:
        """Return what `read` finds in the ledger; a ledger in trouble is waited for."""
        delay = 1.0
        while True:
            try:
                return await asyncio.to_thread(read, *arguments, **more)
            except LedgerError as exc:
                _log.error("%s Trying again.", exc)
                await self.runtime.sleep(delay)
                delay = min(2 * delay, 30.0)

    async def _written(
        self, generation_id: str, only_from: tuple[Status, ...], changes: dict[str, Any]
    ) -> Generation:
        """Write in a thread; when cancelled, leave only after the write has ended."""
        write = asyncio.ensure_future(
            asyncio.to_thread(self.ledger.update, generation_id, only_from=only_from, **changes)
        )
        try:
            return await asyncio.shield(write)
        except asyncio.CancelledError:
            await asyncio.gather(write, return_exceptions=True)
            raise

    def route_of(self, generation: Generation) -> Route:
        """Return the route that took the POST; for rows that don't tell, the first one to try."""
        took = next((route for route in OTHER_ROUTE if route == generation.route), None)
        return took or self.first_route(generation)

    def is_of_another_key(self, generation: Generation) -> bool:
        """Tell whether the key in use is surely not the one that sent a generation."""
        return generation.key_hash not in (None, self.client.key_hash)

    def first_route(self, generation: Generation) -> Route:
        """Return the route to send a generation by: the forced one, else the documented one."""
        if self.forced_route is not None:
            return self.forced_route
        model = catalog.MODELS.get(generation.model)
        return model.route if model is not None else "universal"

    def poll_delay(self, generation: Generation) -> float:
        """Return the seconds until the next question about a task that is going."""
        if self.poll_settings.poll_seconds is not None:
            return self.poll_settings.poll_seconds
        return poll_delay(
            elapsed_seconds=self.age(generation),
            wait=self.waits.usual(generation.model, generation.payload),
            chance=self.runtime.chance(),
        )

    def age(self, generation: Generation) -> float:
        """Return the seconds since a generation was sent, or asked for where it was not."""
        began = generation.sent_at or generation.created_at
        return self.seconds_since(datetime.fromisoformat(began))

    def confirmed_seconds(self, generation: Generation) -> float | None:
        """Return the seconds since a person wanted a generation, None where one is to be asked."""
        if generation.confirmed_at is None:
            return None
        return self.seconds_since(datetime.fromisoformat(generation.confirmed_at))

    def seconds_since(self, moment: datetime) -> float:
        """Return the seconds that have passed since `moment`."""
        return (self.runtime.now() - moment).total_seconds()


def _known_meanwhile(changes: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return what to show of changes that can't be written down for now."""
    status = changes.get("status")
    if status is Status.SUBMITTING:
        # Nothing is sent before it is written down.
        return {"error": messages.not_sent_yet(reason)}
    if status is not None and status.is_final and changes.get("error"):
        return changes  # why it has ended is what people must read
    return {**changes, "error": messages.ledger_unavailable(reason)}
