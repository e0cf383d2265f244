"""The motion brush: what its value means, and painting with it in a real Chromium."""

import base64
import io
import json
import queue
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr
import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from browser.rig import SOON, App, press, settle, status_is
from browser.rig import opened as opened_app
from browser.test_forms import choose
from kling_ui.catalog import Inputs, PictureLimits, Task, keep
from kling_ui.ui.create import brush
from kling_ui.ui.create.brush import Painting, motion_brush, raw_value, read, with_picture, without
from kling_ui.ui.create.fields import painting
from kling_ui.ui.create.fields.painting import not_paintable, painting_to_send
from kling_ui.ui.theme import theme

MASK = "data:image/png;base64,AAAA"
PATH = [{"x": 1, "y": 2}, {"x": 3, "y": 4}]
ODD = [3, None, [], [None], [[], {"mask": 5, "trajectories": "xy"}], [{"mask": "x"}, {"mask": []}]]


# -- what a value means


def value(*areas, still=None, picture="/a.png"):
    return json.dumps({"picture": picture, "areas": [area(still, []), *areas]})


def area(mask=MASK, path=PATH):
    return {"mask": mask, "trajectories": path}


@pytest.mark.parametrize(
    "nothing",
    [None, "", "  ", {}, [], 0, "null", "[]", *({"picture": "/a.png", "areas": a} for a in ODD)],
)
def test_nothing_painted_is_an_empty_painting(nothing):
    assert read(nothing, picture="/a.png") == Painting(None, [])


def test_a_painting_is_read_and_areas_never_touched_are_left_out():
    raw = value(area(), area(None, []), area(path=[*PATH, {"x": 5.0, "y": 6}]), still=MASK)
    painting = read(raw, picture="/a.png")
    assert painting.static_mask == MASK
    assert painting.dynamic_masks == [
        {"mask": MASK, "trajectories": PATH},
        {"mask": MASK, "trajectories": [*PATH, {"x": 5, "y": 6}]},
    ]
    assert read(json.loads(raw), picture="/a.png") == painting


@pytest.mark.parametrize(
    ("areas", "words"),
    [
        ([area(), area(path=[])], "Area 2 has no path: click at least two points."),
        ([area(path=PATH[:1])], "Area 1 has a path of one point: click at least one more."),
        ([area(mask=None)], "Area 1 has a path but no paint: paint what should move along it."),
        ([area(path=PATH * 39)], "Area 1 has a path of 78 points: 77 are the most."),
        (
            [area(path=[]), area(), area(mask="https://example.com/mask.png")],
            (
                "Area 1 has no path: click at least two points. "
                "Area 3 has a path but no paint: paint what should move along it."
            ),
        ),
    ],
)
def test_an_area_that_is_half_done_is_told_in_words(areas, words):
    with pytest.raises(ValueError, match="Area") as refusal:
        read(value(*areas), picture="/a.png")
    assert str(refusal.value) == words


def test_what_was_read_can_be_shown_again():
    painted = Painting(MASK, [area(), area("data:image/jpeg;base64,AAAA", PATH * 38)])
    assert read(raw_value(painted, picture="/a.png"), picture="/a.png") == painted
    assert raw_value(Painting(), picture="/a.png") is None


def test_what_stays_still_can_be_taken_away_and_so_can_what_moves():
    raw = value(area(), still=MASK)
    without_still, without_moving = (without(raw, still=still) for still in (True, False))
    assert read(without_still, picture="/a.png") == Painting(None, [area()])
    assert read(without_moving, picture="/a.png") == Painting(MASK)
    assert without(without_still, still=False) is None
    assert without(None, still=True) is None


def test_what_is_here_as_files_can_be_shown_again_and_links_can_not(tmp_path):
    here = tmp_path / "here.png"
    here.write_bytes(b"png")
    moving, link = [area(here), area(here)], "https://example.com/mask.png"
    whole = {"image_url": here, "dynamic_masks": moving, "static_mask": here}
    assert not_paintable(whole) == []
    assert not_paintable({"image_url": link}) == []
    assert not_paintable({**whole, "image_url": link}) == ["dynamic_masks", "static_mask"]
    assert not_paintable({**whole, "static_mask": link}) == ["static_mask"]
    assert not_paintable({**whole, "dynamic_masks": [*moving, area(None)]}) == ["dynamic_masks"]
    here.write_bytes(bytes(painting.MAX_MASK_BYTES + 1))
    assert not_paintable(whole) == ["dynamic_masks", "static_mask"]


def test_what_is_not_a_painting_is_refused():
    with pytest.raises(ValueError, match="paint again"):
        read("{half", picture="/a.png")


def test_a_painting_counts_for_its_own_picture_only():
    assert read(value(area()), picture="/a.png").dynamic_masks
    assert read(value(area()), picture="/b.png") == Painting(None, [])
    assert read(value(area(), picture=""), picture="") == Painting(None, [])


@pytest.mark.parametrize(
    ("shown", "sent"),
    [((5000, 3500), (3840, 2688)), ((3500, 5000), (1678, 2398)), ((4001, 1601), (300, 121))],
)
def test_a_painting_follows_its_picture_when_that_is_scaled(shown, sent):
    width, height = shown
    corners = [(0, 0), (width - 1, height - 1), (width // 2, height // 2), (width - 1, 0)]
    path = [{"x": x, "y": y} for x, y in corners]
    mask = half_white(1000, 700)
    painted = Painting(mask, [{"mask": mask, "trajectories": path}])
    scaled = painted.scaled(shown, sent)
    (only,) = scaled.dynamic_masks
    points = [(point["x"], point["y"]) for point in only["trajectories"]]
    assert points[:2] == [(0, 0), (sent[0] - 1, sent[1] - 1)]
    assert points[2] == (pytest.approx(sent[0] / 2, abs=1), pytest.approx(sent[1] / 2, abs=1))
    assert points[3] == (sent[0] - 1, 0)
    has_its_shape = sent == (3840, 2688)
    for uri in (only["mask"], scaled.static_mask):
        stretched = mask_of(uri)
        width, height = stretched.size
        assert stretched.size == ((1000, 700) if has_its_shape else sent)
        assert {color for _, color in stretched.getcolors()} == {WHITE, BLACK}
        assert stretched.getpixel((width // 4, 5)) == BLACK
        assert stretched.getpixel((width * 3 // 4, 5)) == WHITE


def test_a_painting_on_a_picture_that_goes_as_it_is_stays_as_it_is():
    mask, outside = half_white(640, 480), [{"x": -5, "y": 900}, *PATH]
    painted = Painting(mask, [area(mask, outside)])
    assert painted.scaled((640, 480), (640, 480)) == painted
    assert Painting().scaled((640, 480), (640, 480)) == Painting()


def test_all_masks_are_sent_in_one_size():
    """Kling refuses masks of different sizes, as an area repainted on old ones would give."""
    small, large = half_white(1280, 768), half_white(3840, 2304)
    scaled = Painting(large, [area(small), area(large)]).scaled((3840, 2304), (3840, 2304))
    assert [each["mask"] for each in scaled.dynamic_masks] == [small, scaled.static_mask]
    assert mask_of(scaled.static_mask).tobytes() == mask_of(small).tobytes()


@pytest.mark.parametrize(
    ("mask", "picture", "is_alike"),
    [
        ((1280, 720), (1920, 1080), True),
        ((1280, 515), (1298, 522), True),
        ((896, 1280), (1678, 2398), True),
        ((1280, 720), (1280, 719), False),
        ((1280, 720), (1080, 1920), False),
        ((1280, 720), (1920, 1070), False),
    ],
)
def test_the_shape_of_a_mask_is_judged_by_its_rounding(mask, picture, is_alike):
    assert brush._is_alike(mask, picture) is is_alike


def test_what_is_read_for_sending_fits_the_picture_that_is_sent(tmp_path):
    path = tmp_path / "photo.jpg"
    noise = Image.effect_noise((1250, 875), 90).resize((5000, 3500)).convert("RGB")
    noise.save(path, "JPEG", quality=100, subsampling=0)
    assert path.stat().st_size > 10 * 10**6
    mask = as_uri(Image.new("L", (1280, 896), 255))
    far = {"x": 4500, "y": 3150}
    raw = json.dumps(
        {
            "picture": f"/gradio_api/file={path}",
            "areas": [area(mask, []), area(mask, [{"x": 0, "y": 0}, far])],
        }
    )
    kept = keep(path, "image", PictureLimits(), Inputs(tmp_path / "inputs"))
    painting = painting_to_send((raw, str(path)), lambda _: kept)
    (sent,) = painting.dynamic_masks
    size = kept.size
    assert size not in {(5000, 3500), (1280, 896)}
    assert sent["trajectories"][1]["x"] == pytest.approx(0.9 * size[0], abs=2)
    assert sent["trajectories"][1]["y"] == pytest.approx(0.9 * size[1], abs=2)
    assert sent["mask"] == painting.static_mask == mask


# -- painting


def as_uri(image: Image.Image) -> str:
    held = io.BytesIO()
    image.save(held, "PNG")
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


def half_white(width: int, height: int) -> str:
    """Return a mask of the right half."""
    mask = Image.new("L", (width, height))
    mask.paste(255, (width // 2, 0, width, height))
    return as_uri(mask)


def picture_uri(width: int, height: int) -> str:
    return as_uri(Image.linear_gradient("L").resize((width, height)).convert("RGB"))


def mask_of(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


WIDE, TALL, LARGE = picture_uri(400, 240), picture_uri(240, 400), picture_uri(2560, 1440)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


class Desk:
    """A page with the control and a button whose answers the test takes out of a queue."""

    def __init__(self) -> None:
        self.answers: queue.Queue[Painting | str] = queue.Queue()
        self.picture = ""
        self.value: str | None = None
        with gr.Blocks() as self.blocks, gr.Column(elem_id="composer"):
            control = motion_brush()
            for name in (*PICTURES, *UPDATES):
                update = partial(self._show, name)
                gr.Button(name, elem_id=name).click(update, None, control, queue=False)
            gr.Button("Generate", elem_id="go").click(
                self._on_go, control, queue=False, trigger_mode="multiple"
            )

    def _show(self, name: str) -> gr.HTML:
        if name in UPDATES:
            return UPDATES[name](self)
        self.picture = PICTURES[name]
        return with_picture(self.picture)

    def _on_go(self, raw: str) -> None:
        self.value = raw
        try:
            self.answers.put(read(raw, picture=self.picture))
        except ValueError as refusal:
            self.answers.put(str(refusal))


PICTURES = {
    "wide": WIDE,
    "tall": TALL,
    "large": LARGE,
    "pano": picture_uri(2500, 1000),
    "odd": picture_uri(1298, 522),
    "none": "",
    "broken": "/no/such.png",
}
UPDATES = {
    "reset": lambda _desk: gr.HTML(value=None),
    "restore": lambda desk: gr.HTML(value=desk.value),
    "hide": lambda _desk: gr.HTML(visible=False),
    "show": lambda _desk: gr.HTML(visible=True),
}


class Hand:
    """A person with a mouse; places are fractions of the picture, from its top left."""

    def __init__(self, page: Page, desk: Desk) -> None:
        self.page = page
        self.desk = desk
        self.canvas = page.locator(".k-brush-stage")
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def take(self, picture: str) -> None:
        self.page.locator(f"#{picture}").click()
        expect(self.canvas).to_be_visible()

    def at(self, x: float, y: float) -> tuple[float, float]:
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        assert box
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, *places: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(*place), steps=5)
        self.page.mouse.up()

    def click(self, *places: tuple[float, float]) -> None:
        for place in places:
            self.page.mouse.click(*self.at(*place))

    def press(self, name: str) -> None:
        self.button(name).click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def says(self, words: str) -> None:
        expect(self.page.locator(".k-brush-hint")).to_have_text(words)

    def painting(self) -> Painting | str:
        self.page.locator("#go").click()
        return self.desk.answers.get(timeout=10)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    desk = Desk()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    updates = theme()
    style = (brush._HERE / "brush.css").read_text("utf-8")
    if style not in updates["css"]:
        updates["css"] += style
    desk.blocks.launch(
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        **updates,
    )
    yield desk
    desk.blocks.close()


@pytest.fixture(scope="module")
def desktop(browser: Browser, desk: Desk) -> Iterator[Hand]:
    yield from opened(browser, desk)


@pytest.fixture
def hand(desktop: Hand) -> Iterator[Hand]:
    """One page for all: to load it takes longer than most of what is done on it."""
    desktop.page.locator("#none").click()
    desktop.page.locator("#reset").click()
    desktop.says("Add the start image as a file first.")
    yield desktop
    assert desktop.complaints == []


@pytest.fixture
def finger(browser: Browser, desk: Desk) -> Iterator[Hand]:
    for hand in opened(browser, desk, width=390, height=844, has_touch=True):
        yield hand
        assert hand.complaints == []


def opened(
    browser: Browser, desk: Desk, *, width: int = 1000, height: int = 900, **more
) -> Iterator[Hand]:
    context = browser.new_context(viewport={"width": width, "height": height}, **more)
    hand = Hand(context.new_page(), desk)
    hand.page.goto(desk.blocks.local_url)
    expect(hand.page.locator(".k-brush")).to_be_visible(timeout=30_000)
    # Painted is not yet wired: Gradio attaches its listeners a moment later.
    hand.page.wait_for_timeout(400)
    yield hand
    context.close()


@pytest.mark.browser
def test_areas_paths_and_what_stays_still_reach_python_as_painted(hand):
    hand.take("wide")
    hand.says("Paint what should move.")
    hand.drag((0.25, 0.5), (0.4, 0.5))
    hand.says("Paint more, or choose Path and click where it goes.")
    hand.press("Path")
    hand.says("Now click the path it takes: 2 points or more.")
    hand.click((0.25, 0.25), (0.5, 0.5), (0.75, 0.9))
    hand.says("Area 1 is ready. Click on to extend the path, or add an area.")
    hand.press("Add area")
    hand.drag((0.8, 0.2), (0.85, 0.2))
    hand.press("Path")
    hand.click((0.8, 0.2), (0.1, 0.1))
    hand.press("Stays still")
    hand.drag((0.1, 0.9), (0.3, 0.9))
    # Right after the last stroke, without a pause.
    painting = hand.painting()

    first, second = painting.dynamic_masks
    assert {mask_of(part["mask"]).size for part in (first, second)} == {(400, 240)}
    mask = mask_of(first["mask"])
    assert [mask.getpixel(xy) for xy in [(100, 120), (130, 120), (160, 120)]] == [WHITE] * 3
    assert [mask.getpixel(xy) for xy in [(60, 120), (130, 80), (320, 48), (60, 216)]] == [BLACK] * 4
    assert {color for _, color in mask.getcolors()} == {WHITE, BLACK}
    assert mask_of(second["mask"]).getpixel((325, 48)) == WHITE
    assert mask_of(second["mask"]).getpixel((130, 120)) == BLACK
    still = mask_of(painting.static_mask)
    assert still.size == (400, 240)
    assert still.getpixel((80, 216)) == WHITE
    assert still.getpixel((130, 120)) == BLACK
    # From the bottom left: a quarter down from the top is three quarters up.
    near(first["trajectories"], [(100, 179), (200, 119), (300, 23)])
    near(second["trajectories"], [(320, 191), (40, 215)])


def near(points, expected):
    """A click lands on a screen pixel, which is not quite a pixel of the picture."""
    assert [(type(p["x"]), type(p["y"])) for p in points] == [(int, int)] * len(expected)
    for point, (x, y) in zip(points, expected, strict=True):
        assert (point["x"], point["y"]) == (pytest.approx(x, abs=2), pytest.approx(y, abs=2))


@pytest.mark.browser
def test_undo_erase_and_clear_take_paint_away_again(hand):
    hand.take("wide")
    hand.press("Stays still")
    hand.drag((0.2, 0.5), (0.8, 0.5))
    hand.press("Erase")
    hand.drag((0.5, 0.3), (0.5, 0.7))
    erased = mask_of(hand.painting().static_mask)
    assert [erased.getpixel((x, 120)) for x in (100, 200, 300)] == [WHITE, BLACK, WHITE]

    hand.press("Undo")
    assert mask_of(hand.painting().static_mask).getpixel((200, 120)) == WHITE
    hand.press("Clear area")
    hand.page.keyboard.press("Control+z")
    hand.press("Clear area")
    assert hand.painting() == Painting(None, [])
    hand.press("Undo")
    assert mask_of(hand.painting().static_mask).getpixel((200, 120)) == WHITE

    hand.press("Area 1")
    expect(hand.button("Undo")).to_have_attribute("aria-disabled", "true")
    hand.press("Paint")
    hand.click((0.5, 0.2))
    hand.press("Clear all")
    assert hand.painting() == Painting(None, [])
    hand.press("Undo")
    assert hand.painting() == "Area 1 has no path: click at least two points."
    hand.press("Undo")
    hand.press("Stays still")
    hand.press("Undo")
    assert mask_of(hand.painting().static_mask).getpixel((200, 120)) == WHITE


def difference(one: bytes, other: bytes) -> float:
    """Return by how much two screenshots differ in the mean, from 0 to 255."""
    images = [Image.open(io.BytesIO(data)).convert("L") for data in (one, other)]
    return ImageStat.Stat(ImageChops.difference(*images)).mean[0]


@pytest.mark.browser
def test_an_earlier_value_is_shown_again_and_can_be_painted_on(hand):
    hand.take("wide")
    hand.drag((0.25, 0.5), (0.4, 0.5))
    hand.press("Path")
    hand.click((0.25, 0.25), (0.5, 0.5))
    hand.press("Add area")
    hand.drag((0.8, 0.2), (0.85, 0.2))
    hand.press("Path")
    hand.click((0.8, 0.2), (0.9, 0.1))
    hand.press("Stays still")
    hand.drag((0.1, 0.9), (0.3, 0.9))
    before = hand.painting()
    shown = hand.canvas.screenshot()

    hand.page.locator("#reset").click()
    hand.says("Paint what should move.")
    assert difference(hand.canvas.screenshot(), shown) > 1
    hand.page.locator("#restore").click()
    hand.says("Area 1 is ready. Paint more, or add an area.")
    assert hand.painting() == before
    hand.press("Stays still")
    assert difference(hand.canvas.screenshot(), shown) < 0.1

    # The value first and its picture later, as where both are filled in at once.
    hand.page.locator("#none").click()
    hand.page.locator("#reset").click()
    hand.page.locator("#restore").click()
    hand.take("wide")
    hand.press("Area 2")
    hand.press("Erase")
    hand.drag((0.85, 0.1), (0.85, 0.3))
    after = hand.painting()
    assert after.static_mask == before.static_mask
    assert after.dynamic_masks[0] == before.dynamic_masks[0]
    assert after.dynamic_masks[1]["trajectories"] == before.dynamic_masks[1]["trajectories"]
    mask = mask_of(after.dynamic_masks[1]["mask"])
    assert [mask.getpixel(xy) for xy in [(318, 48), (340, 48)]] == [WHITE, BLACK]
    hand.press("Undo")
    assert hand.painting() == before


@pytest.mark.browser
def test_a_mask_of_another_size_is_kept_until_its_area_is_painted_on(hand):
    given = Painting(None, [area(half_white(1200, 720))])
    hand.desk.value = raw_value(given, picture=WIDE)
    hand.take("wide")
    hand.page.locator("#restore").click()
    hand.says("Area 1 is ready. Paint more, or add an area.")
    assert hand.painting() == given
    hand.click((0.25, 0.5))
    mask = mask_of(hand.painting().dynamic_masks[0]["mask"])
    assert mask.size == (400, 240)
    places = [(100, 120), (198, 20), (202, 20), (399, 239)]
    assert [mask.getpixel(xy) for xy in places] == [WHITE, BLACK, WHITE, WHITE]


@pytest.mark.browser
def test_a_large_picture_has_smaller_masks_but_points_in_its_own_pixels(hand):
    hand.take("large")
    hand.drag((0.5, 0.5), (0.6, 0.5))
    hand.press("Path")
    hand.click((0.5, 0.5), (0.75, 0.25))
    (only,) = hand.painting().dynamic_masks
    mask = mask_of(only["mask"])
    assert mask.size == (1280, 720)
    assert mask.getpixel((704, 360)) == WHITE
    assert only["trajectories"][1]["x"] == pytest.approx(1920, abs=6)
    assert only["trajectories"][1]["y"] == pytest.approx(1080, abs=6)


@pytest.mark.browser
def test_the_painting_lives_as_long_as_its_picture(hand):
    hand.take("tall")
    hand.drag((0.3, 0.3), (0.4, 0.3))
    hand.press("Path")
    hand.click((0.3, 0.3), (0.7, 0.7))
    before = hand.painting()
    hand.take("tall")
    hand.page.locator("#hide").click()
    expect(hand.page.locator(".k-brush")).to_have_count(0)
    assert hand.painting() == before
    hand.take("show")
    hand.says("Area 1 is ready. Paint more, or add an area.")
    assert hand.painting() == before
    hand.press("Undo")
    assert hand.painting() == "Area 1 has a path of one point: click at least one more."

    hand.take("wide")
    hand.says("Another start image: paint anew what should move.")
    assert hand.painting() == Painting(None, [])
    expect(hand.button("Undo")).to_have_attribute("aria-disabled", "true")
    hand.page.locator("#none").click()
    hand.says("Add the start image as a file first.")
    assert hand.painting() == Painting(None, [])
    hand.take("tall")
    hand.says("Click at least one more point.")
    hand.press("Path")
    hand.click((0.7, 0.7))
    assert hand.painting() == before

    hand.take("wide")
    hand.drag((0.3, 0.3), (0.4, 0.3))
    hand.take("tall")
    hand.says("Another start image: paint anew what should move.")
    assert hand.painting() == Painting(None, [])


@pytest.mark.browser
def test_it_works_with_a_finger_on_a_phone(finger):
    finger.take("tall")
    page = finger.page
    page.touchscreen.tap(*finger.at(0.5, 0.5))
    page.get_by_role("button", name="Path").tap()
    for place in [(0.5, 0.5), (0.9, 0.1)]:
        page.touchscreen.tap(*finger.at(*place))
    page.get_by_role("button", name="Add area").tap()
    (only,) = finger.painting().dynamic_masks
    assert mask_of(only["mask"]).getpixel((120, 200)) == WHITE
    near(only["trajectories"], [(120, 199), (216, 359)])
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.browser
def test_it_works_with_the_keyboard_alone(hand):
    hand.take("wide")
    hand.canvas.focus()
    hand.page.keyboard.press("Space")
    hand.page.get_by_role("button", name="Path").press("Enter")
    expect(hand.page.get_by_role("button", name="Path")).to_have_attribute("aria-pressed", "true")
    hand.canvas.focus()
    hand.page.keyboard.press("Space")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
        hand.page.keyboard.press(key)
    (only,) = hand.painting().dynamic_masks
    assert mask_of(only["mask"]).getpixel((200, 120)) == WHITE
    near(only["trajectories"], [(200, 119), (224, 126)])


@pytest.mark.browser
def test_a_picture_that_the_browser_can_not_show_is_told(hand):
    hand.page.locator("#broken").click()
    hand.says("The browser can't show this start image. Save it as JPEG or PNG to paint on it.")
    hand.complaints.clear()  # the picture was not found
    hand.take("wide")
    hand.says("Paint what should move.")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ("tall", (240, 400)),
        ("pano", (1280, 512)),
        # No smaller size has exactly this shape, and a shorter side of at least 300 px.
        ("odd", (1280, 515)),
    ],
)
def test_masks_have_the_shape_of_their_picture(hand, picture, size):
    hand.take(picture)
    hand.press("Stays still")
    hand.click((0.5, 0.5))
    assert mask_of(hand.painting().static_mask).size == size


# -- in the whole app


@pytest.mark.browser
def test_used_again_a_painting_is_sent_as_it_was(browser, app, tmp_path):
    path = tmp_path / "start.webp"  # sent as a JPEG with a longer side of 3840 px
    Image.linear_gradient("L").resize((3900, 1600)).convert("RGB").save(path)
    for page in opened_app(browser, app):
        hand = Hand(page, app)
        choose(page, Task.IMAGE, "Kling 1 · Pro")
        page.locator("#param-image_url input[type=file]").set_input_files(path)
        page.locator("#control-switch").get_by_text("Brush", exact=True).click()
        expect(hand.canvas).to_be_visible(timeout=SOON)
        settle(page)
        hand.drag((0.3, 0.3), (0.4, 0.4))
        hand.press("Path")
        hand.click((0.35, 0.35), (0.6, 0.2), (0.8, 0.5))
        hand.press("Add area")
        hand.drag((0.6, 0.7), (0.7, 0.7))
        hand.press("Path")
        hand.click((0.65, 0.7), (0.9, 0.9))
        hand.press("Stays still")
        hand.drag((0.1, 0.8), (0.3, 0.8))
        first = generated(page, app)
        assert len(first["dynamic_masks"]) == 2
        assert first["static_mask"].startswith("data:image/png;base64,")

        choose(page, Task.TEXT)
        page.locator("#reuse").click()
        hand.says("Area 1 is ready. Paint more, or add an area.")
        expect(page.locator("#sends")).to_contain_text("motion brush")
        # A model without a brush, and back.
        choose(page, Task.IMAGE, "Kling 3 · Pro")
        choose(page, Task.IMAGE, "Kling 1 · Pro")
        page.locator("#control-switch").get_by_text("Brush", exact=True).click()
        hand.says("Area 1 is ready. Paint more, or add an area.")
        assert generated(page, app) == first

        hand.press("Area 2")
        hand.press("Clear area")
        page.get_by_role("button", name="Don't send what stays still").click()
        expect(hand.button("Stays still, empty")).to_be_visible()
        third = generated(page, app)
        assert third["dynamic_masks"] == first["dynamic_masks"][:1]
        assert "static_mask" not in third
        assert hand.complaints == []


def generated(page: Page, app: App) -> dict[str, Any]:
    """Generate, wait for the end, and return what was sent."""
    before = app.posts()
    page.wait_for_timeout(1300)  # longer than a click that follows another is taken for a double
    press(page)
    for _ in range(100):
        if app.posts() > before:
            break
        page.wait_for_timeout(100)
    status_is(page, "completed")
    return dict(json.loads([seen for seen in app.simulator.seen if seen.method == "POST"][-1].body))
