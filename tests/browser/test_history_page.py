"""History as a person meets it, over a thousand rows: find, page, open, star, delete, undo."""

import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.rig import SOON, App, running_app, tab
from kling_ui.ledger import LIVE, Generation, Ledger, Status
from kling_ui.service import Runtime

pytestmark = pytest.mark.browser

ROWS = 1000
MODEL = "kling-video/v1.6/standard/text-to-video"
KLING_3 = "klingai/video-v3-pro-text-to-video"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("history")) as app:
        seed(app)
        yield app


def seed(app: App) -> None:
    """Add a thousand ended rows, one an hour, every tenth of another model, one of them failed."""
    ledger = Ledger(app.folder / "kling-ui.db")
    ledger.insert_set([made(number) for number in range(ROWS)])
    ledger.close()


def add(ledger: Ledger, number: int, **values: object) -> Generation:
    generation = made(number, **values)
    ledger.insert(generation)
    return generation


def made(number: int, **values: object) -> Generation:
    stamp = (Runtime().now() - timedelta(hours=number)).isoformat(timespec="milliseconds")
    model = MODEL if number % 10 else KLING_3
    row = {
        "id": f"{number:032x}",
        "model": model,
        "payload": {"prompt": f"Paper boat {number:04}", "duration": 5, "aspect_ratio": "9:16"},
        "owner": "local",
        "origin": LIVE,
        "status": Status.FAILED if number == 7 else Status.COMPLETED,
        "created_at": stamp,
        "updated_at": stamp,
        "finished_at": stamp,
        "usd_spent": 0.5,
        **values,
    }
    return Generation(**row)  # type: ignore[arg-type]


@pytest.fixture
def page(browser: Browser, app: App) -> Iterator[Page]:
    with tab(browser, app) as page:
        page.goto(f"{app.url}?tab=history")
        count_is(page, "1,000 · $499.50")
        yield page


def count_is(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.locator("#history-count")).to_have_text(text, timeout=SOON)


def search(page: Page, text: str) -> None:
    page.locator("#history-search").fill(text)


def shown(page: Page):
    return page.locator(".k-tile")


def test_a_search_and_a_filter_narrow_and_stand_in_the_address(page: Page, app: App):
    search(page, "boat 0990")
    count_is(page, "1 · $0.50")
    expect(shown(page)).to_contain_text("Paper boat 0990")
    expect(page).to_have_url(re.compile(r"tab=history&q=boat\+0990"))
    search(page, "")
    page.locator("#history").get_by_label("Model", exact=True).select_option("Kling 3 · Pro")
    count_is(page, "100 · $50.00")
    page.locator("#history").get_by_label("Status", exact=True).select_option("failed")
    count_is(page, "0")
    expect(page.locator("#history")).to_contain_text("Nothing found")
    page.get_by_role("button", name="Clear them").click()
    count_is(page, "1,000 · $499.50")
    search(page, "0990")
    count_is(page, "1 · $0.50")
    page.reload()
    count_is(page, "1 · $0.50")
    expect(page.locator("#history-search input")).to_have_value("0990")


def test_scrolling_brings_every_row_once(page: Page):
    for _ in range(200):
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(100)
        if shown(page).count() >= ROWS:
            break
    ids = page.evaluate("[...document.querySelectorAll('.k-tile')].map(each => each.dataset.open)")
    assert ids == [f"{number:032x}" for number in range(ROWS)]


def test_a_tile_is_a_link_and_back_returns_to_the_same_place(page: Page):
    tile = shown(page).nth(40)
    tile.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 0
    with page.context.expect_page() as opened:
        tile.locator("a").click(modifiers=["Control"])
    assert "v=" in opened.value.url
    opened.value.close()
    tile.click()
    expect(page.locator("#composer")).to_be_visible(timeout=SOON)
    expect(page).to_have_url(re.compile("[?&]v="), timeout=SOON)  # made when the result is there
    page.go_back()
    expect(shown(page).nth(40)).to_be_visible(timeout=SOON)
    page.wait_for_function(f"Math.abs(scrollY - {before}) < 2")


def test_what_is_selected_is_exported_and_deleted_until_it_is_taken_back(page: Page):
    search(page, "boat 001")
    count_is(page, "11 · $5.50")
    page.get_by_role("button", name="Select", exact=True).click()
    for number in (0, 1, 2):
        shown(page).nth(number).click()
    selection = page.get_by_role("toolbar", name="Selection")
    expect(selection).to_contain_text("3 selected")
    with page.expect_download() as download:
        selection.get_by_role("button", name="Zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        table = archive.read("settings.csv").decode("utf-8-sig")
    assert len(table.splitlines()) == 1 + 3
    selection.get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Keep").click()
    expect(shown(page)).to_have_count(11)
    selection.get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    count_is(page, "8 · $4.00")
    expect(shown(page)).to_have_count(8)
    page.get_by_role("button", name="Undo").click()
    count_is(page, "11 · $5.50")
    expect(shown(page)).to_have_count(11)


def test_a_star_is_kept_and_filters(page: Page):
    tile = shown(page).nth(3)
    tile.hover()
    tile.get_by_role("button", name="Star").click()
    page.get_by_role("button", name="Only starred").click()
    count_is(page, "1 · $0.50")
    expect(shown(page).get_by_role("button", name="Star")).to_have_attribute("aria-pressed", "true")
    page.reload()
    count_is(page, "1 · $0.50")


def test_a_new_run_of_another_tab_appears_by_itself_and_takes_are_stacked(page: Page, app: App):
    ledger = Ledger(app.folder / "kling-ui.db")
    for number in (5001, 5002):
        stamp = Runtime().now().isoformat(timespec="milliseconds")
        add(
            ledger,
            number,
            payload={"prompt": "From elsewhere"},
            created_at=stamp,
            updated_at=stamp,
            usd_spent=None,
        )
    expect(page.get_by_text("From elsewhere").first).to_be_visible(timeout=SOON)
    count_is(page, "1,002 · $499.50")
    takes = page.get_by_role("button", name="2 takes")
    expect(page.get_by_text("From elsewhere").filter(visible=True)).to_have_count(1)
    takes.click()
    expect(page.get_by_text("From elsewhere").filter(visible=True)).to_have_count(2)
    ledger.delete("local", [f"{number:032x}" for number in (5001, 5002)])
    ledger.close()
    count_is(page, "1,000 · $499.50")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_two_columns(browser: Browser, app: App, scheme: str):
    with tab(browser, app, width=390) as page:
        page.goto(f"{app.url}?tab=history&__theme={scheme}")
        count_is(page, "1,000 · $499.50")
        # Of one day with three of them at least: shortly after midnight today has fewer.
        first, second, third = page.evaluate(
            """[...document.querySelectorAll('.k-tiles')].map(day => [...day.children])
              .find(day => day.length > 2).slice(0, 3)
              .map(tile => tile.getBoundingClientRect().y)"""
        )
        assert first == second < third
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
