"""Every task and model as a person fills it in: in a real Chromium, against the simulator."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from browser.rig import (
    SOON,
    TYPING_PAUSE_MS,
    App,
    is_shown,
    open_page,
    opened,
    press,
    settle,
    status_is,
    write,
)
from kling_ui.catalog import MODELS, Task

pytestmark = pytest.mark.browser


RED, GREEN = (200, 30, 30), (30, 160, 60)


@pytest.fixture
def page(browser: Browser, app: App) -> Iterator[Page]:
    errors: list[str] = []
    for page in opened(browser, app):
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        yield page
    assert errors == []


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (640, 480), RED).save(path)
    return path


@pytest.fixture
def green(tmp_path: Path) -> Path:
    path = tmp_path / "green.jpg"
    Image.new("RGB", (640, 480), GREEN).save(path)
    return path


def choose(page: Page, task: Task, title: str | None = None) -> None:
    page.locator(f'#task label:has(input[value="{task.value}"])').click()
    names = [model.title for model in MODELS.values() if model.task is task]
    shown = page.locator("#model input[aria-controls]")
    settle(page)
    expect(shown).to_have_value(re.compile("|".join(map(re.escape, names))), timeout=SOON)
    if title is None or len(names) == 1:
        return  # one alone is not a list
    shown.click()
    page.get_by_role("option", name=title, exact=True).click()
    expect(shown).to_have_value(title)
    settle(page)


def shown_params(page: Page, wanted: set[str]) -> set[str]:
    """Unfold all and turn each switch to each side; return whose controls were to be seen."""
    found: set[str] = set()
    for _ in range(60):
        unfold(page)
        page.wait_for_timeout(50)
        sides = page.locator("#words-switch input, #control-switch input")
        for i in range(max(sides.count(), 1)):
            if sides.count():
                sides.nth(i).evaluate("side => side.click()")
            now = page.locator("[id^='param-']").evaluate_all(
                """all => all.filter(e => e.offsetParent !== null)
                             .map(e => e.id.slice(6).replace(/-(pair|wells|count)$/, ''))"""
            )
            found |= set(now)
        if found == wanted:
            break
    return found


def unfold(page: Page) -> None:
    fold = page.locator("#advanced > button")
    if fold.is_visible() and "open" not in str(fold.get_attribute("class")):
        fold.click()


def switch(page: Page, switched: str, side: str) -> None:
    page.locator(f"#{switched}-switch").get_by_text(side, exact=True).click()


def sent(app: App) -> dict[str, Any]:
    posts = [seen for seen in app.simulator.seen if seen.method == "POST"]
    return dict(json.loads(posts[-1].body))


def give(page: Page, field: str, path: Path) -> None:
    page.locator(f"#param-{field} input[type=file]").first.set_input_files(path)
    expect(page.locator(f"#param-{field} img, #param-{field} video").first).to_be_visible()


def video_color(page: Page, x: float, y: float) -> tuple[int, int, int]:
    """Return the color at a place of the video, by shares of its width and height."""
    is_shown(page)
    return tuple(
        page.evaluate(
            """([x, y]) => {
              const video = document.querySelector('#video video');
              const canvas = document.createElement('canvas');
              [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
              const pen = canvas.getContext('2d');
              pen.drawImage(video, 0, 0);
              const pixel = pen.getImageData(x * canvas.width, y * canvas.height, 1, 1);
              return [...pixel.data].slice(0, 3);
            }""",
            [x, y],
        )
    )


def is_like(color: tuple[int, int, int], wanted: tuple[int, int, int]) -> bool:
    return color.index(max(color)) == wanted.index(max(wanted)) and max(color) - min(color) > 40


def test_every_form_shows_its_parameters_and_no_others_and_fits_a_phone(page: Page):
    """Once for each set of parameters; that models have theirs is tested without a browser."""
    forms = {
        (model.task, frozenset(param.name for param in model.params)): model
        for model in MODELS.values()
    }
    for model in forms.values():
        choose(page, model.task, model.title)
        # What stays still is painted with the brush, so it has no control of its own.
        # An own movement of the camera opens below the ready-made ones.
        hidden = {"prompt", "static_mask", "advanced_camera_control"}
        wanted = {p.name for p in model.params} - hidden
        assert shown_params(page, wanted) == wanted, model.id
        if page.locator("#words-switch").is_visible():
            switch(page, "words", "One prompt")
        assert page.locator("#prompt").is_visible() == (model.param("prompt") is not None)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, model.id


def test_generate_in_the_very_moment_of_a_change_of_task_sends_nothing_else(page: Page, app: App):
    before = app.posts()
    write(page, "A boat on a pond")
    # Both at once, before the app has said which models there are for the task.
    page.evaluate(
        """task => {
          document.querySelector(`#task input[value="${task}"]`).click();
          setTimeout(() => document.querySelector('#generate').click(), 0);
        }""",
        Task.IMAGE.value,
    )
    expect(page.locator("#model")).to_contain_text("Was still changing with the task")
    expect(page.locator("#problems")).to_contain_text("Nothing was sent")
    assert app.posts() == before
    press(page)
    expect(page.locator("#param-image_url")).to_contain_text("Add a start image.")


def test_tasks_chosen_faster_than_they_are_answered_leave_the_last_one(page: Page):
    write(page, "A boat on a pond")
    page.evaluate(
        """tasks => tasks.forEach((task, i) => setTimeout(
             () => document.querySelector(`#task input[value="${task}"]`).click(), 20 * i))""",
        [Task.EFFECTS.value, Task.AVATAR.value, Task.IMAGE.value],
    )
    page.wait_for_timeout(200)
    settle(page)
    press(page)
    expect(page.locator("#param-image_url")).to_contain_text("Add a start image.")


def test_what_was_written_survives_a_switch_and_what_is_not_sent_is_said(page: Page, app: App):
    choose(page, Task.TEXT, "Kling 1.6 · Standard")
    write(page, "A boat on a pond")
    unfold(page)
    page.locator("#param-negative_prompt textarea").fill("blur")
    page.locator("#param-duration").get_by_text("10 s").click()
    choose(page, Task.TEXT, "Kling 3 Turbo · Pro")
    expect(page.locator("#notice")).to_contain_text("Negative prompt")
    expect(page.locator("#prompt textarea")).to_have_value("A boat on a pond")
    expect(page.locator("#param-duration input[type=number]")).to_have_value("10")
    choose(page, Task.TEXT, "Kling 1 · Pro")
    expect(page.locator("#param-negative_prompt textarea")).to_have_value("blur")
    press(page)
    status_is(page, "completed")
    body = sent(app)
    assert body["model"] == "kling-video/v1/pro/text-to-video"
    assert body["duration"] == 10
    assert body["negative_prompt"] == "blur"
    assert "camera_control" not in body


@pytest.mark.usefixtures("rendered")
def test_a_picture_goes_in_and_is_seen_in_the_video(page: Page, app: App, red: Path):
    choose(page, Task.IMAGE)
    give(page, "image_url", red)
    write(page, "It glows")
    press(page)
    status_is(page, "completed")
    assert is_like(video_color(page, 0.5, 0.3), RED)
    assert str(sent(app)["image_url"]).startswith("data:image/png;base64,")


def test_a_public_link_is_passed_through_as_it_is(page: Page, app: App):
    choose(page, Task.IMAGE)
    link = "https://example.com/cat.jpg"
    page.locator("#param-image_url textarea, #param-image_url input[type=text]").fill(link)
    write(page, "It glows")
    press(page)
    status_is(page, "completed")
    assert sent(app)["image_url"] == link


def test_a_missing_picture_is_asked_for_at_its_field_until_that_changes(
    page: Page, app: App, red: Path
):
    before = app.posts()
    choose(page, Task.IMAGE)
    write(page, "It glows")
    press(page)
    expect(page.locator("#param-image_url .k-error")).to_have_text("Add a start image.")
    expect(page.locator("#problems")).to_contain_text("1 thing to fix: Start image")
    expect(page.locator("#problems")).to_contain_text("nothing was spent")
    expect(page.locator("#status")).not_to_contain_text("image")
    assert app.posts() == before
    give(page, "image_url", red)
    expect(page.locator(".k-error")).to_have_count(0)
    expect(page.locator("#problems [data-problems]")).to_be_hidden()


def test_a_picture_that_can_not_be_used_says_so_at_once(page: Page, tmp_path: Path):
    small = tmp_path / "small.png"
    Image.new("RGB", (200, 900), RED).save(small)
    choose(page, Task.IMAGE)
    give(page, "image_url", small)
    expect(page.locator("#param-image_url .k-note").first).to_contain_text("300")


@pytest.mark.usefixtures("rendered")
def test_an_effect_for_two_takes_two_pictures_left_and_right(
    page: Page, app: App, red: Path, green: Path
):
    choose(page, Task.EFFECTS)
    page.locator("#param-effect_scene input").click()
    page.locator("#param-effect_scene input").fill("hug")
    page.get_by_role("option", name="Hug", exact=True).click()
    expect(page.locator("#param-image_url-pair")).to_contain_text("Two people")
    inputs = page.locator("#param-image_url-pair input[type=file]")
    inputs.nth(0).set_input_files(red)
    expect(page.locator("#param-image_url-pair img")).to_have_count(1)
    press(page)
    expect(page.locator("#param-image_url-pair")).to_contain_text("exactly two pictures")
    page.locator("#param-image_url-pair input[type=file]").last.set_input_files(green)
    expect(page.locator("#param-image_url-pair img")).to_have_count(2)
    page.wait_for_timeout(1300)
    press(page)
    status_is(page, "completed")
    assert len(sent(app)["image_url"]) == 2
    assert is_like(video_color(page, 0.25, 0.3), RED)
    assert is_like(video_color(page, 0.75, 0.3), GREEN)


def test_the_camera_moves_along_one_axis(page: Page, app: App, red: Path):
    choose(page, Task.IMAGE, "Kling 1 · Standard")
    give(page, "image_url", red)
    switch(page, "control", "Camera")
    camera = page.locator("#param-camera_control")
    camera.get_by_text("Custom move", exact=True).click()
    camera.get_by_text("Zoom", exact=True).click()
    press(page)
    expect(camera).to_contain_text("exactly one axis")
    page.wait_for_timeout(1300)
    zoom = camera.locator("input[type=number]")
    zoom.fill("-4")
    zoom.press("Tab")
    press(page)
    status_is(page, "completed")
    assert sent(app)["camera_control"] == {"type": "simple", "config": {"zoom": -4}}


def test_what_kling_does_not_document_is_a_warning_at_the_field(
    page: Page, app: App, red: Path, green: Path
):
    choose(page, Task.IMAGE, "Kling 1 · Standard")
    give(page, "image_url", red)
    switch(page, "control", "Last frame")
    give(page, "tail_image_url", green)
    page.locator("#param-duration").get_by_text("10 s").click()
    expect(page.locator(".k-doubt").first).to_contain_text("documents this for 5 s only")
    press(page)
    status_is(page, "completed")
    assert sent(app)["duration"] == 10


def test_a_storyboard_is_written_with_the_keyboard_and_its_seconds_are_summed(page: Page, app: App):
    choose(page, Task.TEXT, "Kling 3 Turbo · Standard")
    switch(page, "words", "Storyboard")
    board = page.locator("#param-multi_prompt")
    board.get_by_label("Shot 1").click()
    page.keyboard.type("A door opens")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("2")
    page.keyboard.press("Tab")
    page.keyboard.type("A cat walks in")
    page.keyboard.press("Tab")
    length = page.locator("#param-duration[data-k-fixed]")
    expect(length).to_have_attribute("data-k-fixed", "7 s (from the storyboard)")
    board.get_by_role("button", name="Add a shot").click()
    board.get_by_label("Shot 3").fill("It sleeps")
    expect(length).to_have_attribute("data-k-fixed", "12 s (from the storyboard)")
    expect(page.locator("#sends")).to_contain_text("3 shots")
    press(page)
    status_is(page, "completed")
    assert sent(app)["multi_prompt"] == [
        {"prompt": "A door opens", "duration": 2},
        {"prompt": "A cat walks in", "duration": 5},
        {"prompt": "It sleeps", "duration": 5},
    ]
    assert "prompt" not in sent(app)


def test_a_tail_frame_needs_the_sound_switched_off(page: Page, app: App, red: Path, green: Path):
    choose(page, Task.IMAGE, "Kling 3 Omni · 720p")
    page.locator("#prompt textarea").fill("Rain")
    give(page, "image_url", red)
    give(page, "tail_image_url", green)
    press(page)
    expect(page.locator("#param-tail_image_url")).to_contain_text("Switch the sound off")
    page.locator("#param-generate_audio input").uncheck()
    page.wait_for_timeout(1300)
    press(page)
    status_is(page, "completed")
    assert sent(app)["generate_audio"] is False


def test_the_motion_brush_is_painted_by_mouse_and_sent(page: Page, app: App, red: Path):
    choose(page, Task.IMAGE, "Kling 1 · Pro")
    give(page, "image_url", red)
    switch(page, "control", "Brush")
    canvas = page.locator("#param-dynamic_masks canvas").first
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4, steps=8)
    page.mouse.up()
    page.locator("#param-dynamic_masks").get_by_role("button", name="Path").click()
    for share in (0.35, 0.6, 0.8):
        page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.35)
    press(page)
    status_is(page, "completed")
    masks = sent(app)["dynamic_masks"]
    assert len(masks) == 1
    assert len(masks[0]["trajectories"]) == 3
    # The origin is at the bottom left: a click in the upper third has a large y.
    assert all(240 < point["y"] < 480 for point in masks[0]["trajectories"])


def test_the_settings_of_an_earlier_generation_can_be_used_again(page: Page):
    write(page, "A red kite")
    page.locator("#param-aspect_ratio").get_by_text("9:16").click()
    press(page)
    status_is(page, "completed")
    choose(page, Task.EFFECTS)
    expect(page.locator("#param-effect_scene")).to_be_visible()
    page.locator("#reuse").click()
    expect(page.locator("#prompt textarea")).to_have_value("A red kite")
    expect(page.locator("#param-aspect_ratio label:has(input:checked)")).to_have_text("9:16")
    expect(page.locator("#task input:checked")).to_have_value(Task.TEXT.value)


def test_the_arrow_keys_move_along_the_segments(page: Page):
    page.wait_for_timeout(400)
    page.locator("#task input").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#task input:checked")).to_have_value(Task.IMAGE.value)
    expect(page.locator("#param-image_url")).to_be_visible()


def test_the_brush_shows_a_picture_that_was_given_before_it_was_opened(page: Page, red: Path):
    choose(page, Task.IMAGE)
    give(page, "image_url", red)
    choose(page, Task.IMAGE, "Kling 1 · Pro")
    switch(page, "control", "Brush")
    expect(page.locator("#param-dynamic_masks")).to_contain_text("Paint what should move")


def test_a_draft_with_its_pictures_survives_a_restart_of_the_app(
    browser: Browser, app: App, red: Path, green: Path
):
    for page in opened(browser, app):  # which complains in its console while the app is away
        choose(page, Task.IMAGE, "Kling 3 · Standard")
        write(page, "The square turns green")
        give(page, "image_url", red)
        give(page, "tail_image_url", green)
        page.wait_for_timeout(TYPING_PAUSE_MS)
        settle(page)
        app.kill()
        app.start()
        open_page(page, app.url)
        expect(page.locator("#notice")).to_contain_text("Draft restored", timeout=SOON)
        expect(page.locator("#prompt textarea")).to_have_value("The square turns green")
        for field in ("image_url", "tail_image_url"):
            expect(page.locator(f"#param-{field} img")).to_be_visible(timeout=SOON)
        expect(page.locator("#sends")).to_contain_text("last frame")
        press(page)
        status_is(page, "completed")
    assert sent(app)["prompt"] == "The square turns green"
    assert media_kinds(sent(app)) == {"image_url": "PNG", "tail_image_url": "JPEG"}


def media_kinds(body: dict[str, Any]) -> dict[str, str | None]:
    """Return the format of each picture that a body carries."""
    kinds = {}
    for field, value in body.items():
        if str(value).startswith("data:image/"):
            with Image.open(BytesIO(b64decode(value.partition(",")[2]))) as picture:
                kinds[field] = picture.format
    return kinds


def test_the_price_follows_the_form_and_a_high_one_is_asked_about(page: Page, app: App):
    before = app.posts()
    choose(page, Task.TEXT, "Kling 3 · Pro")
    write(page, "A boat on a pond")
    button = page.locator("#generate")
    expect(button).to_contain_text("Generate · $1.05")
    expect(page.locator("#price")).to_contain_text("5 s × $0.21")
    page.locator("#param-generate_audio input").uncheck()
    expect(button).to_contain_text("Generate · $0.70")
    length = page.locator("#param-duration input[type=number]")
    length.fill("10")
    length.press("Tab")
    expect(button).to_contain_text("Generate · $1.40")
    press(page)
    expect(button).to_have_attribute("data-asking", "Spend $1.40? Press again")
    assert app.posts() == before
    expect(button).not_to_have_attribute("aria-disabled", "true")
    press(page)
    status_is(page, "completed")
    assert app.posts() == before + 1
    assert sent(app)["duration"] == 10


def test_an_example_fills_everything_and_a_part_of_it_can_be_left_out(page: Page, app: App):
    choose(page, Task.IMAGE)
    page.locator('[data-example="Dawn to night"]').click()
    expect(page.locator("#param-image_url img")).to_be_visible()
    expect(page.locator("#param-tail_image_url img")).to_be_visible()
    expect(page.locator("#sends")).to_contain_text("last frame")
    page.locator("[data-drop=tail_image_url]").click()
    expect(page.locator("#param-tail_image_url img")).to_have_count(0)
    expect(page.locator("#sends")).not_to_contain_text("last frame")
    press(page)
    status_is(page, "completed")
    assert sent(app)["prompt"] == "Time-lapse: the day passes over the lake"
    assert str(sent(app)["image_url"]).startswith("data:image/jpeg;base64,")
    assert "tail_image_url" not in sent(app)
