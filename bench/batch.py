"""How a batch goes out: python bench/batch.py [CELLS] [--parallel N] [--seconds S].

Submits a batch to the simulator through the service, as the page does, and prints when its first
and last POST were made and how many requests the provider got.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kling_ui.client import Client
from kling_ui.ledger import SIMULATOR, Ledger
from kling_ui.service import PollSettings, Service
from kling_ui.simulator import Simulator

MODEL = "kling-video/v1.6/standard/text-to-video"


async def measure(folder: Path, simulator: Simulator, options: argparse.Namespace) -> None:
    """Submit a batch, follow it to its end and print the figures."""
    ledger = Ledger(folder / "ledger.db")
    ledger.open()
    client = Client(base_url=simulator.base_url, api_key=SIMULATOR)
    settings = PollSettings(simulator_seconds=options.seconds)
    service = Service(
        client=client, ledger=ledger, folder=folder, origin=SIMULATOR, poll_settings=settings
    )
    service.files.prepare()
    service.preferences.set_parallel(options.parallel)
    informing = asyncio.create_task(service.keep_informed())
    await service.live.first_list()
    items = [(MODEL, {"prompt": f"Boat {number}"}) for number in range(options.cells)]
    seen_before = len(simulator.seen)
    began, began_at = time.monotonic(), time.time()
    batch = await service.batches.submit(await service.batches.prepare(items), max_usd=1000)
    answered = time.monotonic() - began
    async for _ in service.follow_all([each.id for each in batch.generations]):
        pass
    took = time.monotonic() - began
    kinds = Counter(f"{seen.server} {seen.method}" for seen in list(simulator.seen)[seen_before:])
    rows = ledger.of_set(batch.set.id)
    statuses = Counter(row.status.value for row in rows)
    posted = [
        datetime.fromisoformat(row.sent_at).timestamp() - began_at for row in rows if row.sent_at
    ]
    print(
        f"{options.cells} cells, {options.parallel} at a time, {options.seconds:g} s each: "
        f"answered after {answered:.2f} s, first POST after {min(posted):.2f} s, last after "
        f"{max(posted):.1f} s, all done after {took:.1f} s; {dict(statuses)}; "
        f"requests {dict(kinds)}"
    )
    informing.cancel()
    await service.close()
    await client.aclose()
    ledger.close()


def main() -> None:
    """Do as the usage says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="?", type=int, default=24)
    parser.add_argument("--parallel", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kling-ui-batch-") as name,
        Simulator(folder=Path(name) / "provider", seconds=options.seconds) as simulator,
    ):
        asyncio.run(measure(Path(name), simulator, options))


if __name__ == "__main__":
    main()
