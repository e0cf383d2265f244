"""The provider's API: the calls, their checks and their answers."""

import asyncio
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kling_ui.catalog import MODELS, Model
from kling_ui.simulator.bodies import checked_payload, model_named_in
from kling_ui.simulator.cdn import signature
from kling_ui.simulator.inputs import Inputs
from kling_ui.simulator.prices import credits_for, pricing
from kling_ui.simulator.script import seconds_of
from kling_ui.simulator.studio import Studio
from kling_ui.simulator.tasks import Logged, Store, Task, new_task
from kling_ui.simulator.wire import Desk, RefusedError, fault_of

GENERATION_PATHS = ("/v2/generate/video/kling/generation", "/v2/video/generations")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PERIOD = re.compile(r"(\d{1,4})([mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_MAX_LOG_ROWS = 100
_METRICS_SECONDS = 300
_UNAUTHORIZED = 401


@dataclass(kw_only=True)
class Api:
    """Answers what the AI/ML API answers. `seconds` is how long a generation takes."""

    desk: Desk
    store: Store
    studio: Studio
    inputs: Inputs
    seconds: float
    key: str | None = field(repr=False)
    cdn_url: Callable[[], str]

    def app(self) -> Starlette:
        """Make the ASGI app."""
        self.desk.on_refused = self._log_refused
        route = self.desk.route
        return Starlette(
            routes=[
                *(route("POST", path, self.create, stage="create") for path in GENERATION_PATHS),
                *(route("GET", path, self.state, stage="get") for path in GENERATION_PATHS),
                route("GET", "/v1/models", self.models),
                route("GET", "/models/metrics", self.metrics),
                route("GET", "/v2/billing", self.billing),
                route("GET", "/v2/logs", self.logs, stage="logs"),
                route(None, "/{path:path}", self.nothing),
            ]
        )

    async def create(self, request: Request) -> Response:
        """Accept a generation. The same request twice is two generations."""
        self._authorize(request)
        payload = await checked_payload(request)
        task = await asyncio.to_thread(self._accepted, payload)
        self.store.add(
            task, request_id=str(uuid.uuid4()), client_request_id=_client_request_id(request)
        )
        if task.failure is None:
            self.studio.order(task)
        content = {
            "id": task.id,
            "status": "queued",
            "meta": {"usage": {"credits_used": task.credits}},
        }
        return JSONResponse(content, 201, _usage_headers(task))

    async def state(self, request: Request) -> Response:
        """Tell where a generation stands."""
        self._authorize(request)
        fault = fault_of(request)
        task = self._task(request)
        if fault and fault.kind == "word":
            return self._answer(task, {"status": fault.word})
        if fault and fault.kind == "error":
            self.store.fail(task, fault.error, now=time.time())
            task = self._task(request)
        if fault and fault.kind == "missing_url":
            return self._answer(task, {"status": "completed", "video": {}})
        return self._answer(task, self._standing(task))

    async def models(self, request: Request) -> Response:
        """List the models, with prices where asked for; needs no key."""
        included = set(",".join(request.query_params.getlist("include")).split(","))
        wanted = request.query_params.get("id")
        items = [_model_item(model, included) for model in MODELS.values()]
        if wanted is not None:
            items = [item for item in items if wanted in (item["id"], *item["aliases"])]
        answer = JSONResponse({"object": "list", "data": items})
        etag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:32]}"'
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"etag": etag})
        answer.headers["etag"] = etag
        return answer

    async def metrics(self, request: Request) -> Response:
        """Tell how long generations took in the last minutes; needs no key."""
        now = time.time()
        taken: dict[str, list[float]] = {}
        for task in self.store.tasks(since=now - _METRICS_SECONDS):
            if task.phase(now) == "due":
                taken.setdefault(task.payload["model"], []).append(task.seconds * 1000)
        aliases = request.query_params.getlist("aliases") or list(taken)
        rows = [
            {"model": alias, "duration_ms": _percentiles(taken[alias])}
            for alias in aliases
            if alias in taken
        ]
        return JSONResponse({"window_seconds": _METRICS_SECONDS, "data": rows})

    async def billing(self, request: Request) -> Response:
        """Tell what is left of the simulated money."""
        self._authorize(request)
        balance = self.store.balance(now=time.time())
        return JSONResponse({"current_balance": balance, "currency": "USD"})

    async def logs(self, request: Request) -> Response:
        """List the create requests, newest first."""
        self._authorize(request)
        fault = fault_of(request)
        limit = _count(request, "limit", 50, at_least=1, at_most=_MAX_LOG_ROWS)
        offset = _count(request, "offset", 0, at_least=0, at_most=10**9)
        since = time.time() - _period_seconds(request)
        is_late = fault is not None and fault.kind == "late"
        rows = [] if is_late else self.store.log(since=since, limit=limit + 1, offset=offset)
        pagination = {"limit": limit, "offset": offset, "has_more": len(rows) > limit}
        data = [_log_row(row, time.time()) for row in rows[:limit]]
        return JSONResponse({"data": data, "pagination": pagination})

    async def nothing(self, request: Request) -> Response:
        """ApiResponse every other path."""
        raise RefusedError(404, f"Cannot {request.method} {request.url.path}")

    def _accepted(self, payload: dict[str, Any]) -> Task:
        """Keep the inputs and see how long the video will be, which is what it costs by."""
        kept = self.inputs.keep(payload)
        length = seconds_of(kept, self.inputs)
        return new_task(
            kept,
            seconds=self.seconds,
            credits_=credits_for(kept, length),
            now=time.time(),
            video_seconds=length,
        )

    def _authorize(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        is_right = key.strip() == self.key if self.key else bool(key.strip())
        if scheme.lower() != "bearer" or not is_right:
            raise RefusedError(_UNAUTHORIZED, "Invalid or missing API key")

    def _task(self, request: Request) -> Task:
        task_id = request.query_params.get("generation_id")
        if not task_id:
            raise RefusedError(400, "generation_id: Expected string, received undefined")
        task = self.store.find(task_id)
        if task is None:
            raise RefusedError(404, f"Generation {task_id} not found")
        return task

    def _standing(self, task: Task) -> dict[str, Any]:
        phase = task.phase(time.time())
        if phase == "failed":
            return {"status": "error", "error": json.loads(task.failure or "null")}
        if phase != "due":
            return {"status": phase}
        order = self.studio.order(task)
        if not order.done():
            return {"status": "generating"}
        if order.exception():
            # It failed between our look into the store and here.
            failed = self.store.find(task.id) or task
            return {"status": "error", "error": json.loads(failed.failure or "null")}
        url = f"{self.cdn_url()}/files/{task.file_name}?token={signature(task.file_name)}"
        video = {
            "url": url,
            "content_type": "video/mp4",
            "file_name": task.file_name,
            "file_size": self.studio.path(task).stat().st_size,
            "duration": task.video_seconds,
        }
        return {"status": "completed", "video": video}

    def _answer(self, task: Task, standing: dict[str, Any]) -> Response:
        is_failed = standing["status"] == "error"
        usage: dict[str, float] = {"credits_used": 0 if is_failed else task.credits}
        if standing["status"] == "completed":
            usage["usd_spent"] = task.usd
        content = {"id": task.id, **standing, "meta": {"usage": usage}}
        return JSONResponse(content, headers=_usage_headers(task, is_failed=is_failed))

    async def _log_refused(self, request: Request, body: bytes, refused: RefusedError) -> None:
        if refused.status == _UNAUTHORIZED:
            return  # without a key there is no account whose log it could be
        self.store.add_refused(
            now=time.time(),
            model=await asyncio.to_thread(model_named_in, body),
            request_id=refused.request_id,
            client_request_id=_client_request_id(request),
        )


def _client_request_id(request: Request) -> str | None:
    given = request.headers.get("x-client-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else None


def _usage_headers(task: Task, *, is_failed: bool = False) -> dict[str, str]:
    return {
        "x-inference-id": task.id,
        "x-aimlapi-credits-used": "0" if is_failed else str(task.credits),
        "x-aimlapi-usd-spent": "0" if is_failed else f"{task.usd:g}",
    }


def _model_item(model: Model, included: set[str]) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": model.id,
        "aliases": [model.id.removeprefix("kling-video/")],
        "info": {
            "name": model.title,
            "developer": "Kling AI",
            "description": "Simulated: no video leaves this machine and no money is spent.",
        },
    }
    if "pricing" in included:
        item["pricing"] = pricing(model)
    if "capabilities" in included:
        item["capabilities"] = [param.name for param in model.params]
    return item


def _log_row(row: Logged, now: float) -> dict[str, Any]:
    task = row.task
    is_paid = task is not None and task.phase(now) != "failed"
    return {
        "created": datetime.fromtimestamp(row.created, UTC).isoformat(timespec="milliseconds"),
        "status": "succeeded" if is_paid else "failed",
        "model": row.model,
        "cost": {
            "usd": task.usd if task and is_paid else 0,
            "credits": task.credits if task and is_paid else 0,
        },
        "inference_id": task.id if task else None,
        "client_request_id": row.client_request_id,
        "request_id": row.request_id,
    }


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    last = len(ordered) - 1
    return {f"p{share}": ordered[round(last * share / 100)] for share in (50, 75, 90, 99)}


def _count(request: Request, name: str, default: int, *, at_least: int, at_most: int) -> int:
    given = request.query_params.get(name, str(default))
    if not given.isdecimal() or not at_least <= int(given) <= at_most:
        wanted = f"number from {at_least} to {at_most}"
        raise RefusedError(400, f"{name}: Expected {wanted}, received {given!r}")
    return int(given)


def _period_seconds(request: Request) -> int:
    given = request.query_params.get("period", "24h")
    match = _PERIOD.fullmatch(given)
    if match is None:
        raise RefusedError(400, f"period: Expected a time like 24h, received {given!r}")
    return int(match[1]) * _UNIT_SECONDS[match[2]]
