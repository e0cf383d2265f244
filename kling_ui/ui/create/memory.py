"""What a person has put into the form, so that it outlives a change of model or task.

Settings are carried from model to model. Pictures, sounds, videos and what belongs to them stay
with their task, and so does a prompt where it is an extra: nothing travels unseen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kling_ui.catalog import Model, Param, Task
from kling_ui.ui.create.fields.field import Field

PROMPT = "prompt"
_OWN_PROMPT = (Task.MOTION, Task.AVATAR)

Used = Iterable[tuple[Field, Param, Sequence[Any]]]
"""Fields of a model, each with its parameter and the raw values of its controls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Plain values by parameter; the raw values of other controls by task; the last models."""

    plain: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    def with_plain(self, model: Model, used: Used) -> "Memory":
        """Return it with what has been set of a model's plain values."""
        plain = dict(self.plain)
        for each, param, raw in used:
            if not each.is_plain:
                continue
            key = prompt_key(model, each.name)
            plain.pop(key, None)
            if not param.is_empty(raw[0]) and raw[0] != param.initial:
                plain[key] = raw[0]
        return replace(self, plain=plain)

    def with_others(self, task: Task, others: Mapping[int, Any]) -> "Memory":
        """Return it with the raw values of a task's other controls, by their position."""
        return replace(self, others={**self.others, task.value: dict(others)})

    def with_model(self, model: Model) -> "Memory":
        """Return it with `model` as the last one used for its task."""
        return replace(self, models={**self.models, model.task.value: model.id})

    def value(self, model: Model, param: Param) -> Any:
        """Return what a plain control shows: what was set, where the model takes it."""
        value = self.plain.get(prompt_key(model, param.name))
        try:
            return param.initial if param.is_empty(value) else param.check(value)
        except ValueError:
            # Too long for this model is still a person's text.
            return value if param.name == PROMPT else param.initial

    def left_out(self, model: Model) -> list[str]:
        """Return the plain parameters that were set and that a model does not take."""
        names = []
        for key, value in self.plain.items():
            name, _, task = key.partition("@")
            param = model.param(name)
            is_other_tasks = bool(task) and task != model.task.value
            is_own = name == PROMPT and not task and model.task in _OWN_PROMPT
            if is_other_tasks or is_own:
                continue
            if param is None or self.value(model, param) != value:
                names.append(name)
        return names


def prompt_key(model: Model, name: str) -> str:
    """Return under which key a plain value is remembered: a prompt may be its task's own."""
    return f"{name}@{model.task.value}" if name == PROMPT and model.task in _OWN_PROMPT else name
