"""The life of the simulated provider: two servers in one thread, and what tests ask of them."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

import uvicorn
from starlette.applications import Starlette
from uvicorn.server import ServerState

from kling_ui.simulator.api import Api
from kling_ui.simulator.cdn import Cdn
from kling_ui.simulator.faults import Fault, Plan
from kling_ui.simulator.inputs import Inputs
from kling_ui.simulator.studio import Studio
from kling_ui.simulator.tasks import Store
from kling_ui.simulator.wire import Desk, Seen, Wire

_HOST = "127.0.0.1"
_DRAFT_BELOW_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 75


class Simulator:
    """The provider on loopback. `start` and `stop` it, or use it in a `with`.

    `folder` keeps the tasks, which survive a restart like real ones. `seconds` is how long a
    generation takes (below 1, as in tests, the videos are small drafts). A port of 0 is a free
    one, kept from the first start on. `key` None takes any key, else only that one.
    """

    def __init__(
        self,
        *,
        folder: Path,
        seconds: float = 8.0,
        port: int = 0,
        cdn_port: int = 0,
        key: str | None = None,
    ) -> None:
        self.seen: list[Seen] = []
        self._folder = folder
        self._seconds = seconds
        self._ports = [port, cdn_port]
        self._key = key
        self._plan = Plan()
        self._store = Store(folder)
        self._inputs = Inputs(folder / "inputs")
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
        api = Api(
            desk=Desk(server="api", plan=self._plan, seen=self.seen),
            store=self._store,
            studio=studio,
            inputs=self._inputs,
            seconds=self._seconds,
            key=self._key,
            cdn_url=lambda: self.cdn_url,
        )
        cdn = Cdn(
            desk=Desk(server="cdn", plan=self._plan, seen=self.seen),
            store=self._store,
            studio=studio,
        )
        return api.app(), cdn.app()

    def _run(self, listeners: list[socket.socket]) -> None:
        studio = Studio(
            self._folder / "videos",
            inputs=self._inputs,
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
            await self._loop.create_server(partial(Wire, _config(app), state, {}), sock=listener)
            for listener, app in zip(listeners, apps, strict=True)
        ]
        await self._stopping.wait()
        for server in servers:
            server.close()
        await _hang_up(state)


def _listen(ports: list[int]) -> list[socket.socket]:
    with ExitStack() as stack:
        # asyncio sends small answers at once only where the protocol number says TCP.
        listeners = [
            stack.enter_context(
                socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            )
            for _ in ports
        ]
        for listener, port in zip(listeners, ports, strict=True):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_HOST, port))
            listener.listen(512)
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
