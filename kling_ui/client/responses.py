"""What the provider says about a task or a request, read from JSON of any shape into values."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from kling_ui.client.addresses import web_url
from kling_ui.client.error_body import ErrorBody, as_object, blotted, clean, unpacked

SUCCESS_STATUSES = frozenset(
    {
        "complete",
        "completed",
        "done",
        "finished",
        "ready",
        "succeed",
        "succeeded",
        "success",
    }
)
"""Status words that mean the task has ended with a video, which is paid for."""

FAILURE_STATUSES = frozenset(
    {
        "aborted",
        "blocked",
        "canceled",
        "cancelled",
        "content_moderated",
        "error",
        "errored",
        "expired",
        "fail",
        "failed",
        "failure",
        "moderated",
        "nsfw",
        "rejected",
        "terminated",
        "timed_out",
        "timeout",
        "unsuccessful",
    }
)
"""Status words that mean the task has ended without a video. Unknown words mean "still going"."""

WAITING_STATUSES = frozenset({"pending", "queued", "submitted", "waiting"})
GOING_STATUSES = WAITING_STATUSES | {"active", "dreaming", "generating", "processing"}
"""Status words that are known to mean "still going"; the first ones, that it has not begun."""

_SPELLINGS = {word.replace("_", ""): word for word in SUCCESS_STATUSES | FAILURE_STATUSES}
"""The words that end a task, by their letters alone: `timedOut` and `TIMED-OUT` are `timed_out`."""

NO_REASON = "The provider gave no reason."

_MAX_ID = 1024
_MAX_URL = 16_384
_MAX_WHOLE = 2**53
_MAX_NUMERIC_ID = 10**40
_MAX_DEPTH = 4
_MAX_ITEMS = 20
_VIDEO_KEYS = ("video", "videos")
_ADDRESS_KEYS = (
    *_VIDEO_KEYS,
    "video_url",
    "video_urls",
    "videoUrl",
    "videoUrls",
    "download_url",
    "downloadUrl",
    "generations",
    "content",
    "output",
    "outputs",
    "assets",
    "result",
    "results",
    "task_result",
    "data",
    "url",
)
_WRAPPERS = ("data", "result", "response", "task")
_ID_KEYS = ("id", "generation_id", "task_id")
_STATUS_KEYS = ("status", "state", "task_status")
"""The last of each is Kling's own, which may shine through."""

_ENVELOPE_FIELDS = frozenset({"title", "instance", "path", "timestamp"})
_FIRST_ERROR_CODE = 400
_STILL_TYPE = re.compile(r"(?:image|audio)(?:/.*)?", re.IGNORECASE)
_STILL_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".json", ".mp3", ".wav", ".m4a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a task has failed: words for people, and the parameter that they are about."""

    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """What the provider says about a task.

    `status` is its own word, in lower case with underscores, "" if there is none. Only a word
    of `FAILURE_STATUSES` makes a `failure`; an error beside any other word is a `note`. A
    `video_url` (http or https) means finished and outranks everything. `file_size` is in bytes.
    """

    task_id: str | None = None
    status: str = ""
    video_url: str | None = None
    file_size: int | None = None
    failure: Failure | None = None
    note: str | None = None
    credits_used: float | None = None
    usd_spent: float | None = None

    @property
    def is_finished(self) -> bool:
        """Tell whether the task has ended with a video, even if its address is not told."""
        return self.video_url is not None or self.status in SUCCESS_STATUSES

    @classmethod
    def from_json(cls, body: Any, headers: Mapping[str, str], *, secret: str = "") -> Self:
        """Read an answer to create or get; what is missing or of a wrong type becomes None.

        The names of `headers` are in lower case. `secret` is blotted out of every text.
        """
        body = _task(body)
        usage = as_object(as_object(body.get("meta")).get("usage"))
        status = _word(_status(body), secret)
        video = _video(body, keys=_ADDRESS_KEYS if status in SUCCESS_STATUSES else _VIDEO_KEYS)
        credits_used = _first_amount(
            usage.get("credits_used"),
            usage.get("tokens_used"),
            headers.get("x-aimlapi-credits-used"),
        )
        usd_spent = _first_amount(usage.get("usd_spent"), headers.get("x-aimlapi-usd-spent"))
        said = _said(body, secret)
        is_failed = status in FAILURE_STATUSES and not video
        return cls(
            task_id=_first_id(body, secret),
            status=status,
            video_url=web_address(video.get("url")),
            file_size=_byte_count(video.get("file_size")),
            failure=_failure(said) if is_failed else None,
            note=said.message if said and said.message and not is_failed else None,
            credits_used=credits_used,
            usd_spent=usd_spent,
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

    @property
    def is_failed(self) -> bool:
        """Tell whether the log calls the request failed."""
        return self.status in FAILURE_STATUSES

    @classmethod
    def from_json(cls, row: Any, *, secret: str = "") -> Self:
        """Read one row; what is missing or of a wrong type becomes None."""
        row = as_object(row)
        cost = as_object(row.get("cost"))
        return cls(
            task_id=identifier(row.get("inference_id"), secret),
            status=_word(row.get("status"), secret),
            credits_used=amount(cost.get("credits")),
            usd_spent=amount(cost.get("usd")),
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

        They stand in `data` today. Where that is no list, the first other list with rows is
        taken, else an empty one.
        """
        found = as_object(body)
        lists = [body, found.get("data"), *found.values()]
        lists = [value for value in lists if isinstance(value, list)]
        if not lists:
            return None
        rows: list[Any] = next(
            (rows for rows in lists if any(isinstance(row, dict) for row in rows)), []
        )
        said = as_object(as_object(body).get("pagination")).get("has_more")
        has_more = said if isinstance(said, bool) else len(rows) >= limit
        return cls(
            rows=tuple(row for row in rows if isinstance(row, dict)),
            size=len(rows),
            has_more=has_more and bool(rows),
        )

    def entry(self, client_request_id: str, *, secret: str = "") -> LogEntry | None:
        """Return what the log says about our request; a row that made a task goes first.

        A request sent again after a refusal has two rows under one id.
        """
        ours = [
            LogEntry.from_json(row, secret=secret)
            for row in self.rows
            if row.get("client_request_id") == client_request_id
        ]
        ours.sort(key=lambda entry: (entry.is_failed, entry.task_id is None))
        return ours[0] if ours else None


def is_error_envelope(body: Any) -> bool:
    """Tell whether a body is an error of the service or a gateway, not the state of a task."""
    body = _task(body)
    code = amount(body.get("statusCode", body.get("status")))
    if code is not None:
        return code >= _FIRST_ERROR_CODE
    if any(body.get(key) for key in _ID_KEYS):
        return False
    word = _word(_status(body))
    # {"status": "error", "message": …} is how many a gateway says that the question failed.
    is_bare = word == "error" and "error" not in body
    return is_bare or (word in FAILURE_STATUSES and bool(_ENVELOPE_FIELDS & body.keys()))


def identifier(value: Any, secret: str = "") -> str | None:
    """Return an id as text (whole numbers too), or None for what can't be one.

    A text that repeats `secret` is none: it would carry the key into the ledger and the page.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_NUMERIC_ID:
        return str(value)
    if not isinstance(value, str):
        return None
    value = value.strip()
    is_usable = 0 < len(value) <= _MAX_ID and value.isprintable()
    return value if is_usable and blotted(value, secret) == value else None


def amount(value: Any) -> float | None:
    """Return a finite number that is not negative (text like "12.5" too), or None."""
    found = number(value)
    return found if found is not None and 0 <= found < _MAX_WHOLE else None


def number(value: Any) -> float | None:
    """Return a finite number (text like "-12.5" too), or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _first_id(body: dict[str, Any], secret: str) -> str | None:
    found = (identifier(body.get(key), secret) for key in _ID_KEYS)
    return next(filter(None, found), None)


def _first_amount(*values: Any) -> float | None:
    return next((found for found in map(amount, values) if found is not None), None)


def web_address(value: Any) -> str | None:
    """Return an http or https address with a host, or None."""
    if not isinstance(value, str) or len(value) > _MAX_URL:
        return None
    value = value.strip()
    return value if web_url(value) else None


def _task(body: Any) -> dict[str, Any]:
    """Return the object that holds the task: it may be wrapped in `data`, a list or a text."""
    found = _single(body)
    for _ in range(_MAX_DEPTH):
        key = next((key for key in _WRAPPERS if _single(found.get(key))), None)
        if key is None or not _is_wrapper(found, _single(found[key])):
            break
        told = {name: value for name, value in _single(found[key]).items() if value is not None}
        found = {**found, key: None, **told}
    return found


def _single(value: Any) -> dict[str, Any]:
    """Return an object, also out of a text that holds it as JSON or of a list with one item."""
    value = unpacked(value)
    if isinstance(value, list) and len(value) == 1:
        value = unpacked(value[0])
    return as_object(value)


def _is_wrapper(outer: dict[str, Any], inner: dict[str, Any]) -> bool:
    """Tell whether the task is in the inner object and not in the outer one itself."""
    if not isinstance(_status(outer), str):
        return True
    # The status beside an inner object is that of the call, if there is one inside.
    if not set(_ID_KEYS) & outer.keys():
        return isinstance(_status(inner), str)
    said, beside = _word(_status(outer)), _word(_status(inner))
    if beside in FAILURE_STATUSES:  # believed where the outer word can be the call's only
        return said in SUCCESS_STATUSES or said == "ok" or said.isdecimal()
    return said not in FAILURE_STATUSES and beside in GOING_STATUSES | SUCCESS_STATUSES


def _status(body: dict[str, Any]) -> Any:
    """Return the status word; a number in its place is HTTP's."""
    said = [body.get(key) for key in _STATUS_KEYS]
    words = (word for word in said if word and isinstance(word, str))
    return next(words, next(filter(None, said), None))


def _video(body: dict[str, Any], *, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the first video object with a usable address, or an empty one."""
    found = _addresses(body, keys, _MAX_DEPTH)
    return next((video for video in found if not _is_still(video)), {})


def _addresses(value: Any, keys: tuple[str, ...], depth: int) -> Iterator[dict[str, Any]]:
    """Yield each `{url, …}` below the given keys of an object; a bare address counts as one."""
    if depth == 0 or not isinstance(value, dict):
        return
    for key in keys:
        found = unpacked(value.get(key))
        for item in found[:_MAX_ITEMS] if isinstance(found, list) else [found]:
            if web_address(item):
                yield {**(value if key == "url" else {}), "url": item}
            elif isinstance(item, dict):
                yield from _addresses(item, _ADDRESS_KEYS, depth - 1)


def _is_still(video: dict[str, Any]) -> bool:
    """Tell whether an address is that of a picture or a sound, by its type or its ending."""
    kind = video.get("content_type") or video.get("type")
    if isinstance(kind, str) and _STILL_TYPE.fullmatch(kind.strip()):
        return True
    try:
        path = urlsplit(str(video["url"])).path
    except ValueError:
        return False
    return path.lower().endswith(_STILL_ENDINGS)


def _said(body: dict[str, Any], secret: str) -> ErrorBody | None:
    """Return what an answer says besides the state, or None where there is nothing."""
    error = body.get("error")
    if _is_evidence(error):
        return ErrorBody.from_json(error, secret=secret)
    words = {
        key: body.get(key) for key in ("message", "detail", "name", "code", "errors", "reason")
    }
    if body.get("task_status_msg"):
        words["message"] = body["task_status_msg"]  # Kling's `message` is about the call
    is_failed = _word(_status(body)) in FAILURE_STATUSES
    return ErrorBody.from_json(words, secret=secret) if is_failed else None


def _failure(said: ErrorBody | None) -> Failure:
    said = said or ErrorBody()
    return Failure(message=said.message or NO_REASON, field=said.field)


def _is_evidence(error: Any) -> bool:
    if isinstance(error, dict):
        return any(value not in (None, "", [], {}) for value in error.values())
    return not isinstance(error, bool) and error not in (None, "", [], 0)


def _word(value: Any, secret: str = "") -> str:
    if not isinstance(value, str):
        return ""
    word = re.sub(r"[\s_-]+", "_", clean(value, secret).lower())[:40]
    return _SPELLINGS.get(word.replace("_", ""), word)


def _byte_count(value: Any) -> int | None:
    count = amount(value)
    return int(count) if count and count.is_integer() else None
