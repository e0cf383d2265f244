"""What one day may cost: no new submission is taken once the day's spending has reached it.

A day is a UTC day. What is still running, or has no figure yet, counts as what it may cost.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta

from kling_ui.ledger import LIVE, DayBudget, Ledger, stamp_of
from kling_ui.service import messages

ASSUMED_USD = 1.0
"""What a generation without a figure counts as where its model has no other with one. Judged."""

_HOUR_SECONDS = 3600


class DayLimitError(Exception):
    """The day's limit is reached: nothing was sent. The message says when it goes on."""


class DayLimit:
    """The limit of `usd` a day (None: no limit), measured by the ledger."""

    def __init__(self, usd: float | None, *, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self.usd = usd
        self._ledger = ledger
        self._now = now
        self._turn = asyncio.Lock()

    async def spent_usd(self) -> float:
        """Return what the API charges, or may charge, for what was sent since midnight UTC."""
        return await asyncio.to_thread(
            self._ledger.spent_since,
            stamp_of(self._midnight()),
            origin=LIVE,
            assumed_usd=ASSUMED_USD,
        )

    def budget(self) -> DayBudget | None:
        """Return the limit for the ledger to keep, None where there is none."""
        if self.usd is None:
            return None
        return DayBudget(
            usd=self.usd,
            since=stamp_of(self._midnight()),
            assumed_usd=ASSUMED_USD,
            explanation=messages.day_limit_waits(self.usd),
        )

    def _midnight(self) -> datetime:
        return datetime.combine(self._now().astimezone(UTC).date(), time.min, UTC)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Let one submission at a time be written down; raise DayLimitError where none may be.

        Without turns, many clicks at once would all be measured before any of them counts.
        """
        if self.usd is None:
            yield
            return
        async with self._turn:
            reached = await self.reached()
            if reached is not None:
                raise DayLimitError(reached)
            yield

    async def reached(self) -> str | None:
        """Return what to tell people where the day's limit is reached, else None."""
        if self.usd is None:
            return None
        spent = await self.spent_usd()
        # A sum of floats may fall short of what it adds up to by the last digit.
        if round(spent, 6) < self.usd:
            return None
        left = (self._midnight() + timedelta(days=1) - self._now()).total_seconds()
        return reached_words(self.usd, left)


def reached_words(usd: float, seconds_left: float) -> str:
    """Say that the day's limit is reached and when it goes on."""
    is_soon = seconds_left < _HOUR_SECONDS
    wait = (
        f"{max(1, math.ceil(seconds_left / 60))} min"
        if is_soon
        else f"{math.ceil(seconds_left / _HOUR_SECONDS)} h"
    )
    figure = f"{usd:,.2f}".removesuffix(".00")
    return (
        f"Today's limit of ${figure} is reached; new videos can be made again after "
        f"00:00 UTC (in {wait})."
    )
