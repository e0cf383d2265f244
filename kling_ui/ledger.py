"""The ledger: one row per generation, committed before money can be spent.

Holds the `Generation` value that service and UI exchange. Knows neither HTTP nor Gradio.
"""

import dataclasses
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

_log = logging.getLogger(__name__)


class Status(StrEnum):
    """Where a generation stands, and so where its money stands."""

    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    QUEUED = "queued"
    GENERATING = "generating"
    SAVING = "saving"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more will happen by itself."""
        return self in {Status.REJECTED, Status.COMPLETED, Status.FAILED}


UNFINISHED = tuple(status for status in Status if not status.is_final)


@dataclass(frozen=True, slots=True)
class GenerationError:
    """Why a generation is not going well, in words for people.

    `kind` is a stable word for programs, `message` says what happened, whether money was
    spent and what to do next; `field` is the parameter it is about, by its API name, or None.
    """

    kind: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation as the ledger has it. Times are UTC, ISO 8601.

    `id` is ours (uuid4 hex, also sent as X-Client-Request-Id), `task_id` the provider's.
    `origin` names who was asked: LIVE or SIMULATOR. `video` is a file name below
    the data folder, POSIX style. `usd_spent` and `credits_used` are the provider's figures.
    """

    id: str
    task_id: str | None = None
    model: str
    payload: dict[str, Any] = field(repr=False)
    owner: str
    origin: str
    status: Status
    created_at: str
    updated_at: str
    finished_at: str | None = None
    video: str | None = None
    credits_used: float | None = None
    usd_spent: float | None = None
    error: GenerationError | None = None

    @property
    def prompt(self) -> str:
        """The prompt that was sent, or an empty string for models without one."""
        prompt = self.payload.get("prompt")
        return prompt if isinstance(prompt, str) else ""

    @property
    def is_simulated(self) -> bool:
        """Tell whether the simulator made it: no money, no real video."""
        return self.origin == SIMULATOR


SIMULATOR = "simulator"
"""The `origin` of what the embedded simulator made."""

LIVE = "aimlapi"
"""The `origin` of what the AI/ML API made, at whatever address it was asked."""


LONGEST_WAIT_SECONDS = 10
"""How long a write waits for others, in this process and for those of another one."""


class LedgerError(Exception):
    """The ledger can't be read or written; the message says which file and what to do."""


_METADATA = sa.MetaData()
_VERSION = sa.Table("schema_version", _METADATA, sa.Column("version", sa.Integer, nullable=False))
_GENERATIONS = sa.Table(
    "generations",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("task_id", sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Text, nullable=False),
    sa.Column("finished_at", sa.Text),
    sa.Column("video", sa.Text),
    sa.Column("credits_used", sa.Float),
    sa.Column("usd_spent", sa.Float),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Index("generations_by_owner", "owner", "created_at"),
    sa.Index("generations_by_status", "status"),
)

_MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_METADATA.create_all,)
"""Step n takes a ledger from version n to n + 1; a released step is never edited."""


class Ledger:
    """The table of generations behind a database URL. Calls block; use them from threads.

    Raises LedgerError from every call where the database can't do what was asked.
    """

    def __init__(
        self, url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._now = now
        self._turn = threading.Lock()
        self._engine = _engine(url)
        # The page shows this name, so it tells neither where files lie nor an address.
        self._file = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        self._name = f"The ledger {Path(self._file).name}" if self._file else "The ledger"

    def open(self) -> None:
        """Create or migrate the schema; refuse a ledger that a newer app has written."""
        try:
            self._migrate()
        except LedgerError as exc:
            if isinstance(exc.__cause__, sqlite3.DatabaseError) and _is_damaged(exc.__cause__):
                raise LedgerError(
                    f"{exc} It is damaged. Put a copy of {self._file} back; or move it aside "
                    "(keep it: it names what was paid for) and start again with a new one."
                ) from exc.__cause__
            raise

    def _migrate(self) -> None:
        with self._transaction() as connection:
            version = _read_version(connection)
            if version > len(_MIGRATIONS):
                raise LedgerError(
                    f"This ledger was written by a newer Kling UI (schema {version}; this one "
                    f"knows {len(_MIGRATIONS)}). Update the app, or point KLING_UI_DATA_DIR "
                    "at another folder."
                )
            for migrate in _MIGRATIONS[version:]:
                migrate(connection)
            connection.execute(sa.delete(_VERSION))
            connection.execute(sa.insert(_VERSION).values(version=len(_MIGRATIONS)))

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def insert(self, generation: Generation) -> None:
        """Commit a new row."""
        row = dataclasses.asdict(generation)
        with self._my_turn(), self._transaction() as connection:
            connection.execute(sa.insert(_GENERATIONS).values(row))

    def update(
        self, generation_id: str, *, only_from: Status | None = None, **changes: Any
    ) -> Generation:
        """Commit `changes` (field → value) to a row and return it as it is now.

        With `only_from` a row that has another status by now is left alone. `updated_at`
        follows, and `finished_at` where the new status is final. Raises KeyError for an unknown
        id.
        """
        stamp = self.stamp()
        changes["updated_at"] = stamp
        if "status" in changes and Status(changes["status"]).is_final:
            changes["finished_at"] = stamp
        if isinstance(changes.get("error"), GenerationError):
            changes["error"] = dataclasses.asdict(changes["error"])
        mine = _GENERATIONS.c.id == generation_id
        with self._my_turn(), self._transaction() as connection:
            wanted = mine if only_from is None else mine & (_GENERATIONS.c.status == only_from)
            connection.execute(sa.update(_GENERATIONS).where(wanted).values(changes))
            row = connection.execute(sa.select(_GENERATIONS).where(mine)).mappings().first()
        if row is None:
            raise KeyError(generation_id)
        generation = _generation(row)
        if generation is None:
            raise LedgerError(f"{self._name} holds a row that can't be read: {generation_id}.")
        return generation

    def get(self, generation_id: str) -> Generation | None:
        """Return the generation with this id, or None."""
        found = self._select(_GENERATIONS.c.id == generation_id, limit=1)
        return found[0] if found else None

    def unfinished(self, *, origin: str) -> list[Generation]:
        """Return what `origin` still works on or may have accepted, oldest first."""
        table = _GENERATIONS.c
        is_open = sa.and_(table.status.in_(UNFINISHED), table.origin == origin)
        return self._select(is_open)[::-1]

    def newest(self, owner: str, *, limit: int, only_unfinished: bool = False) -> list[Generation]:
        """Return up to `limit` generations of `owner`, newest first."""
        table = _GENERATIONS.c
        wanted = [table.owner == owner]
        if only_unfinished:
            wanted.append(table.status.in_(UNFINISHED))
        return self._select(sa.and_(*wanted), limit=limit)

    def stamp(self) -> str:
        """Return the time now as the ledger writes it."""
        return self._now().astimezone(UTC).isoformat(timespec="milliseconds")

    def _select(
        self, wanted: sa.ColumnElement[bool], *, limit: int | None = None
    ) -> list[Generation]:
        newest_first = (_GENERATIONS.c.created_at.desc(), _GENERATIONS.c.id)
        query = sa.select(_GENERATIONS).where(wanted).order_by(*newest_first).limit(limit)
        with self._transaction() as connection:
            found = [_generation(row) for row in connection.execute(query).mappings()]
        return [generation for generation in found if generation is not None]

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        """Let one thread write at a time: those that SQLite makes wait sleep far too long."""
        if not self._turn.acquire(timeout=LONGEST_WAIT_SECONDS):
            raise LedgerError(f"{self._name} can't be used: others have been writing for long.")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as exc:
            # Only the driver's words: the statement's values hold prompts. A server's words may
            # tell its address.
            said = exc.orig if self._file else type(exc.orig).__name__
            raise LedgerError(f"{self._name} can't be used: {said}.") from exc.orig


def _engine(url: str) -> sa.Engine:
    try:
        engine = sa.create_engine(url, hide_parameters=True, json_deserializer=_json)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as exc:
        # The URL may hold a password, so it is not repeated.
        raise LedgerError(
            "KLING_UI_DATABASE_URL is not a database URL this installation can open "
            f"({type(exc).__name__})."
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_sqlite_up)
    return engine


def _is_damaged(trouble: sqlite3.DatabaseError) -> bool:
    code = getattr(trouble, "sqlite_errorcode", None)
    return code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


def _set_sqlite_up(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: a commit is on the disk before the POST it precedes leaves the machine.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={LONGEST_WAIT_SECONDS * 1000}")
    cursor.close()


def _read_version(connection: Connection) -> int:
    if not sa.inspect(connection).has_table(_VERSION.name):
        return 0
    return connection.execute(sa.select(_VERSION.c.version)).scalar() or 0


def _generation(row: RowMapping) -> Generation | None:
    """Return a row as a value, or None where somebody else has written into it."""
    values = dict(row)
    try:
        values["status"] = Status(values["status"])
        values["error"] = _trouble(values["error"])
        for name in ("created_at", "updated_at", "finished_at"):
            _check_moment(values[name], may_be_none=name == "finished_at")
    except (ValueError, TypeError):
        _log.error("The ledger's row %.64s can't be read and is left out.", values["id"])
        return None
    for name in ("credits_used", "usd_spent"):
        values[name] = values[name] if isinstance(values[name], int | float) else None
    values["payload"] = values["payload"] if isinstance(values["payload"], dict) else {}
    return Generation(**values)


def _trouble(value: Any) -> GenerationError | None:
    """Return a row's trouble; what can't be read is only words, and no reason to drop a row."""
    try:
        return GenerationError(**value) if value else None
    except TypeError:
        return None


def _check_moment(text: Any, *, may_be_none: bool) -> None:
    if text is None and may_be_none:
        return
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without a zone")


def _json(text: str) -> Any:
    """Read a column of JSON; what is none must not hide all the other rows."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {}
