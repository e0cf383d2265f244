"""Figures and states in people's words."""

import math

from kling_ui.catalog import InvalidValuesError, find_model
from kling_ui.service import Generation, LedgerError, Status

NOTHING_SENT = "Nothing was sent, nothing was spent."

_STATUSES = {
    Status.WAITING: ("Waiting to be sent", "Waiting"),
    Status.SUBMITTING: ("Sending your request", "Sending"),
    Status.UNKNOWN: ("Looking for your request", "Looking for it"),
    Status.REJECTED: ("The request was not accepted", "Not accepted"),
    Status.CANCELLED: ("Withdrawn", "Withdrawn"),
    Status.ABANDONED: ("Given up", "Given up"),
    Status.QUEUED: ("Waiting in line", "In line"),
    Status.GENERATING: ("Kling is making your video", "Generating"),
    Status.SAVING: ("Fetching the finished video", "Fetching"),
    Status.COMPLETED: ("Your video is ready", "Ready"),
    Status.FAILED: ("Kling could not make this video", "Failed"),
}
TITLES = {status: title for status, (title, _) in _STATUSES.items()}
"""A status as a heading."""

STATUS_WORDS = {status: word for status, (_, word) in _STATUSES.items()}
"""A status in a word or two."""

_SMALLEST_SHOWN = 0.01


def clock(seconds: float) -> str:
    """Write seconds as a clock does: 1:05, 1:02:03."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(seconds: float) -> str:
    """Write a usual wait roughly: 8 s, 3 min."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"  # noqa: PLR2004


def usd(amount: float) -> str:
    """Write an amount of US dollars with two decimals; less than a cent as such."""
    if 0 < amount < _SMALLEST_SHOWN:
        return "<$0.01"
    return f"${amount:,.2f}"


def byte_count(count: int) -> str:
    """Write a size as people read it: 0 KB, 340 KB, 12 MB, 1.5 GB; a KB is 1,000 bytes."""
    size, unit = count / 1000, "KB"
    for larger in ("MB", "GB", "TB"):
        if round(size) < 1000:  # noqa: PLR2004  of one in the next
            break
        size, unit = size / 1000, larger
    digits = 1 if unit in {"GB", "TB"} or (unit == "MB" and size < 10) else 0  # noqa: PLR2004
    return f"{math.ceil(size) if unit == 'KB' else size:,.{digits}f} {unit}"


def model_title(model_id: str) -> str:
    """Return a model's title, or its id where the catalog has lost it."""
    try:
        return find_model(model_id).title
    except InvalidValuesError:
        return model_id


def ledger_trouble(trouble: LedgerError) -> str:
    """Say what is wrong with the ledger, what it means for what was paid for, and what to do."""
    return (
        f"{trouble} Nothing is lost: what runs goes on, and is found under History once that is "
        "mended (disk full, read-only or locked?)."
    )


def spent(generation: Generation) -> str:
    """Say what a generation cost; empty where that is not known."""
    if generation.usd_spent is not None:
        return usd(generation.usd_spent)
    if generation.credits_used is not None:
        return f"{generation.credits_used:,.0f} credits"
    return ""


def money(generation: Generation) -> str:
    """Say what a generation cost, marked where it is simulated; empty where not known."""
    figure = spent(generation)
    # A no-break space: the mark never stands on a line of its own.
    return f"{figure}\N{NO-BREAK SPACE}sim" if figure and generation.is_simulated else figure


def dollars(low: float, high: float) -> str:
    """Write an amount or a range of USD: $0.70, $0.70–1.40; small ones with all their digits."""
    if low == high:
        return f"${_digits(low)}"
    return f"${_digits(low)}–{_digits(high)}"


def span(low_seconds: float, high_seconds: float) -> str:
    """Write from when to when something usually ends, in the unit of `about`: 5–8."""
    if high_seconds < 90:  # noqa: PLR2004  as in `about`
        return f"{low_seconds:.0f}–{high_seconds:.0f}"
    return f"{low_seconds / 60:.0f}–{high_seconds / 60:.0f}"


def shortened(text: str, most: int) -> str:
    """Return a text on one line, cut after `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _digits(usd: float) -> str:
    if usd >= 0.1 or usd == 0:  # noqa: PLR2004  from ten cents on a tenth of a cent says nothing
        return f"{usd:,.2f}"
    whole, _, decimals = f"{usd:.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
