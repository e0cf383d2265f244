"""Compare in a real Chromium: a link in a fresh profile, one clock, the ways in and back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, Page, expect

from browser.rig import SOON, App, open_page, tab

pytestmark = pytest.mark.browser

KLING_3 = "klingai/video-v3-standard-text-to-video"
KLING_1 = "kling-video/v1.6/standard/text-to-video"
PROMPT = "A paper boat in the rain"
FRAME = 1 / 24
TIMES = "[...document.querySelectorAll('#compare video')].map(video => video.currentTime)"
ALL_PLAY = """
  [...document.querySelectorAll('#compare video')].length > 1
  && [...document.querySelectorAll('#compare video')].every(
    video => !video.paused && video.currentTime > .1)
"""
AT_REST = """
  [...document.querySelectorAll('#compare video')].every(video => video.paused && !video.seeking)
"""
IN_STEP = """async deadline => {
  const videos = [...document.querySelectorAll('#compare video')];
  const began = performance.now();
  let inStep = 0;
  while (inStep < 10 && performance.now() - began < deadline) {
    await new Promise(done => setTimeout(done, 20));
    const times = videos.map(video => video.currentTime);
    const isOne = videos.every(video => !video.paused)
      && Math.max(...times) - Math.min(...times) < 0.1;
    inStep = isOne ? inStep + 1 : 0;
  }
  return inStep === 10;
}"""
"""A busy machine stalls one or the other for a while: they have to come into step and stay so."""


@dataclass(frozen=True)
class Made:
    """The app, and three videos of one owner: two of 5 and 10 s with sound, one upright."""

    app: App
    short: str
    long: str
    upright: str

    @property
    def address(self) -> str:
        return f"{self.app.url}?compare={self.short},{self.long}"


@pytest.fixture(scope="module")
def made(app: App) -> Made:
    client = Client(app.url, verbose=False)

    def make(model: str, prompt: str, **values: object) -> str:
        done = client.predict(model, prompt, values, api_name="/generate")
        assert done["status"] == "completed"
        return str(done["id"])

    return Made(
        app=app,
        upright=make(KLING_1, PROMPT, aspect_ratio="9:16"),
        short=make(KLING_3, f"{PROMPT} at night", duration=5, generate_audio=True),
        long=make(KLING_3, f"{PROMPT} at <b>dawn</b>", duration=10, generate_audio=True),
    )


@pytest.fixture
def page(browser: Browser, made: Made) -> Iterator[Page]:
    with tab(browser, made.app, motion=True) as page:
        yield page


def times(page: Page) -> list[float]:
    return [float(each) for each in page.evaluate(TIMES)]


def is_playing(page: Page) -> None:
    page.wait_for_function(ALL_PLAY, timeout=SOON)


def is_at_rest(page: Page) -> list[float]:
    page.wait_for_function(AT_REST)
    page.wait_for_timeout(150)
    page.wait_for_function(AT_REST)
    return times(page)


def jump(page: Page, seconds: float) -> None:
    """Drag the position to `seconds`."""
    page.locator(".k-seek").evaluate(
        """(range, seconds) => {
          range.value = seconds;
          for (const name of ['input', 'change']) {
            range.dispatchEvent(new Event(name, {bubbles: true}));
          }
        }""",
        seconds,
    )


def test_a_link_plays_two_on_one_clock_in_a_fresh_profile(page: Page, made: Made):
    page.goto(made.address)
    is_playing(page)
    expect(page.locator("#compare-view")).to_be_visible()
    assert page.evaluate(IN_STEP, SOON)
    page.keyboard.press(" ")
    one, other = is_at_rest(page)
    assert one == pytest.approx(other, abs=0.001)
    page.keyboard.press("ArrowRight")
    assert is_at_rest(page) == pytest.approx([one + FRAME] * 2, abs=0.001)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert is_at_rest(page) == pytest.approx([one - FRAME] * 2, abs=0.001)


def test_who_runs_ahead_is_brought_back(page: Page, made: Made):
    page.goto(made.address)
    is_playing(page)
    page.evaluate("document.querySelectorAll('#compare video')[1].currentTime += 1.5")
    assert page.evaluate(IN_STEP, SOON)


def test_the_shorter_one_holds_its_last_frame_and_all_begin_anew(page: Page, made: Made):
    page.goto(made.address)
    is_playing(page)
    jump(page, 8)
    page.wait_for_function("document.querySelectorAll('#compare video')[1].currentTime > 8.3")
    short, _ = times(page)
    assert short == pytest.approx(5 - FRAME / 2, abs=FRAME)
    expect(page.locator(".k-slot[data-ended]")).to_have_count(1)
    jump(page, 9.7)
    page.wait_for_function(f"({TIMES}).every(seconds => seconds > .1 && seconds < 3)", timeout=SOON)
    is_playing(page)
    page.keyboard.press("l")
    jump(page, 9.7)
    ended = is_at_rest(page)
    assert ended == pytest.approx([5 - FRAME / 2, 10 - FRAME / 2], abs=FRAME)


def test_sound_comes_from_one_and_a_click_takes_it_over(page: Page, made: Made):
    page.goto(made.address)
    is_playing(page)
    muted = "[...document.querySelectorAll('#compare video')].map(video => video.muted)"
    page.locator(".k-slot video").nth(1).click()
    assert page.evaluate(muted) == [True, False]
    page.get_by_role("button", name="Sound from A").click()
    assert page.evaluate(muted) == [False, True]
    page.get_by_role("button", name="Sound from A").click()
    assert page.evaluate(muted) == [True, True]


def test_only_what_differs_is_listed_and_markup_stays_text(page: Page, made: Made):
    page.goto(made.address)
    table = page.locator("#compare table")
    expect(table).to_contain_text("<b>dawn</b>", timeout=SOON)
    names = page.locator("#compare tbody th").all_inner_texts()
    assert names[:2] == ["Prompt", "Length"]
    assert "Model" not in names
    expect(page.locator("#compare .k-same")).to_contain_text("model")


def test_keys_show_one_large_and_esc_goes_back_step_by_step(page: Page, made: Made):
    open_page(page, made.app.url)
    page.goto(made.address)
    is_playing(page)
    page.keyboard.press("2")
    expect(page.locator(".k-slot").nth(0)).to_be_hidden()
    expect(page.locator(".k-slot").nth(1)).to_be_visible()
    is_playing(page)
    page.keyboard.press("1")
    expect(page.locator(".k-slot").nth(0)).to_be_visible()
    page.keyboard.press("3")  # there is none
    expect(page.locator(".k-slot").nth(0)).to_be_visible()
    page.keyboard.press("w")
    page.locator(".k-wipe").fill("0.25")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    for _ in range(2):
        page.keyboard.press("Escape")
        page.wait_for_timeout(100)
    expect(page.locator(".k-compare")).to_have_attribute("data-view", "all")
    page.keyboard.press("Escape")
    expect(page.locator("#compare-view")).to_be_hidden()
    expect(page.locator("#composer")).to_be_visible()
    assert "compare" not in page.url


def test_a_winner_is_starred_and_stays_so(page: Page, made: Made):
    page.goto(made.address)
    star = page.get_by_role("button", name="Star B")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(300)
    page.reload()
    expect(star).to_have_attribute("aria-pressed", "true", timeout=SOON)
    star.click()
    page.wait_for_timeout(300)


def test_from_history_and_back_to_the_same_place(page: Page, made: Made):
    page.set_viewport_size({"width": 390, "height": 600})
    page.goto(f"{made.app.url}?q=boat&tab=history")
    expect(page.locator(".k-tile")).to_have_count(3, timeout=SOON)
    page.evaluate("document.querySelector('.k-history').style.paddingBottom = '900px'")
    page.get_by_role("button", name="Select", exact=True).click()
    compare = page.locator("#history [data-act=compare]")
    page.locator(".k-tile").nth(0).click()
    expect(compare).to_be_disabled()
    page.locator(".k-tile").nth(1).click()
    page.evaluate("scrollTo(0, 240)")
    compare.click()
    is_playing(page)
    assert page.url.endswith(f"&compare={made.long},{made.short}")
    upper, lower = (page.locator(".k-slot video").nth(i).bounding_box() for i in (0, 1))
    assert upper is not None
    assert lower is not None
    assert upper["x"] == lower["x"]
    assert upper["y"] + upper["height"] <= lower["y"]
    page.get_by_role("button", name="Back", exact=True).click()
    expect(page.locator("#compare-view")).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?[a-z=&]+$"))
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") == 240
    page.go_forward()
    is_playing(page)
    page.go_back()
    expect(page.locator(".k-tile[data-chosen]")).to_have_count(2)


def test_from_a_result_with_the_previous_one_and_with_another(page: Page, made: Made):
    open_page(page, f"{made.app.url}?v={made.long}&edit")
    menu = page.locator("#result summary", has_text="Compare")
    menu.click()
    page.get_by_role("button", name="With the previous one").click()
    is_playing(page)
    assert page.url.endswith(f"?v={made.long}&edit&compare={made.short},{made.long}")
    page.go_back()
    expect(page.locator("#compare-view")).to_be_hidden()
    expect(page.locator("#result .k-result")).to_have_attribute("data-generation", made.long)
    menu.click()
    page.get_by_role("button", name="With another …").click()
    expect(page.locator(f'.k-tile[data-open="{made.long}"][data-chosen]')).to_be_visible(
        timeout=SOON
    )
    page.locator(f'.k-tile[data-open="{made.upright}"]').click()
    page.locator("#history [data-act=compare]").click()
    is_playing(page)
    assert page.url.endswith(f"&compare={made.long},{made.upright}")


def test_from_the_strip_of_runs(page: Page, made: Made):
    open_page(page, f"{made.app.url}?v={made.long}&edit")
    pick = page.locator("#runs [data-do=pick]")
    pick.click()
    expect(pick).to_have_text("Choose two to four")
    page.locator(f'#runs [data-open="{made.upright}"]').click()
    expect(pick).to_have_text("Compare 2")
    pick.click()
    is_playing(page)
    assert page.url.endswith(f"&compare={made.long},{made.upright}")


def test_odd_addresses_open_what_there_is(page: Page, made: Made):
    nowhere = "f" * 32
    page.goto(f"{made.app.url}?compare={made.short},{nowhere}")
    expect(page.locator(".k-slot").nth(1)).to_contain_text("No video at this link", timeout=SOON)
    expect(page.locator(".k-slot").nth(1)).to_contain_text(nowhere)
    five = ",".join([made.short, made.long, made.upright, nowhere, made.short[::-1]])
    page.goto(f"{made.app.url}?compare={five}")
    expect(page.locator(".k-slot")).to_have_count(4, timeout=SOON)
    page.goto(f"{made.app.url}?compare={made.short},{made.short}")
    expect(page.locator("#result .k-result")).to_have_attribute(
        "data-generation", made.short, timeout=SOON
    )
    expect(page).to_have_url(re.compile(rf"\?v={made.short}$"))


def test_where_motion_is_not_wanted_nothing_plays_by_itself(browser: Browser, made: Made):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(made.address)
    expect(page.locator(".k-slot video")).to_have_count(2, timeout=SOON)
    page.wait_for_timeout(700)
    assert is_at_rest(page) == pytest.approx([0, 0], abs=FRAME)
    page.keyboard.press("ArrowRight")
    assert is_at_rest(page) == pytest.approx([1.5 * FRAME] * 2, abs=0.001)
    page.keyboard.press(" ")
    is_playing(page)
    context.close()
