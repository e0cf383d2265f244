"""The host the result links point to: signed links to MP4 files, and no keys."""

import asyncio
import hashlib
import secrets

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from kling_ui.simulator.faults import Fault, FaultInjector
from kling_ui.simulator.studio import Studio
from kling_ui.simulator.tasks import Store

_DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'


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
