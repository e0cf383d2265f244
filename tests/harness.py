"""A runtime in a hurry for the service: sleeps are noted and hardly take any time.

Its clock moves by what was asked to be slept, so that a day of searching passes at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import av
from PIL import Image

from kling_ui.client import Client
from kling_ui.ledger import SIMULATOR
from kling_ui.service import PollSettings, Runtime, Service, Status
from kling_ui.simulator import Fault

MODEL = "kling-video/v1.6/standard/text-to-video"
KEY = "test-key"
PROMPT = "A paper boat drifts down a flooded street"
LOST = {
    "reset": Fault(on="create", kind="reset_after"),
    "gateway page": Fault(on="create", kind="html", status=502, after=True),
    "own words": Fault(on="create", kind="status", status=500, after=True),
    "own words of a timeout": Fault(on="create", kind="status", status=504, after=True),
    "gateway timeout": Fault(on="create", kind="html", status=504, after=True),
    "silence": Fault(on="create", kind="hang", after=True, seconds=0.05),
    "cut": Fault(on="create", kind="cut"),
    "garbage": Fault(on="create", kind="garbage"),
    "no id": Fault(on="create", kind="no_id"),
    "nothing": Fault(on="create", kind="garbage", body=b""),
}
"""The ways in which a POST is carried out and its answer never comes."""

API_FIELDS = {
    "id",
    "task_id",
    "model",
    "prompt",
    "payload",
    "status",
    "created_at",
    "updated_at",
    "finished_at",
    "video",
    "poster",
    "credits_used",
    "usd_spent",
    "simulated",
    "starred",
    "set",
    "error",
}
"""All that the API tells of a generation: neither the owner nor anything else of the row."""

EAGER = PollSettings(poll_seconds=0.01)
REAL_SLEEP_SECONDS = 0.003
TOO_LONG_SECONDS = 90
"""When what does not come counts as a hang; a busy machine takes its time."""


@dataclass
class QuickRuntime:
    """Time and luck in a test's hands. `on_sleep` is called with each sleep's seconds."""

    chance: float = 0.5
    longest_sleep: float = REAL_SLEEP_SECONDS
    slept: list[float] = field(default_factory=list)
    ahead: timedelta = timedelta()
    on_sleep: Callable[[float], None] = lambda _: None

    def now(self):
        return datetime.now(UTC) + self.ahead

    def monotonic(self):
        return time.monotonic() + self.ahead.total_seconds()

    def pass_by(self, **time):
        self.ahead += timedelta(**time)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.pass_by(seconds=seconds)
        self.on_sleep(seconds)
        await asyncio.sleep(min(seconds, self.longest_sleep))

    @property
    def runtime(self):
        return Runtime(
            sleep=self.sleep, now=self.now, monotonic=self.monotonic, chance=lambda: self.chance
        )


def service_at(
    base_url,
    *,
    ledger,
    folder,
    runtime,
    key=KEY,
    read_seconds=10.0,
    origin=SIMULATOR,
    client=Client,
    poll_settings=EAGER,
    **more,
):
    """Make a service whose polls follow each other closely."""
    caller = client(base_url=base_url, api_key=key, read_seconds=read_seconds)
    made = Service(
        client=caller,
        ledger=ledger,
        folder=folder,
        origin=origin,
        poll_settings=poll_settings,
        runtime=runtime.runtime,
        **more,
    )
    made.files.prepare()
    return made, caller


class Mistakes(logging.Handler):
    """Keeps what the app logs with a traceback: an exception that nobody expected."""

    def __init__(self):
        super().__init__()
        self.found = []

    def emit(self, record):
        if record.exc_info:
            self.found.append((record.getMessage(), record.exc_info[1]))


def every(items):
    """Make one test of a check of each item, for checks that take less time than a test of its own.

    A tuple is handed over as several arguments. A failure names its item.
    """

    def decorate(check):
        def test():
            for item in items:
                try:
                    check(*item) if isinstance(item, tuple) else check(item)
                except Exception as exc:
                    exc.add_note(f"of {item}"[:200])
                    raise

        return test

    return decorate


async def submit(service, model, values, **more):
    """Check a request and send it; `more` is whose it is."""
    return await service.submit(await service.prepare(model, values, **more), **more)


async def watched(service, generation_id, **more):
    """Follow a generation until it rests; return its snapshots."""
    async with asyncio.timeout(TOO_LONG_SECONDS):
        return [snapshot async for snapshot in service.follow(generation_id, **more)]


async def made(service, prompt=PROMPT, **values):
    """Submit and follow until it rests; return every snapshot, the answer to submit first."""
    async with asyncio.timeout(TOO_LONG_SECONDS):
        first = await submit(service, MODEL, {"prompt": prompt, **values})
    rest = [] if first.status.is_final else await watched(service, first.id)
    return [first, *rest]


async def at_rest(service, generation_id):
    """Wait until nobody works on a generation; return it as it is then."""
    await until(lambda: not service.is_working_on(generation_id))
    return await service.get(generation_id)


async def until(is_so):
    """Wait until `is_so` returns something true, and return that."""
    async with asyncio.timeout(TOO_LONG_SECONDS):
        while True:
            found = is_so()
            if found:
                return found
            await asyncio.sleep(REAL_SLEEP_SECONDS)


def statuses(snapshots):
    """Return the statuses in order, each once in a row."""
    words = [snapshot.status.value for snapshot in snapshots]
    return [word for i, word in enumerate(words) if i == 0 or word != words[i - 1]]


def troubles(snapshots):
    """Return the kinds of trouble that were shown, in order."""
    return [snapshot.error.kind for snapshot in snapshots if snapshot.error]


def posts(simulator):
    """Return the creations that arrived at the simulator."""
    return [seen for seen in simulator.seen if seen.server == "api" and seen.method == "POST"]


def assert_a_video_is_there(service, generation):
    assert generation.status is Status.COMPLETED, generation
    assert generation.error is None
    path = service.files.path(generation)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == container.streams.video[0].frames
    with Image.open(service.files.poster(generation)) as poster:
        assert poster.format == "JPEG"


def assert_paid_once(simulator):
    assert (len(posts(simulator)), simulator.accepted, simulator.charges) == (1, 1, 1)


def assert_nothing_is_left_running(service):
    assert set(service.diagnostics().values()) == {0}, service.diagnostics()


def assert_no_half_files(service):
    assert list(service.files._incoming.iterdir()) == []
    assert list(service.files.videos.rglob("*.part")) == []
