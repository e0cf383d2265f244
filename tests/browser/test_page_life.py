"""What happens to an open page: hasty presses, translation, updates, pasted files, mailed links."""

import pytest
from playwright.sync_api import Page, Route, expect

from browser.rig import PROMPT, App, press, settle, status_is, write

pytestmark = pytest.mark.browser

TRANSLATE = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) found.push(texts.currentNode);
  for (const text of found) {
    const isKept = text.parentElement.closest('textarea, script, style, .notranslate');
    if (isKept || !text.data.trim()) continue;
    const font = document.createElement('font');
    font.textContent = text.data.toUpperCase();
    text.replaceWith(font);
  }
}"""
"""What a browser's translation does to a page: each text is replaced by one in a `<font>`."""


def test_a_held_key_or_a_double_click_is_one_press_and_pays_once(page: Page, app: App):
    before = app.posts()
    write(page, PROMPT)
    # A word that is still being composed is no text to send, whatever is held.
    page.locator("#prompt textarea").evaluate(
        """field => field.dispatchEvent(new KeyboardEvent('keydown',
             {key: 'Enter', ctrlKey: true, isComposing: true, bubbles: true, cancelable: true}))"""
    )
    page.wait_for_timeout(200)
    assert app.posts() == before
    press(page)
    status_is(page, "completed")
    again = page.locator("[data-ask=again]").first
    again.dblclick()
    expect(again).to_contain_text("Press again")
    again.focus()
    hold(page, "Enter")
    settle(page)
    assert app.posts() == before + 1 + 1  # asked by the double click, confirmed by one press
    page.locator("#generate").focus()
    hold(page, "Enter", seconds=1.6)
    status_is(page, "completed")
    settle(page)
    assert app.posts() == before + 3


def hold(page: Page, key: str, *, seconds: float = 0.3) -> None:
    for _ in range(int(seconds / 0.05)):
        page.keyboard.down(key)
        page.wait_for_timeout(50)
    page.keyboard.up(key)


def test_the_price_is_right_where_the_browser_translates_and_the_wheel_changes_nothing(page: Page):
    page.evaluate(TRANSLATE)
    seconds = page.locator("#param-duration input[type=number]")
    seconds.select_text()
    seconds.press_sequentially("10", delay=150)  # 1 is out of bounds, and asked about on the way
    seconds.blur()
    expect(page.locator("#generate")).to_contain_text("$1.50")
    seconds.click()
    seconds.hover()
    page.mouse.wheel(0, 100)
    page.wait_for_timeout(100)
    assert seconds.input_value() == "10"
    # With colors of the system's own a check mark in a background would not be there.
    page.emulate_media(forced_colors="active")
    audio = page.locator("#param-generate_audio input")
    assert audio.evaluate("box => getComputedStyle(box).appearance") == "auto"
    page.emulate_media(forced_colors="none")


def test_a_page_that_outlived_an_update_is_loaded_anew_with_what_was_written(page: Page, app: App):
    """Its calls are numbers that now mean others: none may reach the app."""
    before = app.posts()

    def of_yesterday(route: Route) -> None:
        route.continue_(headers={**route.request.headers, "x-kling-ui-version": "of-yesterday"})

    # What writing asks for is answered first: its call would load the page anew before the press.
    write(page, "Written over an update")
    expect(page.locator("#sends")).to_contain_text("Written over an update")
    page.route("**/gradio_api/**", of_yesterday)
    page.once("framenavigated", lambda: page.unroute("**/gradio_api/**"))
    page.evaluate("window.isOld = true")
    pressed = "() => { document.querySelector('#generate').click(); return window.isOld }"
    assert page.evaluate(pressed)
    page.wait_for_function("!window.isOld")
    expect(page.locator("#notice")).to_contain_text("Draft restored")
    expect(page.locator("#prompt textarea")).to_have_value("Written over an update")
    assert app.posts() == before


PASTE_PICTURE = """async field => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 400, height: 400});
  canvas.getContext('2d').fillRect(0, 0, 200, 200);
  const picture = await new Promise(done => canvas.toBlob(done));
  const held = new DataTransfer();
  held.items.add(new File([picture], 'image.png', {type: 'image/png'}));
  const how = {bubbles: true, cancelable: true, clipboardData: held};
  field.dispatchEvent(new ClipboardEvent('paste', how));
}"""


def test_a_screenshot_that_is_pasted_while_writing_goes_into_the_empty_well(page: Page):
    page.locator("#task label").nth(1).click()
    expect(page.locator("#param-image_url").filter(visible=True)).to_be_visible()
    page.locator("#prompt textarea").evaluate(PASTE_PICTURE)
    expect(page.locator("#sends")).to_contain_text("start image")
    expect(page.locator("#param-image_url img").filter(visible=True)).to_have_count(1)
    page.locator("#prompt textarea").evaluate(PASTE_PICTURE)
    expect(page.locator("#sends")).to_contain_text("last frame")


def test_the_keyboard_goes_on_at_what_it_opened_links_survive_mail_and_a_dead_file_is_told(
    page: Page, app: App
):
    write(page, "Opened by the keyboard")
    press(page)
    status_is(page, "completed")
    page.get_by_role("tab", name="History").click()
    page.locator(".k-tile-link").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement?.id === 'stage'")
    shown = page.evaluate("window.klingResult.shown()")
    page.goto(f"{app.url}?v=%20{shown.upper()}).")
    status_is(page, "completed")
    expect(page).to_have_url(f"{app.url}?v={shown}")
    page.route("**/video.mp4", lambda route: route.fulfill(status=404))
    page.reload()
    expect(page.locator("#video")).to_contain_text("Its file is gone")
