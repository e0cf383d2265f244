"""app.py in a process of its own, as a person starts it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
START_SECONDS = 240.0
"""No promise: a machine with other work on it has taken 50 s for a start that takes 5 alone."""


class AppProcess:
    """app.py over a data folder, asking a provider; `environ` is what else it finds set."""

    def __init__(self, folder: Path, base_url: str, *, key: str, **environ: str) -> None:
        self.folder = folder
        self.base_url = base_url
        self.key = key
        self.environ = environ
        self.port = free_port()
        self.log = folder / "app.log"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it without waiting for it."""
        environ = {
            **os.environ,
            "AIML_API_KEY": self.key,
            "AIML_API_BASE_URL": self.base_url,
            "KLING_UI_DATA_DIR": str(self.folder),
            "GRADIO_SERVER_PORT": str(self.port),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": str(self.folder / "uploads"),
            **self.environ,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=HOME, env=environ, stdout=log, stderr=log
            )

    def wait_until_served(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url, timeout=START_SECONDS):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"not served:\n{self.log.read_text()}")

    def kill(self) -> None:
        """Kill it; harmless where it does not run."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
