"""How long a generation usually takes, learned from our own, and when to ask for its state.

Own history goes before the documentation: five generations of a model and length are enough.
"""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from kling_ui import catalog
from kling_ui.ledger import Generation, Ledger, Status

ENOUGH = 5
"""Own generations of a model and length from which on they count for more than a page."""

NEWEST = 50
"""Own generations of a model and length that are looked at: models become faster and slower."""

_LOADED_ROWS = 2000
_UNKNOWN_MODEL_SECONDS = 180.0

_SHORTEST_POLL_SECONDS = 0.3
_LONGEST_POLL_SECONDS = 15.0
_LONGEST_SPARSE_POLL_SECONDS = 45.0
_DENSE_POLLS = 26
"""How many polls the dense part takes where a task outlasts it; tuned with bench/polling.py."""
_FIRST_DENSE = 1.5
"""The first dense interval is this many times the mean one, the last one as much shorter."""

WaitSource = Literal["history", "documented", "assumed", "simulator"]
_Key = tuple[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualWait:
    """How long such a generation takes, in seconds; a percentile that nobody knows is None.

    `source`: `history` our own (`count` of them), `documented` the provider's pages (then `p90`
    is the upper end of a printed range), `assumed` our guess where no page says anything,
    `simulator` its setting.
    """

    p10: float | None = None
    p50: float
    p90: float | None = None
    source: WaitSource
    count: int = 0


class UsualWaits:
    """The usual wait of each model and length. Reads the ledger once, then is told of new ones.

    `simulator_seconds` is how long the simulator takes, None where the live API is asked.
    """

    def __init__(
        self, *, ledger: Ledger, origin: str, simulator_seconds: float | None = None
    ) -> None:
        self._ledger = ledger
        self._origin = origin
        self._simulator_seconds = simulator_seconds
        self._history: dict[_Key, tuple[float, ...]] = {}

    def load(self) -> None:
        """Learn from the newest completed generations. Blocks; raises LedgerError."""
        self._history = _history(self._ledger.completed(origin=self._origin, limit=_LOADED_ROWS))

    def learn(self, generation: Generation) -> None:
        """Learn from a generation that has just been completed; others are ignored."""
        is_ours = generation.status is Status.COMPLETED and generation.origin == self._origin
        seconds = _took_seconds(generation) if is_ours else None
        if seconds is not None:
            key = _key(generation.model, generation.payload)
            self._history[key] = (seconds, *self._history.get(key, ()))[:NEWEST]

    def usual(self, model_id: str, values: Mapping[str, Any]) -> UsualWait:
        """Return how long such a generation usually takes, and who says so. Reads no ledger."""
        taken = self._history.get(_key(model_id, values), ())
        if len(taken) >= ENOUGH:
            deciles = statistics.quantiles(taken, n=10, method="inclusive")
            return UsualWait(
                p10=deciles[0],
                p50=deciles[4],
                p90=deciles[8],
                source="history",
                count=len(taken),
            )
        if self._simulator_seconds is not None:
            return UsualWait(p50=self._simulator_seconds, source="simulator")
        return documented_wait(model_id, values)


def documented_wait(model_id: str, values: Mapping[str, Any]) -> UsualWait:
    """Return what the provider's pages say, for the length where they tell lengths apart."""
    model = catalog.MODELS.get(model_id)
    if model is None:
        return UsualWait(p50=_UNKNOWN_MODEL_SECONDS, source="assumed")
    length = _length(model, values)
    for printed in model.printed_waits:
        if printed.length == length:
            middle = (printed.low + printed.high) / 2
            return UsualWait(p50=middle, p90=printed.high, source="documented")
    return UsualWait(
        p50=model.typical_seconds, source="assumed" if model.is_wait_assumed else "documented"
    )


def poll_delay(*, elapsed_seconds: float, wait: UsualWait, chance: float) -> float:
    """Return the seconds until the next question about a task.

    Sparse until it may be done (our 10th percentile, or 60 % of a documented time), dense until
    it should be (our 90th, or 120 %), then backing off. The sparse part begins short, since a
    refusal comes early, grows, and halves again towards its end.
    """
    begin, end = _likely_end(wait)
    # History of one single duration has no spread; the next one will differ from it a little.
    dense = max(end - begin, 0.1 * wait.p50) / _DENSE_POLLS
    if elapsed_seconds < begin:
        growing = 0.08 * begin + 1.2 * elapsed_seconds
        shrinking = (begin - elapsed_seconds) / 2 + _FIRST_DENSE * dense
        delay, longest = min(growing, shrinking), _LONGEST_SPARSE_POLL_SECONDS
    else:
        # A task that is still going is the likelier to end the longer it has been.
        progress = min((elapsed_seconds - begin) / max(end - begin, 1e-9), 1.0)
        overdue = max(elapsed_seconds - end, 0.0)
        delay, longest = (_FIRST_DENSE - progress) * dense + overdue / 10, _LONGEST_POLL_SECONDS
    return min(max(delay * (0.9 + 0.2 * chance), _SHORTEST_POLL_SECONDS), longest)


def _likely_end(wait: UsualWait) -> tuple[float, float]:
    """Return from when to when most such tasks end, in seconds after their start."""
    if wait.source == "history" and wait.p10 is not None and wait.p90 is not None:
        return wait.p10, wait.p90
    return 0.6 * wait.p50, 1.2 * wait.p50


def _history(generations: Iterable[Generation]) -> dict[_Key, tuple[float, ...]]:
    found: dict[_Key, list[float]] = defaultdict(list)
    for generation in generations:
        seconds = _took_seconds(generation)
        if seconds is not None:
            found[_key(generation.model, generation.payload)].append(seconds)
    return {key: tuple(itertools.islice(taken, NEWEST)) for key, taken in found.items()}


def _took_seconds(generation: Generation) -> float | None:
    if generation.finished_at is None:
        return None
    # Time spent waiting to be sent says nothing about the model.
    began = datetime.fromisoformat(generation.sent_at or generation.created_at)
    seconds = (datetime.fromisoformat(generation.finished_at) - began).total_seconds()
    return seconds if seconds > 0 else None


def _key(model_id: str, values: Mapping[str, Any]) -> _Key:
    model = catalog.MODELS.get(model_id)
    return model_id, _length(model, values) if model else None


def _length(model: catalog.Model, values: Mapping[str, Any]) -> float | None:
    seconds = catalog.output_seconds(model, values)
    return seconds.exact if seconds else None
