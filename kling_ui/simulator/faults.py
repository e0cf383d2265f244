"""What can be made to go wrong, in which order, and how it is carried out over HTTP."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, get_args

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

Endpoint = Callable[[Request], Awaitable[Response]]
Server = Literal["api", "cdn"]
Stage = Literal["create", "get", "logs", "models", "billing", "download"]

KINDS: Mapping[str, str] = {
    "reset_before": "",  # the connection is reset, the body unread: nothing happened
    "reset_after": "",  # the request is carried out, then reset without an answer
    "hang": "",  # no answer for `seconds`, then a reset
    "status": "",  # a refusal with `status` (503) and `message`, in the provider's own JSON
    "html": "",  # a gateway's page, 502 unless `status` says otherwise (download: 200)
    "cut": "",  # the real answer, announced whole, stopped in the middle
    "garbage": "",  # 200 with `body`, which is no JSON and no MP4
    "wrong_key": "create get logs models billing",  # a refusal with 401
    "no_id": "create",  # 201 without any id; the task exists
    "generation_id": "create",  # the id stands in `generation_id` instead of `id`
    "word": "get",  # `word`, and `error` if given, in place of the real status; no video
    "error": "get",  # the task ends with `word` ("error") and `error`, and is not charged
    "missing_url": "get",  # "completed" without an address
    "late": "logs",  # no rows yet
    "truncated": "download",  # the same as "cut"
    "short": "download",  # half the file, as if it were whole
    "empty": "download",  # 200 and no bytes
    "expired": "download",  # 403 for this very link for good; the next GET tells a fresh one
    "redirect": "download",  # 302 to `location`, or to the file under another token
}
"""Kind → the stages at which it exists; none stands for all."""

_MOST_REQUESTS, _MOST_BYTES, _LARGE_BODY = 10_000, 2**27, 2**17
"""Beyond these the older half of the recorded requests is dropped: an app may run for months."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_GATEWAY_PAGE = """<html>
<head><title>{title}</title></head>
<body><center><h1>{title}</h1></center><hr><center>gateway</center></body>
</html>
"""


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
    message: str | list[str] | None = None
    seconds: float = 3600.0
    after: bool = False
    word: str | None = None
    error: Any = None
    body: bytes = b"\x00\x17not what you asked for\xff"
    location: str | None = None

    def __post_init__(self) -> None:
        if self.on not in get_args(Stage):
            raise ValueError(f"on={self.on!r}: expected one of {', '.join(get_args(Stage))}.")
        known = sorted(kind for kind, on in KINDS.items() if not on or self.on in on.split())
        if self.kind not in known:
            there = ", ".join(known)
            raise ValueError(f"kind={self.kind!r} does not exist on {self.on}; there are {there}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One request that arrived. Header names are lowercase; a body left unread is empty."""

    server: Server
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class RefusedError(Exception):
    """The provider says no; `data` may hold `issues`."""

    def __init__(
        self,
        status: int,
        message: str | list[str] | None = None,
        *,
        data: Mapping[str, Any] | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message or _phrase(status)
        self.data = dict(data or {})
        self.headers = {} if retry_after is None else {"retry-after": retry_after}

    def response(self, request: Request) -> Response:
        """Write the provider's `application/problem+json`."""
        title = _phrase(self.status)
        name = f"{title.replace(' ', '')}Exception"
        content = {
            "title": title,
            "status": self.status,
            "message": self.message,
            "instance": f"{request.url.path}?{request.url.query}",
            "requestId": request.state.request_id,
            "timestamp": utc_time(datetime.now(UTC).timestamp()),
            "error": {"name": name, "message": self.message, "data": self.data},
        }
        media_type = "application/problem+json"
        return JSONResponse(content, self.status, self.headers, media_type=media_type)


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
    """Stands before every endpoint: records requests, and spoils them in the planned order.

    `on_refused` is told of each creation that is refused.
    """

    def __init__(self) -> None:
        self.seen: list[RecordedRequest] = []
        self.on_refused: Callable[[Request, RefusedError], Awaitable[None]] | None = None
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def plan(self, *faults: Fault) -> None:
        """Append `faults`, from any thread."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def route(
        self,
        method: str | None,
        path: str,
        endpoint: Endpoint,
        stage: Stage | None = None,
        *,
        server: Server = "api",
    ) -> Route:
        """Make a route to `endpoint`, which faults of `stage` reach; no method means any."""

        async def answer(request: Request) -> Response:
            request.state.request_id = str(uuid.uuid4())
            request.state.fault = fault = self._taken(stage)
            is_unread = fault is not None and fault.kind == "reset_before"
            try:
                body = b"" if is_unread else await request.body()
            except ClientDisconnect:
                return Reset()
            self.record(request, body, server)
            try:
                response = await _answer(request, endpoint, fault)
            except RefusedError as refused:
                if stage == "create" and self.on_refused:
                    await self.on_refused(request, refused)
                response = refused.response(request)
            if server == "api":
                response.headers["x-request-id"] = request.state.request_id
            return response

        return Route(path, answer, methods=[method] if method else _METHODS)

    def record(self, request: Request, body: bytes, server: Server) -> None:
        """Append the request to `seen`, whose size stays within bounds."""
        self.seen.append(
            RecordedRequest(
                server=server,
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                headers=dict(request.headers),
                body=body,
            )
        )
        # Several huge bodies in a row may leave but the last of them.
        while len(self.seen) > _MOST_REQUESTS or (
            len(body) > _LARGE_BODY
            and len(self.seen) > 1
            and sum(len(each.body) for each in self.seen) > _MOST_BYTES
        ):
            del self.seen[: len(self.seen) // 2]

    def _taken(self, stage: Stage | None) -> Fault | None:
        """Return the fault that the next request of `stage` meets, if any, and count it off."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.on == stage and fault.times != 0:
                    left = None if fault.times is None else fault.times - 1
                    self._faults[index] = replace(fault, times=left)
                    return fault
        return None


def utc_time(seconds: float) -> str:
    """Write a moment, in seconds of the epoch, as the provider does."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(request: Request, endpoint: Endpoint, fault: Fault | None) -> Response:
    """Carry a request out as far as `fault` lets it, and spoil the answer."""
    if fault is None:
        return await endpoint(request)
    refused = RefusedError(fault.status or 503, fault.message, retry_after=fault.retry_after)
    if fault.kind == "wrong_key":
        refused = RefusedError(401, fault.message or "Incorrect API key provided")
    if fault.kind in {"status", "wrong_key"} and not fault.after:
        raise refused
    is_lost = fault.kind == "reset_before" or (fault.kind in {"hang", "html"} and not fault.after)
    whole = Response() if is_lost else await endpoint(request)
    spoilers: dict[str, Callable[[], Response]] = {
        "reset_before": Reset,
        "reset_after": Reset,
        "hang": lambda: Reset(seconds=fault.seconds),
        "status": lambda: refused.response(request),
        "wrong_key": lambda: refused.response(request),
        "html": lambda: _gateway_page(fault.status or (200 if fault.on == "download" else 502)),
        "cut": lambda: Cut(whole),
        "truncated": lambda: Cut(whole),
        "garbage": lambda: Response(fault.body, media_type="application/json"),
        "no_id": lambda: _renamed_id(whole, None),
        "generation_id": lambda: _renamed_id(whole, "generation_id"),
    }
    # What is not here its endpoint has seen to.
    return spoilers.get(fault.kind, lambda: whole)()


def _renamed_id(answer: Response, name: str | None) -> Response:
    content = json.loads(bytes(answer.body))
    task_id = content.pop("id")
    return JSONResponse({**({name: task_id} if name else {}), **content}, answer.status_code)


def _gateway_page(status: int) -> Response:
    return HTMLResponse(_GATEWAY_PAGE.format(title=f"{status} {_phrase(status)}"), status)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
