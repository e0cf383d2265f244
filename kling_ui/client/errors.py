"""What can go wrong with a call, sorted by what the provider may already have done.

ClientError
├── NotSentError          the request surely never arrived
├── RefusedError          the provider answered no (4xx, or a redirect): nothing was created
│   ├── UnauthorizedError         the key is wrong, or the account may not
│   ├── RouteNotFoundError        the provider has no such path
│   ├── ModelNotFoundError        the provider has no such model
│   └── RateLimitError            too many requests at once
│       └── ConcurrencyLimitError     too many tasks at once
├── UnknownOutcomeError   a POST may have arrived, and money may have been spent
├── UnavailableError      a state was asked for and no usable answer came
│   ├── AccessDeniedError         turned away (401, 403), perhaps by a gateway
│   │   └── KeyRefusedError           the provider itself does not take the key (401, JSON)
│   └── TaskNotFoundError         the provider does not know the task, or the path (404, 400)
└── DownloadError         the file could not be had

They carry words for people and plain values, never an httpx exception: that one holds the
request, and the request holds the key.
"""

from typing import Literal, NamedTuple


class ClientError(Exception):
    """A call that brought no result.

    `message` tells people what happened; what that means for their money is in the class, and
    said by the service. `request_id` is the provider's own, for its support.
    `retry_after_seconds` is what the provider asked to wait. `field` is the parameter that the
    provider named. `task_id` is the generation that an answer in doubt names.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
        field: str | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        self.field = field
        self.task_id = task_id


class NotSentError(ClientError):
    """The request surely never arrived; nothing was spent."""


class RefusedError(ClientError):
    """The provider answered no: a 4xx, or a redirect. Nothing was created."""


class UnauthorizedError(RefusedError):
    """The key is wrong (401), or the key or the account may not do this (403)."""


class RouteNotFoundError(RefusedError):
    """The provider has no such path (404 `Cannot POST`): another route may be there."""


class ModelNotFoundError(RefusedError):
    """The provider has no such model (404): it may have been withdrawn."""


class RateLimitError(RefusedError):
    """The provider has too many requests of this account at once (429)."""


class ConcurrencyLimitError(RateLimitError):
    """As many tasks as the account may have are running (Kling 1303): it is a matter of waiting."""


class UnknownOutcomeError(ClientError):
    """A POST may have arrived: whether a task exists, and was paid for, is not known."""


class UnavailableError(ClientError):
    """A state or the log was asked for and no usable answer came: no news, never a failure."""


class AccessDeniedError(UnavailableError):
    """A question was turned away (401, 403), by the provider or by a gateway before it."""


class KeyRefusedError(AccessDeniedError):
    """The provider itself does not take the key (a 401 in JSON)."""


class TaskNotFoundError(UnavailableError):
    """The provider knows neither the task nor, perhaps, the path (404), or its id (400)."""


DownloadReason = Literal[
    "expired",
    "not_found",
    "status",
    "refused_address",
    "too_many_redirects",
    "not_video",
    "too_large",
    "wrong_size",
    "truncated",
    "empty",
    "network",
    "no_space",
    "disk",
]
"""Why a download failed; `_KINDS` below says each in words.

`refused_address` is also one that is not public, and a downgrade to plain http; `no_space` and
`disk` are this machine's own troubles.
"""


class DownloadError(ClientError):
    """The file could not be had; nothing is left at the path it was to be written to.

    `needs_fresh_url`: this link will hardly work again, so ask the provider for a new one.
    `may_retry`: the same link may well work on another try.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: DownloadReason,
        needs_fresh_url: bool = False,
        may_retry: bool = False,
        status_code: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, status_code=status_code, retry_after_seconds=retry_after_seconds)
        self.reason: DownloadReason = reason
        self.needs_fresh_url = needs_fresh_url
        self.may_retry = may_retry


class _Kind(NamedTuple):
    """What a reason means; see DownloadError for the two answers."""

    words: str
    may_retry: bool = False
    needs_fresh_url: bool = False


_KINDS: dict[DownloadReason, _Kind] = {
    "expired": _Kind("The video's link is no longer valid ({code}).", needs_fresh_url=True),
    "not_found": _Kind(
        "The video was not found at its link ({code}).", may_retry=True, needs_fresh_url=True
    ),
    "status": _Kind("The video's host answered with {code} instead of the video."),
    "refused_address": _Kind("The video's link is no address that a video could be fetched from."),
    "too_many_redirects": _Kind(
        "The video's link redirects more than {most} times.", needs_fresh_url=True
    ),
    "not_video": _Kind(
        "The video's link leads to something that is not a video.",
        may_retry=True,
        needs_fresh_url=True,
    ),
    "too_large": _Kind("The video is larger than the {most} this app accepts."),
    "wrong_size": _Kind(
        "The video has {size:,} bytes where {expected:,} were announced.", may_retry=True
    ),
    "truncated": _Kind("The connection broke after {size:,} bytes of the video.", may_retry=True),
    "empty": _Kind("The video's file is empty.", may_retry=True),
    "network": _Kind("The video's host {host} could not be reached.", may_retry=True),
    "no_space": _Kind("The video could not be written: the disk is full."),
    "disk": _Kind("The video could not be written: {why}."),
}


def download_failure(
    reason: DownloadReason,
    words: str | None = None,
    *,
    may_retry: bool | None = None,
    status_code: int | None = None,
    retry_after_seconds: float | None = None,
    **details: object,
) -> DownloadError:
    """Return the error for `reason`, in its usual words filled with `details`, or in `words`."""
    kind = _KINDS[reason]
    return DownloadError(
        kind.words.format(code=status_code, **details) if words is None else words,
        reason=reason,
        may_retry=kind.may_retry if may_retry is None else may_retry,
        needs_fresh_url=kind.needs_fresh_url,
        status_code=status_code,
        retry_after_seconds=retry_after_seconds,
    )
