"""Polling: how late a finished task is noticed, and for how many questions.

Usage: python bench/polling.py [--tasks 4000] [--longest-sparse 45]. Simulated: no waiting, no
network. For several distributions of durations it prints the mean lag in seconds and the mean
number of questions of the rule of the first release (by the documented time alone), of today's
rule with nothing but that time, and with 8 and 50 own generations to learn from.
"""

import argparse
import math
import random
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kling_ui.service import waits
from kling_ui.service.waits import UsualWait, poll_delay

Duration = Callable[[random.Random], float]
Rule = Callable[[float, float], float]
"""From elapsed seconds and chance to the seconds until the next question."""

DURATIONS: dict[str, tuple[float, Duration]] = {
    "79 s ±25 %": (79, lambda luck: 79 * luck.uniform(0.75, 1.25)),
    "180 s ±25 %": (180, lambda luck: 180 * luck.uniform(0.75, 1.25)),
    "270 s ±25 %": (270, lambda luck: 270 * luck.uniform(0.75, 1.25)),
    "430 s ±25 %": (430, lambda luck: 430 * luck.uniform(0.75, 1.25)),
    "270 s, normal, sd 14 %": (270, lambda luck: max(20, 270 * luck.gauss(1, 0.144))),
    "270 s, lognormal 0.25": (270, lambda luck: 270 * math.exp(luck.gauss(0, 0.25))),
    "page says 270, really 180": (270, lambda luck: 180 * luck.uniform(0.75, 1.25)),
    "page says 270, really 400": (270, lambda luck: 400 * luck.uniform(0.75, 1.25)),
}
"""What the page says in seconds, and how long tasks really take."""


def first_release(page_seconds: float) -> Rule:
    """Return the rule that this one replaced."""

    def delay(elapsed: float, chance: float) -> float:
        if elapsed < 0.6 * page_seconds:
            seconds = min(0.08 * page_seconds, 15.0)
        else:
            seconds = max(0.027 * page_seconds, elapsed / 50)
        return min(max(seconds * (0.9 + 0.2 * chance), 0.3), 15.0)

    return delay


def today(wait: UsualWait) -> Rule:
    """Return today's rule for a usual wait."""
    return lambda elapsed, chance: poll_delay(elapsed_seconds=elapsed, wait=wait, chance=chance)


def learned(taken: list[float]) -> UsualWait:
    """Return the usual wait after so many own generations."""
    deciles = statistics.quantiles(taken, n=10, method="inclusive")
    return UsualWait(
        p10=deciles[0], p50=deciles[4], p90=deciles[8], source="history", count=len(taken)
    )


def follow(rule: Rule, seconds: float, luck: random.Random) -> tuple[float, int]:
    """Ask until a task of `seconds` has ended; return the lag and the number of questions."""
    elapsed, questions = 0.0, 0
    while elapsed < seconds:
        elapsed += rule(elapsed, luck.random())
        questions += 1
    return elapsed - seconds, questions


def measure(make_rule: Callable[[random.Random], Rule], duration: Duration, tasks: int) -> str:
    """Return mean lag and mean number of questions over so many tasks."""
    luck = random.Random(1)  # noqa: S311  a simulation wants the same luck each time
    found = [follow(make_rule(luck), duration(luck), luck) for _ in range(tasks)]
    lag = statistics.fmean(lag for lag, _ in found)
    questions = statistics.fmean(questions for _, questions in found)
    return f"{lag:5.2f} s {questions:5.1f}"


def main() -> None:
    """Print one line per distribution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--longest-sparse", type=float, default=None)
    arguments = parser.parse_args()
    if arguments.longest_sparse is not None:
        waits._LONGEST_SPARSE_POLL_SECONDS = arguments.longest_sparse  # noqa: SLF001
    heads = ("first release", "documented", "8 own", "50 own")
    print(f"{'mean lag and questions':27}", *(f"{head:>15}" for head in heads))
    for name, (page, duration) in DURATIONS.items():

        def after(count: int, duration: Duration = duration) -> Callable[[random.Random], Rule]:
            return lambda luck: today(learned([duration(luck) for _ in range(count)]))

        documented = today(UsualWait(p50=page, source="documented"))
        columns = [
            measure(lambda _, page=page: first_release(page), duration, arguments.tasks),
            measure(lambda _, rule=documented: rule, duration, arguments.tasks),
            measure(after(8), duration, arguments.tasks),
            measure(after(50), duration, arguments.tasks),
        ]
        print(f"{name:27}", *(f"{column:>15}" for column in columns))


if __name__ == "__main__":
    main()
