"""Values that hold others, lists and objects: looked through, or changed leaf by leaf."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

LEFT_OUT: Any = object()
"""In the place of a leaf that the list or the object shall not hold any more."""


def leaves(value: Any) -> Iterator[Any]:
    """Yield all that is neither list nor object, at any depth."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list):
        yield value
        return
    for part in value:
        yield from leaves(part)


def with_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value with what `change` returns in the place of each leaf."""
    if isinstance(value, Mapping):
        parts = {name: with_leaves(part, change) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part is not LEFT_OUT}
    if isinstance(value, list):
        changed = (with_leaves(part, change) for part in value)
        return [part for part in changed if part is not LEFT_OUT]
    return change(value)
