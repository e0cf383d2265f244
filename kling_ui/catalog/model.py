"""One Kling model: the id the provider knows, and everything the app derives from its row."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Literal

from kling_ui.catalog.media_input.values import check_media
from kling_ui.catalog.params import MediaParam, Param, Take
from kling_ui.catalog.rules import ExcludeEachOther, Problem, Rule


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


MAX_PROBLEMS = 20
"""How many problems one refusal lists; a caller may send a million wrong names."""

_LONGEST_NAME = 64


class InvalidValuesError(ValueError):
    """Values that the model does not take; nothing was sent.

    `problems` holds one per field, MAX_PROBLEMS at most.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems[:MAX_PROBLEMS]
        said = [f"{problem.field}: {problem.message}" for problem in self.problems]
        if len(problems) > MAX_PROBLEMS:
            said.append("There are more.")
        super().__init__(" ".join(said))


@dataclass(frozen=True, slots=True)
class PrintedWait:
    """How long a video of `length` seconds takes by the model's page, in seconds from, to."""

    length: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the catalog.

    `typical_seconds` is the wait of the one run printed on the model's page (n = 1);
    `is_wait_assumed` where none is printed; `printed_waits` where the page tells one length from
    another. `route`: the pair of paths that the model's page documents, as the client names it. A
    broken rule blocks; `notes` tell what is sent as given although the documentation leaves it
    in doubt. `aliases`: the other ids that the provider's documentation has for the same model.
    """

    id: str
    version: str
    tier: str
    task: Task
    params: tuple[Param, ...]
    typical_seconds: float
    _: KW_ONLY
    is_wait_assumed: bool = False
    route: Literal["kling", "universal"] = "universal"
    rules: tuple[Rule, ...] = ()
    aliases: tuple[str, ...] = ()
    printed_waits: tuple[PrintedWait, ...] = ()
    notes: tuple[Rule, ...] = ()

    @property
    def title(self) -> str:
        """The model's name in people's words."""
        return f"Kling {self.version} · {self.tier}"

    @property
    def alternatives(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """Return the sets of parameter groups of which only one group each may be given."""
        return tuple(rule.groups for rule in self.rules if isinstance(rule, ExcludeEachOther))

    def param(self, name: str) -> Param | None:
        """Return the parameter called `name`, or None."""
        return next((param for param in self.params if param.name == name), None)

    def payload(
        self,
        values: Mapping[str, Any],
        take: Take = check_media,
        look_at: Callable[[Any], Any] = lambda value: value,
    ) -> dict[str, Any]:
        """Turn `values` (parameter name → value) into the body to send.

        Holds `model` and just what was set, in documented types; unset optional values
        (None, blank text) are left out. `take` reads the media; `look_at` turns what it
        returned into something that can be measured. Raises InvalidValuesError with every
        problem at once.
        """
        names = [param.name for param in self.params]
        unknown = (name for name in values if name not in names)
        known = ", ".join(names)
        problems = [
            Problem(_shortened(name), f"is not a parameter of {self.id}; it takes {known}.")
            for name in islice(unknown, MAX_PROBLEMS + 1)
        ]
        body: dict[str, Any] = {"model": self.id}
        for param in self.params:
            value = values.get(param.name)
            if param.is_empty(value):
                if param.required:
                    problems.append(Problem(param.name, f"is required. {param.help}".strip()))
                continue
            try:
                if isinstance(param, MediaParam):
                    body[param.name] = param.check(value, take)
                else:
                    body[param.name] = param.check(value)
            except ValueError as exc:
                problems.append(Problem(param.name, str(exc)))
        wrong = {problem.field for problem in problems}
        # A wrong value is still a given one: the rules see that it is there, not what it is.
        seen = {name: look_at(value) for name, value in body.items()}
        given = {**dict.fromkeys(self._set_values(values)), **seen}
        together = [problem for rule in self.rules for problem in rule(given)]
        problems += [problem for problem in together if problem.field not in wrong]
        if problems:
            raise InvalidValuesError(tuple(problems))
        return body

    def warnings(self, values: Mapping[str, Any]) -> tuple[Problem, ...]:
        """Return what may be sent although the documentation leaves it in doubt."""
        given = self._set_values(values)
        return tuple(problem for note in self.notes for problem in note(given))

    def listing(self) -> dict[str, Any]:
        """Describe the model as `/models` lists it."""
        return {
            "id": self.id,
            "title": self.title,
            "task": self.task.value,
            "parameters": [param.listing() for param in self.params],
        }

    def _set_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of `values` that the model takes and that are not empty."""
        return {
            param.name: values[param.name]
            for param in self.params
            if param.name in values and not param.is_empty(values[param.name])
        }


def _shortened(name: str) -> str:
    """Return a name as it came, or its beginning where it is longer than any of ours."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
