"""What can be made to go wrong, in which order, and how it is carried out over HTTP."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

Endpoint = Callable[[Request], Awaitable[Response]]
Stage = Literal["create", "get", "logs", "models", "billing", "download"]

_ALL: tuple[Stage, ...] = ("create", "get", "logs", "models", "billing", "download")
KINDS: Mapping[str, tuple[Stage, ...]] = {
    "reset_before": _ALL,  # the connection is reset, the body unread: nothing happened
    "reset_after": _ALL,  # the request is carried out, then reset without an answer
    "hang": _ALL,  # no answer for `seconds`, then a reset
    "status": _ALL,  # a refusal with `status` (503) and `message`, in the provider's own JSON
    "html": _ALL,  # a gateway's page, 502 unless `status` says otherwise (download: 200)
    "cut": _ALL,  # the real answer with its whole length, stopped in the middle
    "garbage": _ALL,  # 200 with `body`, which is no JSON and no MP4
    "no_id": ("create",),  # 201 without any id; the task exists
    "generation_id": ("create",),  # the id stands in `generation_id` instead of `id`
    "word": ("get",),  # `word` in place of the real status, and no video
    "error": ("get",),  # the task ends with `word` ("error") and `error`, and is not charged
    "late": ("logs",),  # no rows yet
    "short": ("download",),  # half the file, as if it were whole
    "expired": ("download",),  # 403 for this very link for good; the next GET tells a fresh one
    "redirect": ("download",),  # 302 to `location`, or to the file under another token
}
"""Kind → the stages at which it exists."""

_MOST_REQUESTS, _MOST_BODY_BYTES = 10_000, 2**20
"""What is recorded has its bounds: an app may run for months."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong at `on`, `times` times in a row (None: from now on).

    `kind` is one of `KINDS`. `after` lets a refused, hanging or gateway's request be carried out
    first: the task exists and is charged. `error` is any JSON.
    """

    on: Stage
    kind: str
    times: int | None = 1
    status: int | None = None
    retry_after: str | None = None
    message: str | None = None
    seconds: float = 3600.0
    after: bool = False
    word: str | None = None
    error: Any = None
    body: bytes = b"\x00\x17not what you asked for\xff"
    location: str | None = None

    def __post_init__(self) -> None:
        if self.on not in KINDS.get(self.kind, ()):
            raise ValueError(f"There is no fault {self.kind!r} on {self.on!r}.")

    @property
    def is_carried_out(self) -> bool:
        """Tell whether the request takes effect although its answer is spoilt."""
        return self.after if self.kind in {"hang", "html", "status"} else True

    def refusal(self) -> "RefusedError":
        """Return what it refuses a request with."""
        status = self.status or 503
        return RefusedError(status, self.message or phrase(status), retry_after=self.retry_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One request that arrived. Header names are lowercase; a huge or unread body is empty."""

    server: Literal["api", "cdn"]
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(eq=False)
class RefusedError(Exception):
    """The provider says no. `issues` are fields and messages."""

    status: int
    message: str
    issues: list[dict[str, Any]] = field(default_factory=list)
    retry_after: str | None = None

    def response(self, request: Request) -> Response:
        """Write the provider's `application/problem+json`."""
        title = phrase(self.status)
        data = {"issues": self.issues} if self.issues else {}
        name = f"{title.replace(' ', '')}Exception"
        content = {
            "title": title,
            "status": self.status,
            "message": self.message,
            "instance": f"{request.url.path}?{request.url.query}",
            "requestId": request.state.request_id,
            "timestamp": utc_time(datetime.now(UTC).timestamp()),
            "error": {"name": name, "message": self.message, "data": data},
        }
        headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
        return JSONResponse(content, self.status, headers, media_type="application/problem+json")


class FaultyProtocol(H11Protocol):
    """HTTP/1.1 that leaves its transport where an answer can break it, and logs no access."""

    def connection_made(  # type: ignore[override]  # as in the parent
        self, transport: asyncio.Transport
    ) -> None:
        """Hand the transport to the requests of this connection, as `scope["state"]`."""
        super().connection_made(transport)
        self.access_log = False
        self.app_state = {**self.app_state, "transport": transport}


class Reset(Response):
    """No answer for `seconds`, then a TCP reset; ends early when the client has gone."""

    def __init__(self, *, seconds: float = 0) -> None:
        super().__init__()
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Wait, reset, and return when the server has noticed."""
        if self.seconds:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.seconds):
                    return await _disconnected(receive)
        transport: asyncio.Transport = scope["state"]["transport"]
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            # A linger time of zero makes close() send RST. A killed client has closed already.
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return await _disconnected(receive)


class Cut(Response):
    """Another answer that announces its whole body, sends half of it, and closes."""

    def __init__(self, whole: Response) -> None:
        super().__init__(status_code=whole.status_code)
        self.raw_headers = [pair for pair in whole.raw_headers if pair[0] != b"x-inference-id"]
        self.half = bytes(whole.body)[: len(whole.body) // 2]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is; return when the server has noticed."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.half, "more_body": True})
        scope["state"]["transport"].close()
        await _disconnected(receive)


class FaultInjector:
    """Stands before the endpoints of both servers: records requests and applies faults.

    Faults come first come first served at each stage; they may be planned from any thread.
    """

    def __init__(self) -> None:
        self.seen: list[RecordedRequest] = []
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def plan(self, *faults: Fault) -> None:
        """Append `faults`, each as often as it is to happen."""
        with self._lock:
            for fault in faults:
                self._faults += [fault] * (1 if fault.times is None else fault.times)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def route(
        self,
        method: str | None,
        path: str,
        endpoint: Endpoint,
        *,
        stage: Stage | None = None,
        on_refused: Callable[[Request, RefusedError], Awaitable[None]] | None = None,
    ) -> Route:
        """Make a route to `endpoint`, which faults of `stage` reach; no method means any."""

        async def answer(request: Request) -> Response:
            request.state.request_id = str(uuid.uuid4())
            fault = request.state.fault = self._take(stage)
            if fault and fault.kind == "reset_before":
                self._record(request, b"")
                return Reset()
            try:
                self._record(request, await request.body())
            except ClientDisconnect:
                return Reset()
            try:
                response = await _answer(request, endpoint, fault)
            except RefusedError as refused:
                if on_refused:
                    await on_refused(request, refused)
                response = refused.response(request)
            response.headers["x-request-id"] = request.state.request_id
            return response

        return Route(path, answer, methods=[method] if method else _METHODS)

    def _take(self, stage: Stage | None) -> Fault | None:
        """Return the fault that the next request at `stage` meets, if any."""
        with self._lock:
            fault = next((fault for fault in self._faults if fault.on == stage), None)
            if fault and fault.times is not None:
                self._faults.remove(fault)
        return fault

    def _record(self, request: Request, body: bytes) -> None:
        self.seen.append(
            RecordedRequest(
                server="cdn" if request.url.path.startswith("/files/") else "api",
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                headers=dict(request.headers),
                body=body if len(body) <= _MOST_BODY_BYTES else b"",
            )
        )
        if len(self.seen) > _MOST_REQUESTS:
            del self.seen[: _MOST_REQUESTS // 2]


def utc_time(seconds: float) -> str:
    """Write a moment, in seconds of the epoch, as the provider does."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def phrase(status: int) -> str:
    """Return the usual words for an HTTP status."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(request: Request, endpoint: Endpoint, fault: Fault | None) -> Response:
    """Return the answer of `endpoint`, or what `fault` leaves of it."""
    if fault is None:
        return await endpoint(request)
    if fault.kind == "status" and not fault.after:
        raise fault.refusal()
    whole = await endpoint(request) if fault.is_carried_out else Response()
    spoilt: dict[str, Callable[[], Response]] = {
        "status": lambda: fault.refusal().response(request),
        "reset_after": Reset,
        "hang": lambda: Reset(seconds=fault.seconds),
        "html": lambda: _gateway_page(fault.status or (200 if fault.on == "download" else 502)),
        "cut": lambda: Cut(whole),
        "garbage": lambda: Response(fault.body, media_type="application/json"),
        "no_id": lambda: _renamed_id(whole, None),
        "generation_id": lambda: _renamed_id(whole, "generation_id"),
    }
    return spoilt.get(fault.kind, lambda: whole)()


def _renamed_id(answer: Response, name: str | None) -> Response:
    content = json.loads(bytes(answer.body))
    task_id = content.pop("id")
    return JSONResponse({**({name: task_id} if name else {}), **content}, answer.status_code)


def _gateway_page(status: int) -> Response:
    title = f"{status} {phrase(status)}"
    head, text = f"<head><title>{title}</title></head>", f"<h1>{title}</h1><hr>gateway"
    return HTMLResponse(f"<html>{head}<body>{text}</body></html>", status)
