"""The Kling models as data: what each takes, and whether given values may be sent.

The form, the validation, the payload and the API listing all derive from the rows of `MODELS`.
This module knows neither HTTP nor Gradio. Source of the rows: the AI/ML API's model pages.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

MAX_PROMPT = 2500
"""Characters a prompt may have where a model's page names no limit of its own."""

_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and lone surrogates: no JSON parser agrees on them."""


class Task(StrEnum):
    """What a person wants to do; the form asks for it before the model."""

    TEXT = "Text → Video"


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that may not be sent: the parameter's API name and what to do about it."""

    field: str
    message: str


class InvalidValuesError(ValueError):
    """Values that the model does not take; nothing was sent. `problems` holds one per field."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(" ".join(f"{problem.field}: {problem.message}" for problem in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a model, under the provider's own name.

    `default` is what the provider documents it uses when nothing is sent; `assumed` the same
    where only Kling's own documentation says so. `start` is what the form begins with where
    there is neither. The form leaves out what equals `default` or `assumed`.
    """

    kind: ClassVar[str]

    name: str
    label: str
    help: str = ""
    required: bool = False
    default: Any = None
    assumed: Any = None
    start: Any = None
    advanced: bool = False

    @property
    def initial(self) -> Any:
        """What the form shows first: the default, what is assumed, or where to start."""
        for value in (self.default, self.assumed):
            if value is not None:
                return value
        return self.start

    def is_empty(self, value: Any) -> bool:
        """Tell whether `value` means "not set"."""
        return value in (None, "", [])

    def check(self, value: Any) -> Any:
        """Return `value` as it may be sent, or raise ValueError with what to do instead."""
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """Describe the parameter as the API listing does."""
        return {
            "name": self.name,
            "type": self.kind,
            "label": self.label,
            "help": self.help,
            "required": self.required,
            "default": self.default,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Param):
    """Free text of up to `max_length` characters (Unicode code points)."""

    kind = "string"

    max_length: int = MAX_PROMPT
    placeholder: str = ""

    def is_empty(self, value: Any) -> bool:
        """Tell whether `value` means "not set": blank text does."""
        return value is None or (isinstance(value, str) and not value.strip())

    def check(self, value: Any) -> str:
        """Return the text unchanged, or raise ValueError."""
        if not isinstance(value, str):
            raise ValueError(f"must be text, not {_said(value)}.")
        if len(value) > self.max_length:
            over = len(value) - self.max_length
            raise ValueError(
                f"has {len(value):,} characters; {self.max_length:,} are allowed. "
                f"Shorten it by {over:,}."
            )
        if _UNSENDABLE.search(value):
            raise ValueError("holds characters that can't be sent (NUL or half an emoji).")
        return value

    def schema(self) -> dict[str, Any]:
        """Describe the parameter as the API listing does."""
        return {**_base_schema(self), "max_length": self.max_length}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Param):
    """One of a few documented values, all text or all whole numbers."""

    kind = "choice"

    choices: tuple[str | int, ...]
    unit: str = ""

    def check(self, value: Any) -> str | int:
        """Return the documented value that `value` equals, or raise ValueError."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        for choice in self.choices:
            if type(choice) is type(value) and choice == value:
                return choice
        allowed = _either([str(choice) for choice in self.choices])
        raise ValueError(f"must be {allowed}{self._as_number}, not {_said(value)}.")

    @property
    def _as_number(self) -> str:
        return " as a number" if isinstance(self.choices[0], int) else ""

    def schema(self) -> dict[str, Any]:
        """Describe the parameter as the API listing does."""
        kind = "integer" if isinstance(self.choices[0], int) else "string"
        return {**_base_schema(self), "type": kind, "enum": list(self.choices)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Param):
    """A number from `minimum` to `maximum`, both allowed."""

    kind = "number"

    minimum: float
    maximum: float
    step: float = 0.05

    def check(self, value: Any) -> float:
        """Return the number, or raise ValueError."""
        bounds = f"a number from {self.minimum:g} to {self.maximum:g}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be {bounds}, not {_said(value)}.")
        if not math.isfinite(value) or not self.minimum <= value <= self.maximum:
            raise ValueError(f"must be {bounds}, not {_said(value)}.")
        return value

    def schema(self) -> dict[str, Any]:
        """Describe the parameter as the API listing does."""
        return {**_base_schema(self), "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One Kling model: the id the provider knows, and everything the app derives from it.

    `typical_seconds` is the wait of the one run printed on the model's page (n = 1), or a
    judged value where none is printed (`is_sampled` false). `in_brief`: one of the twelve
    models whose documented route is the Kling pair.
    """

    id: str
    version: str
    tier: str
    task: Task
    params: tuple[Param, ...]
    typical_seconds: float
    is_sampled: bool = True
    in_brief: bool = False

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
        if problems:
            raise InvalidValuesError(tuple(problems))
        return body

    def listing(self) -> dict[str, Any]:
        """Describe the model as `/models` lists it."""
        return {
            "id": self.id,
            "title": self.title,
            "task": self.task.value,
            "parameters": [param.schema() for param in self.params],
        }

    @property
    def _names(self) -> str:
        return ", ".join(param.name for param in self.params)


def find_model(model_id: Any) -> Model:
    """Return the model called `model_id`, or raise InvalidValuesError naming `model`."""
    model = MODELS.get(model_id) if isinstance(model_id, str) else None
    if model is not None:
        return model
    message = f"{_said(model_id)} is not a Kling model this app knows; /models lists them."
    raise InvalidValuesError((Problem("model", message),))


def _base_schema(param: Param) -> dict[str, Any]:
    # A dataclass with slots is a new class, so zero-argument super() would miss its parent.
    return Param.schema(param)


def _said(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"  # noqa: PLR2004  a line's worth


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


PROMPT = Text(
    name="prompt",
    label="Prompt",
    help="Say what should happen in the video.",
    placeholder="A cheerful white raccoon running through a sequoia forest, golden hour",
    required=True,
)
NEGATIVE_PROMPT = Text(
    name="negative_prompt",
    label="What to avoid",
    placeholder="Blur, distorted hands, watermark",
)
ASPECT_RATIO = Choice(
    name="aspect_ratio", label="Aspect ratio", choices=("16:9", "9:16", "1:1"), start="16:9"
)
DURATION = Choice(name="duration", label="Duration", choices=(5, 10), unit=" s", default=5)
CFG_SCALE = Number(
    name="cfg_scale",
    label="Guidance",
    help="0 leaves Kling free, 1 keeps close to the prompt.",
    minimum=0,
    maximum=1,
    assumed=0.5,
)
PROVIDER = Choice(
    name="provider",
    label="Provider",
    help="Who runs the model behind the AI/ML API. Leave it open unless you have a reason.",
    choices=("auto", "kling", "fal"),
    advanced=True,
)

MODELS: dict[str, Model] = {
    model.id: model
    for model in (
        Model(
            id="kling-video/v1.6/standard/text-to-video",
            version="1.6",
            tier="Standard",
            task=Task.TEXT,
            params=(PROMPT, NEGATIVE_PROMPT, ASPECT_RATIO, DURATION, CFG_SCALE, PROVIDER),
            typical_seconds=186,
            in_brief=True,
        ),
    )
}
