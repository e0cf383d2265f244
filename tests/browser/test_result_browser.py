"""The result in a real Chromium: presenting by link, running again, Back, the places of a phone."""

import itertools
import re
from base64 import b64encode

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.rig import (
    SOON,
    App,
    is_playing,
    is_shown,
    open_page,
    opened,
    press,
    status_is,
    tab,
    write,
)

pytestmark = pytest.mark.browser

PRESENTING = re.compile(r"\bk-presenting\b")


TOLD_LATE = """window.IntersectionObserver = class extends IntersectionObserver {
  constructor(tell, how) { super((...told) => setTimeout(tell, 300, ...told), how); }
};"""


def make(page: Page, prompt: str) -> str:
    """Make a video; return its id."""
    write(page, prompt)
    page.wait_for_timeout(1300)
    press(page)
    expect(page.locator("#result .k-prompt")).to_have_text(prompt, timeout=SOON)
    status_is(page, "completed")
    is_shown(page)
    return str(page.locator("#result .k-result").get_attribute("data-generation"))


def edit_address(generation_id: str) -> re.Pattern[str]:
    return re.compile(rf"\?v={generation_id}&edit=?$")


def is_of(page: Page, prompt: str) -> None:
    expect(page.locator("#result .k-prompt p")).to_have_text(prompt, timeout=SOON)


def test_a_link_presents_in_a_fresh_profile_with_keys(
    browser: Browser,
    app: App,
    page: Page,
):
    older, newer = make(page, "An older kite"), make(page, "A newer kite")
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    guest = context.new_page()
    guest.goto(f"{app.url}?v={newer}")
    is_playing(guest)
    expect(guest.locator("html")).to_have_class(PRESENTING)
    for hidden in ("#composer", "#header", "#runs"):
        expect(guest.locator(hidden)).to_be_hidden()
    box = guest.locator("#video video").bounding_box()
    assert box is not None
    assert box["width"] == pytest.approx(1280, abs=2)
    expect(guest.locator("#like")).to_be_visible()
    guest.keyboard.press("l")
    assert guest.evaluate("document.querySelector('#video video').loop") is False
    guest.keyboard.press(" ")
    assert guest.evaluate("document.querySelector('#video video').paused") is True
    guest.keyboard.press("ArrowRight")
    is_of(guest, "An older kite")
    expect(guest).to_have_url(re.compile(rf"\?v={older}$"))
    guest.keyboard.press("ArrowLeft")
    is_of(guest, "A newer kite")
    guest.keyboard.press("Escape")
    expect(guest.locator("#composer")).to_be_visible()
    expect(guest).to_have_url(edit_address(newer))
    context.close()


def test_make_one_like_this_fills_the_form(page: Page, app: App):
    made = make(page, "A kite to copy")
    page.goto(f"{app.url}?generation={made}")
    expect(page.locator("#like")).to_be_attached(timeout=SOON)
    # Without a move of the mouse the controls fade, and what is faded takes no click.
    page.mouse.move(203, 307)
    page.locator("#like").click()
    expect(page.locator("#prompt textarea")).to_have_value("A kite to copy", timeout=SOON)
    expect(page.locator("#composer")).to_be_visible()


def test_a_dropped_video_restores_how_it_was_made(page: Page, app: App):
    page.locator("#param-aspect_ratio").get_by_text("1:1").click()
    generation_id = make(page, "A kite in a file")
    path = next((app.folder / "videos" / generation_id).glob("*.mp4"))
    write(page, "Something else")
    for target in ("#prompt", "#stage"):
        drop(page, target, path.name, path.read_bytes())
        expect(page.locator("#recipe-note")).to_contain_text(f"Settings restored from {path.name}")
        expect(page.locator("#prompt textarea")).to_have_value("A kite in a file")
        expect(page.locator("#param-aspect_ratio label:has(input:checked)")).to_have_text("1:1")
        write(page, "Something else")
    drop(page, "#prompt", "holiday.mp4", b"no video at all")
    expect(page.locator("#recipe-note")).to_contain_text("holiday.mp4 holds no settings")
    expect(page.locator("#prompt textarea")).to_have_value("Something else")


def drop(page: Page, target: str, name: str, content: bytes) -> None:
    page.locator(target).evaluate(
        """(target, [name, text]) => {
          const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], name, {type: 'video/mp4'}));
          for (const type of ['dragover', 'drop']) {
            target.dispatchEvent(
              new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));
          }
        }""",
        [name, b64encode(content).decode()],
    )


def test_running_again_asks_first_and_then_makes_one_more(page: Page, app: App):
    first = make(page, "A kite again")
    before = app.posts()
    again = page.locator("#result [data-ask=again]")
    again.click()
    expect(again).to_have_text(re.compile(r"Run again · .+\? Press again"))
    assert app.posts() == before
    again.click()
    expect(page).not_to_have_url(edit_address(first), timeout=SOON)
    expect(page.locator("#runs .k-run").first).to_have_attribute("aria-current", "", timeout=SOON)
    status_is(page, "completed")
    assert app.posts() == before + 1


def test_back_and_forward_go_between_results_and_tabs(page: Page):
    first, second = make(page, "Kite one"), make(page, "Kite two")
    page.get_by_role("tab", name="History").click()
    expect(page).to_have_url(re.compile(r"\?tab=history$"))
    page.go_back()
    expect(page.locator("#result")).to_be_visible()
    expect(page).to_have_url(edit_address(second))
    page.go_back()
    is_of(page, "Kite one")
    expect(page).to_have_url(edit_address(first))
    page.go_forward()
    is_of(page, "Kite two")


def test_back_is_right_where_the_browser_tells_late_what_came_into_sight(
    browser: Browser, app: App, page: Page
):
    made = make(page, "Back at once")
    context = browser.new_context()
    guest = context.new_page()
    guest.add_init_script(TOLD_LATE)
    guest.goto(f"{app.url}?v={made}&edit")
    is_of(guest, "Back at once")
    guest.get_by_role("tab", name="History").click()
    guest.go_back()
    guest.wait_for_timeout(700)
    expect(guest).to_have_url(edit_address(made))
    expect(guest.locator("#result")).to_be_visible()
    guest.go_forward()
    expect(guest).to_have_url(re.compile(r"\?tab=history$"))
    expect(guest.locator(".k-tile-link").first).to_be_visible()
    context.close()


def test_a_run_of_the_strip_takes_the_stage(page: Page):
    make(page, "Strip one")
    make(page, "Strip two")
    page.locator("#runs .k-run").nth(1).click()
    is_of(page, "Strip one")


def test_on_a_phone_generate_moves_to_the_result_and_back_to_the_form(
    browser: Browser,
    app: App,
):
    for page in opened(browser, app, width=390, motion=True):
        expect(page.locator("#stage")).to_be_hidden()
        write(page, "A kite on a phone")
        press(page)
        expect(page.locator("#composer")).to_be_hidden(timeout=SOON)
        status_is(page, "completed")
        is_playing(page)
        page.reload()
        is_playing(page)
        expect(page.locator("#composer")).to_be_hidden()
        page.go_back()
        expect(page.locator("#prompt textarea")).to_have_value("A kite on a phone")
        expect(page.locator("#composer")).to_be_visible()
        for place in page.locator(".k-places button").all():
            box = place.bounding_box()
            assert box is not None
            assert box["height"] >= 44


def test_nothing_plays_by_itself_where_motion_is_not_wanted(
    browser: Browser,
    app: App,
    page: Page,
):
    made = make(page, "A calm kite")
    context = browser.new_context(reduced_motion="reduce")
    guest = context.new_page()
    guest.goto(f"{app.url}?v={made}")
    player = guest.locator("#video video")
    expect(player).to_have_attribute("controls", "", timeout=SOON)
    guest.wait_for_timeout(500)
    assert player.evaluate("player => [player.paused, player.loop]") == [True, False]
    context.close()


def test_a_dead_link_says_so_once_and_leads_on(page: Page, app: App):
    page.goto(f"{app.url}?v={'0' * 32}")
    expect(page.get_by_text("No video at this link")).to_have_count(2)
    expect(page.get_by_text("No video at this link").filter(visible=True)).to_have_count(1)
    page.locator("#status a").click()
    expect(page.locator("#history-search")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_letters_of_twice_the_size_fit(browser: Browser, app: App, width: int):
    """Chromium's setting for its letters, not its zoom: what stands in rem grows."""
    app.come_to_rest()
    with tab(browser, app, width) as page:
        devtools = page.context.new_cdp_session(page)
        sizes = {"standard": 32, "fixed": 26}
        devtools.send("Page.enable")
        devtools.send("Page.setFontSizes", {"fontSizes": sizes})
        open_page(page, app.url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cut = page.evaluate(
            """[...document.querySelectorAll(
                '#header h1, #badge, #tabs [role=tab], #task label span')]
              .filter(each => each.offsetParent && each.scrollWidth > each.clientWidth + 1
                && getComputedStyle(each).display !== 'inline')
              .map(each => each.textContent)"""
        )
        assert cut == []
        boxes = [each.bounding_box() for each in page.locator("#task label span").all()]
        devtools.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 13}})
    for one, other in itertools.pairwise(box for box in boxes if box):
        assert one["x"] + one["width"] <= other["x"] or one["y"] < other["y"]


def test_what_is_written_reads_in_the_direction_of_its_letters(page: Page):
    field = page.locator("#prompt textarea")
    read = "field => [getComputedStyle(field).unicodeBidi, getComputedStyle(field).textAlign]"
    assert field.evaluate(read) == ["plaintext", "start"]


def test_a_proxy_that_drops_the_port_breaks_no_address(page: Page):
    """nginx with `Host $host`: Gradio's root then names port 80."""
    page.evaluate("gradio_config.root = `${location.protocol}//${location.hostname}`")
    made = make(page, "Seen through a proxy")
    download = page.locator("#result a[download]")
    expect(download).to_have_attribute("href", f"/media/{made}/video.mp4")
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".k-tile img").first).to_be_visible()
    page.wait_for_function("document.querySelector('.k-tile img').naturalWidth > 0")
