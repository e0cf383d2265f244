"""One HTTP answer of the provider as a value, and how long it asks to wait."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self

from kling_ui.client.error_body import ErrorBody, looks_like_html, parse_json
from kling_ui.client.responses import identifier

INFERENCE_ID_HEADER = "x-inference-id"
MAX_WAIT_SECONDS = 86_400.0
"""The longest wait that `parse_retry_after` returns: a day."""

Kind = Literal["json", "html", "text", "empty"]

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """What came back: `body` is the JSON value (None unless `kind` is "json").

    `error_body` is what the body says if read as an error; `secret` is blotted out of every text.
    """

    status_code: int
    headers: Mapping[str, str]
    kind: Kind
    body: Any = field(default=None, repr=False)
    error_body: ErrorBody = field(default_factory=ErrorBody)
    secret: str = field(default="", repr=False)

    @classmethod
    def from_http(
        cls, status_code: int, headers: Mapping[str, str], content: bytes, *, secret: str = ""
    ) -> Self:
        """Read `content`; what is neither JSON nor words becomes kind "html" or "empty"."""
        heads = {name.lower(): value for name, value in headers.items()}
        kind, body, words = _read(content)
        return cls(
            status_code=status_code,
            headers=heads,
            kind=kind,
            body=body,
            error_body=ErrorBody.from_json(words, secret=secret),
            secret=secret,
        )

    @property
    def is_success(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.status_code <= 299  # noqa: PLR2004  what HTTP calls success

    @property
    def said(self) -> str:
        """What the answer says, in words for people."""
        if self.kind == "html":
            return f"a gateway answered with an HTML page ({self.status_code})"
        if self.kind == "empty":
            return "the answer was empty"
        return self.error_body.message or "the answer gave no reason"

    @property
    def request_id(self) -> str | None:
        """The provider's own id of the request, for its support."""
        return self.error_body.request_id or self._header_id("x-request-id")

    @property
    def inference_id(self) -> str | None:
        """The id of the generation that the answer is about, where a header tells it."""
        return self._header_id(INFERENCE_ID_HEADER)

    def _header_id(self, name: str) -> str | None:
        return identifier(self.headers.get(name), self.secret)

    def retry_after_seconds(self, now: datetime) -> float | None:
        """Return how long the answer asks to wait."""
        return parse_retry_after(self.headers.get("retry-after"), now=now)


def _read(content: bytes) -> tuple[Kind, Any, Any]:
    """Return what a body is, its JSON value, and what to read words from."""
    text = content.decode("utf-8", "replace").strip()
    if not text:
        return "empty", None, None
    if looks_like_html(text) and not text.startswith(("{", "[", '"')):
        return "html", None, None
    try:
        body = parse_json(content)
    except UnicodeDecodeError:
        return _read(text.encode())  # a byte that is no UTF-8 hides nothing else
    except ValueError:
        return "text", None, text
    return "json", body, body


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks to wait: a number or an HTTP date.

    A date that has passed is 0.0. More than a day becomes a day (`MAX_WAIT_SECONDS`): that is
    no number to wait for, but still says "not soon". Negative values and garbage are None.
    `now` is aware; a date without a zone is taken as UTC.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS)
