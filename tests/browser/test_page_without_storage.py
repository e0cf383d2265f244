"""The page where a browser denies what others give: storage, camera, clipboard, autoplay."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.rig import (
    PROMPT,
    SOON,
    TYPING_PAUSE_MS,
    App,
    open_page,
    press,
    settle,
    status_is,
    write,
)

pytestmark = pytest.mark.browser

DENY_STORAGE = """
  const denied = { get() { throw new DOMException('denied', 'SecurityError'); } };
  for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) {
    Object.defineProperty(window, name, denied);
  }
"""


def test_the_page_works_where_storage_is_denied(browser: Browser, app: App):
    context = browser.new_context()
    context.add_init_script(DENY_STORAGE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(app.url)
    write(page, PROMPT)
    press(page)
    status_is(page, "completed")
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#history")).to_contain_text(PROMPT, timeout=SOON)
    assert errors == []
    context.close()


def test_what_was_written_and_chosen_survives_a_reload(page: Page):
    write(page, "Half a prompt")
    page.locator("#param-duration input[type=number]").fill("10")
    page.locator("#advanced > button").click()
    page.locator("#param-negative_prompt textarea").fill("blur")
    page.wait_for_timeout(TYPING_PAUSE_MS)
    settle(page)
    page.reload()
    expect(page.locator("#prompt textarea")).to_have_value("Half a prompt", timeout=SOON)
    expect(page.locator("#param-duration input[type=number]")).to_have_value("10", timeout=SOON)
    expect(page.locator("#notice")).to_contain_text("Draft restored")
    page.locator("#advanced > button").click()
    expect(page.locator("#param-negative_prompt textarea")).to_have_value("blur")


def test_what_is_typed_last_before_a_reload_is_there(page: Page):
    write(page, "Half a")
    page.wait_for_timeout(TYPING_PAUSE_MS)
    settle(page)
    write(page, "Half a prompt")
    page.reload()
    expect(page.locator("#prompt textarea")).to_have_value("Half a prompt", timeout=SOON)


def test_each_tab_keeps_its_own_draft_and_a_new_one_begins_with_the_newest(page: Page, app: App):
    write(page, "In the first tab")
    page.wait_for_timeout(TYPING_PAUSE_MS)
    settle(page)
    other = page.context.new_page()
    open_page(other, app.url)
    expect(other.locator("#prompt textarea")).to_have_value("In the first tab", timeout=SOON)
    write(other, "In the second tab")
    other.wait_for_timeout(TYPING_PAUSE_MS)
    settle(other)
    for tab, words in ((page, "In the first tab"), (other, "In the second tab")):
        tab.reload()
        expect(tab.locator("#prompt textarea")).to_have_value(words, timeout=SOON)
    other.locator("[data-fresh]").click()
    expect(other.locator("#prompt textarea")).to_have_value("")
    expect(other.locator("#notice p")).to_have_count(0)
    settle(other)
    other.reload()
    settle(other)
    expect(other.locator("#prompt textarea")).to_have_value("")
    expect(page.locator("#prompt textarea")).to_have_value("In the first tab")


def test_the_video_plays_in_the_page_and_has_a_poster(page: Page):
    write(page, PROMPT)
    press(page)
    status_is(page, "completed")
    video = page.locator("#video video")
    expect(video).to_have_attribute(
        "poster", re.compile("/media/[0-9a-f]{32}/poster.jpg$"), timeout=SOON
    )
    page.wait_for_function("document.querySelector('#video video').playsInline")


@pytest.mark.parametrize("is_secure", [True, False])
def test_camera_and_clipboard_are_offered_only_where_the_browser_has_them(
    browser: Browser, app: App, is_secure: bool
):
    context = browser.new_context()
    if not is_secure:
        context.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    page = context.new_page()
    page.goto(app.url)
    page.locator("#task").get_by_text("Image", exact=True).click()
    well = page.locator("#param-image_url").filter(visible=True).first
    expect(well).to_be_visible(timeout=SOON)
    for name in ("Capture from camera", "Paste from clipboard"):
        button = well.get_by_role("button", name=name)
        expect(button).to_be_visible(visible=is_secure, timeout=SOON)
    context.close()
