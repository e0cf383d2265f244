"""What people read when a generation does not go smoothly: what happened, money, what next."""

from datetime import datetime

from kling_ui.client import ClientError, Failure, NotSentError, UnauthorizedError
from kling_ui.ledger import GenerationError

_NOTHING_SPENT = "Nothing was spent."


def rejected(error: ClientError) -> GenerationError:
    """Say that the provider refused a request, or that it surely never arrived."""
    if isinstance(error, NotSentError):
        advice = "Check the network and press Generate again."
        return GenerationError("not_sent", f"{error.message} {_NOTHING_SPENT} {advice}")
    kind = "unauthorized" if isinstance(error, UnauthorizedError) else "refused"
    return GenerationError(
        kind, f"{error.message} {_NOTHING_SPENT}{_for_support(error)}", error.field
    )


def not_recorded(reason: str) -> GenerationError:
    """Say that a request was not sent, since it could not be written down first."""
    advice = "Free the data folder (disk full, read-only or locked?) and press Generate again."
    return GenerationError(
        "ledger", f"{reason} The request was not sent. {_NOTHING_SPENT} {advice}"
    )


def waiting_to_send(seconds: float, error: ClientError) -> GenerationError:
    """Say that a request has not been taken yet and will be sent again in a moment."""
    message = f"{error.message} Trying again in {seconds:.0f} s. {_NOTHING_SPENT}"
    return GenerationError("waiting", message)


def in_line() -> GenerationError:
    """Say that as many tasks as the account may have are running, and this one waits its turn."""
    return GenerationError(
        "in_line",
        "Kling already runs as many tasks as this account may have at once. This one waits in "
        f"line and is sent when another has ended, for up to an hour. {_NOTHING_SPENT}",
    )


def withdrawn() -> GenerationError:
    """Say that a person has withdrawn a request that had not been accepted yet."""
    return GenerationError(
        "withdrawn", f"You withdrew this request before Kling had taken it. {_NOTHING_SPENT}"
    )


def forgotten() -> GenerationError:
    """Say that a person has given up on a request whose answer never came."""
    return GenerationError(
        "forgotten",
        "You gave this request up: its answer never came, and it was not found at the provider. "
        "If your bill shows it after all, its video can be had from the provider.",
    )


def perhaps_sent(reason: str) -> GenerationError:
    """Say that a request may have been accepted."""
    return GenerationError(
        "unknown",
        f"{reason} The request may have been accepted, so it was not sent again: we are asking "
        "the provider whether it arrived. It is paid for only if it did.",
    )


def not_found_yet() -> GenerationError:
    """Say that the provider does not list a request so far."""
    return GenerationError(
        "unknown",
        "The provider's answer never came, and its list of requests does not show this one yet. "
        "It was not sent again. The search goes on at growing intervals for a day; "
        "if it was accepted, the video will appear in History.",
    )


def never_found() -> GenerationError:
    """Say that a request is not in the provider's list, which goes back one day."""
    return GenerationError(
        "unknown",
        "The provider's answer never came, and its list of requests, which goes back one day, "
        "does not show this one. Whether it cost anything is not known here: compare with your "
        "bill before you make it anew.",
    )


def found_as_failed() -> GenerationError:
    """Say that the search for a lost request showed that it had failed."""
    return GenerationError(
        "refused",
        f"The provider lists this request as failed. {_NOTHING_SPENT} Press Generate again.",
    )


def failed(failure: Failure) -> GenerationError:
    """Say that the provider could not make the video."""
    message = f"{failure.message} Failed generations are not charged."
    return GenerationError("failed", message, failure.field)


def no_news(error: ClientError, since: datetime) -> GenerationError:
    """Say since when the provider has not answered."""
    return GenerationError(
        "no_news",
        f"No answer from the provider since {since:%H:%M:%S} UTC ({_clause(error.message)}). "
        "The generation goes on there; we keep asking.",
    )


def locked_out(error: ClientError) -> GenerationError:
    """Say that the key is no longer taken while a task is running."""
    return GenerationError(
        "unauthorized",
        f"{error.message} The generation goes on at the provider and stays yours. Mend the key, "
        "restart the app, and it is picked up again.",
    )


def still_running() -> GenerationError:
    """Say that a task takes unusually long."""
    return GenerationError(
        "still_running",
        "Still running after 30 minutes. That is unusual but happens. It is charged only if it "
        "succeeds; you may close the page, the video will be in History.",
    )


def not_saved(reason: str) -> GenerationError:
    """Say that a finished, paid video could not be fetched."""
    return GenerationError(
        "not_saved",
        "The video is finished and paid for, but its file could not be fetched: "
        f"{_clause(reason)}. It is kept at the provider for about 30 days. Use Download again.",
    )


def ledger_trouble(reason: str) -> GenerationError:
    """Say that progress can't be written down for now."""
    return GenerationError(
        "ledger",
        f"{reason} The generation goes on and nothing is lost while the app runs: free the data "
        "folder (disk full, read-only or locked?), and it is written as soon as it can be.",
    )


def unexpected() -> GenerationError:
    """Say that the app itself made a mistake."""
    return GenerationError(
        "internal",
        "The app ran into an error of its own and stopped following this generation. It was not "
        "sent again; whatever was paid for is kept. Use Look again; the log has the details.",
    )


def _for_support(error: ClientError) -> str:
    return f" (For support: request {error.request_id}.)" if error.request_id else ""


def _clause(sentence: str) -> str:
    return sentence.rstrip(".") or "no reason given"
