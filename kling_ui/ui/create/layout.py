"""The composer's components, as they lie on the page, and which of them belong to a model."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, Model, Param, Section, Task
from kling_ui.ui.asked_view import asked_view
from kling_ui.ui.create import model_picker, switches
from kling_ui.ui.create.fields import BUILDERS
from kling_ui.ui.create.fields.field import Built, Field, kind_of
from kling_ui.ui.create.form_input import RawForm
from kling_ui.ui.create.memory import PROMPT, Memory
from kling_ui.ui.create.picker import picker
from kling_ui.ui.sets import plan_view

FIRST_TASK = Task.TEXT
_SHORT = {
    Task.TEXT: "Text",
    Task.IMAGE: "Image",
    Task.IMAGES: "Multi-image",
    Task.EFFECTS: "Effects",
    Task.REFERENCE: "Reference",
    Task.EDIT: "Edit video",
    Task.MOTION: "Motion",
    Task.AVATAR: "Avatar",
}
_DROP = (
    "element.addEventListener('click', event => {"
    " const drop = event.target.closest('[data-drop]')?.dataset.drop;"
    " if (drop) trigger('click', {drop}); });"
)
_EXAMPLE = _DROP.replace("drop", "example") + (
    " window.klingStart = example => trigger('click', {example});"
)
"""A card on the empty stage asks by `klingStart`, since it stands in another component."""

_TYPED = "document.addEventListener('k-typed', () => trigger('click'));"
"""What is typed is told by create.js once the typing pauses."""

_FRESH = (
    "element.addEventListener('click', event => {"
    " if (event.target.closest('[data-fresh]')) trigger('click'); });"
)


class Layout:
    """The laid-out components. Make it inside the Blocks that they belong to.

    `note` is called with each well: (the shown model's State, the well, its note, the parameter,
    the kind of media).
    """

    def __init__(self, note: Callable[..., Any]) -> None:
        self.fields: list[Field] = []
        self._lay_out(note)
        controls = [control for field in self.fields for control in field.inputs]
        self.controls = list({id(control): control for control in controls}.values())
        self._position = {id(control): i for i, control in enumerate(self.controls)}
        self.blank = [getattr(control, "value", None) for control in self.controls]
        self.inputs = [self.model, self.task, self.words, self.control, *self.controls]

    def used_by(self, model: Model) -> list[tuple[Field, Param]]:
        """Return the fields of a model, each with its parameter."""
        pairs = [(field, model.param(field.name)) for field in self.fields]
        return [(f, param) for f, param in pairs if param is not None and f.fits(param)]

    def counting(self, model: Model, form: RawForm) -> list[tuple[Field, Param]]:
        """Return the fields of a model that count as the switches stand."""
        off = switches.switched_off(model, words=form.words, control=form.control)
        return [(field, param) for field, param in self.used_by(model) if field.name not in off]

    def raw_of(self, field: Field, form: RawForm) -> list[Any]:
        """Return the raw values of a field's controls."""
        return [form.controls[self._position[id(control)]] for control in field.inputs]

    def with_raw(self, model: Model, form: RawForm) -> list[tuple[Field, Param, list[Any]]]:
        """Return the fields of a model, each with its parameter and raw values."""
        return [(f, param, self.raw_of(f, form)) for f, param in self.used_by(model)]

    def others(self) -> list[int]:
        """Return the positions of the controls that do not hold a plain value."""
        plain = {id(c) for field in self.fields if field.is_plain for c in field.inputs}
        return [i for i, control in enumerate(self.controls) if id(control) not in plain]

    def outputs(self) -> list[Any]:
        """Return what a change of model or values changes."""
        changed = [self.task, self.model, self.shown_model, self.memory, self.prompt_card]
        changed += [self.notice, self.words, self.control, self.advanced, self.examples]
        changed += [self.problems]
        for field in self.fields:
            changed += [field.frame, *field.inputs, *field.extras]
        return list({id(each): each for each in changed}.values())

    def _lay_out(self, note: Callable[..., Any]) -> None:
        self.task = gr.Radio(
            [(_SHORT[task], task.value) for task in Task],
            value=FIRST_TASK.value,
            label="Task",
            show_label=False,
            container=False,
            elem_id="task",
        )
        self.model = picker(
            elem_id="model", label="Model", options=[], value="", is_searchable=False
        )
        self.shown_model = gr.State(model_picker.default_model(FIRST_TASK, {}).id)
        self.memory = gr.State(Memory())
        self.notice = gr.HTML(
            "", elem_id="notice", elem_classes=["k-plain", "k-note"], js_on_load=_FRESH
        )
        self._built = Built(
            fields={}, shared={}, shown_model=self.shown_model, note=partial(note, self.shown_model)
        )
        with gr.Row(elem_id="media", elem_classes=["k-wells"]):
            self._build(Section.MEDIA)
        self.control = gr.Radio(
            switches.ALL_CONTROLS, value=switches.NONE, label="Control", elem_id="control-switch"
        )
        self._built.shared["control"] = self.control
        self._build(Section.CONTROL)
        with gr.Column(elem_id="prompt-card") as self.prompt_card:
            self.words = gr.Radio(
                switches.ALL_WORDS, value=PROMPT, label="Words", elem_id="words-switch"
            )
            self._build(Section.WORDS)
        with gr.Row(elem_id="settings-row"):
            self._build(Section.SETTINGS)
        with gr.Accordion("Advanced", open=False, elem_id="advanced") as self.advanced:
            self._build(Section.ADVANCED)
        self.examples = gr.HTML(
            "", elem_id="examples", elem_classes=["k-plain"], js_on_load=_EXAMPLE
        )
        with gr.Column(elem_id="launch"):
            self.problems = gr.HTML("", elem_id="problems", elem_classes=["k-plain"])
            self.sends = gr.HTML("", elem_id="sends", elem_classes=["k-plain"], js_on_load=_DROP)
            with gr.Row(elem_id="generate-row"):
                # Gradio writes into a text that a browser's translation has taken away: the price
                # would stay what it was.
                self.generate = gr.Button(
                    "Generate",
                    variant="primary",
                    elem_id="generate",
                    elem_classes=["notranslate"],
                )
                self.variations = asked_view(
                    "variations", frame=plan_view.frame(), script=plan_view.SCRIPT
                )
            self.price = gr.HTML("", elem_id="price", elem_classes=["k-plain"], js_on_load=_TYPED)

    def _build(self, section: Section) -> None:
        """Lay out a part of the form: one field for each parameter and kind in the catalog."""
        found = {
            (param.name, kind_of(param)): param
            for model in MODELS.values()
            for param in model.params
            if param.section is section
        }
        for (name, kind), _ in sorted(found.items(), key=lambda pair: pair[1].order):
            field = BUILDERS[kind](name, self._built)
            self.fields.append(field)
            self._built.fields.setdefault(field.name, []).append(field)
