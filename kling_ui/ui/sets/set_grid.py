"""A set as a table: rows are prompts, columns are what else differs; read from the rows alone.

Pure functions from generations to a grid; nothing here is markup.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kling_ui.catalog import is_reference
from kling_ui.service import Generation, Status
from kling_ui.ui import formatting
from kling_ui.ui.result import recipe

_LEAST_FILLED = 0.5
"""How much of a table is filled at least; what shares less is a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells by row and column, None where there is nothing; a list is one row without labels."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Generation | None, ...], ...]

    @property
    def generations(self) -> list[Generation]:
        """Return what is in it, row by row."""
        return [each for row in self.cells for each in row if each is not None]


def grid(generations: Sequence[Generation]) -> Grid:
    """Lay a set out, in the order in which it was submitted."""
    shown = newest_tries(generations)
    takes: dict[str, list[Generation]] = {}
    for each in shown:
        takes.setdefault(_settings(each), []).append(each)
    # Equal settings are takes: one column each.
    column_of = {
        each.id: (_without_prompt(each), take)
        for same in takes.values()
        for take, each in enumerate(same)
    }
    by_row: dict[str, list[Generation]] = {}
    for each in shown:
        by_row.setdefault(each.prompt, []).append(each)
    columns = _merged([column_of[each.id] for each in row] for row in by_row.values())
    if len(by_row) > 1 and len(shown) < _LEAST_FILLED * len(by_row) * len(columns):
        return Grid(rows=("",), columns=("",) * len(shown), cells=(tuple(shown),))
    firsts = {column_of[each.id]: each for each in reversed(shown)}
    places = {(each.prompt, column_of[each.id]): each for each in shown}
    return Grid(
        rows=tuple(by_row),
        columns=_labels(columns, firsts),
        cells=tuple(tuple(places.get((row, column)) for column in columns) for row in by_row),
    )


def newest_tries(generations: Iterable[Generation]) -> list[Generation]:
    """Return a set without what ended in no video and was tried again since.

    A new try takes the place of the first one of the same settings that had ended by then.
    """
    shown: list[Generation] = []
    for each in generations:
        place = next((i for i, old in enumerate(shown) if _is_next_try(each, old)), None)
        if place is None:
            shown.append(each)
        else:
            shown[place] = each
    return shown


def _is_next_try(new: Generation, old: Generation) -> bool:
    has_ended = old.status.is_final and old.status is not Status.COMPLETED
    is_later = old.finished_at is not None and old.finished_at <= new.created_at
    return has_ended and is_later and _settings(old) == _settings(new)


_Column = tuple[str, int]


def _settings(generation: Generation) -> str:
    return json.dumps([generation.model, generation.payload], sort_keys=True)


def _without_prompt(generation: Generation) -> str:
    rest = {name: value for name, value in generation.payload.items() if name != "prompt"}
    return json.dumps([generation.model, rest], sort_keys=True)


def _merged(rows: Iterable[Sequence[_Column]]) -> list[_Column]:
    """Return every column once, in an order that follows each row's as far as one can."""
    order: list[_Column] = []
    for row in rows:
        place = 0
        for column in row:
            if column not in order:
                order.insert(place, column)
            place = order.index(column) + 1
    return order


def _labels(columns: Sequence[_Column], firsts: dict[_Column, Generation]) -> tuple[str, ...]:
    """Return what tells the columns from each other, in words."""
    kinds = list(dict.fromkeys(rest for rest, _ in columns))
    by_kind = {rest: firsts[rest, take] for rest, take in reversed(columns)}
    words = _differences([by_kind[kind] for kind in kinds])
    said = dict(zip(kinds, words, strict=True))
    has_takes = {rest for rest, take in columns if take}
    return tuple(
        " · ".join(part for part in (said[rest], _take(take, rest in has_takes)) if part)
        for rest, take in columns
    )


def _take(take: int, has_takes: bool) -> str:  # noqa: FBT001
    return f"Take {take + 1}" if has_takes else ""


def _differences(generations: Sequence[Generation]) -> list[str]:
    """Say of each what it differs in from the others: the model, then settings, then inputs."""
    models = list(dict.fromkeys(each.model for each in generations))
    titles = _titles(models)
    told = []
    for each in generations:
        same = [other for other in generations if other.model == each.model]
        words = [titles[each.model]] if len(models) > 1 else []
        told.append(" · ".join(words + _settings_that_differ(each, same)))
    return told


def _titles(models: Sequence[str]) -> dict[str, str]:
    """Return the models' titles; two with one title are told apart by their ids."""
    titles = {each: formatting.model_title(each) for each in models}
    names = list(titles.values())
    return {each: title if names.count(title) == 1 else each for each, title in titles.items()}


def _settings_that_differ(one: Generation, others: Sequence[Generation]) -> list[str]:
    values = [{each.name: each.value for each in recipe.settings(other)} for other in others]
    words = [
        recipe.words(setting)
        for setting in recipe.settings(one)
        if any(found.get(setting.name) != setting.value for found in values)
    ]
    if words or len(others) == 1:
        return [word for word in words if word]
    return _inputs_that_differ(one, others)


def _inputs_that_differ(one: Generation, others: Sequence[Generation]) -> list[str]:
    shown = [
        name
        for name, value in one.payload.items()
        if any(other.payload.get(name) != value for other in others) and is_reference(value)
    ]
    return [f"another {name.removesuffix('_url').replace('_', ' ')}" for name in shown]
