"""The one password in front of the app: compared in constant time, guessed at only slowly.

Any user name is taken: the password belongs to the app, and visitors are told apart by cookies.
"""

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

FREE_GUESSES = 3
"""A person mistypes; from then on each wrong one doubles the wait."""

LONGEST_DELAY_SECONDS = 30.0
FORGIVEN_SECONDS = 900.0
GAP_SECONDS = 0.1
"""Between two guesses of whomever: ten a second from all addresses together."""

MOST_CALLERS = 1000
MOST_WAITING_OF_A_CALLER = 3
MOST_WAITING = 100
TOO_MANY_GUESSES = "Too many logins at once. Wait a minute, then try again."

Authenticate = Callable[[str, str], Awaitable[bool]]


def password_check(password: str) -> Authenticate:
    """Return what Gradio's `launch(auth=…)` takes: any name, and this password."""
    expected = _digest(password)

    async def is_right(_username: str, guess: str) -> bool:
        return hmac.compare_digest(_digest(guess), expected)

    return is_right


def delay_seconds(failures: int) -> float:
    """Return how long the next guess waits after so many wrong ones."""
    if failures < FREE_GUESSES:
        return 0.0
    return min(2.0 ** min(failures - FREE_GUESSES, 10), LONGEST_DELAY_SECONDS)


class TooManyGuessesError(Exception):
    """More guesses wait already than are let in."""


@dataclass(slots=True)
class _Guesser:
    failures: int = 0
    last: float = 0.0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class LoginThrottle:
    """Lets guesses through one after the other, later and later for whoever guesses wrong."""

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()
        self._everybody = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Wait for a caller's turn to guess; raise TooManyGuessesError where too many wait."""
        guesser = self._guesser(caller)
        if guesser.waiting >= MOST_WAITING_OF_A_CALLER or self._waiting >= MOST_WAITING:
            raise TooManyGuessesError
        guesser.waiting += 1
        self._waiting += 1
        try:
            async with guesser.turn:
                await self._sleep(delay_seconds(guesser.failures))
                async with self._everybody:
                    await self._sleep(GAP_SECONDS)
                yield
        finally:
            guesser.waiting -= 1
            self._waiting -= 1

    def note(self, caller: str, *, is_right: bool) -> None:
        """Remember how a guess went."""
        guesser = self._guesser(caller)
        guesser.failures = 0 if is_right else guesser.failures + 1
        guesser.last = self._clock()

    def _guesser(self, caller: str) -> _Guesser:
        guesser = self._guessers.setdefault(caller, _Guesser())
        self._guessers.move_to_end(caller)
        if self._clock() - guesser.last > FORGIVEN_SECONDS:
            guesser.failures = 0
        if len(self._guessers) > MOST_CALLERS:
            idle = next((name for name, each in self._guessers.items() if not each.waiting), None)
            if idle not in {None, caller}:
                del self._guessers[str(idle)]
        return guesser


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
