"""What can be made to go wrong, and in which order; `wire` knows what it then looks like."""

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

Stage = Literal["create", "get", "logs", "download"]
Kind = Literal[
    # at any stage
    "reset_before",
    "reset_after",
    "hang",
    "status",
    "html",
    "cut",
    "garbage",
    # on create
    "no_id",
    "generation_id",
    # on get
    "word",
    "error",
    "missing_url",
    # on logs
    "late",
    # on download
    "truncated",
    "short",
    "empty",
    "expired",
    "redirect",
]

_ANYWHERE = {"reset_before", "reset_after", "hang", "status", "html", "cut", "garbage"}
_KINDS: dict[Stage, set[str]] = {
    "create": _ANYWHERE | {"no_id", "generation_id"},
    "get": _ANYWHERE | {"word", "error", "missing_url"},
    "logs": _ANYWHERE | {"late"},
    "download": _ANYWHERE | {"truncated", "short", "empty", "expired", "redirect"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong at `on`, `times` times in a row (None: from now on).

    | kind | what the client sees | fields it reads |
    |---|---|---|
    | `reset_before` | the connection is reset, the body unread: nothing happened | |
    | `reset_after` | the request is carried out, then reset without an answer | |
    | `hang` | no answer for `seconds`, then a reset | `seconds`, `after` |
    | `status` | a refusal in the provider's own JSON, 503 unless said | `status`, `retry_after`, \
`message`, `after` |
    | `html` | a gateway's page, 502 unless said (download: 200) | `status`, `after` |
    | `cut` | the real answer, stopped in the middle (the request was carried out) | |
    | `garbage` | 200 with `body`, which is no JSON and no MP4 (it was carried out) | `body` |
    | `no_id` | 201 without any id; the task exists | |
    | `generation_id` | the id stands in `generation_id` instead of `id` | |
    | `word` | another status word than the real one, and no video | `word` |
    | `error` | status "error"; the task stays failed and is not charged | `error` (any JSON) |
    | `missing_url` | "completed" without a URL | |
    | `late` | this look-up shows no rows yet | |
    | `truncated` | an honest Content-Length, and the connection closed half-way | |
    | `short` | half the file served as if it were whole | |
    | `empty` | 200 and no bytes | |
    | `expired` | 403 for this very URL for good; the next GET of the state tells a fresh one | |
    | `redirect` | 302 to `location`, or to the file under another token | `location` |

    `after=True` lets `hang`, `status` and `html` carry the request out first: the task
    exists and is charged.
    """

    on: Stage
    kind: Kind
    times: int | None = 1
    status: int | None = None
    retry_after: str | None = None
    message: str | None = None
    seconds: float = 3600.0
    after: bool = False
    word: str = "waiting"
    error: Any = None
    body: bytes = b"\x00\x17not what you asked for\xff"
    location: str | None = None

    def __post_init__(self) -> None:
        if self.on not in get_args(Stage):
            raise ValueError(f"on={self.on!r}: expected one of {', '.join(get_args(Stage))}.")
        if self.kind not in _KINDS[self.on]:
            known = ", ".join(sorted(_KINDS[self.on]))
            raise ValueError(f"kind={self.kind!r} does not exist on {self.on}; there are {known}.")

    @property
    def is_carried_out(self) -> bool:
        """Tell whether the request takes effect although its answer is spoilt."""
        if self.kind in {"hang", "status", "html"}:
            return self.after
        return self.kind != "reset_before"


class Plan:
    """The faults to come, first come first served at each stage. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[Stage, deque[Fault]] = {stage: deque() for stage in get_args(Stage)}

    def add(self, *faults: Fault) -> None:
        """Append `faults`."""
        with self._lock:
            for fault in faults:
                self._queues[fault.on].append(fault)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            for queue in self._queues.values():
                queue.clear()

    def take(self, stage: Stage) -> Fault | None:
        """Return the fault the next request at `stage` meets, if any, and count it off."""
        with self._lock:
            queue = self._queues[stage]
            while queue and queue[0].times is not None and queue[0].times < 1:
                queue.popleft()
            if not queue:
                return None
            fault = queue[0]
            if fault.times is not None:
                queue[0] = replace(fault, times=fault.times - 1)
            return fault
