"""What a checked request costs by the newest list, its inputs measured."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kling_ui.ledger import Generation
from kling_ui.service.estimates import Estimate, Estimates
from kling_ui.service.live_catalog import LiveCatalog


class Quotes:
    """Estimates of payloads, at one provider. `seconds_of` measures their inputs, and may block."""

    def __init__(
        self,
        *,
        estimates: Estimates,
        live: LiveCatalog,
        seconds_of: Callable[[Mapping[str, Any]], float | None],
    ) -> None:
        self._estimates = estimates
        self._live = live
        self._seconds_of = seconds_of

    async def estimates(self, payloads: Iterable[Mapping[str, Any]]) -> list[Estimate]:
        """Return price and wait of each payload; wait a few seconds for the first list.

        Raises catalog.InvalidValuesError for a model that is not in the catalog.
        """
        if self._live.fetched_at is None:
            await self._live.first_list()
        return [await self._estimate(payload) for payload in payloads]

    async def _estimate(self, payload: Mapping[str, Any]) -> Estimate:
        seconds = await asyncio.to_thread(self._seconds_of, payload)
        values = {name: value for name, value in payload.items() if name != "model"}
        return self._estimates.estimate(payload.get("model"), values, input_seconds=seconds)

    async def most_usd(self, generation: Generation) -> float | None:
        """Return the most that a generation may cost now, None where nobody can know."""
        [estimate] = await self.estimates([generation.payload])
        return estimate.usd_high
