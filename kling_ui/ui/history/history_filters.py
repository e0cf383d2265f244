"""Search and filters as a caller or the page writes them, read into a `HistoryQuery`."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kling_ui.catalog import MODELS, Task
from kling_ui.service import HistoryQuery, HistorySort, Status, history_query

T = TypeVar("T")

NAMES = ("task", "model", "status", "starred", "simulated", "set")
"""What can be filtered by; each takes a value or a list of values."""

_LONGEST_TOLD = 64
_MOST_VALUES = 1000
"""Of one filter: databases take only so many values in a statement."""


class InvalidFilterError(ValueError):
    """A filter that does not exist or a value that it does not take; the message names it."""


def read_filters(search: Any, filters: Any, sort: Any = None) -> HistoryQuery:
    """Return what is meant; None and "" filter nothing. Raises InvalidFilterError."""
    if search is not None and not isinstance(search, str):
        raise InvalidFilterError("search: must be text.")
    if filters is not None and not isinstance(filters, Mapping):
        raise InvalidFilterError("filters: must be an object of names and values.")
    given = filters or {}
    unknown = next((name for name in given if name not in NAMES), None)
    if unknown is not None:
        names = ", ".join(NAMES)
        raise InvalidFilterError(f"filters: there is no {_told(unknown)}; there are {names}.")
    return history_query(
        search or "",
        tasks=_read(given, "task", Task),
        models=tuple(each for found in _read(given, "model", _models) for each in found),
        statuses=_read(given, "status", Status),
        is_starred=_one_of_two(_read(given, "starred", _flag)),
        is_simulated=_one_of_two(_read(given, "simulated", _flag)),
        sets=_read(given, "set", _text),
        sort=_sort(sort),
    )


def _read(given: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    value = given.get(name)
    values = value if isinstance(value, list) else [value]
    if len(values) > _MOST_VALUES:
        raise InvalidFilterError(f"filters.{name}: {_MOST_VALUES:,} values at most.")
    found = []
    for each in values:
        if each in (None, ""):
            continue
        try:
            found.append(read(each))
        except (ValueError, TypeError) as exc:
            raise InvalidFilterError(f"filters.{name}: {_told(each)} is not known.") from exc
    return tuple(found)


def _models(name: Any) -> tuple[str, ...]:
    """Return the ids of a model, its title or its version; an id that is unknown stays itself."""
    if not isinstance(name, str):
        raise TypeError(name)
    named = [model.id for model in MODELS.values() if name in {model.title, version_of(model.id)}]
    return tuple(named) or (name,)


def version_of(model_id: str) -> str:
    """Return a model's family in people's words, such as `Kling 3`."""
    return MODELS[model_id].title.partition(" · ")[0]


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _one_of_two(values: tuple[bool, ...]) -> bool | None:
    return values[0] if len(set(values)) == 1 else None


def _sort(value: Any) -> HistorySort:
    try:
        return HistorySort(value) if value else HistorySort.NEWEST
    except ValueError as exc:
        raise InvalidFilterError(f"sort: {_told(value)} is not known.") from exc


def _told(value: Any) -> str:
    return repr(value)[:_LONGEST_TOLD]
