"""The browser and the app that all tests of the page share, and an open page for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from browser.rig import App, opened, running_app, running_browser


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


@pytest.fixture
def motion() -> bool:
    """Whether videos play by themselves; a file whose tests look at that says so."""
    return False


@pytest.fixture
def page(browser: Browser, app: App, motion: bool) -> Iterator[Page]:
    app.simulator.clear()
    yield from opened(browser, app, motion=motion)
