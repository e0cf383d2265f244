"""Where requests go: the AI/ML API with a key, or the simulator; it may change while the app runs.

A key that was entered lives in its client and nowhere else, until the app ends.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kling_ui.client import AccessDeniedError, ClientError, Route
from kling_ui.ledger import LIVE, SIMULATOR, Generation, Ledger, LedgerError
from kling_ui.service.balance import Balance
from kling_ui.service.context import PollSettings, RunContext
from kling_ui.service.day_limit import DayLimit
from kling_ui.service.estimates import Estimates
from kling_ui.service.files import Files
from kling_ui.service.live_catalog import LiveCatalog
from kling_ui.service.provider import Provider
from kling_ui.service.runtime import Runtime
from kling_ui.service.turns import Turns
from kling_ui.service.waits import UsualWaits

KEY_CHECK_SECONDS = 20.0
"""How long the provider may take to tell the balance of a key that was entered."""

_STAYS = "Requests go where they went before."
_log = logging.getLogger(__name__)


class CannotConnectError(Exception):
    """Requests can't go there, and go where they went before. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection(RunContext):
    """One place that is asked through one client, and what is known of its prices and waits."""

    origin: str
    day_limit: DayLimit
    balance: Balance

    async def keep_informed(self) -> None:
        """Learn the usual waits, then keep the provider's lists fresh, until cancelled."""
        try:
            await asyncio.to_thread(self.waits.load)
        except LedgerError as exc:
            _log.warning("usual waits: %s", exc)
        await self.live.keep_fresh()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFactory:
    """Makes connections over the same ledger and files; see `Service` for the arguments."""

    ledger: Ledger
    folder: Path
    files: Files
    body_of: Callable[[Generation], Mapping[str, Any] | None]
    seconds_of: Callable[[Mapping[str, Any]], float | None]
    parallel: Callable[[], int]
    route: Route | None
    poll_settings: PollSettings
    runtime: Runtime
    day_usd: float | None

    def connection(
        self, client: Provider, origin: str, *, simulator_seconds: float | None = None
    ) -> Connection:
        """Return a new connection; `simulator_seconds` is None where the live API is asked."""
        ledger, now = self.ledger, self.runtime.now
        live = LiveCatalog(client=client, folder=self.folder, origin=origin, now=now)
        waits = UsualWaits(ledger=ledger, origin=origin, simulator_seconds=simulator_seconds)
        day_limit = DayLimit(self.day_usd if origin == LIVE else None, ledger=ledger, now=now)
        estimates = Estimates(
            live=live,
            waits=waits,
            is_simulated=origin == SIMULATOR,
            seconds_of=self.seconds_of,
            now=now,
        )
        turns = Turns(
            ledger=ledger,
            origin=origin,
            key_hash=client.key_hash,
            parallel=self.parallel,
            day_limit=day_limit,
            runtime=self.runtime,
        )
        return Connection(
            origin=origin,
            client=client,
            ledger=ledger,
            files=self.files,
            body_of=self.body_of,
            forced_route=self.route,
            poll_settings=replace(self.poll_settings, simulator_seconds=simulator_seconds),
            runtime=self.runtime,
            waits=waits,
            live=live,
            estimates=estimates,
            day_limit=day_limit,
            balance=Balance(client),
            turns=turns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """Makes the clients that the app may switch to; only the composition root knows how.

    `live` makes one from a key, or raises ValueError in words for people; `simulator` starts the
    simulator first where it does not run yet. Both block.
    """

    live: Callable[[str], Provider]
    simulator: Callable[[], Provider]
    simulator_seconds: float


class Connections:
    """The connections made so far. What went through one goes on being asked through it."""

    def __init__(
        self, factory: ConnectionFactory, first: Connection, *, connector: Connector | None
    ) -> None:
        self._factory = factory
        self._connector = connector
        self._first = first
        self._made = [first]  # the one in use last
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def current(self) -> Connection:
        """The connection that new requests go through."""
        return self._made[-1]

    @property
    def can_switch(self) -> bool:
        """Tell whether requests may be sent elsewhere while the app runs."""
        return self._connector is not None

    def of(self, generation: Generation) -> Connection | None:
        """Return the connection to ask for a generation through: with its own key if it is there.

        None where the app has no connection to where it was sent.
        """
        same = [each for each in self._made[::-1] if each.origin == generation.origin]
        own = [each for each in same if each.client.key_hash == generation.key_hash]
        return next(iter([*own, *same]), None)

    async def use_key(self, key: str) -> float:
        """Send new requests to the API with `key`; return the account's balance in USD.

        Raises CannotConnectError, and then nothing has changed.
        """
        connector = self._permitted()
        async with self._turn:
            try:
                client = await asyncio.to_thread(connector.live, key)
            except ValueError as exc:
                raise CannotConnectError(f"{exc} {_STAYS}") from None
            try:
                balance = await _balance(client)
            except CannotConnectError:
                await client.aclose()
                raise
            known = [
                each
                for each in self._made
                if (each.origin, each.client.key_hash) == (LIVE, client.key_hash)
            ]
            if known:
                await client.aclose()
            self._use(known[0] if known else self._factory.connection(client, LIVE))
        return balance

    async def use_simulator(self) -> None:
        """Send new requests to the simulator; start it where it does not run yet.

        Raises CannotConnectError.
        """
        connector = self._permitted()
        async with self._turn:
            known = [each for each in self._made if each.origin == SIMULATOR]
            if known:
                self._use(known[0])
                return
            try:
                client = await asyncio.to_thread(connector.simulator)
            except OSError as exc:
                raise CannotConnectError(
                    f"The simulator can't be started ({exc.strerror}). {_STAYS}"
                ) from exc
            seconds = connector.simulator_seconds
            self._use(self._factory.connection(client, SIMULATOR, simulator_seconds=seconds))

    async def keep_informed(self) -> None:
        """Keep what is known of the connection in use fresh, until cancelled."""
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as tasks:
                fresh = tasks.create_task(self.current.keep_informed())
                await self._changed.wait()
                fresh.cancel()

    async def close(self) -> None:
        """Close the clients that were made here; the first one is its maker's."""
        for each in self._made:
            await each.turns.close()
            await each.balance.close()
            if each is not self._first:
                await each.client.aclose()

    def _permitted(self) -> Connector:
        if self._connector is None:
            raise CannotConnectError(f"Where requests go is set by this app's owner. {_STAYS}")
        return self._connector

    def _use(self, connection: Connection) -> None:
        self._made = [each for each in self._made if each is not connection] + [connection]
        self._changed.set()
        _log.info("new requests go to %s", connection.origin)


async def _balance(client: Provider) -> float:
    """Ask what the account behind a key holds; raise CannotConnectError in words."""
    try:
        async with asyncio.timeout(KEY_CHECK_SECONDS):
            return await client.balance()
    except AccessDeniedError as exc:
        raise CannotConnectError(
            f"The AI/ML API refused this key: copy it again from your account's page. {_STAYS}"
        ) from exc
    except ClientError as exc:
        raise CannotConnectError(f"The key could not be tested: {exc.message} {_STAYS}") from exc
    except TimeoutError as exc:
        raise CannotConnectError(
            f"The key could not be tested: the AI/ML API did not answer in time. {_STAYS}"
        ) from exc
