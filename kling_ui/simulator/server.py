"""The life of the simulated provider: two servers in one thread, and what tests ask of them."""

import asyncio
import socket
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

import uvicorn
from uvicorn.server import ServerState

from kling_ui.catalog import Inputs
from kling_ui.simulator.endpoints import Endpoints
from kling_ui.simulator.faults import Fault, FaultInjector, FaultyProtocol, RecordedRequest
from kling_ui.simulator.input_reader import InputReader
from kling_ui.simulator.studio import Studio, cdn
from kling_ui.simulator.tasks import Store

_HOST = "127.0.0.1"
_DRAFT_BELOW_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 75


class Simulator:
    """The provider on loopback. `start` and `stop` it, or use it in a `with`.

    `folder` keeps the tasks, which survive a restart like real ones. `seconds` is how long a
    generation takes (below 1, as in tests, the videos are small drafts). `port` is the
    API's; 0 is a free one, kept from the first start on. `key` None takes any key, else only
    that one.
    """

    def __init__(
        self,
        *,
        folder: Path,
        seconds: float = 8.0,
        port: int = 0,
        key: str | None = None,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._ports = [port, 0]
        self._key = key
        self._injector = FaultInjector()
        self._store = Store(folder)
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
    def seen(self) -> list[RecordedRequest]:
        """The requests that arrived, oldest first."""
        return self._injector.seen

    @property
    def accepted(self) -> int:
        """How many creations were accepted, failed ones included."""
        return len(self._store.tasks())

    @property
    def charges(self) -> int:
        """How many creations are paid for: accepted, and not failed."""
        return len(self._store.paid())

    def plan(self, *faults: Fault) -> None:
        """Append `faults` to the plan."""
        self._injector.plan(*faults)

    def clear(self) -> None:
        """Empty the plan of faults."""
        self._injector.clear()

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

    def _run(self, listeners: list[socket.socket]) -> None:
        reader = InputReader(Inputs(self._folder / "inputs"))
        studio = Studio(
            self._folder / "videos",
            store=self._store,
            reader=reader,
            is_draft=self._seconds < _DRAFT_BELOW_SECONDS,
        )
        endpoints = Endpoints(
            injector=self._injector,
            store=self._store,
            studio=studio,
            seconds=self._seconds,
            key=self._key,
            cdn_url=self.cdn_url,
        )
        # The logging of the process stays as it is.
        serve = partial(
            uvicorn.Config,
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        apps = (endpoints.app(), cdn(self._injector, self._store, studio))
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listeners, [serve(app) for app in apps]))
        studio.close()

    async def _serve(self, listeners: list[socket.socket], configs: list[uvicorn.Config]) -> None:
        state = ServerState()
        servers = [
            await self._loop.create_server(partial(FaultyProtocol, config, state, {}), sock=sock)
            for sock, config in zip(listeners, configs, strict=True)
        ]
        await self._stopping.wait()
        for server in servers:
            server.close()
        # The requests in what is still open end by themselves.
        running = list(state.tasks)
        for connection in list(state.connections):
            connection.transport.abort()
        if running:
            await asyncio.wait(running, timeout=0.5)


def _listen(ports: list[int]) -> list[socket.socket]:
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket.create_server((_HOST, port), backlog=512)) for port in ports
        ]
        for listener in listeners:
            # Accepted connections inherit it: else every small answer waits 40 ms for an ACK.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stack.pop_all()
    return listeners
