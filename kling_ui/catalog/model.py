"""One Kling model: the id the provider knows, and everything the app derives from its row."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Any

from kling_ui.catalog.params import Param
from kling_ui.catalog.rules import Problem, Rule, Undocumented


class Task(StrEnum):
    """What a person wants to do; the form asks for it before the model."""

    TEXT = "Text → Video"
    IMAGE = "Image → Video"
    IMAGES = "Several images"
    EFFECTS = "Effects"
    REFERENCE = "Reference"
    EDIT = "Edit a video"
    MOTION = "Motion control"
    AVATAR = "Talking avatar"


class InvalidValuesError(ValueError):
    """Values that the model does not take; nothing was sent. `problems` holds one per field."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(" ".join(f"{problem.field}: {problem.message}" for problem in problems))


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the catalog.

    `typical_seconds` is the wait of the one run printed on the model's page (n = 1), or
    `judged` where none is printed. `in_brief`: one of the twelve models whose documented route
    is the Kling pair. `undocumented`: what Kling's own documentation does not back.
    """

    id: str
    version: str
    tier: str
    task: Task
    params: tuple[Param, ...]
    typical_seconds: float
    _: KW_ONLY
    judged: bool = False
    in_brief: bool = False
    rules: tuple[Rule, ...] = ()
    undocumented: Undocumented | None = None

    @property
    def title(self) -> str:
        """The model's name in people's words."""
        return f"Kling {self.version} · {self.tier}"

    def param(self, name: str) -> Param | None:
        """Return the parameter called `name`, or None."""
        return next((param for param in self.params if param.name == name), None)

    def payload(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Turn `values` (parameter name → value) into the body to send.

        Holds `model` and just what was set, in documented types; unset optional values
        (None, blank text) are left out. Raises InvalidValuesError with every problem at once.
        """
        problems = [
            Problem(name, f"is not a parameter of {self.id}; it takes {self._names}.")
            for name in values
            if self.param(name) is None
        ]
        body: dict[str, Any] = {"model": self.id}
        for param in self.params:
            value = values.get(param.name)
            if param.is_empty(value):
                if param.required:
                    problems.append(Problem(param.name, f"is required. {param.help}".strip()))
                continue
            try:
                body[param.name] = param.check(value)
            except ValueError as exc:
                problems.append(Problem(param.name, str(exc)))
        wrong = {problem.field for problem in problems}
        # A wrong value is still a given one: the rules see that it is there, not what it is.
        given = {**dict.fromkeys(values_set(self, values)), **body}
        together = [problem for rule in self.rules for problem in rule(given)]
        problems += [problem for problem in together if problem.field not in wrong]
        if problems:
            raise InvalidValuesError(tuple(problems))
        return body

    def warnings(self, values: Mapping[str, Any]) -> tuple[Problem, ...]:
        """Return what may be sent but is not backed by Kling's own documentation."""
        return tuple(self.undocumented.about(values_set(self, values))) if self.undocumented else ()

    def listing(self) -> dict[str, Any]:
        """Describe the model as `/models` lists it."""
        return {
            "id": self.id,
            "title": self.title,
            "task": self.task.value,
            "parameters": [param.listing() for param in self.params],
        }

    @property
    def _names(self) -> str:
        return ", ".join(param.name for param in self.params)


def values_set(model: Model, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `values` that the model takes and that are not empty."""
    return {
        param.name: values[param.name]
        for param in model.params
        if param.name in values and not param.is_empty(values[param.name])
    }
