"""What an open page and the app must agree on, as one short word.

A page calls events by number and names components by number. One that was loaded before the app
was updated would have its calls taken for others; `HttpGuard` refuses them, and the page is
loaded anew.
"""

import hashlib
import json
from typing import Any

import gradio as gr

PAGE_VERSION_HEADER = b"x-kling-ui-version"


def page_version(page: gr.Blocks, look: dict[str, Any]) -> str:
    """Return 16 hex digits: the same as long as events, components, scripts and styles are.

    `look` is what `theme` returns.
    """
    components = [(number, type(block).__name__) for number, block in page.blocks.items()]
    events = [
        (number, fn.name, fn.targets, _numbers(fn.inputs), _numbers(fn.outputs), str(fn.js))
        for number, fn in page.fns.items()
    ]
    facts = json.dumps([components, events, look["css"], look["head"]], default=str)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def with_version(look: dict[str, Any], version: str) -> dict[str, Any]:
    """Return `look` with the version where `page.js` reads it."""
    return {**look, "head": f'<meta name="kling-ui-version" content="{version}">{look["head"]}'}


def _numbers(components: Any) -> list[int]:
    return [component._id for component in components]  # noqa: SLF001  its only name
