"""Which error an answer, or the lack of one, means. Pure: nothing is sent or read here.

The one question behind every line: may the request have reached the provider?
"""

from datetime import datetime

import httpx

from kling_ui.client.api_response import ApiResponse
from kling_ui.client.error_body import BALANCE_EMPTY, MAX_MESSAGE, TOO_MANY_TASKS, shortened
from kling_ui.client.errors import (
    ClientError,
    ConcurrencyLimitError,
    NotSentError,
    RateLimitError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)

_NEVER_ARRIVED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,  # only raised while the tunnel to the provider is being made
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_TROUBLES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((httpx.ConnectTimeout,), "The provider could not be reached in time."),
    (
        (httpx.PoolTimeout,),
        "Too many requests are under way here, so this one was not begun.",
    ),
    ((httpx.ConnectError, httpx.ProxyError), "The provider could not be reached."),
    ((httpx.TimeoutException, TimeoutError), "The provider did not answer in time."),
    (
        (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL),
        "The request could not be made: check AIML_API_BASE_URL and the key.",
    ),
    (
        (httpx.NetworkError, httpx.ProtocolError),
        "The connection to the provider broke before the answer was complete.",
    ),
)
_OUT_OF_CREDITS = ("credit", "balance", "fund", "quota", "top up", "billing", "payment")


def lost_post(exc: BaseException) -> ClientError:
    """Return what a POST without an answer means; only `exc`'s type is used, never its text."""
    if isinstance(exc, _NEVER_ARRIVED):
        return NotSentError(_trouble(exc))
    return UnknownOutcomeError(_trouble(exc))


def lost_get(exc: BaseException) -> UnavailableError:
    """Return what a question without an answer means; only `exc`'s type is used."""
    return UnavailableError(_trouble(exc))


def refused_post(answer: ApiResponse, now: datetime) -> ClientError:
    """Return what an answer to a POST means that brought no task id."""
    code = answer.status_code
    is_busy = code == 429 or answer.error_body.code == TOO_MANY_TASKS  # noqa: PLR2004
    is_refusal = 400 <= code <= 499 or (  # noqa: PLR2004
        code >= 500 and (answer.is_providers_own or is_busy)  # noqa: PLR2004
    )
    if not is_refusal:
        return _error(UnknownOutcomeError, _no_task(answer), answer, now)
    if answer.error_body.code == TOO_MANY_TASKS:
        return _error(ConcurrencyLimitError, _busy(answer), answer, now)
    if is_busy:
        return _error(RateLimitError, _busy(answer), answer, now)
    if code in (401, 403):
        return _error(UnauthorizedError, _not_allowed(answer), answer, now)
    said = _sentence(f"The provider refused the request ({code}): {answer.said}")
    return _error(RefusedError, said, answer, now)


def no_news(answer: ApiResponse, now: datetime) -> ClientError:
    """Return what an answer to a question means that brought nothing to read."""
    code = answer.status_code
    if code in (401, 403):
        return _error(UnauthorizedError, _not_allowed(answer), answer, now)
    if code == 404:  # noqa: PLR2004
        said = "The provider does not know this generation (404); a new one may take a moment."
        return _error(UnavailableError, said, answer, now)
    if code == 429:  # noqa: PLR2004
        return _error(UnavailableError, _busy(answer), answer, now)
    number = "" if answer.kind == "html" else f" ({code})"
    said = _sentence(f"The provider gave no usable answer{number}: {answer.said}")
    return _error(UnavailableError, said, answer, now)


def _error(
    kind: type[ClientError], message: str, answer: ApiResponse, now: datetime
) -> ClientError:
    return kind(
        message,
        status_code=answer.status_code,
        request_id=answer.request_id,
        retry_after_seconds=answer.retry_after_seconds(now),
        field=answer.error_body.field,
    )


def _trouble(exc: BaseException) -> str:
    for kinds, words in _TROUBLES:
        if isinstance(exc, kinds):
            return words
    return f"The provider's answer could not be read ({type(exc).__name__})."


def _no_task(answer: ApiResponse) -> str:
    if answer.is_success:
        return _sentence(
            f"The provider accepted the request ({answer.status_code}) but named no task"
            + (f": {answer.said}" if answer.error_body.message or answer.kind == "html" else "")
        )
    return _sentence(f"The provider did not say what became of the request: {answer.said}")


def _busy(answer: ApiResponse) -> str:
    said = f": {answer.error_body.message}" if answer.error_body.message else ", wait a little"
    return _sentence(f"The provider is busy with this account ({answer.status_code}){said}")


def _not_allowed(answer: ApiResponse) -> str:
    said = answer.error_body.message
    reason = f": {said}" if said else ""
    if answer.status_code == 401:  # noqa: PLR2004
        return _sentence(f"The provider did not accept the API key (401); check it{reason}")
    if answer.error_body.code == BALANCE_EMPTY or any(
        word in said.lower() for word in _OUT_OF_CREDITS
    ):
        return _sentence(f"The account is out of credits (403); top it up{reason}")
    return _sentence(
        f"The account is out of credits or not allowed to do this (403); top it up{reason}"
    )


def _sentence(text: str) -> str:
    text = shortened(text, MAX_MESSAGE)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
