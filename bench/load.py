"""Load: N generations at once in Kling UI, beside a plain app written the obvious way.

Usage: python bench/load.py [N] [--seconds 15] [--spread 10] [--window 60]. Both apps run as
processes of their own against one simulator in this process, one after the other, on loopback
only. Nothing here is a test: the figures depend on the machine, so compare the two columns of
one run.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from kling_ui.simulator import Simulator, studio  # noqa: E402

MODEL = "kling-video/v1.6/standard/text-to-video"
KEY = "bench-key"
START_SECONDS = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Watch:
    """What one client saw: when it asked, and when each status word reached it."""

    asked: float
    words: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class App:
    """One of the two: its script, and what its API wants and says."""

    name: str
    script: str
    arguments: Callable[[int], list[Any]]
    word: Callable[[Any], str]


APPS = (
    App("Kling UI", "app.py", lambda n: [MODEL, f"Prompt {n}", {}], lambda data: data["status"]),
    App("plain app", "bench/plain_app.py", lambda n: [f"Prompt {n}"], str),
)


def main() -> None:
    """Measure both apps and print the figures side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", nargs="?", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long a task takes")
    parser.add_argument(
        "--spread", type=float, default=10.0, help="over how many seconds the clicks are spread"
    )
    parser.add_argument("--window", type=float, default=60.0, help="how long to watch")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    columns = [measure(app, options) for app in APPS]
    print(
        f"{options.n} generations of {options.seconds:g} s, clicked within {options.spread:g} s, "
        f"{options.window:g} s watched"
    )
    print(f"{'':34}" + "".join(f"{app.name:>12}" for app in APPS))
    for name in columns[0]:
        print(f"{name:34}" + "".join(f"{column[name]:>12}" for column in columns))


def measure(app: App, options: argparse.Namespace) -> dict[str, str]:
    """Run one app under load and return its figures, written out."""
    seconds = options.seconds
    with tempfile.TemporaryDirectory() as scratch, one_film(Path(scratch)):
        folder = Path(scratch)
        with Simulator(folder=folder / "provider", seconds=seconds, key=KEY) as simulator:
            process, url = started(app, folder, simulator.base_url)
            try:
                cpu = cpu_seconds(process.pid)
                watches, peak = asyncio.run(watch_all(app, url, options, process.pid))
                cpu = cpu_seconds(process.pid) - cpu
                finished_at = ends(simulator.base_url, seconds)
            finally:
                process.terminate()
                process.wait()
            asked = sum(seen.server == "api" for seen in simulator.seen)
    first = [min(w.words.values()) - w.asked for w in watches if w.words]
    seen = sorted(w.words["completed"] for w in watches if "completed" in w.words)
    # Completions reach clients in the order of their ends, give or take a poll.
    late = [max(0.0, at - end) for at, end in zip(seen, finished_at, strict=False)]
    return {
        "first status seen": f"{len(first)}",
        "finished": f"{len(seen)}",
        "click to first status, p50 s": spread(first, 50),
        "click to first status, p95 s": spread(first, 95),
        "end at provider to seen, p50 s": spread(late, 50),
        "end at provider to seen, p95 s": spread(late, 95),
        "CPU s": f"{cpu:.1f}",
        "peak RSS MB": f"{peak:.0f}",
        "requests to the provider": f"{asked}",
    }


@contextmanager
def one_film(scratch: Path) -> Iterator[None]:
    """Let the simulator render one video and copy it: this measures the apps, not rendering."""
    render, film = studio.render, scratch / "film.mp4"

    def copied(scene: Any, path: Path, *, is_given_up: Callable[[], bool]) -> bool:
        if not film.exists():
            render(scene, film, is_given_up=is_given_up)
        shutil.copyfile(film, path)
        return True

    studio.render = copied
    try:
        yield
    finally:
        studio.render = render


def started(app: App, folder: Path, base_url: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start an app as a process and wait until it answers."""
    port = 7950 if app.name == "Kling UI" else 7951
    environ = {
        **os.environ,
        "AIML_API_KEY": KEY,
        "AIML_API_BASE_URL": base_url,
        "KLING_UI_DATA_DIR": str(folder / "data"),
        "KLING_UI_POLL_SECONDS": "1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    (folder / "data").mkdir()
    log = (folder / "app.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, app.script], cwd=HOME, env=environ, stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return process, url
        except OSError:
            time.sleep(0.2)
    raise SystemExit((folder / "app.log").read_text())


async def watch_all(
    app: App, url: str, options: argparse.Namespace, pid: int
) -> tuple[list[Watch], float]:
    """Start all generations and watch them for the window's seconds; also the peak RSS."""
    n, window = options.n, options.window
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    timeout = httpx.Timeout(None, connect=30)
    watches: list[Watch] = []
    peak = rss_megabytes(pid)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=timeout) as client:
        tasks = [
            asyncio.create_task(watch_one(app, client, k, k * options.spread / n, watches))
            for k in range(n)
        ]
        deadline = time.monotonic() + window
        while time.monotonic() < deadline and not all(task.done() for task in tasks):
            await asyncio.sleep(0.25)
            peak = max(peak, rss_megabytes(pid))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return watches, peak


async def watch_one(
    app: App, client: httpx.AsyncClient, k: int, delay: float, watches: list[Watch]
) -> None:
    """Start one generation over the API and note when each status word arrives."""
    await asyncio.sleep(delay)
    watch = Watch(asked=time.time())
    watches.append(watch)
    call = "/gradio_api/call/generate"
    # Each client is a browser of its own: one caller may not watch more than his share.
    visitor = {"Cookie": f"kling_ui_visitor={k:032x}"}
    answer = await client.post(call, json={"data": app.arguments(k)}, headers=visitor)
    async with client.stream(
        "GET", f"{call}/{answer.json()['event_id']}", headers=visitor
    ) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: [") and (data := json.loads(line[6:])):
                watch.words.setdefault(app.word(data[0]), time.time())


def ends(base_url: str, seconds: float) -> list[float]:
    """Return when the provider's tasks ended, as it logs their beginnings."""
    rows: list[dict[str, Any]] = []
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        while True:
            query = {"period": "24h", "limit": 100, "offset": len(rows)}
            page = client.get("/v2/logs", params=query).json()
            rows += page["data"]
            if not page["pagination"]["has_more"]:
                break
    return sorted(datetime.fromisoformat(row["created"]).timestamp() + seconds for row in rows)


def spread(values: list[float], percent: int) -> str:
    """Return a percentile, written out, or a dash."""
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.quantiles(values, n=100, method='inclusive')[percent - 1]:.2f}"


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_megabytes(pid: int) -> float:
    """Return how much memory a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
