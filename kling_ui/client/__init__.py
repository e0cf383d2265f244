"""The provider as a few calls; what fails is a typed error.

The calls: create, get, find, download; models, deprecations, balance. One call is one request
(the log is read page by page, a download follows redirects). Nothing is sent twice here and
nothing is decided: that is the service's. This package alone knows httpx.
"""

from kling_ui.client.api_response import parse_retry_after
from kling_ui.client.client import Client, Route
from kling_ui.client.errors import (
    AccessDeniedError,
    ClientError,
    ConcurrencyLimitError,
    DownloadError,
    DownloadReason,
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
from kling_ui.client.network import Network, NetworkSettingError
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
    "DownloadReason",
    "Failure",
    "KeyRefusedError",
    "ListedModel",
    "LogEntry",
    "ModelList",
    "ModelNotFoundError",
    "Network",
    "NetworkSettingError",
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
    "parse_retry_after",
    "value_text",
]
