"""Whose turn it is to be sent, for one account: the ledger decides, this wakes the runs.

What waits in sets gets a place here before its POST; what was submitted alone needs none.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta

from kling_ui.ledger import AdmissionRules, Generation, Ledger, LedgerError, Status, stamp_of
from kling_ui.service.day_limit import DayLimit
from kling_ui.service.runs import Run
from kling_ui.service.runtime import Runtime

COUNTED_FOR = timedelta(hours=1)
"""How long after its POST a task without an end holds a place."""

RECHECK_SECONDS = 15.0
"""After what time the ledger is asked again although nothing seems to have happened: a day has
ended, a task is counted no longer, another process has written."""

_LONGEST_PAUSE_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Turns:
    """The runs that wait for a place, and those in the provider's own line.

    `parallel` tells how many may be under way at once; it may block.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        origin: str,
        key_hash: str | None,
        parallel: Callable[[], int],
        day_limit: DayLimit,
        runtime: Runtime,
    ) -> None:
        self._ledger = ledger
        self._origin = origin
        self._key_hash = key_hash
        self._parallel = parallel
        self._day_limit = day_limit
        self._runtime = runtime
        self._waiting: dict[str, Run] = {}
        self._in_line: dict[str, Run] = {}
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def wait(self, run: Run) -> None:
        """Return once a run has a place, is cancelled, or its row was ended elsewhere."""
        self._waiting[run.id] = run
        self._changed.set()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="turns")
        try:
            while _has_to_wait(run):
                await run.woken.wait()
                run.woken.clear()
        finally:
            del self._waiting[run.id]

    def recheck(self) -> None:
        """Have the ledger asked whether a place is free."""
        self._changed.set()

    def note(self, status: Status) -> None:
        """Note that a generation has come to a status: a place may be free."""
        self.recheck()
        if status is Status.SAVING or status.is_final:
            # One place, one try; what was submitted alone goes before what is of a set.
            line = sorted(self._in_line.values(), key=lambda run: run.snapshot.set_id is not None)
            first = next((run for run in line if not run.woken.is_set()), None)
            if first is not None:
                first.wake()

    def enter_line(self, run: Run) -> None:
        """Note that the provider makes a run wait: nobody new is sent meanwhile."""
        self._in_line[run.id] = run

    def leave_line(self, run: Run) -> None:
        """Note that a run no longer stands in the provider's line, if it did."""
        if self._in_line.pop(run.id, None) is not None:
            self._changed.set()

    async def close(self) -> None:
        """End the task that gives places."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        """Give places whenever something has changed, for as long as anyone waits."""
        pause = 1.0
        while self._waiting:
            self._changed.clear()
            try:
                if not self._in_line:
                    self._tell(await asyncio.to_thread(self._admit, list(self._waiting)))
            except LedgerError as exc:
                _log.error("turns: %s Trying again.", exc)
                await self._runtime.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                continue
            pause = 1.0
            with suppress(TimeoutError):
                async with asyncio.timeout(RECHECK_SECONDS):
                    await self._changed.wait()

    def _admit(self, waiting: list[str]) -> tuple[Generation, ...]:
        return self._ledger.admit(
            AdmissionRules(
                origin=self._origin,
                key_hash=self._key_hash,
                parallel=self._parallel(),
                counted_since=stamp_of(self._runtime.now() - COUNTED_FOR),
                day=self._day_limit.budget(),
            ),
            expected=waiting,
        )

    def _tell(self, rows: Iterable[Generation]) -> None:
        for generation in rows:
            run = self._waiting.get(generation.id)
            if run is not None:
                run.publish(generation)
                run.wake()


def _has_to_wait(run: Run) -> bool:
    row = run.snapshot
    return row.status is Status.WAITING and row.admitted_at is None and not run.is_cancelled
