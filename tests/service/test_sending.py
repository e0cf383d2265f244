"""What waits to be sent, what is given up, and one app to a folder."""

import asyncio
import logging
import signal
import sqlite3
import threading
import time
import urllib.request
from base64 import b64encode
from contextlib import closing
from dataclasses import replace
from io import BytesIO

import pytest
from app_process import START_SECONDS
from crash import App
from harness import (
    LOST,
    MODEL,
    PROMPT,
    REAL_SLEEP_SECONDS,
    TOO_LONG_SECONDS,
    assert_a_video_is_there,
    assert_nothing_is_left_running,
    assert_paid_once,
    at_rest,
    made,
    posts,
    statuses,
    submit,
    until,
    watched,
)
from PIL import Image

from kling_ui.ledger import Ledger, LedgerError
from kling_ui.service import Status, policy
from kling_ui.simulator import Fault, Simulator

PATHS = {
    "kling": "/v2/generate/video/kling/generation",
    "universal": "/v2/video/generations",
}

# -- as many tasks as the account may have


FORMS = {
    "1303": (429, "Kling error 1303: something"),
    "in Kling's words": (400, "parallel task over resource pack limit"),
    "too many tasks": (403, "Too many tasks are running"),
    "concurrency": (429, "Concurrency limit reached"),
}


def full(status, message):
    """Let Kling's limit of parallel tasks be reached until the plan is cleared."""
    return Fault(on="create", kind="status", status=status, message=message, times=None)


IMAGE_MODEL = "kling-video/v1.6/standard/image-to-video"

in_every_form = pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))


@in_every_form
async def test_at_the_limit_it_waits_in_line_and_is_sent_once_when_the_limit_is_gone(
    service, simulator, form
):
    simulator.plan(full(*form))
    waiting = await submit(service, MODEL, {"prompt": PROMPT})
    assert (waiting.status, waiting.error.kind) == (Status.WAITING, "concurrency_limit")
    assert "waits in line" in waiting.error.message
    assert "Nothing was spent." in waiting.error.message
    assert service.is_working_on(waiting.id)
    await until(lambda: len(posts(simulator)) > 2)
    assert simulator.accepted == 0
    simulator.clear()
    assert_a_video_is_there(service, (await watched(service, waiting.id))[-1])
    assert (simulator.accepted, simulator.charges) == (1, 1)
    sent = {post.headers["x-client-request-id"] for post in posts(simulator)}
    assert sent == {waiting.id}


async def test_after_an_hour_in_line_it_is_given_up_and_cost_nothing(service, simulator, runtime):
    simulator.plan(full(*FORMS["1303"]))
    last = (await made(service))[-1]
    assert (last.status, last.error.kind) == (Status.REJECTED, "refused")
    assert "Nothing was spent." in last.error.message
    assert 3500 < sum(runtime.slept) <= 3600
    assert (simulator.accepted, simulator.charges) == (0, 0)
    assert_nothing_is_left_running(service)


async def test_an_answer_lost_after_waiting_in_line_is_looked_up(service, simulator):
    simulator.plan(replace(full(*FORMS["1303"]), times=3), LOST["reset"])
    assert_a_video_is_there(service, (await made(service))[-1])
    assert (simulator.accepted, simulator.charges, len(posts(simulator))) == (1, 1, 4)


# -- what waited when the app was ended


@pytest.fixture
async def waiting(make_service, simulator, runtime):
    """A generation that waited in line when the app was ended; it has a start image."""
    simulator.plan(full(*FORMS["1303"]))
    runtime.longest_sleep = 60
    first = make_service()
    picture = BytesIO()
    Image.new("RGB", (320, 320), "teal").save(picture, "PNG")
    uri = f"data:image/png;base64,{b64encode(picture.getvalue()).decode()}"
    waits = await submit(first, IMAGE_MODEL, {"prompt": PROMPT, "image_url": uri})
    await first.close()
    simulator.clear()
    runtime.longest_sleep = REAL_SLEEP_SECONDS
    return waits


async def test_what_waited_for_less_than_an_hour_goes_on_by_itself(
    make_service, simulator, waiting, ledger
):
    assert ledger.get(waiting.id).status is Status.WAITING
    second = make_service()
    assert await second.resume() == 1
    assert_a_video_is_there(second, await at_rest(second, waiting.id))
    assert (simulator.accepted, simulator.charges) == (1, 1)


async def test_what_waited_for_longer_is_sent_only_after_a_person_has_said_so(
    make_service, simulator, waiting, runtime
):
    sent = len(posts(simulator))
    runtime.pass_by(hours=1.1)
    for _ in range(2):
        service = make_service()
        assert await service.resume() == 1
        asking = await at_rest(service, waiting.id)
        assert (asking.status, asking.error.kind) == (Status.WAITING, "confirm")
        assert "Nothing was spent. Send it now, or don't." in asking.error.message
    assert len(posts(simulator)) == sent
    await service.resume_one(waiting.id)
    assert_a_video_is_there(service, await at_rest(service, waiting.id))
    assert (simulator.accepted, simulator.charges, len(posts(simulator))) == (1, 1, sent + 1)


async def test_what_asks_to_be_sent_can_be_withdrawn_for_good(
    make_service, simulator, waiting, runtime
):
    sent = len(posts(simulator))
    runtime.pass_by(hours=1.1)
    service = make_service()
    await service.resume()
    await at_rest(service, waiting.id)
    await service.cancel(waiting.id)
    last = await service.get(waiting.id)
    assert (last.status, last.error.kind) == (Status.CANCELLED, "cancelled")
    await service.resume_one(waiting.id)
    assert await service.resume() == 0
    assert (await service.get(waiting.id), len(posts(simulator))) == (last, sent)


async def test_what_waited_and_whose_files_are_gone_is_refused_in_words(
    make_service, simulator, waiting, tmp_path
):
    [kept] = (tmp_path / "data" / "inputs").iterdir()
    kept.unlink()
    sent = len(posts(simulator))
    service = make_service()
    await service.resume()
    last = await at_rest(service, waiting.id)
    assert (last.status, last.error.kind) == (Status.REJECTED, "not_sent")
    assert "its files are no longer here. Nothing was spent." in last.error.message
    assert len(posts(simulator)) == sent


@pytest.mark.parametrize("route", ["kling", "universal"])
async def test_what_waits_is_sent_by_the_route_that_is_forced_now(
    make_service, simulator, waiting, ledger, route
):
    service = make_service(route=route)
    await service.resume()
    assert_a_video_is_there(service, await at_rest(service, waiting.id))
    assert posts(simulator)[-1].path == PATHS[route]


# -- withdrawing


async def test_what_waits_can_be_withdrawn_and_is_never_sent(service, simulator, runtime):
    runtime.longest_sleep = 60
    simulator.plan(full(*FORMS["1303"]))
    waiting = await submit(service, MODEL, {"prompt": PROMPT})
    await service.cancel(waiting.id)
    withdrawn = await service.get(waiting.id)
    assert (withdrawn.status, withdrawn.error.kind) == (Status.CANCELLED, "cancelled")
    assert "Nothing was spent." in withdrawn.error.message
    assert withdrawn.finished_at is not None
    await at_rest(service, waiting.id)
    assert_nothing_is_left_running(service)
    simulator.clear()
    await service.resume_one(waiting.id)
    assert (len(posts(simulator)), simulator.accepted) == (1, 0)


async def test_a_request_that_is_on_its_way_can_not_be_withdrawn(service, simulator):
    simulator.plan(Fault(on="create", kind="hang", seconds=0.1, after=True))
    call = asyncio.ensure_future(submit(service, MODEL, {"prompt": PROMPT}))
    await until(lambda: posts(simulator))
    [running] = await service.newest("local", limit=5)
    await service.cancel(running.id)
    lost = await call
    assert_a_video_is_there(service, await at_rest(service, lost.id))
    assert_paid_once(simulator)


class Hesitant(Ledger):
    """A ledger whose writes of one status take as long as a test wants."""

    def __init__(self, url, status):
        super().__init__(url)
        self.status = status
        self.is_writing, self.may_write = threading.Event(), threading.Event()

    def update(self, generation_id, **changes):
        if changes.get("status") is self.status:
            self.is_writing.set()
            self.may_write.wait(TOO_LONG_SECONDS)
        return super().update(generation_id, **changes)


async def test_what_is_withdrawn_while_its_row_is_written_is_not_sent(
    make_service, simulator, ledger_url
):
    ledger = Hesitant(ledger_url, Status.SUBMITTING)
    ledger.open()
    service = make_service(ledger=ledger)
    call = asyncio.ensure_future(submit(service, MODEL, {"prompt": PROMPT}))
    await until(ledger.is_writing.is_set)
    [waiting] = ledger.newest("local", limit=1)
    cancelling = asyncio.ensure_future(service.cancel(waiting.id))
    await asyncio.sleep(REAL_SLEEP_SECONDS)
    ledger.may_write.set()
    await cancelling
    assert (await call).status is Status.CANCELLED
    assert ledger.get(waiting.id).status is Status.CANCELLED
    assert posts(simulator) == []
    ledger.close()


async def test_a_row_that_was_withdrawn_behind_the_back_of_a_run_is_not_sent(
    make_service, simulator, ledger_url
):
    """As by another process, or a page that found no run a moment before this one began."""
    ledger = Hesitant(ledger_url, Status.SUBMITTING)
    ledger.open()
    service = make_service(ledger=ledger)
    call = asyncio.ensure_future(submit(service, MODEL, {"prompt": PROMPT}))
    await until(ledger.is_writing.is_set)
    [waiting] = ledger.newest("local", limit=1)
    ledger.update(waiting.id, only_from=(Status.WAITING,), status=Status.CANCELLED)
    ledger.may_write.set()
    assert (await call).status is Status.CANCELLED
    await at_rest(service, waiting.id)
    assert posts(simulator) == []
    ledger.close()


async def test_what_is_withdrawn_while_the_ledger_is_in_trouble_is_not_sent_later(
    make_service, simulator, ledger_url, runtime
):
    class Refusing(Ledger):
        is_broken = True

        def update(self, generation_id, **changes):
            if self.is_broken:
                raise LedgerError("The ledger can't be used: disk full.")
            return super().update(generation_id, **changes)

    ledger = Refusing(ledger_url)
    ledger.open()
    service = make_service(ledger=ledger)
    waiting = await submit(service, MODEL, {"prompt": PROMPT})
    assert (waiting.status, waiting.error.kind) == (Status.WAITING, "ledger")
    assert "not sent before it can be written down. Nothing was spent." in waiting.error.message
    await service.cancel(waiting.id)
    ledger.is_broken = False
    last = await at_rest(service, waiting.id)
    assert (last.status, last.error.kind) == (Status.CANCELLED, "cancelled")
    assert posts(simulator) == []
    ledger.close()


class LosingCommits(Ledger):
    """A ledger that makes an insertion and tells of an error; `is_gone`: and then of no more."""

    is_gone = False

    def insert(self, generation):
        super().insert(generation)
        raise LedgerError("The ledger can't be used: connection lost.")

    def end_waiting(self, ids, **changes):
        if self.is_gone:
            raise LedgerError("The ledger can't be used: connection lost.")
        return super().end_waiting(ids, **changes)


@pytest.mark.parametrize("is_gone", [False, True])
async def test_what_was_written_down_against_appearances_is_not_sent_by_surprise(
    make_service, simulator, ledger_url, is_gone
):
    ledger = LosingCommits(ledger_url)
    ledger.open()
    ledger.is_gone = is_gone
    service = make_service(ledger=ledger)
    refused = await submit(service, MODEL, {"prompt": PROMPT})
    assert (refused.status, refused.error.kind) == (Status.REJECTED, "ledger")
    assert "Nothing was spent." in refused.error.message
    assert ("it is sent within the hour" in refused.error.message) is is_gone
    assert_nothing_is_left_running(service)
    ledger.is_gone = False
    again = make_service(ledger=ledger)
    await again.resume()
    last = await at_rest(again, refused.id)
    assert last.status is (Status.COMPLETED if is_gone else Status.REJECTED)
    assert (len(posts(simulator)), simulator.charges) == ((1, 1) if is_gone else (0, 0))
    ledger.close()


async def test_nothing_is_withdrawn_or_put_away_that_is_not_there(service):
    await service.cancel("nothing")
    await service.put_away("nothing")
    await service.abandon("nothing")
    await service.resume_one("nothing")


async def test_who_does_not_want_to_wait_has_it_sent_now(service, simulator, runtime):
    simulator.plan(full(*FORMS["1303"]))
    runtime.longest_sleep = 60
    waiting = await submit(service, MODEL, {"prompt": PROMPT})
    simulator.clear()
    await service.resume_one(waiting.id)
    assert_a_video_is_there(service, await at_rest(service, waiting.id))
    assert (simulator.accepted, simulator.charges, len(posts(simulator))) == (1, 1, 2)


# -- giving up


async def test_giving_up_ends_the_search_for_good(make_service, simulator, runtime):
    simulator.plan(Fault(on="create", kind="reset_before"))
    runtime.longest_sleep = 0.02
    service = make_service()
    lost = await submit(service, MODEL, {"prompt": PROMPT})
    await until(lambda: asked_for(simulator))
    await service.abandon(lost.id)
    abandoned = await service.get(lost.id)
    assert (abandoned.status, abandoned.error.kind) == (Status.ABANDONED, "abandoned")
    assert abandoned.finished_at is not None
    assert_nothing_is_left_running(service)
    asked = len(asked_for(simulator))
    assert await make_service().resume() == 0
    await service.resume_one(lost.id)
    await asyncio.sleep(0.1)
    assert len(asked_for(simulator)) == asked


async def test_giving_up_in_the_very_moment_of_looking_again_leaves_nothing_behind(
    service, simulator
):
    simulator.plan(Fault(on="create", kind="reset_before"))
    lost = await at_rest(service, (await made(service))[-1].id)
    await service.resume_one(lost.id)
    await service.abandon(lost.id)
    assert (await service.get(lost.id)).status is Status.ABANDONED
    assert_nothing_is_left_running(service)


async def test_what_is_found_in_the_very_moment_of_giving_up_is_kept(
    service, simulator, ledger, monkeypatch
):
    is_writing, may_write = threading.Event(), threading.Event()
    update = ledger.update

    def hesitant(generation_id, **changes):
        if changes.get("task_id"):
            is_writing.set()
            may_write.wait(5)
        return update(generation_id, **changes)

    monkeypatch.setattr(ledger, "update", hesitant)
    simulator.plan(LOST["reset"])
    lost = await submit(service, MODEL, {"prompt": PROMPT})
    assert lost.status is Status.UNKNOWN
    await until(is_writing.is_set)
    giving_up = asyncio.create_task(service.abandon(lost.id))
    await asyncio.sleep(0.02)
    may_write.set()
    await giving_up
    assert_a_video_is_there(service, await at_rest(service, lost.id))
    assert_paid_once(simulator)


async def test_a_mistake_of_our_own_is_told_to_those_who_come_later_too(
    service, simulator, ledger, monkeypatch
):
    simulator.plan(Fault(on="get", kind="word", word="queued", times=None))
    monkeypatch.setattr(policy, "status_while_going", None)
    stopped = await at_rest(service, (await made(service))[-1].id)
    assert (stopped.status, stopped.error.kind) == (Status.QUEUED, "internal")
    assert ledger.get(stopped.id) == stopped


class Reluctant(Ledger):
    """A ledger that can't be read as often as `refusals` says, after `answers` more times."""

    answers = refusals = 0

    def get(self, generation_id):
        if self.answers:
            self.answers -= 1
        elif self.refusals:
            self.refusals -= 1
            raise LedgerError("The ledger can't be used: disk I/O error.")
        return super().get(generation_id)


async def test_a_late_resume_leaves_what_is_just_being_sent_alone(
    make_service, simulator, ledger_url
):
    is_written, may_go_on = threading.Event(), threading.Event()

    class Slow(Ledger):
        def insert(self, generation):
            super().insert(generation)
            is_written.set()
            may_go_on.wait(5)

    ledger = Slow(ledger_url)
    service = make_service(ledger=ledger)
    call = asyncio.ensure_future(made(service))
    await asyncio.to_thread(is_written.wait, 5)
    assert await service.resume() == 1
    assert service.diagnostics()["runs"] == 0
    may_go_on.set()
    snapshots = await call
    assert "unknown" not in statuses(snapshots)
    assert_a_video_is_there(service, snapshots[-1])
    assert_paid_once(simulator)
    ledger.close()


async def test_a_ledger_that_cannot_be_read_is_waited_for(make_service, simulator, ledger_url):
    ledger = Reluctant(ledger_url)
    service = make_service(ledger=ledger)
    simulator.plan(Fault(on="get", kind="status", status=401, times=None))
    stopped = await at_rest(service, (await made(service))[-1].id)
    simulator.clear()
    ledger.answers, ledger.refusals = 2, 3  # the click may read it, the run it begins may not
    await service.resume_one(stopped.id)
    assert_a_video_is_there(service, await at_rest(service, stopped.id))
    assert ledger.refusals == 0
    assert_paid_once(simulator)
    ledger.close()


async def test_a_failure_that_is_listed_is_believed_also_where_the_search_is_over(
    make_service, simulator
):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    first = make_service()
    lost = await at_rest(first, (await made(first, "[fail]"))[-1].id)
    assert "goes back 92 days" in lost.error.message
    simulator.clear()
    second = make_service()
    await second.resume()
    last = await at_rest(second, lost.id)
    assert (last.status, last.error.kind) == (Status.FAILED, "failed")
    assert "Failed generations are not charged." in last.error.message
    assert simulator.charges == 0


async def test_a_look_without_an_answer_is_not_the_last_one(make_service, simulator, runtime):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    first = make_service()
    lost = (await made(first))[-1]
    await first.close()
    simulator.clear()
    simulator.plan(Fault(on="logs", kind="html", times=3))
    second = make_service()
    await second.resume()
    assert_a_video_is_there(second, await at_rest(second, lost.id))
    assert_paid_once(simulator)


def asked_for(simulator):
    return [seen for seen in simulator.seen if seen.path == "/v2/logs"]


# -- words that nobody knows


async def test_a_status_word_that_is_new_is_logged_just_once(service, simulator, caplog):
    caplog.set_level(logging.WARNING)
    simulator.plan(Fault(on="get", kind="word", word="moderating", times=3))
    await made(service)
    simulator.plan(Fault(on="get", kind="word", word="moderating", times=3))
    assert_a_video_is_there(service, (await made(service))[-1])
    assert [record.message for record in caplog.records].count(
        "the provider says a status that is new to us: moderating"
    ) == 1


# -- one app to a folder


@pytest.fixture
def _may_be_interrupted():
    """Some shells start what runs in the background deaf to SIGINT, and processes inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def provider(tmp_path, films):
    with Simulator(folder=tmp_path / "provider", seconds=60) as running:
        yield running


@pytest.fixture
def app(tmp_path, provider):
    app = App(tmp_path / "data", provider.base_url)
    app.start()
    yield app
    app.kill()


def test_a_second_app_on_the_same_folder_is_refused_until_the_first_has_died(
    app, provider, tmp_path
):
    app.wait_until_served()
    second = App(app.folder, provider.base_url)
    second.log = tmp_path / "second.log"
    second.start()
    try:
        assert second.process.wait(START_SECONDS) == 1
        said = second.log.read_text()
        assert f"Kling UI can't start: another one is using {app.folder}." in said
        assert "KLING_UI_DATA_DIR" in said
        assert "Traceback" not in said
        urllib.request.urlopen(app.url, timeout=5).close()
        app.kill()
        second.start()
        second.wait_until_served()
    finally:
        second.kill()


def test_a_ledger_that_cannot_be_read_at_the_start_is_waited_for_by_one_app(tmp_path, films):
    with Simulator(folder=tmp_path / "provider", seconds=2) as provider:
        app = App(tmp_path / "data", provider.base_url)
        app.start()
        app.wait_until_served()
        running = app.call("submit", MODEL, PROMPT, {})
        app.kill()
        rename_table(app, "generations", "away")
        app.start()
        try:
            app.wait_until_served()
            time.sleep(6)  # longer than Gradio waits before it starts another server
            rename_table(app, "away", "generations")
            for _ in range(60):
                last = app.call("status", running["id"], 1)
                if last["status"] == "completed":
                    break
                time.sleep(0.5)
        finally:
            app.kill()
        assert last["status"] == "completed"
        assert app.log.read_text().count("Running on local URL") == 2
        assert "Traceback" not in app.log.read_text()
        assert provider.accepted == 1


def rename_table(app, old, new):
    with closing(sqlite3.connect(app.folder / "kling-ui.db")) as ledger, ledger:
        ledger.execute(f"ALTER TABLE {old} RENAME TO {new}")


@pytest.mark.usefixtures("_may_be_interrupted")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_app_ends_when_it_is_asked_to_also_in_the_middle_of_a_generation(app, provider, name):
    app.wait_until_served()
    running = app.call("submit", MODEL, PROMPT, {})
    assert running["status"] in {"queued", "generating"}
    event = app._post("generate", [MODEL, PROMPT, {}])
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/generate/{event}", timeout=30) as page:
        assert page.readline()
        app.process.send_signal(signal.Signals[name])
        # Within about a second, but no test asserts a time; without an end of ours, never.
        app.process.wait(START_SECONDS)
    assert "Traceback" not in app.log.read_text()
    # So that a copy of the file alone is a whole backup.
    assert not (app.folder / "kling-ui.db-wal").exists()
    ledger = Ledger(f"sqlite:///{app.folder}/kling-ui.db")
    ledger.open()
    assert not ledger.get(running["id"]).status.is_final
    ledger.close()
    assert provider.accepted == 2
