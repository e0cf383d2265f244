"""What is asked of an owner's generations: search, filters, order, a page; and it as SQL."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from kling_ui.ledger.generation import NOT_CHARGED, SIMULATOR, Status
from kling_ui.ledger.schema import GENERATIONS, SETS, folded

_SHORTEST_ID_PART = 6
"""How much of an id finds it: fewer characters stand in every second id by chance."""

_Condition = sa.ColumnElement[bool]
_Column = sa.ColumnElement[Any]


class HistorySort(StrEnum):
    """In which order; equal ones newest first. What has no price or length yet comes last."""

    NEWEST = "newest"
    OLDEST = "oldest"
    PRICE = "price"
    LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTerm:
    """A piece of text to be found, and the models whose names hold it."""

    text: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which of an owner's generations, and in which order; every term must be found.

    Empty tuples and None filter nothing; `models` None likewise, an empty one finds nothing.
    """

    terms: tuple[SearchTerm, ...] = ()
    models: tuple[str, ...] | None = None
    statuses: tuple[Status, ...] = ()
    is_starred: bool | None = None
    is_simulated: bool | None = None
    sets: tuple[str, ...] = ()
    sort: HistorySort = HistorySort.NEWEST


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTotals:
    """How many there are and what they cost, in USD: at the provider, and by sample prices."""

    count: int
    usd: float
    simulated_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTotals:
    """A set's name, and how much of it there is."""

    name: str
    totals: HistoryTotals


def matching(owner: str, query: HistoryQuery) -> _Condition:
    """Return the condition that the rows of an owner's query meet."""
    table = GENERATIONS.c
    conditions = [table.owner == owner, table.deleted_at.is_(None), *_filters(query)]
    return sa.and_(*conditions, *(_holds(term) for term in query.terms))


def in_order(owner: str, query: HistoryQuery, *, after: str | None = None) -> sa.Select[Any]:
    """Return the rows of an owner's query; `after`: those behind the row of this id."""
    keys = _sort_keys(query.sort, GENERATIONS.c)
    is_rising = query.sort is HistorySort.OLDEST
    order = [key.asc() if is_rising else key.desc() for key in keys]
    found = sa.select(GENERATIONS).where(matching(owner, query)).order_by(*order)
    if after is None:
        return found
    row = GENERATIONS.alias()
    place = [
        sa.select(key).where(row.c.id == after).scalar_subquery()
        for key in _sort_keys(query.sort, row.c)
    ]
    here, there = sa.tuple_(*keys), sa.tuple_(*place)
    return found.where(here > there if is_rising else here < there)


def totals(condition: _Condition) -> sa.Select[Any, Any, Any]:
    """Return count, USD spent at the provider and USD of samples, of the rows that meet it."""
    return sa.select(*_sums()).where(condition)


def set_totals(owner: str, ids: Collection[str]) -> sa.Select[Any]:
    """Return id, name and `totals` of each of these sets that an owner has something in."""
    table = GENERATIONS.c
    mine = (table.owner == owner) & table.set_id.in_(ids) & table.deleted_at.is_(None)
    named = GENERATIONS.outerjoin(SETS, SETS.c.id == table.set_id)
    found = sa.select(table.set_id, sa.func.max(SETS.c.name), *_sums()).select_from(named)
    return found.where(mine).group_by(table.set_id)


def _sums() -> tuple[_Column, _Column, _Column]:
    """Return count, USD spent at the provider and USD of samples."""
    table = GENERATIONS.c
    is_simulated = table.origin == SIMULATOR
    usd = sa.case((table.status.in_(NOT_CHARGED), 0.0), else_=table.usd_spent)
    return (
        sa.func.count(table.id),
        sa.func.sum(sa.case((~is_simulated, usd))),
        sa.func.sum(sa.case((is_simulated, usd))),
    )


def _filters(query: HistoryQuery) -> Iterator[_Condition]:
    table = GENERATIONS.c
    if query.models is not None:
        yield table.model.in_(query.models)
    if query.statuses:
        yield table.status.in_(query.statuses)
    if query.is_starred is not None:
        yield table.is_starred.is_(query.is_starred)
    if query.is_simulated is not None:
        is_simulated = table.origin == SIMULATOR
        yield is_simulated if query.is_simulated else ~is_simulated
    if query.sets:
        yield table.set_id.in_(query.sets)


def _holds(term: SearchTerm) -> _Condition:
    # `autoescape`: a % or _ that somebody searches for is just that character.
    table, text = GENERATIONS.c, folded(term.text)
    places = [table.search_text.contains(text, autoescape=True), table.model.in_(term.models)]
    if len(text) >= _SHORTEST_ID_PART:
        ids = (table.id, sa.func.lower(table.task_id))
        places += [column.contains(text, autoescape=True) for column in ids]
    return sa.or_(*places)


def _sort_keys(sort: HistorySort, table: Any) -> list[_Column]:
    by_time = [table.created_at, table.id]
    if sort is HistorySort.PRICE:
        return [sa.func.coalesce(table.usd_spent, -1.0), *by_time]
    if sort is HistorySort.LENGTH:
        return [sa.func.coalesce(table.seconds, -1.0), *by_time]
    return by_time
