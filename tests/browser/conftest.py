"""The browser and the app that all tests of the page share, and an open page for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from browser.rig import App, opened, running_app, running_browser
from kling_ui.simulator import studio
from kling_ui.simulator.render import render


# Both last as long as tests of this package follow each other: while Playwright's loop stands
# open no asyncio test can run.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(autouse=True, scope="module")
def _what_is_in_the_videos_is_looked_at_elsewhere(films: None) -> None:
    """Copy one video of each shape; `rendered` makes those whose pictures a test looks at."""


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render each video of this test, with its own inputs in it."""
    monkeypatch.setattr(studio, "render", render)


@pytest.fixture
def motion() -> bool:
    """Whether videos play by themselves; a file whose tests look at that says so."""
    return False


@pytest.fixture
def page(browser: Browser, app: App, motion: bool) -> Iterator[Page]:
    app.simulator.clear()
    yield from opened(browser, app, motion=motion)
