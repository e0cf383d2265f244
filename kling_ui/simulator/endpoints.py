"""The provider's API: the calls, their checks and their answers."""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kling_ui.catalog import MODELS, Choice, InvalidValuesError, Model, Problem, keep_given
from kling_ui.simulator.faults import Fault, FaultInjector, RefusedError, utc_time
from kling_ui.simulator.model_list import TYPE, credits_for, model_list
from kling_ui.simulator.scene import seconds_of
from kling_ui.simulator.studio import Studio, signed_path
from kling_ui.simulator.tasks import Store, Task, accepted, words_of

UNIVERSAL_PATH = "/v2/video/generations"
_KLING_PATH = "/v2/generate/video/kling/generation"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PERIOD = re.compile(r"(\d{1,4})([mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_LOG_SECONDS = 92 * 86400
_UNAUTHORIZED = 401


@dataclass(kw_only=True)
class Endpoints:
    """Answers what the AI/ML API answers. `seconds` is how long a generation takes."""

    injector: FaultInjector
    store: Store
    studio: Studio
    seconds: float
    key: str | None = field(repr=False)
    cdn_url: str

    def app(self) -> Starlette:
        """Make the ASGI app."""
        route, refused = self.injector.route, self._log_refused
        routes = [
            route("GET", "/v1/models", self.list_models, stage="models"),
            route("GET", "/v1/models/deprecations", self.deprecations, stage="models"),
            route("GET", "/v2/billing", self.billing, stage="billing"),
            route("GET", "/v2/logs", self.logs, stage="logs"),
        ]
        for path in (_KLING_PATH, UNIVERSAL_PATH):
            routes.append(route("POST", path, self.create, stage="create", on_refused=refused))
            routes.append(route("GET", path, self.state, stage="get"))
        return Starlette(routes=[*routes, route(None, "/{path:path}", self.nothing)])

    async def create(self, request: Request) -> Response:
        """Accept a generation. The same request twice is two generations."""
        key_hash = self._authorized(request)
        # Pictures and videos in the body are looked into, which may take a while.
        body, content_type = await request.body(), request.headers.get("content-type", "")
        payload = await asyncio.to_thread(self._checked, content_type, body)
        length = await asyncio.to_thread(seconds_of, payload, self.studio.reader)
        task = accepted(
            _request(request, payload["model"], key_hash),
            payload,
            seconds=self.seconds,
            credits_=credits_for(payload, length),
            video_seconds=length,
            # Ids of both forms are about; each route makes its own.
            has_short_id=request.url.path == UNIVERSAL_PATH,
        )
        self.store.put(task)
        if task.failure is None:
            self.studio.order(task)
        return _state_answer(task, {"status": "queued"}, http_status=201)

    async def state(self, request: Request) -> Response:
        """Tell where a generation stands."""
        task = self._task(request)
        fault: Fault | None = request.state.fault
        if fault and fault.kind == "error":
            task = self.store.fail(task, fault.error, word=fault.word or "error")
        if fault and fault.kind == "word":
            return _state_answer(task, {"status": fault.word or "waiting"})
        return self._standing(task)

    async def list_models(self, request: Request) -> Response:
        """List the models, with prices where asked for; needs no key."""
        query = request.query_params
        items = model_list(has_pricing="pricing" in query.get("include", "").split(","))
        if query.get("type", TYPE) != TYPE:
            items = []
        digest = hashlib.sha256(json.dumps(items).encode()).hexdigest()[:32]
        headers = {"etag": f'W/"{digest}"', "cache-control": "max-age=60"}
        if digest in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return JSONResponse({"object": "list", "data": items}, headers=headers)

    async def deprecations(self, _: Request) -> Response:
        """List the models that are going or gone: none; needs no key."""
        return JSONResponse({"object": "list", "data": []})

    async def billing(self, request: Request) -> Response:
        """Tell what is left of the simulated money."""
        self._authorized(request)
        return JSONResponse({"current_balance": self.store.balance(), "currency": "USD"})

    async def logs(self, request: Request) -> Response:
        """List the asking key's create requests, newest first."""
        key_hash, query, now = self._authorized(request), request.query_params, time.time()
        limit = _count(query, "limit", 50, range(1, 101))
        offset = _count(query, "offset", 0, range(10**9))
        since, until = _window(query, now)
        found = [
            each
            for each in self.store.requests()
            if max(since, now - _LOG_SECONDS) <= each.created <= until
            and each.key_hash == key_hash
            and query.get("model") in {None, each.model}
        ]
        if request.state.fault and request.state.fault.kind == "late":
            found = []
        has_more = len(found) > offset + limit
        page = {"limit": limit, "offset": offset, "total": len(found), "has_more": has_more}
        data = [_log_row(each, now) for each in found[offset : offset + limit]]
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

    def _checked(self, content_type: str, body: bytes) -> dict[str, Any]:
        """Return the payload, whose media are stored then; raise RefusedError for what is wrong."""
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise _invalid("body", "Expected application/json")
        values = _json_object(body)
        name = values.pop("model", None)
        if not isinstance(name, str):
            raise _invalid("model", "Expected string")
        if (model := MODELS.get(name)) is None:
            raise RefusedError(404, f"Model {name[:200]} not found")
        try:
            given = {key: _number(model, key, values[key]) for key in values}
            inputs = self.studio.reader.inputs
            payload = model.payload(given, partial(keep_given, inputs=inputs), inputs.look_at)
        except InvalidValuesError as exc:
            raise _invalid_fields(exc.problems) from exc
        # A form leaves null and "" out; the provider refuses them.
        if blank := [key for key in values if key not in payload]:
            raise _invalid_fields(Problem(key, "Expected a value or no such key") for key in blank)
        if "[refuse]" in words_of(payload):
            name = "prompt" if "prompt" in payload else "multi_prompt"
            raise _invalid(name, "Expected an acceptable prompt, received one with [refuse]")
        return payload

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
        if order.result() == "failed":  # after `task` was read from the store
            return self._standing(self.store.find(str(task.id)) or task)
        video: dict[str, Any] = {
            "url": self.cdn_url + signed_path(task.file_name),
            "content_type": "video/mp4",
            "file_name": task.file_name,
            "duration": task.video_seconds,
        }
        if order.result() == "made":  # else the file host refuses the link
            video["file_size"] = self.studio.path(task).stat().st_size
        return _state_answer(task, {"status": "completed", "video": video})

    async def _log_refused(self, request: Request, refused: RefusedError) -> None:
        if refused.status == _UNAUTHORIZED:
            return  # without a key there is no account
        model = await asyncio.to_thread(_model_named_in, await request.body())
        asked = _request(request, model, _key_hash(_bearer_key(request)))
        self.store.fail(asked, refused.message)


def _bearer_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _key_hash(key: str) -> str:
    return hashlib.sha256(f"simulator {key}".encode()).hexdigest()[:16]


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _invalid("body", "Expected object, received malformed JSON") from exc
    if not isinstance(value, dict):
        raise _invalid("body", "Expected object")
    return value


def _model_named_in(body: bytes) -> str | None:
    """Return the model a body asks for, however wrong the rest of it is."""
    with suppress(RefusedError):
        model = _json_object(body).get("model")
        return model if isinstance(model, str) else None
    return None


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
    return RefusedError(400, message, issues)


def _request(request: Request, model: str | None, key_hash: str) -> Task:
    given = request.headers.get("x-client-request-id", "")
    return Task(
        model=model,
        key_hash=key_hash,
        request_id=request.state.request_id,
        client_request_id=given if _REQUEST_ID.fullmatch(given) else None,
        created=time.time(),
    )


def _log_row(asked: Task, now: float) -> dict[str, Any]:
    is_paid = asked.phase(now) != "failed"
    return {
        "created": utc_time(asked.created),
        "status": "succeeded" if is_paid else "failed",
        "origin": "api",
        "model": asked.model,
        "cost": {"usd": asked.usd if is_paid else 0, "credits": asked.credits if is_paid else 0},
        "tokens": 0,
        "request_id": asked.request_id,
        "inference_id": asked.id,
        "client_request_id": asked.client_request_id,
    }


def _state_answer(
    task: Task, standing: dict[str, Any], *, is_failed: bool = False, http_status: int = 200
) -> Response:
    credits_, usd = (0, 0.0) if is_failed else (task.credits, task.usd)
    unit = "tokens_used" if "avatar" in task.payload["model"] else "credits_used"
    headers = {
        "x-inference-id": str(task.id),
        "x-aimlapi-credits-used": str(credits_),
        "x-aimlapi-usd-spent": f"{usd:g}",
    }
    usage = {unit: credits_, "usd_spent": usd}
    content = {"id": task.id, **standing, "meta": {"usage": usage}}
    return JSONResponse(content, http_status, headers)


def _count(query: QueryParams, name: str, default: int, allowed: range) -> int:
    given = query.get(name, str(default))
    if not given.isdecimal() or int(given) not in allowed:
        raise _invalid(name, f"Expected number from {allowed[0]} to {allowed[-1]}")
    return int(given)


def _window(query: QueryParams, now: float) -> tuple[float, float]:
    """Return since and until when rows are asked for, in seconds of the epoch."""
    if match := _PERIOD.fullmatch(query.get("period", "")):
        return now - int(match[1]) * _UNIT_SECONDS[match[2]], now
    try:
        since, until = (
            datetime.fromisoformat(query[name]).timestamp() for name in ("start", "end")
        )
    except (KeyError, ValueError, OverflowError) as exc:
        raise _invalid("period", "Expected a time like 24h, or start and end in ISO 8601") from exc
    return since, until
