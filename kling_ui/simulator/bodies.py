"""What a POST may hold: the catalog's rules in the words of the provider."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from kling_ui.catalog import MODELS, InvalidValuesError, Model, Param, Problem
from kling_ui.simulator.wire import RefusedError

_MISSING = object()


async def checked_payload(request: Request) -> dict[str, Any]:
    """Return the body as a payload, or raise RefusedError naming each wrong field."""
    body = _json_object(request.headers.get("content-type", ""), await request.body())
    model = _model(body)
    values = {name: _number(model, name, value) for name, value in body.items() if name != "model"}
    nulls = [Problem(name, "") for name, value in values.items() if value is None]
    if nulls:
        raise _refused(model, values, nulls)
    try:
        payload = model.payload(values)
    except InvalidValuesError as exc:
        raise _refused(model, values, exc.problems) from exc
    if "[refuse]" in str(payload.get("prompt")):
        raise _bad_fields({"prompt": "Expected an acceptable prompt, received one with [refuse]"})
    return payload


def model_named_in(body: bytes) -> str | None:
    """Return the model a body asks for, however wrong the rest of it is."""
    try:
        model = json.loads(body)["model"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return model if isinstance(model, str) else None


def _json_object(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(400, "body: Expected object, received no application/json")
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise RefusedError(400, "body: Expected object, received malformed JSON") from exc
    if not isinstance(value, dict):
        raise RefusedError(400, f"body: Expected object, received {_type(value)}")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _model(body: Mapping[str, Any]) -> Model:
    name = body.get("model", _MISSING)
    if not isinstance(name, str):
        raise _bad_fields({"model": f"Expected string, received {_type(name)}"})
    if name not in MODELS:
        raise RefusedError(404, f"Model {_short(name)} not found")
    return MODELS[name]


def _number(model: Model, name: str, value: Any) -> Any:
    """Take "5" for 5, as the vendor's printed samples send it."""
    param = model.param(name)
    choices = param.schema().get("enum", []) if param else []
    wanted = [choice for choice in choices if isinstance(choice, int) and str(choice) == value]
    return wanted[0] if wanted else value


def _refused(
    model: Model, values: Mapping[str, Any], problems: tuple[Problem, ...] | list[Problem]
) -> RefusedError:
    complaints = {}
    for problem in problems:
        param = model.param(problem.field)
        value = values.get(problem.field, _MISSING)
        complaints[problem.field] = (
            f"Expected {_wanted(param)}, received {_received(param, value)}"
            if param
            else "Expected no such key, received an unrecognized one"
        )
    return _bad_fields(complaints)


def _bad_fields(complaints: Mapping[str, str]) -> RefusedError:
    message = "; ".join(f"{name}: {complaint}" for name, complaint in complaints.items())
    issues = [{"path": [name], "message": text} for name, text in complaints.items()]
    return RefusedError(400, message, meta={"issues": issues})


def _wanted(param: Param) -> str:
    schema = param.schema()
    if "enum" in schema:
        return " | ".join(json.dumps(choice) for choice in schema["enum"])
    if "minimum" in schema:
        return f"number from {schema['minimum']:g} to {schema['maximum']:g}"
    if "max_length" in schema:
        return f"string of 1 to {schema['max_length']} characters"
    return str(schema["type"])


def _received(param: Param, value: Any) -> str:
    limit = param.schema().get("max_length")
    if isinstance(value, str) and limit and len(value) > limit:
        return f"{len(value)} characters"
    if value is _MISSING or value is None or isinstance(value, dict | list):
        return _type(value)
    return _short(value)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004  a line's worth


def _type(value: Any) -> str:
    if value is _MISSING:
        return "undefined"
    if value is None:
        return "null"
    names = {bool: "boolean", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")
