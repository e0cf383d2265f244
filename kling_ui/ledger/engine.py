"""The connections to a ledger's database, and the file behind one of SQLite."""

import json
import logging
import os
import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

_log = logging.getLogger(__name__)

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


def open_engine(url: str | Path) -> sa.Engine:
    """Return the engine of a database URL or SQLite file; raise LedgerError where none fits."""
    try:
        address = _address(url)
        engine = sa.create_engine(
            address,
            hide_parameters=True,
            json_deserializer=_json,
            # A server that was restarted, or tired of waiting, has closed what the pool holds.
            pool_pre_ping=address.get_backend_name() != "sqlite",
        )
    except ModuleNotFoundError as exc:
        raise LedgerError(
            f"KLING_UI_DATABASE_URL needs a driver that is not installed: the Python package of "
            f"the module {exc.name}."
        ) from None
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError) as exc:
        # The URL may hold a password, so it is not repeated.
        raise LedgerError(
            "KLING_UI_DATABASE_URL is not a database URL this installation can open "
            f"({type(exc).__name__})."
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _SqliteConnections().set_up)
    sa.event.listen(engine, "before_cursor_execute", _with_writable_text, retval=True)
    return engine


def _address(url: str | Path) -> sa.URL:
    if isinstance(url, Path):
        # A path is never pasted into a URL: `?`, `#` and `%` mean something there.
        return sa.URL.create("sqlite", database=str(url))
    # Hosts name PostgreSQL as libpq does, SQLAlchemy does not.
    return sa.make_url(re.sub(r"\Apostgres(?=[:+])", "postgresql", url))


def words_of(trouble: BaseException) -> str:
    """Return the first line of what a driver says: the lines after it may hold values."""
    return next(iter(str(trouble).strip().splitlines()), "") or type(trouble).__name__


def file_of(url: sa.URL) -> Path | None:
    """Return the SQLite file of a URL, links resolved; None for a server or for memory."""
    database = url.database or ":memory:"
    if url.get_backend_name() != "sqlite" or ":memory:" in database:
        return None
    is_uri = database.startswith("file:")
    return Path(unquote(urlsplit(database).path) if is_uri else database).resolve()


def identity(path: Path | None) -> tuple[int, int] | None:
    """Return what tells a file from another one at the same path, None where there is none."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def make_private(path: Path) -> None:
    """Let only this user read the ledger; SQLite gives its other files the same mode."""
    with suppress(OSError):  # then SQLite says what is wrong, or the file is somebody else's
        path.touch(mode=0o600)
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            path.with_name(path.name + suffix).chmod(0o600)


def check_not_emptied(path: Path) -> None:
    """Raise LedgerError where a file is empty and its log is not: SQLite would drop the log."""
    log = path.with_name(f"{path.name}-wal")
    with suppress(FileNotFoundError):
        if path.stat().st_size == 0 and log.stat().st_size > 0:
            raise LedgerError(
                f"The ledger {path.name} was emptied, its log {log.name} was not. Put a copy of "
                f"{path} back; or move both aside (keep them: they name what was paid for) and "
                "start again with a new one."
            )


def is_damaged(trouble: sqlite3.DatabaseError) -> bool:
    """Tell whether a file is no database, or one that is broken."""
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
            connection.text_factory = os.fsdecode  # SQLite tells the bytes of a name
            file = cursor.execute("PRAGMA database_list").fetchone()[2]
            connection.text_factory = str
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


_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def _with_writable_text(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    """Put U+FFFD for what no database takes: half an emoji, or NUL, in any text that is bound."""
    return statement, _writable(parameters)


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNWRITABLE.sub("\ufffd", value)
    if isinstance(value, tuple | list):
        return type(value)(map(_writable, value))
    if isinstance(value, dict):
        return {name: _writable(each) for name, each in value.items()}
    return value


def _json(text: str) -> Any:
    """Read a column of JSON; what is none must not hide all the other rows."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {}
