"""A second press before much is spent: which request was asked about, and until when."""

import time
from collections.abc import Callable

from kling_ui.service import Estimate

ASKS_SECONDS = 4.0
_ON_THE_WAY_SECONDS = 2.0
"""A press at the last moment still has to get here."""


def must_ask(estimate: Estimate, above_usd: float) -> bool:
    """Tell whether a price, at its most, is one to ask about."""
    price = estimate.usd_high
    return not estimate.is_simulated and price is not None and price > above_usd


class Confirmation:
    """What each page was asked about last. A request is confirmed by sending the same again."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._asked: dict[str, tuple[object, float]] = {}  # what was asked, until when

    def ask(self, session: str, request: object) -> None:
        """Note that a page asks about a request now."""
        now = self._monotonic()
        self._asked = {each: asked for each, asked in self._asked.items() if asked[1] > now}
        self._asked[session] = request, now + ASKS_SECONDS + _ON_THE_WAY_SECONDS

    def take(self, session: str, request: object) -> bool:
        """Tell whether a page was just asked about this very request; it counts once."""
        asked, until = self._asked.pop(session, (None, 0.0))
        return until > self._monotonic() and asked == request
