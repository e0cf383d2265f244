"""Start and first page of Kling UI beside a bare Gradio app: `python bench/start.py [ROUNDS]`.

Taken in turns, so that other work on the machine meets both alike. Prints medians: seconds until
the page is answered, CPU seconds until then, seconds until the button can be pressed in a browser
that has never been there (cold) and on a reload (warm), and the requests of a cold visit.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HOME = Path(__file__).resolve().parents[1]
BARE = """
import gradio as gr
with gr.Blocks() as page:
    gr.Textbox(label="Prompt")
    gr.Button("Generate", elem_id="generate").click(lambda: None, None, gr.Video())
page.launch(quiet=True)
"""
APPS = {"bare": ["-c", BARE], "kling ui": ["app.py"]}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
START_SECONDS = 120.0


@contextmanager
def started(arguments: list[str], figures: dict[str, float]) -> Iterator[str]:
    """Run an app in a folder of its own; note how long its start takes; yield its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="kling-ui-bench-")
    environ = {key: value for key, value in os.environ.items() if key != "AIML_API_KEY"}
    environ |= {
        "KLING_UI_DATA_DIR": folder,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    began = time.monotonic()
    app = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=HOME,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url)
        figures["start s"] = time.monotonic() - began
        figures["start CPU s"] = cpu_seconds(app.pid)
        yield url
    finally:
        app.kill()
        app.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(url: str) -> None:
    """Return once a page is answered."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=START_SECONDS) as answer:  # noqa: S310
                answer.read()
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def cpu_seconds(pid: int) -> float:
    """Return what a process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def visit(browser: Browser, url: str, figures: dict[str, float]) -> None:
    """Open a page in a fresh profile, then again; note how long each takes."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for name in ("cold s", "warm s"):
        began = time.monotonic()
        page.goto(url, wait_until="commit")
        page.wait_for_selector("#generate:not([disabled])", timeout=120_000)
        figures[name] = time.monotonic() - began
        if name == "cold s":
            page.wait_for_timeout(1500)
            figures["cold requests"] = len(requests)
    context.close()


def main() -> None:
    """Measure, and print a table of medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    taken: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in APPS}
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for _ in range(rounds):
            for name, arguments in APPS.items():
                figures: dict[str, float] = {}
                with started(arguments, figures) as url:
                    visit(browser, url, figures)
                for what, figure in figures.items():
                    taken[name][what].append(figure)
        browser.close()
    print(f"{'median of ' + str(rounds):16} {'bare':>9} {'kling ui':>9} {'ratio':>6}")
    for what in taken["bare"]:
        bare, ours = (statistics.median(taken[name][what]) for name in APPS)
        print(f"{what:16} {bare:9.2f} {ours:9.2f} {ours / bare:6.2f}")


if __name__ == "__main__":
    main()
