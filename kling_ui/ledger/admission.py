"""Whose turn it is to be sent, of what waits in sets: counted and written in one transaction.

Owners take turns: the one with the fewest generations under way goes first, of equal ones the one
whose last turn is the longest ago. What was submitted alone waits for nobody here, but takes
places from what waits in sets.
"""

import dataclasses
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from kling_ui.ledger import spending
from kling_ui.ledger.generation import ErrorKind, Generation, GenerationError, Status
from kling_ui.ledger.rows import generation_of
from kling_ui.ledger.schema import GENERATIONS

_AT_PROVIDER = (Status.SUBMITTING, Status.UNKNOWN, Status.QUEUED, Status.GENERATING)

_MOST_IDS = 1000

_Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBudget:
    """What may be spent in USD on what is sent since the stamp `since`; why no more is."""

    usd: float
    since: str
    assumed_usd: float
    explanation: GenerationError


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRules:
    """How many may be under way at once (`parallel`) for one account: an origin and a key.

    A task that was sent before the stamp `counted_since`, and whose end is not known, holds no
    place any more. `day` None: there is no limit.
    """

    origin: str
    key_hash: str | None
    parallel: int
    counted_since: str
    day: DayBudget | None = None


def admit(
    connection: Connection,
    rules: AdmissionRules,
    *,
    stamp: str,
    expected: Iterable[str] = (),
) -> tuple[Generation, ...]:
    """Give the free places to what waits in sets; note at the rest where the day forbids it.

    Returns the rows whose runs have to be told: those that may be sent, those that the day's
    limit holds back as of now, or no more, and those of the ids `expected` to wait that do not.
    Run it in a transaction that keeps other writers out.
    """
    line = _Line(
        free=rules.parallel,
        running=_running(connection, rules),
        last_turns=_last_turns(connection, rules),
        left_usd=_left(connection, rules),
    )
    line.form(connection.execute(_waiting(rules)).mappings())
    admitted = line.admit()
    held, cleared = line.explained()
    explanation = dataclasses.asdict(rules.day.explanation) if rules.day else None
    changes: tuple[tuple[list[str], dict[str, Any]], ...] = (
        (admitted, {"admitted_at": stamp, "error": None}),
        (held, {"error": explanation}),
        (cleared, {"error": None}),
    )
    for ids, values in changes:
        for is_one in _any_of(ids):
            changed = sa.update(GENERATIONS).where(is_one)
            connection.execute(changed.values(**values, updated_at=stamp))
    has_ended = GENERATIONS.c.status != Status.WAITING
    told = [_has_a_place(rules), *_any_of([*held, *cleared])]
    told += [is_one & has_ended for is_one in _any_of(list(expected))]
    return _read(connection, told)


class _Line:
    """What waits, by owner; `left_usd` is what the day still allows, None: without limit."""

    def __init__(
        self,
        *,
        free: int,
        running: Counter[str],
        last_turns: Mapping[str, str],
        left_usd: float | None,
    ) -> None:
        self._running = running
        self._last_turns = last_turns
        self._free = free - running.total()
        self._left_usd = left_usd
        self._waiting: dict[str, deque[tuple[int, RowMapping]]] = defaultdict(deque)

    def form(self, rows: Iterable[RowMapping]) -> None:
        """Line up rows, those that wait for longest first."""
        for place, row in enumerate(rows):
            self._waiting[row["owner"]].append((place, row))

    def admit(self) -> list[str]:
        """Take out as many as there are free places for; return their ids."""
        admitted: list[str] = []
        passed: list[tuple[int, RowMapping]] = []
        while self._free > 0 and self._waiting:
            owner = min(self._waiting, key=self._rank)
            place, row = self._waiting[owner].popleft()
            if not self._waiting[owner]:
                del self._waiting[owner]
            if self._is_too_much(row):
                passed.append((place, row))
                continue
            admitted.append(row["id"])
            self._running[owner] += 1
            self._free -= 1
            if self._left_usd is not None:
                self._left_usd -= row["usd"]
        self.form(row for _, row in passed)
        return admitted

    def explained(self) -> tuple[list[str], list[str]]:
        """Return whom the day's limit holds back and who is not told, and who is told in vain."""
        rest = [row for rows in self._waiting.values() for _, row in rows]
        is_told = {row["id"]: _kind(row["error"]) == ErrorKind.DAY_LIMIT for row in rest}
        held = {row["id"] for row in rest if self._is_too_much(row)}
        return (
            [each for each in held if not is_told[each]],
            [each for each, told in is_told.items() if told and each not in held],
        )

    def _rank(self, owner: str) -> tuple[int, str, int]:
        first, _ = self._waiting[owner][0]
        return self._running[owner], self._last_turns.get(owner, ""), first

    def _is_too_much(self, row: RowMapping) -> bool:
        # Sums of floats may exceed what they add up to by the last digit.
        return self._left_usd is not None and round(row["usd"] - self._left_usd, 6) > 0


def _running(connection: Connection, rules: AdmissionRules) -> Counter[str]:
    """Count by owner what is under way, or about to be, for the account."""
    table = GENERATIONS.c
    is_waiting = table.status == Status.WAITING
    # What asks a person is not about to be sent: it is not confirmed.
    is_alone = table.set_id.is_(None) & (table.confirmed_at >= rules.counted_since)
    is_at_provider = table.status.in_(_AT_PROVIDER) & (table.sent_at >= rules.counted_since)
    is_under_way = is_at_provider | (is_waiting & (is_alone | table.admitted_at.is_not(None)))
    counted = sa.select(table.owner, sa.func.count()).where(_is_of(rules), is_under_way)
    rows = connection.execute(counted.group_by(table.owner)).all()
    return Counter({str(owner): int(count) for owner, count in rows})


def _last_turns(connection: Connection, rules: AdmissionRules) -> dict[str, str]:
    """Return when each owner was last given a place."""
    table = GENERATIONS.c
    latest = sa.select(table.owner, sa.func.max(table.admitted_at)).where(
        _is_of(rules), table.admitted_at.is_not(None)
    )
    return {str(owner): stamp for owner, stamp in connection.execute(latest.group_by(table.owner))}


def _waiting(rules: AdmissionRules) -> sa.Select[Any]:
    """Return what waits for its turn and is confirmed, the oldest first."""
    table = GENERATIONS.c
    usd: sa.ColumnElement[float] = sa.literal(0.0)  # without a limit nobody asks
    if rules.day is not None:
        usd = spending.expected_usd(origin=rules.origin, assumed_usd=rules.day.assumed_usd)
    return (
        sa.select(table.id, table.owner, table.error, usd.label("usd"))
        .where(
            _is_of(rules),
            table.status == Status.WAITING,
            table.set_id.is_not(None),
            table.admitted_at.is_(None),
            table.confirmed_at.is_not(None),
        )
        .order_by(table.created_at, table.set_position, table.id)
    )


def _has_a_place(rules: AdmissionRules) -> _Condition:
    table = GENERATIONS.c
    is_admitted = (table.status == Status.WAITING) & table.admitted_at.is_not(None)
    return sa.and_(_is_of(rules), is_admitted)


def _is_of(rules: AdmissionRules) -> _Condition:
    table = GENERATIONS.c
    is_same_key = table.key_hash.is_(None) | (table.key_hash == rules.key_hash)
    return sa.and_(table.origin == rules.origin, is_same_key, table.deleted_at.is_(None))


def _left(connection: Connection, rules: AdmissionRules) -> float | None:
    """Return what the day still allows in USD; None: there is no limit."""
    day = rules.day
    if day is None:
        return None
    spent = spending.spent_since(day.since, origin=rules.origin, assumed_usd=day.assumed_usd)
    return day.usd - float(connection.execute(spent).scalar() or 0.0)


def _any_of(ids: list[str]) -> list[_Condition]:
    """Return conditions that one of these rows meets: a database takes so many ids at a time."""
    starts = range(0, len(ids), _MOST_IDS)
    return [GENERATIONS.c.id.in_(ids[start : start + _MOST_IDS]) for start in starts]


def _read(connection: Connection, conditions: Iterable[_Condition]) -> tuple[Generation, ...]:
    """Return each row that meets any of the conditions."""
    found: dict[str, Generation] = {}
    for condition in conditions:
        rows = connection.execute(sa.select(GENERATIONS).where(condition)).mappings()
        found |= {row["id"]: each for row in rows if (each := generation_of(row)) is not None}
    return tuple(found.values())


def _kind(error: Any) -> str | None:
    return error.get("kind") if isinstance(error, dict) else None
