"""What an error body says, in words for people, whatever form it has.

Bodies come from the provider, from Kling behind it, and from gateways before it: everything is
bounded, cleaned and rid of the key before anyone sees it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

MAX_SAID = 420
"""Characters of a complaint, advice included."""

MAX_MESSAGE = 500
"""Characters of an error's message: room for a complaint and what led to it."""

CONTENT_POLICY = "1301"
TOO_MANY_TASKS = "1303"
BALANCE_EMPTY = "1102"
INVALID_COMBINATION = "1201"

_POLICY_ADVICE = (
    "Kling's content policy is against it: change the prompt or the picture, "
    "sending the same again won't help."
)
_ADVICE = {
    CONTENT_POLICY: _POLICY_ADVICE,
    "content_policy_violation": _POLICY_ADVICE,
    TOO_MANY_TASKS: (
        "Kling already runs as many tasks as this account may have at once: "
        "wait until one has ended, then try again."
    ),
    BALANCE_EMPTY: "The balance is empty: top it up, then try again.",
    INVALID_COMBINATION: "These parameters don't go together: change one of them.",
    "face_detection_error": "Use a picture in which one face is clearly seen.",
}
_KLING_CODES = (CONTENT_POLICY, TOO_MANY_TASKS, BALANCE_EMPTY, INVALID_COMBINATION)

_MAX_DEPTH = 6
_MAX_ITEMS = 20
_MAX_PARTS = 5
_MAX_TEXT = 10_000

_WORD_KEYS = ("message", "msg", "detail", "error", "description", "reason")
_MORE_KEYS = ("meta", "details", "issues", "errors", "fieldErrors")
_CODE_KEYS = ("code", "error_code", "errorCode", "name", "type")
_PLACE_KEYS = ("loc", "path", "field", "param", "property")
_BY_FIELD_KEYS = ("errors", "fieldErrors")

_NOISE = re.compile("[\x00-\x20\x7f-\xa0\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
_HTML = re.compile(r"<!doctype|<html|<head|<body|</\w+>", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_NAMED_CODE = re.compile(
    rf"(?:\b(?:code|error|kling)\b\D{{0,12}}?|[\[(]|^)({'|'.join(_KLING_CODES)})\b", re.IGNORECASE
)
_NAMED_FIELD = re.compile(
    r"""
      ^[`'"]?(?:body\.)?(?P<subject>[a-z][a-z0-9_]*)[`'"]?(?:[.\[][^\s:]*)?
        (?:\s*:\s|\s+(?:must|should|is\ required|is\ not|is\ too|cannot|can't)\b)
    | \b(?i:field|parameter|property|argument)\s*:?\s*[`'"]?(?:body\.)?(?P<named>[a-z][a-z0-9_]*)
    | \b(?i:at|for|in)\s+(?:[`'"](?:body\.)?|body\.)(?P<place>[a-z][a-z0-9_]*)
    """,
    re.VERBOSE,
)
_NO_FIELDS = frozenset({"body", "query", "request", "error", "it", "is", "this", "that"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """What an error body says: `message` is "" where it says nothing a person could read.

    `code` is Kling's number where it shines through, else the provider's word for the error.
    """

    message: str = ""
    code: str | None = None
    field: str | None = None
    request_id: str | None = None

    @classmethod
    def from_json(cls, body: Any, *, secret: str = "") -> Self:
        """Read any JSON value; `secret` is blotted out wherever the body repeats it."""
        parts = list(_distinct(_parts(body, secret)))
        text = "; ".join(part.text.rstrip(" .;") for part in parts)
        code = _kling_code(body, text) or _word_code(body)
        return cls(
            message=_with_advice(text or _worded(code), code),
            code=clean(code, secret)[:64] if code else None,
            field=next((part.field for part in parts if part.field), None),
            request_id=request_id_in(body, secret),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    text: str
    field: str | None


def clean(text: str, secret: str = "") -> str:
    """Return `text` as one printable line of at most 10,000 characters, without `secret`."""
    if secret:
        text = text.replace(secret, "[key]")
    return _NOISE.sub(" ", text[:_MAX_TEXT]).strip()


def shortened(text: str, length: int) -> str:
    """Return `text`, cut with an ellipsis where it has more than `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def looks_like_html(text: str) -> bool:
    """Tell whether `text` is a web page rather than words."""
    return _HTML.search(text[:_MAX_TEXT]) is not None


def parse_json(text: str | bytes) -> Any:
    """Return the JSON value, or raise ValueError, also where it is nested too deeply to read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def request_id_in(body: Any, secret: str = "") -> str | None:
    """Return the provider's own id of the request, or None."""
    if not isinstance(body, dict):
        return None
    for key in ("requestId", "request_id"):
        value = body.get(key)
        if isinstance(value, str) and value.strip():
            return clean(value, secret)[:128]
    return None


def _parts(
    value: Any, secret: str, field: str | None = None, depth: int = _MAX_DEPTH
) -> Iterator[_Part]:
    if depth == 0:
        return
    if isinstance(value, str):
        yield from _text_parts(value, secret, field, depth)
    elif isinstance(value, list):
        for item in value[:_MAX_ITEMS]:
            yield from _parts(item, secret, field, depth - 1)
    elif isinstance(value, dict):
        yield from _object_parts(value, secret, field, depth)


def _text_parts(value: str, secret: str, field: str | None, depth: int) -> Iterator[_Part]:
    if value.lstrip()[:1] in ("{", "["):
        try:
            # Some validators put their whole list of issues, as JSON, into the message.
            inner = parse_json(value[:_MAX_TEXT])
        except ValueError:
            inner = None
        if isinstance(inner, dict | list):
            yield from _parts(inner, secret, field, depth - 1)
            return
    text = clean(value, secret)
    if not text or looks_like_html(text):
        return
    if field and not re.search(rf"\b{re.escape(field)}\b", text):
        yield _Part(text=f"{text.rstrip(' .;')} ({field})", field=field)
        return
    yield _Part(text=text, field=field or _field_in(text))


def _object_parts(
    value: dict[str, Any], secret: str, field: str | None, depth: int
) -> Iterator[_Part]:
    field = _place(value) or field
    for key in (*_WORD_KEYS, *_MORE_KEYS):
        inner = value.get(key)
        if key in _BY_FIELD_KEYS and isinstance(inner, dict):
            for name, said in list(inner.items())[:_MAX_ITEMS]:
                yield from _parts(said, secret, _identifier(name) or field, depth - 1)
            continue
        yield from _parts(inner, secret, field, depth - 1)


def _distinct(parts: Iterator[_Part]) -> Iterator[_Part]:
    seen: list[str] = []
    for part in parts:
        if any(part.text in text for text in seen):
            continue
        seen.append(part.text)
        yield part
        if len(seen) == _MAX_PARTS:
            return


def _place(value: dict[str, Any]) -> str | None:
    """Return the parameter that an issue points at: the first name of its path below `body`."""
    for key in _PLACE_KEYS:
        place = value.get(key)
        steps = place if isinstance(place, list) else [place]
        for step in steps[:_MAX_ITEMS]:
            name = _identifier(step)
            if name and name not in _NO_FIELDS:
                return name
    return None


def _identifier(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    name = re.split(r"[.\[]", value.removeprefix("body."), maxsplit=1)[0]
    return name if _IDENTIFIER.fullmatch(name) else None


def _field_in(text: str) -> str | None:
    for found in _NAMED_FIELD.finditer(text[:1000]):
        name = next(group for group in found.groups() if group)
        if name not in _NO_FIELDS:
            return name
    return None


def _kling_code(body: Any, text: str) -> str | None:
    for value in _code_values(body):
        if str(value) in _KLING_CODES:
            return str(value)
    named = _NAMED_CODE.search(text)
    return named.group(1) if named else None


def _word_code(body: Any) -> str | None:
    words = (value for value in _code_values(body) if isinstance(value, str) and value.strip())
    return next(words, None)


def _code_values(value: Any, depth: int = _MAX_DEPTH) -> Iterator[str | int]:
    if depth == 0:
        return
    if isinstance(value, int) and not isinstance(value, bool) and depth >= _MAX_DEPTH - 1:
        yield value  # a bare number in place of an error object
    elif isinstance(value, list):
        for item in value[:_MAX_ITEMS]:
            yield from _code_values(item, depth - 1)
    elif isinstance(value, dict):
        for key in _CODE_KEYS:
            code = value.get(key)
            if isinstance(code, str | int) and not isinstance(code, bool):
                yield code
        for key in (*_WORD_KEYS, *_MORE_KEYS):
            yield from _code_values(value.get(key), depth - 1)


def _worded(code: str | None) -> str:
    return clean(code) if code and not code.isdigit() else ""


def _with_advice(text: str, code: str | None) -> str:
    advice = _ADVICE.get((code or "").lower(), "")
    if not advice:
        return shortened(text, MAX_SAID)
    if not text:
        return advice
    return f"{shortened(text, MAX_SAID - len(advice) - 2)}. {advice}"
