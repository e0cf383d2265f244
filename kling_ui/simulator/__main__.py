"""`python -m kling_ui.simulator`: the provider on loopback, until Ctrl-C."""

import argparse
import json
import shlex
import signal
import sys
import tempfile
import threading
from pathlib import Path

from kling_ui import simulator
from kling_ui.catalog import MODELS
from kling_ui.simulator.api import GENERATION_PATHS


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    given = _arguments()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with tempfile.TemporaryDirectory(prefix="kling-simulator-") as temporary:
        provider = simulator.Simulator(
            folder=given.folder or Path(temporary),
            seconds=given.seconds,
            port=given.port,
            cdn_port=given.cdn_port,
        )
        try:
            provider.start()
        except OSError as exc:
            print(f"The simulator can't listen there: {exc}", file=sys.stderr)  # noqa: T201  a command
            return 1
        print(_greeting(provider.base_url), flush=True)  # noqa: T201  a command
        # A wait without an end would keep Ctrl-C waiting on Windows.
        while not done.wait(0.5):
            pass
        provider.stop()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m kling_ui.simulator",
        description=simulator.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8765, help="of the API (default %(default)s)")
    parser.add_argument("--cdn-port", type=int, default=0, help="of the files (default: any free)")
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="a generation takes (default %(default)s)"
    )
    parser.add_argument(
        "--folder", type=Path, help="keeps tasks and videos (default: temporary, emptied at exit)"
    )
    return parser.parse_args()


def _greeting(base_url: str) -> str:
    body = {"model": next(iter(MODELS)), "prompt": "A lighthouse at dusk, slow waves"}
    url = f"{base_url}{GENERATION_PATHS[0]}"
    data = shlex.quote(json.dumps(body))
    return f"""\
The simulated provider answers at {base_url} (any key will do). Start a video:

curl -s {url} -H 'Authorization: Bearer any' -H 'Content-Type: application/json' -d {data}

Then ask for it, with the id of that answer, until its status is neither queued nor generating:

curl -sG {url} -H 'Authorization: Bearer any' --data-urlencode 'generation_id=ID'

Ctrl-C ends it."""


if __name__ == "__main__":
    sys.exit(main())
