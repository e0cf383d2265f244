"""Components of which a script asks by events; each answer is the component's value."""

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
