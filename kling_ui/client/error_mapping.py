"""Which error an answer, or the lack of one, means. Pure: nothing is sent or read here.

The one question behind every line: may the request have reached the provider?
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import httpx

from kling_ui.client.api_response import ApiResponse
from kling_ui.client.connection_errors import describe
from kling_ui.client.error_body import MAX_MESSAGE, shortened
from kling_ui.client.errors import (
    AccessDeniedError,
    ClientError,
    ConcurrencyLimitError,
    KeyRefusedError,
    ModelNotFoundError,
    NotSentError,
    RateLimitError,
    RefusedError,
    RouteNotFoundError,
    TaskNotFoundError,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)

E = TypeVar("E", bound=ClientError)

_NEVER_ARRIVED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,  # only raised while the tunnel to the provider is being made
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_LOST: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
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


def lost_post(exc: BaseException) -> ClientError:
    """Return what a POST without an answer means; the text of `exc` is never used."""
    if isinstance(exc, _NEVER_ARRIVED):
        return NotSentError(_lost(exc))
    return UnknownOutcomeError(_lost(exc))


def lost_get(exc: BaseException) -> UnavailableError:
    """Return what a question without an answer means; as above."""
    return UnavailableError(_lost(exc))


def refused_post(answer: ApiResponse, now: datetime) -> ClientError:
    """Return what an answer to a POST means that brought no task id.

    Only a 4xx and a redirect are refusals. A 5xx, whoever signs it, may stand before a task
    that was made, and so may a 408 or 499 of the provider itself: it waited for Kling in vain.
    A gateway's 408 means that the request did not arrive whole.
    """
    has_waited = answer.status_code in (408, 499) and answer.kind == "json"
    if 300 <= answer.status_code <= 499 and not has_waited:  # noqa: PLR2004  HTTP's classes
        kind, message = _refusal(answer)
        return _error(kind, message, answer, now)
    return _error(UnknownOutcomeError, _no_task(answer), answer, now)


def no_news(answer: ApiResponse, now: datetime) -> UnavailableError:
    """Return what an answer to a question means that brought nothing to read."""
    kind, message = _silence(answer)
    return _error(kind, message, answer, now)


def _refusal(answer: ApiResponse) -> tuple[type[RefusedError], str]:
    """Return what a 3xx or 4xx to a POST means: the first row of the table that fits."""
    code, said = answer.status_code, answer.error_body
    is_json = answer.kind == "json"
    is_route = code in (404, 405)
    is_model = code == 404 and said.is_about_model  # noqa: PLR2004
    table: tuple[tuple[bool, type[RefusedError], Callable[[ApiResponse], str]], ...] = (
        (code < 400, RefusedError, _redirected),  # noqa: PLR2004
        (said.is_parallel_limit and not said.is_about_key_scope, ConcurrencyLimitError, _busy),
        (code == 429, RateLimitError, _busy),  # noqa: PLR2004
        (code == 401 or (code == 403 and is_json), UnauthorizedError, _turned_away),  # noqa: PLR2004
        (code == 403, RefusedError, _turned_away),  # noqa: PLR2004
        (code == 413, RefusedError, _too_large),  # noqa: PLR2004
        (is_model, ModelNotFoundError, _refused),
        (is_route, RouteNotFoundError, _refused),
    )
    fitting = (row for row in table if row[0])
    _, kind, words = next(fitting, (True, RefusedError, _refused))
    return kind, words(answer)


def _silence(answer: ApiResponse) -> tuple[type[UnavailableError], str]:
    """Return what an unusable answer to a question means: the first row that fits."""
    code, is_json = answer.status_code, answer.kind == "json"
    table: tuple[tuple[bool, type[UnavailableError], Callable[[ApiResponse], str]], ...] = (
        (code == 401 and is_json, KeyRefusedError, _turned_away),  # noqa: PLR2004
        (code in (401, 403), AccessDeniedError, _turned_away),
        (code == 404 and answer.kind != "html", TaskNotFoundError, _unknown_task),  # noqa: PLR2004
        (code in (400, 404), TaskNotFoundError, _unusable),
        (code == 429, UnavailableError, _busy),  # noqa: PLR2004
        (300 <= code <= 399, UnavailableError, _redirected),  # noqa: PLR2004
    )
    fitting = (row for row in table if row[0])
    _, kind, words = next(fitting, (True, UnavailableError, _unusable))
    return kind, words(answer)


def _error(kind: type[E], message: str, answer: ApiResponse, now: datetime) -> E:
    return kind(
        message,
        status_code=answer.status_code,
        request_id=answer.request_id,
        retry_after_seconds=answer.retry_after_seconds(now),
        field=answer.error_body.field,
        task_id=answer.inference_id,
    )


def _lost(exc: BaseException) -> str:
    cause = describe(exc)
    if cause:
        return cause
    for kinds, words in _LOST:
        if isinstance(exc, kinds):
            return words
    return f"The provider's answer could not be read ({type(exc).__name__})."


def _no_task(answer: ApiResponse) -> str:
    if answer.is_success:
        return _sentence(
            f"The provider accepted the request ({answer.status_code}) but named no task"
            + (f": {answer.said}" if answer.error_body.message or answer.kind == "html" else "")
        )
    return _sentence(
        f"The provider did not say what became of the request ({answer.status_code}): {answer.said}"
    )


def _refused(answer: ApiResponse) -> str:
    return _sentence(f"The provider refused the request ({answer.status_code}): {answer.said}")


def _too_large(_answer: ApiResponse) -> str:
    return (
        "The request is too large for the provider or a gateway before it (413). "
        "Use a smaller file, or give a link to it."
    )


def _unknown_task(answer: ApiResponse) -> str:
    return f"The provider does not know this generation ({answer.status_code})."


def _unusable(answer: ApiResponse) -> str:
    number = "" if answer.kind == "html" else f" ({answer.status_code})"
    return _sentence(f"The provider gave no usable answer{number}: {answer.said}")


def _redirected(answer: ApiResponse) -> str:
    return (
        f"The address answers with a redirect ({answer.status_code}), which is not followed: "
        "neither the key nor a paid request goes anywhere else. Correct AIML_API_BASE_URL."
    )


def _busy(answer: ApiResponse) -> str:
    said = answer.error_body.message
    reason = f": {said}" if said else ", wait a little"
    return _sentence(f"The provider is busy with this account ({answer.status_code}){reason}")


def _turned_away(answer: ApiResponse) -> str:
    """Name who said no to a 401 or 403; the balance only where the answer speaks of it."""
    code, said = answer.status_code, answer.error_body
    reason = f": {said.message}" if said.message else ""
    if answer.kind != "json":
        return (
            f"A gateway or firewall before the provider turned the request away ({code}). "
            "The network, a VPN or a proxy may be the reason."
        )
    if said.is_about_key_scope:
        return _sentence(f"The API key may not be used for this ({code}); check its scope{reason}")
    if code == 401:  # noqa: PLR2004
        return _sentence(f"The provider did not accept the API key (401); check it{reason}")
    if said.is_about_balance:
        return _sentence(f"The account is out of credits (403); top it up{reason}")
    return _sentence(f"The provider does not allow this (403){reason}")


def _sentence(text: str) -> str:
    text = shortened(text, MAX_MESSAGE)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
