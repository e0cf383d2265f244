"""The life of the simulated provider: two servers in one thread, and what tests ask of them."""

import asyncio
import socket
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from uvicorn.server import ServerState

from kling_ui.catalog import Inputs
from kling_ui.simulator.cdn import Cdn
from kling_ui.simulator.endpoints import Endpoints
from kling_ui.simulator.faults import (
    Fault,
    FaultInjector,
    FaultPlan,
    FaultyProtocol,
    RecordedRequest,
)
from kling_ui.simulator.input_reader import InputReader
from kling_ui.simulator.model_list import ALIASES, ModelList
from kling_ui.simulator.studio import Studio
from kling_ui.simulator.tasks import Store

_HOST = "127.0.0.1"
_DRAFT_BELOW_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 75


class Simulator:
    """The provider on loopback. `start` and `stop` it, or use it in a `with`.

    `folder` keeps the tasks, which survive a restart like real ones. `seconds` is how long a
    generation takes (below 1, as in tests, the videos are small drafts). A port of 0 is a free
    one, kept from the first start on. `key` None takes any key, else only that one.
    `unlisted` holds ids of the catalog that the provider no longer lists or takes, except under
    their `aliases`; `deprecations` are rows of `/v1/models/deprecations`.
    """

    def __init__(
        self,
        *,
        folder: Path,
        seconds: float = 8.0,
        port: int = 0,
        cdn_port: int = 0,
        key: str | None = None,
        unlisted: Collection[str] = (),
        aliases: Mapping[str, Sequence[str]] = ALIASES,
        deprecations: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.seen: list[RecordedRequest] = []
        self._folder = folder
        self._seconds = seconds
        self._ports = [port, cdn_port]
        self._key = key
        self._models = ModelList(
            unlisted=frozenset(unlisted), aliases=aliases, deprecations=deprecations
        )
        self._plan = FaultPlan()
        self._store = Store(folder)
        self._reader = InputReader(Inputs(folder / "inputs"))
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """The API's address, without a slash at its end."""
        return self._url(0)

    @property
    def cdn_url(self) -> str:
        """The file host's address, without a slash at its end."""
        return self._url(1)

    @property
    def accepted(self) -> int:
        """How many creations were accepted, failed ones included."""
        return self._store.accepted()

    @property
    def charges(self) -> int:
        """How many creations are paid for: accepted, and not failed."""
        return self._store.charges(now=time.time())

    def plan(self, *faults: Fault) -> None:
        """Append `faults` to the plan."""
        self._plan.add(*faults)

    def clear(self) -> None:
        """Empty the plan of faults."""
        self._plan.clear()

    def start(self) -> None:
        """Start both servers and return when they answer."""
        if self._thread is not None:
            raise RuntimeError("The simulator is running already.")
        listeners = _listen(self._ports)
        self._ports = [listener.getsockname()[1] for listener in listeners]
        self._loop, self._stopping = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, args=(listeners,), name="simulator", daemon=True
        )
        # The ports listen from here on: who is early waits a moment in the queue.
        self._thread.start()

    def stop(self) -> None:
        """Break every connection, free the ports and return; harmless when not running."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _url(self, index: int) -> str:
        if not self._ports[index]:
            raise RuntimeError("The simulator has no address before it is started.")
        return f"http://{_HOST}:{self._ports[index]}"

    def _apps(self, studio: Studio) -> tuple[Starlette, Starlette]:
        endpoints = Endpoints(
            injector=FaultInjector(server="api", plan=self._plan, seen=self.seen),
            store=self._store,
            studio=studio,
            reader=self._reader,
            models=self._models,
            seconds=self._seconds,
            key=self._key,
            cdn_url=lambda: self.cdn_url,
        )
        cdn = Cdn(
            injector=FaultInjector(server="cdn", plan=self._plan, seen=self.seen),
            store=self._store,
            studio=studio,
        )
        return endpoints.app(), cdn.app()

    def _run(self, listeners: list[socket.socket]) -> None:
        studio = Studio(
            self._folder / "videos",
            reader=self._reader,
            is_draft=self._seconds < _DRAFT_BELOW_SECONDS,
            on_failed=lambda task, error: self._store.fail(task, error, now=time.time()),
        )
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listeners, self._apps(studio)))
        studio.close()

    async def _serve(
        self, listeners: list[socket.socket], apps: tuple[Starlette, Starlette]
    ) -> None:
        state = ServerState()
        servers = [
            await self._loop.create_server(
                partial(FaultyProtocol, _config(app), state, {}), sock=listener
            )
            for listener, app in zip(listeners, apps, strict=True)
        ]
        await self._stopping.wait()
        for server in servers:
            server.close()
        await _hang_up(state)


def _listen(ports: list[int]) -> list[socket.socket]:
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket.create_server((_HOST, port), backlog=512)) for port in ports
        ]
        for listener in listeners:
            # Accepted connections inherit it: small answers are sent at once.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stack.pop_all()
    return listeners


def _config(app: Starlette) -> uvicorn.Config:
    """Tell uvicorn what to serve, and to leave the logging of the process as it is."""
    return uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


async def _hang_up(state: ServerState) -> None:
    """Abort what is still open, so that the requests in it end by themselves."""
    running = list(state.tasks)
    for connection in list(state.connections):
        connection.transport.abort()
    if running:
        await asyncio.wait(running, timeout=0.5)
