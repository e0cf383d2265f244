"""Kill the app with SIGKILL at random moments, again and again, and then count the money.

Usage: python tests/soak/crash.py [ROUNDS] [--apps N] [--seed S]. One simulator lives in this
process; what is killed is a light process of nothing but ledger, client and service, ROUNDS
times, and the real app.py, N times (every 25th round unless said), over the same data folder. At
the end everything may finish, and ledger, files and the simulator's own count of charges are
compared.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from app_process import AppProcess  # noqa: E402

from kling_ui import media  # noqa: E402
from kling_ui.client import Client  # noqa: E402
from kling_ui.ledger import (  # noqa: E402
    LIVE,
    UNFINISHED,
    Generation,
    Ledger,
    Status,
)
from kling_ui.service import PollSettings, Runtime, Service, policy  # noqa: E402
from kling_ui.simulator import Fault, Simulator, studio  # noqa: E402

MODEL = "kling-video/v1.6/standard/text-to-video"
KEY = "sk-crash-0123456789"
TASK_SECONDS = 0.25
POLL_SECONDS = 0.05
ANSWER_SECONDS = 240.0
END_SECONDS = 240.0
# A light process lives for up to this long, an app for a little longer: it takes more to start.
LIGHT_SECONDS, APP_SECONDS = 0.5, 1.2


class App(AppProcess):
    """app.py, and its API."""

    def __init__(self, folder: Path, base_url: str, **environ: str) -> None:
        polls = {"KLING_UI_POLL_SECONDS": str(POLL_SECONDS)}
        super().__init__(folder, base_url, key=KEY, **polls, **environ)

    def submit(self, prompt: str) -> None:
        """Press Generate, as far as the API is concerned, and don't wait for what comes of it."""
        self._post("submit", [MODEL, prompt, {}])

    def call(self, name: str, *arguments: Any) -> Any:
        """Call the API and return its answer."""
        event = self._post(name, list(arguments))
        address = f"{self.url}/gradio_api/call/{name}/{event}"
        with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        return next(json.loads(line[6:])[0] for line in lines if line.startswith("data: ["))

    def _post(self, name: str, arguments: list[Any]) -> str:
        request = urllib.request.Request(
            f"{self.url}/gradio_api/call/{name}",
            data=json.dumps({"data": arguments}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return str(json.load(answer)["event_id"])


def live(folder: Path, base_url: str, pipe: Connection) -> None:
    """Be the app without its page: go on with what is open, and submit what the pipe says."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    asyncio.run(_live(folder, base_url, pipe))


async def _live(folder: Path, base_url: str, pipe: Connection) -> None:
    ledger = open_ledger(folder)
    service = Service(
        client=Client(base_url=base_url, api_key=KEY),
        ledger=ledger,
        folder=folder,
        origin=LIVE,
        poll_settings=PollSettings(poll_seconds=POLL_SECONDS),
        runtime=Runtime(sleep=_sleep),
    )
    pipe.send("ready")
    await service.resume()
    calls = set()
    while True:
        prompt = await asyncio.to_thread(pipe.recv)
        if prompt is None:
            break
        calls.add(asyncio.create_task(_submit(service, prompt)))
    await asyncio.gather(*calls)
    # What is to be searched for, or fetched again, in an hour is at rest until then.
    while not all(  # noqa: ASYNC110  no event tells
        service.is_resting(row.id) for row in ledger.unfinished(origin=LIVE)
    ):
        await asyncio.sleep(POLL_SECONDS)
    pipe.send("done")


async def _submit(service: Service, prompt: str) -> None:
    await service.submit(await service.prepare(MODEL, {"prompt": prompt}))


async def _sleep(seconds: float) -> None:
    """Let the waits that people sit through pass in no time, and no others."""
    await asyncio.sleep(seconds if policy.is_long(seconds) else min(seconds, POLL_SECONDS))


def open_ledger(folder: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{folder}/kling-ui.db")
    ledger.open()
    return ledger


@dataclass
class Story:
    """What was done to the app, and in which states its rows were when it was killed."""

    clicks: int = 0
    light_kills: int = 0
    app_kills: int = 0
    caught: Counter[str] = field(default_factory=Counter)


@dataclass
class Figures:
    """What is left at the end. `lost` and `doubled` are the promises: both must be 0."""

    rows: int = 0
    accepted: int = 0
    charged: int = 0
    completed: int = 0
    unknown: int = 0
    rejected: int = 0
    waiting: int = 0
    failed: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        """Tell whether the promise was kept."""
        return not self.lost and not self.doubled


def crash(
    folder: Path, *, light_rounds: int, app_rounds: int, chance: random.Random
) -> tuple[Story, Figures]:
    """Kill light processes and apps in random order; return what was done and what is left."""
    data = folder / "data"
    data.mkdir(parents=True)
    open_ledger(data).close()
    start_fork_server()
    rounds = [kill_light] * light_rounds + [kill_app] * app_rounds
    chance.shuffle(rounds)
    story = Story()
    with (
        one_film(folder),
        Simulator(folder=folder / "provider", seconds=TASK_SECONDS, key=KEY) as simulator,
    ):
        for kill in rounds:
            simulator.plan(*trouble(chance))
            kill(data, simulator, story, chance)
            story.caught.update(row.status.value for row in rows_of(data, only_open=True))
            simulator.clear()
        see_everything_through(data, simulator)
        return story, figures(data, simulator)


def trouble(chance: random.Random) -> list[Fault]:
    """Let some answers come late, so that more kills fall into the middle of a request."""
    late = chance.uniform(0.05, 0.3)
    return chance.sample(
        [
            Fault(on="create", kind="hang", seconds=late, after=True),
            Fault(on="create", kind="hang", seconds=late),
            Fault(on="create", kind="reset_after"),
            Fault(on="get", kind="hang", seconds=late),
            Fault(on="logs", kind="late"),
            Fault(on="download", kind="hang", seconds=late),
            Fault(on="download", kind="cut"),
        ],
        chance.choice([0, 0, 1, 2]),
    )


def kill_light(data: Path, simulator: Simulator, story: Story, chance: random.Random) -> None:
    """Let a light process live for a moment, with a few clicks in it."""
    process, pipe = started(data, simulator)
    dies_at = time.monotonic() + chance.uniform(0.0, LIGHT_SECONDS)
    for _ in range(chance.choice([0, 1, 1, 2, 3])):
        story.clicks += 1
        pipe.send(f"Click {story.clicks}")
        time.sleep(chance.uniform(0.0, 0.1))
    time.sleep(max(0.0, dies_at - time.monotonic()))
    process.kill()
    process.join()
    pipe.close()
    story.light_kills += 1


def kill_app(data: Path, simulator: Simulator, story: Story, chance: random.Random) -> None:
    """Let the real app live for a moment, with a few clicks in it."""
    app = App(data, simulator.base_url)
    app.start()
    try:
        app.wait_until_served()
        for _ in range(chance.choice([1, 2, 3])):
            story.clicks += 1
            app.submit(f"Click {story.clicks}")
            time.sleep(chance.uniform(0.0, 0.2))
        time.sleep(chance.uniform(0.0, APP_SECONDS))
    finally:
        app.kill()
    story.app_kills += 1


def start_fork_server() -> None:
    """Have this module read in once, by the process that the light ones are forked from."""
    multiprocessing.set_forkserver_preload(["crash"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def started(data: Path, simulator: Simulator) -> tuple[Any, Connection]:
    """Start a light process and return once it is about to take on what is left.

    On a busy machine the way there may take longer than it is to live.
    """
    context = multiprocessing.get_context("forkserver")
    pipe, other = context.Pipe()
    process = context.Process(target=live, args=(data, simulator.base_url, other), daemon=True)
    process.start()
    other.close()
    assert pipe.recv() == "ready"
    return process, pipe


def see_everything_through(data: Path, simulator: Simulator) -> None:
    """Let one last process, which nobody kills, finish what can be finished."""
    process, pipe = started(data, simulator)
    pipe.send(None)
    is_done = pipe.poll(END_SECONDS) and pipe.recv() == "done"
    process.join(END_SECONDS if is_done else 0)
    process.kill()
    process.join()
    pipe.close()
    if not is_done:
        raise AssertionError(f"After {END_SECONDS:g} s something is still being worked on.")


def figures(data: Path, simulator: Simulator) -> Figures:
    """Compare the ledger and the files with what the provider counts."""
    rows = rows_of(data)
    made = simulator._store.tasks()
    by_task = {row.task_id: row for row in rows if row.task_id}
    per_click = Counter(task.payload["prompt"] for task in made)
    per_row = Counter(task.client_request_id for task in made)
    statuses = Counter(row.status for row in rows)
    return Figures(
        rows=len(rows),
        accepted=simulator.accepted,
        charged=simulator.charges,
        completed=statuses[Status.COMPLETED],
        unknown=statuses[Status.UNKNOWN],
        rejected=statuses[Status.REJECTED],
        waiting=statuses[Status.WAITING],
        failed=statuses[Status.FAILED],
        lost=[task.id for task in made if not is_had(by_task.get(task.id), data)],
        doubled=[each for each, count in (per_click + per_row).items() if count > 1],
    )


def is_had(row: Generation | None, data: Path) -> bool:
    """Tell whether a paid task has a row that says completed, and a file that can be played."""
    if row is None or row.status is not Status.COMPLETED or row.video is None:
        return False
    return media.verify(data / row.video).duration_seconds > 1


def rows_of(data: Path, *, only_open: bool = False) -> list[Generation]:
    """Read the ledger."""
    ledger = open_ledger(data)
    rows = ledger.newest("local", limit=10**6)
    ledger.close()
    return [row for row in rows if row.status in UNFINISHED] if only_open else rows


@contextmanager
def one_film(folder: Path) -> Iterator[None]:
    """Let the simulator render one video and copy it: rendering is not what is looked at."""
    render, film = studio.render, folder / "film.mp4"

    def copied(scene: Any, path: Path, **more: Any) -> bool:
        if not film.exists():
            render(scene, film, **more)
        shutil.copyfile(film, path)
        return True

    studio.render = copied
    try:
        yield
    finally:
        studio.render = render


def told(story: Story, left: Figures) -> str:
    """Write everything on a few lines."""
    caught = ", ".join(f"{count} {word}" for word, count in sorted(story.caught.items()))
    return (
        f"kills: {story.light_kills} light, {story.app_kills} app; rows open at a kill: {caught}\n"
        f"clicks={story.clicks} rows={left.rows} accepted={left.accepted} charged={left.charged} "
        f"completed={left.completed} unknown={left.unknown} rejected={left.rejected} "
        f"waiting={left.waiting} failed={left.failed}\n"
        f"lost={len(left.lost)} doubled={len(left.doubled)}"
    )


def main() -> None:
    """Do as the usage says; fail where anything was lost or paid for twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=100)
    parser.add_argument("--apps", type=int, default=None)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    apps = max(1, options.rounds // 25) if options.apps is None else options.apps
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kling-ui-crash-") as folder:
        story, left = crash(
            Path(folder),
            light_rounds=options.rounds,
            app_rounds=apps,
            chance=random.Random(options.seed),
        )
    seconds = time.monotonic() - began
    sys.stdout.write(f"{told(story, left)}\nseed {options.seed}, {seconds:.0f} s\n")
    sys.exit(not left.is_kept)


if __name__ == "__main__":
    # Not as `__main__`: the processes that are forked know it by its name.
    import crash as itself

    itself.main()
