"""Batches: refused whole or confirmed whole, sent in turn, each at most once, for no more money."""

import asyncio
import csv
import io
import threading
import zipfile
from collections import Counter

import pytest
from harness import (
    LOST,
    MODEL,
    PROMPT,
    TOO_LONG_SECONDS,
    assert_a_video_is_there,
    assert_nothing_is_left_running,
    at_rest,
    posts,
    submit,
    until,
)

from kling_ui import media
from kling_ui.ledger import LIVE, Ledger, LedgerError
from kling_ui.service import RefusedBatchError, Status, turns
from kling_ui.service.preferences import Preferences
from kling_ui.service.set_export import TABLE
from kling_ui.simulator import Fault

PRICE = 0.21
"""What the simulator's list asks for five seconds of MODEL."""

GOING_ON = Fault(on="get", kind="word", word="generating", times=None)
FULL = Fault(
    on="create",
    kind="status",
    status=429,
    message="parallel task over resource pack limit (1303)",
    times=None,
)


@pytest.fixture(autouse=True)
def _only_what_happens_gives_places(monkeypatch):
    """What is missed must not be made good by looking again after a while."""
    monkeypatch.setattr(turns, "RECHECK_SECONDS", 3600)


async def batch(service, count, *, max_usd=None, owner="local", word="", **more):
    service.live._has_asked.set()  # nobody asks for the list in these tests
    values = [{"prompt": f"{PROMPT}, {owner} {number} {word}"} for number in range(count)]
    requests = await service.batches.prepare([(MODEL, each) for each in values], owner=owner)
    return await service.batches.submit(requests, max_usd=max_usd, owner=owner, **more)


async def with_prices(service):
    await service.live._refresh_list()
    return service


async def rest(service, submitted):
    """Wait until nobody works on any of a batch; return its rows as they are then."""
    return [await at_rest(service, each.id) for each in submitted.generations]


async def a_while():
    await asyncio.sleep(0.15)


def sent(simulator):
    """Return the ids of what was posted, in order."""
    return [post.headers["x-client-request-id"] for post in posts(simulator)]


def set_parallel(service, count):
    service.preferences.set_parallel(count)


def assert_each_is_accepted_once(simulator, submitted):
    assert accepted(simulator) == Counter(each.id for each in submitted.generations)


def accepted(simulator):
    """Return how often each id was accepted."""
    return Counter(task.client_request_id for task in simulator._store.tasks())


# -- refused whole


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "requests: must be a list of 1 to 1,000."),
        ([{"prompt": "x"}] * 1001, "requests: must be a list of 1 to 1,000."),
        ([{"prompt": "x"}, {"duration": 7}], "requests[1].prompt:"),
        ([{"prompt": "x"}, {"prompt": "x", "duration": 7}], "requests[1].duration:"),
    ],
)
async def test_what_is_wrong_is_named_with_its_position(service, values, words):
    with pytest.raises(RefusedBatchError) as refusal:
        await service.batches.prepare([(MODEL, each) for each in values])
    assert words in str(refusal.value)


async def test_every_fault_of_every_request_is_named(service):
    with pytest.raises(RefusedBatchError) as refusal:
        await service.batches.prepare([("none", {}), (MODEL, {"prompt": "x"}), (MODEL, {})])
    named = [problem.partition(":")[0] for problem in refusal.value.problems]
    assert named == ["requests[0].model", "requests[2].prompt"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"max_usd": 0.62}, "add up to $0.63, which is more than $0.62"),
        ({"max_usd": float("nan")}, "max_usd: must be an amount"),
        ({"max_usd": True}, "max_usd: must be an amount"),
        ({"max_usd": -1}, "max_usd: must be an amount"),
        ({"name": "x" * 201}, "name: must be text"),
        ({"name": 7}, "name: must be text"),
        ({"set_id": "f" * 32}, "set: there is no such set of yours"),
    ],
)
async def test_what_is_refused_is_refused_whole(service, simulator, ledger, more, words):
    await with_prices(service)
    with pytest.raises(RefusedBatchError, match=words.replace("$", r"\$")):
        await batch(service, 3, **more)
    assert ledger.newest("local", limit=9) == []
    assert posts(simulator) == []


async def test_without_an_estimate_there_is_no_sum_to_keep_to(service, simulator, monkeypatch):
    with pytest.raises(RefusedBatchError, match=r"requests\[0\]: has no estimate"):
        await batch(service, 1, max_usd=1000)
    assert posts(simulator) == []
    [row] = (await batch(service, 1)).generations
    assert row.usd_confirmed is None


async def test_the_sum_itself_is_within_it(service, simulator):
    await with_prices(service)
    submitted = await batch(service, 3, max_usd=0.63, name="  Boats ")
    assert submitted.set.name == "Boats"
    assert [row.usd_confirmed for row in submitted.generations] == [PRICE] * 3
    rows = await rest(service, submitted)
    for row in rows:
        assert_a_video_is_there(service, row)
    assert sum(row.usd_spent for row in rows) <= 0.63
    assert_each_is_accepted_once(simulator, submitted)
    assert_nothing_is_left_running(service)


async def test_what_can_not_be_written_down_is_refused_whole(
    make_service, simulator, ledger_url, runtime
):
    class Refusing(Ledger):
        def insert_set(self, generations, **more):
            # As much as can go wrong: written, and told as a failure.
            super().insert_set(generations, **more)
            raise LedgerError("The ledger can't be used: disk full.")

    ledger = Refusing(ledger_url, now=runtime.now)
    ledger.open()
    service = make_service(ledger=ledger)
    with pytest.raises(RefusedBatchError, match=r"disk full.*Nothing was spent"):
        await batch(service, 3)
    assert {row.status for row in ledger.newest("local", limit=9)} == {Status.REJECTED}
    assert await make_service(ledger=ledger).resume() == 0
    assert posts(simulator) == []
    ledger.close()


# -- whose turn


async def test_a_few_run_at_a_time_and_a_single_click_is_not_held_back(service, simulator):
    simulator.plan(GOING_ON)
    submitted = await batch(service, 6)
    assert {row.status for row in submitted.generations} == {Status.WAITING}
    await until(lambda: simulator.accepted == 3)
    await a_while()
    ids = [row.id for row in submitted.generations]
    assert set(sent(simulator)) == set(ids[:3])
    single = await submit(service, MODEL, {"prompt": PROMPT})
    assert single.status is Status.QUEUED
    await a_while()
    assert simulator.accepted == 4
    simulator.clear()
    for row in await rest(service, submitted):
        assert_a_video_is_there(service, row)
    assert Counter(sent(simulator)) == Counter([*ids, single.id])
    await at_rest(service, single.id)
    assert_nothing_is_left_running(service)


async def test_single_clicks_take_places_from_a_batch(service, simulator):
    simulator.plan(GOING_ON)
    set_parallel(service, 2)
    for number in range(2):
        await submit(service, MODEL, {"prompt": f"{PROMPT} {number}"}, owner="ann")
    submitted = await batch(service, 2, owner="bob")
    await a_while()
    assert simulator.accepted == 2
    simulator.clear()
    await rest(service, submitted)
    assert simulator.accepted == 4


@pytest.mark.parametrize("parallel", [1, 2])
async def test_owners_take_turns(service, simulator, parallel):
    set_parallel(service, parallel)
    simulator.plan(GOING_ON)
    ann = await batch(service, 6, owner="ann")
    await until(lambda: simulator.accepted == parallel)
    bob = await batch(service, 2, owner="bob")
    simulator.clear()
    await rest(service, ann)
    await rest(service, bob)
    owners = {row.id: row.owner for row in (*ann.generations, *bob.generations)}
    order = [owners[each] for each in sent(simulator)]
    assert order.index("bob") <= parallel + 1
    if parallel == 1:
        assert order[:5] == ["ann", "bob", "ann", "bob", "ann"]
    assert Counter(order) == {"ann": 6, "bob": 2}


async def test_more_places_are_used_as_soon_as_something_happens(service, simulator):
    simulator.plan(GOING_ON)
    set_parallel(service, 1)
    submitted = await batch(service, 4)
    await until(lambda: simulator.accepted == 1)
    set_parallel(service, 20)
    await batch(service, 1)
    await until(lambda: simulator.accepted == 5)
    simulator.clear()
    await rest(service, submitted)


async def test_the_hour_in_the_providers_line_begins_with_a_rows_own_turn(
    service, simulator, runtime
):
    """The account is full for two hours: who had a turn is given up, who had none is not."""
    began = runtime.now()
    simulator.plan(FULL)
    set_parallel(service, 1)
    submitted = await batch(service, 3)

    def mend(_):
        if (runtime.now() - began).total_seconds() > 1.9 * 3600:
            simulator.clear()

    runtime.on_sleep = mend
    rows = await rest(service, submitted)
    assert [row.status.value for row in rows] == ["rejected", "completed", "completed"]
    assert_nothing_is_left_running(service)


async def test_nobody_new_is_sent_while_one_stands_in_the_providers_line(service, simulator):
    simulator.plan(FULL)
    set_parallel(service, 2)
    submitted = await batch(service, 6)
    await until(lambda: len(posts(simulator)) > 8)
    assert len(set(sent(simulator))) <= 2
    simulator.clear()
    for row in await rest(service, submitted):
        assert_a_video_is_there(service, row)


async def test_an_end_gives_the_first_in_line_its_try_at_once(service, simulator, runtime):
    simulator.plan(GOING_ON)
    first = await submit(service, MODEL, {"prompt": PROMPT})
    simulator.plan(FULL)
    runtime.longest_sleep = TOO_LONG_SECONDS
    submitted = await batch(service, 1)
    await until(lambda: len(posts(simulator)) == 2)
    runtime.longest_sleep = 0.003
    await until(lambda: service.is_working_on(first.id))
    simulator.clear()
    await service.resume_one(first.id)
    for row in await rest(service, submitted):
        assert_a_video_is_there(service, row)


async def test_a_lost_connection_rejects_no_batch(service, simulator):
    simulator.plan(Fault(on="create", kind="reset_before", times=None))
    simulator.stop()
    submitted = await batch(service, 4)
    await asyncio.sleep(0.3)
    assert {(await service.get(row.id)).status for row in submitted.generations} <= {
        Status.WAITING,
        Status.SUBMITTING,
    }
    simulator.clear()
    simulator.start()
    for row in await rest(service, submitted):
        assert_a_video_is_there(service, row)
    assert_each_is_accepted_once(simulator, submitted)


# -- withdrawn, and run again


async def test_a_set_is_withdrawn_but_for_what_is_on_its_way(service, simulator, ledger):
    simulator.plan(GOING_ON)
    submitted = await batch(service, 6)
    await until(lambda: simulator.accepted == 3)
    await service.batches.cancel_set(submitted.set.id, owner="bob")
    assert Status.CANCELLED not in {row.status for row in ledger.of_set(submitted.set.id)}
    await service.batches.cancel_set(submitted.set.id)
    shown = await service.batches.get_set(submitted.set.id)
    assert [row.status for row in shown.generations[3:]] == [Status.CANCELLED] * 3
    assert {row.error.kind for row in shown.generations[3:]} == {"cancelled"}
    simulator.clear()
    rows = await rest(service, submitted)
    assert [row.status for row in rows] == [Status.COMPLETED] * 3 + [Status.CANCELLED] * 3
    assert simulator.accepted == 3
    assert_nothing_is_left_running(service)


async def test_each_of_a_set_is_withdrawn_by_itself(service, simulator, runtime, ledger):
    runtime.longest_sleep = 60
    simulator.plan(FULL)
    set_parallel(service, 1)
    submitted = await batch(service, 2)
    await until(lambda: ledger.get(submitted.generations[0].id).error)
    for row in submitted.generations[::-1]:
        await service.cancel(row.id, owner="bob")
        await service.cancel(row.id)
    rows = await rest(service, submitted)
    assert {row.status for row in rows} == {Status.CANCELLED}
    assert simulator.accepted == 0
    assert_nothing_is_left_running(service)


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.REJECTED])
async def test_what_was_ended_elsewhere_waits_for_no_turn(service, simulator, ledger, status):
    """By another process, or by a click that came between a row and its run."""
    simulator.plan(GOING_ON)
    set_parallel(service, 1)
    submitted = await batch(service, 3)
    await until(lambda: simulator.accepted == 1)
    gone = submitted.generations[1].id
    ledger.update(gone, status=status)
    service.connections.current.turns.recheck()
    assert (await at_rest(service, gone)).status is status
    simulator.clear()
    rows = await rest(service, submitted)
    assert [row.status for row in rows] == [Status.COMPLETED, status, Status.COMPLETED]
    assert simulator.accepted == 2


async def test_more_may_wait_than_a_database_takes_ids_at_a_time(service, simulator, ledger):
    simulator.plan(GOING_ON)
    set_parallel(service, 1)
    submitted = await batch(service, 2)
    await until(lambda: simulator.accepted == 1)
    first, second = (each.id for each in submitted.generations)
    many = [f"{number:032x}" for number in range(260_000)]
    turns_of = service.connections.current.turns
    turns_of._waiting |= dict.fromkeys(many, turns_of._waiting[second])
    try:
        await service.cancel(second)
        assert (await at_rest(service, second)).status is Status.CANCELLED
        told = await asyncio.to_thread(turns_of._admit, [*many, first, second])
        assert {row.id for row in told} == {first, second}
    finally:
        for each in many:
            del turns_of._waiting[each]
    simulator.clear()
    assert (await at_rest(service, first)).status is Status.COMPLETED


async def test_one_of_a_withdrawn_set_is_run_again(service, simulator):
    simulator.plan(GOING_ON)
    set_parallel(service, 1)
    submitted = await batch(service, 2)
    await until(lambda: simulator.accepted == 1)
    await service.batches.cancel_set(submitted.set.id)
    simulator.clear()
    await rest(service, submitted)
    request = await service.prepare(MODEL, {"prompt": PROMPT})
    again = await service.batches.submit([request], set_id=submitted.set.id)
    assert [row.status for row in await rest(service, again)] == [Status.COMPLETED]
    assert simulator.accepted == 2


async def test_one_is_run_again_in_the_same_set_by_its_owner_only(service, simulator):
    submitted = await batch(service, 2, owner="ann")
    await rest(service, submitted)
    request = await service.prepare(MODEL, {"prompt": PROMPT}, owner="ann")
    with pytest.raises(RefusedBatchError, match="no such set of yours"):
        await service.batches.submit([request], owner="bob", set_id=submitted.set.id)
    again = await service.batches.submit([request], owner="ann", set_id=submitted.set.id)
    await rest(service, again)
    shown = await service.batches.get_set(submitted.set.id)
    assert [row.set_position for row in shown.generations] == [0, 1, 2]
    assert (again.set, simulator.accepted) == (shown.set, 3)


async def test_nobody_owns_no_set(service):
    submitted = await batch(service, 1, owner="")
    await service.batches.cancel_set(submitted.set.id, owner="")
    await service.batches.cancel_set(submitted.set.id, owner=None)
    [row] = await rest(service, submitted)
    assert row.status is Status.COMPLETED
    assert await service.batches.get_set("f" * 32) is None


# -- restarts


async def ended_in_the_middle(make_service, simulator, **more):
    """Return a batch of five, two of which have been sent, of an app that has ended."""
    simulator.plan(GOING_ON)
    service = make_service(**more)
    set_parallel(service, 2)
    submitted = await batch(service, 5)
    await until(lambda: simulator.accepted == 2)
    await service.close()
    simulator.clear()
    return submitted


async def test_a_restart_in_the_middle_of_a_batch_sends_the_rest_once(make_service, simulator):
    submitted = await ended_in_the_middle(make_service, simulator)
    again = make_service()
    assert await again.resume() == 5
    for row in await rest(again, submitted):
        assert_a_video_is_there(again, row)
    assert_each_is_accepted_once(simulator, submitted)


async def test_after_more_than_an_hour_the_rest_asks_and_is_sent_when_it_is_wanted(
    make_service, simulator, runtime
):
    submitted = await ended_in_the_middle(make_service, simulator)
    runtime.pass_by(hours=1.1)
    again = make_service()
    await again.resume()
    rows = await rest(again, submitted)
    assert [row.error.kind for row in rows[2:]] == ["confirm"] * 3
    assert simulator.accepted == 2
    await again.cancel(rows[2].id)
    await again.resume_one(rows[3].id)
    assert_a_video_is_there(again, await at_rest(again, rows[3].id))
    await again.batches.resume_set(submitted.set.id, owner="bob")
    assert (await at_rest(again, rows[4].id)).status is Status.WAITING
    await again.batches.resume_set(submitted.set.id)
    assert_a_video_is_there(again, await at_rest(again, rows[4].id))
    assert simulator.accepted == 4


async def test_what_waits_for_hours_in_a_running_app_does_not_ask(service, simulator, runtime):
    simulator.plan(GOING_ON)
    submitted = await batch(service, 4)
    await until(lambda: simulator.accepted == 3)
    runtime.pass_by(hours=5)
    simulator.clear()
    for row in await rest(service, submitted):
        assert_a_video_is_there(service, row)


async def test_another_key_takes_on_what_waits(make_service, simulator):
    submitted = await ended_in_the_middle(make_service, simulator, key="first")
    again = make_service(key="second")
    await again.resume()
    rows = await rest_of(again, submitted.generations[2:])
    assert {row.status for row in rows} == {Status.COMPLETED}


async def rest_of(service, generations):
    return [await at_rest(service, each.id) for each in generations]


class Deadly(Ledger):
    """A ledger that ends the app at one of its writes, before or after that is done."""

    def __init__(self, url, *, at, is_done):
        super().__init__(url)
        self.at, self.is_done, self.is_dead = at, is_done, False
        self.counting = threading.Lock()

    def _write(self, write):
        with self.counting:
            self.at -= 1
            is_last = self.at == 0
        if self.is_dead or (is_last and not self.is_done):
            self._die()
        result = write()
        if is_last:
            self._die()
        return result

    def _die(self):
        self.is_dead = True
        raise LedgerError("The app is dead: nothing more is written.")

    def insert_set(self, generations, **more):
        return self._write(lambda: super(Deadly, self).insert_set(generations, **more))

    def update(self, generation_id, **changes):
        return self._write(lambda: super(Deadly, self).update(generation_id, **changes))

    def end_waiting(self, ids, **changes):
        return self._write(lambda: super(Deadly, self).end_waiting(ids, **changes))

    def admit(self, rules, **more):
        return self._write(lambda: super(Deadly, self).admit(rules, **more))


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("at", range(1, 13))
async def test_whatever_write_is_the_last_each_is_accepted_once(  # noqa: PLR0917  fixtures
    make_service, simulator, ledger_url, ledger, at, is_done
):
    deadly = Deadly(ledger_url, at=at, is_done=is_done)
    deadly.open()
    dying = make_service(ledger=deadly)
    set_parallel(dying, 2)
    try:
        await batch(dying, 3)
    except RefusedBatchError:
        assert at == 1
    await until(lambda: deadly.is_dead)
    await a_while()
    await dying.close()
    deadly.close()
    rows = ledger.newest("local", limit=9)
    assert len(rows) == (0 if (at, is_done) == (1, False) else 3)
    again = make_service()
    await again.resume()
    rows = await rest_of(again, rows)
    # Who finds one that was on its way does not send it again, and may find nothing of it.
    assert {row.status for row in rows} <= {Status.COMPLETED, Status.UNKNOWN}
    completed = [row.id for row in rows if row.status is Status.COMPLETED]
    assert accepted(simulator) == Counter(completed)
    assert len(completed) >= len(rows) - 2


@pytest.mark.parametrize("lost", ["reset", "own words", "no id"])
async def test_a_lost_answer_in_a_batch_is_looked_up_and_not_sent_again(service, simulator, lost):
    simulator.plan(LOST[lost])
    submitted = await batch(service, 4)
    for row in await rest(service, submitted):
        assert_a_video_is_there(service, row)
    assert_each_is_accepted_once(simulator, submitted)
    assert len(posts(simulator)) == 4


# -- money


async def test_what_has_become_dearer_waits_and_asks(service, simulator, monkeypatch):
    await with_prices(service)
    simulator.plan(GOING_ON)
    submitted = await batch(service, 4, max_usd=1)
    await until(lambda: simulator.accepted == 3)
    quotes = service.connections.current.estimates

    async def dearer(_):
        return 2 * PRICE

    monkeypatch.setattr(type(quotes), "most_usd", staticmethod(dearer))
    simulator.clear()
    rows = await rest(service, submitted)
    assert [row.status for row in rows[:3]] == [Status.COMPLETED] * 3
    assert (rows[3].status, rows[3].error.kind) == (Status.WAITING, "confirm")
    assert "is up to $0.42" in rows[3].error.message
    assert "you confirmed $0.21" in rows[3].error.message
    assert simulator.accepted == 3
    # A start keeps the reason; a person's word is for the new price.
    await service.resume()
    assert await at_rest(service, rows[3].id) == rows[3]
    await service.resume_one(rows[3].id)
    last = await at_rest(service, rows[3].id)
    assert (last.status, last.usd_confirmed) == (Status.COMPLETED, 0.42)


async def test_a_price_that_nobody_can_tell_any_more_is_asked_about(
    service, simulator, monkeypatch
):
    await with_prices(service)
    quotes = service.connections.current.estimates

    async def unknown(_):
        return None

    monkeypatch.setattr(type(quotes), "most_usd", staticmethod(unknown))
    [row] = await rest(service, await batch(service, 1, max_usd=1))
    assert (row.status, row.error.kind) == (Status.WAITING, "confirm")
    assert "can't be told" in row.error.message
    assert posts(simulator) == []


async def test_the_days_limit_holds_for_batches_until_the_next_day(
    make_service, simulator, runtime
):
    service = await with_prices(make_service(origin=LIVE, day_usd=0.5))
    set_parallel(service, 20)
    submitted = await batch(service, 4, max_usd=1)
    await rest_of(service, submitted.generations[:2])
    await a_while()
    rows = [await service.get(row.id) for row in submitted.generations]
    assert [row.status for row in rows] == [Status.COMPLETED] * 2 + [Status.WAITING] * 2
    assert [row.error.kind for row in rows[2:]] == ["day_limit"] * 2
    assert "would exceed today's limit of $0.50" in rows[2].error.message
    assert simulator.accepted == 2
    runtime.pass_by(days=1)
    await service.resume_one(rows[2].id)
    service.connections.current.turns.note(Status.QUEUED)
    for row in await rest(service, submitted):
        assert_a_video_is_there(service, row)
    assert simulator.accepted == 4


async def test_what_waits_in_a_batch_does_not_count_as_spent(make_service, simulator):
    service = await with_prices(make_service(origin=LIVE, day_usd=5))
    simulator.plan(GOING_ON)
    set_parallel(service, 1)
    submitted = await batch(service, 20, max_usd=5)
    await until(lambda: simulator.accepted == 1)
    assert await service.day_limit.spent_usd() == PRICE
    await service.batches.cancel_set(submitted.set.id)
    simulator.clear()
    await rest(service, submitted)


# -- taken away


async def test_a_set_is_exported_as_its_videos_and_a_table(service, tmp_path):
    words = ["=1+1", "+1", "-1", "@sum", "\tx", 'Ein Boot, Тест\n"quoted"']
    values = [{"prompt": word, "duration": 5} for word in words]
    requests = await service.batches.prepare([(MODEL, each) for each in values])
    submitted = await service.batches.submit(requests)
    rows = await rest(service, submitted)
    failed = await batch(service, 1, word="[fail]", set_id=submitted.set.id)
    await rest(service, failed)
    path = tmp_path / "set.zip"
    await service.batches.export_set(submitted.set.id, path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        table = archive.read(TABLE).decode("utf-8-sig")
        archive.extract(names[0], tmp_path)
    assert len(names) == len(set(names)) == 7
    told = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["file"] for row in told] == [*names[:-1], ""]
    for word, row in zip(words, told, strict=False):
        is_formula = word[0] in "=+-@\t"
        assert row["prompt"] == (f"'{word}" if is_formula else word).strip("\t")
        assert row["parameter duration"] == "5"
        assert row["usd_spent"] == str(PRICE)
    assert told[-1]["status"] == "failed"
    recipe = media.read_recipe(tmp_path / names[0])
    assert recipe["model"] == rows[0].model
    assert str(tmp_path) not in table
    assert "test-key" not in table
    assert list(tmp_path.glob("*.part")) == []
    with pytest.raises(KeyError):
        await service.batches.export_set("f" * 32, path)


# -- the preference


@pytest.mark.parametrize("count", [0, 21, 1.0, True, "3", None])
def test_only_a_few_may_run_at_once(tmp_path, count):
    preferences = Preferences(tmp_path)
    with pytest.raises(ValueError, match="from 1 to 20"):
        preferences.set_parallel(count)
    assert preferences.parallel == 3


def test_one_preference_leaves_the_other_as_it_is(tmp_path):
    preferences = Preferences(tmp_path)
    preferences.set_ask_above_usd(2.5)
    preferences.set_parallel(7)
    preferences.set_ask_above_usd(3.5)
    again = Preferences(tmp_path)
    assert (again.parallel, again.ask_above_usd) == (7, 3.5)
