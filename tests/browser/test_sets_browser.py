"""Several at once in a real Chromium: confirmed once, filled in place, shown, exported."""

import csv
import io
import re
import zipfile

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.rig import SOON, App, press, status_is, write

pytestmark = pytest.mark.browser

PROMPT = "A paper boat drifts down a flooded street"
LONG = "A paper boat in the rain. " * 100
"""Longer than Kling 3 takes, not longer than its Turbo does."""

PLAYING = """
  count => [...document.querySelectorAll('.k-set-picture video')].filter(
    video => !video.paused && video.muted && video.currentTime > .05).length === count
"""


@pytest.fixture
def motion() -> bool:
    return True


def plan(page: Page, mode: str) -> None:
    page.locator("#variations-open").click()
    page.locator("#variations-dialog").get_by_role("button", name=mode).click()


def summed_up(page: Page, text: str | re.Pattern[str]) -> None:
    total = page.locator("#variations-dialog [data-part=sum]:not([aria-busy])")
    expect(total).to_have_text(text, timeout=SOON)


def confirm(page: Page) -> Locator:
    return page.locator("#generate-set")


def confirm_much(page: Page) -> None:
    """Press twice, by keyboard as well: it costs more than what is asked above."""
    confirm(page).click()
    expect(confirm(page)).to_have_text(re.compile("Press again"))
    page.keyboard.press("Control+Enter")


def cells(page: Page, status: str = "") -> Locator:
    return page.locator(f".k-set-cell[data-status={status}]" if status else ".k-set-cell")


def set_id(page: Page) -> str:
    expect(page).to_have_url(re.compile(r"[?&]set=[0-9a-f]{32}"), timeout=SOON)
    found = re.search(r"set=([0-9a-f]{32})", page.url)
    assert found
    return found[1]


def is_accepted(app: App, count: int) -> None:
    """Assert that this many requests were accepted and charged, none of them twice."""
    ids = [task.client_request_id for task in app.simulator._store.tasks()]
    assert len(ids) == len(set(ids)) == count
    assert app.simulator.accepted == count


def test_takes_are_confirmed_by_their_sum_and_then_shown_and_exported(page: Page, app: App):
    before = app.simulator.accepted
    write(page, PROMPT)
    plan(page, "3 takes")
    summed_up(page, re.compile(r"^3 runs · \$2\.25 · about .+, 3 at a time$"))
    expect(confirm(page)).to_have_text("Generate 3 · $2.25")
    # One alone costs less than what is asked above, all together do not.
    confirm(page).click()
    expect(confirm(page)).to_have_text("Spend $2.25? Press again")
    assert app.simulator.accepted == before
    with app.held():
        confirm(page).dblclick()
        expect(cells(page, "generating")).to_have_count(3, timeout=SOON)
        expect(page.locator("#set")).to_contain_text("Take 3")
        made = set_id(page)
    expect(cells(page, "completed")).to_have_count(3, timeout=SOON)
    is_accepted(app, before + 3)
    expect(page.locator(".k-set-facts")).to_have_text("3 of 3 ready · $2.25")

    # What a link opens, on a first visit: nothing to change, all play, then one after the other.
    page.context.clear_cookies()
    page.goto(f"{app.url}?set={made}")
    expect(cells(page, "completed")).to_have_count(3, timeout=SOON)
    expect(page.locator("#composer")).to_be_hidden()
    page.wait_for_function(PLAYING, arg=3, timeout=SOON)
    large = page.locator(".k-set-large")
    page.keyboard.press("ArrowRight")
    expect(large).to_be_visible()
    expect(large.locator(".k-set-caption")).to_have_text(f"{PROMPT} · Take 1")
    page.wait_for_function("document.querySelector('.k-set-large video').currentTime > .1")
    page.keyboard.press("ArrowLeft")
    expect(large.locator(".k-set-caption")).to_have_text(f"{PROMPT} · Take 3")
    page.keyboard.press("c")
    expect(large.locator(".k-set-caption")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    page.wait_for_function(PLAYING, arg=3, timeout=SOON)
    page.keyboard.press("p")
    expect(page.locator(".k-set-picture video")).to_have_count(0)

    exported = page.request.get(f"{app.url}media/sets/{made}.zip")
    assert exported.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(exported.body())) as archive:
        videos = [name for name in archive.namelist() if name.endswith(".mp4")]
        table = archive.read("settings.csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["file"] for row in rows] == videos
    assert [row["usd_spent"] for row in rows] == ["0.75"] * 3


def test_a_matrix_fills_in_place_is_tried_again_and_stands_as_one_in_history(page: Page, app: App):
    before = app.simulator.accepted
    write(page, PROMPT)
    plan(page, "Matrix…")
    page.get_by_label("Rows: prompts").fill(f"A boat [fail]\n{LONG}")
    chips = page.locator(".k-plan-chip")
    expect(chips).not_to_have_count(0, timeout=SOON)
    for name in ("Kling 3 · Pro", "Kling 3 Turbo · Standard", "Kling 3 Turbo · Pro"):
        chips.filter(has_text=name).click()
    invalid = page.locator(".k-plan-invalid")
    expect(invalid).to_have_count(1, timeout=SOON)
    expect(invalid).to_contain_text("2,500 are allowed")
    summed_up(page, re.compile(r"^5 runs · "))
    for number in (1, 2):
        page.locator("[data-cell]").nth(number).uncheck()
    summed_up(page, re.compile(r"^3 runs · \$\d"))
    confirm_much(page)

    expect(cells(page, "completed")).to_have_count(2, timeout=SOON)
    expect(cells(page, "failed")).to_have_count(1, timeout=SOON)
    is_accepted(app, before + 3)
    expect(page.locator(".k-set-empty")).to_have_count(3)
    made = set_id(page)
    # What plays goes on playing while another cell changes.
    page.locator("[data-set-do=play]").click()
    page.wait_for_function(PLAYING, arg=2, timeout=SOON)
    page.evaluate("window.kept = document.querySelector('.k-set-picture video')")
    page.get_by_role("button", name="Try again").click()
    with app.held():
        page.get_by_role("button", name=re.compile("Press again")).click()
        expect(cells(page, "generating")).to_have_count(1, timeout=SOON)
    expect(cells(page, "failed")).to_have_count(1, timeout=SOON)
    expect(cells(page)).to_have_count(3)
    is_accepted(app, before + 4)
    assert page.evaluate("window.kept.isConnected && !window.kept.paused")
    is_one_in_history(page, made)
    the_stage_shows_one_thing(page)


def is_one_in_history(page: Page, made: str) -> None:
    name = page.get_by_label("Name of this set")
    name.fill("Boats in the rain")
    name.press("Enter")
    page.get_by_role("tab", name="History").click()
    tile = page.locator(".k-tile[data-as-set]", has_text="Boats in the rain")
    expect(tile).to_contain_text("set of 4 · $", timeout=SOON)
    tile.locator("a").click()
    expect(page).to_have_url(re.compile(f"set={made}&edit"))
    expect(cells(page)).to_have_count(3)


def the_stage_shows_one_thing(page: Page) -> None:
    # A result of the set is one press away, and the set one back from there.
    cells(page, "completed").first.locator("a").click()
    status_is(page, "completed")
    expect(page.locator("#set")).to_be_hidden()
    page.go_back()
    expect(cells(page)).to_have_count(3)
    expect(page.locator("#result")).to_be_hidden()
    # And what is generated alone takes its place on the stage.
    write(page, PROMPT)
    press(page)
    status_is(page, "completed")
    expect(page.locator("#video video")).to_be_visible()
    expect(page.locator("#set")).to_be_hidden()


def test_a_batch_outlives_a_kill_in_its_middle_and_each_is_paid_once(page: Page, app: App):
    before = app.simulator.accepted
    write(page, f"{PROMPT} by night")
    plan(page, "4 takes")
    summed_up(page, re.compile(r"^4 runs · \$3\.00 · "))
    with app.held():
        confirm_much(page)
        expect(cells(page, "generating")).to_have_count(3, timeout=SOON)
        expect(cells(page, "waiting")).to_have_count(1)
        made = set_id(page)
        # Gradio's page reloads itself once its app is gone: that would cut off what is opened.
        page.goto("about:blank")
        app.kill()
        app.start()
        page.goto(f"{app.url}?set={made}&edit")
        expect(cells(page, "generating")).to_have_count(3, timeout=SOON)
        expect(cells(page, "waiting")).to_have_count(1)
    expect(cells(page, "completed")).to_have_count(4, timeout=SOON)
    is_accepted(app, before + 4)


def test_what_waits_is_withdrawn_and_costs_nothing(page: Page, app: App):
    before = app.simulator.accepted
    write(page, f"{PROMPT} at dawn")
    plan(page, "4 takes")
    summed_up(page, re.compile(r"^4 runs · "))
    with app.held():
        confirm_much(page)
        expect(cells(page, "generating")).to_have_count(3, timeout=SOON)
        page.get_by_role("button", name="Withdraw the rest · 1").click()
        expect(cells(page, "cancelled")).to_have_count(1, timeout=SOON)
    expect(cells(page, "completed")).to_have_count(3, timeout=SOON)
    is_accepted(app, before + 3)
    expect(page.locator(".k-set-facts")).to_have_text("3 of 4 ready · 1 without a video · $2.25")
