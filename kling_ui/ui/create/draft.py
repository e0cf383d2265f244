"""Keeps what is written, chosen and given over a reload, in the browser's own storage.

A draft is a request that need not be whole: a model and values, uploads as `input:` references.
Each tab has its own (sessionStorage); a new tab begins with the newest one (localStorage).
Gradio reloads the page after each connection cut. Where the browser denies storage, nothing is
kept and nothing fails.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS
from kling_ui.service import Service
from kling_ui.ui.create.composer import Form
from kling_ui.ui.event_options import QUIET
from kling_ui.ui.identity import owner_of
from kling_ui.ui.uploads import as_uploads

LONGEST = 2_000_000
"""Characters of a draft that is read back: painted areas are pictures in it."""

_NAMES = frozenset(MODELS)
_RETYPE = "() => window.klingDraft.retype()"
_UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, IndexError)


def keep(page: gr.Blocks, service: Service, form: Form) -> None:
    """Restore the form at load from what create.js has saved; it saves what the hints tell."""
    # Hidden: what the browser has saved comes in by them.
    saved, models = gr.Textbox(visible=False), gr.Textbox(visible=False)
    remember = "(task, model) => window.klingModels.save(task, model)"
    # Runs in the browser alone: `fn` is None.
    form.model.input(None, [form.task, form.model], None, js=remember, **QUIET)

    async def restore(text: str, last_used: str, request: gr.Request) -> Any:
        models = {task: id_ for task, id_ in _object(last_used).items() if id_ in _NAMES}
        if not text and not models:
            return gr.skip()
        draft = _object(text)
        model, values = MODELS.get(str(draft.get("model"))), draft.get("values")
        if model is None or not isinstance(values, dict):
            return form.fresh(models)
        found = await service.with_files(values, owner=owner_of(request))
        try:
            uploads = await asyncio.to_thread(as_uploads, found)
            return form.restored(model, uploads, models, sides=draft.get("sides"))
        except _UNREADABLE:  # written by another version, or by hand
            return form.fresh(models)

    load = "() => [window.klingDraft.load(), window.klingModels.load()]"
    restored = page.load(restore, [saved, models], form.recalled, js=load, **QUIET)
    # What was typed while that was under way stays.
    form.begin_after(restored.then(None, None, None, js=_RETYPE, **QUIET))


def _object(text: Any) -> Mapping[str, Any]:
    """Return a saved JSON object, an empty one where there is none."""
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
