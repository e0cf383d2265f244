"""The provider as a few calls; what fails is a typed error.

The calls: create, get, find, download; models, deprecations, balance. One call is one request
(the log is read page by page, a download follows redirects). Nothing is sent twice here and
nothing is decided: that is the service's. This package alone knows httpx.
"""

from kling_ui.client.client import Client, Route
from kling_ui.client.errors import (
    AccessDeniedError,
    ClientError,
    ConcurrencyLimitError,
    DownloadError,
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
from kling_ui.client.network import Network
from kling_ui.client.pricing import (
    Deprecation,
    ListedModel,
    ModelList,
    Pricing,
    Rate,
    Variant,
    value_text,
)
from kling_ui.client.responses import (
    GOING_STATUSES,
    WAITING_STATUSES,
    Failure,
    LogEntry,
    TaskState,
)

__all__ = [
    "GOING_STATUSES",
    "WAITING_STATUSES",
    "AccessDeniedError",
    "Client",
    "ClientError",
    "ConcurrencyLimitError",
    "Deprecation",
    "DownloadError",
    "Failure",
    "KeyRefusedError",
    "ListedModel",
    "LogEntry",
    "ModelList",
    "ModelNotFoundError",
    "Network",
    "NotSentError",
    "Pricing",
    "Rate",
    "RateLimitError",
    "RefusedError",
    "Route",
    "RouteNotFoundError",
    "TaskNotFoundError",
    "TaskState",
    "UnauthorizedError",
    "UnavailableError",
    "UnknownOutcomeError",
    "Variant",
    "value_text",
]
