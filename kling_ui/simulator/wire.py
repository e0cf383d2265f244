"""HTTP as the two servers speak it: what arrived is noted, and answers can break like real ones."""

import asyncio
import contextlib
import json
import socket
import struct
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from kling_ui.simulator.faults import Fault, Plan, Stage

Endpoint = Callable[[Request], Awaitable[Response]]

_MOST_SEEN, _MOST_BYTES, _LARGE_BODY = 10_000, 2**27, 2**17
"""Where the oldest half of what was seen is forgotten: an app may run on this for months."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_GATEWAY_PAGE = """<html>
<head><title>{status} {reason}</title></head>
<body><center><h1>{status} {reason}</h1></center><hr><center>gateway</center></body>
</html>
"""
_REASONS = {
    200: "OK",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request that arrived. Header names are lowercase; a body left unread is empty."""

    server: Literal["api", "cdn"]
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class RefusedError(Exception):
    """The provider says no, in its own JSON."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        meta: dict[str, Any] | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.meta = meta
        self.retry_after = retry_after
        self.request_id = str(uuid.uuid4())

    def response(self, path: str) -> Response:
        """Write the documented error body."""
        content: dict[str, Any] = {
            "message": self.message,
            "path": path,
            "requestId": self.request_id,
            "statusCode": self.status,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if self.meta:
            content["meta"] = self.meta
        headers = {"retry-after": self.retry_after} if self.retry_after is not None else None
        return JSONResponse(content, self.status, headers)


class Wire(H11Protocol):
    """HTTP/1.1 that leaves its transport where an answer can break it, and logs no access."""

    def connection_made(  # type: ignore[override]  # as in the parent
        self, transport: asyncio.Transport
    ) -> None:
        """Hand the transport to the requests of this connection, as `scope["state"]`."""
        super().connection_made(transport)
        self.access_log = False
        self.app_state = {**self.app_state, "transport": transport}


class Reset(Response):
    """No answer: the connection is torn down with a TCP reset."""

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,  # noqa: ARG002  every ASGI app is handed it
    ) -> None:
        """Reset at once; return when the server has noticed."""
        transport: asyncio.Transport = scope["state"]["transport"]
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            # Lingering for no time is what turns the close into a reset; a client that was
            # killed has closed it already.
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _gone(receive)


class Hang(Reset):
    """No answer for some seconds, then a reset; ends early when the client has gone."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then reset."""
        try:
            async with asyncio.timeout(self.seconds):
                await _gone(receive)
        except TimeoutError:
            await super().__call__(scope, receive, send)


class Cut(Response):
    """Another answer, stopped in the middle of its body."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self.whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Announce the whole body, send half of it, and close."""
        whole = self.whole
        await send(
            {
                "type": "http.response.start",
                "status": whole.status_code,
                "headers": whole.raw_headers,
            }
        )
        half = bytes(whole.body)[: len(whole.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["state"]["transport"].close()
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def gateway_page(status: int) -> Response:
    """Write the HTML page of a gateway that has lost its server."""
    reason = _REASONS.get(status, "Error")
    return HTMLResponse(_GATEWAY_PAGE.format(status=status, reason=reason), status)


def fault_of(request: Request) -> Fault | None:
    """Return the fault that `request` meets."""
    fault: Fault | None = request.state.fault
    return fault


def spoiled(answer: Response, fault: Fault, path: str) -> Response:
    """Return what `fault` leaves of `answer`; what only its endpoint can spoil stays whole."""
    spoilers: dict[str, Callable[[], Response]] = {
        "reset_before": Reset,
        "reset_after": Reset,
        "hang": lambda: Hang(fault.seconds),
        "status": lambda: refusal(fault).response(path),
        "html": lambda: gateway_page(fault.status or (200 if fault.on == "download" else 502)),
        "cut": lambda: Cut(answer),
        "garbage": lambda: Response(fault.body, media_type="application/json"),
        "no_id": lambda: _without_id(answer),
        "generation_id": lambda: _renamed_id(answer),
    }
    spoiler = spoilers.get(fault.kind)
    return spoiler() if spoiler else answer


def refusal(fault: Fault) -> RefusedError:
    """Turn a `status` fault into the provider's refusal."""
    status = fault.status or 503
    message = fault.message or _REASONS.get(status, "The request was refused.")
    return RefusedError(status, message, retry_after=fault.retry_after)


def _without_id(answer: Response) -> Response:
    content = json.loads(bytes(answer.body))
    del content["id"]
    return JSONResponse(content, answer.status_code)


def _renamed_id(answer: Response) -> Response:
    content = json.loads(bytes(answer.body))
    return JSONResponse({"generation_id": content.pop("id"), **content}, answer.status_code)


@dataclass(kw_only=True)
class Desk:
    """Where requests to one server arrive: it notes them and applies the plan of faults."""

    server: Literal["api", "cdn"]
    plan: Plan
    seen: list[Seen]
    on_refused: Callable[[Request, bytes, RefusedError], Awaitable[None]] | None = None

    def route(
        self, method: str | None, path: str, endpoint: Endpoint, *, stage: Stage | None = None
    ) -> Route:
        """Make a route to `endpoint`, which faults of `stage` reach; no method means any."""

        async def arrive(request: Request) -> Response:
            fault = self.plan.take(stage) if stage else None
            is_unread = fault is not None and fault.kind == "reset_before"
            try:
                body = b"" if is_unread else await request.body()
            except ClientDisconnect:
                return Reset()
            self._note(request, body)
            request.state.fault = fault
            try:
                return await self._answer(request, endpoint, fault)
            except RefusedError as refused:
                if stage == "create" and self.on_refused:
                    await self.on_refused(request, body, refused)
                return refused.response(request.url.path)

        return Route(path, arrive, methods=[method] if method else _METHODS)

    async def _answer(self, request: Request, endpoint: Endpoint, fault: Fault | None) -> Response:
        if fault is None:
            return await endpoint(request)
        if fault.kind == "status" and not fault.after:
            raise refusal(fault)
        if not fault.is_carried_out:
            return spoiled(Response(), fault, request.url.path)
        return spoiled(await endpoint(request), fault, request.url.path)

    def _note(self, request: Request, body: bytes) -> None:
        self.seen.append(
            Seen(
                server=self.server,
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                headers=dict(request.headers),
                body=body,
            )
        )
        if len(self.seen) > _MOST_SEEN:
            del self.seen[: len(self.seen) // 2]
        # Several huge bodies in a row may leave but the last of them.
        while len(body) > _LARGE_BODY and self._bytes_seen() > _MOST_BYTES and len(self.seen) > 1:
            del self.seen[: len(self.seen) // 2]

    def _bytes_seen(self) -> int:
        return sum(len(seen.body) for seen in self.seen)
