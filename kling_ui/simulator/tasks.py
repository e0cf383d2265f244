"""The provider's memory: what was asked for, how it stands and what it cost."""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
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
    """One request for a video. A refused one has no `id` and has failed from the beginning.

    `failure` is how it is told to have ended, in force from `fails_at`; `seconds` is how long it
    takes, `video_seconds` how long its video is. What was handed in as data stands in `payload`
    as a short reference; `payload["model"]` is the catalog's id, `model` what was sent.
    """

    id: str | None = None
    model: str | None = None
    key_hash: str = ""
    request_id: str = ""
    client_request_id: str | None = None
    created: float
    payload: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0
    credits: int = 0
    failure: dict[str, Any] | None = None
    fails_at: float | None = None
    video_seconds: float = 5

    @property
    def usd(self) -> float:
        """What it costs unless it fails."""
        return round(self.credits / CREDITS_PER_USD, 6)

    @property
    def file_name(self) -> str:
        """What its video is called."""
        return f"{str(self.id).partition(':')[0]}.mp4"

    def phase(self, now: float) -> Phase:
        """Tell where the task stands; `due` means that only the file may be missing."""
        if self.fails_at is not None and now >= self.fails_at:
            return "failed"
        elapsed = now - self.created
        if elapsed < self.seconds * _QUEUE_SHARE:
            return "queued"
        return "generating" if elapsed < self.seconds else "due"


def words_of(payload: Mapping[str, Any]) -> str:
    """Return what a request says: its prompt, or the shots of its storyboard."""
    return f"{payload.get('prompt', '')} {payload.get('multi_prompt', '')}"


def accepted(
    request: Task,
    payload: Mapping[str, Any],
    *,
    seconds: float,
    credits_: int,
    video_seconds: float = 5,
    has_short_id: bool = False,
) -> Task:
    """Accept a request for `payload`; `[slow]` and `[fail]` in its words have their say."""
    words, token = words_of(payload), str(uuid.uuid4())
    total = seconds * (5 if "[slow]" in words else 1)
    is_failing = "[fail]" in words
    return replace(
        request,
        id=token if has_short_id else f"{token}:{payload['model']}",
        payload=dict(payload),
        seconds=total,
        credits=credits_,
        failure={"status": "error", "error": CONTENT_POLICY} if is_failing else None,
        fails_at=request.created + total * _FAIL_SHARE if is_failing else None,
        video_seconds=video_seconds,
    )


class Store:
    """Requests in memory, and on disk as lines of JSON; safe to use from any thread.

    A request is appended to `requests.jsonl` whenever it changes, before the call returns, so
    that a killed process forgets nothing. What can't be read there is skipped: simulated tasks
    are worth nothing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "requests.jsonl"
        self._lock = threading.Lock()
        self._requests: dict[str, Task] = {}
        self._file.touch()
        for line in self._file.read_text("utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                self._keep(Task(**json.loads(line)))

    def put(self, request: Task) -> None:
        """Keep a request, in place of an earlier state of it."""
        # Not `asdict`: it copies what an error holds, however deep.
        line = json.dumps({each.name: getattr(request, each.name) for each in fields(Task)})
        # The newline comes first, so that a line cut short does not spoil the next one.
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}")
            self._keep(request)

    def fail(self, task: Task, error: Any, *, word: str = "error") -> Task:
        """Let `task` have ended as `word` with `error` (any JSON), and give the money back."""
        failed = replace(task, failure={"status": word, "error": error}, fails_at=time.time())
        self.put(failed)
        return failed

    def requests(self) -> list[Task]:
        """Return every request, newest first."""
        with self._lock:
            return list(reversed(self._requests.values()))

    def tasks(self) -> list[Task]:
        """Return the requests that were accepted, newest first."""
        return [request for request in self.requests() if request.id]

    def find(self, task_id: str) -> Task | None:
        """Return the task called `task_id`, or None."""
        found = self._requests.get(task_id)
        return found if found and found.id else None

    def find_file(self, file_name: str) -> Task | None:
        """Return the task whose video is called `file_name`, or None."""
        return next((task for task in self.tasks() if task.file_name == file_name), None)

    def paid(self) -> list[Task]:
        """Return the tasks that are paid for: accepted and not failed."""
        return [task for task in self.tasks() if task.phase(time.time()) != "failed"]

    def balance(self) -> float:
        """Return the simulated dollars left."""
        spent = sum(task.credits for task in self.paid())
        return round(TOP_UP_USD - spent / CREDITS_PER_USD % TOP_UP_USD, 6)

    def _keep(self, request: Task) -> None:
        self._requests[request.id or request.request_id] = request
