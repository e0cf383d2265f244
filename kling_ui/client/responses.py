"""What the provider says about a task or a request, read from JSON of any shape into values."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from kling_ui.client.error_body import ErrorBody, clean, request_id_in

ERROR_STATUSES = frozenset(
    {
        "aborted",
        "canceled",
        "cancelled",
        "error",
        "errored",
        "fail",
        "failed",
        "failure",
        "rejected",
    }
)
"""Status words that mean the task has ended without a video. Unknown words mean "still going"."""

NO_REASON = "The provider gave no reason."

_MAX_ID = 1024
_MAX_URL = 16_384
_MAX_WHOLE = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a task has failed: words for people, the provider's or Kling's code, the parameter."""

    message: str
    code: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """What the provider says about a task: evidence (`video_url`, `failure`) and its own word.

    `status` is that word in lower case, "" if there is none. A `video_url` (http or https)
    means finished and outranks everything: there is no `failure` beside it. `file_size` is in
    bytes. `request_id` is the provider's own, for its support.
    """

    task_id: str | None = None
    status: str = ""
    video_url: str | None = None
    file_size: int | None = None
    failure: Failure | None = None
    credits_used: float | None = None
    usd_spent: float | None = None
    request_id: str | None = None

    @classmethod
    def from_json(cls, body: Any, headers: Mapping[str, str], *, secret: str = "") -> Self:
        """Read an answer to create or get; what is missing or of a wrong type becomes None.

        `secret` is blotted out of the failure's words.
        """
        body = _object(body)
        heads = {name.lower(): value for name, value in headers.items()}
        usage = _object(_object(body.get("meta")).get("usage"))
        status = _word(body.get("status"))
        video = next(_videos(body), {})
        credits_used = amount(usage.get("credits_used"))
        usd_spent = amount(usage.get("usd_spent"))
        if credits_used is None:
            credits_used = amount(heads.get("x-aimlapi-credits-used"))
        if usd_spent is None:
            usd_spent = amount(heads.get("x-aimlapi-usd-spent"))
        return cls(
            task_id=identifier(body.get("id")) or identifier(body.get("generation_id")),
            status=status,
            video_url=web_address(video.get("url")),
            file_size=_byte_count(video.get("file_size")),
            failure=None if video else _failure(body, status, secret),
            credits_used=credits_used,
            usd_spent=usd_spent,
            request_id=request_id_in(body, secret) or identifier(heads.get("x-request-id")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One request in the provider's log: what became of it (`succeeded`, `failed`) and its cost.

    `task_id` is the id to ask for its state with, if a task came of it.
    """

    task_id: str | None = None
    status: str = ""
    credits_used: float | None = None
    usd_spent: float | None = None
    request_id: str | None = None

    @classmethod
    def from_json(cls, row: Any) -> Self:
        """Read one row; what is missing or of a wrong type becomes None."""
        row = _object(row)
        cost = _object(row.get("cost"))
        return cls(
            task_id=identifier(row.get("inference_id")),
            status=_word(row.get("status")),
            credits_used=amount(cost.get("credits")),
            usd_spent=amount(cost.get("usd")),
            request_id=identifier(row.get("request_id")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """One page of the provider's log, newest request first."""

    rows: tuple[dict[str, Any], ...]
    size: int
    has_more: bool

    @classmethod
    def from_json(cls, body: Any, *, limit: int) -> Self | None:
        """Read a page of at most `limit` rows; None if there is no list of rows in `body`.

        The documentation names the fields of a row but not the list that holds them, so the
        first list found is taken.
        """
        lists = [body] if isinstance(body, list) else list(_object(body).values())
        rows = next((value for value in lists if isinstance(value, list)), None)
        if rows is None:
            return None
        said = _object(_object(body).get("pagination")).get("has_more")
        has_more = said if isinstance(said, bool) else len(rows) >= limit
        return cls(
            rows=tuple(row for row in rows if isinstance(row, dict)),
            size=len(rows),
            has_more=has_more and bool(rows),
        )

    def entry(self, client_request_id: str) -> LogEntry | None:
        """Return what the log says about our request; a row that made a task goes first.

        A request sent again after a refusal has two rows under one id.
        """
        ours = [
            LogEntry.from_json(row)
            for row in self.rows
            if row.get("client_request_id") == client_request_id
        ]
        ours.sort(key=lambda entry: entry.task_id is None or entry.status in ERROR_STATUSES)
        return ours[0] if ours else None


def identifier(value: Any) -> str | None:
    """Return an id as text (whole numbers too), or None for what can't be one."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_WHOLE:
        return str(value)
    if not isinstance(value, str):
        return None
    value = value.strip()
    is_usable = 0 < len(value) <= _MAX_ID and value.isprintable()
    return value if is_usable else None


def amount(value: Any) -> float | None:
    """Return a finite number that is not negative (text like "12.5" too), or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number < _MAX_WHOLE else None


def web_address(value: Any) -> str | None:
    """Return an http or https address with a host, or None."""
    if not isinstance(value, str) or len(value) > _MAX_URL:
        return None
    value = value.strip()
    try:
        url = httpx.URL(value)
    except (httpx.InvalidURL, ValueError):
        return None
    return value if url.scheme in ("http", "https") and url.host else None


def _videos(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every video object with a usable address; a bare address counts as one."""
    for key in ("video", "videos"):
        found = body.get(key)
        for item in found if isinstance(found, list) else [found]:
            video = {"url": item} if isinstance(item, str) else _object(item)
            if web_address(video.get("url")):
                yield video


def _failure(body: dict[str, Any], status: str, secret: str) -> Failure | None:
    error = body.get("error")
    if not _is_evidence(error):
        if status not in ERROR_STATUSES:
            return None
        error = {key: body.get(key) for key in ("message", "detail", "name", "code", "errors")}
    said = ErrorBody.from_json(error, secret=secret)
    return Failure(message=said.message or NO_REASON, code=said.code, field=said.field)


def _is_evidence(error: Any) -> bool:
    if isinstance(error, dict):
        return any(value not in (None, "", [], {}) for value in error.values())
    return not isinstance(error, bool) and error not in (None, "", [], 0)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> str:
    return clean(value).lower()[:40] if isinstance(value, str) else ""


def _byte_count(value: Any) -> int | None:
    number = amount(value)
    return int(number) if number and number.is_integer() else None
