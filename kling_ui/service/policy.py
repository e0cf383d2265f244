"""What to do next, as pure functions: time and chance are handed in, nothing is done.

`chance` is a number from 0 to 1, as `random.random()` gives it.
"""

from enum import Enum

from kling_ui.client import (
    ClientError,
    ConcurrencyLimitError,
    NotSentError,
    RateLimitError,
    TaskState,
)
from kling_ui.ledger import Status

MAX_CONNECTION_TRIES = 3
MAX_BUSY_WAITS = 2
LONGEST_BUSY_WAIT_SECONDS = 60.0
LONGEST_LINE_SECONDS = 3600.0
MAX_DOWNLOAD_TRIES = 4
STILL_RUNNING_AFTER_SECONDS = 30 * 60.0
LOOK_FOR_SECONDS = 24 * 3600.0

_SHORTEST_POLL_SECONDS = 0.3
_LONGEST_POLL_SECONDS = 15.0
_LONGEST_LOOK_SECONDS = 3600.0
_PATIENCE_SECONDS = 30.0
_WAITING_WORDS = frozenset({"queued", "waiting", "pending", "submitted"})
KNOWN_WORDS = _WAITING_WORDS | {"generating", "active", "processing", "completed", "error", ""}
"""What the provider is known to say of a task."""


class Meaning(Enum):
    """What a provider's answer says about a task."""

    FINISHED = "finished"
    FAILED = "failed"
    GOING = "going"


def meaning(state: TaskState) -> Meaning:
    """Read an answer by its evidence, not by its words: unknown words mean "still going"."""
    if state.video_url is not None:
        return Meaning.FINISHED
    return Meaning.FAILED if state.failure is not None else Meaning.GOING


def status_while_going(state: TaskState, before: Status) -> Status:
    """Name the status of a task that is still going; it never falls back to the queue."""
    if state.status in _WAITING_WORDS and before is not Status.GENERATING:
        return Status.QUEUED
    return Status.GENERATING


def resend_delay(
    error: ClientError,
    *,
    connection_tries: int,
    busy_waits: int,
    chance: float,
    line_seconds: float = 0.0,
) -> float | None:
    """Return the seconds after which a POST may be sent again, or None if it must not be.

    Only these are sure to have created nothing: no connection (`connection_tries` so far, 3 at
    most, full jitter), a 429 with a Retry-After of a minute or less (`busy_waits` so far, 2 at
    most), and the account's limit of parallel tasks: then it waits in line for up to an hour,
    `line_seconds` of it so far.
    """
    if isinstance(error, NotSentError):
        has_tries = connection_tries < MAX_CONNECTION_TRIES
        return chance * 2.0**connection_tries if has_tries else None
    if isinstance(error, ConcurrencyLimitError):
        wait = max(error.retry_after_seconds or 0.0, 5.0 + min(line_seconds / 10, 25.0))
        wait *= 0.8 + 0.4 * chance
        return wait if line_seconds + wait <= LONGEST_LINE_SECONDS else None
    if not isinstance(error, RateLimitError) or error.retry_after_seconds is None:
        return None
    is_short = error.retry_after_seconds <= LONGEST_BUSY_WAIT_SECONDS
    return error.retry_after_seconds if is_short and busy_waits < MAX_BUSY_WAITS else None


def poll_delay(*, elapsed_seconds: float, typical_seconds: float, chance: float) -> float:
    """Return the seconds until the next look at a task: sparse at first, dense near its end."""
    if elapsed_seconds < 0.6 * typical_seconds:
        delay = min(0.08 * typical_seconds, _LONGEST_POLL_SECONDS)
    else:
        delay = max(0.027 * typical_seconds, elapsed_seconds / 50)
    jittered = delay * (0.9 + 0.2 * chance)
    return min(max(jittered, _SHORTEST_POLL_SECONDS), _LONGEST_POLL_SECONDS)


def look_delay(looks: int) -> float:
    """Return the seconds before the next search for a lost POST: 0, 2, 4, 8 … then hourly."""
    return min(2.0**looks, _LONGEST_LOOK_SECONDS) if looks else 0.0


def download_delay(tries: int, chance: float) -> float:
    """Return the seconds before a download is tried again (full jitter, 8 at most)."""
    return chance * min(2.0**tries, 8.0)


def is_resting(looks: int) -> bool:
    """Tell whether so many searches were in vain that nobody should sit and wait for the next."""
    return look_delay(looks) > _PATIENCE_SECONDS
