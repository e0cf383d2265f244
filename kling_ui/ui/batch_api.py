"""Requests as they arrive through the API, read into what the service takes: one, or a batch."""

from collections.abc import Mapping
from typing import Any

from kling_ui.catalog import InvalidValuesError, Problem
from kling_ui.service import RefusedBatchError, Service
from kling_ui.ui.create.memory import PROMPT
from kling_ui.ui.generation_json import generation_json

_NAMES = ("model", "prompt", "parameters")
_LONGEST_TOLD = 64


def values_of(prompt: Any, parameters: Any) -> dict[str, Any]:
    """Return the values of a request, the prompt among them; raise InvalidValuesError."""
    parameters = {} if parameters is None else parameters
    if not isinstance(parameters, dict):
        raise _invalid("parameters", "must be an object of parameter names and values.")
    if prompt and PROMPT in parameters:
        raise _invalid(PROMPT, "is given twice; leave it out of parameters.")
    return {**parameters, PROMPT: prompt} if prompt not in (None, "") else dict(parameters)


async def submit_batch(
    service: Service, owner: str | None, requests: Any, name: Any, max_usd: Any
) -> dict[str, Any]:
    """Submit a batch and return its set's id and generations; raise RefusedBatchError."""
    if not isinstance(requests, list):
        raise RefusedBatchError(["requests: must be a list of objects."])
    prepared = await service.batches.prepare(requests, read=_read, owner=owner)
    name = "" if name is None else name
    batch = await service.batches.submit(prepared, name=name, max_usd=max_usd, owner=owner)
    return {
        "set": batch.set.id,
        "generations": [generation_json(each) for each in batch.generations],
    }


def _read(request: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the model and the values of one element of a batch; raise InvalidValuesError."""
    if not isinstance(request, dict):
        raise _invalid("model", "is missing; each request is an object.")
    unknown = next((name for name in request if name not in _NAMES), None)
    if unknown is not None:
        raise _invalid(unknown[:_LONGEST_TOLD], f"is not known; there are {', '.join(_NAMES)}.")
    return request.get("model"), values_of(request.get("prompt"), request.get("parameters"))


def _invalid(name: str, message: str) -> InvalidValuesError:
    return InvalidValuesError((Problem(name, message),))
