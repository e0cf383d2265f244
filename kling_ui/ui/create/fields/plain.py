"""Fields of plain values: text, a choice, a number, yes or no."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, Choice, Flag, Number, Param, Text
from kling_ui.ui.create.fields.field import Field, Updates, readable

MAX_SEGMENTS = 6
"""More choices than this make a list to open, or a slider, instead of a row of segments."""


def text_field(name: str) -> Field:
    """Lay out a small text box."""
    box = gr.Textbox(lines=1, max_lines=6, elem_id=f"param-{name}")

    def updates(param: Param, value: Any) -> Updates:
        hint = param.placeholder if isinstance(param, Text) else ""
        words = {"label": param.label, "placeholder": hint}
        return {box: {"value": value, "visible": True, **words}}

    return _plain(name, box, lambda param: isinstance(param, Text), updates)


def segments_field(name: str) -> Field:
    """Lay out a row of segments, for a choice of a few."""
    radio = gr.Radio(_all_choices(name), elem_id=f"param-{name}", elem_classes=["k-segments"])

    def updates(param: Param, value: Any) -> Updates:
        shown = "" if value is None else value
        words = {"label": param.label, "info": param.help or None}
        return {radio: dict(choices=_choices(param), value=shown, visible=True, **words)}

    return _plain(
        name, radio, lambda param: isinstance(param, Choice) and not _is_long(param), updates
    )


def range_field(name: str) -> Field:
    """Lay out a slider, for a choice of many whole numbers in a row."""
    numbers = [choice for choice in _all_choices(name) if isinstance(choice, int)]
    lowest, highest = min(numbers), max(numbers)
    slider = gr.Slider(
        lowest, highest, value=5, step=1, elem_id=f"param-{name}", elem_classes=["k-slider"]
    )

    def updates(param: Param, value: Any) -> Updates:
        numbers = param.choices if isinstance(param, Choice) else ()
        bounds = {"minimum": numbers[0], "maximum": numbers[-1]}
        label = f"{param.label}, seconds"
        return {slider: dict(label=label, value=value, visible=True, **bounds)}

    def fits(param: Param) -> bool:
        return isinstance(param, Choice) and _is_long(param) and param.is_whole_number

    return _plain(name, slider, fits, updates)


def list_field(name: str) -> Field:
    """Lay out a searchable list, for a choice of many names."""
    names = gr.Dropdown(_all_choices(name), value=None, elem_id=f"param-{name}", filterable=True)

    def updates(param: Param, value: Any) -> Updates:
        choices = _choices(param)
        hint = f"{len(choices)} to choose from: open the list, or type to search"
        shape: dict[str, Any] = {"label": param.label, "info": hint, "visible": True}
        return {names: dict(choices=choices, value=value or None, **shape)}

    def fits(param: Param) -> bool:
        return isinstance(param, Choice) and _is_long(param) and not param.is_whole_number

    return _plain(name, names, fits, updates)


def number_field(name: str) -> Field:
    """Lay out a slider, for a number."""
    slider = gr.Slider(0, 1, value=0.5, elem_id=f"param-{name}", elem_classes=["k-slider"])

    def updates(param: Param, value: Any) -> Updates:
        bounds = {"maximum": 1.0, "step": 0.05}
        if isinstance(param, Number):
            bounds = {"minimum": param.minimum, "maximum": param.maximum, "step": param.step}
        words = {"label": param.label, "info": param.help or None}
        return {slider: dict(value=value, visible=True, **bounds, **words)}

    return _plain(name, slider, lambda param: isinstance(param, Number), updates)


def flag_field(name: str) -> Field:
    """Lay out a checkbox."""
    box = gr.Checkbox(elem_id=f"param-{name}", elem_classes=["k-flag"])

    def updates(param: Param, value: Any) -> Updates:
        words = {"label": param.label, "info": param.help or None}
        return {box: dict(value=bool(value), visible=True, **words)}

    return _plain(name, box, lambda param: isinstance(param, Flag), updates)


def _plain(
    name: str,
    control: Any,
    fits: Callable[[Param], bool],
    updates: Callable[[Param, Any], Updates],
) -> Field:
    def read(_param: Param, raw: Sequence[Any]) -> Any:
        return raw[0]

    return Field(
        name=name,
        fits=fits,
        frame=control,
        inputs=(control,),
        read=read,
        updates=updates,
        is_plain=True,
    )


def _is_long(param: Choice) -> bool:
    return len(param.choices) > MAX_SEGMENTS


def _choices(param: Param) -> list[tuple[str, str | int]]:
    if not isinstance(param, Choice):
        return []
    named = [(_named(param, choice), choice) for choice in param.choices]
    # Nothing chosen is a choice too: the provider decides, and nothing is sent.
    is_open = param.initial is None and not param.required
    return [("Not set", ""), *named] if is_open else named


def _all_choices(name: str) -> list[str | int]:
    """Return every choice of any model: what Gradio checks a hidden control's value against."""
    params = (model.param(name) for model in MODELS.values())
    found = [choice for p in params if isinstance(p, Choice) for choice in p.choices]
    return ["", *dict.fromkeys(found)]


def _named(param: Choice, choice: str | int) -> str:
    if isinstance(choice, int) or ":" in choice:
        return f"{choice}{param.unit}"
    return readable(choice)
