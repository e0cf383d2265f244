"""The storyboard: shots in place of one prompt, where timed each with its seconds."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from kling_ui.catalog import Param, Storyboard
from kling_ui.ui.create.fields.field import AnyNumber, Built, Field, Look, Updates
from kling_ui.ui.create.fields.visible_rows import GrowingRows

MAX_SHOTS = 6
"""Shots of a storyboard that the form has rows for."""

_FIRST_SHOTS = 2
_SECONDS = 5


def storyboard_field(name: str, _built: Built) -> Field:
    """Lay out the shots: a prompt each and, where timed, its seconds."""
    prompts, seconds, rows = [], [], []
    with gr.Column(elem_id=f"param-{name}", elem_classes=["k-board"]) as frame:
        for number in range(1, MAX_SHOTS + 1):
            with gr.Row(elem_classes=["k-shot"], visible=number <= _FIRST_SHOTS) as row:
                prompts.append(_shot_box(number))
                seconds.append(
                    AnyNumber(
                        _SECONDS,
                        label="Seconds",
                        minimum=1,
                        maximum=15,
                        precision=0,
                        scale=1,
                        min_width=70,
                    )
                )
            rows.append(row)
        growing = GrowingRows(rows, "Add a shot", first=_FIRST_SHOTS)

    def is_written(raw: Sequence[Any]) -> list[bool]:
        return [bool((text or "").strip()) for text in raw[:MAX_SHOTS]]

    def reveal(raw: Sequence[Any]) -> Updates:
        return growing.revealing(is_written(raw))

    def read(param: Param, raw: Sequence[Any], _look: Look) -> Any:
        texts, lengths = raw[:MAX_SHOTS], raw[MAX_SHOTS:]
        shots = [(t, s) for t, s in zip(texts, lengths, strict=True) if (t or "").strip()]
        if isinstance(param, Storyboard) and param.is_timed:
            return [{"prompt": t, "duration": s} for t, s in shots] or None
        return [t for t, _ in shots] or None

    def fill(value: Any) -> Sequence[Any]:
        shots = [_shot(each) for each in (value if isinstance(value, list) else [])]
        shots = [*shots, *[("", _SECONDS)] * MAX_SHOTS][:MAX_SHOTS]
        return [*(text for text, _ in shots), *(length for _, length in shots)]

    def updates(param: Param, _value: Any) -> Updates:
        is_timed = isinstance(param, Storyboard) and param.is_timed
        clocks = {box: {"visible": is_timed} for box in seconds}
        return {frame: {"visible": True}, **clocks}

    return Field(
        name=name,
        kind="Storyboard",
        frame=frame,
        inputs=(*prompts, *seconds),
        read=read,
        fill=fill,
        updates=updates,
        reveal=reveal,
        extras=growing.parts,
        is_filled=lambda raw: any(is_written(raw)),
    )


def _shot(shot: Any) -> tuple[str, int]:
    if isinstance(shot, dict):
        return shot.get("prompt", ""), shot.get("duration", _SECONDS)
    return str(shot), _SECONDS


def _shot_box(number: int) -> gr.Textbox:
    hint = "What happens first" if number == 1 else "What happens then"
    return gr.Textbox(
        value="",
        label=f"Shot {number}",
        placeholder=hint,
        lines=1,
        max_lines=4,
        scale=4,
        min_width=180,
    )
