"""The composer's controls, derived from the catalog: one control a parameter, under its name."""

from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, Choice, InvalidValuesError, Model, Number, Param, Text

PROMPT = "prompt"
"""The parameter that has its own place at the top of the form."""

LARGEST_SEGMENTED = 6
"""More choices than this make a list to open instead of a row of segments."""


@singledispatch
def control(param: Param) -> gr.components.Component:
    """Return the control for a parameter, with its documented bounds and what it starts with."""
    raise NotImplementedError(f"{type(param).__name__} has no control yet")


@control.register
def _(param: Text) -> gr.components.Component:
    return gr.Textbox(
        label=param.label,
        info=param.help or None,
        placeholder=param.placeholder,
        lines=1,
        max_lines=6,
        elem_id=f"param-{param.name}",
    )


@control.register
def _(param: Choice) -> gr.components.Component:
    choices: list[tuple[str, str | int]] = [(f"{c}{param.unit}", c) for c in param.choices]
    if param.initial is None:
        # Nothing chosen is a choice too: the provider decides, and nothing is sent.
        choices.insert(0, ("Not set", ""))
    shape = {
        "label": param.label,
        "info": param.help or None,
        "value": "" if param.initial is None else param.initial,
        "elem_id": f"param-{param.name}",
    }
    if len(choices) > LARGEST_SEGMENTED:
        return gr.Dropdown(choices, **shape)
    return gr.Radio(choices, elem_classes=["k-segments"], **shape)


@control.register
def _(param: Number) -> gr.components.Component:
    return gr.Slider(
        minimum=param.minimum,
        maximum=param.maximum,
        step=param.step,
        value=param.initial,
        label=param.label,
        info=param.help or None,
        elem_id=f"param-{param.name}",
        elem_classes=["k-slider"],
    )


def parameter_names(models: Iterable[Model] = MODELS.values()) -> list[str]:
    """Return the name of every parameter that has a control below the prompt, in form order."""
    names: dict[str, None] = {}
    for model in models:
        names.update(dict.fromkeys(param.name for param in model.params if param.name != PROMPT))
    return list(names)


def values_of(model: Model, filled_in: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person really set: the controls' values less what the provider assumes.

    Values of controls that the model does not have are left out.
    """
    values: dict[str, Any] = {}
    for param in model.params:
        value = filled_in.get(param.name)
        is_assumed = value is not None and value in (param.default, param.assumed)
        if not param.is_empty(value) and not is_assumed:
            values[param.name] = value
    return values


def problems_by_field(model: Model, filled_in: Mapping[str, Any]) -> dict[str, str]:
    """Return what can't be sent, field by field, in words that follow the control's label."""
    try:
        model.payload(values_of(model, filled_in))
    except InvalidValuesError as refusal:
        return {problem.field: _spoken(model, problem) for problem in refusal.problems}
    return {}


def _spoken(model: Model, problem: Any) -> str:
    param = model.param(problem.field)
    return f"{param.label if param else problem.field} {problem.message}"
