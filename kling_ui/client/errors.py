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

from typing import Literal

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
"""Why a download failed.

`expired` the link is no longer honored (401, 403, 410); `not_found` 404; `status` any other
answer but 200; `refused_address` not http(s), not public, or a downgrade to plain http;
`not_video` a web page or an error text; `too_large` over the cap; `wrong_size` not the size
that the provider or the server announced; `truncated` cut off on the way; `network` no
connection, no name, or too slow; `no_space` and `disk` are this machine's own troubles.
"""


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
