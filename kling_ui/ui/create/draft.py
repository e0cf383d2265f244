"""Keeps what is written and chosen in the form over a reload, in the tab's own sessionStorage.

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
    # Hidden: what the browser has saved comes in by it.
    saved = gr.Textbox(visible=False)
    for control in form.kept:
        # Runs in the browser alone: `fn` is None.
        control.change(
            None, form.kept, None, js="(...values) => window.klingDraft.save(values)", **QUIET
        )

    def restore(text: str) -> Any:
        values = _read(text, len(form.kept))
        return form.restored(values) if values else gr.skip()

    page.load(restore, [saved], form.recalled, js="() => [window.klingDraft.load()]", **QUIET)


def _read(text: Any, count: int) -> list[Any] | None:
    """Return the saved values, or None where there are none or they are of another form."""
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, list) and len(values) == count else None
