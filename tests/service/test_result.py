"""The result: what is told of a generation, what it is good for next, and how runs are followed."""

import asyncio
import dataclasses
import json
import re
import shutil
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import av
import numpy as np
import pytest
from harness import MODEL, PROMPT, assert_a_video_is_there, submit, watched
from PIL import Image
from served_page import OWNER_OF, QUIETLY, serving, visitor_of

from kling_ui import media
from kling_ui.catalog import MODELS, MediaParam, Task
from kling_ui.ledger import LIVE, SIMULATOR, Generation, Status
from kling_ui.service import CannotContinueError, continued
from kling_ui.service.continuation import next_model
from kling_ui.service.request_export import export_request
from kling_ui.ui import formatting
from kling_ui.ui.result import code_samples, panel, recipe, strip

pytestmark = QUIETLY

ANN, BOB = "a" * 32, "b" * 32
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
IMAGE_MODEL = "kling-video/v1.6/pro/image-to-video"
PICTURE, MASK = f"input:{'1' * 64}.png", f"input:{'2' * 64}.png"
VOICE = f"input:{'3' * 64}.mp3"
LINK = "https://example.com/last.jpg"


def a_row(**changes_of_it):
    values = {
        "id": "c" * 32,
        "model": MODEL,
        "payload": {"model": MODEL, "prompt": PROMPT},
        "owner": ANN,
        "origin": LIVE,
        "status": Status.COMPLETED,
        "created_at": NOW.isoformat(),
        "updated_at": NOW.isoformat(),
        "finished_at": (NOW + timedelta(seconds=312)).isoformat(),
        "task_id": "task-1",
        "video": f"videos/{'c' * 32}/x.mp4",
        **changes_of_it,
    }
    return Generation(**values)


def a_view(**changes_of_it):
    values = {
        "typical_seconds": 60.0,
        "again_usd": 0.7,
        "is_watched": True,
        "is_elsewhere": False,
        "is_mine": True,
        "is_simulated": False,
        **changes_of_it,
    }
    return panel.View(**values)


# -- what made it


def texts(model, **values):
    row = a_row(model=model, payload={"model": model, **values})
    return [chip.text for chip in recipe.chips(row)]


def test_the_chips_name_model_length_ratio_and_what_else_was_set():
    assert texts(MODEL, prompt=PROMPT, aspect_ratio="9:16", duration=10, cfg_scale=0.7) == [
        "Kling 1.6 · Standard",
        "9:16",
        "10 s",
        "guidance 0.7",
    ]


def test_what_decides_price_and_shape_is_told_at_its_default_too():
    told = texts("klingai/video-v3-pro-text-to-video", prompt=PROMPT)
    assert {"5 s", "16:9", "audio"} <= set(told)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"type": "simple", "config": {"zoom": -4}}, "camera zoom −4"),
        ({"type": "down_back"}, "camera down back"),
    ],
)
def test_a_camera_is_told_in_words(value, text):
    assert text in texts(IMAGE_MODEL, prompt=PROMPT, image_url=LINK, camera_control=value)


def test_timed_shots_set_the_length_and_are_listed():
    shots = [{"prompt": "A door opens", "duration": 4}, {"prompt": "A cat enters", "duration": 6}]
    model = next(
        model.id
        for model in MODELS.values()
        if getattr(model.param("multi_prompt"), "is_timed", False)
    )
    row = a_row(model=model, payload={"model": model, "multi_prompt": shots})
    assert "10 s" in [chip.text for chip in recipe.chips(row)]
    assert [(shot.prompt, shot.seconds) for shot in recipe.shots(row)] == [
        ("A door opens", 4),
        ("A cat enters", 6),
    ]


def sample_of(param):
    """Return a value with one input in each place where the parameter can hold one."""
    return {
        "image_list": [PICTURE, LINK],
        "dynamic_masks": [{"mask": MASK, "trajectories": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}],
        "elements": [{"frontal_image_url": PICTURE, "reference_image_urls": [MASK, LINK]}],
        "audio_url": VOICE,
        "video_url": LINK,
    }.get(param.name, PICTURE)


@pytest.mark.parametrize("model", list(MODELS.values()), ids=list(MODELS))
def test_every_medium_that_was_sent_is_shown(model):
    media_params = [param for param in model.params if isinstance(param, MediaParam)]
    payload = {"model": model.id, **{param.name: sample_of(param) for param in media_params}}
    row = a_row(model=model.id, payload=payload)
    shown = [each.address for each in recipe.inputs(row)]
    sent = json.dumps(payload)
    for reference in (PICTURE, MASK, VOICE):
        address = f"/media/{row.id}/{reference.removeprefix('input:')}"
        assert shown.count(address) == sent.count(reference)
    assert shown.count(LINK) == sent.count(LINK)


def test_a_file_that_was_not_kept_is_told_as_such():
    abridged = "data:image/png;base64,iVB… (9,000 characters, sha256 0f)"
    row = a_row(model=IMAGE_MODEL, payload={"model": IMAGE_MODEL, "image_url": abridged})
    assert "not kept" in panel.panel(row, a_view())


# -- the panel


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("is_watched", [True, False])
def test_every_state_says_its_word_once_and_what_became_of_the_money(status, is_watched):
    row = a_row(status=status, video=None, finished_at=None)
    shown = panel.panel(row, a_view(is_watched=is_watched))
    assert shown.count(f">{status.value}</span>") == 1
    is_free = status in {Status.REJECTED, Status.CANCELLED}
    assert ("Nothing spent<" in shown) == is_free
    assert ("Not charged" in shown) == (status is Status.FAILED)


@pytest.mark.parametrize("status", [status for status in Status if not status.is_final])
def test_progress_can_be_hidden_and_shown_again(status):
    row = a_row(status=status, video=None, finished_at=None)
    assert 'id="stop" data-ask="hide"' in panel.panel(row, a_view())
    assert 'id="stop" data-ask="show"' in panel.panel(row, a_view(is_watched=False))


def test_money_has_two_decimals_and_a_simulated_price_is_marked():
    assert [formatting.usd(amount) for amount in (0.3675, 1234.5, 0.004, 0)] == [
        "$0.37",
        "$1,234.50",
        "<$0.01",
        "$0.00",
    ]
    assert formatting.money(a_row(usd_spent=0.3675)) == "$0.37"
    assert formatting.money(a_row(usd_spent=0.21, origin=SIMULATOR)) == "$0.21\N{NO-BREAK SPACE}sim"
    assert "<i>sim</i>" in panel.panel(a_row(usd_spent=0.21, origin=SIMULATOR), a_view())


@pytest.mark.parametrize(
    ("usd", "price"), [(0.7, 'data-price="$0.70"'), (None, 'data-price="price not published"')]
)
def test_running_again_asks_with_the_price(usd, price):
    assert price in panel.panel(a_row(), a_view(again_usd=usd))


def test_running_again_at_the_simulator_is_free_and_asks_nothing():
    assert "data-price" not in panel.panel(a_row(), a_view(is_simulated=True))


# -- the request as code


def test_code_holds_the_request_and_never_a_key():
    payload = {"model": MODEL, "prompt": 'It\'s $5 "now"', "duration": 5, "generate_audio": True}
    assert json.loads(code_samples.as_json(payload)) == payload
    curl = code_samples.as_curl(payload)
    assert '"Authorization: Bearer $AIML_API_KEY"' in curl
    assert "It'\\''s" in curl
    compiled = compile(code_samples.as_python(payload), "sample", "exec")
    assert "AIML_API_KEY" in compiled.co_consts


def test_code_says_what_to_put_in_the_place_of_an_input():
    payload = {"model": IMAGE_MODEL, "image_url": PICTURE}
    assert "Put a public link" in code_samples.as_curl(payload)
    assert "Put a public link" in code_samples.as_python(payload)
    assert "Put a public link" not in code_samples.as_curl({"model": MODEL})


# -- the strip


def test_the_strip_holds_what_runs_and_what_was_made_lately():
    old = (NOW - strip.RECENT - timedelta(seconds=1)).isoformat()
    rows = [
        a_row(id="1" * 32),
        a_row(id="2" * 32, created_at=old),
        a_row(id="3" * 32, created_at=old, status=Status.GENERATING, video=None),
        a_row(id="4" * 32, status=Status.UNKNOWN, is_put_away=True),
    ]
    shown = strip.recent(rows, now=NOW)
    assert [row.id[0] for row in shown] == ["1", "3"]
    drawn = strip.strip(shown, total=318, typical_seconds=lambda _: 60)
    assert 'data-running="1"' in drawn
    assert "all 318 →" in drawn


def test_a_failed_run_says_in_its_corner_that_it_was_not_charged():
    drawn = strip.strip([a_row(status=Status.FAILED)], total=1, typical_seconds=lambda _: 60)
    assert "not charged" in drawn


async def test_changes_of_several_runs_come_until_all_of_them_rest(service):
    made = [await submit(service, MODEL, {"prompt": f"{PROMPT} {i}"}) for i in range(3)]
    last = {}
    async with asyncio.timeout(20), aclosing(service.follow_all([m.id for m in made])) as all_:
        async for changed in all_:
            last[changed.id] = changed.status
    assert last == {each.id: Status.COMPLETED for each in made}


async def test_whoever_leaves_the_changes_leaves_nothing_behind(service, runtime):
    made = await submit(service, MODEL, {"prompt": f"{PROMPT} [slow]"})
    async with aclosing(service.follow_all([made.id])) as found:
        await anext(found)
    assert service.diagnostics()["subscriptions"] == 0


# -- the same again


async def finished(service, model=MODEL, **values):
    made = await submit(service, model, {"prompt": PROMPT, **values})
    [*_, last] = await watched(service, made.id)
    return last


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "start.png"
    Image.fromarray(np.full((480, 640, 3), (200, 40, 40), np.uint8)).save(path)
    return path


async def test_an_exported_request_makes_the_same_row_again(service, picture):
    first = await finished(service, IMAGE_MODEL, image_url=picture, tail_image_url=LINK)
    exported = export_request(first, service.files)
    assert exported.missing == ()
    again = await service.prepare(exported.model, exported.values)
    assert again.payload == first.payload
    assert exported.payload == first.payload


async def test_what_is_gone_is_named_and_the_rest_is_there(service, picture):
    row = await finished(service, IMAGE_MODEL, image_url=picture, duration=10)
    name = row.payload["image_url"].removeprefix("input:")
    service.files.named(row, name).unlink()
    exported = export_request(row, service.files)
    assert exported.missing == ("image_url",)
    assert exported.parameters == {"duration": 10}


async def test_anothers_inputs_are_not_handed_on(service, picture):
    row = await finished(service, IMAGE_MODEL, image_url=picture)
    assert export_request(row, service.files, is_owned=False).missing == ("image_url",)


def test_what_an_old_ledger_abridged_is_missing(service):
    abridged = "data:image/png;base64,iVB… (9,000 characters, sha256 0f)"
    payload = {"model": IMAGE_MODEL, "image_url": abridged, "prompt": PROMPT}
    row = a_row(model=IMAGE_MODEL, payload=payload, is_repeatable=False)
    assert export_request(row, service.files).missing == ("image_url",)


# -- going on


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    """Make a video of 10 pictures, 5 a second, each a bit lighter than the one before."""
    path = tmp_path_factory.mktemp("ladder") / "ladder.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for step in range(10):
            picture = np.full((480, 640, 3), 20 + 20 * step, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("at", "step"),
    [("first", 0), ("last", 9), (0.0, 0), (0.3, 1), (1.0, 5), (1.19, 5), (99.0, 9), (-1.0, 0)],
)
def test_a_picture_is_the_one_that_is_shown_at_that_time_in_full_size(ladder, tmp_path, at, step):
    media.save_frame(ladder, tmp_path / "frame.png", at=at)
    with Image.open(tmp_path / "frame.png") as found:
        assert found.size == (640, 480)
        assert found.getpixel((320, 240))[0] == pytest.approx(20 + 20 * step, abs=6)


def test_a_file_without_a_picture_is_told(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"nothing")
    with pytest.raises(media.BrokenVideoError, match="no picture to show"):
        media.save_frame(tmp_path / "x.mp4", tmp_path / "frame.png", at="last")


@pytest.mark.parametrize("model", list(MODELS.values()), ids=list(MODELS))
def test_every_model_has_one_to_go_on_with(model):
    found = next_model(model.id)
    assert found.task is Task.IMAGE
    same = [m for m in MODELS.values() if m.task is Task.IMAGE and m.version == model.version]
    assert not same or found.version == model.version


async def test_going_on_starts_from_a_picture_that_is_the_owners(service, ladder):
    row = await finished(service)
    # The simulator's videos are small in a hurry, too small to begin with.
    shutil.copyfile(ladder, service.files.path(row))
    payload = await continued(service, row, at="last", owner="local")
    assert payload["prompt"] == ""
    again = await service.prepare(payload["model"], {**payload_values(payload), "prompt": "Then"})
    assert again.payload["image_url"] == payload["image_url"]
    made = await service.submit(again)
    assert_a_video_is_there(service, (await watched(service, made.id))[-1])


def payload_values(payload):
    return {name: value for name, value in payload.items() if name != "model"}


async def test_what_continues_another_knows_all_parts_before_it(service, ladder):
    parts = [await finished(service)]
    for _ in range(2):
        # The simulator's videos are small in a hurry, too small to begin with.
        shutil.copyfile(ladder, service.files.path(parts[-1]))
        values = await continued(service, parts[-1], at="last", owner="local")
        model = values.pop("model")
        parts.append(await finished(service, model=model, **{**values, "prompt": "On"}))
    first, second, third = parts
    assert [part.chain for part in parts] == [(), (first.id,), (first.id, second.id)]
    html = panel.panel(third, a_view())
    assert re.findall('data-open="([0-9a-f]+)"', html) == [first.id, second.id]
    assert "k-chain" not in panel.panel(first, a_view())
    assert panel.continuing(third) == "<p>Part 1 ▸ 2 ▸ 3 ▸ <b>new</b></p>"


async def test_there_is_no_going_on_without_the_file(service):
    row = await finished(service)
    service.files.path(row).unlink()
    with pytest.raises(CannotContinueError):
        await continued(service, row, at="last", owner="local")


# -- the page's events


@pytest.fixture(scope="module")
def served(tmp_path_factory, films):
    with pytest.MonkeyPatch.context() as patch:
        for name in OWNER_OF:
            patch.setattr(name, visitor_of)
        with serving(tmp_path_factory.mktemp("result")) as page:
            yield page


def made(served, *, visitor=ANN, prompt=PROMPT):
    return served.call("generate", MODEL, prompt, {"aspect_ratio": "9:16"}, visitor=visitor)


def test_the_request_of_a_generation_is_its_owners_and_ready_to_submit(served):
    one = made(served)
    assert served.call("request", one["id"], visitor=ANN) == {
        "model": MODEL,
        "prompt": PROMPT,
        "parameters": {"aspect_ratio": "9:16"},
    }
    for visitor in (BOB, None):
        assert "no such generation of yours" in served.call("request", one["id"], visitor=visitor)


def test_a_request_that_can_not_be_restored_names_what_is_gone(served):
    payload = {"model": IMAGE_MODEL, "prompt": PROMPT, "image_url": PICTURE}
    row = a_row(id="8" * 32, model=IMAGE_MODEL, payload=payload)
    served.ledger.insert(row)
    assert served.call("request", row.id, visitor=ANN).startswith("image_url: can't be restored")


@pytest.mark.parametrize(("visitor", "count"), [(ANN, 1), (BOB, 0), (None, 0)])
def test_only_the_owner_runs_a_generation_again(served, visitor, count):
    one = made(served)
    before = served.simulator.charges
    [event] = served.events("_on_run_again")
    wish = {"act": "again", "id": one["id"]}
    served.fire(event, [], visitor=visitor, session=f"again{visitor}", event_data=wish)
    assert served.simulator.charges == before + count


def test_next_and_previous_go_through_the_owners_videos(served):
    first, second = (made(served, visitor="d" * 32, prompt=f"Take {n}") for n in (1, 2))
    [event] = served.events("_on_open")
    for start, act, found in ((second, "older", first), (first, "newer", second)):
        asked = {"act": act, "id": start["id"]}
        shown = served.fire(event, [], visitor="d" * 32, session=f"goes {act}", event_data=asked)
        assert found["video"] in shown.text
    end = {"act": "older", "id": first["id"]}
    shown = served.fire(event, [], visitor="d" * 32, session="at the end", event_data=end)
    assert "/media/" not in shown.text


def test_a_link_that_leads_to_nothing_says_so(served):
    [event] = served.events("_on_load")
    shown = served.fire(event, [], session="deadlink99", query=f"v={'0' * 32}")
    assert "No video at this link" in shown.text


def test_the_strip_is_the_visitors_own_and_counts_all_of_his(served):
    visitor = "e" * 32
    one = made(served, visitor=visitor)
    [event, *_] = served.events("_on_runs")
    mine = served.fire(event, [], visitor=visitor, session="stripmine1").text
    assert one["id"] in mine
    assert 'data-total=\\"1\\"' in mine
    assert one["id"] not in served.fire(event, [], visitor=BOB, session="striptheirs").text


def test_neighbors_in_one_millisecond_are_all_reached(ledger):
    rows = [a_row(id=f"{n}" * 32) for n in range(5)]
    for row in rows:
        ledger.insert(dataclasses.replace(row))
    seen, here = ["4" * 32], "4" * 32
    while (here := ledger.neighbor(here, ANN, is_newer=False)) is not None:
        seen.append(here)
    assert sorted(seen) == [row.id for row in rows]
    assert ledger.neighbor("4" * 32, ANN, is_newer=True) is None
    assert ledger.count(ANN) == 5


@pytest.mark.parametrize(("handler", "act"), [("_on_run_again", "again"), ("_on_use", "use")])
def test_what_another_window_has_deleted_is_said_where_this_one_still_shows_it(
    served, handler, act
):
    [event] = served.events(handler)
    wish = {"act": act, "id": "0" * 32}
    answer = served.fire(event, [], visitor=ANN, session=f"deleted {act}", event_data=wish)
    assert "This generation was deleted" in answer.text
