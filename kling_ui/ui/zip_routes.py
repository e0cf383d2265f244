"""A set, or a selection, as one zip file: made when it is asked for, removed once it was sent."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from kling_ui.service import LedgerError, Service
from kling_ui.ui.gradio_compat import is_logged_in

SELECTION_PATH = "/media/selection.zip"
MOST_SELECTED = 200
"""How many generations one selection may name: more make an address that is too long."""

MOST_ZIPS = 2
"""How many zip files are made at once: each takes as much of the disk as its videos."""

_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


def zip_routes(service: Service) -> list[Route]:
    """Return the routes of sets, for whoever has an id, and of selections, by their ids."""
    zipping = asyncio.Semaphore(MOST_ZIPS)

    async def send_set(request: Request) -> Response:
        set_id = request.path_params["set_id"]
        name = f"kling-set-{set_id[:8]}.zip"
        return await send(request, name, lambda path: service.batches.export_set(set_id, path))

    async def send_selection(request: Request) -> Response:
        ids = request.query_params.get("ids", "").split(",")[:MOST_SELECTED]
        name = "kling-videos.zip"
        return await send(request, name, lambda path: service.history.export(ids, path))

    async def send(
        request: Request, name: str, export: Callable[[Path], Awaitable[None]]
    ) -> Response:
        if not is_logged_in(request.scope):
            return PlainTextResponse("Log in first.", status_code=401)
        async with zipping:
            return await _zipped(service, name, export)

    return [
        Route("/media/sets/{set_id}.zip", send_set, methods=["GET"]),
        Route(SELECTION_PATH, send_selection, methods=["GET"]),
    ]


def set_zip_url(set_id: str) -> str:
    """Return where a set is served as one zip file, from the app's root."""
    return f"/media/sets/{quote(set_id, safe='')}.zip"


async def _zipped(
    service: Service, name: str, export: Callable[[Path], Awaitable[None]]
) -> Response:
    path = service.files.new_zip()
    try:
        await export(path)
    except KeyError:
        return _refused(path, 404, "There is nothing of that here.")
    except LedgerError:
        return _refused(path, 503, "The ledger can't be read for now.")
    except OSError:
        return _refused(path, 507, "The zip file can't be written; is the disk full?")
    except BaseException:
        _remove(path)
        raise
    return _SentOnce(path, media_type="application/zip", filename=name, headers=_HEADERS)


class _SentOnce(FileResponse):
    """A file that is removed once it was sent, or could not be."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            _remove(Path(self.path))


def _refused(path: Path, status: int, message: str) -> Response:
    _remove(path)
    return PlainTextResponse(message, status_code=status)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
