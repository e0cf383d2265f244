"""A set as one zip file: made when it is asked for, removed once it was sent."""

from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from kling_ui.service import LedgerError, Service

_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


async def set_zip(service: Service, set_id: str) -> Response:
    """Return a set's videos and its table, for whoever has its id, or why they can't be sent."""
    path = service.files.new_zip()
    try:
        await service.batches.export_set(set_id, path)
    except KeyError:
        return _refused(path, 404, "There is no such set.")
    except LedgerError:
        return _refused(path, 503, "The ledger can't be read for now.")
    except OSError:
        return _refused(path, 507, "The zip file can't be written; is the disk full?")
    except BaseException:
        _remove(path)
        raise
    name = f"kling-set-{set_id[:8]}.zip"
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
