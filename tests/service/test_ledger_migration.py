"""Ledgers that earlier versions wrote are read and gone on with; nothing in them is lost."""

import json
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa
from harness import (
    LOST,
    MODEL,
    PROMPT,
    assert_a_video_is_there,
    assert_paid_once,
    at_rest,
    submit,
)

from kling_ui.ledger import SIMULATOR, ErrorKind, Ledger, Status
from kling_ui.ledger.schema import MIGRATIONS
from kling_ui.service import Runtime
from kling_ui.simulator import Fault

# As version 1 made it, word for word.
VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
CREATE TABLE generations (
    id VARCHAR(32) NOT NULL,
    task_id TEXT,
    model TEXT NOT NULL,
    payload JSON NOT NULL,
    owner TEXT NOT NULL,
    origin TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    finished_at TEXT,
    video TEXT,
    credits_used FLOAT,
    usd_spent FLOAT,
    error JSON,
    PRIMARY KEY (id)
);
CREATE INDEX generations_by_owner ON generations (owner, created_at);
CREATE INDEX generations_by_status ON generations (status);
INSERT INTO schema_version (version) VALUES (1);
"""
INSERT = """INSERT INTO generations VALUES
(:id, :task_id, :model, :payload, :owner, :origin, :status, :created_at, :updated_at,
 :finished_at, :video, :credits_used, :usd_spent, :error)"""
COLUMNS = ["sent_at", "route", "key_hash", "is_put_away"]
NEW_IN_3 = ["set_id", "set_position", "confirmed_at", "usd_confirmed", "admitted_at", "chain"]


def written_by_version_1(path, *rows):
    """Make a ledger as version 1 left it; each row names what differs from a plain one."""
    stamp = Runtime().now().isoformat(timespec="milliseconds")
    plain = {
        "task_id": None,
        "model": MODEL,
        "payload": {"model": MODEL, "prompt": PROMPT},
        "owner": "local",
        "origin": SIMULATOR,
        "created_at": stamp,
        "updated_at": stamp,
        "finished_at": None,
        "video": None,
        "credits_used": None,
        "usd_spent": None,
        "error": None,
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(VERSION_1)
        for number, row in enumerate(rows):
            whole = {"id": f"{number:032x}", **plain, **row}
            for name in ("payload", "error"):
                whole[name] = None if whole[name] is None else json.dumps(whole[name])
            connection.execute(INSERT, whole)


def written_by_version_2(path, *rows):
    """Make a ledger as version 2 left it."""
    written_by_version_1(path, *rows)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        MIGRATIONS[1](connection)
        connection.execute(sa.text("UPDATE schema_version SET version = 2"))
    engine.dispose()


WRITERS = {1: written_by_version_1, 2: written_by_version_2}
from_each_version = pytest.mark.parametrize("version", WRITERS)


def error(kind, **more):
    return {"kind": kind, "message": f"Of the kind {kind}.", "field": None, **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "version-1.db"


@pytest.fixture
def open_ledger(path, runtime):
    opened = []

    def opening():
        ledger = Ledger(f"sqlite:///{path}", now=runtime.now)
        opened.append(ledger)
        ledger.open()
        return ledger

    yield opening
    for ledger in opened:
        ledger.close()


ROWS = [
    # status and error kind as version 1 wrote them, and what they are now
    ("submitting", None, Status.SUBMITTING, None),
    ("submitting", "waiting", Status.SUBMITTING, ErrorKind.RATE_LIMIT),
    ("submitting", "in_line", Status.SUBMITTING, ErrorKind.CONCURRENCY_LIMIT),
    ("submitting", "ledger", Status.SUBMITTING, ErrorKind.LEDGER),
    ("unknown", "unknown", Status.UNKNOWN, ErrorKind.UNKNOWN),
    ("unknown", "unauthorized", Status.UNKNOWN, ErrorKind.UNAUTHORIZED),
    ("rejected", "refused", Status.REJECTED, ErrorKind.REFUSED),
    ("rejected", "unauthorized", Status.REJECTED, ErrorKind.UNAUTHORIZED),
    ("rejected", "not_sent", Status.REJECTED, ErrorKind.NOT_SENT),
    ("rejected", "withdrawn", Status.CANCELLED, ErrorKind.CANCELLED),
    ("rejected", "forgotten", Status.ABANDONED, ErrorKind.ABANDONED),
    ("queued", None, Status.QUEUED, None),
    ("queued", "no_news", Status.QUEUED, ErrorKind.NO_NEWS),
    ("generating", "still_running", Status.GENERATING, ErrorKind.STILL_RUNNING),
    ("generating", "internal", Status.GENERATING, ErrorKind.INTERNAL),
    ("saving", "not_saved", Status.SAVING, ErrorKind.NOT_SAVED),
    ("completed", None, Status.COMPLETED, None),
    ("failed", "failed", Status.FAILED, ErrorKind.FAILED),
]


def test_every_status_and_error_of_version_1_is_read_as_what_it_means_now(path, open_ledger):
    written_by_version_1(
        path,
        *({"status": status, "error": kind and error(kind)} for status, kind, _, _ in ROWS),
    )
    ledger = open_ledger()
    for number, (_, old_kind, status, kind) in enumerate(ROWS):
        row = ledger.get(f"{number:032x}")
        assert row.status is status
        assert (row.error and row.error.kind) is kind
        assert (row.error and row.error.message) == (old_kind and f"Of the kind {old_kind}.")
        assert [getattr(row, name) for name in COLUMNS] == [None, None, None, False]
        assert row.prompt == PROMPT
    assert len(ledger.unfinished(origin=SIMULATOR)) == 11


def test_what_a_row_of_version_1_holds_is_kept(path, open_ledger):
    written_by_version_1(
        path,
        {
            "id": "a" * 32,
            "task_id": "742452fc-…:kling-video/v1.6",
            "owner": "ann",
            "origin": "aimlapi",
            "status": "completed",
            "created_at": "2026-03-01T12:00:00.000+00:00",
            "updated_at": "2026-03-01T12:05:00.000+00:00",
            "finished_at": "2026-03-01T12:05:00.000+00:00",
            "video": "videos/a/a.mp4",
            "credits_used": 420_000.0,
            "usd_spent": 0.21,
        },
    )
    [row] = open_ledger().newest("ann", limit=9)
    assert (row.task_id, row.origin, row.video) == (
        "742452fc-…:kling-video/v1.6",
        "aimlapi",
        "videos/a/a.mp4",
    )
    assert (row.credits_used, row.usd_spent) == (420_000.0, 0.21)
    assert (row.created_at, row.updated_at) == (
        "2026-03-01T12:00:00.000+00:00",
        "2026-03-01T12:05:00.000+00:00",
    )
    assert row.finished_at == row.updated_at


@pytest.mark.parametrize("spoilt", ["[1]", '"text"', '{"kind": ["withdrawn"]}', "[" * 5000, "{}"])
def test_an_error_that_can_not_be_read_stops_no_migration(path, open_ledger, spoilt):
    written_by_version_1(path, {"status": "rejected"})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE generations SET error = ?", [spoilt])
    [row] = open_ledger().newest("local", limit=9)
    assert (row.status, row.error) == (Status.REJECTED, None)


@from_each_version
def test_a_migrated_ledger_and_a_new_one_have_the_same_tables(path, tmp_path, open_ledger, version):
    def tables(of):
        with closing(sqlite3.connect(of)) as connection:
            return {
                (kind, name): sorted(
                    connection.execute(
                        'SELECT name, "notnull", pk FROM pragma_table_info(?)', [name]
                    )
                )
                for kind, name in connection.execute("SELECT type, name FROM sqlite_master")
            }

    WRITERS[version](path)
    open_ledger()
    new = Ledger(f"sqlite:///{tmp_path}/new.db")
    new.open()
    new.close()
    assert tables(path) == tables(tmp_path / "new.db")


@from_each_version
def test_what_was_confirmed_before_counts_from_its_click(path, open_ledger, version):
    WRITERS[version](path, {"status": "submitting", "error": error("rate_limit")})
    [row] = open_ledger().newest("local", limit=9)
    assert (row.confirmed_at, row.prompt) == (row.created_at, PROMPT)
    others = [name for name in NEW_IN_3 if name not in {"confirmed_at", "chain"}]
    assert [getattr(row, name) for name in others] == [None] * 4
    assert row.chain == ()


def test_a_migration_that_is_broken_off_is_done_whole_the_next_time(path, open_ledger, monkeypatch):
    written_by_version_1(path, {"status": "rejected", "error": error("withdrawn")})

    def break_off(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kling_ui.ledger.schema.MIGRATIONS", (*MIGRATIONS, break_off))
    with pytest.raises(KeyboardInterrupt):
        open_ledger()
    monkeypatch.undo()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
        names = {row[1] for row in connection.execute("PRAGMA table_info(generations)")}
    assert names.isdisjoint([*COLUMNS, *NEW_IN_3])
    [row] = open_ledger().newest("local", limit=9)
    assert row.status is Status.CANCELLED


# -- going on

UNFINISHED_THEN = {
    "submitting": [LOST["reset"], Fault(on="logs", kind="late", times=None)],
    "unknown": [LOST["reset"], Fault(on="logs", kind="late", times=None)],
    "queued": [Fault(on="get", kind="word", word="queued", times=None)],
    "generating": [Fault(on="get", kind="word", word="generating", times=None)],
    "saving": [Fault(on="download", kind="hang", times=None)],
}


@pytest.mark.parametrize("status", list(UNFINISHED_THEN))
async def test_an_unfinished_row_of_version_1_is_gone_on_with(
    path, open_ledger, make_service, simulator, status
):
    """The task is begun by this version; its row is then told as version 1 would have done."""
    simulator.plan(*UNFINISHED_THEN[status])
    before = make_service()
    row = await submit(before, MODEL, {"prompt": PROMPT})
    await before.close()
    simulator.clear()
    task_id = None if status in {"submitting", "unknown"} else row.task_id
    written_by_version_1(
        path, {"id": row.id, "status": status, "task_id": task_id, "payload": row.payload}
    )
    after = make_service(ledger=open_ledger())
    assert await after.resume() == 1
    assert_a_video_is_there(after, await at_rest(after, row.id))
    assert_paid_once(simulator)


@pytest.mark.parametrize(("hours", "expected"), [(0.9, Status.COMPLETED), (1.1, Status.WAITING)])
async def test_what_waited_in_version_2_goes_on_for_an_hour_and_asks_then(  # noqa: PLR0917  fixtures
    path, open_ledger, make_service, simulator, runtime, hours, expected
):
    written_by_version_2(path, {"id": "a" * 32, "status": "waiting"})
    runtime.pass_by(hours=hours)
    service = make_service(ledger=open_ledger())
    assert await service.resume() == 1
    assert (await at_rest(service, "a" * 32)).status is expected
    assert simulator.accepted == (expected is Status.COMPLETED)


async def test_what_version_1_ended_is_left_alone(path, open_ledger, make_service, simulator):
    ended = ["withdrawn", "forgotten", "refused"]
    written_by_version_1(path, *({"status": "rejected", "error": error(kind)} for kind in ended))
    assert await make_service(ledger=open_ledger()).resume() == 0
    assert simulator.seen == []
