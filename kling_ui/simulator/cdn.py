"""The host the result links point to: signed links to MP4 files, and no keys."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from kling_ui.simulator.faults import Fault
from kling_ui.simulator.studio import Studio
from kling_ui.simulator.tasks import Store, Task
from kling_ui.simulator.wire import Cut, Desk, fault_of

_DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'


@dataclass(kw_only=True)
class Cdn:
    """Serves `/files/NAME.mp4?token=…`; a link holds until a fault lets it expire."""

    desk: Desk
    store: Store
    studio: Studio
    expired: set[str] = field(default_factory=set)

    def app(self) -> Starlette:
        """Make the ASGI app."""
        return Starlette(
            routes=[
                self.desk.route("GET", "/files/{name}", self.download, stage="download"),
                self.desk.route(None, "/{path:path}", self.nothing),
            ]
        )

    async def download(self, request: Request) -> Response:
        """Serve a file, whole or the range asked for."""
        fault = fault_of(request)
        name, token = request.path_params["name"], request.query_params.get("token", "")
        if fault and fault.kind == "expired":
            self.expired.add(token)
        if token in self.expired or not is_signed(name, token):
            return Response(_DENIED, 403, media_type="application/xml")
        task = self.store.find_file(name)
        if task is None:
            return Response(_DENIED, 404, media_type="application/xml")
        await asyncio.wrap_future(self.studio.order(task))
        if fault is None:
            return FileResponse(self.studio.path(task), media_type="video/mp4")
        return self._spoiled(task, fault)

    async def nothing(self, _: Request) -> Response:
        """ApiResponse every other path."""
        return Response(_DENIED, 404, media_type="application/xml")

    def _spoiled(self, task: Task, fault: Fault) -> Response:
        whole = self.studio.path(task).read_bytes()
        match fault.kind:
            case "truncated":
                return Cut(_mp4(whole))
            case "short":
                return _mp4(whole[: len(whole) // 2])
            case "empty":
                return _mp4(b"")
            case "garbage":
                return _mp4(fault.body)
            case "redirect":
                token = signature(task.file_name)
                return RedirectResponse(
                    fault.location or f"/files/{task.file_name}?token={token}", 302
                )
            case _:
                return _mp4(whole)


def _mp4(body: bytes) -> Response:
    return Response(body, media_type="video/mp4")


def signature(name: str) -> str:
    """Sign a link to the file `name`; every call gives another token."""
    return _signed(name, secrets.token_hex(8))


def is_signed(name: str, token: str) -> bool:
    """Tell whether `token` was made for `name`: a link changed on its way is no link."""
    return token == _signed(name, token.partition("-")[0])


def _signed(name: str, nonce: str) -> str:
    return f"{nonce}-{hashlib.sha256(f'{name} {nonce}'.encode()).hexdigest()[:32]}"
