"""Components of which a script asks by events; each answer is the component's value.

An answer is a `div` whose `data-` attributes are for the script, and whose inside is for people.
"""

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Any

import gradio as gr

from kling_ui.service import LedgerError
from kling_ui.ui.formatting import ledger_trouble
from kling_ui.ui.question import Question
from kling_ui.ui.visit import Visit


def asked_view(elem_id: str, *, frame: str, script: str) -> gr.HTML:
    """Lay one out: `frame` is its template in HTML, `script` the JavaScript that connects it."""
    return bare_html("", elem_id, html_template=frame, js_on_load=script)


def bare_html(value: str, elem_id: str, **more: Any) -> gr.HTML:
    """Return markup without any style of Gradio's; `more` is what gr.HTML takes besides."""
    return gr.HTML(
        value, elem_id=elem_id, elem_classes=["k-plain"], apply_default_css=False, **more
    )


def answering(
    handler: Callable[..., Awaitable[Any]], *, told: Callable[..., str]
) -> Callable[..., Awaitable[Any]]:
    """Return what answers an event, from what takes the question, the visit and the inputs.

    Where the ledger is in trouble, `told` makes the answer that says so.
    """

    async def answered(event: gr.EventData, request: gr.Request, *inputs: Any) -> Any:
        question = Question(event)
        try:
            return await handler(question, Visit.of(request), *inputs)
        except LedgerError as exc:
            return told(ledger_trouble(exc), asked=question.number)

    answered.__name__ = handler.__name__  # the event's name in the API
    return answered


def answer(kind: str, inside: str = "", *, asked: str, **facts: str) -> str:
    """Return an answer of a kind; `asked` names the question, `facts` are as in `data`."""
    return f"<div{data({'kind': kind, 'asked': asked, **facts})}>{inside}</div>"


def data(facts: Mapping[str, str]) -> str:
    """Return facts as `data-` attributes; an underscore in a name becomes a hyphen."""
    return "".join(
        f' data-{name.replace("_", "-")}="{escape(value)}"' for name, value in facts.items()
    )
