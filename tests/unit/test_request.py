"""A request is checked once and holds all that is needed to send it, at any time."""

import base64
import json
import os
import stat
import wave
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from threading import Barrier, Thread

import av
import pytest
from PIL import Image

from kling_ui.catalog import (
    MODELS,
    Elements,
    Inputs,
    InvalidValuesError,
    Media,
    MissingInputError,
    Pictures,
    Task,
    body,
    is_reference,
    prepare,
    references,
)
from kling_ui.catalog.params import MediaParam, MotionBrush, PictureOrPair

IMAGE_MODEL = "kling-video/v1/pro/image-to-video"
LINK = "https://example.com/boat.png"


def file_of(image, format_name, **options):
    stream = BytesIO()
    image.save(stream, format_name, **options)
    return stream.getvalue()


def picture_file(color="teal", format_name="PNG"):
    return file_of(Image.new("RGB", (320, 300), color), format_name)


def sound_file():
    stream = BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(4000))
    return stream.getvalue()


def video_file(seconds=1):
    stream = BytesIO()
    with av.open(stream, "w", format="mp4") as output:
        pictures = output.add_stream("mpeg4", rate=1)
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        for _ in range(seconds):
            output.mux(pictures.encode(av.VideoFrame(96, 64, "yuv420p")))
        output.mux(pictures.encode())
    return stream.getvalue()


def uri(media_type, data):
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


PNG = picture_file()
FILES = {
    "image": uri("image/png", PNG),
    "audio": uri("audio/wav", sound_file()),
    "video": uri("video/mp4", video_file()),
}


@pytest.fixture
def inputs(tmp_path):
    return Inputs(tmp_path / "data" / "inputs")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "inputs"


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def problems(model, values, inputs):
    with pytest.raises(InvalidValuesError) as caught:
        prepare(model, values, inputs)
    return {problem.field: problem.message for problem in caught.value.problems}


def upload(tmp_path, data, name="photo"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


# What a payload holds, and what is sent


def media_values(param):
    """Return a value of a parameter in which every medium is a data URI."""
    image = FILES["image"]
    if isinstance(param, Media):
        return FILES[param.media]
    if isinstance(param, Pictures):
        return [image] * param.minimum
    if isinstance(param, PictureOrPair):
        return [image, image]
    if isinstance(param, MotionBrush):
        return [{"mask": image, "trajectories": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}]
    assert isinstance(param, Elements)
    element = {"reference_image_urls": [image, LINK], "frontal_image_url": image}
    return [{**element, **({"video_url": FILES["video"]} if param.takes_video else {})}]


EVERY_KIND = {
    (type(param), getattr(param, "media", ""), getattr(param, "takes_video", None)): param
    for model in MODELS.values()
    for param in model.params
    if isinstance(param, MediaParam)
}


@pytest.mark.parametrize("param", EVERY_KIND.values(), ids=lambda param: param.name)
def test_no_data_uri_stays_in_a_payload_and_each_is_sent_as_it_was_given(param, inputs):
    model = next(model for model in MODELS.values() if param in model.params)
    values = {
        each.name: media_values(each) if isinstance(each, MediaParam) else "Rain"
        for each in model.params
        if each.required or each is param
    }
    if model.task is Task.EFFECTS:
        values["effect_scene"] = "hug"
    if model.param("multi_prompt"):
        values["prompt"] = "Rain"
    request = prepare(model.id, values, inputs)
    assert request.model is model
    stored = json.dumps(request.payload)
    assert "data:" not in stored
    assert stored.count("input:") == json.dumps(values).count("data:")
    assert body(request.payload, inputs) == {"model": model.id, **values}
    assert all(is_reference(each) for each in references(request.payload))


def test_links_stay_links_and_store_nothing(inputs, folder):
    values = {"image_url": LINK, "tail_image_url": LINK}
    request = prepare(IMAGE_MODEL, values, inputs)
    assert request.payload == {"model": IMAGE_MODEL, **values}
    assert body(request.payload, inputs) == request.payload
    assert names(folder) == []


def test_an_uploaded_file_is_mended_once_and_sent_as_it_was_stored(inputs, folder, tmp_path):
    path = upload(tmp_path, picture_file(format_name="WEBP"), "photo.jfif")
    request = prepare(IMAGE_MODEL, {"image_url": path}, inputs)
    [name] = names(folder)
    assert request.payload["image_url"] == f"input:{name}"
    assert name.endswith((".jpg", ".png"))
    path.unlink()
    sent = body(request.payload, inputs)["image_url"]
    assert base64.b64decode(sent.partition(",")[2]) == (folder / name).read_bytes()


@pytest.mark.parametrize(
    ("data", "ending"),
    [(PNG, "png"), (picture_file(format_name="JPEG"), "jpg")],
    ids=["png", "jpeg"],
)
def test_the_ending_says_what_the_file_is(inputs, folder, tmp_path, data, ending):
    prepare(IMAGE_MODEL, {"image_url": upload(tmp_path, data, "a.gif")}, inputs)
    assert [name.split(".")[1] for name in names(folder)] == [ending]


def test_the_same_content_is_kept_once(inputs, folder, tmp_path):
    first = prepare(IMAGE_MODEL, {"image_url": uri("image/png", PNG)}, inputs)
    second = prepare(IMAGE_MODEL, {"image_url": upload(tmp_path, PNG)}, inputs)
    assert first.payload == second.payload
    assert len(names(folder)) == 1


def test_what_was_used_can_be_used_again(inputs):
    first = prepare(IMAGE_MODEL, {"image_url": uri("image/png", PNG)}, inputs)
    values = {name: value for name, value in first.payload.items() if name != "model"}
    assert prepare(IMAGE_MODEL, values, inputs).payload == first.payload
    nested = {"prompt": "Two boats", "image_list": [values["image_url"], LINK]}
    model = "kling-video/v1.6/standard/multi-image-to-video"
    assert prepare(model, nested, inputs).payload == {"model": model, **nested}


def test_a_prompt_that_looks_like_an_input_is_a_prompt(inputs):
    reference = inputs.keep(PNG, "image/png")
    model = "kling-video/v1.6/standard/text-to-video"
    request = prepare(model, {"prompt": reference, "negative_prompt": reference}, inputs)
    assert references(request.payload) == set()
    assert body(request.payload, inputs) == request.payload


def test_a_row_and_its_inputs_are_enough_for_another_process(inputs, folder):
    payload = prepare(IMAGE_MODEL, {"image_url": uri("image/png", PNG)}, inputs).payload
    again = json.loads(json.dumps(payload))
    assert body(again, Inputs(folder))["image_url"] == uri("image/png", PNG)


# What is refused


GONE = f"input:{'0' * 64}.png"


@pytest.mark.parametrize(
    "value",
    [
        GONE,
        "input:../../etc/passwd",
        f"input:../{'0' * 64}.png",
        f"input:{'0' * 64}.svg",
        f"input:{'0' * 63}.png",
        f"input:{'0' * 64}.png\n",
        "/etc/passwd",
        7,
    ],
)
def test_what_is_not_among_the_inputs_is_refused_at_its_field(inputs, value):
    assert list(problems(IMAGE_MODEL, {"image_url": value}, inputs)) == ["image_url"]


def test_an_input_of_another_kind_is_refused(inputs):
    sound = inputs.keep(sound_file(), "audio/wav")
    assert (
        "picture has to be JPEG or PNG"
        in problems(IMAGE_MODEL, {"image_url": sound}, inputs)["image_url"]
    )


def test_an_input_is_looked_into_for_each_model_anew(inputs):
    slim = file_of(Image.new("RGB", (900, 300)), "PNG")
    reference = inputs.keep(slim, "image/png")
    assert "Crop it" in problems(IMAGE_MODEL, {"image_url": reference}, inputs)["image_url"]


def test_every_problem_is_told_at_once(inputs, tmp_path):
    values = {
        "image_url": upload(tmp_path, b"Dear Sir or Madam"),
        "duration": 7,
        "tail_image_url": LINK,
        "camera_control": {"type": "down_back"},
        "seed": 1,
    }
    assert set(problems(IMAGE_MODEL, values, inputs)) == {
        "image_url",
        "duration",
        "camera_control",
        "seed",
    }


def test_an_unknown_model_is_refused(inputs):
    assert list(problems("kling-video/v9", {}, inputs)) == ["model"]


@pytest.mark.parametrize("give", ["uri", "path", "input"])
@pytest.mark.parametrize(("seconds", "is_refused"), [(10, False), (11, True)])
def test_movements_are_measured_however_they_are_given(inputs, tmp_path, give, seconds, is_refused):
    data = video_file(seconds)
    video = {
        "uri": lambda: uri("video/mp4", data),
        "path": lambda: upload(tmp_path, data),
        "input": lambda: inputs.keep(data, "video/mp4"),
    }[give]()
    values = {"image_url": LINK, "video_url": video, "character_orientation": "image"}
    model = "klingai/video-v2-6-motion-control"
    if is_refused:
        assert list(problems(model, values, inputs)) == ["video_url"]
    else:
        assert prepare(model, values, inputs)


def test_a_request_whose_input_is_gone_is_not_made(inputs):
    with pytest.raises(MissingInputError, match="Choose the file once more"):
        body({"model": IMAGE_MODEL, "image_url": GONE}, inputs)


# How inputs are kept


def test_inputs_are_for_their_owner_alone(inputs, folder):
    path = inputs.path(inputs.keep(PNG, "image/png"))
    assert path.parent == folder
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_that_can_not_be_written_whole_is_not_there(inputs, folder, monkeypatch):
    folder.mkdir(parents=True)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        inputs.keep(PNG, "image/png")
    assert names(folder) == []


def test_a_folder_that_can_not_be_flushed_does_no_harm(inputs, monkeypatch):
    def fail(_):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fail)
    assert inputs.path(inputs.keep(PNG, "image/png")).read_bytes() == PNG


def test_many_threads_may_keep_the_same_content(inputs, folder):
    barrier = Barrier(8)

    def keep():
        barrier.wait()
        inputs.keep(PNG, "image/png")

    threads = [Thread(target=keep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(folder)) == 1


DAY = timedelta(days=1)
NOW = datetime.now(UTC)


def age(path, days):
    seconds = (NOW - days * DAY).timestamp()
    os.utime(path, (seconds, seconds))


def test_what_no_request_refers_to_goes_after_its_time(inputs, folder):
    used, old, fresh = (
        inputs.keep(picture_file(color), "image/png") for color in ("red", "green", "blue")
    )
    for reference, days in ((used, 9), (old, 2), (fresh, 0.5)):
        age(inputs.path(reference), days)
    foreign = folder / "notes.txt"
    left = folder / f"{'0' * 64}.png.abc.part"
    for path in (foreign, left):
        path.write_text("x")
        age(path, 9)
    assert inputs.purge({used}, NOW - DAY) == 2
    kept = {used.removeprefix("input:"), fresh.removeprefix("input:"), "notes.txt"}
    assert set(names(folder)) == kept


def test_what_is_used_again_begins_its_time_anew(inputs):
    reference = inputs.keep(PNG, "image/png")
    for use in (
        lambda: inputs.keep(PNG, "image/png"),
        lambda: prepare(IMAGE_MODEL, {"image_url": reference}, inputs),
    ):
        age(inputs.path(reference), 9)
        use()
        assert inputs.purge(set(), NOW - 8 * DAY) == 0


def test_nothing_is_purged_where_nothing_was_kept(inputs):
    assert inputs.purge(set(), NOW) == 0
