"""The provider's memory: tasks, what they cost, and which requests were refused."""

import contextlib
import json
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

CREDITS_PER_USD = 2_000_000
TOP_UP_USD = 100.0
"""The simulated account is filled up to this again whenever it is empty."""
CONTENT_POLICY = {
    "name": "content_policy_violation",
    "message": "The prompt was flagged by the content policy (1301). Change it and try again.",
}
_QUEUE_SHARE, _FAIL_SHARE = 0.15, 0.6
_SLOW_FACTOR = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One request for a generation. `failure` is how it ended, in force from `fails_at`.

    `model` is as it was sent; a request that was refused has no `payload`. `seconds` is how long
    it takes, `video_seconds` how long its video is. What was handed in as data stands in
    `payload` as a short reference; `payload["model"]` is the catalog's id.
    """

    id: str
    created: float
    key_hash: str
    model: str | None = None
    request_id: str = ""
    client_request_id: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0
    video_seconds: float = 5
    credits: int = 0
    failure: dict[str, Any] | None = None
    fails_at: float | None = None

    @property
    def file_name(self) -> str:
        """What its video is called."""
        return f"{self.id.partition(':')[0]}.mp4"

    @property
    def usd(self) -> float:
        """What it costs unless it fails."""
        return round(self.credits / CREDITS_PER_USD, 6)

    def phase(self, now: float) -> Literal["queued", "generating", "due", "failed"]:
        """Tell where the task stands; `due` means that only the file may be missing."""
        if not self.payload or (self.fails_at is not None and now >= self.fails_at):
            return "failed"
        elapsed = now - self.created
        if elapsed < self.seconds * _QUEUE_SHARE:
            return "queued"
        return "generating" if elapsed < self.seconds else "due"


def new_task(payload: dict[str, Any], *, seconds: float, created: float, **more: Any) -> Task:
    """Accept `payload`; `[slow]` and `[fail]` in its prompt have their say."""
    prompt = str(payload.get("prompt", ""))
    total = seconds * (_SLOW_FACTOR if "[slow]" in prompt else 1)
    if "[fail]" in prompt:
        more["failure"] = {"status": "error", "error": CONTENT_POLICY}
        more["fails_at"] = created + total * _FAIL_SHARE
    return Task(payload=payload, seconds=total, created=created, **more)


class Store:
    """Tasks in memory, and on disk as lines of JSON; safe to use from any thread.

    Every change is appended to `requests.jsonl` before the call returns, so that a killed
    process forgets nothing. What can't be read there is skipped: simulated tasks are worth
    nothing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "requests.jsonl"
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._file.touch()
        for line in self._file.read_text("utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._apply(json.loads(line))

    def add(self, task: Task) -> None:
        """Keep a new task, or a refused one for the log."""
        self._append(asdict(task))

    def fail(self, task: Task, error: Any, *, now: float, word: str = "error") -> None:
        """Let `task` have ended as `word` with `error` (any JSON), and give the money back."""
        failure = {"status": word, "error": error}
        self._append({"id": task.id, "failure": failure, "fails_at": now})

    def find(self, task_id: str) -> Task | None:
        """Return the accepted task called `task_id`, or None."""
        return next((task for task in [self._tasks.get(task_id)] if task and task.payload), None)

    def tasks(self) -> list[Task]:
        """Return every accepted task, oldest first."""
        with self._lock:
            return [task for task in self._tasks.values() if task.payload]

    def paid(self, now: float) -> list[Task]:
        """Return every task that has not failed."""
        return [task for task in self.tasks() if task.phase(now) != "failed"]

    def balance(self, now: float) -> float:
        """Return the simulated dollars left."""
        spent = sum(task.credits for task in self.paid(now))
        return round(TOP_UP_USD - spent / CREDITS_PER_USD % TOP_UP_USD, 6)

    def log(self, key_hash: str, since: float, until: float, model: str | None) -> list[Task]:
        """Return the tasks of a key, newest first; without `model` those for any."""
        with self._lock:
            return [
                task
                for task in reversed(self._tasks.values())
                if task.key_hash == key_hash
                and since <= task.created <= until
                and model in {None, task.model}
            ]

    def _append(self, change: dict[str, Any]) -> None:
        line = json.dumps(change)
        # The newline comes first, so that a line cut short does not spoil the next one.
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}")
            self._apply(json.loads(line))

    def _apply(self, change: dict[str, Any]) -> None:
        task = self._tasks.get(change["id"])
        self._tasks[change["id"]] = replace(task, **change) if task else Task(**change)
