"""The host the result links point to: signed links to MP4 files, and no keys."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from kling_ui.simulator.faults import Cut, Fault, FaultInjector
from kling_ui.simulator.studio import ExpiredVideoError, Studio
from kling_ui.simulator.tasks import Store, Task

_DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'


@dataclass(kw_only=True)
class Cdn:
    """Serves `/files/NAME.mp4?token=…`; a link holds until a fault lets it expire, or the video."""

    injector: FaultInjector
    store: Store
    studio: Studio
    expired: set[str] = field(default_factory=set)

    def app(self) -> Starlette:
        """Make the ASGI app."""
        route = self.injector.route
        return Starlette(
            routes=[
                route("GET", "/files/{name}", self.download, stage="download"),
                route(None, "/{path:path}", self.nothing),
            ]
        )

    async def download(self, request: Request) -> Response:
        """Serve a file, whole or the range asked for."""
        fault: Fault | None = request.state.fault
        name, token = request.path_params["name"], request.query_params.get("token", "")
        if fault and fault.kind == "expired":
            self.expired.add(token)
        if token in self.expired or token != _signed(name, token.partition("-")[0]):
            return _denied(403)
        task = self.store.find_file(name)
        if task is None:
            return _denied(404)
        try:
            await rendered(self.studio, task)
        except ExpiredVideoError:
            return _denied(403)
        if fault is None:
            return FileResponse(self.studio.path(task), media_type="video/mp4")
        return self._spoiled(task, fault)

    async def nothing(self, _: Request) -> Response:
        """Answer every other path."""
        return _denied(404)

    def _spoiled(self, task: Task, fault: Fault) -> Response:
        whole = self.studio.path(task).read_bytes()
        if fault.kind == "redirect":
            return RedirectResponse(fault.location or signed_path(task.file_name), 302)
        body = {"short": whole[: len(whole) // 2], "empty": b""}.get(fault.kind, whole)
        answer = Response(body, media_type="video/mp4")
        return Cut(answer) if fault.kind == "truncated" else answer


async def rendered(studio: Studio, task: Task) -> None:
    """Wait until the video of `task` is there; raise RuntimeError where it can't be made.

    Raises ExpiredVideoError where it is gone for good.
    """
    # Cancelling a wrapped future would cancel the studio's own.
    await asyncio.shield(asyncio.wrap_future(studio.order(task)))


def signed_path(name: str) -> str:
    """Return a link to the file `name`; every call gives another one."""
    return f"/files/{name}?token={_signed(name, secrets.token_hex(8))}"


def _signed(name: str, nonce: str) -> str:
    return f"{nonce}-{hashlib.sha256(f'{name} {nonce}'.encode()).hexdigest()[:32]}"


def _denied(status: int) -> Response:
    return Response(_DENIED, status, media_type="application/xml")
