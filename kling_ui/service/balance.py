"""The account's balance, asked for once a minute at most."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from kling_ui.client import ClientError
from kling_ui.service.provider import Provider

FRESH_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Balance:
    """The last balance that the provider told, in USD."""

    def __init__(
        self, client: Provider, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._monotonic = monotonic
        self._usd: float | None = None
        self._asked_at: float | None = None
        self._asking: asyncio.Task[None] | None = None

    async def usd(self, *, within_seconds: float = 0.1) -> float | None:
        """Return the balance as far as it is known; a new answer is awaited that long only."""
        now = self._monotonic()
        is_old = self._asked_at is None or now - self._asked_at >= FRESH_SECONDS
        if is_old and (self._asking is None or self._asking.done()):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=within_seconds)
        return self._usd

    async def close(self) -> None:
        """End a question under way."""
        if self._asking is not None:
            self._asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._asking

    async def _ask(self) -> None:
        try:
            self._usd = await self._client.balance()
        except ClientError as exc:
            self._usd = None
            _log.info("balance: it could not be had: %s", exc)
