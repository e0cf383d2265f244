"""What an error body says, in words for people, whatever form it has.

Bodies come from the provider, from Kling behind it, and from gateways before it: everything is
bounded, cleaned and rid of the key before anyone sees it.
"""

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

MAX_SAID = 420
"""Characters of an error body's words, advice included."""

MAX_MESSAGE = 500
"""Characters of an error's message: room for the body's words and what led to them."""

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

# Where words stand: lists of issues, one issue's words and place, the words of a whole level.
_ISSUE_LISTS = ("issues", "detail", "details", "errors", "fieldErrors", "meta")
_ISSUE_WORDS = ("message", "msg", "reason", "description", "detail")
_ISSUE_PLACES = ("path", "loc", "field", "param", "property")
_LEVEL_WORDS = ("message", "msg", "detail", "error", "description", "reason")
_INNER_LEVELS = ("meta", "error", "message", "data", "detail")
_CODE_KEYS = ("kind", "code", "error_code", "errorCode", "name", "type")

_NOISE = re.compile("[\x00-\x20\x7f-\xa0\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
_HTML = re.compile(r"<!doctype|<html|<head|<body|</\w+>", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# The name of an exception class, or the address of a page about the kind of problem.
_NO_CODE = re.compile(r"\w*(?:Exception|HttpError)|\w+:\S*", re.ASCII)
_PARALLEL_LIMIT = re.compile(
    r"""parallel\ task | too\ many\ tasks
      | concurren[^.]{0,30}\b(?:limit|exceed|reach|(?:task|request|generation|job)s?\b)
      | \b(?:too\ many|limit|max|exceed)[^.]{0,30}concurren
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BALANCE = re.compile(
    # An underscore counts as the end of a word: `err_insufficent_credits` is spelled so.
    r"(?<![a-z])(?:credits?|funds?|balance|top[ -]?up)(?![a-z])",
    re.IGNORECASE,
)
_MODEL = re.compile(r"(?<![a-z])models?(?![a-z])", re.IGNORECASE)
_KEY_SCOPE = re.compile(r"\bkey has no access\b|\bscopes?\b", re.IGNORECASE)
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

    `code` is Kling's number where it shines through, else the provider's word for the error;
    the name of an exception class is no such word. `everything` holds the words of all levels:
    what kind of error it is may be said further out than the reason.
    """

    message: str = ""
    code: str | None = None
    field: str | None = None
    request_id: str | None = None
    everything: str = dataclasses.field(default="", repr=False)

    @classmethod
    def from_json(cls, body: Any, *, secret: str = "") -> Self:
        """Read any JSON value; `secret` is blotted out wherever the body repeats it."""
        levels = _levels(body)
        parts = list(_distinct(_parts(levels, secret)))
        text = "; ".join(part.text.rstrip(" .;") for part in parts)
        code = _code(levels, text)
        return cls(
            message=_with_advice(text or _worded(code, secret), code),
            code=clean(code, secret)[:64] if code else None,
            field=next((part.field for part in parts if part.field), None),
            request_id=_request_id_in(body, secret),
            everything=_everything(levels, code, secret),
        )

    @property
    def is_parallel_limit(self) -> bool:
        """Tell whether the account has as many tasks under way as it may have."""
        return self.code == TOO_MANY_TASKS or _PARALLEL_LIMIT.search(self.everything) is not None

    @property
    def is_about_balance(self) -> bool:
        """Tell whether the answer itself speaks of the account's credits."""
        return self.code == BALANCE_EMPTY or _BALANCE.search(self.everything) is not None

    @property
    def is_about_model(self) -> bool:
        """Tell whether the answer speaks of a model."""
        return _MODEL.search(self.everything) is not None

    @property
    def is_about_key_scope(self) -> bool:
        """Tell whether the answer says that the key may not do this, whatever the balance."""
        return _KEY_SCOPE.search(self.everything) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    text: str
    field: str | None = None


def clean(text: str, secret: str = "") -> str:
    """Return `text` as one printable line of at most 10,000 characters, without `secret`."""
    return _NOISE.sub(" ", blotted(text, secret)[:_MAX_TEXT]).strip()


def blotted(text: str, secret: str) -> str:
    """Return `text` without `secret`, also in another case, or as URLs and JSON write it."""
    if not secret:
        return text
    forms = {secret, quote(secret), quote(secret, safe=""), secret.replace("/", r"\/")}
    longest_first = sorted(forms, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), "[key]", text, flags=re.IGNORECASE)


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


def _request_id_in(body: Any, secret: str = "") -> str | None:
    """Return the provider's own id of the request, or None."""
    if not isinstance(body, dict):
        return None
    for key in ("requestId", "request_id"):
        value = body.get(key)
        if isinstance(value, str) and value.strip():
            return clean(value, secret)[:128]
    return None


def _levels(body: Any) -> list[Any]:
    """Return the body and what it wraps (`error`, `meta`, `data` …), innermost first."""
    levels: list[Any] = []
    found = [body]
    for _ in range(_MAX_DEPTH):
        levels += found
        inner = [
            unpacked(level.get(key))
            for level in found
            if isinstance(level, dict)
            for key in _INNER_LEVELS
        ]
        found = [level for level in inner if isinstance(level, dict)][:_MAX_ITEMS]
    return levels[::-1]


def unpacked(value: Any) -> Any:
    """Return the object or list that a text holds as JSON, as some validators write it."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        inner = parse_json(value[:_MAX_TEXT])
    except ValueError:
        return value
    return inner if isinstance(inner, dict | list) else value


def _parts(levels: list[Any], secret: str) -> Iterator[_Part]:
    """Yield the issues listed at the innermost level that has some, else the innermost words."""
    for read in (_issues, _words):
        for level in levels:
            parts = [part for part in read(level, secret) if part]
            if parts:
                yield from parts
                return


def _everything(levels: list[Any], code: str | None, secret: str) -> str:
    """Return the words of all levels and the code as one text."""
    texts = [
        part.text
        for level in levels
        for read in (_issues, _words)
        for part in read(level, secret)
        if part
    ]
    return " ".join([clean(code or "", secret), *dict.fromkeys(texts)])[:_MAX_TEXT]


def _issues(level: Any, secret: str) -> Iterator[_Part | None]:
    if isinstance(level, list):
        for item in level[:_MAX_ITEMS]:
            yield from _issue(item, secret)
        return
    if not isinstance(level, dict):
        return
    for key in (*_ISSUE_LISTS, "message"):
        listed = unpacked(level.get(key))
        if isinstance(listed, list):
            yield from _issues(listed, secret)
        elif isinstance(listed, dict) and key in ("errors", "fieldErrors"):
            for name, said in list(listed.items())[:_MAX_ITEMS]:
                for text in said if isinstance(said, list) else [said]:
                    yield _part(text, secret, _identifier(name))


def _issue(item: Any, secret: str) -> Iterator[_Part | None]:
    """Yield one issue's words under the parameter it points at."""
    if not isinstance(item, dict):
        yield _part(item, secret)
        return
    field = _place(item)
    for key in _ISSUE_WORDS:
        if part := _part(item.get(key), secret, field):
            yield part
            return


def _words(level: Any, secret: str) -> Iterator[_Part | None]:
    if isinstance(level, str):
        yield _part(level, secret)
    if not isinstance(level, dict):
        return
    for key in _LEVEL_WORDS:
        if part := _part(level.get(key), secret, _place(level)):
            yield part
            return


def _part(value: Any, secret: str, field: str | None = None) -> _Part | None:
    if not isinstance(value, str):
        return None
    text = clean(value, secret)
    if not text or looks_like_html(text):
        return None
    field = field if field and blotted(field, secret) == field else None
    if field and not re.search(rf"\b{re.escape(field)}\b", text):
        return _Part(text=f"{text.rstrip(' .;')} ({field})", field=field)
    return _Part(text=text, field=field or _field_in(text))


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
    for key in _ISSUE_PLACES:
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


def _code(levels: list[Any], text: str) -> str | None:
    """Return Kling's own number, wherever it stands, else the innermost word for the error."""
    codes = list(_codes(levels))
    named = _NAMED_CODE.search(text)
    numbers = [code for code in codes if code in _KLING_CODES]
    if numbers or named:
        return numbers[0] if numbers else named.group(1) if named else None
    return next((code for code in codes if not code.isdigit()), None)


def _codes(levels: list[Any]) -> Iterator[str]:
    for level in levels:
        if isinstance(level, int) and not isinstance(level, bool):
            yield _digits(level)  # a bare number in place of an error object
        if not isinstance(level, dict):
            continue
        listed = [item for key in _ISSUE_LISTS for item in as_list(level.get(key))]
        for holder in (level, *listed[:_MAX_ITEMS]):
            yield from _codes_of(holder)
        error = level.get("error")
        if isinstance(error, int) and not isinstance(error, bool):
            yield _digits(error)


def _codes_of(holder: Any) -> Iterator[str]:
    if not isinstance(holder, dict):
        return
    for key in _CODE_KEYS:
        value = holder.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            yield _digits(value)
        elif isinstance(value, str) and value.strip() and not _NO_CODE.fullmatch(value):
            yield value


def _digits(number: int) -> str:
    # Python refuses to write out numbers of thousands of digits.
    return str(number) if abs(number) < 10**9 else ""


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_object(value: Any) -> dict[str, Any]:
    """Return an object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _worded(code: str | None, secret: str) -> str:
    return clean(code, secret) if code and not code.isdigit() else ""


def _with_advice(text: str, code: str | None) -> str:
    advice = _ADVICE.get((code or "").lower(), "")
    if not advice:
        return shortened(text, MAX_SAID)
    if not text:
        return advice
    return f"{shortened(text, MAX_SAID - len(advice) - 2)}. {advice}"
