"""The public API, as `gr.api` functions: models, submit, status, generate. JSON in, JSON out."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, InvalidValuesError
from kling_ui.service import SIMULATOR, Generation, Service
from kling_ui.ui.form import PROMPT
from kling_ui.ui.ledger_errors import report_ledger_errors
from kling_ui.ui.stage import file_url

LONGEST_WAIT_SECONDS = 45.0
"""How long one `/status` call may wait: clients cut calls at about a minute."""


def define(service: Service) -> None:
    """Add the API to the Blocks being built."""

    def models() -> list[dict[str, Any]]:
        """List the Kling models with their parameters: types, bounds, defaults, required."""
        return [model.listing() for model in MODELS.values()]

    async def submit(model: str, prompt: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Start one generation (paid, unless simulated); answer as soon as it is accepted.

        `parameters` are the provider's own names. Follow the returned `id` with /status.
        """
        return _json(await _submit(service, model, prompt, parameters), service)

    async def status(id: str, wait: float) -> dict[str, Any]:  # noqa: A002  the API's word
        """Return a generation as it is, waiting up to `wait` seconds (45 at most) for a change."""
        return _json(await _status(service, id, wait), service)

    async def generate(
        model: str, prompt: str, parameters: dict[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        """Start one generation (paid, unless simulated) and stream its states to the end."""
        generation = await _submit(service, model, prompt, parameters)
        yield _json(generation, service)
        async for snapshot in service.follow(generation.id):
            if snapshot != generation:
                yield _json(snapshot, service)

    gr.api(models, api_name="models", concurrency_limit=None)
    for function in (submit, status, generate):
        gr.api(report_ledger_errors(function), api_name=function.__name__, concurrency_limit=None)


async def _submit(service: Service, model: Any, prompt: Any, parameters: Any) -> Generation:
    parameters = {} if parameters is None else parameters
    if not isinstance(parameters, dict):
        raise _refusal("parameters: must be an object of parameter names and values.")
    if prompt and PROMPT in parameters:
        raise _refusal("prompt: is given twice; leave it out of parameters.")
    values = {**parameters, PROMPT: prompt} if prompt not in (None, "") else dict(parameters)
    try:
        return await service.submit(model, values)
    except InvalidValuesError as exc:
        raise _refusal(str(exc)) from exc


async def _status(service: Service, generation_id: Any, wait: Any) -> Generation:
    if not isinstance(wait, int | float) or isinstance(wait, bool) or not wait >= 0:
        raise _refusal("wait: must be a number of seconds, 0 or more.")
    if not isinstance(generation_id, str):
        raise _refusal("id: must be the id of a generation, as text.")
    generation = await service.get(generation_id)
    if generation is None:
        raise _refusal(f"id: there is no generation {generation_id[:64]!r} here.")
    try:
        async with asyncio.timeout(min(wait, LONGEST_WAIT_SECONDS)):
            async for snapshot in service.follow(generation_id):
                if snapshot != generation:
                    return snapshot
    except TimeoutError:
        pass
    return await service.get(generation_id) or generation


def _json(generation: Generation, service: Service) -> dict[str, Any]:
    values = dataclasses.asdict(generation)
    values["status"] = generation.status.value
    video = service.files.path(generation)
    values["video"] = file_url(video) if video else None
    values["simulated"] = values.pop("origin") == SIMULATOR
    return values


def _refusal(message: str) -> gr.Error:
    # What is refused here was not sent; the message goes to the caller as it is.
    return gr.Error(f"{message} Nothing was sent, nothing was spent.", print_exception=False)
