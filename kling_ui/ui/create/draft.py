"""Keeps what is written and chosen in the form over a reload, in the browser's own storage.

The draft is the tab's (sessionStorage), the models last used are the browser's (localStorage).
Gradio reloads the page after each connection cut. Where the browser denies storage, nothing is
kept and nothing fails. Files are not kept.
"""

import json
from typing import Any

import gradio as gr

from kling_ui.ui.create.composer import Form
from kling_ui.ui.create.fields import QUIET

LONGEST = 100_000
"""Characters of a draft that is read back; the longest prompts are far below."""


def keep(page: gr.Blocks, form: Form) -> None:
    """Save the form's plain values in the browser at each change, and restore them at load."""
    # Hidden: what the browser has saved comes in by them.
    saved, models = gr.Textbox(visible=False), gr.Textbox(visible=False)
    save = "(...values) => window.klingDraft.save(values)"
    for control in form.kept:
        # Runs in the browser alone: `fn` is None.
        control.change(None, form.kept, None, js=save, **QUIET)
    remember = "(task, model) => window.klingModels.save(task, model)"
    form.model.input(None, [form.task, form.model], None, js=remember, **QUIET)

    def restore(text: str, last_used: str) -> Any:
        values = _read(text)
        values = values if isinstance(values, list) and len(values) == len(form.kept) else []
        used = _read(last_used)
        used = used if isinstance(used, dict) else {}
        if not values and not used:
            return gr.skip()
        return form.restored(values, {k: v for k, v in used.items() if isinstance(v, str)})

    load = "() => [window.klingDraft.load(), window.klingModels.load()]"
    form.then_reckon(page.load(restore, [saved, models], form.recalled, js=load, **QUIET))


def _read(text: Any) -> Any:
    """Return saved JSON, or None where there is none."""
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
