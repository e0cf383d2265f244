"""What can be made in one go of what the form holds: takes, or prompts by one thing more.

Pure functions to cells, each with the values that it would send; nothing is checked or priced.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kling_ui.catalog import Choice, Flag, Model, Number, Param, find_model
from kling_ui.ui.create import launch
from kling_ui.ui.create.effects import grouped
from kling_ui.ui.create.form_input import FormInput
from kling_ui.ui.create.model_picker import models_of
from kling_ui.ui.result import recipe

MOST_TAKES = 4
MOST_CELLS = 100
"""How many can be planned on the page; the API takes more."""

PROMPT = "prompt"
MODEL = "model"
_VARIED = ("duration", "aspect_ratio", "cfg_scale", "generate_audio", "effect_scene")
_STEPS = 5
"""Into how many values a range is laid out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One value of an axis: its key in the browser, its words, its group where there are many."""

    key: str
    value: Any
    words: str
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What columns can vary; `first` are the keys that it begins with."""

    name: str
    label: str
    options: tuple[Option, ...]
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants: `takes` of the same, or a matrix of prompts and an axis' values.

    `chosen` None: what the axis begins with. `off` are the keys of cells that are unticked.
    """

    takes: int = 2
    is_matrix: bool = False
    prompts: tuple[str, ...] = ()
    axis: str = ""
    chosen: tuple[str, ...] | None = None
    off: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One request to be made: where it stands, and what it would send.

    `left_out` are labels of what the form holds and its model does not take.
    """

    key: str
    row: int
    column: int
    model: Model
    values: Mapping[str, Any]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The cells, row by row, with the words of rows and columns."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]


def axes(filled: FormInput) -> list[Axis]:
    """Return what columns can vary: what the form has and whose values can be counted."""
    found = []
    models = models_of(filled.model.task)
    if len(models) > 1:
        options = [Option(key=each.id, value=each.id, words=each.title) for each in models]
        found.append(_axis(MODEL, "Model", options, filled.model.id))
    for name in _VARIED:
        param = filled.model.param(name)
        if param is None or name not in filled.counting:
            continue
        if name == "duration" and launch.fixed_length(filled.model, filled.values):
            continue
        options = _options(param)
        if len(options) > 1:
            now = filled.values.get(name, param.initial)
            found.append(_axis(name, param.label, options, _key(now)))
    return found


def table(filled: FormInput, wish: Wish) -> Table:
    """Return the cells of what a person wants."""
    if not wish.is_matrix:
        return _takes(filled, min(max(wish.takes, 2), MOST_TAKES))
    axis = axis_of(filled, wish)
    chosen = options_of(axis, wish)
    prompts = wish.prompts if PROMPT in filled.counting else ()
    rows = tuple(dict.fromkeys(prompts)) or (str(filled.values.get(PROMPT, "")),)
    cells = []
    for row, prompt in enumerate(rows):
        values = {**filled.values, **({PROMPT: prompt} if prompt else {})}
        for column, option in enumerate(chosen or [None]):
            sent = _sent(filled.model, values, axis, option)
            cells.append(_cell(row, column, option.key if option else "", sent))
    columns = tuple(option.words for option in chosen) or ("",)
    return Table(rows=rows, columns=columns, cells=tuple(cells))


def _takes(filled: FormInput, count: int) -> Table:
    sent = (filled.model, filled.values, ())
    return Table(
        rows=(str(filled.values.get(PROMPT, "")),),
        columns=tuple(f"Take {number + 1}" for number in range(count)),
        cells=tuple(_cell(0, number, f"take {number}", sent) for number in range(count)),
    )


def axis_of(filled: FormInput, wish: Wish) -> Axis | None:
    """Return the axis that a person has chosen, else the first one; None where nothing varies."""
    found = axes(filled)
    return next((each for each in found if each.name == wish.axis), found[0] if found else None)


def options_of(axis: Axis | None, wish: Wish) -> list[Option]:
    """Return the values of an axis that a person has chosen, in the axis' own order."""
    if axis is None:
        return []
    is_other = wish.chosen is None or axis.name != wish.axis
    chosen = axis.first if is_other or wish.chosen is None else wish.chosen
    return [option for option in axis.options if option.key in chosen]


def _axis(name: str, label: str, options: Sequence[Option], now: str) -> Axis:
    """Return an axis that begins with what the form holds and the next one."""
    keys = [option.key for option in options]
    at = keys.index(now) if now in keys else 0
    first = (keys[at], keys[at + 1] if at + 1 < len(keys) else keys[at - 1])
    return Axis(name=name, label=label, options=tuple(options), first=first)


def _options(param: Param) -> list[Option]:
    if isinstance(param, Flag):
        return [_option(param, value) for value in (True, False)]
    if isinstance(param, Number):
        span = param.maximum - param.minimum
        values = [param.minimum + span * step / (_STEPS - 1) for step in range(_STEPS)]
        return [_option(param, round(value, 4)) for value in values]
    if not isinstance(param, Choice):
        return []
    if param.name == "effect_scene":
        groups = grouped([str(choice) for choice in param.choices])
        return [_option(param, word, group) for group, words in groups for word in words]
    return [_option(param, choice) for choice in param.choices]


def _option(param: Param, value: Any, group: str = "") -> Option:
    setting = recipe.Setting(name=param.name, label=param.label, value=value, is_sent=True)
    return Option(key=_key(value), value=value, words=recipe.words(setting), group=group)


def _key(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_Sent = tuple[Model, Mapping[str, Any], tuple[str, ...]]
"""What a cell sends: the model, its values, and labels of what it leaves out."""


def _sent(
    model: Model, values: Mapping[str, Any], axis: Axis | None, option: Option | None
) -> _Sent:
    """Return what a form's values become with one value of an axis."""
    if axis is None or option is None:
        return model, values, ()
    if axis.name == MODEL:
        other = find_model(option.value)
        carried, left_out = carry(model, values, other)
        return other, carried, left_out
    param = model.param(axis.name)
    # Like the form, it leaves out what is used anyway.
    is_assumed = param is not None and option.value in (param.default, param.assumed)
    rest = {name: value for name, value in values.items() if name != axis.name}
    sent = rest if is_assumed else {**rest, axis.name: option.value}
    return model, sent, ()


def _cell(row: int, column: int, key: str, sent: _Sent) -> Cell:
    model, values, left_out = sent
    named = json.dumps([values.get(PROMPT, ""), key])
    return Cell(
        key=hashlib.sha256(named.encode()).hexdigest()[:12],
        row=row,
        column=column,
        model=model,
        values=values,
        left_out=left_out,
    )


def carry(
    model: Model, values: Mapping[str, Any], other: Model
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what another model is sent for the same form, and what of it that does not take.

    What the form shows at its default means that value for the other model too, where the other
    has it.
    """
    shown = {
        param.name: param.initial
        for param in model.params
        if isinstance(param, Choice | Number | Flag) and param.initial is not None
    }
    carried: dict[str, Any] = {}
    left_out = []
    for name, value in {**shown, **values}.items():
        param = other.param(name)
        if param is None:
            if name in values:
                left_out.append(_label(model, name))
            continue
        if value in (param.default, param.assumed) and value is not None:
            continue
        if name in values or (value != param.initial and _accepts(param, value)):
            carried[name] = value
    return carried, tuple(left_out)


def _accepts(param: Param, value: Any) -> bool:
    try:
        param.check(value)
    except ValueError:
        return False
    return True


def _label(model: Model, name: str) -> str:
    param = model.param(name)
    return param.label if param else name
