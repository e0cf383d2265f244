"""Sets of generations: submitted and confirmed together, sent a few at a time, withdrawn, exported.

Whoever has a set's id may look at it; only its owner changes it.
"""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kling_ui import catalog
from kling_ui.ledger import Generation, GenerationSet, Ledger, Status
from kling_ui.service import messages
from kling_ui.service.connection import Connection, Connections
from kling_ui.service.estimates import Estimate
from kling_ui.service.files import Files
from kling_ui.service.owner_actions import owns
from kling_ui.service.runs import Registry
from kling_ui.service.set_export import write_zip
from kling_ui.service.starter import RunStarter

MOST_REQUESTS = 1000
"""How many requests one batch may hold."""

LONGEST_NAME = 200
"""How many characters a set's name may have."""

MOST_SAID = 100
"""How many problems a refusal names in its message."""

NOBODY = ""
"""The owner of what was submitted by someone who is nobody: it is in no one's list."""

Item = tuple[Any, Mapping[str, Any]]
_WITHDRAWABLE = (Status.WAITING, Status.SUBMITTING)


class RefusedBatchError(Exception):
    """A batch that is refused whole: nothing was sent. `problems` are sentences for people."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        said = self.problems[:MOST_SAID]
        rest = len(self.problems) - len(said)
        super().__init__(" ".join([*said, f"There are {rest} more."] if rest else said))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A set and its generations, in the order in which they were submitted."""

    set: GenerationSet
    generations: tuple[Generation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """What is done with sets. Every call raises LedgerError where the ledger can't be used.

    `new` makes a generation, `check` checks a request and keeps its media, and `confirm` writes
    down that a person wants one sent that waits.
    """

    ledger: Ledger
    files: Files
    connections: Connections
    starter: RunStarter
    runs: Registry
    new: Callable[..., Generation]
    check: Callable[..., Awaitable[catalog.Request]]
    confirm: Callable[[Generation], Awaitable[None]]

    async def prepare(
        self,
        requests: Sequence[Any],
        *,
        read: Callable[[Any], Item] = lambda item: item,
        owner: str | None = "local",
    ) -> list[catalog.Request]:
        """Check requests, each a model id and values by parameter, and keep their media.

        `read` makes these of an element, or raises catalog.InvalidValuesError. Raises
        RefusedBatchError with every problem of every request, named `requests[0].prompt`.
        """
        _refuse(_wrong_count(requests))
        checked: list[catalog.Request] = []
        problems: list[str] = []
        for position, request in enumerate(requests):
            try:
                model_id, values = read(request)
                checked.append(await self.check(model_id, values, owner=owner))
            except catalog.InvalidValuesError as exc:
                named = f"requests[{position}]"
                problems += [f"{named}.{each.field}: {each.message}" for each in exc.problems]
        _refuse(problems)
        return checked

    async def estimate(self, requests: Sequence[catalog.Request]) -> list[Estimate]:
        """Return price and wait of each request, with the provider in use."""
        return await self.connections.current.estimates.of_payloads(
            request.payload for request in requests
        )

    async def submit(
        self,
        requests: Sequence[catalog.Request],
        *,
        name: str = "",
        max_usd: float | None = None,
        owner: str | None = "local",
        set_id: str | None = None,
    ) -> Batch:
        """Write all of these down as confirmed, in one transaction; they are sent in turn.

        Each may cost what it is estimated at now, or it asks. `set_id` puts them into a set of
        the same owner instead of a new one. Raises RefusedBatchError: then none is sent.
        """
        _refuse(_wrong_count(requests) + _wrong_name(name) + _wrong_sum(max_usd))
        connection = self.connections.current  # one for all that follows, if it changes meanwhile
        estimates = await connection.estimates.of_payloads(each.payload for each in requests)
        _refuse(_too_dear(estimates, max_usd))
        known = None if set_id is None else await self._owned(set_id, owner)
        if set_id is not None and known is None:
            raise RefusedBatchError(["set: there is no such set of yours here."])
        target = known or self._new_set(name.strip(), owner or NOBODY)
        first = len(await asyncio.to_thread(self.ledger.of_set, target.id)) if known else 0
        generations = [
            self.new(
                request,
                target.owner,
                connection,
                set_id=target.id,
                set_position=first + position,
                usd_confirmed=estimate.usd_high,
                key_hash=connection.client.key_hash,
            )
            for position, (request, estimate) in enumerate(zip(requests, estimates, strict=True))
        ]
        begin = self._begin(target, generations, connection, is_new=known is None)
        # Shielded: rows without their tasks would say "waiting" until the next restart.
        return await asyncio.shield(begin)

    async def get_set(self, set_id: str) -> Batch | None:
        """Return a set as it is now, for whoever has its id; None where there is none."""
        found = await asyncio.to_thread(self.ledger.get_set, set_id)
        if found is None:
            return None
        rows = await self._rows(set_id)
        if any(self._is_left(row) for row in rows):
            # Read before its run ended, perhaps: now its end is in the ledger.
            left = {row.id for row in rows if self._is_left(row)}
            fresh = {row.id: row for row in await self._rows(set_id) if row.id in left}
            rows = [fresh.get(row.id, row) for row in rows]
        runs = {row.id: self.runs.get(row.id) for row in rows}
        now = (run.snapshot if (run := runs[row.id]) else row for row in rows)
        return Batch(set=found, generations=tuple(now))

    async def _rows(self, set_id: str) -> list[Generation]:
        def read() -> list[Generation]:
            return [self.files.as_on_disk(row) for row in self.ledger.of_set(set_id)]

        return await asyncio.to_thread(read)

    def _is_left(self, row: Generation) -> bool:
        """Tell whether a row says that something goes on, and nobody works on it."""
        return not row.status.is_final and self.runs.get(row.id) is None

    async def cancel_set(self, set_id: str, *, owner: str | None = "local") -> None:
        """Withdraw all of a set that still wait; does nothing for anyone but its owner.

        One whose POST is out is withdrawn only if the provider refuses it.
        """
        if await self._owned(set_id, owner) is not None:
            await asyncio.shield(self._cancel(set_id))

    async def _cancel(self, set_id: str) -> None:
        ids = [row.id for row in await asyncio.to_thread(self.ledger.of_set, set_id)]
        runs = [run for each in ids if (run := self.runs.get(each)) is not None]
        for run in runs:
            # First, so that none is sent while the rows are being written.
            run.is_cancelled = run.is_cancelled or run.snapshot.status in _WITHDRAWABLE
        cancelled, error = Status.CANCELLED, messages.CANCELLED
        ended: list[str] = []
        try:
            ended = await asyncio.to_thread(
                self.ledger.end_waiting, ids, status=cancelled, error=error
            )
        finally:
            for run in runs:
                run.wake()
        # These find their rows ended; until then they would tell what was.
        tasks = [run.task for run in runs if run.task is not None and run.id in set(ended)]
        if tasks:
            await asyncio.wait(tasks)

    async def resume_set(self, set_id: str, *, owner: str | None = "local") -> None:
        """Send all of a set that ask a person whether they are to be sent, each in its turn."""
        if await self._owned(set_id, owner) is None:
            return
        for row in await asyncio.to_thread(self.ledger.of_set, set_id):
            is_asking = row.status is Status.WAITING and row.confirmed_at is None
            if is_asking and not self.starter.is_working_on(row.id):
                await self.confirm(row)
                self.starter.go_on(row)

    async def rename_set(self, set_id: str, name: str, *, owner: str | None = "local") -> None:
        """Give a set another name, cut at LONGEST_NAME; for nobody but its owner."""
        if await self._owned(set_id, owner) is not None:
            name = " ".join(name.split())[:LONGEST_NAME]
            await asyncio.to_thread(self.ledger.rename_set, set_id, name)

    async def export_set(self, set_id: str, path: Path) -> None:
        """Write a set's videos, and a table of its settings and prices, to a zip file at `path`.

        For whoever has its id. Raises KeyError for an unknown set, OSError where it can't be
        written; then nothing is left at `path`.
        """
        batch = await self.get_set(set_id)
        if batch is None:
            raise KeyError(set_id)
        await asyncio.to_thread(write_zip, path, batch.generations, self.files)

    async def _owned(self, set_id: str, owner: str | None) -> GenerationSet | None:
        """Return a set for its owner to change, and None for everybody else."""
        found = await asyncio.to_thread(self.ledger.get_set, set_id)
        return found if found is not None and owns(found, owner) else None

    async def _begin(
        self,
        target: GenerationSet,
        generations: list[Generation],
        connection: Connection,
        *,
        is_new: bool,
    ) -> Batch:
        def insert() -> None:
            self.ledger.insert_set(generations, new_set=target if is_new else None)

        error = await self.starter.begin(generations, connection, insert=insert)
        if error is not None:
            raise RefusedBatchError([error.message])
        return Batch(set=target, generations=tuple(generations))

    def _new_set(self, name: str, owner: str) -> GenerationSet:
        return GenerationSet(
            id=uuid.uuid4().hex, name=name, owner=owner, created_at=self.ledger.stamp()
        )


def _too_dear(estimates: Sequence[Estimate], max_usd: float | None) -> list[str]:
    """Return why estimates are not within a sum, if they are not."""
    if max_usd is None:
        return []
    unknown = [
        f"requests[{position}]: has no estimate to compare with max_usd. {estimate.detail}"
        for position, estimate in enumerate(estimates)
        if estimate.usd_high is None
    ]
    total = math.fsum(estimate.usd_high or 0.0 for estimate in estimates)
    if unknown or round(total - max_usd, 6) <= 0:
        return unknown
    return [f"max_usd: the estimates add up to ${total:,.2f}, which is more than ${max_usd:,.2f}."]


def _wrong_count(requests: Sequence[Any]) -> list[str]:
    is_right = 1 <= len(requests) <= MOST_REQUESTS
    return [] if is_right else [f"requests: must be a list of 1 to {MOST_REQUESTS:,}."]


def _wrong_name(name: Any) -> list[str]:
    is_right = isinstance(name, str) and len(name) <= LONGEST_NAME
    return [] if is_right else [f"name: must be text of up to {LONGEST_NAME} characters."]


def _wrong_sum(max_usd: Any) -> list[str]:
    is_number = isinstance(max_usd, int | float) and not isinstance(max_usd, bool)
    is_right = max_usd is None or (is_number and math.isfinite(max_usd) and max_usd >= 0)
    return [] if is_right else ["max_usd: must be an amount in USD, 0 or more, or null."]


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise RefusedBatchError(problems)
