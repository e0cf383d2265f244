"""What visitors see of each other: with an id anything to look at, and nothing to change."""

import asyncio
import dataclasses
import errno
import json
import os
import re
from contextlib import ExitStack
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import gradio as gr
import pytest
from harness import API_FIELDS, MODEL, PROMPT, posts, submit
from served_page import OWNER_OF, QUIETLY, serving, visitor_of

from kling_ui import ui
from kling_ui.ledger import LIVE, SIMULATOR, ErrorKind, Generation, GenerationError, Status
from kling_ui.simulator import Fault
from kling_ui.ui.public_api import generation_json
from kling_ui.ui.result import stage_events
from kling_ui.ui.result.stage import Stage
from kling_ui.ui.result.stage_events import StageEvents
from kling_ui.ui.submissions import Submissions
from kling_ui.ui.visit import Visit
from kling_ui.ui.watching import (
    ADDRESS_SHARE,
    IN_TURN,
    MAX_THREADS,
    MOST_WAITING,
    SHARE,
    SUBMITTING,
    WATCHING,
    WatchShares,
)

pytestmark = QUIETLY

ANN, BOB = "a" * 32, "b" * 32
NOBODY = (None, "", 0, False, [], {})


@pytest.fixture(scope="module")
def served(tmp_path_factory, films):
    with pytest.MonkeyPatch.context() as patch:
        for name in OWNER_OF:
            patch.setattr(name, visitor_of)
        with serving(tmp_path_factory.mktemp("visitors")) as served:
            yield served


@pytest.fixture(autouse=True)
def _without_faults(served):
    served.simulator.clear()
    served.simulator.seen.clear()


def a_row(**values):
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    row = {
        "id": "c" * 32,
        "task_id": "task",
        "model": MODEL,
        "payload": {"model": MODEL, "prompt": PROMPT},
        "owner": ANN,
        "origin": SIMULATOR,
        "status": Status.COMPLETED,
        "created_at": stamp,
        "updated_at": stamp,
        **values,
    }
    return Generation(**row)


def made(served, visitor=ANN, prompt=PROMPT):
    """Return a finished generation of a visitor, as the API tells it."""
    return served.call("generate", MODEL, prompt, {}, visitor=visitor)


def listed(served, visitor):
    return str(served.fire(served.events("_on_list")[-1], [], visitor=visitor).values)


# -- what is told


def test_an_answer_holds_exactly_the_named_fields():
    told = generation_json(a_row(error=GenerationError("kind", "message", "prompt")))
    assert set(told) == API_FIELDS
    assert set(told["error"]) == {"kind", "message", "field"}
    assert ANN not in json.dumps(told)


def test_no_answer_page_or_event_tells_an_owner_or_a_path_of_the_disk(served):
    one = made(served)
    told = [json.dumps(one), json.dumps(served.call("status", one["id"], 0))]
    told += [served.http.get(path).text for path in ("/", "/config", "/gradio_api/info")]
    told.append(json.dumps(served.call("models")))
    for number, fn in served.page.fns.items():
        data = [None] * len(fn.inputs)
        answer = served.fire(
            number, data, visitor=ANN, event_data={"id": one["id"]}, session="p" * 9
        )
        told.append(answer.text)
    assert any(one["video"] in text for text in told[2:])
    for text in told:
        assert ANN not in text
        assert str(served.folder) not in text


# -- who may do what


def test_whoever_has_an_id_may_look(served):
    one = made(served)
    assert served.call("status", one["id"], 0, visitor=BOB) == one
    assert served.http.get(one["video"]).status_code == 200
    shown = served.fire(served.events("_on_open")[0], [], visitor=BOB, event_data={"id": one["id"]})
    assert one["video"] in shown.text


def test_a_visitor_lists_his_own_and_nobody_lists_nothing(served):
    one = made(served, prompt="Ann's own boat")
    assert one["id"] in listed(served, ANN)
    assert one["id"] not in listed(served, BOB)
    assert one["id"] not in listed(served, None)
    assert "data-open" not in listed(served, None)


async def test_nobody_has_no_generations_whatever_he_calls_himself(served):
    orphan = served.call("generate", MODEL, PROMPT, {})
    assert orphan["status"] == "completed"
    for name in NOBODY:
        assert await served.service.newest(name) == []
        assert not served.service.owns(a_row(owner=""), name)
    assert "data-open" not in listed(served, None)


@pytest.mark.parametrize("status", [status for status in Status if not status.is_final])
def test_a_stranger_changes_nothing_of_anothers_generation(served, status):
    """Every change there is: look again, download again, forget, don't send."""
    row = a_row(id=f"{status:x<32}"[:32], origin=SIMULATOR, status=status)
    served.ledger.insert(row)
    service = served.service
    for owner in (BOB, "local", *NOBODY):
        asyncio.run(service.resume_one(row.id, owner=owner))
        asyncio.run(service.abandon(row.id, owner=owner))
    assert served.ledger.get(row.id) == row
    assert not service.is_working_on(row.id)
    assert served.simulator.seen == []


async def test_a_stranger_does_not_withdraw_what_waits_in_line(make_service, simulator, runtime):
    runtime.longest_sleep = 60
    full = "Kling error 1303: parallel task over resource pack limit"
    simulator.plan(Fault(on="create", kind="status", status=429, message=full, times=None))
    service = make_service()
    waiting = await submit(service, MODEL, {"prompt": PROMPT}, owner=ANN)
    for owner in (BOB, "local", *NOBODY):
        await service.cancel(waiting.id, owner=owner)
        await service.abandon(waiting.id, owner=owner)
        await service.resume_one(waiting.id, owner=owner)
    assert await service.get(waiting.id) == waiting
    await service.cancel(waiting.id, owner=ANN)
    assert (await service.get(waiting.id)).error.kind == "cancelled"


def test_the_pages_own_events_compare_owners_too(served):
    row = a_row(id="f" * 32, status=Status.UNKNOWN, task_id=None)
    served.ledger.insert(row)
    [event] = served.events("_on_hide")
    for visitor, status in ((BOB, "unknown"), (None, "unknown"), (ANN, "abandoned")):
        wish = {"id": row.id, "act": "abandon"}
        served.fire(event, [], visitor=visitor, session=f"wishes{visitor}", event_data=wish)
        assert served.ledger.get(row.id).status == status


def test_only_its_owner_puts_away_what_goes_on_without_news(served):
    error = GenerationError(ErrorKind.NO_NEWS, "No answer from the provider.")
    row = a_row(id="b" * 32, status=Status.GENERATING, origin=LIVE, error=error)
    served.ledger.insert(row)
    [event] = served.events("_on_hide")
    wish = {"id": row.id, "act": "put_away"}
    for visitor, is_put_away in ((BOB, False), (None, False), (ANN, True)):
        session = f"puts-away{visitor}"
        served.fire(event, [], visitor=visitor, session=session, event_data=wish)
        assert served.ledger.get(row.id).is_put_away is is_put_away
    assert served.ledger.get(row.id).status == "generating"


WISHES = ("hide", "cancel", "abandon", "put_away")


@pytest.mark.parametrize("then", ["open", "resume", "", *WISHES, None])
def test_what_is_pressed_between_submission_and_following_is_not_overtaken(served, then):
    session = f"between{then}"
    other = made(served)
    posted = len(posts(served.simulator))
    submitted = served.fire(served.events("on_generate")[0], form_of(served), session=session)
    assert "submitting" in submitted.text
    assert len(posts(served.simulator)) == posted + 1
    if then is not None:
        [event] = served.events("_on_hide" if then in WISHES else "_on_open")
        wish = {"id": other["id"] if then else "", "act": then}
        served.fire(event, [], session=session, event_data=wish)
    followed = served.fire(served.events("_on_submitted")[0], [], session=session)
    assert ("Your video is ready" in followed.text) is (then is None)


INSTEAD = {
    "hide": "Show progress",
    "put_away": "idle",
    "open": "A second one",
    "open nothing": "idle",
    "submit": "A second one",
    "open without a place": "A second one",
}
"""What a page may do instead of following a generation, and what it shows then."""


@pytest.mark.parametrize(("act", "does_end"), [*((act, True) for act in INSTEAD), ("hide", False)])
async def test_what_is_shown_instead_waits_for_progress_that_is_on_its_way(
    make_service, simulator, monkeypatch, act, does_end
):
    """Gradio asks an event for its next values only after those before have been sent."""
    simulator.plan(Fault(on="get", kind="word", word="generating", times=None))
    service = make_service()
    one = await submit(service, MODEL, {"prompt": PROMPT}, owner=ANN)
    second = await submit(service, MODEL, {"prompt": "A second one"}, owner=ANN)
    visit = Visit(owner=ANN, session="s", caller="c", address="a", root_path="")
    monkeypatch.setattr(Visit, "of", lambda _: visit)
    monkeypatch.setattr(stage_events, "LONGEST_END_SECONDS", 60 if does_end else 0.2)
    with gr.Blocks():
        stage = Stage(service)
    submissions = Submissions()
    shares = WatchShares(share=1 if act == "open without a place" else SHARE)
    events = StageEvents(service, stage, shares, submissions)
    followed = events.watch(one.id, visit)
    await anext(followed)  # and while these values are on their way to the page:
    if act in {"hide", "put_away"}:
        wish = {"id": one.id, "act": act}
        instead = events._on_hide(gr.EventData(None, wish), None)
    elif act == "submit":
        submissions.put(visit.session, second.id)
        instead = anext(events._on_submitted(None))
    else:
        wish = {"id": "" if act == "open nothing" else second.id, "act": "open"}
        instead = anext(events._on_open(gr.EventData(None, wish), None))
    instead = asyncio.ensure_future(instead)
    if does_end:
        assert not (await asyncio.wait([instead], timeout=0.1))[0]
        late = [painted async for painted in followed]
        assert all(painted == stage.nothing() for painted in late)
    assert INSTEAD[act] in str((await instead)[stage.result])
    await followed.aclose()


def form_of(served, prompt=PROMPT):
    """Return what the composer holds after a prompt was written into it."""
    [event] = served.events("on_generate")
    return [
        prompt if component.elem_id == "prompt" else component.value
        for component in served.page.fns[event].inputs
    ]


def test_a_shared_link_shows_its_generation_on_the_first_visit_in_the_same_event(served):
    one = made(served)
    [event] = served.events("_on_load")
    for number, name in enumerate(("v", "generation")):
        link = f"{name}={one['id']}"
        shown = served.fire(event, [], session=f"firstvisit{number}", query=link)
        assert one["video"] in shown.text
        assert "Your video is ready" in shown.text


CHANGES = ("resume", "cancel", "abandon", "put_away", "again", "continue")
"""What the panel offers to the owner of a generation and to nobody else."""


async def test_a_generation_of_another_has_no_buttons_that_change_it(served):
    row = a_row(id="d" * 32, status=Status.UNKNOWN, task_id=None)
    served.ledger.insert(row)
    visit = Visit(owner=BOB, session="s", caller="c", address="a", root_path="")
    with gr.Blocks():
        stage = Stage(served.service)
    theirs = stage.paint(row, visit, is_watched=False)[stage.result]
    mine = stage.paint(row, dataclasses.replace(visit, owner=ANN), is_watched=False)[stage.result]
    assert 'data-ask="abandon"' in mine
    assert 'data-ask="show"' in theirs
    for wish in CHANGES:
        assert f'data-ask="{wish}"' not in theirs


def test_nothing_about_a_visitor_comes_from_a_components_value(served):
    kinds = {component.get_block_name() for component in served.page.blocks.values()}
    assert "browserstate" not in kinds


# -- files


def test_a_generations_files_are_served_by_name_in_parts_and_with_a_name_to_save(served):
    one = made(served)
    whole = served.http.get(one["video"])
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["x-content-type-options"] == "nosniff"
    saved = re.search('filename="(.+)"', whole.headers["content-disposition"])[1]
    assert saved.startswith("kling-1-6-standard-simulated-a-paper-boat")
    head = served.http.head(one["video"])
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(whole.content)
    part = served.http.get(one["video"], headers={"Range": "bytes=7-9"})
    assert (part.status_code, part.content) == (206, whole.content[7:10])
    poster = served.http.get(one["poster"])
    assert poster.headers["content-type"] == "image/jpeg"
    download = served.http.get(f"{one['video']}?download")
    assert download.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "wanted", ["bytes=5-1", "bytes=99999999-", "bytes=", "x", "bytes=a-b", "bytes=0-1,3-4,9-"]
)
def test_an_odd_range_is_no_mistake_of_the_app(served, wanted):
    answer = served.http.get(made(served)["video"], headers={"Range": wanted})
    assert answer.status_code in {200, 206, 400, 416}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "video.mp4x",
        "VIDEO.MP4",
        "..%2f..%2fledger.db",
        "%2e%2e/%2e%2e/ledger.db",
        "..",
        "video.mp4%00",
        f"{'e' * 64}.png",
        f"input:{'e' * 64}.png",
        "a" * 5000,
    ],
)
def test_no_other_name_is_served(served, name):
    one = made(served)
    assert served.http.get(f"/media/{one['id']}/{name}").status_code == 404
    assert served.http.get(f"/media/{'0' * 32}/video.mp4").status_code == 404


def test_an_input_is_served_only_where_its_generation_was_made_of_it(served):
    name = f"{'e' * 64}.png"
    inputs = served.folder / "data" / "inputs"
    inputs.mkdir(exist_ok=True)
    (inputs / name).write_bytes(b"picture")
    payload = {"model": MODEL, "prompt": PROMPT, "image_list": [{"image": f"input:{name}"}]}
    served.ledger.insert(a_row(id="1" * 32, payload=payload))
    served.ledger.insert(a_row(id="2" * 32))
    answer = served.http.get(f"/media/{'1' * 32}/{name}")
    assert (answer.content, answer.headers["content-type"]) == (b"picture", "image/png")
    assert served.http.get(f"/media/{'2' * 32}/{name}").status_code == 404


def test_below_a_root_path_the_page_names_its_files_below_it(tmp_path, films):
    with serving(tmp_path, path="/kling") as served:
        one = served.call("generate", MODEL, PROMPT, {})
        assert one["video"].startswith("/media/")
        assert served.http.get(f"/kling{one['video']}").status_code == 200
        [event] = served.events("_on_load")
        shown = served.fire(event, [], query=f"generation={one['id']}")
        assert f'"url":"/kling{one["video"]}"' in shown.text.replace('": "', '":"')


UI = Path(str(ui.__file__)).parent
LOADS_BY_ITSELF = re.compile(r"<(?:img|video|audio|source)\b[^<>]*?\ssrc=", re.DOTALL)


@pytest.mark.parametrize("path", sorted(UI.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_loads_before_the_page_knows_its_root_path(path):
    """Else a browser asks whoever is at the top for it, and tells him the generation's id."""
    assert LOADS_BY_ITSELF.findall(path.read_text("utf-8")) == []


def test_a_login_stands_before_the_files_too(tmp_path, films):
    with serving(tmp_path, auth=("ann", "secret")) as served:
        served.http.post("/login", data={"username": "ann", "password": "secret"})
        one = served.call("generate", MODEL, PROMPT, {})
        assert served.http.get(one["video"]).status_code == 200
        served.http.cookies.clear()
        assert served.http.get(one["video"]).status_code == 401


# -- a video whose file is gone


def test_a_video_whose_file_is_gone_is_told_and_can_be_downloaded_again(served):
    one = made(served)
    [file] = (served.folder / "data" / "videos" / one["id"]).glob("*.mp4")
    file.unlink()
    gone = served.call("status", one["id"], 0)
    assert (gone["status"], gone["video"], gone["error"]["kind"]) == ("saving", None, "not_saved")
    assert "no longer in the data folder" in gone["error"]["message"]
    assert 'data-status="saving"' in listed(served, ANN)
    [event] = served.events("_on_open")
    wish = {"id": one["id"], "act": "resume"}
    again = served.fire(event, [], visitor=ANN, session="again1234", event_data=wish)
    assert one["video"] in again.text
    assert served.call("status", one["id"], 0)["status"] == "completed"
    assert file.is_file()
    assert len(posts(served.simulator)) == 1


def test_a_disk_that_fails_is_told_without_its_path(served, monkeypatch):
    def full(generation):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(served.folder / "x.part"))

    monkeypatch.setattr(served.service.files, "adopt", full)
    one = made(served)
    assert one["status"] == "saving"
    assert os.strerror(errno.ENOSPC) in one["error"]["message"]
    assert str(served.folder) not in json.dumps(one)


# -- places


def test_watches_leave_room_for_submissions_and_those_for_short_calls(served):
    limits = [group["concurrency_limit"] for group in (WATCHING, SUBMITTING, IN_TURN)]
    assert sum(limits) < MAX_THREADS
    assert WATCHING["concurrency_limit"] >= 500
    short = {"models", "estimate", "request", "history"}
    for fn in served.page.fns.values():
        is_known = fn.concurrency_id in {"watching", "submitting", "in_turn"}
        assert is_known or not fn.queue or fn.api_name in short, fn


def test_what_paints_over_a_followed_generation_comes_in_one_stream_with_it(served):
    """Else progress that is on its way would paint over what was asked for after it."""
    events = [fn for fn in served.page.fns.values() if fn.fn]
    followed = [fn for fn in events if fn.concurrency_id == WATCHING["concurrency_id"]]
    painted = {each._id for fn in followed for each in fn.outputs}
    painting = [fn for fn in events if painted & {each._id for each in fn.outputs}]
    assert len(painting) > len(followed) > 3
    assert [fn.name for fn in painting if not fn.queue] == []


def test_no_event_of_the_page_has_gradio_keep_its_progress(served):
    """It would be written anew for every output of any event, at each step of each event."""
    events = [fn for fn in served.page.fns.values() if fn.fn]
    own = [fn for fn in events if fn.api_visibility != "public"]
    assert len(own) > 30
    assert [fn.fn for fn in own if fn.show_progress_on != []] == []


def held_at_once(shares, *, who):
    """Let each (caller, address) ask for a place while all before keep theirs."""
    with ExitStack() as held:
        return [held.enter_context(shares.place(*each)) for each in who]


def test_nobody_holds_more_than_his_share_of_places():
    bounds = {
        "a caller's": ("a", "1", "a", "2", "a", "3", "b", "1"),
        "those of an address that changes its cookie": (
            *("a", "1", "b", "1", "c", "1", "d", "1"),
            *("a", "2"),
        ),
        "everybody's": ("a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "6"),
    }
    expected = {
        "a caller's": [True, True, False, True],
        "those of an address that changes its cookie": [True, True, True, False, True],
        "everybody's": [True, True, True, True, True, False],
    }
    for name, words in bounds.items():
        shares = WatchShares(share=2, address_share=3, most=5)
        who = list(zip(words[::2], words[1::2], strict=True))
        assert held_at_once(shares, who=who) == expected[name], name
        assert len(shares) == 0


def test_the_bounds_leave_places_to_answer_whoever_may_not_wait():
    assert SHARE < ADDRESS_SHARE < MOST_WAITING < WATCHING["concurrency_limit"]


async def test_who_waits_beyond_his_share_is_answered_at_once_with_the_state_as_it_is(served):
    served.simulator.plan(Fault(on="get", kind="word", word="queued", times=None))
    one = served.call("submit", MODEL, PROMPT, {}, visitor=ANN)
    waiting = [
        served.http.post("/gradio_api/call/status", json={"data": [one["id"], 40]})
        for _ in range(SHARE)
    ]
    assert {answer.status_code for answer in waiting} == {200}
    answer = served.call("status", one["id"], 40)
    assert (answer["id"], answer["status"]) == (one["id"], "queued")
    shown = served.fire(
        served.events("_on_open")[0], [], event_data={"id": one["id"]}, session="beyond123"
    )
    assert "Queued" in shown.text
    assert len(served.call("models")) > 0
    served.simulator.clear()
    served.call("status", one["id"], 40)


# -- the day's limit


@pytest.fixture
def limited(tmp_path, films):
    with serving(tmp_path, origin=LIVE, day_usd=0.5) as served:
        yield served


def test_once_the_day_has_cost_its_limit_nothing_more_is_sent_and_it_says_until_when(limited):
    for _ in range(3):
        assert limited.call("generate", MODEL, PROMPT, {})["usd_spent"] == 0.21
    said = limited.call("submit", MODEL, PROMPT, {})
    assert re.fullmatch(
        r"Today's limit of \$0\.50 is reached; new videos can be made again after 00:00 UTC "
        r"\(in \d+ (h|min)\)\. Nothing was sent, nothing was spent\.",
        said,
    )
    assert len(posts(limited.simulator)) == 3
    note = limited.fire(limited.events("_on_limit")[0], [])
    assert "Today's limit of $0.50" in unescape(str(note.values))


def test_what_still_runs_counts_and_what_failed_or_is_of_another_day_does_not(limited):
    for number, (status, usd, created) in enumerate(
        [
            (Status.FAILED, 0.0, "now"),
            (Status.REJECTED, None, "now"),
            (Status.COMPLETED, 90.0, "2020-01-01T00:00:00.000+00:00"),
        ]
    ):
        stamp = {} if created == "now" else {"created_at": created}
        limited.ledger.insert(
            a_row(id=f"{number:032}", status=status, usd_spent=usd, origin=LIVE, **stamp)
        )
    limited.ledger.insert(a_row(id="9" * 32, usd_spent=90.0, origin=SIMULATOR))
    assert limited.call("submit", MODEL, PROMPT, {})["status"] == "queued"
    limited.ledger.insert(a_row(id="8" * 32, status=Status.UNKNOWN, origin=LIVE, task_id=None))
    assert "limit" in limited.call("submit", MODEL, PROMPT, {})
