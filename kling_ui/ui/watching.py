"""How many may wait at once: calls that watch a generation share places, and no caller takes all.

Gradio counts every running event against `MAX_THREADS`, so what waits has a limit well below it:
submissions and short calls always find room.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WATCHING: dict[str, Any] = {"concurrency_id": "watching", "concurrency_limit": 600}
"""Events that wait for a generation to change."""

SUBMITTING: dict[str, Any] = {"concurrency_id": "submitting", "concurrency_limit": 100}
"""Events that wait for the provider's answer to a POST."""

IN_TURN: dict[str, Any] = {"concurrency_id": "in_turn", "concurrency_limit": 50}
"""Short events whose answers come in one stream with what is painted meanwhile."""

MAX_THREADS = 850
"""All limits together, and 100 places more for short calls."""

SHARE = 50
"""How many watches of one caller wait at once; one more is answered with the state as it is."""

ADDRESS_SHARE = 500
"""The same for one address: a program may say that it is another browser in every call."""

MOST_WAITING = 550
"""The same for everybody together: what is left of the places answers those who may not wait."""


class WatchShares:
    """How many watches wait right now, of each caller and in all, on one event loop."""

    def __init__(
        self,
        *,
        share: int = SHARE,
        address_share: int = ADDRESS_SHARE,
        most: int = MOST_WAITING,
    ) -> None:
        self._share = share
        self._address_share = address_share
        self._most = most
        self._callers: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()

    @contextmanager
    def place(self, caller: str, address: str) -> Iterator[bool]:
        """Hold one of the places for as long as the context lasts; False: none is free for these.

        `caller` and `address` are as in `identity`: a caller's address may have several callers.
        """
        if not self._has_room(caller, address):
            yield False
            return
        counts = ((self._callers, caller), (self._addresses, address))
        for count, name in counts:
            count[name] += 1
        try:
            yield True
        finally:
            for count, name in counts:
                count[name] -= 1
                if not count[name]:
                    del count[name]

    def __len__(self) -> int:
        """Return how many wait right now."""
        return self._callers.total()

    def _has_room(self, caller: str, address: str) -> bool:
        return (
            self._callers[caller] < self._share
            and self._addresses[address] < self._address_share
            and len(self) < self._most
        )
