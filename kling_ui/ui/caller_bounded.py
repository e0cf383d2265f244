"""A mapping in which nobody's entries push out everybody's: bounded for each caller first."""

from collections import OrderedDict, UserDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class CallerBounded(UserDict[str, Value], Generic[Value]):
    """A dict that forgets old entries, those of whoever has too many.

    Beyond `per_caller` a caller's own go, beyond `total` those of the caller who has the most.
    `caller` tells whose an entry is when it is made. What `is_expendable` goes first;
    `on_forget` is told of each key that went.
    """

    def __init__(
        self,
        *,
        per_caller: int,
        total: int,
        caller: Callable[[], str],
        is_expendable: Callable[[Value], bool] = lambda _: False,
        on_forget: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__()
        self._per_caller = per_caller
        self._total = total
        self._caller = caller
        self._is_expendable = is_expendable
        self._on_forget = on_forget
        self._owners: dict[str, str] = {}
        self._keys: dict[str, OrderedDict[str, None]] = {}

    def __setitem__(self, key: str, value: Value) -> None:
        """Keep a value; a new key belongs to whoever is calling."""
        is_new = key not in self.data
        self.data[key] = value
        if is_new:
            caller = self._caller()
            self._owners[key] = caller
            self._keys.setdefault(caller, OrderedDict())[key] = None
            self._make_room(caller, key)

    def __delitem__(self, key: str) -> None:
        """Forget a key."""
        del self.data[key]
        caller = self._owners.pop(key)
        del self._keys[caller][key]
        if not self._keys[caller]:
            del self._keys[caller]
        self._on_forget(key)

    def touch(self, key: str) -> None:
        """Note that an entry was used: of a caller's, the one unused for longest goes first."""
        self._keys[self._owners[key]].move_to_end(key)

    def _make_room(self, caller: str, new: str) -> None:
        if len(self._keys[caller]) > self._per_caller:
            self._forget_one_of(caller, new)
        if len(self.data) > self._total:
            self._forget_one_of(max(self._keys, key=lambda name: len(self._keys[name])), new)

    def _forget_one_of(self, caller: str, new: str) -> None:
        others = [key for key in self._keys[caller] if key != new] or list(self._keys[caller])
        expendable = (key for key in others if self._is_expendable(self.data[key]))
        del self[next(expendable, others[0])]
