"""Time and randomness as the service uses them."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Time and randomness, handed in so that tests need not wait for them."""

    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
