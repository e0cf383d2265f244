"""The composer: one static superset of fields, shown and dressed for the chosen model.

What a person filled in survives a change of model where the new one takes it; where it does
not, the form says what will not be sent, and keeps it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from kling_ui.catalog import (
    MODELS,
    NOTED,
    InvalidValuesError,
    Model,
    Param,
    Problem,
    Task,
    find_model,
)
from kling_ui.ui import formatting
from kling_ui.ui.create.fields import (
    QUIET,
    Field,
    Updates,
    brush_fields,
    camera_field,
    elements_field,
    flag_field,
    list_field,
    media_field,
    move_field,
    number_field,
    pair_field,
    pictures_field,
    range_field,
    reading,
    segments_field,
    storyboard_field,
    text_field,
)

PROMPT = "prompt"
FIRST_MODEL = next(iter(MODELS.values()))

EXAMPLES = {
    "Raccoon": "A cheerful white raccoon running through a sequoia forest, golden hour",
    "Rainy kitchen": "Slow dolly over a kitchen table: steam rises from a cup, rain outside",
    "Paper boat": "A paper boat drifts down a flooded street at night, neon reflections",
    "Dandelion": "Macro shot of a dandelion opening in time-lapse, soft light, dew drops",
}
"""Prompts to start from, by the word on their chip."""


# Gradio's own list fails without a word on a model that an answer under way has just taken off it.
ModelList = reading("ModelList", gr.Dropdown, lambda _self, chosen: chosen)

KeptValues = dict[str, Any]
"""What a person has set of the plain values, by parameter: it outlives a change of model."""


_CHANGING = Problem(
    "model", "was still changing with the task. Look at it, then press Generate again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormInput:
    """What a person has filled in: the model, its values, and what of it can't be sent."""

    model: Model
    values: dict[str, Any]
    problems: tuple[Problem, ...]


class Form:
    """The laid-out composer. Make it inside the Blocks that it belongs to.

    `simulated_seconds` is how long a simulated generation takes, or None with a key. `remark_on`
    says of a model's id what the provider's lists tell against it, or nothing.
    """

    def __init__(
        self,
        *,
        simulated_seconds: float | None,
        remark_on: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._simulated_seconds = simulated_seconds
        self._remark_on = remark_on
        self._fields: list[Field] = []
        self._folds: dict[Any, tuple[Field, ...]] = {}
        self._doubts: dict[str, gr.HTML] = {}
        self._lay_out()
        inputs = [control for field in self._fields for control in field.inputs]
        self._controls = list({id(c): c for c in inputs}.values())
        self._position = {id(c): i for i, c in enumerate(self._controls)}
        self._blank = [FIRST_MODEL.id, "", *[None] * len(self._controls)]
        for component, properties in self._switch(FIRST_MODEL, {}, self._blank).items():
            for name, value in properties.items():
                setattr(component, name, value)
        self.inputs = [self.model, self.prompt, *self._controls, self.task]
        plain = [control for field in self._fields if field.is_plain for control in field.inputs]
        self.kept = [self.model, self.prompt, *plain]
        self._wire()

    # -- what the page asks for

    def read(self, raw: Sequence[Any]) -> FormInput:
        """Turn the values of `inputs` into what may be sent, and what can't be.

        Blocks while uploads are checked and converted. Raises InvalidValuesError for an
        unknown model only.
        """
        model = find_model(raw[0])
        if raw[-1] != model.task.value:
            # The task was chosen a moment ago; what would be sent is not what is looked at.
            return FormInput(model=model, values={}, problems=(_CHANGING,))
        values: dict[str, Any] = {PROMPT: raw[1]} if model.param(PROMPT) else {}
        problems: list[Problem] = []
        for field, param in self._used_by(model):
            try:
                value = field.read(param, self._raw_of(field, raw))
            except ValueError as exc:
                problems.append(Problem(field.name, str(exc)))
                continue
            is_assumed = value is not None and value in (param.default, param.assumed)
            if not param.is_empty(value) and not is_assumed:
                values[field.name] = value
        return FormInput(
            model=model,
            values=values,
            problems=(*problems, *_refused(model, values, {p.field for p in problems})),
        )

    def recall(self, payload: Mapping[str, Any]) -> dict[Any, Any]:
        """Return how the form changes to hold the model, prompt and plain values of a request.

        Files are not kept, so pictures and sounds stay as they are on the form.
        """
        model = MODELS.get(payload.get("model", ""))
        if model is None:
            return {self._chosen: {}}
        plain = {field.name for field, _ in self._used_by(model) if field.is_plain}
        chosen = {name: value for name, value in payload.items() if name in plain}
        updates = self._switch(model, chosen, self._blank)
        updates[self.task] = {"value": model.task.value}
        updates[self.model] = {"choices": self._model_choices(model.task), "value": model.id}
        prompt = payload.get(PROMPT, "")
        updates[self.prompt] = {**updates.get(self.prompt, {}), "value": prompt}
        return self._as_updates(updates, model, chosen)

    def restored(self, values: Sequence[Any]) -> dict[Any, Any]:
        """Return how the form changes to hold `values` of `kept`, as a browser has saved them."""
        model = MODELS.get(values[0]) if isinstance(values[0], str) else None
        if model is None:
            return {self._chosen: {}}
        saved = {id(control): value for control, value in zip(self.kept, values, strict=True)}
        raw = [model.id, values[1], *[saved.get(id(control)) for control in self._controls]]
        chosen = self._remember(model, {}, raw)
        prompt = values[1] if isinstance(values[1], str) else ""
        return self.recall({**chosen, "model": model.id, PROMPT: prompt})

    def validate(self, *raw: Any) -> list[Any]:
        """Return Gradio's verdict on each of `inputs`: what is wrong is said at its field."""
        try:
            filled = self.read(raw)
        except InvalidValuesError as refusal:
            return [gr.validate(False, str(refusal)), *[gr.validate(True, "")] * (len(raw) - 1)]
        messages = {
            p.field: f"{formatting.named(filled.model, p.field)} {p.message}"
            for p in filled.problems
        }
        first = {field.name: id(field.inputs[0]) for field, _ in self._used_by(filled.model)}
        at = {first[name]: text for name, text in messages.items() if name in first}
        controls = [at.get(id(control), "") for control in self._controls]
        said = [messages.get("model", ""), messages.get(PROMPT, ""), *controls, ""]
        return [gr.validate(not text, text) for text in said]

    def remarked(self, task: str) -> Any:
        """Return the model list with what the provider's lists say by now."""
        return gr.update(choices=self._model_choices(Task(task)))

    def _model_choices(self, task: Task) -> list[tuple[str, str]]:
        """Return a task's models for the list, the newest version first."""
        models = [model for model in MODELS.values() if model.task is task]
        models.sort(key=_newness, reverse=True)
        return [(self._titled(model), model.id) for model in models]

    def _titled(self, model: Model) -> str:
        remark = self._remark_on(model.id)
        return f"{model.title} ({remark})" if remark else model.title

    # -- layout

    def _lay_out(self) -> None:
        self.task = gr.Radio(
            [task.value for task in Task],
            value=FIRST_MODEL.task.value,
            label="Task",
            show_label=False,
            container=False,
            elem_id="task",
            elem_classes=["k-segments"],
        )
        self.model = ModelList(
            self._model_choices(FIRST_MODEL.task),
            value=FIRST_MODEL.id,
            label="Model",
            elem_id="model",
            filterable=False,
        )
        self._shown_model = gr.State(FIRST_MODEL.id)
        self._chosen = gr.State({})
        scene = self._add(list_field("effect_scene"))
        self._add(pair_field("image_url", scene.inputs[0]))
        self._add(media_field("video_url", "video"))
        with gr.Row(elem_classes=["k-pair", "k-frames"]):
            picture = self._add(media_field("image_url", "image"))
            self._add(media_field("tail_image_url", "image"))
            self._add(media_field("last_image_url", "image"))
        self._doubt("tail_image_url")
        self._add(pictures_field("image_list"))
        self._add(media_field("audio_url", "audio"))
        self._lay_out_prompt()
        with gr.Row(elem_classes=["k-pair"]):
            self._add(segments_field("aspect_ratio"))
            self._add(segments_field("duration"))
        self._add(range_field("duration"))
        with gr.Row(elem_classes=["k-pair"]):
            self._add(segments_field("character_orientation"))
            self._add(segments_field("mode"))
        with gr.Row(elem_classes=["k-pair"]):
            self._add(flag_field("generate_audio"))
            self._add(flag_field("keep_audio"))
        self._add(number_field("cfg_scale"))
        self._fold("Camera", "camera", _camera_fields)
        self._fold(
            "Motion brush",
            "brush",
            lambda fold: brush_fields(
                "dynamic_masks",
                "static_mask",
                picture=picture.inputs[0],
                fold=fold,
                shown_model=self._shown_model,
            ),
        )
        self._fold("Elements", "elements", lambda _fold: [elements_field("elements")])
        self._fold("Storyboard", "storyboard", _shot_fields)
        self._fold("More", "more", lambda _fold: [segments_field("provider")])
        self.notice = gr.HTML("", elem_id="notice", elem_classes=["k-plain", "k-note"])
        with gr.Column(elem_id="launch"):
            self.estimate = gr.HTML(
                self._estimate(FIRST_MODEL), elem_id="estimate", elem_classes=["k-plain"]
            )
            self.generate = gr.Button("Generate", variant="primary", elem_id="generate")

    def _lay_out_prompt(self) -> None:
        with gr.Column(elem_id="prompt-card") as self._prompt_card:
            self.prompt = gr.Textbox(label="Prompt", lines=3, max_lines=10, elem_id="prompt")
            self._count = gr.HTML("", elem_id="prompt-count", elem_classes=["k-plain"])
            self._add(text_field("negative_prompt"))
        with gr.Column(elem_id="example-row") as self._examples:
            gr.Examples(
                [[text] for text in EXAMPLES.values()],
                [self.prompt],
                label="Examples",
                example_labels=list(EXAMPLES),
                cache_examples=False,
                elem_id="examples",
                api_visibility="private",
            )

    def _add(self, field: Field) -> Field:
        self._fields.append(field)
        return field

    def _fold(self, label: str, elem_id: str, make: Any) -> None:
        with gr.Accordion(label, open=False, elem_id=elem_id, elem_classes=["k-fold"]) as fold:
            self._folds[fold] = tuple(self._add(field) for field in make(fold))
            for name in dict.fromkeys(field.name for field in self._folds[fold]):
                self._doubt(name)

    def _doubt(self, name: str) -> None:
        """Keep a place for what Kling itself does not document, if a model has such a thing."""
        if name in NOTED:
            self._doubts[name] = gr.HTML("", elem_classes=["k-plain", "k-note", "k-doubt"])

    # -- the chosen model

    def _wire(self) -> None:
        changed = [
            self.model,
            self._shown_model,
            self._chosen,
            self.prompt,
            self._count,
            self._prompt_card,
        ]
        changed += [self._examples, self.notice, self.estimate, *self._folds]
        for field in self._fields:
            changed += [field.frame, *field.inputs, *field.extras]
        outputs = list({id(each): each for each in changed}.values())
        self.recalled = [self.task, *outputs]
        self.task.input(
            self._on_task,
            [self._shown_model, self._chosen, self.task, self._shown_model, *self.inputs[1:]],
            outputs,
            **QUIET,
        )
        self.model.input(
            self._on_model, [self._shown_model, self._chosen, *self.inputs], outputs, **QUIET
        )
        for field in self._fields:
            for control in (
                field.inputs[:2] if field.name in (*NOTED, "duration", "generate_audio") else ()
            ):
                control.change(
                    self._on_doubt,
                    [self._shown_model, *self.inputs],
                    list(self._doubts.values()),
                    **QUIET,
                )

    def _on_task(self, shown_id: str, chosen: KeptValues, task: str, *raw: Any) -> dict[Any, Any]:
        shown = find_model(shown_id)
        model = _closest(shown, Task(task))
        chosen = self._remember(shown, chosen, raw)
        updates = self._switch(model, chosen, raw)
        updates[self.model] = {"choices": self._model_choices(model.task), "value": model.id}
        return self._as_updates(updates, model, chosen)

    def _on_model(self, shown_id: str, chosen: KeptValues, *raw: Any) -> dict[Any, Any]:
        model = find_model(raw[0])
        if model.id == shown_id:
            # Gradio tells of one choice twice; the second time the values are on their way.
            return {self._shown_model: model.id}
        chosen = self._remember(find_model(shown_id), chosen, raw)
        return self._as_updates(self._switch(model, chosen, raw), model, chosen)

    def _on_doubt(self, shown_id: str, *raw: Any) -> list[str]:
        """Warn at the fields of what Kling does not document; it may be sent all the same."""
        model = find_model(shown_id)
        given: dict[str, Any] = {}
        for field, param in self._used_by(model):
            values = self._raw_of(field, raw)
            if field.is_plain:
                given[field.name] = values[0]
            elif field.is_filled(values):
                is_camera = field.name == "camera_control"
                given[field.name] = {"type": values[0]} if is_camera else param.label
        said = {problem.field: problem.message for problem in model.warnings(given)}
        return [f"<p>{escape(said[name])}</p>" if name in said else "" for name in self._doubts]

    def _as_updates(self, updates: Updates, model: Model, chosen: KeptValues) -> dict[Any, Any]:
        updates = {component: gr.update(**values) for component, values in updates.items()}
        return {**updates, self._shown_model: model.id, self._chosen: chosen}

    def _remember(self, shown: Model, chosen: KeptValues, raw: Sequence[Any]) -> KeptValues:
        """Return `chosen` with what a person has set of the shown model's plain values."""
        chosen = dict(chosen)
        for field, param in self._used_by(shown):
            if field.is_plain:
                value = self._raw_of(field, raw)[0]
                chosen.pop(field.name, None)
                if not param.is_empty(value) and value != param.initial:
                    chosen[field.name] = value
        return chosen

    def _switch(self, model: Model, chosen: KeptValues, raw: Sequence[Any]) -> Updates:
        """Return how the form changes to show a model, keeping what a person has chosen."""
        used = {id(field): param for field, param in self._used_by(model)}
        updates: Updates = {field.frame: {"visible": False} for field in self._fields}
        for field in self._fields:
            if (param := used.get(id(field))) is not None:
                updates.update(field.updates(param, _kept(param, chosen)))
        for fold, fields in self._folds.items():
            updates[fold] = {"visible": any(id(field) in used for field in fields)}
        updates.update(self._prompt_updates(model))
        updates[self.notice] = {"value": _not_sent(self._left_out(model, chosen, raw))}
        updates[self.estimate] = {"value": self._estimate(model)}
        return updates

    def _prompt_updates(self, model: Model) -> Updates:
        param: Any = model.param(PROMPT)
        if param is None:
            return {
                self._prompt_card: {"visible": False},
                self._examples: {"visible": False},
            }
        label = param.label if param.required else f"{param.label} (optional)"
        limit = f'<span data-count-of="prompt" data-limit="{param.max_length}"></span>'
        return {
            self._prompt_card: {"visible": True},
            self.prompt: {"label": label, "placeholder": param.placeholder},
            self._count: {"value": limit},
            self._examples: {"visible": model.task is Task.TEXT},
        }

    def _left_out(self, model: Model, chosen: KeptValues, raw: Sequence[Any]) -> Iterable[str]:
        """Name what a person has filled in that the model does not take."""
        used = {id(field) for field, _ in self._used_by(model)}
        if raw[1] and raw[1].strip() and model.param(PROMPT) is None:
            yield "Prompt"
        for field in self._fields:
            is_left_out = id(field) not in used and not field.is_plain
            if is_left_out and field.is_filled(self._raw_of(field, raw)):
                yield _any_param(field).label
        for name, value in chosen.items():
            param = model.param(name)
            if param is None or _kept(param, chosen) != value:
                yield _any_param(next(f for f in self._fields if f.name == name)).label

    def _used_by(self, model: Model) -> list[tuple[Field, Param]]:
        pairs = [(field, model.param(field.name)) for field in self._fields]
        return [(f, param) for f, param in pairs if param is not None and f.fits(param)]

    def _raw_of(self, field: Field, raw: Sequence[Any]) -> list[Any]:
        return [raw[2 + self._position[id(control)]] for control in field.inputs]

    def _estimate(self, model: Model) -> str:
        if self._simulated_seconds is not None:
            left, right = (
                "Free: simulated",
                f"takes about {formatting.about(self._simulated_seconds)}",
            )
        else:
            left = "Paid from your AI/ML API balance"
            right = f"usually about {formatting.about(model.typical_seconds)}"
        return f'<div class="k-estimate"><span>{left}</span><span>{right}</span></div>'


def _refused(model: Model, values: dict[str, Any], known: set[str]) -> list[Problem]:
    try:
        model.payload(values)
    except InvalidValuesError as refusal:
        return [problem for problem in refusal.problems if problem.field not in known]
    return []


def _camera_fields(_fold: Any) -> list[Field]:
    return [
        camera_field("camera_control"),
        segments_field("camera_control"),
        move_field("advanced_camera_control"),
    ]


def _shot_fields(_fold: Any) -> list[Field]:
    return [storyboard_field("multi_prompt"), segments_field("shot_type")]


def _newness(model: Model) -> float:
    number = model.version.split()[0]
    # O1 came between 2.6 and 3; avatars have no number.
    return float(number) if number[0].isdigit() else 2.8


def _closest(shown: Model, task: Task) -> Model:
    """Return the model of a task that is most like the one shown."""
    candidates = [model for model in MODELS.values() if model.task is task]
    return max(
        candidates,
        key=lambda m: (
            m.version == shown.version and m.tier == shown.tier,
            m.version == shown.version,
        ),
    )


def _any_param(field: Field) -> Param:
    """Return some model's parameter that a field is for."""
    found = (model.param(field.name) for model in MODELS.values())
    return next(param for param in found if param is not None and field.fits(param))


def _kept(param: Param, chosen: KeptValues) -> Any:
    """Return what a control shows: what a person chose, where the model takes it."""
    value = chosen.get(param.name)
    try:
        return param.initial if param.is_empty(value) else param.check(value)
    except ValueError:
        return param.initial


def _not_sent(names: Iterable[str]) -> str:
    said = ", ".join(dict.fromkeys(names))
    if not said:
        return ""
    return (
        f"<p>Not sent with this model: <b>{escape(said)}</b>. "
        "It is kept for when you switch back.</p>"
    )
