"""What the provider answers: its API's calls and their checks, and the host of the files."""

import asyncio
import hashlib
import json
import re
import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from kling_ui.catalog import Choice, InvalidValuesError, Model, Problem
from kling_ui.simulator import model_list
from kling_ui.simulator.faults import Fault, FaultInjector, RefusedError, utc_time
from kling_ui.simulator.input_reader import InputReader
from kling_ui.simulator.scene import seconds_of
from kling_ui.simulator.studio import Studio
from kling_ui.simulator.tasks import Store, Task, new_task

UNIVERSAL_PATH = "/v2/video/generations"
KLING_PATH = "/v2/generate/video/kling/generation"
_GENERATION_PATHS = (KLING_PATH, UNIVERSAL_PATH)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PERIOD = re.compile(r"(\d{1,4})([mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_LOG_SECONDS = 92 * 86400
_MAX_LOG_ROWS = 100
_UNAUTHORIZED = 401
_DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'


@dataclass(kw_only=True)
class Endpoints:
    """Answers what the AI/ML API and its file host answer.

    `seconds` is how long a generation takes. A link to a file holds until a fault lets it expire.
    """

    injector: FaultInjector
    store: Store
    studio: Studio
    reader: InputReader
    seconds: float
    key: str | None = field(repr=False)
    cdn_url: str
    expired: set[str] = field(default_factory=set)

    def api(self) -> Starlette:
        """Make the ASGI app of the API."""
        self.injector.on_refused = self._log_refused
        route = self.injector.route
        return Starlette(
            routes=[
                *(route("POST", path, self.create, "create") for path in _GENERATION_PATHS),
                *(route("GET", path, self.state, "get") for path in _GENERATION_PATHS),
                route("GET", "/v1/models", self.list_models, "models"),
                route("GET", "/v1/models/deprecations", self.deprecations, "models"),
                route("GET", "/v2/billing", self.billing, "billing"),
                route("GET", "/v2/logs", self.logs, "logs"),
                route(None, "/{path:path}", self.nothing),
            ]
        )

    def cdn(self) -> Starlette:
        """Make the ASGI app of the file host, which asks for no keys."""
        route = self.injector.route
        return Starlette(
            routes=[
                route("GET", "/files/{name}", self.download, "download", server="cdn"),
                route(None, "/{path:path}", self.no_file, server="cdn"),
            ]
        )

    async def create(self, request: Request) -> Response:
        """Accept a generation. The same request twice is two generations."""
        key_hash = self._authorized(request)
        # Pictures and videos in the body are looked into, which may take a while.
        body, content_type = await request.body(), request.headers.get("content-type", "")
        name, payload = await asyncio.to_thread(self._checked, content_type, body)
        length = await asyncio.to_thread(seconds_of, payload, self.reader)
        facts = _facts(request, key_hash, name)
        if request.url.path == KLING_PATH:
            # Ids of both forms are about; each route makes its own.
            facts["id"] += f":{payload['model']}"
        cost = model_list.credits_for(payload, length)
        facts |= {"video_seconds": length, "credits": cost}
        task = new_task(payload, seconds=self.seconds, **facts)
        self.store.add(task)
        if task.failure is None:
            self.studio.order(task)
        return _state_answer(task, {"status": "queued"}, http_status=201)

    async def state(self, request: Request) -> Response:
        """Tell where a generation stands, or what a fault says about it."""
        task = self._task(request)
        fault: Fault | None = request.state.fault
        if fault and fault.kind == "word":
            note = {} if fault.error is None else {"error": fault.error}
            return _state_answer(task, {"status": fault.word or "waiting", **note})
        if fault and fault.kind == "missing_url":
            return _state_answer(task, {"status": fault.word or "completed", "video": {}})
        if fault and fault.kind == "error":
            self.store.fail(task, fault.error, now=time.time(), word=fault.word or "error")
            task = self._task(request)
        return self._standing(task)

    async def list_models(self, request: Request) -> Response:
        """List the models, with prices where asked for; needs no key."""
        query = request.query_params
        data = model_list.items(has_pricing="pricing" in query.get("include", "").split(","))
        if query.get("type", model_list.TYPE) != model_list.TYPE:
            data = []
        digest = hashlib.sha256(json.dumps(data).encode()).hexdigest()
        headers = {"etag": f'W/"{digest[:32]}"', "cache-control": "max-age=60"}
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return JSONResponse({"object": "list", "data": data}, headers=headers)

    async def deprecations(self, _: Request) -> Response:
        """List the models that are going: none; needs no key."""
        headers = {"cache-control": "max-age=300"}
        return JSONResponse({"object": "list", "data": []}, headers=headers)

    async def billing(self, request: Request) -> Response:
        """Tell what is left of the simulated money."""
        self._authorized(request)
        balance = self.store.balance(time.time())
        return JSONResponse({"current_balance": balance, "currency": "USD"})

    async def logs(self, request: Request) -> Response:
        """List the asking key's create requests, newest first."""
        key_hash, now = self._authorized(request), time.time()
        limit = _count(request, "limit", 50, at_least=1, at_most=_MAX_LOG_ROWS)
        offset = _count(request, "offset", 0, at_least=0, at_most=10**9)
        since, until = _window(request, now)
        since, model = max(since, now - _LOG_SECONDS), request.query_params.get("model")
        found = self.store.log(key_hash, since, until, model)
        if request.state.fault and request.state.fault.kind == "late":
            found = []
        has_more = len(found) > offset + limit
        page = {"limit": limit, "offset": offset, "total": len(found), "has_more": has_more}
        data = [_log_row(row, now) for row in found[offset : offset + limit]]
        return JSONResponse({"data": data, "pagination": page})

    async def nothing(self, request: Request) -> Response:
        """Refuse every other path."""
        raise RefusedError(404, f"Cannot {request.method} {request.url.path}")

    async def download(self, request: Request) -> Response:
        """Serve a file, whole or the range asked for."""
        fault: Fault | None = request.state.fault
        kind = fault and fault.kind
        name, token = request.path_params["name"], request.query_params.get("token", "")
        if kind == "expired":
            self.expired.add(token)
        is_signed = token == _signed(name, token.partition("-")[0])
        named = (task for task in self.store.tasks() if task.file_name == name)
        task = next(named, None)
        if token in self.expired or not is_signed or task is None:
            return Response(_DENIED, 403, media_type="application/xml")
        # Cancelling a wrapped future would cancel the studio's own.
        await asyncio.shield(asyncio.wrap_future(self.studio.order(task)))
        path = self.studio.path(task)
        if fault is None:
            return FileResponse(path, media_type="video/mp4")
        if kind == "redirect":
            return RedirectResponse(fault.location or _signed_path(name), 302)
        whole = path.read_bytes()
        body = {"short": whole[: len(whole) // 2], "empty": b""}.get(fault.kind, whole)
        return Response(body, media_type="video/mp4")

    async def no_file(self, _: Request) -> Response:
        """Answer every other path of the file host."""
        return Response(_DENIED, 404, media_type="application/xml")

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
        model = model_list.find_model(name)
        if model is None:
            raise RefusedError(404, f"Model {name[:200]} not found")
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
        if order.exception():
            # It failed after `task` was read from the store.
            return self._standing(self.store.find(task.id) or task)
        video = {
            "url": self.cdn_url + _signed_path(task.file_name),
            "content_type": "video/mp4",
            "file_name": task.file_name,
            "file_size": self.studio.path(task).stat().st_size,
            "duration": task.video_seconds,
        }
        return _state_answer(task, {"status": "completed", "video": video})

    async def _log_refused(self, request: Request, refused: RefusedError) -> None:
        if refused.status == _UNAUTHORIZED:
            return  # Without a key there is no account.
        try:
            model = json.loads(await request.body())["model"]
        except (ValueError, TypeError, KeyError, RecursionError):
            model = None
        named = model if isinstance(model, str) else None
        self.store.add(Task(**_facts(request, _key_hash(_bearer_key(request)), named)))


def _signed_path(name: str) -> str:
    """Return a link to the file `name`; every call gives another one."""
    return f"/files/{name}?token={_signed(name, secrets.token_hex(8))}"


def _signed(name: str, nonce: str) -> str:
    return f"{nonce}-{hashlib.sha256(f'{name} {nonce}'.encode()).hexdigest()[:32]}"


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


def _facts(request: Request, key_hash: str, model: str | None) -> dict[str, Any]:
    """Return what is noted of every creation, also of a refused one."""
    given = request.headers.get("x-client-request-id", "")
    return {
        "id": str(uuid.uuid4()),
        "created": time.time(),
        "key_hash": key_hash,
        "model": model,
        "request_id": request.state.request_id,
        "client_request_id": given if _REQUEST_ID.fullmatch(given) else None,
    }


def _log_row(task: Task, now: float) -> dict[str, Any]:
    is_paid = task.phase(now) != "failed"
    return {
        "created": utc_time(task.created),
        "status": "succeeded" if is_paid else "failed",
        "origin": "api",
        "model": task.model,
        "cost": {"usd": task.usd * is_paid, "credits": task.credits * is_paid},
        "tokens": 0,
        "request_id": task.request_id,
        "inference_id": task.id if task.payload else None,
        "client_request_id": task.client_request_id,
    }


def _state_answer(
    task: Task, standing: dict[str, Any], *, is_failed: bool = False, http_status: int = 200
) -> Response:
    credits_, usd = (0, 0.0) if is_failed else (task.credits, task.usd)
    unit = "tokens_used" if "avatar" in task.payload["model"] else "credits_used"
    headers = {
        "x-inference-id": task.id,
        "x-aimlapi-credits-used": str(credits_),
        "x-aimlapi-usd-spent": f"{usd:g}",
    }
    usage = {"usage": {unit: credits_, "usd_spent": usd}}
    return JSONResponse({"id": task.id, **standing, "meta": usage}, http_status, headers)


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
