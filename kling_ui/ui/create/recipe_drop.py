"""Dropping a video that was made here on the page: the form takes on how it was made."""

import asyncio
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS
from kling_ui.service import VideoRecipe
from kling_ui.ui.create.composer import Form
from kling_ui.ui.event_options import QUIET
from kling_ui.ui.question import Question
from kling_ui.ui.uploads import LONGEST_PATH

_NO_RECIPE = "holds no settings: only videos that Kling UI has saved do."
_SCRIPT = "window.klingRecipeDrop.connect(element, upload, trigger);"


def accept_videos(form: Form) -> None:
    """Add the line that tells of a dropped video, and fill `form` from it."""
    note = gr.HTML(
        "", elem_id="recipe-note", elem_classes=["k-plain", "k-note"], js_on_load=_SCRIPT
    )

    async def on_drop(event: gr.EventData) -> dict[Any, Any]:
        question = Question(event)
        name = question.text("name", most=80)
        # That `path` is an upload of this app is checked for every event.
        path = question.text("path", most=LONGEST_PATH)
        recipe = await asyncio.to_thread(_taken, Path(path)) if path else None
        if recipe is None:
            return {note: _line(f"{name} {_NO_RECIPE}", tone="bad")}
        return {**form.recall(recipe.payload), note: _restored(name, recipe)}

    note.click(on_drop, None, [note, *form.recalled], **QUIET)


def _taken(path: Path) -> VideoRecipe | None:
    """Return the recipe in an upload, which was only sent for it, and remove the upload."""
    try:
        return VideoRecipe.read(path)
    finally:
        path.unlink(missing_ok=True)


def _restored(name: str, recipe: VideoRecipe) -> str:
    said = f"Settings restored from {name}."
    if recipe.missing:
        said += f" Not in the file, choose anew: {_labels(recipe, recipe.missing)}."
    if recipe.refused:
        said += f" Left out: {_labels(recipe, recipe.refused)}."
    return _line(said)


def _labels(recipe: VideoRecipe, names: Sequence[str]) -> str:
    params = {param.name: param.label for param in MODELS[recipe.model].params}
    return ", ".join(params.get(name, name)[:40] for name in names[:10])


def _line(text: str, *, tone: str = "calm") -> str:
    return f'<p role="status" data-tone="{tone}">{escape(text)}</p>'
