"""The service keeps its generations through restarts, leaving visitors and a broken ledger."""

import asyncio
import contextlib
import sqlite3
import threading

import pytest
from harness import (
    LOST,
    MODEL,
    PROMPT,
    TOO_LONG_SECONDS,
    assert_a_video_is_there,
    assert_no_half_files,
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

from kling_ui.client import Client
from kling_ui.ledger import LIVE, SIMULATOR, Ledger
from kling_ui.service import Generation, Status
from kling_ui.simulator import Fault

# -- a restart

STAYS = {
    Status.UNKNOWN: [LOST["reset"], Fault(on="logs", kind="late", times=None)],
    Status.QUEUED: [Fault(on="get", kind="word", word="queued", times=None)],
    Status.GENERATING: [Fault(on="get", kind="word", word="generating", times=None)],
    Status.SAVING: [Fault(on="download", kind="hang", times=None)],
}


async def end_while(status, make_service, simulator, ledger_url):
    """Let one run of the app end while a generation stands at `status`; return that one."""
    simulator.plan(*STAYS[status])
    first = make_service()
    submitted = await submit(first, MODEL, {"prompt": PROMPT})
    async for snapshot in first.follow(submitted.id):
        if snapshot.status is status:
            break
    await first.close()
    simulator.clear()
    return snapshot


@pytest.mark.parametrize("status", list(STAYS))
async def test_a_restart_goes_on_where_the_app_was_ended(
    make_service, simulator, ledger_url, runtime, status
):
    before = await end_while(status, make_service, simulator, ledger_url)
    ledger = Ledger(ledger_url, now=runtime.now)
    ledger.open()
    assert ledger.get(before.id).status is status
    second = make_service(ledger=ledger)
    assert await second.resume() == 1
    snapshots = await watched(second, before.id)
    assert_a_video_is_there(second, snapshots[-1])
    assert_paid_once(simulator)
    await second.close()
    ledger.close()


async def test_a_restart_in_the_middle_of_the_post_finds_what_it_brought(
    make_service, simulator, ledger
):
    simulator.plan(Fault(on="create", kind="hang", after=True))
    first = make_service()
    call = asyncio.create_task(submit(first, MODEL, {"prompt": PROMPT}))
    await until(lambda: simulator.accepted)
    await first.close()
    before = await call
    assert ledger.get(before.id).status is Status.SUBMITTING
    second = make_service()
    assert await second.resume() == 1
    snapshots = await watched(second, before.id)
    assert "unknown" in statuses(snapshots)
    assert_a_video_is_there(second, snapshots[-1])
    assert_paid_once(simulator)


async def test_a_restart_before_the_post_left_sends_nothing(make_service, simulator, ledger):
    ledger.insert(a_row(ledger, status=Status.SUBMITTING))
    service = make_service()
    assert await service.resume() == 1
    last = await at_rest(service, "f" * 32)
    assert last.status is Status.UNKNOWN
    assert posts(simulator) == []


async def test_what_is_finished_is_not_picked_up(make_service, ledger, simulator):
    ended = [status for status in Status if status.is_final]
    for number, status in enumerate(ended):
        ledger.insert(a_row(ledger, id=str(number), status=status))
    service = make_service()
    assert await service.resume() == 0
    for number in range(len(ended)):
        await service.resume_one(str(number))
    assert simulator.seen == []
    assert_nothing_is_left_running(service)


async def test_what_another_provider_made_is_left_alone(make_service, ledger, simulator):
    real = a_row(ledger, status=Status.GENERATING, origin=LIVE, task_id="t1")
    ledger.insert(real)
    service = make_service(origin=SIMULATOR)
    assert await service.resume() == 0
    await service.resume_one(real.id)
    assert simulator.seen == []
    assert ledger.get(real.id) == real
    assert await watched(service, real.id) == [real]


async def test_picking_up_what_is_under_way_changes_nothing(service, simulator):
    simulator.plan(Fault(on="get", kind="word", word="queued", times=3))
    generation = await submit(service, MODEL, {"prompt": PROMPT})
    await asyncio.gather(*(service.resume_one(generation.id) for _ in range(3)))
    await service.resume_one("nothing")
    assert service.diagnostics()["runs"] == 1
    assert_a_video_is_there(service, (await watched(service, generation.id))[-1])


async def test_two_pick_ups_at_once_are_one(service, simulator):
    simulator.plan(Fault(on="get", kind="status", status=401, times=None))
    stopped = await at_rest(service, (await made(service))[-1].id)
    simulator.clear()
    await asyncio.gather(*(service.resume_one(stopped.id) for _ in range(3)))
    assert service.diagnostics()["runs"] == 1
    assert_a_video_is_there(service, (await watched(service, stopped.id))[-1])


async def test_resuming_twice_is_harmless(make_service, simulator, ledger_url):
    before = await end_while(Status.GENERATING, make_service, simulator, ledger_url)
    service = make_service()
    await service.resume()
    await service.resume()
    assert sum(task.get_name() == before.id for task in asyncio.all_tasks()) == 1
    assert_a_video_is_there(service, (await watched(service, before.id))[-1])
    assert_paid_once(simulator)
    assert_nothing_is_left_running(service)


async def test_an_app_that_ends_right_after_its_start_goes_on_next_time(
    make_service, simulator, ledger_url
):
    before = await end_while(Status.GENERATING, make_service, simulator, ledger_url)
    hasty = make_service()
    await hasty.resume()
    await hasty.close()
    assert_nothing_is_left_running(hasty)
    service = make_service()
    await service.resume()
    assert_a_video_is_there(service, (await watched(service, before.id))[-1])


async def test_what_a_crash_left_half_written_is_removed(make_service):
    service = make_service()
    (service.files._incoming / "abc.part").write_bytes(b"half")
    await service.resume()
    assert_no_half_files(service)


# -- broadcaster


async def test_many_followers_see_the_same_end(service):
    generation = await submit(service, MODEL, {"prompt": PROMPT})
    lives = await asyncio.gather(*(watched(service, generation.id) for _ in range(20)))
    assert {life[-1].status for life in lives} == {Status.COMPLETED}
    assert len({life[-1].video for life in lives}) == 1
    assert_nothing_is_left_running(service)


async def test_who_comes_late_sees_the_end_alone(service):
    last = (await made(service))[-1]
    assert await watched(service, last.id) == [last]


async def test_an_unknown_id_is_followed_by_nothing(service):
    assert await watched(service, "nothing") == []
    assert await service.get("nothing") is None


async def test_stopping_ends_one_watch_and_nothing_else(service, simulator):
    simulator.plan(Fault(on="get", kind="word", word="queued", times=None))
    generation = await submit(service, MODEL, {"prompt": PROMPT})
    mine = asyncio.create_task(watched(service, generation.id, watcher="me"))
    yours = asyncio.create_task(watched(service, generation.id, watcher="you"))
    await until(lambda: service.diagnostics()["subscriptions"] == 2)
    service.stop("me")
    service.stop("nobody")
    assert not (await mine)[-1].status.is_final
    assert service.diagnostics()["subscriptions"] == service.diagnostics()["watchers"] == 1
    assert service.is_working_on(generation.id)
    simulator.clear()
    assert_a_video_is_there(service, (await yours)[-1])
    assert_nothing_is_left_running(service)


async def test_a_page_watches_one_generation_at_a_time(service, simulator):
    simulator.plan(Fault(on="get", kind="word", word="queued", times=None))
    first = await submit(service, MODEL, {"prompt": "First"})
    second = await submit(service, MODEL, {"prompt": "Second"})
    old = asyncio.create_task(watched(service, first.id, watcher="page"))
    await until(lambda: service.diagnostics()["subscriptions"] == 1)
    new = asyncio.create_task(watched(service, second.id, watcher="page"))
    assert not (await old)[-1].status.is_final
    simulator.clear()
    assert (await new)[-1].status is Status.COMPLETED
    assert (await at_rest(service, first.id)).status is Status.COMPLETED
    assert_nothing_is_left_running(service)


async def test_a_follower_that_goes_away_leaves_nothing_behind(service, simulator):
    simulator.plan(Fault(on="get", kind="word", word="queued", times=None))
    generation = await submit(service, MODEL, {"prompt": PROMPT})
    gone = asyncio.create_task(watched(service, generation.id, watcher="page"))
    await until(lambda: service.diagnostics()["subscriptions"])
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    assert service.diagnostics()["subscriptions"] == service.diagnostics()["watchers"] == 0
    assert service.is_working_on(generation.id)


async def test_who_presses_generate_and_leaves_at_once_loses_nothing(service, simulator, ledger):
    simulator.plan(Fault(on="create", kind="hang", after=True, seconds=0.1))
    call = asyncio.create_task(submit(service, MODEL, {"prompt": PROMPT}))
    await until(lambda: posts(simulator))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    [row] = ledger.newest("local", limit=5)
    assert_a_video_is_there(service, (await watched(service, row.id))[-1])
    assert_paid_once(simulator)


async def test_who_leaves_while_the_row_is_written_leaves_no_orphan(
    make_service, simulator, ledger, monkeypatch
):
    is_writing, may_write = threading.Event(), threading.Event()
    insert = ledger.insert

    def hesitant(generation):
        is_writing.set()
        may_write.wait(TOO_LONG_SECONDS)
        insert(generation)

    monkeypatch.setattr(ledger, "insert", hesitant)
    service = make_service()
    call = asyncio.create_task(submit(service, MODEL, {"prompt": PROMPT}))
    await until(is_writing.is_set)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    may_write.set()
    [row] = await until(lambda: ledger.newest("local", limit=5))
    await until(lambda: service.is_working_on(row.id))
    assert_a_video_is_there(service, await at_rest(service, row.id))
    assert_paid_once(simulator)


# -- a person gives up


async def test_a_request_that_was_never_found_can_be_given_up(service, simulator, ledger):
    simulator.plan(Fault(on="create", kind="reset_before"))
    lost = await at_rest(service, (await made(service))[-1].id)
    await service.abandon(lost.id)
    abandoned = await service.get(lost.id)
    assert (abandoned.status, abandoned.error.kind) == (Status.ABANDONED, "abandoned")
    assert "Nothing was spent" not in abandoned.error.message
    assert ledger.get(lost.id) == abandoned
    assert await service.resume() == 0


async def test_what_is_known_at_the_provider_can_be_neither_given_up_nor_withdrawn(
    service, simulator
):
    simulator.plan(Fault(on="get", kind="word", word="queued", times=3))
    generation = await submit(service, MODEL, {"prompt": PROMPT})
    await service.abandon(generation.id)
    await service.cancel(generation.id)
    assert_a_video_is_there(service, (await watched(service, generation.id))[-1])
    await service.abandon(generation.id)
    await service.cancel(generation.id)
    assert (await service.get(generation.id)).status is Status.COMPLETED


async def test_what_is_put_away_goes_on_and_its_followers_see_it(service, simulator, ledger):
    simulator.plan(Fault(on="get", kind="word", word="queued", times=None))
    generation = await submit(service, MODEL, {"prompt": PROMPT})
    watch = asyncio.create_task(watched(service, generation.id))
    await until(lambda: service.diagnostics()["subscriptions"])
    await service.put_away(generation.id)
    assert ledger.get(generation.id).is_put_away
    assert (await service.get(generation.id)).is_put_away
    assert await service.newest("local", only_unfinished=True) == []
    simulator.clear()
    snapshots = await watch
    assert snapshots[-1].is_put_away
    assert_a_video_is_there(service, snapshots[-1])


# -- a ledger in trouble


class Wreck:
    """Takes the ledger's table away and brings it back: SQLite itself says no meanwhile."""

    def __init__(self, path):
        self.path = path

    def take_away(self):
        self._rename("generations", "away")

    def bring_back(self):
        self._rename("away", "generations")

    def _rename(self, old, new):
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")


@pytest.fixture
def wreck(tmp_path, ledger):
    return Wreck(tmp_path / "ledger.db")


async def test_what_cannot_be_written_down_is_not_sent(service, simulator, wreck):
    wreck.take_away()
    [only] = await made(service)
    assert (only.status, only.error.kind) == (Status.REJECTED, "ledger")
    assert "The request was not sent. Nothing was spent." in only.error.message
    assert PROMPT not in only.error.message
    assert simulator.seen == []
    assert_nothing_is_left_running(service)


async def test_a_task_id_that_cannot_be_written_yet_is_kept_and_written_later(
    make_service, simulator, wreck, runtime, ledger
):
    class LastClient(Client):
        async def create(self, *arguments, **more):
            state = await super().create(*arguments, **more)
            wreck.take_away()
            return state

    def mend(_):
        if len(runtime.slept) == 3:
            wreck.bring_back()

    runtime.on_sleep = mend
    service = make_service(client=LastClient)
    shown, *snapshots = await made(service)
    assert runtime.slept[:3] == [1.0, 2.0, 4.0]
    assert (shown.status, shown.error.kind) == (Status.QUEUED, "ledger")
    assert shown.task_id is not None
    assert "nothing is lost while the app runs" in shown.error.message
    assert ledger.get(shown.id).task_id == shown.task_id
    assert_a_video_is_there(service, snapshots[-1])
    assert_paid_once(simulator)


async def test_a_mistake_of_our_own_leaves_a_generation_open_to_be_picked_up(
    make_service, simulator, ledger
):
    class MistakenClient(Client):
        is_broken = True

        async def get(self, *arguments, **more):
            if MistakenClient.is_broken:
                raise ZeroDivisionError
            return await super().get(*arguments, **more)

    service = make_service(client=MistakenClient)
    stopped = (await made(service))[-1]
    assert (stopped.status, stopped.error.kind) == (Status.QUEUED, "internal")
    assert not ledger.get(stopped.id).status.is_final
    assert_nothing_is_left_running(service)
    MistakenClient.is_broken = False
    await service.resume_one(stopped.id)
    assert_a_video_is_there(service, (await watched(service, stopped.id))[-1])
    assert_paid_once(simulator)


def a_row(ledger, **values):
    return Generation(
        **{
            "id": "f" * 32,
            "model": MODEL,
            "payload": {"model": MODEL, "prompt": PROMPT},
            "owner": "local",
            "origin": SIMULATOR,
            "status": Status.SUBMITTING,
            "created_at": ledger.stamp(),
            "updated_at": ledger.stamp(),
            **values,
        }
    )
