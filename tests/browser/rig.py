"""One browser, one app and one tab a worker for all tests of the page, and what is done on it.

To start app.py takes five seconds of CPU, to load the page into a new tab four, into one that had
it before two. So a tab goes from test to test, emptied of all that a browser keeps in between.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from app_process import AppProcess
from playwright.sync_api import Browser, Page, expect, sync_playwright

from kling_ui.simulator import Fault, Simulator

KEY = "sk-browser-tests-0123456789"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SOON = 60_000
"""Milliseconds until what surely comes is missed; a busy machine takes its time."""
REST_SECONDS = 120.0
QUICK = 0.3
"""Seconds a generation takes. What has to be seen under way is `held`: no clock is slow enough."""
TYPING_PAUSE_MS = 800
"""Longer than create.js waits until it tells what was typed."""
IDLE = "about:blank"
COUNT_CALLS = """
  window.calls = {queued: 0, open: 0};
  const real = window.fetch;
  window.fetch = (...request) => {
    if (String(request[0]?.url ?? request[0]).includes('/queue/join')) window.calls.queued += 1;
    window.calls.open += 1;
    return real(...request).finally(() => { window.calls.open -= 1; });
  };
"""
PROMPT = "A paper boat drifts down a flooded street at night"


class App(AppProcess):
    """app.py with a key, against a simulator that the test holds."""

    def __init__(self, folder: Path, simulator: Simulator, key: str = KEY) -> None:
        super().__init__(folder, simulator.base_url, key=key, KLING_UI_POLL_SECONDS="0.2")
        self.simulator = simulator

    @property
    def url(self) -> str:
        return f"{super().url}/"

    def start(self) -> None:
        super().start()
        self.wait_until_served()

    def posts(self) -> int:
        return sum(seen.method == "POST" for seen in self.simulator.seen)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let everything that is being generated go on for as long as the block runs."""
        self.simulator.plan(Fault(on="get", kind="word", word="generating", times=None))
        try:
            yield
        finally:
            self.simulator.clear()

    def come_to_rest(self) -> None:
        """Wait until nothing runs: a new page would show it instead of what its test wants."""
        deadline = time.monotonic() + REST_SECONDS
        with closing(sqlite3.connect(self.folder / "kling-ui.db")) as ledger:
            question = "SELECT count(*) FROM generations WHERE finished_at IS NULL"
            while ledger.execute(question).fetchone() != (0,):
                assert time.monotonic() < deadline, f"it runs after {REST_SECONDS:g} s"
                time.sleep(0.1)


@contextmanager
def running_app(folder: Path, *, seconds: float = QUICK, key: str = KEY) -> Iterator[App]:
    folder.mkdir(exist_ok=True)
    with Simulator(folder=folder / "provider", seconds=seconds, key=KEY) as simulator:
        app = App(folder, simulator, key)
        try:
            app.start()
            yield app
        finally:
            app.kill()


@contextmanager
def running_browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None and os.environ.get("CI"):
        pytest.fail("CI has no Chromium: .ci/run installs it, so something is broken")
    if path is None:
        pytest.skip("NO BROWSER: the page is NOT tested; install Debian's chromium to test it")
    expect.set_options(timeout=SOON)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def opened(
    browser: Browser, app: App, width: int = 1280, *, motion: bool = False
) -> Iterator[Page]:
    """Yield the page, with nothing running, in a tab that knows nothing of any test before."""
    app.come_to_rest()
    with tab(browser, app, width, motion=motion) as page:
        open_page(page, app.url)
        yield page


@contextmanager
def tab(browser: Browser, app: App, width: int = 1280, *, motion: bool = False) -> Iterator[Page]:
    """Lend an empty tab in which no test before has left anything but files of the page.

    Without `motion` its user has asked the browser for as little as possible.
    """
    page = idle_tab(browser, width) or new_tab(browser, width)
    page.emulate_media(reduced_motion="no-preference" if motion else "reduce")
    page.context.clear_cookies()
    # Any address of the app whose page is not ours: what ours keeps for later is cleared there.
    page.goto(f"{app.url}robots.txt")
    page.evaluate("localStorage.clear(); sessionStorage.clear()")
    yield page
    leave(page)


def idle_tab(browser: Browser, width: int) -> Page | None:
    for context in browser.contexts:
        for page in context.pages:
            if page.url == IDLE and page.viewport_size == {"width": width, "height": 900}:
                return page
    return None


def new_tab(browser: Browser, width: int) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.add_init_script(COUNT_CALLS)
    return context.new_page()


def leave(page: Page) -> None:
    """Make a tab idle; close what was opened beside it."""
    if page.is_closed():
        page.context.close()
        return
    for other in page.context.pages:
        if other is not page:
            other.close()
    page.unroute_all(behavior="ignoreErrors")
    # What the page still waits for is aborted by leaving it, which is no mistake to be noted.
    for event in ("console", "pageerror"):
        page._impl_obj.remove_all_listeners(event)
    page.goto(IDLE)


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#generate")).to_be_enabled(timeout=SOON)
    # Painted is not yet wired: Gradio attaches its listeners, and then asks what to load. Before
    # that it has opened its heartbeat.
    page.wait_for_function("window.calls.queued > 0", timeout=SOON)
    settle(page)


def settle(page: Page) -> None:
    """Wait until what was just done has been asked of the app, answered and painted."""
    page.wait_for_timeout(100)
    page.wait_for_function("window.calls.open === 0", timeout=SOON)
    page.wait_for_timeout(50)


def write(page: Page, prompt: str) -> None:
    page.locator("#prompt textarea").fill(prompt)


def press(page: Page) -> None:
    page.locator("#generate").click()


def status_is(page: Page, word: str) -> None:
    expect(page.locator("#status .k-word")).to_have_text(word, timeout=SOON)


def is_shown(page: Page) -> None:
    """Wait until the stage shows a picture of its video."""
    expect(page.locator("#video video")).to_be_visible(timeout=SOON)
    page.wait_for_function("document.querySelector('#video video')?.readyState > 1")


def is_playing(page: Page) -> None:
    is_shown(page)
    page.wait_for_function("document.querySelector('#video video')?.currentTime > 0.1")
