"""The provider's memory: tasks, what they cost and the log of requests, kept in SQLite."""

import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CREDITS_PER_USD = 2_000_000
TOP_UP_USD = 100.0
"""The simulated account is filled up to this again whenever it is empty."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY, file_name TEXT NOT NULL, payload TEXT NOT NULL,
    created REAL NOT NULL, seconds REAL NOT NULL, credits INTEGER NOT NULL,
    failure TEXT, fails_at REAL, video_seconds REAL NOT NULL DEFAULT 5
);
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, created REAL NOT NULL, model TEXT,
    request_id TEXT NOT NULL, client_request_id TEXT, task_id TEXT
);
"""
_NEW_COLUMN = "ALTER TABLE tasks ADD COLUMN video_seconds REAL NOT NULL DEFAULT 5"
"""For folders from before videos had lengths of their own."""
_FAIL_SHARE = 0.6
_QUEUE_SHARE = 0.15

Phase = Literal["queued", "generating", "due", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One accepted generation. `failure` is the JSON of its error, in force from `fails_at`.

    `seconds` is how long it takes, `video_seconds` how long its video is. What was handed in
    as data stands in `payload` as a short reference.
    """

    id: str
    file_name: str
    payload: dict[str, Any]
    created: float
    seconds: float
    credits: int
    failure: str | None = None
    fails_at: float | None = None
    video_seconds: float = 5

    @property
    def usd(self) -> float:
        """What it costs unless it fails."""
        return round(self.credits / CREDITS_PER_USD, 6)

    def phase(self, now: float) -> Phase:
        """Tell where the task stands; `due` means that only the file may be missing."""
        if self.fails_at is not None and now >= self.fails_at:
            return "failed"
        elapsed = now - self.created
        if elapsed < self.seconds * _QUEUE_SHARE:
            return "queued"
        return "generating" if elapsed < self.seconds else "due"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One row of the request log; a refused request has no task."""

    created: float
    model: str | None
    request_id: str
    client_request_id: str | None
    task: Task | None


def new_task(
    payload: Mapping[str, Any],
    *,
    seconds: float,
    credits_: int,
    now: float,
    video_seconds: float = 5,
) -> Task:
    """Accept `payload`; `[slow]` and `[fail]` in its prompt have their say."""
    prompt = str(payload.get("prompt", ""))
    token = str(uuid.uuid4())
    total = seconds * (5 if "[slow]" in prompt else 1)
    is_failing = "[fail]" in prompt
    return Task(
        id=f"{token}:{payload['model']}",
        file_name=f"{token}.mp4",
        payload=dict(payload),
        created=now,
        seconds=total,
        credits=credits_,
        failure=json.dumps(CONTENT_POLICY) if is_failing else None,
        fails_at=now + total * _FAIL_SHARE if is_failing else None,
        video_seconds=video_seconds,
    )


CONTENT_POLICY = {
    "name": "content_policy_violation",
    "message": "The prompt was flagged by the content policy (1301). Change it and try again.",
}


class Store:
    """Tasks and requests in one SQLite file; each call is one transaction, from any thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "simulator.sqlite3"
        with self._open() as database:
            database.executescript(_SCHEMA)
            columns = {row["name"] for row in database.execute("PRAGMA table_info(tasks)")}
            if "video_seconds" not in columns:
                database.execute(_NEW_COLUMN)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            # A killed process loses nothing; only a power cut could, and this is a simulator.
            database.execute("PRAGMA synchronous = OFF")
            database.row_factory = sqlite3.Row
            with database:
                yield database

    def add(self, task: Task, *, request_id: str, client_request_id: str | None) -> None:
        """Keep an accepted task together with its row in the log."""
        with self._open() as database:
            database.execute(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    task.id,
                    task.file_name,
                    json.dumps(task.payload),
                    task.created,
                    task.seconds,
                    task.credits,
                    task.failure,
                    task.fails_at,
                    task.video_seconds,
                ),
            )
            self._log(
                database,
                (task.created, task.payload["model"], request_id, client_request_id, task.id),
            )

    def add_refused(
        self, *, now: float, model: str | None, request_id: str, client_request_id: str | None
    ) -> None:
        """Keep the log row of a request that made no task."""
        with self._open() as database:
            self._log(database, (now, model, request_id, client_request_id, None))

    @staticmethod
    def _log(database: sqlite3.Connection, row: tuple[Any, ...]) -> None:
        database.execute(
            "INSERT INTO requests (created, model, request_id, client_request_id, task_id)"
            " VALUES (?, ?, ?, ?, ?)",
            row,
        )

    def find(self, task_id: str) -> Task | None:
        """Return the task called `task_id`, or None."""
        return self._one("SELECT * FROM tasks WHERE id = ?", task_id)

    def find_file(self, file_name: str) -> Task | None:
        """Return the task whose video is called `file_name`, or None."""
        return self._one("SELECT * FROM tasks WHERE file_name = ?", file_name)

    def _one(self, query: str, value: str) -> Task | None:
        with self._open() as database:
            row = database.execute(query, (value,)).fetchone()
        return _task(row) if row else None

    def fail(self, task: Task, error: Any, *, now: float) -> None:
        """Let `task` have failed with `error` (any JSON), and give the money back."""
        with self._open() as database:
            database.execute(
                "UPDATE tasks SET failure = ?, fails_at = ? WHERE id = ?",
                (json.dumps(error), now, task.id),
            )

    def tasks(self, *, since: float = 0) -> list[Task]:
        """Return the tasks created after `since`, oldest first."""
        with self._open() as database:
            rows = database.execute(
                "SELECT * FROM tasks WHERE created >= ? ORDER BY created", (since,)
            ).fetchall()
        return [_task(row) for row in rows]

    def log(self, *, since: float, limit: int, offset: int) -> list[Logged]:
        """Return rows of the request log, newest first."""
        with self._open() as database:
            rows = database.execute(
                "SELECT requests.created AS logged, model, request_id, client_request_id, tasks.*"
                " FROM requests LEFT JOIN tasks ON tasks.id = task_id"
                " WHERE logged >= ? ORDER BY number DESC LIMIT ? OFFSET ?",
                (since, limit, offset),
            ).fetchall()
        return [
            Logged(
                created=row["logged"],
                model=row["model"],
                request_id=row["request_id"],
                client_request_id=row["client_request_id"],
                task=_task(row) if row["id"] else None,
            )
            for row in rows
        ]

    def accepted(self) -> int:
        """Count the creations that were accepted."""
        return self._sum("count(*)", "1")

    def charges(self, *, now: float) -> int:
        """Count the creations that are paid for: accepted and not failed."""
        return self._sum("count(*)", "fails_at IS NULL OR fails_at > :now", now=now)

    def balance(self, *, now: float) -> float:
        """Return the simulated dollars left."""
        spent = self._sum("total(credits)", "fails_at IS NULL OR fails_at > :now", now=now)
        return round(TOP_UP_USD - spent / CREDITS_PER_USD % TOP_UP_USD, 6)

    def _sum(self, what: str, where: str, **values: float) -> int:
        query = f"SELECT {what} FROM tasks WHERE {where}"  # noqa: S608  both are ours
        with self._open() as database:
            return int(database.execute(query, values).fetchone()[0])


def _task(row: sqlite3.Row) -> Task:
    return Task(
        id=row["id"],
        file_name=row["file_name"],
        payload=json.loads(row["payload"]),
        created=row["created"],
        seconds=row["seconds"],
        credits=row["credits"],
        failure=row["failure"],
        fails_at=row["fails_at"],
        video_seconds=int(length) if (length := row["video_seconds"]).is_integer() else length,
    )
