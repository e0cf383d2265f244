"""The public API, as `gr.api` functions: models, submit, status, generate. JSON in, JSON out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, InvalidValuesError
from kling_ui.service import DayLimitError, Generation, Service
from kling_ui.ui.create.composer import PROMPT
from kling_ui.ui.generation_json import generation_json
from kling_ui.ui.identity import address_of, caller_of, owner_of
from kling_ui.ui.ledger_errors import report_ledger_errors
from kling_ui.ui.watching import SUBMITTING, WATCHING, WatchShares

LONGEST_WAIT_SECONDS = 45.0
"""How long one `/status` call may wait: clients cut calls at about a minute."""


def define(service: Service, shares: WatchShares) -> None:
    """Add the API to the Blocks being built; its watches are counted in `shares`."""

    def models() -> list[dict[str, Any]]:
        """List the Kling models with their parameters: types, bounds, defaults, required."""
        return [model.listing() for model in MODELS.values()]

    async def submit(
        model: str, prompt: str, parameters: dict[str, Any], request: gr.Request
    ) -> dict[str, Any]:
        """Start one generation (paid, unless simulated); answer as soon as it is accepted.

        `parameters` are the provider's own names. Follow the returned `id` with /status.
        """
        owner = owner_of(request)
        return generation_json(await _submit(service, owner, model, prompt, parameters))

    async def status(
        id: str,  # noqa: A002  the API's word
        wait: float,
        request: gr.Request,
    ) -> dict[str, Any]:
        """Return a generation as it is, waiting up to `wait` seconds (45 at most) for a change.

        Whoever has more calls waiting than his share is answered at once.
        """
        with shares.place(caller_of(request), address_of(request)) as may_wait:
            return generation_json(await _status(service, id, wait, may_wait=may_wait))

    async def generate(
        model: str, prompt: str, parameters: dict[str, Any], request: gr.Request
    ) -> AsyncIterator[dict[str, Any]]:
        """Start one generation (paid, unless simulated) and stream its states to the end.

        Whoever watches more than his share gets its first state only: go on with /status.
        """
        generation = await _submit(service, owner_of(request), model, prompt, parameters)
        yield generation_json(generation)
        with shares.place(caller_of(request), address_of(request)) as may_wait:
            if not may_wait:
                return
            async for snapshot in service.follow(generation.id):
                if snapshot != generation:
                    yield generation_json(snapshot)

    gr.api(models, api_name="models", concurrency_limit=None)
    for function, places in ((submit, SUBMITTING), (status, WATCHING), (generate, WATCHING)):
        gr.api(report_ledger_errors(function), api_name=function.__name__, **places)


async def _submit(
    service: Service, owner: str | None, model: Any, prompt: Any, parameters: Any
) -> Generation:
    parameters = {} if parameters is None else parameters
    if not isinstance(parameters, dict):
        raise _refusal("parameters: must be an object of parameter names and values.")
    if prompt and PROMPT in parameters:
        raise _refusal("prompt: is given twice; leave it out of parameters.")
    values = {**parameters, PROMPT: prompt} if prompt not in (None, "") else dict(parameters)
    try:
        request = await service.prepare(model, values, owner=owner)
        return await service.submit(request, owner=owner)
    except (InvalidValuesError, DayLimitError) as exc:
        raise _refusal(str(exc)) from exc


async def _status(service: Service, generation_id: Any, wait: Any, *, may_wait: bool) -> Generation:
    if not isinstance(wait, int | float) or isinstance(wait, bool) or not wait >= 0:
        raise _refusal("wait: must be a number of seconds, 0 or more.")
    if not isinstance(generation_id, str):
        raise _refusal("id: must be the id of a generation, as text.")
    generation = await service.get(generation_id)
    if generation is None:
        raise _refusal(f"id: there is no generation {generation_id[:64]!r} here.")
    if not may_wait:
        return generation
    try:
        async with asyncio.timeout(min(wait, LONGEST_WAIT_SECONDS)):
            async for snapshot in service.follow(generation_id):
                if snapshot != generation:
                    return snapshot
    except TimeoutError:
        pass
    return await service.get(generation_id) or generation


def _refusal(message: str) -> gr.Error:
    # What is refused here was not sent; the message goes to the caller as it is.
    return gr.Error(f"{message} Nothing was sent, nothing was spent.", print_exception=False)
