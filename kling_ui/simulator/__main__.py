"""`python -m kling_ui.simulator`: the provider on loopback, until Ctrl-C."""

import argparse
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path

from kling_ui import simulator
from kling_ui.catalog import MODELS
from kling_ui.simulator.endpoints import UNIVERSAL_PATH

_GREETING = """\
The simulated provider answers at {base_url} (any key will do). Start a video:

curl -s {url} -H 'Authorization: Bearer any' -H 'Content-Type: application/json' -d '{body}'

Then ask for it, with the id of that answer, until its status is neither queued nor generating:

curl -sG {url} -H 'Authorization: Bearer any' --data-urlencode 'generation_id=ID'

Ctrl-C ends it."""


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m kling_ui.simulator",
        description=simulator.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8765, help="(default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="a generation takes (default %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="keeps tasks and videos after the end")
    given = parser.parse_args()
    if given.folder and (given.folder / "kling-ui.db").exists():
        # What it keeps of its inputs is bounded; the app's own are not to be among them.
        parser.error("--folder is the data folder of an app; name another one")
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with tempfile.TemporaryDirectory(prefix="kling-simulator-") as temporary:
        folder = given.folder or Path(temporary)
        try:
            with simulator.Simulator(folder=folder, seconds=given.seconds, port=given.port) as sim:
                body = json.dumps({"model": next(iter(MODELS)), "prompt": "A lighthouse at dusk"})
                url = sim.base_url + UNIVERSAL_PATH
                print(_GREETING.format(base_url=sim.base_url, url=url, body=body), flush=True)  # noqa: T201  a command
                # A wait without an end would keep Ctrl-C waiting on Windows.
                while not done.wait(0.5):
                    pass
        except OSError as exc:
            sys.exit(f"The simulator can't listen there: {exc}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
