"""What a field is: the laid-out controls of one parameter, and how they are read and filled."""

from abc import ABCMeta
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta

from kling_ui.catalog import Choice, Flag, KeptUpload, Media, Param

Updates = dict[Any, dict[str, Any]]
"""How components change: for each its properties with their new values."""

Look = Callable[[str], KeptUpload | None]
"""Returns what is known of the upload at a path; None where nothing is yet."""

MAX_SEGMENTS = 6
"""More choices than this make a list to open, or a slider, instead of a row of segments."""


def is_anything_there(raw: Sequence[Any]) -> bool:
    """Tell whether any control of a field holds something."""
    return any(value not in (None, "", []) for value in raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The laid-out controls of one parameter of one kind.

    `inputs` hold its value, `frame` is what is shown or hidden. `read` turns the inputs' raw
    values into what may be sent, uploads as Paths (None: nothing set), or raises ValueError; it
    decodes nothing. `fill` returns the inputs' raw values that mean a value; None means an empty
    field. `fill_from` takes all values of a request instead, where one does not tell enough; it
    may read files. `emptied` returns the raw values without this field's part of them, where
    another field shares its inputs. `updates` returns how the controls change for a model's
    parameter; it is handed the value to show where `is_plain` (one control that holds the value
    as it is sent). `is_filled` tells whether a person has put something into a field that is not
    plain. `reveal` returns how the controls change so that what the raw values hold is seen.
    `extras` are further components that these two change.
    """

    name: str
    kind: str
    frame: Any
    inputs: tuple[Any, ...]
    read: Callable[[Param, Sequence[Any], Look], Any]
    fill: Callable[[Any], Sequence[Any]]
    updates: Callable[[Param, Any], Updates]
    fill_from: Callable[[Mapping[str, Any]], Sequence[Any]] | None = None
    emptied: Callable[[Sequence[Any]], Sequence[Any]] | None = None
    extras: tuple[Any, ...] = ()
    is_plain: bool = False
    is_filled: Callable[[Sequence[Any]], bool] = field(default=is_anything_there)
    reveal: Callable[[Sequence[Any]], Updates] = field(default=lambda _raw: {})

    def raw_for(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the inputs' raw values that mean what a request holds for this field."""
        return self.fill_from(values) if self.fill_from else self.fill(values.get(self.name))

    def raw_emptied(self, raw: Sequence[Any], param: Param) -> Sequence[Any]:
        """Return the inputs' raw values once the field has been emptied."""
        if self.emptied:
            return self.emptied(raw)
        empty = False if isinstance(param, Flag) else param.initial
        return self.fill(empty if self.is_plain else None)

    def fits(self, param: Param) -> bool:
        """Tell whether this field is for such a parameter."""
        return param.name == self.name and kind_of(param) == self.kind


def kind_of(param: Param) -> str:
    """Return which kind of field a parameter has: the key of its builder."""
    if type(param) is Choice:
        if len(param.choices) <= MAX_SEGMENTS:
            return "segments"
        return "range" if param.is_whole_number else "list"
    return param.media if type(param) is Media else type(param).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What stands in the form so far: its fields by name, and what they share.

    `shown_model` holds the id of the model that is shown.
    """

    fields: dict[str, list[Field]]
    shared: dict[str, Any]
    shown_model: Any
    note: Callable[..., Any]

    def control_of(self, name: str, kind: str) -> Any:
        """Return the first control of a field that was laid out before."""
        return next(field.inputs[0] for field in self.fields[name] if field.kind == kind)


Builder = Callable[[str, Built], Field]
"""Lays out the controls of a parameter."""


def variant(name: str, control: Any, **methods: Callable[..., Any]) -> Any:
    """Return a class like one of Gradio's controls, but for these methods.

    Made past the metaclass's own step, which would write a .pyi file beside this module.
    """
    members = {"is_template": True, **methods}
    return ABCMeta.__new__(ComponentMeta, name, (control,), members)


def _as_typed(control: Any, payload: Any) -> Any:
    """Read a number whatever its bounds: who types 12 has typed 1 before.

    Gradio fails the whole event over it, and drops what was typed next; the price would stay what
    it was. The catalog refuses the number where it is sent, at its field.
    """
    if isinstance(payload, bool) or not isinstance(payload, int | float | None):
        raise TypeError("not a number")
    return None if payload is None else gr.Number.round_to_precision(payload, control.precision)


AnySlider = variant("AnySlider", gr.Slider, preprocess=_as_typed)
AnyNumber = variant("AnyNumber", gr.Number, preprocess=_as_typed)


def readable(word: str) -> str:
    """Write a provider's word as people would: `pet_moto_rider` → Pet moto rider."""
    return word.replace("_", " ").strip().capitalize()


def readables(words: Sequence[str]) -> list[tuple[str, str]]:
    """Pair each word, written for people, with itself."""
    return [(readable(word), word) for word in words]


def labeled(param: Param) -> str:
    """Return a parameter's label; what may be left empty says so."""
    return param.label if param.required else f"{param.label} (optional)"
