"""Files reach the wells and the gallery whatever they are called and taken for, in a Chromium."""

import base64
from fractions import Fraction
from io import BytesIO

import av
import pillow_heif
import pytest
from gradio.data_classes import FileData, ImageData
from PIL import Image
from playwright.sync_api import Page, expect

from browser.rig import App, press, status_is, write
from browser.test_forms import choose, sent
from kling_ui.catalog import PictureLimits, Task
from kling_ui.catalog.media_input.pictures import take_picture
from kling_ui.ui.create.fields.media_fields import PictureGallery, paths_of


def picture(format_name: str) -> bytes:
    stream = BytesIO()
    image = Image.new("RGB", (640, 480), "teal")
    if format_name == "HEIC":
        pillow_heif.from_pillow(image).save(stream)
    else:
        image.save(stream, format_name)
    return stream.getvalue()


def voice() -> bytes:
    stream = BytesIO()
    with av.open(stream, "w", format="ogg") as output:
        sound = output.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=48_000)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        output.mux(sound.encode(frame))
        output.mux(sound.encode())
    return stream.getvalue()


NAMES = [
    ("IMG_0001.HEIC", "", "HEIC"),
    ("photo.jfif", "", "JPEG"),
    ("photo.pjpeg", "application/octet-stream", "JPEG"),
    ("PHOTO.JPG", "image/pjpeg", "JPEG"),
    ("photo", "", "PNG"),
    ("photo.avif", "", "AVIF"),
    ("scan.tif", "application/x-tiff", "TIFF"),
    ("shared.bin", "video/mp4", "WEBP"),
]
"""Names, what a browser takes such files for, and what they are."""


def choose_file(page: Page, field: str, name: str, kind: str, data: bytes) -> None:
    well = page.locator(f"#param-{field} input[type=file]").first
    well.set_input_files({"name": name, "mimeType": kind, "buffer": data})


def drop_file(page: Page, field: str, name: str, kind: str, data: bytes) -> None:
    page.locator(f"#param-{field} .upload-container, #param-{field} button").first.evaluate(
        """(target, [name, type, data]) => {
          const bytes = Uint8Array.from(atob(data), each => each.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], name, {type}));
          const more = {bubbles: true, cancelable: true, dataTransfer};
          target.dispatchEvent(new DragEvent('drop', more));
        }""",
        [name, kind, base64.b64encode(data).decode()],
    )


@pytest.mark.browser
@pytest.mark.parametrize("put", [choose_file, drop_file])
def test_a_picture_of_any_name_reaches_the_well_and_is_sent(page: Page, app: App, put):
    choose(page, Task.IMAGE, "Kling 1 · Pro")
    for name, kind, format_name in (NAMES[0], NAMES[2], NAMES[4]):
        put(page, "image_url", name, kind, picture(format_name))
        expect(page.locator("#param-image_url img")).to_have_count(1)
        before = app.posts()
        press(page)
        for _ in range(200):
            if app.posts() > before:
                break
            page.wait_for_timeout(50)
        assert app.posts() == before + 1, name
        status_is(page, "completed")
        assert sent(app)["image_url"].startswith("data:image/"), name
        page.locator("#param-image_url").get_by_label("Remove Image").click()
        expect(page.locator("#param-image_url img")).to_have_count(0)


@pytest.mark.browser
def test_pictures_of_any_name_reach_the_gallery_and_are_sent(page: Page, app: App):
    choose(page, Task.IMAGES)
    write(page, "Two boats")
    files = [
        {"name": name, "mimeType": kind, "buffer": picture(format_name)}
        for name, kind, format_name in NAMES[:4]
    ]
    page.locator("#param-image_list input[type=file]").first.set_input_files(files)
    expect(page.locator("#param-image_list .grid-container img")).to_have_count(4)
    press(page)
    status_is(page, "completed")
    assert len(sent(app)["image_list"]) == 4


@pytest.mark.browser
def test_a_voice_that_can_not_be_sent_is_called_what_it_is(page: Page):
    choose(page, Task.AVATAR)
    choose_file(page, "audio_url", "voice-message", "video/ogg", voice())
    expect(page.locator("#param-audio_url")).to_contain_text("OGG can't be sent as a sound.")


@pytest.mark.parametrize(("name", "kind", "format_name"), NAMES)
def test_the_gallery_takes_what_lies_in_a_file_and_not_what_it_is_called(
    tmp_path, name, kind, format_name
):
    path = tmp_path / name
    path.write_bytes(picture(format_name))
    gallery = PictureGallery(type="filepath", file_types=["image"])
    if kind.startswith("video/"):
        value = {"video": FileData(path=str(path), mime_type=kind), "caption": None}
    else:
        value = {"image": ImageData(path=str(path), mime_type=kind), "caption": None}
    items = gallery.preprocess(gallery.data_model(root=[value]))
    assert items == [(str(path), None)]
    assert [take_picture(each, PictureLimits()).uri[:11] for each in paths_of(items)] == [
        "data:image/"
    ]


def test_an_empty_gallery_holds_nothing():
    gallery = PictureGallery(type="filepath")
    assert gallery.preprocess(gallery.data_model(root=[])) is None
    assert gallery.preprocess(None) is None
