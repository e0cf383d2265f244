"""Cells checked and priced: what a confirmation is asked for, and what it is given for."""

import hashlib
import heapq
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kling_ui.catalog import InvalidValuesError, Problem, Request
from kling_ui.service import Estimate, Service
from kling_ui.ui.create.problems import in_words
from kling_ui.ui.sets.variations import MOST_CELLS, Cell, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """One cell: its checked request with an estimate, or why it can't be sent."""

    cell: Cell
    is_on: bool
    request: Request | None = None
    estimate: Estimate | None = None
    problem: str = ""

    @property
    def is_sent(self) -> bool:
        """Tell whether a confirmation would send it."""
        return self.is_on and self.request is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What is to be confirmed: how many, USD from `low` to `high`, and seconds until all end.

    The sums are of those with an estimate; `unpriced` have none.
    """

    count: int
    low: float
    high: float
    unpriced: int
    is_simulated: bool
    seconds: float
    parallel: int

    def must_ask(self, above_usd: float) -> bool:
        """Tell whether this is to be asked about: more than a limit, or nobody knows how much."""
        return not self.is_simulated and (self.unpriced > 0 or self.high > above_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A table whose cells are checked and priced; none are where it `is_too_large`."""

    table: Table
    cells: tuple[PlannedCell, ...]
    total: Total
    is_too_large: bool = False

    @property
    def requests(self) -> list[Request]:
        """Return what a confirmation would send, in order."""
        return [each.request for each in self.cells if each.is_on and each.request is not None]

    @property
    def key(self) -> str:
        """Return what equal plans have in common: a confirmation is given for one of them.

        What was shown as free is not confirmed for money.
        """
        payloads = [request.payload for request in self.requests]
        sent = json.dumps([self.total.is_simulated, payloads], sort_keys=True)
        return hashlib.sha256(sent.encode()).hexdigest()[:24]

    @property
    def max_usd(self) -> float | None:
        """Return what a confirmation allows to be spent; None where nobody knows all prices."""
        return None if self.total.unpriced else self.total.high


async def make_plan(
    service: Service,
    table: Table,
    *,
    off: frozenset[str],
    problems: Sequence[Problem],
    owner: str | None,
) -> Plan:
    """Check and price every cell; `problems` are of the form itself, and so of all cells."""
    parallel = service.preferences.parallel
    if len(table.cells) > MOST_CELLS:
        nothing = total_of((), parallel=parallel)
        return Plan(table=table, cells=(), total=nothing, is_too_large=True)
    cells = [await _planned(service, cell, off, problems, owner) for cell in table.cells]
    sent = [each.estimate for each in cells if each.is_sent and each.estimate is not None]
    return Plan(table=table, cells=tuple(cells), total=total_of(sent, parallel=parallel))


def total_of(estimates: Sequence[Estimate], *, parallel: int) -> Total:
    """Add estimates up."""
    lows = [each.usd_low for each in estimates if each.usd_high is not None]
    highs = [each.usd_high for each in estimates if each.usd_high is not None]
    return Total(
        count=len(estimates),
        low=math.fsum(each or 0.0 for each in lows),
        high=math.fsum(highs),
        unpriced=len(estimates) - len(highs),
        is_simulated=any(each.is_simulated for each in estimates),
        seconds=makespan((each.wait.p50 for each in estimates), parallel=parallel),
        parallel=parallel,
    )


def makespan(seconds: Iterable[float], *, parallel: int) -> float:
    """Return when the last one ends, if `parallel` at once are under way, in their order."""
    ends = [0.0] * parallel
    for each in seconds:
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


async def _planned(
    service: Service,
    cell: Cell,
    off: frozenset[str],
    problems: Sequence[Problem],
    owner: str | None,
) -> PlannedCell:
    is_on = cell.key not in off
    wrong = {problem.field for problem in problems}
    found = list(problems)
    try:
        request = await service.prepare(cell.model.id, cell.values, owner=owner)
    except InvalidValuesError as exc:
        found += [each for each in exc.problems if each.field not in wrong]
    if found:
        said = " ".join(in_words(cell.model, each, cell.values) for each in found)
        return PlannedCell(cell=cell, is_on=is_on, problem=said)
    [estimate] = await service.batches.estimate([request])
    return PlannedCell(cell=cell, is_on=is_on, request=request, estimate=estimate)
