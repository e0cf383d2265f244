"""The values that ledger, service and UI exchange: a generation, its status, its error."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


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

NOT_CHARGED = (Status.REJECTED, Status.CANCELLED, Status.FAILED)
"""What the provider takes no money for."""


class ErrorKind(StrEnum):
    """What an error is about. It explains; what happens next depends on the status alone."""

    NOT_SENT = "not_sent"
    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"
    LEDGER = "ledger"
    RATE_LIMIT = "rate_limit"
    CONCURRENCY_LIMIT = "concurrency_limit"
    CONFIRM = "confirm"
    DAY_LIMIT = "day_limit"
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
    payload is whole; ledgers of version 1 kept no more than the beginnings of files. `seconds`,
    `width` and `height` (pixels) are the video's own, None before it is there. `deleted_at`: its
    owner has deleted it; what it cost still counts. `set_id` names the set it was submitted with
    and `set_position` its place in there. `confirmed_at` is when a person last wanted it sent,
    None where one has to be asked, and `usd_confirmed` the most it may cost by that, None: no
    bound. `admitted_at` is when one that waits in a set was given its turn. `chain` holds the ids
    of the generations that it continues, the first one first.
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
    is_starred: bool = False
    deleted_at: str | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    set_id: str | None = None
    set_position: int | None = None
    confirmed_at: str | None = None
    usd_confirmed: float | None = None
    admitted_at: str | None = None
    chain: tuple[str, ...] = ()

    @property
    def prompt(self) -> str:
        """The prompt that was sent, or an empty string for models without one."""
        prompt = self.payload.get("prompt")
        return prompt if isinstance(prompt, str) else ""

    @property
    def is_simulated(self) -> bool:
        """Tell whether the simulator made it: no money, no real video."""
        return self.origin == SIMULATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSet:
    """What was submitted together, by one owner under one name. `created_at`: UTC, ISO 8601."""

    id: str
    name: str
    owner: str
    created_at: str


SIMULATOR = "simulator"
"""The `origin` of what the embedded simulator made."""

LIVE = "aimlapi"
"""The `origin` of what the AI/ML API made, at whatever address it was asked."""


def stamp_of(moment: datetime) -> str:
    """Return a moment as the ledger writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
