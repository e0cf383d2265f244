"""The ledger: one row per generation, committed before money can be spent.

Holds the `Generation` value that service and UI exchange. Knows neither HTTP nor Gradio.
"""

import dataclasses
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

_log = logging.getLogger(__name__)


class Status(StrEnum):
    """Where a generation stands, and so where its money stands."""

    WAITING = "waiting"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    QUEUED = "queued"
    GENERATING = "generating"
    SAVING = "saving"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more will happen by itself."""
        return self in _FINAL


_FINAL = frozenset(
    {Status.REJECTED, Status.CANCELLED, Status.ABANDONED, Status.COMPLETED, Status.FAILED}
)
UNFINISHED = tuple(status for status in Status if not status.is_final)


class ErrorKind(StrEnum):
    """What an error is about. It explains; what happens next depends on the status alone."""

    NOT_SENT = "not_sent"
    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"
    LEDGER = "ledger"
    RATE_LIMIT = "rate_limit"
    CONCURRENCY_LIMIT = "concurrency_limit"
    CONFIRM = "confirm"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    UNKNOWN = "unknown"
    FAILED = "failed"
    NOTE = "note"
    NO_NEWS = "no_news"
    NOT_FOUND = "not_found"
    STILL_RUNNING = "still_running"
    NOT_SAVED = "not_saved"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class GenerationError:
    """Why a generation is not going well, in words for people.

    `kind` is a stable word for programs, `message` says what happened, whether money was
    spent and what to do next; `field` is the parameter it is about, by its API name, or None.
    """

    kind: ErrorKind
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation as the ledger has it. Times are UTC, ISO 8601.

    `id` is ours (uuid4 hex, also sent as X-Client-Request-Id), `task_id` the provider's.
    `origin` names who was asked: LIVE or SIMULATOR. `video` is a file name below
    the data folder, POSIX style. `usd_spent` and `credits_used` are the provider's figures.
    `sent_at` is when its last POST began, `route` the one that took it, and `key_hash` names
    the key that sent it without telling anything of it. `is_put_away`: a person does not want
    it on the stage or counted as running; it is asked for all the same. `is_repeatable`: its
    payload is whole; ledgers of version 1 kept no more than the beginnings of files.
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
    sent_at: str | None = None
    route: str | None = None
    key_hash: str | None = None
    is_put_away: bool = False
    is_repeatable: bool = True

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


_NO_SHARED_MEMORY = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""With which of SQLite's codes a write-ahead log fails where it can't be had."""

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
    sa.Column("sent_at", sa.Text),
    sa.Column("route", sa.Text),
    sa.Column("key_hash", sa.Text),
    sa.Column("is_put_away", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("is_repeatable", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Index("generations_by_owner", "owner", "created_at"),
    sa.Index("generations_by_status", "status"),
)

_INPUTS = sa.Table(
    "inputs",
    _METADATA,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
)

_CREATE_VERSION_1 = (
    """CREATE TABLE IF NOT EXISTS generations (
        id VARCHAR(32) NOT NULL PRIMARY KEY, task_id TEXT, model TEXT NOT NULL,
        payload JSON NOT NULL, owner TEXT NOT NULL, origin TEXT NOT NULL, status TEXT NOT NULL,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL, finished_at TEXT, video TEXT,
        credits_used FLOAT, usd_spent FLOAT, error JSON)""",
    "CREATE INDEX IF NOT EXISTS generations_by_owner ON generations (owner, created_at)",
    "CREATE INDEX IF NOT EXISTS generations_by_status ON generations (status)",
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)",
)
_ADD_VERSION_2 = (
    "ALTER TABLE generations ADD COLUMN sent_at TEXT",
    "ALTER TABLE generations ADD COLUMN route TEXT",
    "ALTER TABLE generations ADD COLUMN key_hash TEXT",
    "ALTER TABLE generations ADD COLUMN is_put_away BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE generations ADD COLUMN is_repeatable BOOLEAN NOT NULL DEFAULT TRUE",
    """CREATE TABLE inputs (
        owner TEXT NOT NULL, reference TEXT NOT NULL, PRIMARY KEY (owner, reference))""",
)
_RENAMED_STATUSES = {"withdrawn": Status.CANCELLED, "forgotten": Status.ABANDONED}
"""What version 1 wrote as `rejected` and told apart by the kind of its error."""


def _create(connection: Connection) -> None:
    for statement in _CREATE_VERSION_1:
        connection.execute(sa.text(statement))


def _add_sender(connection: Connection) -> None:
    """Add who sent a generation by which route, and give what people ended its own status."""
    for statement in _ADD_VERSION_2:
        connection.execute(sa.text(statement))
    table = _GENERATIONS.c
    abridged = sa.cast(table.payload, sa.Text).like("%characters, sha256 %")
    connection.execute(sa.update(_GENERATIONS).where(abridged).values(is_repeatable=False))
    rejected = sa.select(table.id, table.error).where(table.status == Status.REJECTED)
    for row in connection.execute(rejected).mappings().all():
        error = row["error"] if isinstance(row["error"], dict) else {}
        status = _RENAMED_STATUSES.get(str(error.get("kind")))
        if status is not None:
            changed = sa.update(_GENERATIONS).where(table.id == row["id"])
            connection.execute(changed.values(status=status))


_MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create, _add_sender)
"""Step n takes a ledger from version n to n + 1; a released step is never edited."""


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
        self._engine = _engine(url)
        self.path = _path(self._engine.url)
        """The file that holds it, links resolved; None where it is in memory or on a server."""
        self._opened: tuple[int, int] | None = None
        # The page shows this name, so it tells neither where files lie nor an address.
        self._file = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        self._name = f"The ledger {Path(self._file).name}" if self._file else "The ledger"

    def open(self) -> None:
        """Create or migrate the schema; refuse a ledger that a newer app has written."""
        if self.path:
            _make_private(self.path)
        try:
            self._migrate()
            self._opened = _identity(self.path)
        except LedgerError as exc:
            if isinstance(exc.__cause__, sqlite3.DatabaseError) and _is_damaged(exc.__cause__):
                raise LedgerError(
                    f"{exc} It is damaged. Put a copy of {self._file} back; or move it aside "
                    "(keep it: it names what was paid for) and start again with a new one."
                ) from exc.__cause__
            raise

    def _migrate(self) -> None:
        with self._transaction() as connection:
            if connection.dialect.name == "sqlite":
                # Else each ALTER TABLE would be a commit of its own, and a crash leave half a step.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
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

    def check_file(self) -> None:
        """Raise LedgerError where the file at the path is no longer the one that is open.

        What is written into a file that was deleted or moved away is forgotten at the next start.
        """
        if self._opened is not None and _identity(self.path) != self._opened:
            raise LedgerError(
                f"{self._name} was deleted, moved or replaced while the app runs. Put it back, or "
                "restart the app."
            )

    def insert(self, generation: Generation) -> None:
        """Commit a new row."""
        self.check_file()
        row = dataclasses.asdict(generation)
        with self._my_turn(), self._transaction() as connection:
            connection.execute(sa.insert(_GENERATIONS).values(row))

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
        mine = _GENERATIONS.c.id == generation_id
        with self._my_turn(), self._transaction() as connection:
            wanted = mine & _GENERATIONS.c.status.in_(only_from) if only_from else mine
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
        """Return up to `limit` generations of `owner`, newest first.

        `only_unfinished`: those under way, but for what was put away.
        """
        table = _GENERATIONS.c
        wanted = [table.owner == owner]
        if only_unfinished:
            wanted += [table.status.in_(UNFINISHED), table.is_put_away.is_(False)]
        return self._select(sa.and_(*wanted), limit=limit)

    def completed(self, *, origin: str, limit: int) -> list[Generation]:
        """Return up to `limit` generations that `origin` has completed, newest first."""
        table = _GENERATIONS.c
        is_done = sa.and_(table.status == Status.COMPLETED, table.origin == origin)
        return self._select(is_done, limit=limit)

    def spent_since(self, stamp: str, *, origin: str, assumed_usd: float) -> float:
        """Return the USD that `origin` charges for what was submitted since `stamp`.

        A generation without a figure so far counts as the dearest one of its model that has one,
        or as `assumed_usd`.
        """
        table, other = _GENERATIONS.c, _GENERATIONS.alias().c
        free = (Status.REJECTED, Status.CANCELLED, Status.FAILED)
        dearest = (
            sa.select(sa.func.max(other.usd_spent))
            .where(other.model == table.model, other.origin == origin, other.status.not_in(free))
            .scalar_subquery()
        )
        usd = sa.func.sum(sa.func.coalesce(table.usd_spent, dearest, assumed_usd))
        wanted = (table.created_at >= stamp, table.origin == origin, table.status.not_in(free))
        with self._transaction() as connection:
            return float(connection.execute(sa.select(usd).where(*wanted)).scalar() or 0.0)

    def claim_inputs(self, owner: str, references: Iterable[str]) -> None:
        """Note that these inputs are an owner's: who names one of another's gets nothing."""
        known = self.claimed_inputs(owner)
        rows = [{"owner": owner, "reference": each} for each in references if each not in known]
        if not rows:
            return
        with self._my_turn(), self._transaction() as connection:
            connection.execute(sa.insert(_INPUTS), rows)

    def claimed_inputs(self, owner: str) -> set[str]:
        """Return the inputs that an owner has used."""
        query = sa.select(_INPUTS.c.reference).where(_INPUTS.c.owner == owner)
        with self._transaction() as connection:
            return set(connection.execute(query).scalars())

    def payloads_with_inputs(self) -> list[dict[str, Any]]:
        """Return every payload that refers to an input."""
        table = _GENERATIONS.c
        has_inputs = sa.cast(table.payload, sa.Text).like('%"input:%')
        with self._transaction() as connection:
            return list(connection.execute(sa.select(table.payload).where(has_inputs)).scalars())

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


def _engine(url: str | Path) -> sa.Engine:
    try:
        # A path is never pasted into a URL: `?`, `#` and `%` mean something there.
        address = sa.URL.create("sqlite", database=str(url)) if isinstance(url, Path) else url
        engine = sa.create_engine(address, hide_parameters=True, json_deserializer=_json)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError) as exc:
        # The URL may hold a password, so it is not repeated.
        raise LedgerError(
            "KLING_UI_DATABASE_URL is not a database URL this installation can open "
            f"({type(exc).__name__})."
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _SqliteConnections().set_up)
    return engine


def _path(url: sa.URL) -> Path | None:
    database = url.database or ":memory:"
    if url.get_backend_name() != "sqlite" or ":memory:" in database:
        return None
    is_uri = database.startswith("file:")
    return Path(unquote(urlsplit(database).path) if is_uri else database).resolve()


def _identity(path: Path | None) -> tuple[int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _make_private(path: Path) -> None:
    """Let only this user read the ledger; SQLite gives its other files the same mode."""
    with suppress(OSError):  # then SQLite says what is wrong, or the file is somebody else's
        path.touch(mode=0o600)
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            path.with_name(path.name + suffix).chmod(0o600)


def _is_damaged(trouble: sqlite3.DatabaseError) -> bool:
    code = getattr(trouble, "sqlite_errorcode", None)
    return code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


class _SqliteConnections:
    """Sets connections up: with a write-ahead log where the file system allows it."""

    def __init__(self) -> None:
        self._journal: str | None = None

    def set_up(self, connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={LONGEST_WAIT_SECONDS * 1000}")
        if self._journal is None:
            file = cursor.execute("PRAGMA database_list").fetchone()[2]
            self._journal = _best_journal(file) if file else "MEMORY"
        cursor.execute(f"PRAGMA journal_mode={self._journal}")
        # FULL: a commit is on the disk before the POST it precedes leaves the machine.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()


def _best_journal(file: str) -> str:
    """Return WAL, or DELETE where the file system lacks the shared memory that WAL needs."""
    with closing(_sqlite(file)) as probe:
        try:
            (mode,) = probe.execute("PRAGMA journal_mode=WAL").fetchone()
            # Only a write needs the log's shared memory.
            probe.execute("BEGIN IMMEDIATE")
            probe.execute("ROLLBACK")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF not in _NO_SHARED_MEMORY:
                raise
            mode = "delete"
    if mode == "wal":
        return "WAL"
    with closing(_sqlite(file)) as fallback:
        # Under an exclusive lock the log of an earlier run is read without shared memory.
        fallback.execute("PRAGMA locking_mode=EXCLUSIVE")
        fallback.execute("PRAGMA journal_mode=DELETE")
    _log.warning(
        "The file system of %s allows no write-ahead log, so the ledger keeps a rollback journal. "
        "A folder on a local disk would be faster and safer (KLING_UI_DATABASE_URL).",
        Path(file).name,
    )
    return "DELETE"


def _sqlite(file: str) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=LONGEST_WAIT_SECONDS, isolation_level=None)


def _read_version(connection: Connection) -> int:
    if not sa.inspect(connection).has_table(_VERSION.name):
        return 0
    return connection.execute(sa.select(_VERSION.c.version)).scalar() or 0


def _generation(row: RowMapping) -> Generation | None:
    """Return a row as a value, or None where somebody else has written into it."""
    values = dict(row)
    try:
        values["status"] = Status(values["status"])
        values["error"] = _error(values["error"])
        for name in ("created_at", "updated_at", "finished_at", "sent_at"):
            _check_moment(values[name], may_be_none=name in {"finished_at", "sent_at"})
    except (ValueError, TypeError):
        _log.error("The ledger's row %.64s can't be read and is left out.", values["id"])
        return None
    for name in ("credits_used", "usd_spent"):
        values[name] = values[name] if isinstance(values[name], int | float) else None
    values["payload"] = values["payload"] if isinstance(values["payload"], dict) else {}
    for name in ("is_put_away", "is_repeatable"):
        values[name] = bool(values[name])
    return Generation(**values)


_OLD_KINDS = {
    "waiting": ErrorKind.RATE_LIMIT,
    "in_line": ErrorKind.CONCURRENCY_LIMIT,
    "withdrawn": ErrorKind.CANCELLED,
    "forgotten": ErrorKind.ABANDONED,
}
"""What ledgers of version 1 call some kinds of errors."""


def _error(value: Any) -> GenerationError | None:
    """Return a row's error; what can't be read is only words, and no reason to drop a row."""
    try:
        if not value:
            return None
        kind = _OLD_KINDS.get(value["kind"]) or ErrorKind(value["kind"])
        return GenerationError(kind, value["message"], value.get("field"))
    except (TypeError, ValueError, KeyError, AttributeError):
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
