"""Waiting in line, giving up, and one app to a folder: the ways a generation is held up."""

import asyncio
import logging
import signal
import sqlite3
import threading
import time
import urllib.request
from contextlib import closing

import pytest
from crash import App
from worlds import (
    LOST,
    MODEL,
    PROMPT,
    REAL_SLEEP_SECONDS,
    assert_a_video_is_there,
    assert_nothing_is_left_running,
    assert_paid_once,
    at_rest,
    made,
    posts,
    statuses,
    until,
    watched,
)

from kling_ui.ledger import Ledger, LedgerError
from kling_ui.service import Status
from kling_ui.simulator import Fault, Simulator

# -- as many tasks as the account may have


def full(status):
    """Let Kling's limit of parallel tasks be reached until the plan is cleared."""
    message = "Kling error 1303: parallel task over resource pack limit"
    return Fault(on="create", kind="status", status=status, message=message, times=None)


in_every_form = pytest.mark.parametrize("status", [400, 429, 500])


@in_every_form
async def test_at_the_limit_it_waits_in_line_and_is_sent_once_when_the_limit_is_gone(
    service, simulator, status
):
    simulator.plan(full(status))
    waiting = await service.submit(MODEL, {"prompt": PROMPT})
    assert (waiting.status, waiting.error.kind) == (Status.SUBMITTING, "in_line")
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


@in_every_form
async def test_after_an_hour_in_line_it_is_given_up_and_cost_nothing(
    service, simulator, runtime, status
):
    simulator.plan(full(status))
    last = (await made(service))[-1]
    assert (last.status, last.error.kind) == (Status.REJECTED, "refused")
    assert "Nothing was spent." in last.error.message
    assert 3500 < sum(runtime.slept) <= 3600
    assert (simulator.accepted, simulator.charges) == (0, 0)
    assert_nothing_is_left_running(service)


@pytest.mark.parametrize("is_logged", [True, False], ids=["refusals are listed", "not listed"])
@in_every_form
async def test_what_waited_in_line_when_the_app_was_killed_is_never_sent_again(
    make_service, simulator, ledger, status, is_logged
):
    simulator.plan(full(status))
    first = make_service()
    waiting = await first.submit(MODEL, {"prompt": PROMPT})
    await first.close()
    assert ledger.get(waiting.id).status is Status.SUBMITTING
    simulator.clear()
    if not is_logged:
        simulator.plan(Fault(on="logs", kind="late", times=None))
    sent = len(posts(simulator))
    second = make_service()
    assert await second.resume() == 1
    last = await at_rest(second, waiting.id)
    assert last.status is (Status.REJECTED if is_logged else Status.UNKNOWN)
    assert last.error.kind in {"refused", "unknown"}
    assert len(posts(simulator)) == sent
    assert (simulator.accepted, simulator.charges) == (0, 0)


async def test_what_waits_in_line_can_be_withdrawn_and_is_never_sent(service, simulator, runtime):
    runtime.longest_sleep = 60
    simulator.plan(full(429))
    waiting = await service.submit(MODEL, {"prompt": PROMPT})
    assert waiting.error.kind == "in_line"
    await service.forget(waiting.id)
    withdrawn = await service.get(waiting.id)
    assert (withdrawn.status, withdrawn.error.kind) == (Status.REJECTED, "withdrawn")
    assert "Nothing was spent." in withdrawn.error.message
    assert_nothing_is_left_running(service)
    assert service._runner._waiting == {}
    simulator.clear()
    await asyncio.sleep(0.05)
    assert (len(posts(simulator)), simulator.accepted) == (1, 0)


async def test_a_request_that_is_on_its_way_can_not_be_withdrawn(service, simulator):
    simulator.plan(Fault(on="create", kind="hang", seconds=0.1, after=True))
    call = asyncio.ensure_future(service.submit(MODEL, {"prompt": PROMPT}))
    await until(lambda: posts(simulator))
    [running] = await service.newest("local", limit=5)
    await service.forget(running.id)
    lost = await call
    assert_a_video_is_there(service, await at_rest(service, lost.id))
    assert_paid_once(simulator)


# -- giving up


async def test_forgetting_ends_the_search_for_good(make_service, simulator, runtime):
    simulator.plan(Fault(on="create", kind="reset_before"))
    runtime.longest_sleep = 0.02
    service = make_service()
    lost = await service.submit(MODEL, {"prompt": PROMPT})
    await until(lambda: asked_for(simulator))
    await service.forget(lost.id)
    forgotten = await service.get(lost.id)
    assert (forgotten.status, forgotten.error.kind) == (Status.REJECTED, "forgotten")
    assert forgotten.finished_at is not None
    assert_nothing_is_left_running(service)
    asked = len(asked_for(simulator))
    assert await make_service().resume() == 0
    await service.resume_one(lost.id)
    await asyncio.sleep(0.1)
    assert len(asked_for(simulator)) == asked


async def test_forgetting_in_the_very_moment_of_looking_again_leaves_nothing_behind(
    service, simulator
):
    simulator.plan(Fault(on="create", kind="reset_before"))
    lost = await at_rest(service, (await made(service))[-1].id)
    await service.resume_one(lost.id)
    await service.forget(lost.id)
    assert (await service.get(lost.id)).error.kind == "forgotten"
    assert_nothing_is_left_running(service)


async def test_what_is_found_in_the_very_moment_of_forgetting_is_kept(
    service, simulator, ledger, monkeypatch
):
    is_writing, may_write = threading.Event(), threading.Event()
    update = ledger.update

    def hesitant(generation_id, **changes):
        if "task_id" in changes:
            is_writing.set()
            may_write.wait(5)
        return update(generation_id, **changes)

    monkeypatch.setattr(ledger, "update", hesitant)
    simulator.plan(LOST["reset"])
    lost = await service.submit(MODEL, {"prompt": PROMPT})
    assert lost.status is Status.UNKNOWN
    await until(is_writing.is_set)
    forgetting = asyncio.create_task(service.forget(lost.id))
    await asyncio.sleep(0.02)
    may_write.set()
    await forgetting
    assert_a_video_is_there(service, await at_rest(service, lost.id))
    assert_paid_once(simulator)


async def test_a_mistake_of_our_own_is_told_to_those_who_come_later_too(
    service, simulator, ledger, monkeypatch
):
    simulator.plan(Fault(on="get", kind="word", word="queued", times=None))
    monkeypatch.setattr(service._runner, "_take_in", None)
    stopped = await at_rest(service, (await made(service))[-1].id)
    assert (stopped.status, stopped.error.kind) == (Status.QUEUED, "internal")
    assert ledger.get(stopped.id) == stopped


class Reluctant(Ledger):
    """A ledger that can't be read as often as `refusals` says."""

    refusals = 0

    def get(self, generation_id):
        if self.refusals:
            self.refusals -= 1
            raise LedgerError("The ledger can't be used: disk I/O error.")
        return super().get(generation_id)


async def test_looking_again_while_the_ledger_cannot_be_read_drops_nothing(
    make_service, simulator, ledger_url, runtime
):
    def stay_asleep_where_it_is_long(seconds):
        runtime.longest_sleep = 60 if seconds > 30 else REAL_SLEEP_SECONDS

    runtime.on_sleep = stay_asleep_where_it_is_long
    ledger = Reluctant(ledger_url)
    service = make_service(ledger=ledger)
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    resting = (await made(service))[-1]
    assert resting.status is Status.UNKNOWN
    simulator.clear()
    ledger.refusals = 3
    await service.resume_one(resting.id)
    assert_a_video_is_there(service, await at_rest(service, resting.id))
    assert_paid_once(simulator)
    ledger.close()


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
    assert service._tasks == {}
    may_go_on.set()
    snapshots = await call
    assert "unknown" not in statuses(snapshots)
    assert_a_video_is_there(service, snapshots[-1])
    assert_paid_once(simulator)
    assert service._beginning == set()
    ledger.close()


async def test_a_ledger_that_cannot_be_read_is_waited_for(make_service, simulator, ledger_url):
    ledger = Reluctant(ledger_url)
    service = make_service(ledger=ledger)
    simulator.plan(Fault(on="get", kind="status", status=401))
    stopped = (await made(service))[-1]
    await service.resume_one(stopped.id)
    ledger.refusals = 3
    assert_a_video_is_there(service, await at_rest(service, stopped.id))
    assert_paid_once(simulator)
    ledger.close()


async def test_a_failure_that_is_listed_is_believed_also_where_a_day_has_passed(
    make_service, simulator
):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    first = make_service()
    lost = await at_rest(first, (await made(first, "[fail]"))[-1].id)
    assert "goes back one day" in lost.error.message
    simulator.clear()
    second = make_service()
    await second.resume()
    last = await at_rest(second, lost.id)
    assert (last.status, last.error.kind) == (Status.REJECTED, "refused")
    assert "Nothing was spent." in last.error.message
    assert simulator.charges == 0


async def test_a_day_later_a_look_without_an_answer_is_not_the_last_one(make_service, simulator):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    first = make_service()
    lost = await at_rest(first, (await made(first))[-1].id)
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
        assert second.process.wait(30) == 1
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
        app.process.wait(30)
    assert "Traceback" not in app.log.read_text()
    ledger = Ledger(f"sqlite:///{app.folder}/kling-ui.db")
    ledger.open()
    assert not ledger.get(running["id"]).status.is_final
    ledger.close()
    assert provider.accepted == 2
