"""The table of generations: what is written to it and asked of it. Knows neither HTTP nor Gradio.

A row is committed before money can be spent.
"""

import dataclasses
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kling_ui.ledger import admission, history_query, schema, spending
from kling_ui.ledger.admission import AdmissionRules
from kling_ui.ledger.engine import (
    LONGEST_WAIT_SECONDS,
    LedgerError,
    check_not_emptied,
    file_of,
    identity,
    is_damaged,
    make_private,
    open_engine,
    words_of,
)
from kling_ui.ledger.generation import (
    SIMULATOR,
    UNFINISHED,
    Generation,
    GenerationError,
    GenerationSet,
    Status,
    stamp_of,
)
from kling_ui.ledger.history_query import HistoryQuery, HistoryTotals, SetTotals
from kling_ui.ledger.rows import generation_of
from kling_ui.ledger.schema import GENERATIONS, INPUTS, SETS

_IS_KEPT = GENERATIONS.c.deleted_at.is_(None)

_log = logging.getLogger(__name__)

LONGEST_CHAIN = 50
"""Of a generation that continues others: how many of those before it are kept in its row."""


class Ledger:
    """The table of generations behind a database URL. Calls block; use them from threads.

    A Path instead of a URL is a SQLite file, whatever signs its name holds. Raises LedgerError
    from every call where the database can't do what was asked.
    """

    def __init__(
        self, url: str | Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._now = now
        self._turn = threading.Lock()
        self._engine = open_engine(url)
        self.path = file_of(self._engine.url)
        """The file that holds it, links resolved; None where it is in memory or on a server."""
        self.is_in_memory = not self.path and self._engine.dialect.name == "sqlite"
        self._opened: tuple[int, int] | None = None
        self._is_served = False
        """Tells whether it is open and no file: what fails now is told to the log."""
        self._logged = ""
        # The page shows this name, so it tells neither where files lie nor an address.
        self._file = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        self._name = f"The ledger {Path(self._file).name}" if self._file else "The ledger"

    def open(self) -> None:
        """Create or migrate the schema; refuse a ledger that a newer app has written."""
        if self.path:
            check_not_emptied(self.path)
            make_private(self.path)
        try:
            # Else each ALTER TABLE would be a commit of its own, and a crash leave half a step.
            with self._writing(is_exclusive=True) as connection:
                schema.migrate(connection)
            self._opened = identity(self.path)
            self._is_served = self._file is None
        except LedgerError as exc:
            if isinstance(exc.__cause__, sqlite3.DatabaseError) and is_damaged(exc.__cause__):
                raise LedgerError(
                    f"{exc} It is damaged. Put a copy of {self._file} back; or move it aside "
                    "(keep it: it names what was paid for) and start again with a new one."
                ) from exc.__cause__
            if self._file is None and exc.__cause__ is not None:
                # Read by who starts the app, not by visitors.
                raise LedgerError(f"{exc} {words_of(exc.__cause__)}") from exc.__cause__
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def check_file(self) -> None:
        """Raise LedgerError where the file at the path is no longer the one that is open.

        What is written into a file that was deleted or moved away is forgotten at the next start.
        """
        if self._opened is not None and identity(self.path) != self._opened:
            raise LedgerError(
                f"{self._name} was deleted, moved or replaced while the app runs. Put it back, or "
                "restart the app."
            )

    def insert(self, generation: Generation) -> None:
        """Commit a new row."""
        self.check_file()
        with self._writing() as connection:
            connection.execute(sa.insert(GENERATIONS).values(_row_of(generation)))

    def insert_set(
        self, generations: Collection[Generation], *, new_set: GenerationSet | None = None
    ) -> None:
        """Commit the rows of a set all together, and the set itself where it is new."""
        self.check_file()
        rows = [_row_of(generation) for generation in generations]
        with self._writing(is_exclusive=True) as connection:
            if new_set is not None:
                connection.execute(sa.insert(SETS).values(dataclasses.asdict(new_set)))
            connection.execute(sa.insert(GENERATIONS), rows)

    def get_set(self, set_id: str) -> GenerationSet | None:
        """Return the set with this id, or None."""
        with self._transaction() as connection:
            row = connection.execute(sa.select(SETS).where(SETS.c.id == set_id)).mappings().first()
        return None if row is None else GenerationSet(**row)

    def rename_set(self, set_id: str, name: str) -> None:
        """Give a set another name; its generations count as changed, for who lists them."""
        its_own = sa.update(GENERATIONS).where(GENERATIONS.c.set_id == set_id)
        with self._writing(is_exclusive=True) as connection:
            connection.execute(sa.update(SETS).where(SETS.c.id == set_id).values(name=name))
            connection.execute(its_own.values(updated_at=self.stamp()))

    def set_totals(self, owner: str, ids: Collection[str]) -> dict[str, SetTotals]:
        """Return name and totals of those of these sets that an owner has something in."""
        if not ids:
            return {}
        with self._transaction() as connection:
            rows = connection.execute(history_query.set_totals(owner, ids)).all()
        return {
            set_id: SetTotals(name=name or "", totals=_totals_of(sums))
            for set_id, name, *sums in rows
        }

    def of_set(self, set_id: str) -> list[Generation]:
        """Return the generations of a set in the order in which they were submitted."""
        table = GENERATIONS.c
        order = (table.set_position, table.created_at, table.id)
        wanted = sa.select(GENERATIONS).where(table.set_id == set_id, _IS_KEPT)
        return self._read(wanted.order_by(*order))

    def end_waiting(
        self, ids: Collection[str], *, status: Status, error: GenerationError
    ) -> list[str]:
        """Commit an end to those of these that wait; return their ids."""
        table, stamp = GENERATIONS.c, self.stamp()
        end = {"status": status, "error": dataclasses.asdict(error), "finished_at": stamp}
        wanted = table.id.in_(ids) & (table.status == Status.WAITING)
        with self._writing(is_exclusive=True) as connection:
            found = list(connection.execute(sa.select(table.id).where(wanted)).scalars())
            ended = sa.update(GENERATIONS).where(table.id.in_(found))
            connection.execute(ended.values(**end, updated_at=stamp))
        return found

    def admit(
        self, rules: AdmissionRules, *, expected: Iterable[str] = ()
    ) -> tuple[Generation, ...]:
        """Give the free places of an account to what waits in sets, in one transaction.

        Returns the rows whose runs have to be told. `expected` are the ids that are thought to
        wait; those that don't are among them.
        """
        with self._writing(is_exclusive=True) as connection:
            return admission.admit(connection, rules, stamp=self.stamp(), expected=expected)

    def update(
        self, generation_id: str, *, only_from: tuple[Status, ...] = (), **changes: Any
    ) -> Generation:
        """Commit `changes` (field → value) to a row and return it as it is now.

        With `only_from` a row that has none of these statuses by now is left alone. `updated_at`
        follows, and `finished_at` where the new status is final. Raises KeyError for an unknown
        id.
        """
        if changes.get("status") is Status.SUBMITTING:
            # What is about to be paid for must not be written into a file that is gone.
            self.check_file()
        stamp = self.stamp()
        changes["updated_at"] = stamp
        if "status" in changes and Status(changes["status"]).is_final:
            changes["finished_at"] = stamp
        if isinstance(changes.get("error"), GenerationError):
            changes["error"] = dataclasses.asdict(changes["error"])
        mine = GENERATIONS.c.id == generation_id
        with self._writing() as connection:
            wanted = mine & GENERATIONS.c.status.in_(only_from) if only_from else mine
            connection.execute(sa.update(GENERATIONS).where(wanted).values(changes))
            row = connection.execute(sa.select(GENERATIONS).where(mine)).mappings().first()
        if row is None:
            raise KeyError(generation_id)
        generation = generation_of(row)
        if generation is None:
            raise LedgerError(f"{self._name} holds a row that can't be read: {generation_id}.")
        return generation

    def get(self, generation_id: str) -> Generation | None:
        """Return the generation with this id, or None."""
        found = self._select(GENERATIONS.c.id == generation_id, limit=1)
        return found[0] if found else None

    def unfinished(self, *, origin: str) -> list[Generation]:
        """Return what `origin` still works on or may have accepted, oldest first."""
        table = GENERATIONS.c
        is_open = (table.status.in_(UNFINISHED), table.origin == origin, _IS_KEPT)
        return self._select(sa.and_(*is_open))[::-1]

    def newest(self, owner: str, *, limit: int, only_unfinished: bool = False) -> list[Generation]:
        """Return up to `limit` generations of `owner`, newest first.

        `only_unfinished`: those under way, but for what was put away.
        """
        table = GENERATIONS.c
        wanted = [table.owner == owner, _IS_KEPT]
        if only_unfinished:
            wanted += [table.status.in_(UNFINISHED), table.is_put_away.is_(False)]
        return self._select(sa.and_(*wanted), limit=limit)

    def count(self, owner: str) -> int:
        """Return how many generations an owner has."""
        query = sa.select(sa.func.count()).where(GENERATIONS.c.owner == owner, _IS_KEPT)
        with self._transaction() as connection:
            return int(connection.execute(query).scalar_one())

    def neighbor(self, generation_id: str, owner: str, *, is_newer: bool) -> str | None:
        """Return the id of the owner's next video in time, or None at the end of the list."""
        table, here = GENERATIONS.c, GENERATIONS.alias().c
        moment = sa.select(here.created_at).where(here.id == generation_id).scalar_subquery()
        place, now = sa.tuple_(table.created_at, table.id), sa.tuple_(moment, generation_id)
        is_other = table.id != generation_id
        wanted = (table.owner == owner, _IS_KEPT, table.video.is_not(None), is_other)
        query = sa.select(table.id).where(*wanted, place > now if is_newer else place < now)
        order = [table.created_at, table.id]
        query = query.order_by(*(order if is_newer else [each.desc() for each in order])).limit(1)
        with self._transaction() as connection:
            return connection.execute(query).scalar()

    def completed(self, *, origin: str, limit: int) -> list[Generation]:
        """Return up to `limit` generations that `origin` has completed, newest first."""
        table = GENERATIONS.c
        is_done = (table.status == Status.COMPLETED, table.origin == origin, _IS_KEPT)
        return self._select(sa.and_(*is_done), limit=limit)

    def history(
        self,
        owner: str,
        query: HistoryQuery,
        *,
        limit: int,
        offset: int = 0,
        after: str | None = None,
        among: Collection[str] | None = None,
    ) -> list[Generation]:
        """Return up to `limit` generations of an owner's query, from `offset` on.

        `after`: those behind this id; `among`: those of these ids only.
        """
        found = history_query.in_order(owner, query, after=after).limit(limit).offset(offset)
        if among is not None:
            found = found.where(GENERATIONS.c.id.in_(among))
        return self._read(found)

    def history_totals(self, owner: str, query: HistoryQuery) -> HistoryTotals:
        """Return how many an owner's query finds in all, and what they cost."""
        return self._totals(history_query.matching(owner, query))

    def deleted_totals(self, owner: str) -> HistoryTotals:
        """Return how many generations an owner has deleted, and what they had cost."""
        table = GENERATIONS.c
        return self._totals(sa.and_(table.owner == owner, table.deleted_at.is_not(None)))

    def last_change(self, owner: str) -> str:
        """Return when any generation of an owner was last written, "" where there is none."""
        table = GENERATIONS.c
        latest = sa.select(sa.func.max(table.updated_at)).where(table.owner == owner)
        with self._transaction() as connection:
            return connection.execute(latest).scalar() or ""

    def changed_since(self, owner: str, stamp: str, *, limit: int) -> list[str]:
        """Return the ids of up to `limit` generations written at `stamp` or later, deleted too."""
        table = GENERATIONS.c
        changed = sa.select(table.id).where(table.owner == owner, table.updated_at >= stamp)
        with self._transaction() as connection:
            return list(connection.execute(changed.limit(limit)).scalars())

    def star(self, owner: str, ids: Collection[str], *, is_starred: bool) -> None:
        """Mark generations of an owner, or take the mark away."""
        self._mark(owner, ids, _IS_KEPT, is_starred=is_starred)

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        """Mark those as deleted that nothing more is paid for; return their ids."""
        table = GENERATIONS.c
        is_over = table.status.not_in(UNFINISHED) | (table.origin == SIMULATOR)
        return self._mark(owner, ids, _IS_KEPT & is_over, deleted_at=self.stamp())

    def restore(self, owner: str, ids: Collection[str], *, deleted_since: str) -> list[str]:
        """Take a deletion back that is no older than `deleted_since`; return whose it was."""
        table = GENERATIONS.c
        may_return = (table.deleted_at >= deleted_since) & table.search_text.is_not(None)
        return self._mark(owner, ids, may_return, deleted_at=None)

    def deleted(self, *, before: str) -> list[Generation]:
        """Return what was deleted up to `before` and not yet stripped."""
        table = GENERATIONS.c
        return self._select((table.deleted_at <= before) & table.search_text.is_not(None))

    def strip(self, ids: Collection[str]) -> None:
        """Take from deleted rows what was made and from what; owner, price and times stay."""
        nothing: dict[str, Any] = {"payload": {}, "video": None, "error": None, "search_text": None}
        table = GENERATIONS.c
        wanted = table.id.in_(ids) & table.deleted_at.is_not(None)
        with self._writing() as connection:
            stripped = sa.update(GENERATIONS).where(wanted)
            connection.execute(stripped.values(**nothing, is_repeatable=False))

    def spent_since(self, stamp: str, *, origin: str, assumed_usd: float) -> float:
        """Return the USD that `origin` charges for what was sent since `stamp`.

        A generation without a figure so far counts as the most that was confirmed for it, as the
        dearest one of its model that has one, or as `assumed_usd`. One that waits for its turn
        in a set does not count yet.
        """
        spent = spending.spent_since(stamp, origin=origin, assumed_usd=assumed_usd)
        with self._transaction() as connection:
            return float(connection.execute(spent).scalar() or 0.0)

    def claim_inputs(self, owner: str, references: Iterable[str]) -> None:
        """Note that these inputs are an owner's: who names one of another's gets nothing."""
        known = self.claimed_inputs(owner)
        rows = [{"owner": owner, "reference": each} for each in references if each not in known]
        if not rows:
            return
        with self._writing() as connection:
            connection.execute(sa.insert(INPUTS), rows)

    def claimed_inputs(self, owner: str) -> set[str]:
        """Return the inputs that an owner has used."""
        query = sa.select(INPUTS.c.reference).where(INPUTS.c.owner == owner)
        with self._transaction() as connection:
            return set(connection.execute(query).scalars())

    def note_frame(self, owner: str, reference: str, *, of: str) -> None:
        """Note that an owner's input is a picture of the video of generation `of`."""
        mine = (INPUTS.c.owner == owner) & (INPUTS.c.reference == reference)
        with self._writing() as connection:
            connection.execute(sa.update(INPUTS).where(mine).values(frame_of=of))

    def chain_to(self, owner: str, reference: str) -> tuple[str, ...]:
        """Return the ids of what a generation continues that begins with an owner's input.

        The first one first; none where the input is no picture of a video.
        """
        mine = (INPUTS.c.owner == owner) & (INPUTS.c.reference == reference)
        with self._transaction() as connection:
            source = connection.execute(sa.select(INPUTS.c.frame_of).where(mine)).scalar()
        before = self.get(source) if source else None
        return (*before.chain, before.id)[-LONGEST_CHAIN:] if before else ()

    def payloads_with_inputs(self) -> list[dict[str, Any]]:
        """Return every payload that refers to an input."""
        table = GENERATIONS.c
        has_inputs = sa.cast(table.payload, sa.Text).like('%"input:%')
        with self._transaction() as connection:
            return list(connection.execute(sa.select(table.payload).where(has_inputs)).scalars())

    def stamp(self) -> str:
        """Return the time now as the ledger writes it."""
        return stamp_of(self._now())

    def disclaim_inputs(self, references: Collection[str]) -> None:
        """Note that these inputs are gone, whosever they were."""
        with self._writing() as connection:
            connection.execute(sa.delete(INPUTS).where(INPUTS.c.reference.in_(references)))

    def _mark(
        self, owner: str, ids: Collection[str], condition: sa.ColumnElement[bool], **changes: Any
    ) -> list[str]:
        """Commit `changes` to those of an owner's generations that meet a condition."""
        table = GENERATIONS.c
        wanted = sa.select(table.id).where(table.owner == owner, table.id.in_(ids), condition)
        with self._writing() as connection:
            found = list(connection.execute(wanted).scalars())
            changed = sa.update(GENERATIONS).where(table.id.in_(found), condition)
            connection.execute(changed.values(**changes, updated_at=self.stamp()))
        return found

    def _totals(self, condition: sa.ColumnElement[bool]) -> HistoryTotals:
        with self._transaction() as connection:
            return _totals_of(connection.execute(history_query.totals(condition)).one())

    def _select(
        self, wanted: sa.ColumnElement[bool], *, limit: int | None = None
    ) -> list[Generation]:
        newest_first = (GENERATIONS.c.created_at.desc(), GENERATIONS.c.id)
        return self._read(sa.select(GENERATIONS).where(wanted).order_by(*newest_first).limit(limit))

    def _read(self, query: sa.Select[Any]) -> list[Generation]:
        with self._transaction() as connection:
            found = [generation_of(row) for row in connection.execute(query).mappings()]
        return [generation for generation in found if generation is not None]

    @contextmanager
    def _writing(self, *, is_exclusive: bool = False) -> Iterator[Connection]:
        """Begin a transaction that writes; `is_exclusive`: others wait from its beginning on.

        One thread writes at a time: those that SQLite makes wait sleep far too long.
        """
        if not self._turn.acquire(timeout=LONGEST_WAIT_SECONDS):
            raise LedgerError(f"{self._name} can't be used: others have been writing for long.")
        try:
            with self._transaction() as connection:
                if is_exclusive and connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        finally:
            self._turn.release()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as exc:
            # Only the driver's words: the statement's values hold prompts. A server's words may
            # tell its address, so only the log has them.
            trouble = getattr(exc, "orig", None) or exc
            said = trouble if self._file else type(trouble).__name__
            if self._is_served and self._logged != words_of(trouble):
                self._logged = words_of(trouble)
                _log.warning("The ledger's database says: %s", self._logged)
            raise LedgerError(f"{self._name} can't be used: {said}.") from trouble
        self._logged = ""


def _totals_of(sums: Iterable[Any]) -> HistoryTotals:
    count, usd, simulated = sums
    return HistoryTotals(count=count, usd=usd or 0.0, simulated_usd=simulated or 0.0)


def _row_of(generation: Generation) -> dict[str, Any]:
    found_by = schema.search_text(generation.model, generation.payload)
    return {**dataclasses.asdict(generation), "search_text": found_by}
