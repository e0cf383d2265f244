"""Serves a generation's files at `/media/ID/NAME`: by generation and name, never by a disk path.

The pictures of the example cards are served beside them, to everybody, and sets as zip files.

Whoever has an id may look; where the app has a login, after it. Range and HEAD are answered.
"""

from typing import Any
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from kling_ui.catalog import MEDIA_TYPES
from kling_ui.service import POSTER, VIDEO, Generation, LedgerError, Service, telling_name
from kling_ui.ui.create.examples import EXAMPLES, EXAMPLES_PATH, FOLDER
from kling_ui.ui.gradio_compat import is_logged_in
from kling_ui.ui.zip_routes import zip_routes

_HEADERS = {
    "x-content-type-options": "nosniff",
    # A name's bytes never change; `private` keeps them out of caches between us and the browser.
    "cache-control": "private, max-age=31536000, immutable",
}
_EXAMPLES = {each.picture: FOLDER / each.picture for each in EXAMPLES if each.picture}
_NOT_FOUND = "There is no such file."


def media_url(generation: Generation, name: str) -> str:
    """Return where a generation's file is served, from the app's root."""
    return f"/media/{quote(generation.id, safe='')}/{quote(name, safe='')}"


def root_path_of(request: Any) -> str:
    """Return the path below which a `gr.Request`'s browser sees the app, "" at the top.

    Only the path, also where GRADIO_ROOT_PATH is a whole address: the browser knows its host.
    """
    scope = request.request.scope
    return str(urlsplit(scope.get("root_path", "")).path).rstrip("/")


def media_routes(service: Service) -> list[Route]:
    """Return the routes to hand to `launch(app_kwargs={"routes": …})`."""

    async def send(request: Request) -> Response:
        if not is_logged_in(request.scope):
            return PlainTextResponse("Log in first.", status_code=401)
        name = request.path_params["name"]
        try:
            generation = await service.get(request.path_params["generation_id"])
            path = await service.media_file(generation, name) if generation else None
        except LedgerError:
            return PlainTextResponse("The ledger can't be read for now.", status_code=503)
        if generation is None or path is None:
            return PlainTextResponse(_NOT_FOUND, status_code=404)
        shown = telling_name(generation) if name == VIDEO else name
        return FileResponse(
            path,
            media_type=MEDIA_TYPES.get(path.suffix[1:].lower(), "application/octet-stream"),
            filename=shown,
            content_disposition_type=(
                "attachment" if "download" in request.query_params else "inline"
            ),
            headers=_HEADERS,
        )

    async def send_example(request: Request) -> Response:
        picture = _EXAMPLES.get(request.path_params["name"])
        if picture is None:
            return PlainTextResponse(_NOT_FOUND, status_code=404)
        return FileResponse(picture, media_type="image/jpeg", headers=_HEADERS)

    methods = ["GET", "HEAD"]
    return [
        *zip_routes(service),
        Route(f"{EXAMPLES_PATH}/{{name}}", send_example, methods=methods),
        Route("/media/{generation_id}/{name}", send, methods=methods),
    ]


def video_url(generation: Generation) -> str | None:
    """Return where a generation's video is served, or None where there is none."""
    return media_url(generation, VIDEO) if generation.video else None


def poster_url(generation: Generation) -> str | None:
    """Return where the first picture of a generation's video is served, or None."""
    return media_url(generation, POSTER) if generation.video else None
