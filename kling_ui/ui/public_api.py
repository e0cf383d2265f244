"""The public API, as `gr.api` functions: JSON in, JSON out."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, InvalidValuesError, Problem
from kling_ui.service import DayLimitError, Generation, GenerationError, RefusedBatchError, Service
from kling_ui.ui.create.memory import PROMPT
from kling_ui.ui.formatting import NOTHING_SENT
from kling_ui.ui.history.history_filters import InvalidFilterError, read_filters
from kling_ui.ui.identity import address_of, caller_of, owner_of
from kling_ui.ui.media_routes import poster_url, video_url
from kling_ui.ui.watching import SUBMITTING, WATCHING, WatchShares

LONGEST_WAIT_SECONDS = 45.0
"""How long one `/status` call may wait: clients cut calls at about a minute."""

MOST_LISTED = 500
"""How many generations one `/history` call may list."""

MOST_SKIPPED = 1_000_000
"""The largest offset: beyond, no ledger of this kind has rows."""

_NAMES = ("model", "prompt", "parameters")
_LONGEST_TOLD = 64


def define(service: Service, shares: WatchShares) -> None:
    """Add the API to the Blocks being built; its watches are counted in `shares`."""
    api = _Api(service, shares)
    for function, places in (
        (api.models, {"concurrency_limit": None}),
        (api.estimate, {"concurrency_limit": None}),
        (api.request, {"concurrency_limit": None}),
        (api.history, {"concurrency_limit": None}),
        (api.submit, SUBMITTING),
        (api.batch, SUBMITTING),
        (api.status, WATCHING),
        (api.generate, WATCHING),
    ):
        gr.api(function, api_name=function.__name__, **places)


class _Api:
    """The functions as programs call them; Gradio enforces none of their types."""

    def __init__(self, service: Service, shares: WatchShares) -> None:
        self._service = service
        self._shares = shares

    def models(self) -> list[dict[str, Any]]:
        """List the Kling models with their parameters: types, bounds, defaults, required."""
        return [model.listing() for model in MODELS.values()]

    async def estimate(self, model: str, prompt: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Say what a request will cost (USD) and take (seconds); null where nobody can know.

        Missing or wrong values widen the range; nothing is sent, checked or kept.
        """
        await self._service.live.first_list()
        values = parameters if isinstance(parameters, dict) else {}
        given = {**values, PROMPT: prompt} if prompt not in (None, "") else values
        try:
            return self._service.estimates.estimate(model, given).to_json()
        except InvalidValuesError as exc:
            raise _refusal(str(exc)) from exc

    async def request(
        self,
        id: str,  # noqa: A002  the API's word
        visit: gr.Request,
    ) -> dict[str, Any]:
        """Return what a generation of yours was made from: model, prompt, parameters.

        Ready for /submit; its pictures, sounds and videos are `input:SHA256.ext`.
        """
        service = self._service
        generation = await service.get(id) if isinstance(id, str) else None
        if generation is None or not service.owns(generation, owner_of(visit)):
            raise _refusal("id: there is no such generation of yours here.")
        exported = await service.exported(generation)
        if exported.missing:
            gone = "can't be restored: its file is no longer here."
            raise _refusal(" ".join(f"{name}: {gone}" for name in exported.missing))
        return exported.to_json()

    async def history(
        self,
        search: str,
        filters: dict[str, Any],
        limit: int,
        offset: int,
        request: gr.Request,
    ) -> dict[str, Any]:
        """List your generations, newest first: `total` of them, and `limit` from `offset` on.

        `search` is found in prompts, effects, models and ids. `filters`: task, model, status,
        starred, simulated, set; each a value or a list.
        """
        for name, number in (("limit", limit), ("offset", offset)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise _refusal(f"{name}: must be a whole number, 0 or more.")
        if limit > MOST_LISTED:
            raise _refusal(f"limit: {MOST_LISTED} at most; go on with offset.")
        if offset > MOST_SKIPPED:
            raise _refusal(f"offset: {MOST_SKIPPED:,} at most; narrow the search.")
        try:
            wanted = read_filters(search, filters)
        except InvalidFilterError as exc:
            raise _refusal(str(exc)) from exc
        page = await self._service.history.page(
            owner_of(request), wanted, limit=limit, offset=offset
        )
        return {
            "total": page.totals.count,
            "generations": [generation_json(each) for each in page.generations],
        }

    async def submit(
        self, model: str, prompt: str, parameters: dict[str, Any], request: gr.Request
    ) -> dict[str, Any]:
        """Start one generation (paid, unless simulated); answer as soon as it is accepted.

        `parameters` are the provider's own names. Follow the returned `id` with /status.
        """
        return generation_json(await self._submit(request, model, prompt, parameters))

    async def status(
        self,
        id: str,  # noqa: A002  the API's word
        wait: float,
        request: gr.Request,
    ) -> dict[str, Any]:
        """Return a generation as it is, waiting up to `wait` seconds (45 at most) for a change.

        Whoever has more calls waiting than his share is answered at once.
        """
        with self._shares.place(caller_of(request), address_of(request)) as may_wait:
            return generation_json(await self._status(id, wait, may_wait=may_wait))

    async def generate(
        self, model: str, prompt: str, parameters: dict[str, Any], request: gr.Request
    ) -> AsyncIterator[dict[str, Any]]:
        """Start one generation (paid, unless simulated) and stream its states to the end.

        Whoever watches more than his share gets its first state only: go on with /status.
        """
        generation = await self._submit(request, model, prompt, parameters)
        yield generation_json(generation)
        with self._shares.place(caller_of(request), address_of(request)) as may_wait:
            if not may_wait:
                return
            async for snapshot in self._service.follow(generation.id):
                if snapshot != generation:
                    yield generation_json(snapshot)

    async def batch(
        self, requests: list[dict[str, Any]], name: str, max_usd: float, request: gr.Request
    ) -> dict[str, Any]:
        """Start several generations as one set; they are sent a few at a time.

        `requests` is a list of model, prompt and parameters. All are refused where one is
        invalid, or where the estimates add up to more than `max_usd` (USD) or one has none; null
        is no bound. Follow each `id` with /status, all of the `set` with /history.
        """
        if not isinstance(requests, list):
            raise _refusal("requests: must be a list of objects.")
        batches, owner = self._service.batches, owner_of(request)
        name = "" if name is None else name
        try:
            prepared = await batches.prepare(requests, read=_read_request, owner=owner)
            made = await batches.submit(prepared, name=name, max_usd=max_usd, owner=owner)
        except RefusedBatchError as exc:
            raise _refusal(str(exc)) from exc
        return {
            "set": made.set.id,
            "generations": [generation_json(each) for each in made.generations],
        }

    async def _submit(
        self, request: gr.Request, model: Any, prompt: Any, parameters: Any
    ) -> Generation:
        owner = owner_of(request)
        try:
            values = _values_of(prompt, parameters)
            prepared = await self._service.prepare(model, values, owner=owner)
            return await self._service.submit(prepared, owner=owner)
        except (InvalidValuesError, DayLimitError) as exc:
            raise _refusal(str(exc)) from exc

    async def _status(self, generation_id: Any, wait: Any, *, may_wait: bool) -> Generation:
        if not isinstance(wait, int | float) or isinstance(wait, bool) or not wait >= 0:
            raise _refusal("wait: must be a number of seconds, 0 or more.")
        if not isinstance(generation_id, str):
            raise _refusal("id: must be the id of a generation, as text.")
        generation = await self._service.get(generation_id)
        if generation is None:
            raise _refusal(f"id: there is no generation {generation_id[:64]!r} here.")
        if not may_wait:
            return generation
        try:
            async with asyncio.timeout(min(wait, LONGEST_WAIT_SECONDS)):
                async for snapshot in self._service.follow(generation_id):
                    if snapshot != generation:
                        return snapshot
        except TimeoutError:
            pass
        return await self._service.get(generation_id) or generation


def _read_request(request: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the model and the values of one element of a batch; raise InvalidValuesError."""
    if not isinstance(request, dict):
        raise _invalid("model", "is missing; each request is an object.")
    unknown = next((name for name in request if name not in _NAMES), None)
    if unknown is not None:
        raise _invalid(unknown[:_LONGEST_TOLD], f"is not known; there are {', '.join(_NAMES)}.")
    return request.get("model"), _values_of(request.get("prompt"), request.get("parameters"))


def _values_of(prompt: Any, parameters: Any) -> dict[str, Any]:
    """Return the values of a request, the prompt among them; raise InvalidValuesError."""
    parameters = {} if parameters is None else parameters
    if not isinstance(parameters, dict):
        raise _invalid("parameters", "must be an object of parameter names and values.")
    if prompt and PROMPT in parameters:
        raise _invalid(PROMPT, "is given twice; leave it out of parameters.")
    return {**parameters, PROMPT: prompt} if prompt not in (None, "") else dict(parameters)


def _invalid(name: str, message: str) -> InvalidValuesError:
    return InvalidValuesError((Problem(name, message),))


def _refusal(message: str) -> gr.Error:
    # What is refused here was not sent; the message goes to the caller as it is.
    return gr.Error(f"{message} {NOTHING_SENT}", print_exception=False)


def generation_json(generation: Generation) -> dict[str, Any]:
    """Return what anyone who has the id may see; a new field of the row is not among it.

    `video` and `poster` are URL paths from the app's root, or None. Times are UTC, ISO 8601.
    """
    return {
        "id": generation.id,
        "task_id": generation.task_id,
        "model": generation.model,
        "prompt": generation.prompt,
        "payload": generation.payload,
        "status": generation.status.value,
        "created_at": generation.created_at,
        "updated_at": generation.updated_at,
        "finished_at": generation.finished_at,
        "video": video_url(generation),
        "poster": poster_url(generation),
        "usd_spent": generation.usd_spent,
        "credits_used": generation.credits_used,
        "simulated": generation.is_simulated,
        "starred": generation.is_starred,
        "set": generation.set_id,
        "error": _error_json(generation.error),
    }


def _error_json(error: GenerationError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"kind": error.kind, "message": error.message, "field": error.field}
