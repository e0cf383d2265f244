"""The composer: one static superset of fields, shown and filled for the chosen model.

Where a field stands comes from its parameter, who lays it out from the parameter's kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, KeptUpload, Model, Request, Section, Task, find_model
from kling_ui.service import Estimate, LedgerError, Service
from kling_ui.ui.create import launch, model_picker, switches
from kling_ui.ui.create.examples import EXAMPLES, chips_html, values_of
from kling_ui.ui.create.fields.field import Field, Updates
from kling_ui.ui.create.fields.media_fields import LATE, limits_of
from kling_ui.ui.create.form_input import RawForm
from kling_ui.ui.create.kept_uploads import KeptUploads, Kind
from kling_ui.ui.create.layout import FIRST_TASK, Layout
from kling_ui.ui.create.memory import PROMPT, Memory, prompt_key
from kling_ui.ui.create.outlook import Outlook
from kling_ui.ui.create.picker import picker_props
from kling_ui.ui.create.reader import FormReader
from kling_ui.ui.event_options import QUIET
from kling_ui.ui.identity import owner_of
from kling_ui.ui.question import Question


class Form:
    """The laid-out composer. Make it inside the Blocks that it belongs to."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._uploads = KeptUploads(service)
        self._checked: list[Any] = []  # events after which an upload is kept and counts
        self._layout = layout = Layout(self._wire_note)
        self.reader = FormReader(layout, service, self._uploads)
        self._outlook = Outlook(layout, service)
        first = model_picker.default_model(FIRST_TASK, {})
        for component, properties in self._switch(first, Memory()).items():
            for name, value in properties.items():
                setattr(component, name, value)
        self.task, self.model, self.inputs = layout.task, layout.model, layout.inputs
        self.generate, self.problems = layout.generate, layout.problems
        self.variations = layout.variations
        self.memory, self.notice = layout.memory, layout.notice
        self.recalled = layout.outputs()
        self._has_prices = gr.State(value=False)
        self._wire()

    # -- what the page asks for

    def estimate(self, request: Request, raw: Sequence[Any], owner: str | None) -> Estimate:
        """Return what a prepared request of this form will cost."""
        filled = self.reader.read(raw, owner)
        return self._outlook.estimate(filled, request.payload)

    def filled(
        self, model: Model, values: Mapping[str, Any], memory: Memory | None = None
    ) -> dict[Any, Any]:
        """Return how the form changes to hold exactly these values; files are Paths."""
        used = self._layout.used_by(model)
        memory = self._with_plain(memory, model, values)
        updates = self._switch(model, memory)
        for field, _ in sorted(used, key=lambda pair: pair[0].name in values):
            if not field.is_plain:
                _refill(updates, field, field.raw_for(values))
        words, control = switches.sides_for(model, values)
        updates[self._layout.words]["value"] = words
        updates[self._layout.control]["value"] = control
        updates[self._layout.task] = {"value": model.task.value}
        return self._as_updates(updates, model, memory)

    def recall(self, payload: Mapping[str, Any], memory: Memory | None = None) -> dict[Any, Any]:
        """Return how the form changes to hold a request; its files are Paths among the uploads.

        Without a model of the catalog nothing changes.
        """
        model = MODELS.get(payload.get("model", ""))
        if model is None:
            return {self._layout.memory: gr.skip()}
        values = {name: value for name, value in payload.items() if name != "model"}
        return self.filled(model, values, memory)

    def restored(
        self,
        model: Model,
        values: Mapping[str, Any],
        models: Mapping[str, str],
        *,
        sides: Any = (),
    ) -> dict[Any, Any]:
        """Return how the form changes to hold a draft; files are Paths among the uploads.

        `models` are the last used ones by task, `sides` how the switches of words and of control
        stood. Raises what reading malformed values raises.
        """
        updates = self.filled(model, values, Memory(models=models))
        words, control = sides if isinstance(sides, list) and len(sides) == 2 else ("", None)  # noqa: PLR2004
        if words in [side for _, side in switches.words_sides(model)]:
            updates[self._layout.words]["value"] = words
        if control in [side for _, side in switches.control_sides(model)]:
            updates[self._layout.control]["value"] = control
        if values:
            updates[self._layout.notice] = gr.update(value=_RESTORED)
        return updates

    def fresh(self, models: Mapping[str, str]) -> dict[Any, Any]:
        """Return how the form changes to be empty, with the model last used for its task."""
        return self.filled(
            model_picker.default_model(FIRST_TASK, models), {}, Memory(models=models)
        )

    # -- wiring

    def _wire(self) -> None:
        shown = [self._layout.shown_model, self._layout.memory, *self.inputs]
        for switched in (
            *self._checked,
            self._layout.task.input(self._on_task, shown, self.recalled, **QUIET),
            self._layout.model.input(self._on_model, shown, self.recalled, **QUIET),
            self._layout.examples.click(self._on_example, [self.memory], self.recalled, **QUIET),
            self._layout.notice.click(self._on_fresh, [self.memory], self.recalled, **QUIET),
            self._layout.sends.click(
                self._on_drop, [self._layout.shown_model, *self.inputs], self.recalled, **QUIET
            ),
        ):
            self.then_reckon(switched)
        # What is typed is told once the typing pauses; the rest at once.
        text = {id(box) for box in self._layout.controls if isinstance(box, gr.Textbox)}
        told = [control for control in self._layout.controls if id(control) not in text]
        triggers = [self._layout.price.click]
        triggers += [each.change for each in (self._layout.words, self._layout.control, *told)]
        gr.on(triggers, self._on_change, self.inputs, self._launched, **QUIET)

    def then_reckon(self, event: Any) -> None:
        """Work out price, wait and what is sent once an event has changed the form."""
        event.then(self._on_change, self.inputs, self._launched, **QUIET)

    @property
    def _launched(self) -> list[Any]:
        return [self.generate, self._layout.sends, self._layout.price]

    def begin_after(self, restored: Any) -> None:
        """Show prices once the form is restored; anew if the provider's list comes after that."""
        shown = [self._layout.model, *self._launched, self._has_prices]
        reckoned = restored.then(self._on_prices, self.inputs, shown, **QUIET)
        came = gr.Textbox(visible=False)
        reckoned.then(self._on_waiting, [self._has_prices], [came], **QUIET)
        came.change(self._on_prices, self.inputs, shown, **QUIET)

    def _wire_note(self, shown_model: Any, well: Any, note: Any, name: str, kind: Kind) -> None:
        async def on_upload(path: str | None, shown: str, request: gr.Request) -> str:
            if not path or shown not in MODELS:
                return ""
            limits = limits_of(MODELS[shown].param(name), kind)
            try:
                found = await self._uploads.keep(path, kind, limits, owner_of(request))
            except LedgerError:
                return ""  # told when it is to be sent
            if isinstance(found, KeptUpload):
                return f"<p>{escape(' '.join(found.notes))}</p>" if found.notes else ""
            return f'<p data-tone="bad" role="alert">{escape(str(found))}</p>'

        self._checked.append(well.change(on_upload, [well, shown_model], [note], **QUIET))

    # -- events

    def _on_task(self, shown: str, memory: Memory, *raw: Any) -> dict[Any, Any]:
        form = RawForm.of(raw)
        task = Task(form.task)
        before = find_model(shown)
        memory = memory.with_plain(before, self._layout.with_raw(before, form))
        others = {i: form.controls[i] for i in self._layout.others()}
        memory = memory.with_others(before.task, others)
        model = model_picker.default_model(task, memory.models)
        updates = self._switch(model, memory)
        kept = memory.others.get(task.value, {})
        for i in self._layout.others():
            updates.setdefault(self._layout.controls[i], {})["value"] = kept.get(
                i, self._layout.blank[i]
            )
        return self._as_updates(updates, model, memory)

    def _on_model(self, shown: str, memory: Memory, *raw: Any) -> dict[Any, Any]:
        form = RawForm.of(raw)
        model = find_model(form.model_id)
        before = find_model(shown)
        if model.id == shown or model.task is not before.task:
            return {self._layout.shown_model: shown}
        memory = memory.with_plain(before, self._layout.with_raw(before, form)).with_model(model)
        updates = self._switch(model, memory)
        sides = [side for _, side in switches.words_sides(model)]
        updates[self._layout.words]["value"] = form.words if form.words in sides else PROMPT
        sides = [side for _, side in switches.control_sides(model)]
        updates[self._layout.control]["value"] = (
            form.control if form.control in sides else switches.NONE
        )
        names = [*self._others_left_out(model, form), *memory.left_out(model)]
        updates[self._layout.notice] = {"value": _not_sent(dict.fromkeys(map(_any_label, names)))}
        return self._as_updates(updates, model, memory)

    def _on_example(self, memory: Memory, event: gr.EventData) -> dict[Any, Any]:
        wanted = Question(event).text("example")
        example = next((each for each in EXAMPLES if each.key == wanted), None)
        if example is None:
            return {self._layout.memory: gr.skip()}
        return self.filled(MODELS[example.model], values_of(example), memory)

    def _on_fresh(self, memory: Memory) -> dict[Any, Any]:
        return self.fresh(memory.models)

    def _on_drop(self, shown: str, event: gr.EventData, *raw: Any) -> dict[Any, Any]:
        updates: Updates = {}
        form, dropped = RawForm.of(raw), Question(event).text("drop")
        for field, param in self._layout.used_by(find_model(shown)):
            if field.name == dropped:
                _refill(updates, field, field.raw_emptied(self._layout.raw_of(field, form), param))
        return {each: _updated(each, values) for each, values in updates.items()} or {
            self._layout.memory: gr.skip()
        }

    async def _on_change(self, request: gr.Request, *raw: Any) -> dict[Any, Any]:
        form, owner = RawForm.of(raw), owner_of(request)
        model = MODELS.get(form.model_id)
        if model is None or model.task.value != form.task:
            return {self._layout.price: gr.skip()}
        filled = self.reader.read(raw, owner)
        estimate = self._outlook.estimate(filled, filled.values)
        balance = None if estimate.is_simulated else await self._service.balance.usd()
        hints = self._outlook.hints(filled, form)
        if balance is not None and self._service.connections.can_switch:
            # Not for the visitors of a host: it is the owner's.
            hints = replace(hints, balance=f"${balance:,.2f}")
        return {
            self.generate: gr.Button(launch.button_label(estimate)),
            self._layout.sends: launch.sends_html(self._outlook.parts(filled, form)),
            self._layout.price: launch.price_html(estimate, hints, balance=balance),
        }

    async def _on_waiting(self, has_prices: object) -> Any:
        if has_prices:
            return gr.skip()
        await self._service.live.first_list()
        return "listed"

    async def _on_prices(self, request: gr.Request, *raw: Any) -> dict[Any, Any]:
        form = RawForm.of(raw)
        model = find_model(form.model_id)
        return {
            self._has_prices: self._service.live.has_asked,
            self._layout.model: gr.update(**self._picker(model)),
            **await self._on_change(request, *raw),
        }

    # -- the chosen model

    def _switch(self, model: Model, memory: Memory) -> Updates:
        """Return how the form changes to show a model with what is remembered."""
        used = {id(field): param for field, param in self._layout.used_by(model)}
        updates: Updates = {}
        for field in self._layout.fields:
            updates.setdefault(field.frame, {"visible": False})
            for extra in field.extras:
                updates.setdefault(extra, {})
        for field in self._layout.fields:
            if (param := used.get(id(field))) is not None:
                value = memory.value(model, param) if field.is_plain else None
                updates.update(field.updates(param, value))
                for control in field.inputs:
                    if isinstance(control, LATE):
                        updates.setdefault(control, {})["visible"] = True
        words, control = switches.words_sides(model), switches.control_sides(model)
        updates[self._layout.words] = _radio(words, PROMPT)
        updates[self._layout.control] = _radio(control, switches.NONE)
        updates[self._layout.prompt_card] = {"visible": self._has_section(model, Section.WORDS)}
        updates[self._layout.advanced] = {"visible": self._has_section(model, Section.ADVANCED)}
        updates[self._layout.model] = self._picker(model)
        updates[self._layout.notice] = {"value": ""}
        updates[self._layout.problems] = {"value": ""}
        updates[self._layout.examples] = {
            "value": chips_html(model.task, is_simulated=self._service.is_simulated)
        }
        return {component: values for component, values in updates.items() if values}

    def _with_plain(self, memory: Memory | None, model: Model, values: Mapping[str, Any]) -> Memory:
        """Return a memory that holds of a model's plain values exactly those in `values`."""
        memory = memory or Memory()
        names = [field.name for field, _ in self._layout.used_by(model) if field.is_plain]
        keys = {prompt_key(model, name) for name in names}
        others = {key: value for key, value in memory.plain.items() if key not in keys}
        given = {prompt_key(model, name): values[name] for name in names if name in values}
        return replace(memory, plain={**others, **given}).with_model(model)

    def _picker(self, model: Model) -> dict[str, Any]:
        rows = model_picker.options(model.task, self._service)
        return picker_props(label="Model", options=rows, value=model.id, is_searchable=False)

    def _as_updates(self, updates: Updates, model: Model, memory: Memory) -> dict[Any, Any]:
        changed = {each: _updated(each, values) for each, values in updates.items()}
        return {**changed, self._layout.shown_model: model.id, self._layout.memory: memory}

    def _has_section(self, model: Model, section: Section) -> bool:
        return any(param.section is section for param in model.params)

    def _others_left_out(self, model: Model, form: RawForm) -> list[str]:
        used = {id(field) for field, _ in self._layout.used_by(model)}
        return [
            field.name
            for field in self._layout.fields
            if id(field) not in used
            and not field.is_plain
            and model.param(field.name) is None
            and field.is_filled(self._layout.raw_of(field, form))
        ]


_RESTORED = '<p>Draft restored. <button type="button" data-fresh>Start fresh</button></p>'


def _radio(sides: Sequence[tuple[str, str]], value: str) -> dict[str, Any]:
    if not sides:
        return {"value": value, "visible": False}
    return {"choices": list(sides), "value": value, "visible": True}


def _refill(updates: Updates, field: Field, raw: Sequence[Any]) -> None:
    for control, value in zip(field.inputs, raw, strict=False):
        updates.setdefault(control, {})["value"] = value
    for component, values in field.reveal(raw).items():
        updates.setdefault(component, {}).update(values)


def _updated(component: Any, values: dict[str, Any]) -> Any:
    return values["value"] if isinstance(component, gr.State) else gr.update(**values)


def _any_label(name: str) -> str:
    found = (model.param(name) for model in MODELS.values())
    return next(param.label for param in found if param is not None)


def _not_sent(names: Mapping[str, Any]) -> str:
    if not names:
        return ""
    said = escape(", ".join(names))
    return (
        f"<p>Not sent with this model: <b>{said}</b>. It is kept for when you switch back. "
        '<button type="button" data-dismiss aria-label="Dismiss">✕</button></p>'
    )
