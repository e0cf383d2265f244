"""The provider as a few calls: create, get, find, download; what fails is a typed error.

One call is one request (the log is read page by page, a download follows redirects). Nothing is
sent twice here and nothing is decided: that is the service's. This package alone knows httpx.
"""

from kling_ui.client.api_response import parse_retry_after
from kling_ui.client.client import Client, Route
from kling_ui.client.errors import (
    ClientError,
    ConcurrencyLimitError,
    DownloadError,
    DownloadReason,
    NotSentError,
    RateLimitError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)
from kling_ui.client.responses import Failure, LogEntry, TaskState

__all__ = [
    "Client",
    "ClientError",
    "ConcurrencyLimitError",
    "DownloadError",
    "DownloadReason",
    "Failure",
    "LogEntry",
    "NotSentError",
    "RateLimitError",
    "RefusedError",
    "Route",
    "TaskState",
    "UnauthorizedError",
    "UnavailableError",
    "UnknownOutcomeError",
    "parse_retry_after",
]
