"""What keeps a form from being sent, in the words of its labels.

The page puts each message under its field (create.js) and takes it away at the field's change.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from kling_ui.catalog import MediaParam, Model, Param, Pictures, Problem, Text

_MODEL = "model"


def problems_html(model: Model, problems: Sequence[Problem], values: Mapping[str, Any]) -> str:
    """Say in one line what is to be fixed; empty where nothing is."""
    if not problems:
        return ""
    said = {each.field: in_words(model, each, values) for each in problems}
    links = ", ".join(
        f'<a href="#{elem_id(name)}" data-fix="{escape(name, quote=True)}">'
        f"{escape(label_of(model, name))}</a>"
        for name in said
    )
    count = "1 thing" if len(said) == 1 else f"{len(said)} things"
    messages = escape(json.dumps(said), quote=True)
    return (
        f'<div role="alert" data-problems="{messages}">'
        f"<b>{count} to fix:</b> <span>{links}</span>"
        "<small>Nothing was sent, nothing was spent.</small></div>"
    )


def in_words(model: Model, problem: Problem, values: Mapping[str, Any]) -> str:
    """Return a problem as its field says it: no API names, and what to do."""
    param = model.param(problem.field)
    value = values.get(problem.field)
    if param is not None and param.is_empty(value) and problem.message.startswith("is required"):
        return _asked_for(param)
    if isinstance(param, Pictures) and isinstance(value, list):
        if len(value) < param.minimum:
            return f"Add {_more(param.minimum - len(value))} ({param.minimum} to {param.maximum})."
        if len(value) > param.maximum:
            return f"Take {len(value) - param.maximum} out: at most {param.maximum}."
    text = _labeled(model, problem.message)
    return text[:1].upper() + text[1:]


def elem_id(name: str) -> str:
    """Return the id of a parameter's element."""
    return name if name in (_MODEL, "prompt") else f"param-{name}"


def label_of(model: Model, name: str) -> str:
    """Return what a parameter is called in the form."""
    param = model.param(name)
    return param.label if param else name.capitalize()


def _asked_for(param: Param) -> str:
    what = param.label[:1].lower() + param.label[1:]
    article = "an" if what[0] in "aeiou" else "a"
    if isinstance(param, Pictures):
        return f"Add {_more(param.minimum, '')} ({param.minimum} to {param.maximum})."
    if isinstance(param, MediaParam):
        return f"Add {article} {what}."
    if isinstance(param, Text):
        return "Say what should happen."
    return f"Choose {article} {what}."


def _more(count: int, word: str = "more ") -> str:
    return f"one {word}picture" if count == 1 else f"{count} {word}pictures"


def _labeled(model: Model, message: str) -> str:
    """Write the parameters in a message as the form calls them."""
    names: Iterable[str] = sorted((p.name for p in model.params if "_" in p.name), key=len)
    for name in names:
        message = re.sub(rf"\b{name}\b", f"“{label_of(model, name)}”", message)
    return message
