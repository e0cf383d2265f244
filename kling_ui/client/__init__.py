"""The provider as a few calls: create, get, find, download; what fails is a typed error.

One call is one request (the log is read page by page, a download follows redirects). Nothing is
sent twice here and nothing is decided: that is the service's. This package alone knows httpx.
"""

from kling_ui.client.answer import parse_retry_after
from kling_ui.client.api import Client, Route
from kling_ui.client.errors import (
    BusyError,
    ClientError,
    DownloadError,
    DownloadReason,
    LineError,
    NotSentError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UncertainError,
)
from kling_ui.client.state import Failure, LogEntry, TaskState

__all__ = [
    "BusyError",
    "Client",
    "ClientError",
    "DownloadError",
    "DownloadReason",
    "Failure",
    "LineError",
    "LogEntry",
    "NotSentError",
    "RefusedError",
    "Route",
    "TaskState",
    "UnauthorizedError",
    "UnavailableError",
    "UncertainError",
    "parse_retry_after",
]
