"""Rows as values: what somebody has spoilt in one costs as little as can be."""

import logging
from datetime import datetime
from typing import Any

from sqlalchemy.engine import RowMapping

from kling_ui.ledger.generation import ErrorKind, Generation, GenerationError, Status

_log = logging.getLogger(__name__)


def generation_of(row: RowMapping) -> Generation | None:
    """Return a row as a value, or None where somebody else has written into it."""
    values = dict(row)
    try:
        values["status"] = Status(values["status"])
        values["error"] = _error(values["error"])
        for name in ("created_at", "updated_at"):
            _check_moment(values[name])
        for name in ("finished_at", "sent_at", "deleted_at", "confirmed_at", "admitted_at"):
            _check_moment(values[name], may_be_none=True)
    except (ValueError, TypeError):
        _log.error("The ledger's row %.64s can't be read and is left out.", values["id"])
        return None
    del values["search_text"]
    for name in ("credits_used", "usd_spent", "usd_confirmed", "seconds", "width", "height"):
        values[name] = values[name] if isinstance(values[name], int | float) else None
    chain = values["chain"] if isinstance(values["chain"], list) else []
    values["chain"] = tuple(each for each in chain if isinstance(each, str))
    values["payload"] = values["payload"] if isinstance(values["payload"], dict) else {}
    for name in ("is_put_away", "is_repeatable", "is_starred"):
        values[name] = bool(values[name])
    return Generation(**values)


_OLD_KINDS = {
    "waiting": ErrorKind.RATE_LIMIT,
    "in_line": ErrorKind.CONCURRENCY_LIMIT,
    "withdrawn": ErrorKind.CANCELLED,
    "forgotten": ErrorKind.ABANDONED,
}
"""What ledgers of version 1 call some kinds of errors."""


def _error(value: Any) -> GenerationError | None:
    """Return a row's error; what can't be read is only words, and no reason to drop a row."""
    try:
        if not value:
            return None
        kind = _OLD_KINDS.get(value["kind"]) or ErrorKind(value["kind"])
        return GenerationError(kind, value["message"], value.get("field"))
    except (TypeError, ValueError, KeyError, AttributeError):
        return None


def _check_moment(text: Any, *, may_be_none: bool = False) -> None:
    if text is None and may_be_none:
        return
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without a zone")
