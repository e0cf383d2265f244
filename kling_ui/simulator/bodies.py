"""What a POST may hold: the catalog's rules in the words of the provider."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request

from kling_ui.catalog import (
    MODELS,
    Choice,
    Flag,
    InvalidValuesError,
    Model,
    Number,
    Param,
    Problem,
    Text,
)
from kling_ui.simulator.wire import RefusedError

_MISSING = object()


async def checked_payload(request: Request) -> dict[str, Any]:
    """Return the body as a payload, or raise RefusedError naming each wrong field.

    Pictures and videos in it are looked into, which may take a while: in a thread.
    """
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    return await asyncio.to_thread(_checked, _media_type(content_type), body)


def model_named_in(body: bytes) -> str | None:
    """Return the model a body asks for, however wrong the rest of it is."""
    try:
        model = json.loads(body)["model"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return model if isinstance(model, str) else None


def _checked(media_type: str, content: bytes) -> dict[str, Any]:
    body = _json_object(media_type, content)
    model = _model(body)
    values = {name: _number(model, name, value) for name, value in body.items() if name != "model"}
    blanks = [Problem(name, "") for name, value in values.items() if _is_blank(model, name, value)]
    if blanks:
        raise _refused(model, values, blanks)
    try:
        payload = model.payload(values)
    except InvalidValuesError as exc:
        raise _refused(model, values, exc.problems) from exc
    if "[refuse]" in str(payload.get("prompt")):
        raise _bad_fields({"prompt": "Expected an acceptable prompt, received one with [refuse]"})
    return payload


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _json_object(media_type: str, body: bytes) -> dict[str, Any]:
    if media_type != "application/json":
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


def _is_blank(model: Model, name: str, value: Any) -> bool:
    """Tell whether `value` is what a form means by "not set": the provider wants it left out."""
    param = model.param(name)
    if value is None or param is None or isinstance(param, Text):
        return value is None
    return param.is_empty(value)


def _number(model: Model, name: str, value: Any) -> Any:
    """Take "5" for 5, as the vendor's printed samples send it."""
    param = model.param(name)
    choices = param.choices if isinstance(param, Choice) and param.is_whole_number else ()
    wanted = [choice for choice in choices if str(choice) == value]
    return wanted[0] if wanted else value


def _refused(model: Model, values: Mapping[str, Any], problems: Iterable[Problem]) -> RefusedError:
    complaints: dict[str, str] = {}
    for problem in problems:
        param = model.param(problem.field)
        value = values.get(problem.field, _MISSING)
        complaints[problem.field] = (
            _complaint(param, value, problem.message)
            if param
            else "Expected no such key, received an unrecognized one"
        )
    return _bad_fields(complaints)


def _complaint(param: Param, value: Any, message: str) -> str:
    """Say what was expected, and the catalog's reason where the value's looks don't tell it."""
    told = f"Expected {_wanted(param)}, received {_received(param, value)}"
    return f"{told} ({message.rstrip('.')})" if message and _looks_right(param, value) else told


def _looks_right(param: Param, value: Any) -> bool:
    """Tell whether `value` has the outer form that is wanted: then what is wrong is inside."""
    if isinstance(param, Choice | Number | Flag):
        return False
    if isinstance(value, str):
        return param.type.startswith("string") and 0 < len(value) <= _longest(param)
    if isinstance(value, list):
        least, most = _items(param)
        return param.type.endswith("array") and least <= len(value) <= most
    return isinstance(value, dict) and param.type == "object"


def _bad_fields(complaints: Mapping[str, str]) -> RefusedError:
    message = "; ".join(f"{name}: {complaint}" for name, complaint in complaints.items())
    issues = [{"path": [name], "message": text} for name, text in complaints.items()]
    return RefusedError(400, message, meta={"issues": issues})


def _wanted(param: Param) -> str:
    bounds = param.bounds()
    if isinstance(param, Choice):
        return " | ".join(json.dumps(choice) for choice in param.choices)
    if isinstance(param, Number):
        return f"number from {param.minimum:g} to {param.maximum:g}"
    if isinstance(param, Text):
        return f"string of 1 to {param.max_length} characters"
    if "media" in bounds:
        several = " or an array of them" if param.type.endswith("array") else ""
        return f"url of {_a(bounds['media'])}{several}"
    if param.type == "array":
        least, most = _items(param)
        return f"array of {least} to {most} items"
    return param.type


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _received(param: Param, value: Any) -> str:
    if isinstance(value, str) and len(value) > _longest(param):
        return f"{len(value)} characters"
    if isinstance(value, list) and param.type.endswith("array"):
        return f"array of {len(value)}"
    if value is _MISSING or value is None or isinstance(value, dict | list):
        return _type(value)
    return _short(value)


def _longest(param: Param) -> float:
    return param.max_length if isinstance(param, Text) else float("inf")


def _items(param: Param) -> tuple[int, int]:
    bounds = param.bounds()
    return bounds.get("min_items", 1), bounds.get("max_items", 1)


def _short(value: Any) -> str:
    # Cut before it is quoted too: it may be a whole video.
    text = json.dumps(value[:200] if isinstance(value, str) else value)
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004  a line's worth


def _type(value: Any) -> str:
    if value is _MISSING:
        return "undefined"
    if value is None:
        return "null"
    names = {bool: "boolean", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")
