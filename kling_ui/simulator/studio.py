"""The videos: rendered one at a time in the background, kept in a folder, and served.

The host that the result links point to takes signed links and needs no key.
"""

import asyncio
import hashlib
import logging
import secrets
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from kling_ui.catalog import MissingInputError
from kling_ui.catalog.inputs import remove_oldest
from kling_ui.simulator.faults import Fault, FaultInjector
from kling_ui.simulator.input_reader import InputReader
from kling_ui.simulator.render import render
from kling_ui.simulator.scene import scene_of
from kling_ui.simulator.tasks import Store, Task

MOST_BYTES = 10**9
"""How much is kept of the videos, and how much of what was handed in for them."""

_NOT_MADE = {"name": "internal_error", "message": "The video could not be made."}
_DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'

Outcome = Literal["made", "failed", "expired"]

_log = logging.getLogger(__name__)


class Studio:
    """Renders a task's video when it is asked for. A video is there when its file is whole.

    The newest videos are kept, MOST_BYTES of them; older ones are rendered again when they are
    asked for, as long as their inputs are kept; after that they have expired. A task whose video
    can't be made has failed, which `store` is told.
    """

    def __init__(self, folder: Path, *, store: Store, reader: InputReader, is_draft: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob("*.part"):  # of a process that was killed
            part.unlink(missing_ok=True)
        self._folder = folder
        self._store = store
        self.reader = reader
        self._is_draft = is_draft
        self._closing = threading.Event()
        self._going: dict[str, Future[Outcome]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="simulator-studio")

    def path(self, task: Task) -> Path:
        """Return where the video of `task` is, or will be."""
        return self._folder / task.file_name

    def order(self, task: Task) -> Future[Outcome]:
        """Have the video of `task` rendered unless it is there, being made or can't be made."""
        name = task.file_name
        if going := self._going.get(name):  # its thread may take it away at any time
            return going
        if self.path(task).exists():
            there = Future[Outcome]()
            there.set_result("made")
            return there
        going = self._going[name] = Future()
        self._pool.submit(self._work, task, going)
        return going

    def close(self) -> None:
        """Give up what is being rendered and wait for the worker to end."""
        self._closing.set()
        self._pool.shutdown(cancel_futures=True)

    def _work(self, task: Task, going: Future[Outcome]) -> None:
        outcome = self._made(task)
        if outcome == "made":
            del self._going[task.file_name]
        going.set_result(outcome)

    def _made(self, task: Task) -> Outcome:
        try:
            self._render(task)
        except MissingInputError:
            return "expired"
        except Exception:  # noqa: BLE001  whatever it was, the task says that it failed
            _log.exception("The simulated video %s could not be rendered", task.file_name)
            self._store.fail(task, _NOT_MADE)
            return "failed"
        with suppress(OSError):  # somebody else has removed one meanwhile
            remove_oldest(self._folder.glob("*.mp4"), beyond_bytes=MOST_BYTES)
            self.reader.inputs.keep_within(MOST_BYTES)
        return "made"

    def _render(self, task: Task) -> None:
        part = self.path(task).with_suffix(".part")
        try:
            scene = scene_of(
                task.payload,
                self.reader,
                seconds=task.video_seconds,
                take=task.file_name,
                is_draft=self._is_draft,
            )
            if render(scene, part, is_given_up=self._closing):
                part.replace(self.path(task))
        finally:
            part.unlink(missing_ok=True)


def cdn(injector: FaultInjector, store: Store, studio: Studio) -> Starlette:
    """Make the ASGI app that serves `/files/NAME.mp4?token=…`, whole or the range asked for.

    A link holds until a fault lets it expire, or the video.
    """
    expired: set[str] = set()

    async def download(request: Request) -> Response:
        fault: Fault | None = request.state.fault
        name, token = request.path_params["name"], request.query_params.get("token", "")
        if fault and fault.kind == "expired":
            expired.add(token)
        if token in expired or token != _signed(name, token.partition("-")[0]):
            return _denied(403)
        if (task := store.find_file(name)) is None:
            return _denied(404)
        # Cancelling a wrapped future would cancel the studio's own.
        if await asyncio.shield(asyncio.wrap_future(studio.order(task))) != "made":
            return _denied(403)
        if fault is None:
            return FileResponse(studio.path(task), media_type="video/mp4")
        if fault.kind == "redirect":
            return RedirectResponse(fault.location or signed_path(name), 302)
        whole = studio.path(task).read_bytes()
        end = len(whole) // (2 if fault.kind == "short" else 1)
        return Response(whole[:end], media_type="video/mp4")

    async def nothing(_: Request) -> Response:
        return _denied(404)

    return Starlette(
        routes=[
            injector.route("GET", "/files/{name}", download, stage="download"),
            injector.route(None, "/{path:path}", nothing),
        ]
    )


def signed_path(name: str) -> str:
    """Return a link to the file `name`; every call gives another one."""
    return f"/files/{name}?token={_signed(name, secrets.token_hex(8))}"


def _signed(name: str, nonce: str) -> str:
    return f"{nonce}-{hashlib.sha256(f'{name} {nonce}'.encode()).hexdigest()[:32]}"


def _denied(status: int) -> Response:
    return Response(_DENIED, status, media_type="application/xml")
