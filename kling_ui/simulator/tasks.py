"""The provider's memory: tasks, what they cost and the log of requests."""

import contextlib
import json
import math
import threading
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

CREDITS_PER_USD = 2_000_000
TOP_UP_USD = 100.0
"""The simulated account is filled up to this again whenever it is empty."""
CONTENT_POLICY = {
    "name": "content_policy_violation",
    "message": "The prompt was flagged by the content policy (1301). Change it and try again.",
}

_FAIL_SHARE = 0.6
_QUEUE_SHARE = 0.15

Phase = Literal["queued", "generating", "due", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One accepted generation. `failure` is how it is told to have ended, in force from `fails_at`.

    `seconds` is how long it takes, `video_seconds` how long its video is. What was handed in
    as data stands in `payload` as a short reference; `payload["model"]` is the catalog's id.
    """

    id: str
    file_name: str
    payload: dict[str, Any]
    key_hash: str
    created: float
    seconds: float
    credits: int
    failure: dict[str, Any] | None = None
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
class LoggedRequest:
    """One row of the request log; a refused request has no task. `model` is as it was sent."""

    created: float
    model: str | None
    key_hash: str
    request_id: str
    client_request_id: str | None
    task: Task | None = None


def new_task(
    payload: Mapping[str, Any],
    *,
    seconds: float,
    credits_: int,
    now: float,
    key_hash: str = "",
    video_seconds: float = 5,
    has_short_id: bool = False,
) -> Task:
    """Accept `payload`; `[slow]` and `[fail]` in its prompt have their say."""
    prompt = str(payload.get("prompt", ""))
    token = str(uuid.uuid4())
    total = seconds * (5 if "[slow]" in prompt else 1)
    is_failing = "[fail]" in prompt
    return Task(
        id=token if has_short_id else f"{token}:{payload['model']}",
        file_name=f"{token}.mp4",
        payload=dict(payload),
        key_hash=key_hash,
        created=now,
        seconds=total,
        credits=credits_,
        failure={"status": "error", "error": CONTENT_POLICY} if is_failing else None,
        fails_at=now + total * _FAIL_SHARE if is_failing else None,
        video_seconds=video_seconds,
    )


class Store:
    """Tasks and requests in memory, and on disk as lines of JSON; safe to use from any thread.

    Every change is appended to `requests.jsonl` before the call returns, so that a killed
    process forgets nothing. What can't be read there is skipped: simulated tasks are worth
    nothing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "requests.jsonl"
        self._lock = threading.Lock()
        self._requests: list[LoggedRequest] = []
        self._tasks: dict[str, Task] = {}
        self._file.touch()
        for line in self._file.read_text("utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._apply(json.loads(line))

    def add(self, request: LoggedRequest) -> None:
        """Keep a row of the log, together with the task that the request made, if any."""
        self._append({"request": asdict(request)})

    def fail(self, task: Task, error: Any, *, now: float, word: str = "error") -> None:
        """Let `task` have ended as `word` with `error` (any JSON), and give the money back."""
        failure = {"status": word, "error": error}
        self._append({"task_id": task.id, "failure": failure, "fails_at": now})

    def _append(self, change: dict[str, Any]) -> None:
        line = json.dumps(change)
        # The newline comes first, so that a line cut short does not spoil the next one.
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}")
            self._apply(json.loads(line))

    def _apply(self, change: dict[str, Any]) -> None:
        if "request" not in change:
            task = self._tasks[change.pop("task_id")]
            self._tasks[task.id] = replace(task, **change)
            return
        values = change["request"]
        made = Task(**values["task"]) if values["task"] else None
        self._requests.append(LoggedRequest(**{**values, "task": made}))
        if made:
            self._tasks[made.id] = made

    def find(self, task_id: str) -> Task | None:
        """Return the task called `task_id`, or None."""
        return self._tasks.get(task_id)

    def find_file(self, file_name: str) -> Task | None:
        """Return the task whose video is called `file_name`, or None."""
        return next((task for task in self.tasks() if task.file_name == file_name), None)

    def tasks(self) -> list[Task]:
        """Return every task, oldest first."""
        with self._lock:
            return list(self._tasks.values())

    def log(
        self,
        *,
        since: float,
        limit: int | None = None,
        offset: int = 0,
        until: float = math.inf,
        key_hash: str | None = None,
        model: str | None = None,
    ) -> list[LoggedRequest]:
        """Return rows of the request log, newest first; `key_hash` and `model` None mean any."""
        with self._lock:
            rows = [
                replace(row, task=self._tasks[row.task.id]) if row.task else row
                for row in reversed(self._requests)
                if since <= row.created <= until
                and key_hash in {None, row.key_hash}
                and model in {None, row.model}
            ]
        return rows[offset:][:limit]

    def accepted(self) -> int:
        """Count the creations that were accepted."""
        return len(self.tasks())

    def charges(self, *, now: float) -> int:
        """Count the creations that are paid for: accepted and not failed."""
        return len(self._paid(now))

    def balance(self, *, now: float) -> float:
        """Return the simulated dollars left."""
        spent = sum(task.credits for task in self._paid(now))
        return round(TOP_UP_USD - spent / CREDITS_PER_USD % TOP_UP_USD, 6)

    def _paid(self, now: float) -> list[Task]:
        return [task for task in self.tasks() if task.phase(now) != "failed"]
