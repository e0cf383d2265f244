"""What to do next, as pure functions: time and chance are handed in, nothing is done.

`chance` is a number from 0 to 1, as `random.random()` gives it.
"""

from dataclasses import dataclass

from kling_ui.client import (
    WAITING_STATUSES,
    ClientError,
    ConcurrencyLimitError,
    NotSentError,
    RateLimitError,
    TaskState,
)
from kling_ui.ledger import Status

MAX_CONNECTION_TRIES = 3
MAX_RATE_LIMIT_SECONDS = 600.0
MAX_RETRY_AFTER_SECONDS = 60.0
MAX_QUEUE_SECONDS = 3600.0
MAX_DOWNLOAD_TRIES = 4
STILL_RUNNING_AFTER_SECONDS = 30 * 60.0
CONFIRMED_FOR_SECONDS = 3600.0
"""How long after it was wanted a request that waits is sent by a new start without asking."""

LOG_REACHES_SECONDS = 92 * 86_400.0
"""How far back the provider's log goes."""

KEY_REFUSED_FOR_SECONDS = 600.0
"""How long the provider may refuse the key before a generation is put to rest."""

LOG_IS_LATE_SECONDS = 3600.0
"""How late the row of an accepted request may appear in the provider's log."""

MAX_QUIET_SECONDS = 300.0
"""The longest that no question is asked about a task that is going, whatever was answered."""

MISSING_FOR_SECONDS = 600.0
"""How long the provider may not know a task before that is believed."""

_HOUR, _DAY = 3600.0, 86_400.0
_KEPT_SECONDS = 30 * _DAY
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTries:
    """What has been tried so far to have one request accepted; seconds are those waited."""

    connections: int = 0
    connection_seconds: float = 0.0
    rate_limits: int = 0
    rate_limit_seconds: float = 0.0
    queue_seconds: float = 0.0

    def after(self, error: ClientError, waited_seconds: float) -> "SendTries":
        """Return the tries with one more that ended in `error` and is followed by a wait."""
        is_connection = isinstance(error, NotSentError)
        is_line = isinstance(error, ConcurrencyLimitError)
        is_rate = isinstance(error, RateLimitError) and not is_line
        return SendTries(
            connections=self.connections + is_connection,
            connection_seconds=self.connection_seconds + waited_seconds * is_connection,
            rate_limits=self.rate_limits + is_rate,
            rate_limit_seconds=self.rate_limit_seconds + waited_seconds * is_rate,
            queue_seconds=self.queue_seconds + waited_seconds * is_line,
        )


def resend_delay(
    error: ClientError, tries: SendTries, *, chance: float, is_patient: bool = False
) -> float | None:
    """Return the seconds after which a POST may be sent again, or None if it must not be.

    Only these are sure to have created nothing: no connection (3 tries, full jitter), a 429
    (as long as it asks, a minute at most, else 10 s, 20, 40 …; about 10 minutes in all), and
    the account's limit of parallel tasks, which is waited for up to an hour. `is_patient`: nobody
    sits and waits for this one, so that a connection too is waited for up to an hour.
    """
    if isinstance(error, NotSentError):
        return _connect_delay(tries, chance=chance, is_patient=is_patient)
    if isinstance(error, ConcurrencyLimitError):
        asked = min(error.retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
        growing = 5.0 + min(tries.queue_seconds / 10, 25.0)
        wait = max(asked, growing * (0.8 + 0.4 * chance))
        return wait if tries.queue_seconds + wait <= MAX_QUEUE_SECONDS else None
    if not isinstance(error, RateLimitError):
        return None
    if tries.rate_limit_seconds >= MAX_RATE_LIMIT_SECONDS:
        return None
    growing = 2.0 ** min(tries.rate_limits, 4)
    if error.retry_after_seconds is not None:
        # Asked to wait for no time again and again, a provider would be flooded.
        return max(min(error.retry_after_seconds, MAX_RETRY_AFTER_SECONDS), growing)
    return 10.0 * growing * (0.8 + 0.4 * chance)


def _connect_delay(tries: SendTries, *, chance: float, is_patient: bool) -> float | None:
    tried = tries.connections + 1
    if is_patient and tries.connection_seconds < MAX_QUEUE_SECONDS:
        return 2.0 ** min(tried, 6) * (1 + chance) / 2
    return chance * 2.0**tried if tried < MAX_CONNECTION_TRIES else None


def may_send(confirmed_seconds: float | None) -> bool:
    """Tell whether a request that waits may be sent without asking a person again.

    `confirmed_seconds` is how long ago one wanted it, None where nobody does for now.
    """
    return confirmed_seconds is not None and confirmed_seconds <= CONFIRMED_FOR_SECONDS


def status_while_going(state: TaskState, before: Status) -> Status:
    """Name the status of a task that is still going; it never falls back to the queue."""
    if state.status in WAITING_STATUSES and before is not Status.GENERATING:
        return Status.QUEUED
    return Status.GENERATING


def denied_delay(times: int) -> float:
    """Return the seconds until the next question after `times` 401s or 403s in a row.

    5, 10, 20 … up to 5 minutes.
    """
    return min(5.0 * 2.0 ** min(times - 1, 10), MAX_QUIET_SECONDS)


def not_found_delay(seconds: float) -> float:
    """Return the seconds until the next question about a task not known for `seconds` so far."""
    return min(max(seconds / 5, 2.0), 60.0)


def missing_delay(age_seconds: float) -> float | None:
    """Return the seconds until a task is asked for that the provider has ceased to know.

    Hourly for a day, daily for 30 days, then None. By the age of the generation, which a
    restart does not change.
    """
    if age_seconds < _DAY:
        return _HOUR
    return _DAY if age_seconds < _DAY + _KEPT_SECONDS else None


def look_delay(looks: int, age_seconds: float) -> float | None:
    """Return the seconds before the next search for a lost POST.

    0, 2, 4, 8 … then hourly for a day, daily for as long as the log goes back, then None.
    """
    if age_seconds >= LOG_REACHES_SECONDS:
        return None if looks else 0.0
    if looks == 0:
        return 0.0
    most = _HOUR if age_seconds < _DAY else _DAY
    return float(min(2.0 ** min(looks, 20), most))


def download_delay(tries: int, chance: float) -> float:
    """Return the seconds before a download is tried again (full jitter, 8 at most)."""
    return chance * float(min(2.0**tries, 8.0))


def save_delay(rounds: int, finished_seconds: float) -> float | None:
    """Return the seconds before a finished video is fetched anew after `rounds` in vain.

    15, 30, 60 … hourly, for as long as the provider keeps it; then None.
    """
    if finished_seconds >= _KEPT_SECONDS:
        return None
    return float(min(15.0 * 2.0 ** min(rounds - 1, 10), _HOUR))


def is_long(delay_seconds: float) -> bool:
    """Tell whether nobody should sit and wait for what comes after such a delay."""
    return delay_seconds > _PATIENCE_SECONDS
