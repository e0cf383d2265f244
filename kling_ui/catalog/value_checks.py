"""Checks of single values of a request: texts, numbers, lists, objects; errors say what to do."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

MAX_TEXT_SHOWN = 40
"""Characters of a wrong value that a message repeats."""

_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: no JSON parser agrees on them."""

_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Unicode's names for controls, formats, such as a space without a width, and spaces."""

_EMPTY_SIGNS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d159\U000e0100-\U000e01ef]"
)
"""Letters, marks and signs that show nothing by themselves: fillers, selectors of variants."""


def checked_text(value: Any, max_length: int) -> str:
    """Return `value` if it is text that can be sent, or raise ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {said(value)}.")
    if len(value) > max_length:
        over = len(value) - max_length
        raise ValueError(
            f"has {len(value):,} characters; {max_length:,} are allowed. Shorten it by {over:,}."
        )
    if _UNSENDABLE.search(value):
        raise ValueError("holds characters that can't be sent (NUL or half an emoji).")
    return value


def is_blank(value: Any) -> bool:
    """Tell whether `value` is text in which nothing shows: spaces, also those without a width."""
    if not isinstance(value, str):
        return False
    shown = _EMPTY_SIGNS.sub("", value)
    return all(each.isspace() or unicodedata.category(each) in _INVISIBLE for each in shown)


def checked_number(value: Any, minimum: float, maximum: float, part: str = "") -> float:
    """Return `value` if it is a number within its bounds, or raise ValueError."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and minimum <= value <= maximum:  # NaN and infinities are never between
        return value  # type: ignore[no-any-return]
    start = f"needs {part} as" if part else "must be"
    raise ValueError(f"{start} a number from {minimum:g} to {maximum:g}, not {said(value)}.")


def checked_list(
    value: Any, minimum: int, maximum: int, word: str, check: Callable[[Any], Any]
) -> list[Any]:
    """Return the items of a list of a right length as `check` returns them, or raise ValueError."""
    if not isinstance(value, list):
        raise ValueError(f"must be a list of {word}s, not {said(value)}.")
    if not minimum <= len(value) <= maximum:
        wanted = f"{minimum} to {maximum}" if minimum != maximum else f"exactly {minimum}"
        raise ValueError(f"takes {wanted} {word}s, not {len(value)}.")
    checked = []
    for number, item in enumerate(value, start=1):
        try:
            checked.append(check(item))
        except ValueError as exc:
            raise ValueError(f"({word} {number}) {exc}") from exc
    return checked


def checked_object(
    value: Any, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return `value` if it is an object with the required and no unknown parts."""
    if not isinstance(value, Mapping):
        raise ValueError(f"must be an object, not {said(value)}.")
    missing = [name for name in required if name not in value]
    if missing:
        raise ValueError(f"needs {_both(missing)}.")
    unknown = [str(name) for name in value if name not in (*required, *optional)]
    if unknown:
        raise ValueError(f"does not take {said(', '.join(unknown))}.")
    return dict(value)


def said(value: Any) -> str:
    """Return a wrong value as a message may repeat it."""
    text = repr(value)
    return text if len(text) <= MAX_TEXT_SHOWN else f"{text[: MAX_TEXT_SHOWN - 1]}…"


def either(words: list[str]) -> str:
    """Name what is allowed: a, b or c."""
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _both(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
