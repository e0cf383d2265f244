"""The provider's API: the calls, their checks and their answers."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kling_ui.catalog import Choice, InvalidValuesError, Model, Problem
from kling_ui.simulator.cdn import rendered, signed_path
from kling_ui.simulator.faults import Fault, FaultInjector, RefusedError, utc_time
from kling_ui.simulator.input_reader import InputReader
from kling_ui.simulator.model_list import TYPE, ModelList, credits_for, weak_etag
from kling_ui.simulator.scene import seconds_of
from kling_ui.simulator.studio import ExpiredVideoError, Studio
from kling_ui.simulator.tasks import LoggedRequest, Store, Task, new_task

UNIVERSAL_PATH = "/v2/video/generations"
KLING_PATH = "/v2/generate/video/kling/generation"
GENERATION_PATHS = (KLING_PATH, UNIVERSAL_PATH)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PERIOD = re.compile(r"(\d{1,4})([mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_LOG_SECONDS = 92 * 86400
_MAX_LOG_ROWS = 100
_UNAUTHORIZED = 401


@dataclass(kw_only=True)
class Endpoints:
    """Answers what the AI/ML API answers. `seconds` is how long a generation takes."""

    injector: FaultInjector
    store: Store
    studio: Studio
    reader: InputReader
    models: ModelList
    seconds: float
    key: str | None = field(repr=False)
    cdn_url: Callable[[], str]

    def app(self) -> Starlette:
        """Make the ASGI app."""
        self.injector.on_refused = self._log_refused
        route = self.injector.route
        return Starlette(
            routes=[
                *(route("POST", path, self.create, stage="create") for path in GENERATION_PATHS),
                *(route("GET", path, self.state, stage="get") for path in GENERATION_PATHS),
                route("GET", "/v1/models", self.list_models, stage="models"),
                route("GET", "/v1/models/deprecations", self.deprecations, stage="models"),
                route("GET", "/v2/billing", self.billing, stage="billing"),
                route("GET", "/v2/logs", self.logs, stage="logs"),
                route(None, "/{path:path}", self.nothing),
            ]
        )

    async def create(self, request: Request) -> Response:
        """Accept a generation. The same request twice is two generations."""
        key_hash = self._authorized(request)
        # Pictures and videos in the body are looked into, which may take a while.
        body, content_type = await request.body(), request.headers.get("content-type", "")
        name, payload = await asyncio.to_thread(self._checked, content_type, body)
        length = await asyncio.to_thread(seconds_of, payload, self.reader)
        task = new_task(
            payload,
            seconds=self.seconds,
            credits_=credits_for(payload, length),
            now=time.time(),
            key_hash=key_hash,
            video_seconds=length,
            # Ids of both forms are about; each route makes its own.
            has_short_id=request.url.path == UNIVERSAL_PATH,
        )
        self.store.add(_log_entry(request, name, key_hash, task))
        if task.failure is None:
            self.studio.order(task)
        return _state_answer(task, {"status": "queued"}, http_status=201)

    async def state(self, request: Request) -> Response:
        """Tell where a generation stands."""
        task = self._task(request)
        fault: Fault | None = request.state.fault
        if fault and fault.kind == "error":
            self.store.fail(task, fault.error, now=time.time(), word=fault.word or "error")
            task = self._task(request)
        misreported = await self._misreported(task, fault) if fault else None
        return _state_answer(task, misreported) if misreported else self._standing(task)

    async def _misreported(self, task: Task, fault: Fault) -> dict[str, Any] | None:
        match fault.kind:
            case "word":
                return {"status": fault.word or "waiting"}
            case "note":
                return {"status": fault.word or "generating", "error": fault.error}
            case "missing_url":
                return {"status": fault.word or "completed", "video": {}}
            case "completed":
                await rendered(self.studio, task)
                address = _placed(fault.shape, self._video_url(task))
                note = {} if fault.error is None else {"error": fault.error}
                return {"status": fault.word or "completed", **address, **note}
        return None

    async def list_models(self, request: Request) -> Response:
        """List the models, with prices where asked for; needs no key."""
        query = request.query_params
        items = self.models.items(has_pricing="pricing" in query.get("include", "").split(","))
        if query.get("type", TYPE) != TYPE:
            items = []
        headers = {"etag": weak_etag(items), "cache-control": "max-age=60"}
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return JSONResponse({"object": "list", "data": items}, headers=headers)

    async def deprecations(self, _: Request) -> Response:
        """List the models that are going or gone; needs no key."""
        content = {"object": "list", "data": self.models.deprecation_rows()}
        return JSONResponse(content, headers={"cache-control": "max-age=300"})

    async def billing(self, request: Request) -> Response:
        """Tell what is left of the simulated money."""
        self._authorized(request)
        balance = self.store.balance(now=time.time())
        return JSONResponse({"current_balance": balance, "currency": "USD"})

    async def logs(self, request: Request) -> Response:
        """List the asking key's create requests, newest first."""
        key_hash = self._authorized(request)
        limit = _count(request, "limit", 50, at_least=1, at_most=_MAX_LOG_ROWS)
        offset = _count(request, "offset", 0, at_least=0, at_most=10**9)
        now = time.time()
        since, until = _window(request, now)
        found = self.store.log(
            since=max(since, now - _LOG_SECONDS),
            until=until,
            key_hash=key_hash,
            model=request.query_params.get("model"),
        )
        if request.state.fault and request.state.fault.kind == "late":
            found = []
        has_more = len(found) > offset + limit
        page = {"limit": limit, "offset": offset, "total": len(found), "has_more": has_more}
        data = [_log_row(row, now) for row in found[offset : offset + limit]]
        return JSONResponse({"data": data, "pagination": page})

    async def nothing(self, request: Request) -> Response:
        """Answer every other path."""
        raise RefusedError(404, f"Cannot {request.method} {request.url.path}")

    def _authorized(self, request: Request) -> str:
        """Return the hash of the request's key; refuse a wrong one."""
        key = _bearer_key(request)
        if not key or self.key not in {None, key}:
            raise RefusedError(_UNAUTHORIZED, "Incorrect or missing API key")
        return _key_hash(key)

    def _checked(self, content_type: str, body: bytes) -> tuple[str, dict[str, Any]]:
        """Return the model's name as it was sent, and the payload, whose media are stored then.

        Raises RefusedError for what is wrong.
        """
        values = _json_object(content_type, body)
        name = values.pop("model", None)
        if not isinstance(name, str):
            raise _invalid("model", "Expected string")
        model = self.models.find(name)
        if model is None:
            successor = self.models.successor(name)
            hint = f"; use {successor} instead" if successor else ""
            raise RefusedError(404, f"Model {name[:200]} not found{hint}")
        try:
            given = {key: _number(model, key, values[key]) for key in values}
            payload = model.payload(given, self.reader.take, self.reader.look_at)
        except InvalidValuesError as exc:
            raise _invalid_fields(exc.problems) from exc
        # A form leaves null and "" out; the provider refuses them.
        if blank := [key for key in values if key not in payload]:
            raise _invalid_fields(Problem(key, "Expected a value or no such key") for key in blank)
        if "[refuse]" in str(payload.get("prompt")):
            raise _invalid("prompt", "Expected an acceptable prompt, received one with [refuse]")
        return name, payload

    def _task(self, request: Request) -> Task:
        key_hash = self._authorized(request)
        task_id = request.query_params.get("generation_id")
        if not task_id:
            raise _invalid("generation_id", "Expected string, received undefined")
        task = self.store.find(task_id)
        if task is None or task.key_hash != key_hash:
            raise RefusedError(404, "Inference not found")
        return task

    def _standing(self, task: Task) -> Response:
        phase = task.phase(time.time())
        if phase == "failed":
            return _state_answer(task, task.failure or {}, is_failed=True)
        if phase != "due":
            return _state_answer(task, {"status": phase})
        order = self.studio.order(task)
        if not order.done():
            return _state_answer(task, {"status": "generating"})
        is_expired = isinstance(order.exception(), ExpiredVideoError)
        if order.exception() and not is_expired:
            # It failed after `task` was read from the store.
            return self._standing(self.store.find(task.id) or task)
        video: dict[str, Any] = {
            "url": self._video_url(task),
            "content_type": "video/mp4",
            "file_name": task.file_name,
            "duration": task.video_seconds,
        }
        if not is_expired:  # else the file host refuses the link
            video["file_size"] = self.studio.path(task).stat().st_size
        return _state_answer(task, {"status": "completed", "video": video})

    def _video_url(self, task: Task) -> str:
        return self.cdn_url() + signed_path(task.file_name)

    async def _log_refused(self, request: Request, refused: RefusedError) -> None:
        fault: Fault | None = request.state.fault
        if refused.status == _UNAUTHORIZED or (fault and fault.kind == "no_route"):
            return  # Without a key there is no account, without a route no inference.
        model = await asyncio.to_thread(_model_named_in, await request.body())
        self.store.add(_log_entry(request, model, _key_hash(_bearer_key(request))))


def _bearer_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _key_hash(key: str) -> str:
    return hashlib.sha256(f"simulator {key}".encode()).hexdigest()[:16]


def _json_object(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise _invalid("body", "Expected application/json")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _invalid("body", "Expected object, received malformed JSON") from exc
    if not isinstance(value, dict):
        raise _invalid("body", "Expected object")
    return value


def _model_named_in(body: bytes) -> str | None:
    """Return the model a body asks for, however wrong the rest of it is."""
    try:
        model = json.loads(body)["model"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return model if isinstance(model, str) else None


def _number(model: Model, name: str, value: Any) -> Any:
    """Take "5" for 5, as the vendor's printed samples send it."""
    param = model.param(name)
    choices = param.choices if isinstance(param, Choice) and param.is_whole_number else ()
    return next((choice for choice in choices if str(choice) == value), value)


def _invalid(name: str, message: str) -> RefusedError:
    return _invalid_fields([Problem(name, message)])


def _invalid_fields(problems: Iterable[Problem]) -> RefusedError:
    issues = [{"path": [each.field], "message": each.message} for each in problems]
    message = "; ".join(f"{issue['path'][0]}: {issue['message']}" for issue in issues)
    return RefusedError(400, message, data={"issues": issues})


def _log_entry(
    request: Request, model: str | None, key_hash: str, task: Task | None = None
) -> LoggedRequest:
    given = request.headers.get("x-client-request-id", "")
    return LoggedRequest(
        created=task.created if task else time.time(),
        model=model,
        key_hash=key_hash,
        request_id=request.state.request_id,
        client_request_id=given if _REQUEST_ID.fullmatch(given) else None,
        task=task,
    )


def _log_row(row: LoggedRequest, now: float) -> dict[str, Any]:
    task = row.task if row.task and row.task.phase(now) != "failed" else None
    return {
        "created": utc_time(row.created),
        "status": "succeeded" if task else "failed",
        "origin": "api",
        "model": row.model,
        "cost": {"usd": task.usd if task else 0, "credits": task.credits if task else 0},
        "tokens": 0,
        "request_id": row.request_id,
        "inference_id": row.task.id if row.task else None,
        "client_request_id": row.client_request_id,
    }


def _state_answer(
    task: Task, standing: dict[str, Any], *, is_failed: bool = False, http_status: int = 200
) -> Response:
    credits_, usd = (0, 0.0) if is_failed else (task.credits, task.usd)
    unit = "tokens_used" if "avatar" in task.payload["model"] else "credits_used"
    usage = {unit: credits_, "usd_spent": usd}
    headers = {
        "x-inference-id": task.id,
        "x-aimlapi-credits-used": str(credits_),
        "x-aimlapi-usd-spent": f"{usd:g}",
    }
    content = {"id": task.id, **standing, "meta": {"usage": usage}}
    return JSONResponse(content, http_status, headers)


def _placed(shape: str, url: str) -> dict[str, Any]:
    """Return an object in which `url` stands where `shape` says, as in `data.videos[].url`."""
    placed: Any = url
    for part in reversed(shape.split(".")):
        placed = {part.removesuffix("[]"): [placed] if part.endswith("[]") else placed}
    return dict(placed)


def _count(request: Request, name: str, default: int, *, at_least: int, at_most: int) -> int:
    given = request.query_params.get(name, str(default))
    if not given.isdecimal() or not at_least <= int(given) <= at_most:
        raise _invalid(name, f"Expected number from {at_least} to {at_most}")
    return int(given)


def _window(request: Request, now: float) -> tuple[float, float]:
    """Return since and until when rows are asked for, in seconds of the epoch."""
    query = request.query_params
    if "period" in query:
        match = _PERIOD.fullmatch(query["period"])
        if match is None:
            raise _invalid("period", "Expected a time like 24h")
        return now - int(match[1]) * _UNIT_SECONDS[match[2]], now
    return _moment(request, "start"), _moment(request, "end")


def _moment(request: Request, name: str) -> float:
    try:
        moment = datetime.fromisoformat(request.query_params[name])
    except (KeyError, ValueError) as exc:
        raise _invalid(name, "Expected period, or start and end in ISO 8601") from exc
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
