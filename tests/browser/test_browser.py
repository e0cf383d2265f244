"""The page as a person meets it: the real app in its own process, in a real Chromium."""

import re
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.rig import (
    KEY,
    PROMPT,
    SOON,
    TYPING_PAUSE_MS,
    App,
    is_playing,
    is_shown,
    open_page,
    opened,
    press,
    running_app,
    settle,
    status_is,
    tab,
    write,
)
from kling_ui.simulator import Fault

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("motion", [True])
def test_a_prompt_becomes_a_video_that_plays_and_downloads(page: Page, app: App):
    expect(page.locator("#badge")).to_contain_text("AI/ML API")
    write(page, PROMPT)
    with app.held():
        press(page)
        status_is(page, "generating")
        expect(page.locator("#status [data-clock]")).to_contain_text("of about")
    status_is(page, "completed")
    is_playing(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    name = download.value.suggested_filename
    assert name.startswith("kling-3-standard-a-paper-boat")
    assert name.endswith(".mp4")
    assert Path(download.value.path()).stat().st_size > 1000


def test_the_keyboard_alone_leads_from_the_prompt_to_the_download(page: Page):
    focused = "document.activeElement"
    tab_until(page, f"{focused}.matches('[data-example]')")
    page.keyboard.press("Enter")
    expect(page.locator("#prompt textarea")).not_to_have_value("")
    page.wait_for_timeout(TYPING_PAUSE_MS)
    settle(page)  # a form that is filled in has no examples, but for who has come to them
    assert page.evaluate(f"{focused}.matches('[data-example]')")
    tab_until(page, f"{focused}.closest('#prompt')", key="Shift+Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("Only keys")
    tab_until(page, f"{focused}.id === 'generate' || {focused}.closest('#generate')")
    page.keyboard.press("Enter")
    status_is(page, "completed")
    is_shown(page)
    tab_until(page, f"{focused}.matches('a[download]')")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.startswith("kling-3-standard-only-keys")


def tab_until(page: Page, is_there: str, *, key: str = "Tab") -> None:
    """Press Tab until what is focused is what is wanted; each stop must be seen and named."""
    for _ in range(60):
        page.keyboard.press(key)
        stop = page.evaluate(
            """() => {
              const at = document.activeElement, box = at.getBoundingClientRect();
              const name = at.ariaLabel || at.title || at.labels?.[0]?.innerText || at.innerText
                || at.placeholder || at.ariaLabelledByElements?.[0]?.innerText || '';
              return {html: at.outerHTML.slice(0, 200), name, isSeen: box.width * box.height > 0};
            }"""
        )
        assert stop["isSeen"], stop
        assert stop["name"].strip(), stop
        if page.evaluate(f"Boolean({is_there})"):
            return
    pytest.fail(f"60 stops do not lead to {is_there}")


def test_a_reload_in_the_middle_shows_the_same_generation_to_its_end(page: Page, app: App):
    before = app.posts()
    write(page, f"{PROMPT}, reloaded")
    with app.held():
        press(page)
        status_is(page, "generating")
        expect(page).to_have_url(re.compile(r"v=[0-9a-f]{32}&edit"))
        page.reload()
        status_is(page, "generating")
    status_is(page, "completed")
    is_shown(page)
    page.reload()
    is_shown(page)
    assert app.posts() == before + 1


def test_a_new_tab_shows_the_generation_that_still_runs(page: Page, app: App):
    write(page, f"{PROMPT}, second tab")
    with app.held():
        press(page)
        status_is(page, "generating")
        page.close()
        other = page.context.new_page()
        other.goto(app.url)
        status_is(other, "generating")
    status_is(other, "completed")
    is_shown(other)


def test_stop_ends_the_watching_and_not_the_generation(page: Page, app: App):
    write(page, f"{PROMPT}, unwatched")
    with app.held():
        press(page)
        page.locator("#stop").click()
        expect(page.locator("#status")).to_contain_text("Running in the background")
        expect(page.locator("#status")).to_contain_text("Nothing is lost")
        time.sleep(0.6)
        expect(page.locator("#stop")).to_have_text("Show progress")
        page.locator("#stop").click()
        status_is(page, "generating")
    status_is(page, "completed")
    is_shown(page)


def test_a_second_generation_takes_the_stage_while_the_first_goes_on(page: Page, app: App):
    write(page, "First of two")
    with app.held():
        press(page)
        status_is(page, "generating")
        write(page, "Second of two")
        time.sleep(1.3)
        press(page)
        expect(page.locator("#result")).to_contain_text("Second of two")
    name = re.compile("second-of-two")
    expect(page.locator(".k-primary")).to_have_attribute("download", name, timeout=SOON)
    is_shown(page)
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#history")).to_contain_text("First of two")
    first = page.locator(".k-tile", has_text="First of two")
    expect(first.locator("img")).to_be_visible(timeout=SOON)


def test_the_clock_starts_anew_with_each_generation(page: Page, app: App):
    clock = "Number(document.querySelector('#status [data-clock]').textContent.split(/[: ]/)[1])"
    with app.held():
        for prompt in ("First on the clock", "Second on the clock"):
            write(page, prompt)
            began = time.monotonic()
            press(page)
            expect(page.locator("#result")).to_contain_text(prompt)
            status_is(page, "generating")
            page.wait_for_timeout(1500)
            assert page.evaluate(clock) <= time.monotonic() - began + 1


def test_a_double_click_is_one_task_and_so_is_control_enter(page: Page, app: App):
    before = app.posts()
    write(page, f"{PROMPT}, twice")
    page.locator("#generate").dblclick()
    status_is(page, "completed")
    assert app.posts() == before + 1
    write(page, f"{PROMPT}, by keyboard")
    time.sleep(1.3)
    page.locator("#prompt textarea").press("Control+Enter")
    expect(page.locator("#result")).to_contain_text("by keyboard")
    status_is(page, "completed")
    assert app.posts() == before + 2


def test_a_prompt_that_is_too_long_or_blank_is_refused_at_its_field(page: Page, app: App):
    before = app.posts()
    write(page, "long " * 501)
    expect(page.locator("#prompt-count [data-over]")).to_have_text("2,505 / 2,500")
    press(page)
    expect(page.locator("#prompt")).to_contain_text("Shorten it by 5")
    time.sleep(1.3)
    write(page, "   ")
    press(page)
    expect(page.locator("#prompt")).to_contain_text("Say what should happen.")
    assert app.posts() == before
    time.sleep(1.3)
    write(page, f"{PROMPT}, mended")
    press(page)
    status_is(page, "completed")


def test_a_failed_generation_is_a_card_with_its_reason_and_markup_stays_text(page: Page):
    write(page, "<img src=x onerror=\"document.title='owned'\"> & <b>bold</b> [fail]")
    press(page)
    status_is(page, "failed")
    card = page.locator("#status")
    expect(card).to_contain_text("content policy")
    expect(card).to_contain_text("not charged")
    expect(page.locator("#screen")).to_contain_text("No video this time")
    expect(page.locator("#result .k-prompt")).to_contain_text("<b>bold</b>")
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".k-tile").first).to_contain_text("<b>bold</b>")
    assert page.title() == "Kling UI"


def test_history_lists_the_newest_first_and_a_click_opens_it(page: Page):
    write(page, "Older prompt for the list")
    press(page)
    status_is(page, "completed")
    page.get_by_role("tab", name="History").click()
    newest = page.locator(".k-tile").first
    expect(newest).to_contain_text("Older prompt for the list")
    expect(newest.locator("img")).to_be_visible(timeout=SOON)
    newest.click()
    is_shown(page)
    expect(page.locator("#status")).to_contain_text("Your video is ready")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_sideways_scroll(browser: Browser, app: App, scheme: str):
    for page in opened(browser, app, width=390):
        open_page(page, f"{app.url}?__theme={scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        write(page, f"{PROMPT}, on a phone")
        press(page)
        status_is(page, "completed")
        is_shown(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator(".k-places [data-place=history]").click()
        expect(page.locator(".k-tile").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_lost_answer_is_explained_and_found_again(page: Page, app: App):
    charges = app.simulator.charges
    app.simulator.plan(Fault(on="create", kind="reset_after"))
    write(page, f"{PROMPT}, answer lost")
    press(page)
    status_is(page, "completed")
    is_shown(page)
    assert app.simulator.charges == charges + 1


def test_the_page_never_shows_the_key(page: Page, app: App):
    write(page, f"{PROMPT}, no key here")
    press(page)
    status_is(page, "completed")
    with urllib.request.urlopen(f"{app.url}config", timeout=10) as answer:
        assert KEY not in answer.read().decode()
    assert KEY not in page.content()
    assert KEY not in (app.folder / "app.log").read_text()


def test_an_app_that_is_killed_goes_on_after_its_restart(page: Page, app: App):
    before, charges = app.posts(), app.simulator.charges
    write(page, f"{PROMPT}, kill -9")
    with app.held():
        press(page)
        status_is(page, "generating")
        app.kill()
        app.start()
    # Nobody touches the page: it finds the app again by itself.
    status_is(page, "completed")
    is_shown(page)
    assert app.posts() == before + 1
    assert app.simulator.charges == charges + 1


def test_a_ledger_in_trouble_is_told_in_words_and_nothing_is_sent(browser: Browser, app: App):
    app.come_to_rest()
    before = app.posts()
    with tab(browser, app) as page:
        with ledger_away(app):
            open_page(page, app.url)
            expect(page.get_by_text("no such table").first).to_be_visible(timeout=SOON)
            write(page, PROMPT)
            press(page)
            status_is(page, "rejected")
            expect(page.locator("#status")).to_contain_text("The request was not sent")
            page.get_by_role("tab", name="History").click()
            expect(page.locator("#history")).to_contain_text("can't be read for now")
        expect(page.locator("#history .k-tile").first).to_be_visible(timeout=SOON)
    assert app.posts() == before
    assert "Traceback" not in (app.folder / "app.log").read_text()


@contextmanager
def ledger_away(app: App) -> Iterator[None]:
    rename_table(app, "generations", "away")
    try:
        yield
    finally:
        rename_table(app, "away", "generations")


def rename_table(app: App, old: str, new: str) -> None:
    with closing(sqlite3.connect(app.folder / "kling-ui.db")) as ledger, ledger:
        ledger.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_a_wrong_key_is_a_card_that_says_that_nothing_was_spent(browser: Browser, tmp_path: Path):
    with running_app(tmp_path / "data", key="sk-wrong") as app:
        for page in opened(browser, app):
            write(page, PROMPT)
            press(page)
            status_is(page, "rejected")
            expect(page.locator("#status")).to_contain_text("key")
            expect(page.locator("#status")).to_contain_text("Nothing was spent")
            app.simulator.stop()
            time.sleep(1.3)
            press(page)
            expect(page.locator("#status")).to_contain_text("network", timeout=SOON)
            status_is(page, "rejected")
        assert app.simulator.charges == 0
