"""Components of which a script asks by events; each answer is the component's value.

An answer is a `div` whose `data-` attributes are for the script, and whose inside is for people.
"""

from collections.abc import Mapping
from html import escape

import gradio as gr


def asked_view(elem_id: str, *, frame: str, script: str) -> gr.HTML:
    """Lay one out: `frame` is its template in HTML, `script` the JavaScript that connects it."""
    return gr.HTML(
        "",
        html_template=frame,
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=["k-plain"],
    )


def answer(kind: str, inside: str = "", *, asked: str, **facts: str) -> str:
    """Return an answer of a kind; `asked` names the question, `facts` are as in `data`."""
    return f"<div{data({'kind': kind, 'asked': asked, **facts})}>{inside}</div>"


def data(facts: Mapping[str, str]) -> str:
    """Return facts as `data-` attributes; an underscore in a name becomes a hyphen."""
    return "".join(
        f' data-{name.replace("_", "-")}="{escape(value)}"' for name, value in facts.items()
    )
