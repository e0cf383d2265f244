"""What a form holds: the raw values of its controls, and what a person has filled in by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kling_ui.catalog import Model, Problem


@dataclass(frozen=True, slots=True)
class RawForm:
    """The raw values of `Layout.inputs`, as the browser sent them."""

    model_id: str
    task: Any
    words: Any
    control: Any
    controls: Sequence[Any]

    @classmethod
    def of(cls, raw: Sequence[Any]) -> "RawForm":
        """Return the values by what they are."""
        model_id, task, words, control, *controls = raw
        # Gradio checks no value of a component that is written in HTML.
        known = model_id if isinstance(model_id, str) else ""
        return cls(known, task, words, control, controls)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormInput:
    """What a person has filled in: the model, its values, and what is wrong by itself.

    Defaults are left out. Uploads that have been looked at are `input:` references, others Paths.
    `counting` names the parameters that count as the two switches stand, `aside` holds the values
    of the others. `input_seconds` is the length of the given sound or video, where it is known.
    """

    model: Model
    values: Mapping[str, Any]
    counting: tuple[str, ...]
    aside: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    input_seconds: float | None = None
