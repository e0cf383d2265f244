"""The composer without a browser: what it reads, carries over, asks and says about money."""

import asyncio
import json
import re

import gradio as gr
import pytest
from harness import QuickRuntime, service_at
from PIL import Image
from provider_lists import KEY, ProviderLists, fixed, item, variants
from served_page import QUIETLY

from kling_ui.catalog import MODELS, MediaParam, Request, Task
from kling_ui.ledger import LIVE, Ledger
from kling_ui.ui import formatting
from kling_ui.ui.create import effects, launch, model_picker, switches
from kling_ui.ui.create.composer import Form
from kling_ui.ui.create.confirmation import ASKS_SECONDS, Confirmation, must_ask
from kling_ui.ui.create.examples import EXAMPLES, FOLDER, values_of
from kling_ui.ui.create.fields import BUILDERS
from kling_ui.ui.create.fields.field import kind_of
from kling_ui.ui.create.form_input import RawForm
from kling_ui.ui.create.kept_uploads import KeptUploads
from kling_ui.ui.create.outlook import Outlook
from kling_ui.ui.create.problems import problems_html
from kling_ui.ui.create.reader import FormReader, RefusedForm

pytestmark = QUIETLY

TEXT = "klingai/video-v3-standard-text-to-video"
IMAGE = "klingai/video-v3-standard-image-to-video"
TURBO = "klingai/video-v3-standard-turbo-text-to-video"
CAMERA = "kling-video/v1.6/pro/image-to-video"


@pytest.fixture
def lists():
    with ProviderLists() as lists:
        audio = variants(({"generate_audio": False}, 0.1), ({"generate_audio": True}, 0.15))
        lists.models["data"] = [item(TEXT, audio), item(IMAGE, audio), item(TURBO, fixed(0.07))]
        yield lists


@pytest.fixture
def service(tmp_path, lists):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.open()
    service, _ = service_at(
        lists.url,
        ledger=ledger,
        folder=tmp_path / "data",
        runtime=QuickRuntime(),
        origin=LIVE,
        key=KEY,
    )
    yield service
    ledger.close()


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    """Lay a form out once: that takes Gradio longer than all the rest."""
    folder = tmp_path_factory.mktemp("laid-out")
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    service, _ = service_at(
        "http://127.0.0.1:9", ledger=ledger, folder=folder, runtime=QuickRuntime()
    )

    async def lay_out():
        with gr.Blocks():
            return Form(service)

    return asyncio.run(lay_out())


@pytest.fixture
async def form(laid_out, service):
    """Return the form as it is with a service of the test's own."""
    asking = asyncio.create_task(service.live.keep_fresh())
    await service.live.first_list()
    asking.cancel()
    laid_out._service, uploads = service, KeptUploads(service)
    laid_out.reader = FormReader(laid_out._layout, service, uploads)
    laid_out._outlook = Outlook(laid_out._layout, service)
    yield laid_out
    await service.close()


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.new("RGB", (640, 480), "teal").save(path)
    return path


def filled(form, model_id, **values):
    """Return the raw values of a form in which a person has filled in `values`."""
    model = MODELS[model_id]
    words, control = switches.sides_for(model, values)
    controls = {
        id(control): blank
        for control, blank in zip(form._layout.controls, form._layout.blank, strict=True)
    }
    pairs = sorted(form._layout.used_by(model), key=lambda pair: pair[0].name in values)
    for field, param in pairs:
        value = values.get(field.name, param.initial if field.is_plain else None)
        controls |= {
            id(control): raw for control, raw in zip(field.inputs, field.fill(value), strict=False)
        }
    ordered = [controls[id(control)] for control in form._layout.controls]
    return [model_id, model.task.value, words, control, *ordered]


def test_every_kind_of_parameter_has_a_builder_and_no_builder_is_for_nothing():
    kinds = {kind_of(param) for model in MODELS.values() for param in model.params}
    assert kinds == set(BUILDERS)


async def test_every_model_shows_one_field_for_each_of_its_parameters(form):
    for model in MODELS.values():
        names = [field.name for field, _ in form._layout.used_by(model)]
        assert sorted(names) == sorted(param.name for param in model.params), model.id


async def test_a_form_reads_what_was_filled_in_and_decodes_nothing(form, picture):
    raw = filled(form, IMAGE, prompt="Rain", image_url=picture, duration=7, generate_audio=False)
    read = form.reader.read(raw, "local")
    assert read.problems == ()
    assert read.values == {
        "prompt": "Rain",
        "image_url": picture,
        "duration": 7,
        "generate_audio": False,
    }


async def test_an_upload_is_checked_once_and_its_finding_serves_note_price_and_request(
    form, service, picture, monkeypatch
):
    checks = []
    keep = service._inputs.keep_upload
    monkeypatch.setattr(
        service._inputs, "keep_upload", lambda *given: (checks.append(given[0]), keep(*given))[1]
    )
    monkeypatch.setattr(
        "kling_ui.catalog.request.check_media", lambda *_: pytest.fail("looked at again")
    )
    raw = filled(form, IMAGE, prompt="Rain", image_url=picture)
    first = await form.reader.prepare(raw, "local")
    again = await form.reader.prepare(raw, "local")
    assert isinstance(first, Request)
    assert first == again
    assert first.payload["image_url"].startswith("input:")
    assert checks == [picture]


async def test_an_upload_of_one_visitor_is_kept_for_each_who_sends_it(form, picture):
    raw = filled(form, IMAGE, prompt="Rain", image_url=picture)
    for owner in ("ann", "bob"):
        assert isinstance(await form.reader.prepare(raw, owner), Request)


async def test_a_refused_form_says_each_problem_at_its_field_without_api_names(form):
    refused = await form.reader.prepare(filled(form, IMAGE), "local")
    assert isinstance(refused, RefusedForm)
    assert "2 things to fix" in refused.html
    assert said(refused.html) == {
        "image_url": "Add a start image.",
        "prompt": "Say what should happen.",
    }


async def test_an_unusable_upload_is_a_problem_at_its_field(form, tmp_path):
    path = tmp_path / "small.png"
    Image.new("RGB", (200, 200)).save(path)
    path.write_bytes(b"no picture")
    refused = await form.reader.prepare(filled(form, IMAGE, prompt="Rain", image_url=path), "local")
    assert set(said(refused.html)) == {"image_url"}


async def test_too_few_pictures_are_counted_up(form, picture):
    model = "kling-video/v1.6/standard/multi-image-to-video"
    refused = await form.reader.prepare(filled(form, model, image_list=[picture]), "local")
    assert said(refused.html) == {"image_list": "Add one more picture (2 to 4)."}


def said(html):
    found = re.search(r'data-problems="([^"]*)"', html)[1]
    return json.loads(found.replace("&quot;", '"').replace("&#x27;", "'"))


def test_no_problem_is_no_line():
    assert problems_html(MODELS[TEXT], (), {}) == ""


@pytest.mark.parametrize(
    ("side", "given"),
    [
        ("tail_image_url", {"tail_image_url"}),
        ("camera_control", {"camera_control"}),
        ("", set()),
    ],
)
async def test_of_what_excludes_each_other_only_the_chosen_side_is_sent(form, picture, side, given):
    camera = {"type": "simple", "config": {"zoom": -4}}
    raw = filled(form, CAMERA, image_url=picture, tail_image_url=picture, camera_control=camera)
    raw[3] = side
    sent = set(form.reader.read(raw, "local").values)
    assert sent == {"image_url", *given}


async def test_a_timed_storyboard_sets_the_length(form):
    shots = [{"prompt": "a", "duration": 4}, {"prompt": "b", "duration": 6}]
    raw = filled(form, TURBO, multi_prompt=shots, duration=5, prompt="not sent")
    raw[2] = "multi_prompt"
    read = form.reader.read(raw, "local")
    assert read.values == {"multi_prompt": shots}
    assert launch.fixed_length(read.model, read.values) == "10 s (from the storyboard)"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.key)
async def test_every_example_is_a_request_that_may_be_sent(form, example, tmp_path, monkeypatch):
    monkeypatch.setattr("kling_ui.ui.uploads.get_upload_folder", lambda: str(tmp_path / "uploads"))
    raw = filled(form, example.model, **values_of(example))
    request = await form.reader.prepare(raw, "local")
    assert isinstance(request, Request), request
    assert set(request.payload) == {"model", *example.values, *example.files}


def test_every_task_has_an_example_and_every_file_is_small():
    assert {example.task for example in EXAMPLES} == set(Task)
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert max(sizes.values()) <= 60_000


# -- what is carried over


def switched_to(form, task, *, shown, memory=None, raw):
    raw = [raw[0], task.value, *raw[2:]]
    return form._on_task(shown, memory or form.memory.value, *raw)


async def test_nothing_of_another_task_travels_unseen(form, picture):
    raw = filled(form, IMAGE, prompt="Make it rain", image_url=picture)
    changed = switched_to(form, Task.AVATAR, shown=IMAGE, raw=raw)
    avatar = MODELS[changed[form._layout.shown_model]]
    for field, param in form._layout.used_by(avatar):
        if field.name == "prompt" or isinstance(param, MediaParam):
            assert {changed[control]["value"] for control in field.inputs} <= {None, ""}
    back = switched_to(
        form,
        Task.IMAGE,
        shown=avatar.id,
        memory=changed[form.memory],
        raw=filled(form, avatar.id),
    )
    fields = {field.name: field for field, _ in form._layout.used_by(MODELS[IMAGE])}
    assert back[fields["prompt"].inputs[0]]["value"] == "Make it rain"
    assert back[fields["image_url"].inputs[0]]["value"] == str(picture)


async def test_a_prompt_goes_along_where_it_says_what_the_video_is(form):
    raw = filled(form, TEXT, prompt="A boat")
    changed = switched_to(form, Task.IMAGE, shown=TEXT, raw=raw)
    prompt = next(f for f, _ in form._layout.used_by(MODELS[IMAGE]) if f.name == "prompt")
    assert changed[prompt.inputs[0]]["value"] == "A boat"


async def test_the_last_model_of_a_task_is_there_again(form):
    raw = filled(form, TURBO, prompt="A boat")
    chosen = form._on_model(TEXT, form.memory.value, *raw)
    away = switched_to(form, Task.EFFECTS, shown=TURBO, memory=chosen[form.memory], raw=raw)
    effect = away[form._layout.shown_model]
    back = switched_to(
        form, Task.TEXT, shown=effect, memory=away[form.memory], raw=filled(form, effect)
    )
    assert back[form._layout.shown_model] == TURBO


def test_a_task_begins_with_its_newest_standard_model():
    assert model_picker.default_model(Task.TEXT, {}).id == TEXT
    assert model_picker.default_model(Task.IMAGE, {}).id == IMAGE
    assert model_picker.default_model(Task.TEXT, {Task.TEXT.value: "gone"}).id == TEXT


@pytest.mark.parametrize("side", ["prompt", "multi_prompt"])
async def test_a_draft_keeps_both_sides_of_a_switch_and_which_one_counts(form, side):
    raw = filled(form, TEXT, prompt="A boat", multi_prompt=[{"prompt": "Rain", "duration": 5}])
    raw[2] = side
    read = form.reader.read(raw, "local")
    assert set(read.values) & {"prompt", "multi_prompt"} == {side}
    draft = json.loads(json.dumps(form._outlook.hints(read, RawForm.of(raw)).draft))
    assert draft["sides"] == [side, ""]
    restored = form.restored(MODELS[TEXT], draft["values"], {}, sides=draft["sides"])
    fields = {field.name: field for field, _ in form._layout.used_by(MODELS[TEXT])}
    assert restored[form._layout.words]["value"] == side
    assert restored[fields["prompt"].inputs[0]]["value"] == "A boat"
    assert "Rain" in str(restored[fields["multi_prompt"].inputs[0]]["value"])


@pytest.mark.parametrize("sides", [None, "prompt", [], ["x", "y"], [[], {}], ["prompt"], {"a": 1}])
async def test_a_draft_with_odd_sides_is_restored_all_the_same(form, sides):
    restored = form.restored(MODELS[TEXT], {"prompt": "A boat"}, {}, sides=sides)
    assert restored[form._layout.words]["value"] == "prompt"


@pytest.mark.parametrize("count", [0, 1, 2, 4])
async def test_every_element_that_is_filled_in_is_shown_and_no_other(form, picture, count):
    element = {"frontal_image_url": picture, "reference_image_urls": [picture]}
    changed = form.filled(MODELS[IMAGE], {"elements": [element] * count})
    (field,) = (
        field for field, _ in form._layout.used_by(MODELS[IMAGE]) if field.kind == "Elements"
    )
    shown, more, *rows = field.extras
    expected = max(count, 1)
    assert [changed[row]["visible"] for row in rows] == [i < expected for i in range(len(rows))]
    assert changed[more]["visible"] is (expected < len(rows))
    assert changed[shown] == expected


@pytest.mark.parametrize("count", [1, 2, 3, 6])
async def test_every_shot_of_a_storyboard_is_shown_and_no_row_without_one(form, count):
    for model in (TEXT, TURBO):
        is_timed = MODELS[model].param("multi_prompt").is_timed
        shots = [{"prompt": "Rain", "duration": 3} if is_timed else "Rain"] * count
        changed = form.filled(MODELS[model], {"multi_prompt": shots})
        [board] = [
            field
            for field, _ in form._layout.used_by(MODELS[model])
            if field.name == "multi_prompt"
        ]
        _, more, *rows = board.extras
        assert [changed[row]["visible"] for row in rows] == [
            number <= max(count, 2) for number in range(1, 7)
        ]
        assert changed[more]["visible"] is (count < 6)


async def test_an_example_leaves_nothing_of_the_former_form(form, tmp_path, picture):
    changed = form.filled(MODELS[IMAGE], {"prompt": "Rain", "image_url": picture})
    fields = {field.name: field for field, _ in form._layout.used_by(MODELS[IMAGE])}
    assert changed[fields["tail_image_url"].inputs[0]]["value"] is None
    assert changed[fields["negative_prompt"].inputs[0]]["value"] == ""
    assert changed[form._layout.words]["value"] == "prompt"


# -- price and wait


async def test_the_button_says_the_price_and_the_line_how_it_comes_about(form):
    raw = filled(form, TEXT, prompt="A boat")
    read = form.reader.read(raw, "local")
    estimate = form._outlook.estimate(read, read.values)
    assert launch.button_label(estimate) == "Generate · $0.75"
    hints = form._outlook.hints(read, RawForm.of(raw))
    html = launch.price_html(estimate, hints, balance=10.0)
    assert "5 s × $0.15" in html
    assert "usually 7 min" in html
    assert hints.prices["generate_audio"] == {"": "+$0.25"}
    assert "Your balance is below" in launch.price_html(estimate, hints, balance=0.5)
    assert "Your balance" not in html


async def test_without_a_price_nothing_is_guessed(form):
    read = form.reader.read(filled(form, CAMERA, prompt="A boat"), "local")
    estimate = form._outlook.estimate(read, read.values)
    assert launch.button_label(estimate) == "Generate"
    html = launch.price_html(estimate, launch.Hints(), balance=None)
    assert launch.NOT_PUBLISHED in html


async def test_what_will_be_sent_stands_above_the_button(form, picture):
    raw = filled(form, IMAGE, prompt="Rain on the roof", image_url=picture, negative_prompt="blur")
    read = form.reader.read(raw, "local")
    parts = form._outlook.parts(read, RawForm.of(raw))
    assert [words for _, words, _ in parts] == [
        "start image",
        "prompt “Rain on the roof”",
        "5 s",
        "audio",
        "negative prompt “blur”",
    ]
    droppable = {name for name, _, is_droppable in parts if is_droppable}
    assert droppable == {"prompt", "generate_audio", "negative_prompt"}


async def test_a_balance_is_asked_for_once_a_minute(service, lists):
    assert [await service.balance.usd(within_seconds=5) for _ in range(3)] == [10.07] * 3
    asked = [path for path, *_ in lists.requests if "balance" in path or "billing" in path]
    assert len(asked) == 1
    await service.close()


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_second_press_confirms_the_same_request_only_soon_and_once():
    clock = Clock()
    confirmation = Confirmation(monotonic=clock)
    one, other = (Request(model=MODELS[TEXT], payload={"prompt": word}) for word in ("a", "b"))
    assert not confirmation.take("page", one)
    confirmation.ask("page", one)
    assert not confirmation.take("page", other)
    confirmation.ask("page", one)
    assert not confirmation.take("other page", one)
    assert confirmation.take("page", one)
    assert not confirmation.take("page", one)
    confirmation.ask("page", one)
    clock.now += ASKS_SECONDS + 3
    assert not confirmation.take("page", one)


async def test_only_a_price_above_the_limit_is_asked_about(form):
    read = form.reader.read(filled(form, TEXT, prompt="A boat", duration=10), "local")
    estimate = form._outlook.estimate(read, read.values)
    assert estimate.usd == 1.5
    assert must_ask(estimate, 1.0)
    assert not must_ask(estimate, 1.5)
    assert "Spend $1.50? Press again" in launch.asking_html(estimate)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.7, 0.7, "$0.70"),
        (0.7, 1.4, "$0.70–1.40"),
        (0.0735, 0.0735, "$0.0735"),
        (0.3675, 0.3675, "$0.37"),
        (1234.5, 1234.5, "$1,234.50"),
    ],
)
def test_amounts_are_written_as_people_write_them(low, high, words):
    assert formatting.dollars(low, high) == words


def test_every_effect_stands_in_one_group():
    models = [model for model in MODELS.values() if model.task is Task.EFFECTS]
    names = models[0].param("effect_scene").choices
    grouped = [name for _, members in effects.grouped(names) for name in members]
    assert sorted(grouped) == sorted(names)


async def test_the_rows_of_the_list_say_price_wait_and_features(form, service):
    rows = {row.value: row for row in model_picker.options(Task.TEXT, service)}
    assert rows[TEXT].mark == "Newest"
    assert rows[TURBO].mark == "Cheapest"
    assert rows[TEXT].detail == "$0.15 a second · ~7 min · ≤ 15 s · audio · storyboard"


async def test_a_model_that_was_withdrawn_is_marked_with_its_successor(form, service, lists):
    row = {"id": TEXT, "aliases": [], "status": "withdrawn", "replaced_by": TURBO}
    lists.deprecations["data"] = [row]
    await service.live._ask_for_deprecations()
    rows = {row.value: row for row in model_picker.options(Task.TEXT, service)}
    assert rows[TEXT].mark == "Withdrawn: use Kling 3 Turbo · Standard"
