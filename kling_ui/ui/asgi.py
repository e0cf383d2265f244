"""What the middlewares share: the types of ASGI, one header of a request, an answer of our own."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first value of a header (`name` in lower case), None where it is missing."""
    values = header_values(scope, name)
    return values[0] if values else None


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Return every value of a header, one for each time it was sent."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def route_path(scope: Scope) -> str:
    """Return the path that the routes are matched against: without the root path."""
    path, root_path = str(scope["path"]), str(scope.get("root_path") or "").rstrip("/")
    rest = path.removeprefix(root_path)
    return rest if root_path and rest != path and rest[:1] in {"", "/"} else path


async def respond(
    send: Send, status: int, body: bytes, *, content_type: str, headers: HeaderList | None = None
) -> None:
    """Send a whole answer."""
    start: HeaderList = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def refuse(
    send: Send, status: int, message: str, *, headers: HeaderList | None = None
) -> None:
    """Refuse a request in the form whose `detail` Gradio's clients show to people."""
    body = json.dumps({"detail": message}).encode()
    await respond(send, status, body, content_type="application/json", headers=headers)
