"""What can be made to go wrong, in which order, and how it is carried out over HTTP."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, get_args

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

Endpoint = Callable[[Request], Awaitable[Response]]
Stage = Literal["create", "get", "logs", "models", "billing", "download"]

REFUSALS: Mapping[str, tuple[int, str | None, Mapping[str, Any]]] = {
    "status": (503, None, {}),
    "no_route": (404, "Cannot {method} {path}", {}),
    "unknown_task": (404, "Inference not found", {}),
    "wrong_key": (401, "Incorrect API key provided", {}),
    "no_access": (403, "This API key has no access to this model", {}),
    "no_credits": (
        403,
        "You've run out of credits. Please top up your balance to continue",
        {"kind": "err_insufficent_credits"},
    ),
    "parallel_limit": (429, "parallel task over resource pack limit (1303)", {}),
}
"""Kind → status, message and `error.data` unless the fault says otherwise."""

_API = frozenset({"create", "get", "logs", "models", "billing"})
_ALL = _API | {"download"}
_CREATE, _GET = frozenset({"create"}), frozenset({"get"})
_DOWNLOAD, _LOGS = frozenset({"download"}), frozenset({"logs"})
KINDS: Mapping[str, frozenset[str]] = {
    "reset_before": _ALL,  # the connection is reset, the body unread: nothing happened
    "reset_after": _ALL,  # the request is carried out, then reset without an answer
    "hang": _ALL,  # no answer for `seconds`, then a reset
    "status": _ALL,  # a refusal with `status`, like all `REFUSALS` in the provider's own JSON
    "html": _ALL,  # a gateway's page, 502 unless `status` says otherwise (download: 200)
    "cut": _ALL,  # the real answer, stopped in the middle
    "garbage": _ALL,  # 200 with `body`, which is no JSON and no MP4
    "envelope": _API,  # a refusal inside a 200; its JSON tells `status`
    "no_route": _API,
    "wrong_key": _API,
    "no_access": _API,
    "no_credits": _CREATE | _GET,
    "parallel_limit": _CREATE,
    "no_id": _CREATE,  # 201 without any id; the task exists
    "generation_id": _CREATE,  # the id stands in `generation_id` instead of `id`
    "unknown_task": _GET,
    "word": _GET,  # `word` in place of the real status, and no video
    "note": _GET,  # `word` that says it is going on, with `error` beside it
    "error": _GET,  # the task ends with `word` ("error") and `error`, and is not charged
    "completed": _GET,  # the finished video's address where `shape` says
    "missing_url": _GET,  # "completed" without an address
    "late": _LOGS,  # no rows yet
    "truncated": _DOWNLOAD,  # an honest Content-Length, the connection closed half-way
    "short": _DOWNLOAD,  # half the file, as if it were whole
    "empty": _DOWNLOAD,  # 200 and no bytes
    "expired": _DOWNLOAD,  # 403 for this very link for good; the next GET tells a fresh one
    "redirect": _DOWNLOAD,  # 302 to `location`, or to the file under another token
}
"""Kind → the stages at which it exists."""

_MOST_REQUESTS, _MOST_BYTES, _LARGE_BODY = 10_000, 2**27, 2**17
"""Beyond these the older half of the recorded requests is dropped: an app may run for months."""
_ID_HEADER = "x-inference-id"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_GATEWAY_PAGE = """<html>
<head><title>{title}</title></head>
<body><center><h1>{title}</h1></center><hr><center>gateway</center></body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong at `on`, `times` times in a row (None: from now on).

    `kind` is one of `KINDS`. `path` confines it to requests for that path, so that one of two
    routes can fail. `after` lets a refused, hanging or gateway's request be carried out first:
    the task exists and is charged. `keeps_inference_id` leaves `x-inference-id` on an answer
    whose body has lost the id or is cut. `error` is any JSON. `shape` is a path as in
    `data.videos[].url`, where `[]` is a list of one.
    """

    on: Stage
    kind: str
    times: int | None = 1
    path: str | None = None
    status: int | None = None
    retry_after: str | None = None
    message: str | list[str] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 3600.0
    after: bool = False
    keeps_inference_id: bool = False
    word: str | None = None
    error: Any = None
    shape: str = "video.url"
    body: bytes = b"\x00\x17not what you asked for\xff"
    location: str | None = None

    def __post_init__(self) -> None:
        if self.on not in get_args(Stage):
            raise ValueError(f"on={self.on!r}: expected one of {', '.join(get_args(Stage))}.")
        known = sorted(kind for kind, stages in KINDS.items() if self.on in stages)
        if self.kind not in known:
            there = ", ".join(known)
            raise ValueError(f"kind={self.kind!r} does not exist on {self.on}; there are {there}.")

    @property
    def is_carried_out(self) -> bool:
        """Tell whether the request takes effect although its answer is spoilt."""
        if self.kind in {"hang", "html", "envelope", *REFUSALS}:
            return self.after
        return self.kind != "reset_before"


class FaultPlan:
    """The faults to come, first come first served at each stage. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Append `faults`."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def take(self, stage: Stage, path: str) -> Fault | None:
        """Return the fault that the next request for `path` meets, if any, and count it off."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.on != stage or fault.path not in {None, path} or fault.times == 0:
                    continue
                if fault.times is not None:
                    self._faults[index] = replace(fault, times=fault.times - 1)
                return fault
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One request that arrived. Header names are lowercase; a body left unread is empty."""

    server: Literal["api", "cdn"]
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class RefusedError(Exception):
    """The provider says no. `data` may hold `kind`, `issues` and `detail`."""

    def __init__(
        self,
        status: int,
        message: str | list[str],
        *,
        data: Mapping[str, Any] | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.data = dict(data or {})
        self.headers = {} if retry_after is None else {"retry-after": retry_after}

    @classmethod
    def planned(cls, fault: Fault, request: Request) -> "RefusedError":
        """Return what `fault` refuses `request` with."""
        status, message, data = REFUSALS.get(fault.kind, REFUSALS["status"])
        status = fault.status or status
        usual = (message or _phrase(status)).format(method=request.method, path=request.url.path)
        told = usual if fault.message is None else fault.message
        return cls(status, told, data=fault.data or data, retry_after=fault.retry_after)

    def response(self, request: Request, *, http_status: int | None = None) -> Response:
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
        status, media_type = http_status or self.status, "application/problem+json"
        return JSONResponse(content, status, self.headers, media_type=media_type)


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
        self.raw_headers = [pair for pair in whole.raw_headers if pair[0] != _ID_HEADER.encode()]
        self.half = bytes(whole.body)[: len(whole.body) // 2]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is; return when the server has noticed."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.half, "more_body": True})
        scope["state"]["transport"].close()
        await _disconnected(receive)


@dataclass(kw_only=True)
class FaultInjector:
    """Stands before the endpoints of one server: records requests and applies the plan."""

    server: Literal["api", "cdn"]
    plan: FaultPlan
    seen: list[RecordedRequest]
    on_refused: Callable[[Request, RefusedError], Awaitable[None]] | None = None

    def route(
        self, method: str | None, path: str, endpoint: Endpoint, *, stage: Stage | None = None
    ) -> Route:
        """Make a route to `endpoint`, which faults of `stage` reach; no method means any."""

        async def answer(request: Request) -> Response:
            request.state.request_id = str(uuid.uuid4())
            fault = self.plan.take(stage, request.url.path) if stage else None
            request.state.fault = fault
            is_unread = fault is not None and fault.kind == "reset_before"
            try:
                body = b"" if is_unread else await request.body()
            except ClientDisconnect:
                return Reset()
            self.record(request, body)
            try:
                response = await _answer(request, endpoint, fault)
            except RefusedError as refused:
                if stage == "create" and self.on_refused:
                    await self.on_refused(request, refused)
                response = refused.response(request)
            if self.server == "api":
                response.headers["x-request-id"] = request.state.request_id
            return response

        return Route(path, answer, methods=[method] if method else _METHODS)

    def record(self, request: Request, body: bytes) -> None:
        """Append the request to `seen`, whose size stays within bounds."""
        self.seen.append(
            RecordedRequest(
                server=self.server,
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                headers=dict(request.headers),
                body=body,
            )
        )
        if len(self.seen) > _MOST_REQUESTS:
            del self.seen[: len(self.seen) // 2]
        # Several huge bodies in a row may leave but the last of them.
        while len(body) > _LARGE_BODY and self._bytes_seen() > _MOST_BYTES and len(self.seen) > 1:
            del self.seen[: len(self.seen) // 2]

    def _bytes_seen(self) -> int:
        return sum(len(seen.body) for seen in self.seen)


def utc_time(seconds: float) -> str:
    """Write a moment, in seconds of the epoch, as the provider does."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(request: Request, endpoint: Endpoint, fault: Fault | None) -> Response:
    if fault is None:
        return await endpoint(request)
    if fault.kind in REFUSALS and not fault.after:
        raise RefusedError.planned(fault, request)
    whole = await endpoint(request) if fault.is_carried_out else Response()
    spoiled = _spoiled(whole, fault, request)
    if fault.keeps_inference_id and _ID_HEADER in whole.headers:
        spoiled.headers[_ID_HEADER] = whole.headers[_ID_HEADER]
    return spoiled


def _spoiled(answer: Response, fault: Fault, request: Request) -> Response:
    """Return what `fault` leaves of `answer`; what only its endpoint can spoil stays whole."""
    refused = RefusedError.planned(fault, request)
    spoilers: dict[str, Callable[[], Response]] = {
        "reset_before": Reset,
        "reset_after": Reset,
        "hang": lambda: Reset(seconds=fault.seconds),
        "html": lambda: _gateway_page(fault.status or (200 if fault.on == "download" else 502)),
        "envelope": lambda: refused.response(request, http_status=200),
        "cut": lambda: Cut(answer),
        "garbage": lambda: Response(fault.body, media_type="application/json"),
        "no_id": lambda: _renamed_id(answer, None),
        "generation_id": lambda: _renamed_id(answer, "generation_id"),
        **dict.fromkeys(REFUSALS, lambda: refused.response(request)),
    }
    return spoilers.get(fault.kind, lambda: answer)()


def _renamed_id(answer: Response, name: str | None) -> Response:
    content = json.loads(bytes(answer.body))
    task_id = content.pop("id")
    return JSONResponse({**({name: task_id} if name else {}), **content}, answer.status_code)


def _gateway_page(status: int) -> Response:
    return HTMLResponse(_GATEWAY_PAGE.format(title=f"{status} {_phrase(status)}"), status)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
