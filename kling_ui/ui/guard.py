"""A gate before Gradio's own routes: closes those that would leak inputs or fetch for others."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """ASGI middleware: 404 for the routes that Gradio serves and this app must not.

    `deep_link` writes a visitor's inputs to disk and serves them to anyone; `runs` keeps every
    input; `file=http…` streams any public address through this server. A page of another
    site is refused (403): Gradio reflects any Origin, with credentials.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ApiResponse what is closed; hand everything else on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _is_closed(scope["path"]):
            await _refuse(send, 404, b"Not found")
            return
        if scope["method"] == "POST" and not _is_same_site(_headers(scope)):
            await _refuse(send, 403, b"Requests from other sites are refused")
            return
        await self._app(scope, receive, send)


def _is_closed(path: str) -> bool:
    words = unquote(path).lower().split("/")
    if {"deep_link", "runs"} & set(words):
        return True
    return any(word in {"file=http:", "file=https:"} for word in words)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _is_same_site(headers: dict[str, str]) -> bool:
    """Tell whether a request comes from our own page, or from no page at all.

    Behind a proxy the name the browser used stands in X-Forwarded-Host.
    """
    origin = headers.get("origin")
    if origin is None:
        return True
    ours = {headers.get("host"), headers.get("x-forwarded-host")}
    return urlsplit(origin).netloc in ours


async def _refuse(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
