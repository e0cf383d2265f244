"""What people read when a generation does not go smoothly: what happened, money, what next."""

from datetime import datetime

from kling_ui.client import (
    ClientError,
    Failure,
    NotSentError,
    RateLimitError,
    UnauthorizedError,
)
from kling_ui.ledger import ErrorKind, GenerationError

_NOTHING_SPENT = "Nothing was spent."
_OF_ANOTHER_KEY = (
    "The provider does not know this task under the API key in use; another key sent it. Start "
    "the app with that key."
)
_NO_TASK = "The provider's answer never came, or named no task."
NO_ADDRESS = "the provider calls it finished but gives no address for it"


def rejected(error: ClientError, *, successor: str | None = None) -> GenerationError:
    """Say that the provider refused a request, or that it surely never arrived.

    `successor` is the id of the model to use in place of one that is no longer there.
    """
    if isinstance(error, NotSentError):
        advice = "Check the network and press Generate again."
        return GenerationError(ErrorKind.NOT_SENT, f"{error.message} {_NOTHING_SPENT} {advice}")
    kind = ErrorKind.UNAUTHORIZED if isinstance(error, UnauthorizedError) else ErrorKind.REFUSED
    advice = f" Use {successor} in its place." if successor else ""
    if isinstance(error, RateLimitError):
        advice = " Press Generate again when fewer of your tasks are running."
    message = f"{error.message} {_NOTHING_SPENT}{advice}{_for_support(error)}"
    return GenerationError(kind, message, error.field)


def not_recorded(reason: str) -> GenerationError:
    """Say that a request was not sent, since it could not be written down first."""
    advice = "Free the data folder (disk full, read-only or locked?) and press Generate again."
    return GenerationError(
        ErrorKind.LEDGER, f"{reason} The request was not sent. {_NOTHING_SPENT} {advice}"
    )


def perhaps_recorded(reason: str) -> GenerationError:
    """Say that a request was not sent, but may have been written down and be sent later."""
    return GenerationError(
        ErrorKind.LEDGER,
        f"{reason} The request was not sent. {_NOTHING_SPENT} Free the data folder (disk full, "
        "read-only or locked?), start the app again and look into History before you press "
        "Generate again: if it was written down after all, it is sent within the hour.",
    )


def not_sent_yet(reason: str) -> GenerationError:
    """Say that a request waits until it can be written down."""
    return GenerationError(
        ErrorKind.LEDGER,
        f"{reason} The request is not sent before it can be written down. {_NOTHING_SPENT} Free "
        "the data folder (disk full, read-only or locked?), and it goes on by itself.",
    )


def waiting_to_send(seconds: float, error: ClientError) -> GenerationError:
    """Say that a request has not been taken yet and will be sent again in a moment."""
    kind = ErrorKind.NOT_SENT if isinstance(error, NotSentError) else ErrorKind.RATE_LIMIT
    message = f"{error.message} Trying again in {seconds:.0f} s. {_NOTHING_SPENT}"
    return GenerationError(kind, message)


AT_CONCURRENCY_LIMIT = GenerationError(
    ErrorKind.CONCURRENCY_LIMIT,
    "Kling already runs as many tasks as this account may have at once. This one waits in "
    f"line and is sent when another has ended, for up to an hour. {_NOTHING_SPENT}",
)
"""As many tasks as the account may have are running, and this one waits its turn."""

ASKS_TO_CONFIRM = GenerationError(
    ErrorKind.CONFIRM,
    "The app was started anew, and this request was confirmed more than an hour ago. It was "
    f"not sent. {_NOTHING_SPENT} Send it now, or don't.",
)
"""A request has waited for so long that a person has to want it again."""


def costs_more(confirmed_usd: float, usd: float | None) -> GenerationError:
    """Say that a request may cost more by now than was confirmed, so that a person is asked.

    `usd` is what it may cost, None where nobody can know.
    """
    now = (
        "can't be told from the provider's price list any more"
        if usd is None
        else f"is up to {dollars(usd)} by the provider's price list"
    )
    return GenerationError(
        ErrorKind.CONFIRM,
        f"The price of this request {now}; you confirmed {dollars(confirmed_usd)}. It was not "
        f"sent. {_NOTHING_SPENT} Send it now, or don't.",
    )


def day_limit_waits(usd: float) -> GenerationError:
    """Say that sending a request would exceed what a day may cost, so that it waits."""
    return GenerationError(
        ErrorKind.DAY_LIMIT,
        f"This request would exceed today's limit of {dollars(usd)}. It waits, and is sent by "
        f"itself after 00:00 UTC if the app runs then. {_NOTHING_SPENT}",
    )


NOT_REPEATABLE = GenerationError(
    ErrorKind.NOT_SENT,
    "The app ended before this request was sent, and its files are no longer here. "
    f"{_NOTHING_SPENT} Press Generate again.",
)
"""A request can't be sent any more, since its inputs are gone."""

CANCELLED = GenerationError(
    ErrorKind.CANCELLED,
    f"You withdrew this request before Kling had taken it. {_NOTHING_SPENT}",
)
"""A person has withdrawn a request that had not been accepted yet."""

ABANDONED = GenerationError(
    ErrorKind.ABANDONED,
    "You stopped looking for this request: no answer named its task, and it was not found at "
    "the provider. If your bill shows it after all, its video can be had from the provider.",
)
"""A person has given up on a request whose task nobody knows."""


def perhaps_sent(reason: str) -> GenerationError:
    """Say that a request may have been accepted."""
    return GenerationError(
        ErrorKind.UNKNOWN,
        f"{reason} The request may have been accepted, so it was not sent again: we are asking "
        "the provider whether it arrived. It is paid for only if it did.",
    )


def not_found_yet(loss: str | None) -> GenerationError:
    """Say that the provider does not list a request so far; `loss`: why no answer named a task."""
    return GenerationError(
        ErrorKind.UNKNOWN,
        f"{loss or _NO_TASK} The provider's list of requests does not show this one yet. "
        "It was not sent again. The search goes on at growing intervals; "
        "if it was accepted, the video will appear in History.",
    )


def sent_with_another_key(loss: str | None) -> GenerationError:
    """Say that only the key that sent a request can see it in the provider's list."""
    return GenerationError(
        ErrorKind.UNKNOWN,
        f"{loss or _NO_TASK} This request was sent with another API key, and the "
        "provider's list shows it to that key only. It was not sent again. Start the app with "
        "that key to find out whether it was accepted and paid for.",
    )


def never_found(loss: str | None) -> GenerationError:
    """Say that a request is not in the provider's list, as far as that goes back."""
    return GenerationError(
        ErrorKind.UNKNOWN,
        f"{loss or _NO_TASK} The provider's list of requests, which goes back 92 days, "
        "does not show this one. Whether it cost anything is not known here: compare with your "
        "bill before you make it anew.",
    )


def search_denied(error: ClientError, since: datetime) -> GenerationError:
    """Say that the provider's list can't be asked for now."""
    return GenerationError(
        ErrorKind.UNKNOWN,
        f"{error.message} So since {_time(since)} it can't be looked up whether this request was "
        "accepted. It was not sent again. We keep asking.",
    )


def search_given_up(error: ClientError) -> GenerationError:
    """Say that the key is no longer taken, so that the search has stopped."""
    return GenerationError(
        ErrorKind.UNAUTHORIZED,
        f"{error.message} So it can't be looked up whether this request was accepted, and we "
        "have stopped asking. It was not sent again. Mend the key and restart the app, or press "
        "Look again.",
    )


FOUND_AS_REFUSED = GenerationError(
    ErrorKind.REFUSED,
    f"The provider lists this request as failed. {_NOTHING_SPENT} Press Generate again.",
)
"""The search for a lost request showed that nothing came of it."""

FOUND_AS_FAILED = GenerationError(
    ErrorKind.FAILED,
    "The provider lists this generation as failed. Failed generations are not charged. "
    "Press Generate again.",
)
"""The provider's list names a task failed whose state it does not tell any more."""


def failed(failure: Failure) -> GenerationError:
    """Say that the provider could not make the video."""
    message = f"{_sentence(failure.message)} Failed generations are not charged."
    return GenerationError(ErrorKind.FAILED, message, failure.field)


def note(text: str) -> GenerationError:
    """Say what the provider remarks about a task that goes on."""
    return GenerationError(
        ErrorKind.NOTE, f"The provider remarks: {_clause(text)}. The generation goes on."
    )


def no_news(error: ClientError, since: datetime) -> GenerationError:
    """Say since when the provider has not answered."""
    return GenerationError(
        ErrorKind.NO_NEWS,
        f"No answer from the provider since {_time(since)} ({_clause(error.message)}). "
        "The generation goes on there; we keep asking.",
    )


def denied(error: ClientError, since: datetime) -> GenerationError:
    """Say that questions about a running task are turned away, and since when."""
    return GenerationError(
        ErrorKind.UNAUTHORIZED,
        f"{error.message} That is the answer to our questions since {_time(since)}. The "
        "generation goes on at the provider and stays yours; we keep asking.",
    )


def key_refused(error: ClientError) -> GenerationError:
    """Say that the key is no longer taken, so that nobody asks any more."""
    return GenerationError(
        ErrorKind.UNAUTHORIZED,
        f"{error.message} We have stopped asking. The generation goes on at the provider and "
        "stays yours: mend the key and restart the app, or press Look again.",
    )


NOT_KNOWN_TO_THIS_KEY = GenerationError(
    ErrorKind.NO_NEWS,
    f"{_OF_ANOTHER_KEY} The generation goes on there, and is paid for unless it fails; we "
    "keep asking.",
)
"""A running task is not known to the key in use, since another one has sent it."""

TASK_MISSING = GenerationError(
    ErrorKind.NOT_FOUND,
    "The provider does not know this task any more. Whether it was charged is not known "
    "here: compare with your bill. We go on asking, hourly at first, then daily for 30 days.",
)
"""The provider does not know a task any more."""

MISSING_WITH_ANOTHER_KEY = GenerationError(
    ErrorKind.NOT_FOUND,
    f"{_OF_ANOTHER_KEY} The video may be there, paid for. We go on asking, hourly at first, "
    "then daily for 30 days.",
)
"""A task is not known to this key, and another one has sent it."""

STILL_RUNNING = GenerationError(
    ErrorKind.STILL_RUNNING,
    "Still running after 30 minutes. That is unusual but happens. It is charged only if it "
    "succeeds; you may close the page, the video will be in History.",
)
"""A task takes unusually long."""


def not_saved(reason: str, *, is_kept: bool = True) -> GenerationError:
    """Say that a finished, paid video could not be fetched so far.

    `is_kept`: the provider should still have it, so it is fetched again by itself.
    """
    then = (
        "It is kept at the provider for about 30 days, and fetched again by itself at growing "
        "intervals; Download again asks at once."
        if is_kept
        else "The provider keeps videos for about 30 days, so it may be gone there. Download "
        "again tries once more."
    )
    return GenerationError(
        ErrorKind.NOT_SAVED,
        "The video is finished and paid for, but its file could not be fetched: "
        f"{_clause(reason)}. {then}",
    )


FILE_GONE = GenerationError(
    ErrorKind.NOT_SAVED,
    "The video was made and paid for, but its file is no longer in the data folder. The "
    "provider keeps videos for about 30 days: use Download again.",
)
"""The file of a completed video is no longer in the data folder."""


def ledger_unavailable(reason: str) -> GenerationError:
    """Say that progress can't be written down for now."""
    return GenerationError(
        ErrorKind.LEDGER,
        f"{reason} The generation goes on and nothing is lost while the app runs: free the data "
        "folder (disk full, read-only or locked?), and it is written as soon as it can be.",
    )


UNEXPECTED = GenerationError(
    ErrorKind.INTERNAL,
    "The app ran into an error of its own and stopped following this generation. It was not "
    "sent again; whatever was paid for is kept. Use Look again; the log has the details.",
)
"""The app itself made a mistake."""


def _for_support(error: ClientError) -> str:
    return f" (For support: request {error.request_id}.)" if error.request_id else ""


def dollars(usd: float) -> str:
    """Return an amount with all its digits, two decimals at least."""
    whole, _, decimals = f"{usd:,.6f}".partition(".")
    return f"${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _clause(sentence: str) -> str:
    return sentence.rstrip(".") or "no reason given"
