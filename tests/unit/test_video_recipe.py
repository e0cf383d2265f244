"""A video says how it was made: the same video, nothing private, and nothing believed unchecked."""

import json
import os

import av
import pytest
from harness import PROMPT, made
from hypothesis import given
from hypothesis import strategies as st
from test_media import rendered, write

from kling_ui import media
from kling_ui.catalog import MODELS, MediaParam
from kling_ui.ledger import LIVE, Generation, Status
from kling_ui.service import VideoRecipe
from kling_ui.service.video_recipe import recipe_of

RECIPE = {"model": "kling", "prompt": 'Käse 🦊 "quoted"\n', "parameters": {}, "task_id": "t:1"}
SECRETS = ("https://private.example/me.png?token=abc", f"input:{'a' * 64}.jpg", "data:image/png,me")


def generation(model, **payload):
    return Generation(
        id="1" * 32,
        model=model,
        payload={"model": model, **payload},
        owner="somebody",
        origin=LIVE,
        status=Status.SAVING,
        created_at="2026-05-01T10:00:00.000+00:00",
        updated_at="2026-05-01T10:00:00.000+00:00",
        key_hash="0123456789abcdef",
        task_id="task:1",
    )


def decoded(path):
    """Return every picture and every sound of a file, with its time."""
    with media.open_media(path) as container:
        return [
            (type(frame).__name__, frame.time, bytes(frame.to_ndarray()))
            for frame in container.decode()
        ]


@pytest.fixture
def video(tmp_path):
    return write(tmp_path / "video.mp4", sound=True)


def test_a_recipe_is_read_as_it_was_written(tmp_path, video):
    media.write_recipe(video, tmp_path / "out.mp4", RECIPE)
    assert media.read_recipe(tmp_path / "out.mp4") == RECIPE


@pytest.mark.parametrize("make", [lambda path: write(path, sound=True), rendered])
def test_pictures_and_sound_stay_as_they_are(tmp_path, make):
    video = make(tmp_path / "video.mp4")
    media.write_recipe(video, tmp_path / "out.mp4", RECIPE)
    assert decoded(tmp_path / "out.mp4") == decoded(video)
    assert media.verify(tmp_path / "out.mp4") == media.verify(video)


def test_the_index_stands_first_and_is_enough_to_read_the_recipe(tmp_path, video):
    media.write_recipe(video, tmp_path / "out.mp4", RECIPE)
    whole = (tmp_path / "out.mp4").read_bytes()
    beginning = tmp_path / "beginning.mp4"
    beginning.write_bytes(whole[: whole.index(b"mdat") + 100])
    assert media.read_recipe(beginning) == RECIPE


def test_what_the_provider_wrote_into_the_file_stays(tmp_path):
    source = tmp_path / "labeled.mp4"
    options = {"movflags": "use_metadata_tags"}
    with (
        av.open(str(write(tmp_path / "plain.mp4"))) as plain,
        av.open(str(source), "w", options=options) as out,
    ):
        out.metadata.update({"AIGC": '{"Label": "1"}', "comment": "by the provider"})
        stream = out.add_stream_from_template(plain.streams.video[0])
        for packet in plain.demux():
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    media.write_recipe(source, tmp_path / "out.mp4", RECIPE)
    with media.open_media(tmp_path / "out.mp4") as copy:
        assert copy.metadata["AIGC"] == '{"Label": "1"}'
        assert copy.metadata["comment"] == "by the provider"


@pytest.mark.parametrize(
    "content", [b"", b"no video", os.urandom(5000), b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"]
)
def test_what_is_no_video_has_no_recipe(tmp_path, content):
    path = tmp_path / "file.mp4"
    path.write_bytes(content)
    assert media.read_recipe(path) is None


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "3", "NaN", '{"a": NaN}', "[" * 50_000, f'{{"a": "{"x" * 70_000}"}}'],
    ids=["empty", "words", "list", "number", "constant", "inner constant", "deep", "long"],
)
def test_what_is_no_bounded_json_object_is_no_recipe(tmp_path, video, text):
    with av.open(str(video)) as source:
        media._remux(source, tmp_path / "out.mp4", {media._RECIPE_TAG: text})
    assert media.read_recipe(tmp_path / "out.mp4") is None


def test_a_recipe_that_is_too_long_is_not_written(tmp_path, video):
    with pytest.raises(ValueError, match="too long"):
        media.write_recipe(video, tmp_path / "out.mp4", {"prompt": "x" * 70_000})
    assert not (tmp_path / "out.mp4").exists()


async def test_a_saved_video_says_how_it_was_made(service):
    *_, last = await made(service, cfg_scale=0.7)
    recipe = VideoRecipe.read(service.files.path(last))
    assert recipe.payload == {"model": last.model, "prompt": PROMPT, "cfg_scale": 0.7}
    written = media.read_recipe(service.files.path(last))
    assert (written["task_id"], written["simulated"]) == (last.task_id, True)
    assert written["created_at"] == last.created_at


async def test_a_video_that_cant_be_copied_is_kept_as_it_came(service, monkeypatch):
    came = {}

    def fail(video, out, recipe):
        came["bytes"] = video.read_bytes()
        out.write_bytes(b"half")
        raise media.BrokenVideoError("packets would change")

    monkeypatch.setattr(media, "write_recipe", fail)
    *_, last = await made(service)
    assert last.status is Status.COMPLETED
    assert service.files.path(last).read_bytes() == came["bytes"]
    assert list(service.files._incoming.iterdir()) == []


MEDIA = [
    (model.id, param.name)
    for model in MODELS.values()
    for param in model.params
    if isinstance(param, MediaParam)
]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_medium_of_any_parameter_is_in_a_recipe(secret):
    for model, name in MEDIA:
        nested = [{"frontal_image_url": secret, "reference_image_urls": [secret, secret]}]
        for value in (secret, [secret], nested, [{"mask": secret, "trajectories": [{"x": 1}]}]):
            text = json.dumps(recipe_of(generation(model, prompt="A boat", **{name: value})))
            assert secret not in text, (model, name)


def test_neither_key_nor_owner_is_in_a_recipe():
    text = json.dumps(recipe_of(generation(next(iter(MODELS)), prompt="A boat")))
    assert not any(word in text for word in ("0123456789abcdef", "somebody"))


def test_what_the_file_does_not_hold_is_named():
    model, name = MEDIA[0]
    sent = generation(model, prompt="A boat", **{name: SECRETS[0]})
    recipe = VideoRecipe.from_json(recipe_of(sent))
    assert recipe.missing == (name,)
    assert recipe.payload == {"model": model, "prompt": "A boat"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(data=st.data())
def test_only_values_that_a_request_may_hold_come_out_of_a_strangers_recipe(data):
    model = data.draw(st.sampled_from(sorted(MODELS)))
    names = st.sampled_from([param.name for param in MODELS[model].params]) | st.text(max_size=9)
    found = {
        "model": data.draw(st.just(model) | JSON),
        "prompt": data.draw(JSON),
        "parameters": data.draw(st.dictionaries(names, JSON, max_size=5) | JSON),
    }
    recipe = VideoRecipe.from_json(found)
    if recipe is None:
        return
    for name, value in recipe.values.items():
        param = MODELS[recipe.model].param(name)
        assert not isinstance(param, MediaParam)
        assert param.check(value) == value
