"""Fields of plain values: text, a choice, a number, yes or no."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, PAIR_SCENES, Choice, Number, Param, Text
from kling_ui.ui.create import effects
from kling_ui.ui.create.fields.field import AnySlider, Built, Field, Updates, labeled, readable
from kling_ui.ui.create.picker import Option, picker, picker_props

PROMPT = "prompt"
DEFAULT = "Default"
"""What a choice is called that leaves the decision to the provider."""


def text_field(name: str, _built: Built) -> Field:
    """Lay out a text box; the prompt's counts its characters."""
    is_prompt = name == PROMPT
    elem_id = name if is_prompt else f"param-{name}"
    box = gr.Textbox(
        value="", lines=2 if is_prompt else 1, max_lines=10 if is_prompt else 6, elem_id=elem_id
    )
    count = gr.HTML("", elem_id=f"{name}-count", elem_classes=["k-plain", "k-count"])

    def updates(param: Param, value: Any) -> Updates:
        limit = param.max_length if isinstance(param, Text) else 0
        hint = param.placeholder if isinstance(param, Text) else ""
        words = {"label": labeled(param), "placeholder": hint}
        counter = f'<span data-count-of="{elem_id}" data-limit="{limit}"></span>'
        return {
            box: {"value": value or "", "visible": True, **words},
            count: {"value": counter, "visible": True},
        }

    return _plain(name, "Text", box, updates, extras=(count,), empty="")


def segments_field(name: str, _built: Built) -> Field:
    """Lay out a row of segments, for a choice of a few."""
    radio = gr.Radio(_all_choices(name), elem_id=f"param-{name}", elem_classes=["k-segments"])

    def updates(param: Param, value: Any) -> Updates:
        shown = "" if value is None else value
        words = {"label": param.label, "info": param.help or None}
        return {radio: dict(choices=_choices(param), value=shown, visible=True, **words)}

    return _plain(name, "segments", radio, updates, empty="")


def range_field(name: str, _built: Built) -> Field:
    """Lay out a slider, for a choice of many whole numbers in a row."""
    numbers = [choice for choice in _all_choices(name) if isinstance(choice, int)]
    lowest, highest = min(numbers), max(numbers)
    slider = AnySlider(
        lowest, highest, value=5, step=1, elem_id=f"param-{name}", elem_classes=["k-slider"]
    )

    def updates(param: Param, value: Any) -> Updates:
        numbers = param.choices if isinstance(param, Choice) else ()
        bounds = {"minimum": numbers[0], "maximum": numbers[-1]}
        label = f"{param.label}, seconds"
        return {slider: dict(label=label, value=value, visible=True, **bounds)}

    return _plain(name, "range", slider, updates)


def list_field(name: str, _built: Built) -> Field:
    """Lay out a searchable list in groups, for a choice of many names."""
    names = picker(elem_id=f"param-{name}", label="", options=[], value="", is_searchable=True)

    def updates(param: Param, value: Any) -> Updates:
        choices = param.choices if isinstance(param, Choice) else ()
        options = [
            Option(
                value=word,
                label=readable(word),
                group=group,
                mark="2 people" if word in PAIR_SCENES else "",
            )
            for group, words in effects.grouped([str(choice) for choice in choices])
            for word in words
        ]
        hint = f"{len(options)} {param.label.lower()}s: open the list, or type to search"
        props = picker_props(
            label=param.label,
            options=options,
            value=value or "",
            hint=hint,
            is_searchable=True,
        )
        return {names: {"visible": True, **props}}

    return _plain(name, "list", names, updates, empty="")


def number_field(name: str, _built: Built) -> Field:
    """Lay out a slider, for a number."""
    slider = AnySlider(0, 1, value=0.5, elem_id=f"param-{name}", elem_classes=["k-slider"])

    def updates(param: Param, value: Any) -> Updates:
        bounds = {"maximum": 1.0, "step": 0.05}
        if isinstance(param, Number):
            bounds = {"minimum": param.minimum, "maximum": param.maximum, "step": param.step}
        words = {"label": param.label, "info": param.help or None}
        return {slider: dict(value=value, visible=True, **bounds, **words)}

    return _plain(name, "Number", slider, updates)


def flag_field(name: str, _built: Built) -> Field:
    """Lay out a checkbox."""
    box = gr.Checkbox(elem_id=f"param-{name}", elem_classes=["k-flag"])

    def updates(param: Param, value: Any) -> Updates:
        words = {"label": param.label, "info": param.help or None}
        return {box: dict(value=bool(value), visible=True, **words)}

    return _plain(name, "Flag", box, updates)


def _plain(
    name: str,
    kind: str,
    control: Any,
    updates: Callable[[Param, Any], Updates],
    *,
    extras: tuple[Any, ...] = (),
    empty: Any = None,
) -> Field:
    return Field(
        name=name,
        kind=kind,
        frame=control,
        inputs=(control,),
        read=lambda _param, raw, _look: raw[0],
        fill=lambda value: [empty if value is None else value],
        updates=updates,
        extras=extras,
        is_plain=True,
    )


def _choices(param: Param) -> list[tuple[str, str | int]]:
    if not isinstance(param, Choice):
        return []
    named = [(_named(param, choice), choice) for choice in param.choices]
    # Of two words for the same thing the first one is offered.
    first = [(name, choice) for name, choice in named if dict(reversed(named))[name] == choice]
    # Nothing chosen is a choice too: the provider decides, and nothing is sent.
    is_open = param.initial is None and not param.required
    return [(DEFAULT, ""), *first] if is_open else first


def _all_choices(name: str) -> list[str | int]:
    """Return every choice of any model: what Gradio checks a hidden control's value against."""
    params = (model.param(name) for model in MODELS.values())
    found = [choice for p in params if isinstance(p, Choice) for choice in p.choices]
    return ["", *dict.fromkeys(found)]


def _named(param: Choice, choice: str | int) -> str:
    if isinstance(choice, int) or ":" in choice:
        return f"{choice}{param.unit}"
    return param.names.get(choice) or readable(choice)
