"""Any order of clicks, faults, crashes and second thoughts: paid once at most, nothing is lost.

`KLING_UI_EXAMPLES` says how many orders are tried, and then they differ from run to run;
`make soak MINUTES=10` tries thousands.
"""

import asyncio
import contextlib
import gc
import inspect
import logging
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from harness import MODEL, TOO_LONG_SECONDS, Mistakes, QuickRuntime, service_at, submit, until
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from test_properties import NO_ENDS, asking, creating, faults, fetching, searching

from kling_ui import media
from kling_ui.ledger import UNFINISHED, HistoryQuery, Ledger, LedgerError, Status
from kling_ui.service import RefusedBatchError, turns
from kling_ui.simulator import Fault, Simulator

EXAMPLES = os.environ.get("KLING_UI_EXAMPLES", "")
FEW = 15
STEPS = 25
VIDEO_SECONDS = 5
OWNERS = ("local", "ann")
BATCH_USD = 4 * 0.21
"""What the largest batch costs by the simulator's list."""
MOST_IN_BATCHES = 16
"""Cells of all batches of an example: each is a video, and few run at a time."""

MAYBE_SENT = (Status.SUBMITTING, Status.UNKNOWN)
NOTHING_SPENT = (Status.WAITING, Status.REJECTED, Status.CANCELLED)

FULL = "1303 too many parallel tasks"
mishaps = st.one_of(
    creating,
    asking,
    searching,
    fetching,
    # Kling's limit of parallel tasks: a 4xx says so for sure, a 5xx does not.
    faults("create", status={"status": [400, 429, 500], "message": [FULL]}),
    faults("create", status={"status": [404], "message": ["Cannot POST /v2", "No such model"]}),
    # Long enough for a crash to fall in the middle of it.
    faults("create", hang={"seconds": [0.2], "after": [True, False]}),
    faults("get", hang={"seconds": [0.2]}),
    faults("logs", hang={"seconds": [0.2]}),
    faults("download", hang={"seconds": [0.2]}),
    faults("download", redirect={"location": ["http://10.0.0.1/x.mp4", "file:///etc/passwd"]}),
)
for_good = st.sampled_from(
    [
        Fault(on="create", kind="reset_after", times=None),
        Fault(on="create", kind="status", status=429, message=FULL, times=None),
        Fault(on="get", kind="word", word="on the runway", times=None),
        Fault(on="get", kind="html", times=None),
        Fault(on="get", kind="html", status=403, times=None),
        Fault(on="get", kind="status", status=401, times=None),
        Fault(on="get", kind="status", status=404, times=None),
        Fault(on="get", kind="garbage", body=NO_ENDS[1], times=None),
        Fault(on="get", kind="word", word="completed", times=None),
        Fault(on="create", kind="status", status=500, after=True, times=None),
        Fault(on="create", kind="status", status=429, times=None),
        Fault(on="logs", kind="late", times=None),
        Fault(on="logs", kind="status", status=401, times=None),
        Fault(on="download", kind="short", times=None),
        Fault(on="download", kind="expired", times=None),
    ]
)
moments = st.sampled_from([0.0, 0.0, 0.001, 0.003, 0.01, 0.03, 0.06])
"""Seconds of real time in which the app's loop runs: it stands still between two rules."""
which = st.integers(0, 7)


TALLY = Counter()
"""What all examples did together."""


class AnyOrder(RuleBasedStateMachine):
    """The real service over a real file and real sockets; its loop runs inside the rules only."""

    def __init__(self):
        super().__init__()
        TALLY["examples"] += 1
        self.folder = Path(tempfile.mkdtemp(prefix="kling-ui-machine-"))
        self.url = f"sqlite:///{self.folder}/ledger.db"
        self.runtime = QuickRuntime(longest_sleep=0.001)
        self.simulator = Simulator(folder=self.folder / "provider", seconds=0.03)
        self.simulator.start()
        self.is_provider_up = True
        self.runner = asyncio.Runner()
        self.runner.get_loop().set_exception_handler(self._note_mistake)
        self.mistakes = Mistakes()
        logging.getLogger("kling_ui").addHandler(self.mistakes)
        self.calls = []
        self.clicks = 0
        self.ledger_breaks, self.is_ledger_broken = 0, False
        self.verified = set()
        self.in_batches = 0
        self._start_app()
        self._run(self.service.live._refresh_list())

    # -- the app, and how it ends

    def _start_app(self):
        self.executor = ThreadPoolExecutor()
        self.runner.get_loop().set_default_executor(self.executor)
        self.ledger = Ledger(self.url, now=self.runtime.now)
        self.ledger.open()
        self.service, self.client = service_at(
            self.simulator.base_url, ledger=self.ledger, folder=self.folder, runtime=self.runtime
        )
        # The list that the first app was given; nobody asks for a newer one.
        self.service.live._load()
        self.service.live._has_asked.set()

    def _note_mistake(self, _loop, context):
        self.mistakes.found.append((context["message"], context.get("exception")))

    async def _crash(self):
        """End everything that runs where it is; what a thread has begun to write is written."""
        while any(is_unbegun(task) for task in asyncio.all_tasks()):  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._end()

    async def _end(self):
        await asyncio.gather(*self.calls, return_exceptions=True)
        self.calls.clear()
        await self.client.aclose()
        self.executor.shutdown(cancel_futures=True)
        self.ledger.close()

    def _run(self, work):
        self.runner.run(work)

    def _keep(self, call):
        """Let a call from a page go on while other rules run; it must not raise."""
        breaks = self.ledger_breaks

        async def kept():
            try:
                await call
            except Exception as exc:  # noqa: BLE001  any is one too many
                # Who reads a ledger that can't be read is told so.
                was_broken = self.is_ledger_broken or breaks != self.ledger_breaks
                if not (isinstance(exc, LedgerError) and was_broken):
                    self.mistakes.found.append(("a call of the service raised", exc))

        self.calls.append(self.runner.get_loop().create_task(kept()))

    # -- what people do

    @rule(word=st.sampled_from(["", "", "", "[slow]", "[fail]", "[refuse]"]), moment=moments)
    def click(self, word, moment):
        self.clicks += 1
        TALLY["clicks"] += 1
        prompt = f"Click {self.clicks}. {word}"
        self._keep(submit(self.service, MODEL, {"prompt": prompt}))
        self._run(asyncio.sleep(moment))

    @rule(
        count=st.integers(1, 4),
        word=st.sampled_from(["", "", "[fail]", "[refuse]"]),
        owner=st.sampled_from(["local", "local", "ann"]),
        parallel=st.integers(1, 3),
        moment=moments,
    )
    def submit_batch(self, count, word, owner, parallel, moment):
        if self.in_batches + count > MOST_IN_BATCHES:
            return
        TALLY["batches"] += 1
        self.in_batches += count
        prompts = [f"Click {self.clicks + 1 + number}. {word}" for number in range(count)]
        self.clicks += count
        TALLY["clicks"] += count
        self.service.preferences.set_parallel(parallel)
        self._keep(self._batch(prompts, owner))
        self._run(asyncio.sleep(moment))

    async def _batch(self, prompts, owner):
        batches = self.service.batches
        items = [(MODEL, {"prompt": prompt}) for prompt in prompts]
        requests = await batches.prepare(items, owner=owner)
        with contextlib.suppress(RefusedBatchError):
            await batches.submit(requests, max_usd=BATCH_USD, owner=owner)

    @rule(number=which, is_wanted_after_all=st.booleans(), moment=moments)
    def cancel_set(self, number, is_wanted_after_all, moment):
        rows = [row for row in self._rows() if row.set_id is not None]
        if not rows:
            return
        row = rows[number % len(rows)]
        batches = self.service.batches
        self._keep(batches.cancel_set(row.set_id, owner=row.owner))
        self._keep(batches.cancel_set(row.set_id, owner="a stranger"))
        if is_wanted_after_all:
            self._keep(batches.resume_set(row.set_id, owner=row.owner))
        self._run(asyncio.sleep(moment))

    @rule(number=which)
    def resume_set(self, number):
        rows = [row for row in self._rows(Status.WAITING) if row.set_id is not None]
        if rows:
            row = rows[number % len(rows)]
            self._keep(self.service.batches.resume_set(row.set_id, owner=row.owner))

    @rule(number=which, is_taken_back=st.booleans(), moment=moments)
    def delete(self, number, is_taken_back, moment):
        if self._rows() and not self._ended():
            self._run(asyncio.sleep(0.1))
        ended = self._ended()
        if ended:
            TALLY["deletions"] += not is_taken_back
            row = ended[number % len(ended)]
            self._keep(self._delete(row, is_taken_back=is_taken_back))
            self._run(asyncio.sleep(moment))

    def _ended(self):
        return [row for row in self._rows() if row.status.is_final]

    async def _delete(self, row, *, is_taken_back):
        history = self.service.history
        await history.delete("a stranger", [row.id])
        deleted = await history.delete(row.owner, [row.id])
        if is_taken_back:
            await history.restore(row.owner, deleted)

    @rule()
    def purge(self):
        self._run(asyncio.to_thread(self.service.history.purge))

    @rule(moment=moments)
    def wait(self, moment):
        self._run(asyncio.sleep(moment))

    @rule(hours=st.sampled_from([0.6, 2, 25]))
    def let_time_pass(self, hours):
        self.runtime.pass_by(hours=hours)

    @rule(number=which, moment=moments)
    def resume_one(self, number, moment):
        self._keep(self.service.resume_one(self._one_of_them(number)))
        self._run(asyncio.sleep(moment))

    @rule(number=which, is_looked_for=st.booleans(), moment=moments)
    def abandon(self, number, is_looked_for, moment):
        lost = self._one_of_them(number, Status.UNKNOWN)
        if is_looked_for:
            self._keep(self.service.resume_one(lost))
        self._keep(self.service.abandon(lost))
        self._run(asyncio.sleep(moment))

    @rule(number=which, is_wanted_after_all=st.booleans(), moment=moments)
    def cancel(self, number, is_wanted_after_all, moment):
        waiting = self._one_of_them(number, Status.WAITING, Status.SUBMITTING)
        self._keep(self.service.cancel(waiting))
        if is_wanted_after_all:
            self._keep(self.service.resume_one(waiting))
        self._run(asyncio.sleep(moment))

    @rule(number=which)
    def put_away(self, number):
        self._keep(self.service.put_away(self._one_of_them(number)))

    @rule(number=which)
    def watch(self, number):
        async def follow(generation_id):
            async for _ in self.service.follow(generation_id, watcher="page"):
                pass

        self._keep(follow(self._one_of_them(number)))

    # -- what goes wrong

    @rule(fault=mishaps)
    def plan(self, fault):
        TALLY["faults"] += 1
        self.simulator.plan(fault)

    @rule(fault=for_good)
    def plan_for_good(self, fault):
        TALLY["faults"] += 1
        self.simulator.plan(fault)

    @rule()
    def clear(self):
        self.simulator.clear()

    @rule()
    def lose_or_find_the_provider(self):
        if self.is_provider_up:
            self.simulator.stop()
        else:
            self.simulator.start()
        self.is_provider_up = not self.is_provider_up

    @rule(moment=moments, is_clicked=st.booleans())
    def break_the_ledger_for(self, moment, is_clicked):
        self._rename_table("generations", "away")
        self.is_ledger_broken = True
        self.ledger_breaks += 1
        if is_clicked:
            self.click("", moment)
        self._run(asyncio.sleep(moment))
        self._rename_table("away", "generations")
        self.is_ledger_broken = False

    @rule(moment=moments)
    def crash(self, moment):
        TALLY["crashes"] += 1
        self._run(self._crash())
        self._start_app()
        self._keep(self.service.resume())
        self._run(asyncio.sleep(moment))

    @rule()
    def restart(self):
        async def restart():
            await self.service.close()
            await self._crash()

        TALLY["restarts"] += 1
        self._run(restart())
        self._start_app()
        self._run(self.service.resume())

    # -- what holds at every moment

    @invariant()
    def the_promises_hold(self):
        # In this order: what is accepted was written down before.
        accepted = self.simulator.accepted
        made = self.simulator._store.tasks()
        rows = self._rows()
        # One more may be accepted between the first two looks.
        assert accepted <= len(made) <= self.clicks
        self._assert_no_click_is_paid_twice(made)
        self._assert_no_batch_costs_more_than_was_confirmed(made, rows)
        self._assert_nothing_paid_for_is_lost(made, rows)
        self._assert_completed_means_that_the_video_is_there(rows)
        # A row may be written a moment before its task begins.
        if self._unexplained():
            self._run(until(lambda: not self._unexplained()))
        assert self.mistakes.found == []

    def _assert_no_click_is_paid_twice(self, made):
        per_id = Counter(task.client_request_id for task in made)
        per_click = Counter(task.payload["prompt"] for task in made)
        assert set(per_id.values()) | set(per_click.values()) <= {1}, (per_id, per_click)

    def _assert_no_batch_costs_more_than_was_confirmed(self, made, rows):
        by_id = {row.id: row for row in rows}
        for task in made:
            row = by_id[task.client_request_id]
            assert row.set_id is None or task.usd <= row.usd_confirmed, row

    def _assert_nothing_paid_for_is_lost(self, made, rows):
        by_id = {row.id: row for row in rows}
        for task in made:
            row = by_id[task.client_request_id]
            assert row.status not in NOTHING_SPENT, row
            is_known = row.task_id == task.id
            is_searched = row.status in MAYBE_SENT
            is_given_up = row.status is Status.ABANDONED
            assert is_known or is_searched or is_given_up, row

    def _assert_completed_means_that_the_video_is_there(self, rows):
        for row in rows:
            if row.deleted_at is not None:
                continue
            path = self.service.files.path(row)
            assert (row.status is Status.COMPLETED) == (row.video is not None), row
            assert (row.status is Status.COMPLETED) == (path is not None), row
            if path is not None and row.id not in self.verified:
                length = media.verify(path).duration_seconds
                assert length == pytest.approx(VIDEO_SECONDS, abs=0.1)
                assert self.service.files.poster(row).is_file()
                assert row.error is None
                self.verified.add(row.id)

    def _assert_deletions_change_no_sum(self, tasks):
        charged = sum(tasks[row.id].usd for row in self._rows(Status.COMPLETED))
        ledger = self.ledger
        totals = [ledger.history_totals(owner, HistoryQuery()) for owner in OWNERS]
        totals += [ledger.deleted_totals(owner) for owner in OWNERS]
        assert sum(each.simulated_usd for each in totals) == pytest.approx(charged)
        assert sum(each.count for each in totals) == len(self._rows())

    def _unexplained(self):
        """Return the open rows that nobody works on and that don't say why."""
        return [
            row
            for row in self._rows(*UNFINISHED)
            if row.error is None and not self.service.is_working_on(row.id)
        ]

    # -- how it ends

    def teardown(self):
        try:
            self._see_everything_through()
        finally:
            logging.getLogger("kling_ui").removeHandler(self.mistakes)
            self._run(self._crash())
            self.runner.close()
            self.simulator.stop()
            shutil.rmtree(self.folder)

    def _see_everything_through(self):
        self.simulator.clear()
        if not self.is_provider_up:
            self.simulator.start()
        self._run(self._let_calls_end())
        self._run(self.service.resume())
        self._run(until(self._is_at_rest))
        for row in self._rows(*UNFINISHED):
            self._run(self.service.resume_one(row.id, owner=row.owner))
        self._run(until(self._is_at_rest))
        self._look_again_for_what_is_listed()
        tasks = {task.client_request_id: task for task in self.simulator._store.tasks()}
        for row in self._rows():
            assert_it_ended_well(row, tasks.get(row.id))
        self._assert_deletions_change_no_sum(tasks)
        self.the_promises_hold()
        TALLY["accepted"] += self.simulator.accepted
        TALLY["charged"] += self.simulator.charges
        TALLY["completed"] += len(self._rows(Status.COMPLETED))
        TALLY["abandoned"] += len(self._rows(Status.ABANDONED))
        TALLY["cancelled"] += len(self._rows(Status.CANCELLED))

    def _is_at_rest(self):
        """Let time pass where nobody sleeps: after an hour what stays unknown holds no place."""
        self.runtime.pass_by(seconds=60)
        return not self.service.diagnostics()["runs"]

    def _look_again_for_what_is_listed(self):
        """Time passes here faster than the provider works: it may list a task after the last look.

        What it lists now has to be found at the next one.
        """
        listed = {task.client_request_id for task in self.simulator._store.tasks()}
        for row in self._rows(Status.UNKNOWN):
            if row.id in listed:
                self._run(self.service.resume_one(row.id, owner=row.owner))
        self._run(until(self._is_at_rest))

    async def _let_calls_end(self):
        async with asyncio.timeout(TOO_LONG_SECONDS):
            await asyncio.gather(*self.calls)

    # -- looking

    def _rows(self, *statuses):
        """Return the rows with one of these statuses, or all; also what was deleted."""
        ids = [
            each for owner in OWNERS for each in self.ledger.changed_since(owner, "", limit=1000)
        ]
        rows = sorted(map(self.ledger.get, ids), key=lambda row: row.created_at, reverse=True)
        return [row for row in rows if not statuses or row.status in statuses]

    def _one_of_them(self, number, *statuses):
        """Return the id of a row, of one with such a status where there is any."""
        rows = self._rows(*statuses) or self._rows()
        return rows[number % len(rows)].id if rows else "nothing"

    def _rename_table(self, old, new):
        with closing(sqlite3.connect(self.folder / "ledger.db")) as connection, connection:
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")


def is_unbegun(task):
    """Tell whether canceling it would leave a coroutine that was never awaited."""
    work = task.get_coro()
    return inspect.iscoroutine(work) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED


def is_charged(task):
    return task is not None and task.phase(float("inf")) != "failed"


def assert_it_ended_well(row, task):
    """Every row is final, but for what never arrived and what the provider took back."""
    if row.status is Status.COMPLETED:
        assert is_charged(task)
        assert (row.task_id, row.usd_spent) == (task.id, task.usd)
        return
    assert not is_charged(task) or row.status is Status.ABANDONED, row
    if row.status is Status.UNKNOWN:
        assert task is None, row
        return
    # The file was asked for, and then the provider said that the task had failed.
    assert row.status.is_final or row.status is Status.SAVING, row


@pytest.fixture
def _figures(capsys):
    yield
    gc.collect()
    figures = ", ".join(f"{count:,} {name}" for name, count in sorted(TALLY.items()))
    with capsys.disabled():
        print(f"\n{figures}")  # noqa: T201  what a long run is made for


# A provider that is stopped while it takes a connection in drops that one unclosed.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("films", "_figures")
def test_no_order_of_events_loses_a_paid_video_or_pays_twice(monkeypatch):
    # Days pass in no time here, and with them what holds a place.
    monkeypatch.setattr(turns, "RECHECK_SECONDS", 0.05)
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=int(EXAMPLES or FEW),
            stateful_step_count=STEPS,
            # Explaining takes as long as finding, and has little to say about a race.
            phases=[Phase.reuse, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
