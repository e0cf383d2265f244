"""The ledger keeps what was committed, whoever writes and however often it is opened."""

import contextlib
import sqlite3
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from kling_ui.ledger import (
    LIVE,
    SIMULATOR,
    UNFINISHED,
    Generation,
    GenerationError,
    Ledger,
    LedgerError,
    Status,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET_PROMPT = "our unannounced product"


class Clock:
    def __init__(self):
        self.time = NOON

    def __call__(self):
        return self.time

    def tick(self, seconds=1.0):
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def ledger(url, clock):
    opened = Ledger(url, now=clock)
    opened.open()
    yield opened
    opened.close()


def generation(name="a", **values):
    return Generation(
        **{
            "id": name,
            "model": "kling-video/v1.6/standard/text-to-video",
            "payload": {"prompt": f"Rain on {name}", "duration": 5, "cfg_scale": 0.3},
            "owner": "local",
            "origin": SIMULATOR,
            "status": Status.SUBMITTING,
            "created_at": NOON.isoformat(timespec="milliseconds"),
            "updated_at": NOON.isoformat(timespec="milliseconds"),
            **values,
        }
    )


def ids(generations):
    return [each.id for each in generations]


# -- what is committed


def test_a_committed_row_is_there_after_reopening(ledger, url):
    full = generation(
        task_id="742452fc-…:kling-video/v1.6",
        status=Status.FAILED,
        finished_at=NOON.isoformat(),
        video="videos/a/a.mp4",
        credits_used=420_000.0,
        usd_spent=0.21,
        error=GenerationError("failed", "No face was found.", "image_url"),
        sent_at=NOON.isoformat(),
        route="kling",
        key_hash="0123456789abcdef",
        is_put_away=True,
    )
    ledger.insert(full)
    ledger.insert(generation("b"))
    ledger.close()
    again = Ledger(url)
    again.open()
    assert again.get("a") == full
    assert again.get("b") == generation("b")
    again.close()


def test_another_process_sees_a_row_as_soon_as_insert_returns(ledger, tmp_path):
    ledger.insert(generation())
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        assert connection.execute("SELECT id, status FROM generations").fetchall() == [
            ("a", "submitting")
        ]
    connection.close()


def test_an_unknown_id_is_none(ledger):
    assert ledger.get("nothing") is None


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\udfff\ud83d"])
def test_text_that_no_database_takes_is_found_nowhere_and_kept_as_far_as_it_can_be(ledger, text):
    assert ledger.get(text) is None
    kept = generation(payload={"model": "m", "prompt": text})
    ledger.insert(kept)
    assert ledger.get(kept.id) is not None


def test_an_id_is_taken_once(ledger):
    ledger.insert(generation())
    with pytest.raises(LedgerError):
        ledger.insert(generation(owner="someone else"))
    assert ledger.get("a").owner == "local"


def test_the_prompt_of_a_generation_is_text_whatever_its_payload_holds():
    assert generation().prompt == "Rain on a"
    assert generation(payload={}).prompt == ""
    assert generation(payload={"prompt": ["a", "b"]}).prompt == ""


# -- the file


def test_a_reader_never_waits_for_a_writer(ledger, tmp_path):
    connection = sqlite3.connect(tmp_path / "ledger.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_commit_is_on_the_disk_before_money_is_spent(ledger):
    with ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000


def test_the_schema_has_a_version_and_opening_again_changes_nothing(ledger, url, tmp_path):
    ledger.insert(generation())
    again = Ledger(url)
    again.open()
    again.open()
    again.close()
    connection = sqlite3.connect(tmp_path / "ledger.db")
    assert connection.execute("SELECT version FROM schema_version").fetchall() == [(3,)]
    connection.close()
    assert ledger.get("a") == generation()


def test_a_ledger_of_a_newer_app_is_refused_and_left_as_it_is(ledger, url, tmp_path):
    ledger.insert(generation())
    connection = sqlite3.connect(tmp_path / "ledger.db")
    with connection:
        connection.execute("UPDATE schema_version SET version = 4")
    newer = Ledger(url)
    with pytest.raises(LedgerError) as caught:
        newer.open()
    newer.close()
    assert str(caught.value) == (
        "This ledger was written by a newer Kling UI (schema 4; this one knows 3). "
        "Update the app, or point KLING_UI_DATA_DIR at another folder."
    )
    assert connection.execute("SELECT version FROM schema_version").fetchall() == [(4,)]
    connection.close()


# -- updates


def test_an_update_changes_what_it_names_and_the_time(ledger, clock):
    ledger.insert(generation())
    clock.tick(1.5)
    changed = ledger.update("a", status=Status.QUEUED, task_id="t1", credits_used=12.0)
    assert changed == ledger.get("a")
    assert changed == replace(
        generation(),
        status=Status.QUEUED,
        task_id="t1",
        credits_used=12.0,
        updated_at="2026-03-01T12:00:01.500+00:00",
    )


@pytest.mark.parametrize("status", list(Status))
def test_only_a_final_status_sets_the_time_of_the_end(ledger, clock, status):
    ledger.insert(generation())
    clock.tick()
    changed = ledger.update("a", status=status)
    assert changed.finished_at == ("2026-03-01T12:00:01.000+00:00" if status.is_final else None)


def test_trouble_is_kept_and_can_be_cleared(ledger):
    ledger.insert(generation())
    trouble = GenerationError("refused", "The prompt is too long.", "prompt")
    assert ledger.update("a", error=trouble).error == trouble
    assert ledger.get("a").error == trouble
    assert ledger.update("a", error=None).error is None
    assert ledger.get("a").error is None


def test_an_update_touches_no_other_row(ledger):
    ledger.insert(generation("a"))
    ledger.insert(generation("b"))
    ledger.update("a", status=Status.COMPLETED)
    assert ledger.get("b") == generation("b")


def test_an_update_leaves_a_row_alone_whose_status_is_another_by_now(ledger, clock):
    ledger.insert(generation(status=Status.SUBMITTING))
    clock.tick()
    late = ledger.update("a", only_from=(Status.WAITING,), status=Status.CANCELLED)
    assert late == ledger.get("a") == generation(status=Status.SUBMITTING)
    in_time = ledger.update("a", only_from=(Status.SUBMITTING,), status=Status.UNKNOWN)
    assert in_time.status is Status.UNKNOWN


def test_an_update_of_nothing_is_a_key_error(ledger):
    with pytest.raises(KeyError):
        ledger.update("nothing", status=Status.QUEUED)


def test_times_are_utc_wherever_the_clock_stands(url):
    east = datetime.fromisoformat("2026-03-01T14:00:00.123456+02:00")
    ledger = Ledger(url, now=lambda: east)
    assert ledger.stamp() == "2026-03-01T12:00:00.123+00:00"
    ledger.close()


# -- listings


@pytest.fixture
def three_and_one(ledger, clock):
    for name, owner in (("a", "ann"), ("b", "ann"), ("other", "bob"), ("c", "ann")):
        clock.tick()
        ledger.insert(generation(name, owner=owner, created_at=ledger.stamp()))
    return ledger


def test_an_owner_sees_the_newest_first_and_nothing_of_others(three_and_one):
    assert ids(three_and_one.newest("ann", limit=50)) == ["c", "b", "a"]
    assert ids(three_and_one.newest("ann", limit=2)) == ["c", "b"]
    assert ids(three_and_one.newest("bob", limit=50)) == ["other"]
    assert three_and_one.newest("nobody", limit=50) == []


def test_an_update_does_not_change_the_order(three_and_one):
    three_and_one.update("a", status=Status.COMPLETED)
    assert ids(three_and_one.newest("ann", limit=50)) == ["c", "b", "a"]


def test_an_owners_newest_unfinished_one_is_found(three_and_one):
    three_and_one.update("c", status=Status.COMPLETED)
    assert ids(three_and_one.newest("ann", limit=1, only_unfinished=True)) == ["b"]


def test_what_was_put_away_is_unfinished_but_not_under_way_for_its_owner(three_and_one):
    three_and_one.update("c", is_put_away=True)
    assert ids(three_and_one.newest("ann", limit=9, only_unfinished=True)) == ["b", "a"]
    assert ids(three_and_one.newest("ann", limit=9)) == ["c", "b", "a"]
    assert "c" in ids(three_and_one.unfinished(origin=SIMULATOR))


@pytest.mark.parametrize("status", list(Status))
def test_unfinished_is_everything_that_something_may_still_happen_to(ledger, status):
    ledger.insert(generation(status=status))
    is_open = status.value not in {"rejected", "cancelled", "abandoned", "completed", "failed"}
    assert ids(ledger.unfinished(origin=SIMULATOR)) == (["a"] if is_open else [])
    assert (status in UNFINISHED) is is_open


def test_only_the_unfinished_ones_of_one_origin_are_found_oldest_first(ledger, clock):
    for name, origin in (("x", LIVE), ("a", SIMULATOR), ("b", SIMULATOR), ("y", LIVE)):
        clock.tick()
        ledger.insert(generation(name, origin=origin, created_at=ledger.stamp()))
    assert ids(ledger.unfinished(origin=SIMULATOR)) == ["a", "b"]
    assert ids(ledger.unfinished(origin=LIVE)) == ["x", "y"]


# -- trouble


@pytest.mark.parametrize(
    ("url", "said"),
    [
        *((url, "is not a database URL") for url in ("garbage", "nosuch://secret@host/db", "")),
        ("postgresql://u:p@ss:secret/o#r?d%@h/d", "is not a database URL"),
        ("postgresql://u:secret@h/d", "needs a driver that is not installed: .* psycopg"),
        ("postgres://u:secret@h/d", "needs a driver that is not installed: .* psycopg"),
        ("postgres+asyncpg://u:secret@h/d", "needs a driver that is not installed: .* asyncpg"),
    ],
)
def test_a_url_that_no_driver_is_here_for_is_refused_without_repeating_it(url, said, monkeypatch):
    for module in ("psycopg", "asyncpg"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LedgerError, match=f"^KLING_UI_DATABASE_URL {said}") as caught:
        Ledger(url)
    assert "secret" not in str(caught.value)


def test_what_a_server_says_is_told_at_the_start_and_later_to_the_log_alone(caplog):
    """In memory there is no file either; a server that can't be reached fails in the same way."""
    ledger = Ledger("sqlite://")
    words = 'connection to "10.0.0.7" failed: no such role "kling"'
    trouble = sqlite3.OperationalError(f"{words}\nHINT: values")

    def refuse(*_):
        raise trouble

    sa.event.listen(ledger._engine, "do_connect", refuse)
    with pytest.raises(LedgerError, match=f"^The ledger can't be used: .*{words}$"):
        ledger.open()
    assert caplog.text == ""
    sa.event.remove(ledger._engine, "do_connect", refuse)
    ledger.open()
    sa.event.listen(ledger._engine, "before_cursor_execute", refuse)
    for _ in range(3):
        with pytest.raises(LedgerError, match=r"^The ledger can't be used: OperationalError\.$"):
            ledger.get("a")
    assert caplog.text.count(words) == 1
    assert "values" not in caplog.text
    ledger.close()


def test_where_every_connection_hangs_the_ledger_can_not_be_used(ledger, monkeypatch):
    pool = ledger._engine.pool
    monkeypatch.setattr(pool, "_timeout", 0.01)
    with contextlib.ExitStack() as taken:
        for _ in range(pool.size() + pool._max_overflow):
            taken.enter_context(ledger._engine.connect())
        with pytest.raises(LedgerError, match="can't be used: QueuePool limit"):
            ledger.get("a")


@pytest.mark.parametrize("content", [b"this is no database, it is a text" * 50, None])
def test_a_file_that_is_no_database_is_a_ledger_error(tmp_path, content):
    path = tmp_path / "ledger.db"
    path.mkdir() if content is None else path.write_bytes(content)
    ledger = Ledger(f"sqlite:///{path}")
    with pytest.raises(LedgerError) as caught:
        ledger.open()
    assert str(caught.value).startswith("The ledger ledger.db can't be used")
    is_damaged = content is not None
    assert (f"Put a copy of {path} back" in str(caught.value)) is is_damaged
    ledger.close()


def test_a_file_that_was_emptied_beside_its_log_is_not_begun_anew(tmp_path):
    path, log = tmp_path / "ledger.db", tmp_path / "ledger.db-wal"
    path.write_bytes(b"")
    log.write_bytes(b"rows")
    with pytest.raises(LedgerError, match=r"^The ledger ledger.db was emptied, its log .* was not"):
        Ledger(path).open()
    assert log.read_bytes() == b"rows"
    log.write_bytes(b"")
    fresh = Ledger(path)
    fresh.open()
    fresh.close()


@pytest.mark.parametrize(
    "change",
    [
        "status = 'on the runway'",
        "created_at = 'yesterday'",
        "created_at = '2026-01-01T00:00:00'",
        "finished_at = 'soon'",
        "sent_at = 'just now'",
    ],
)
def test_a_row_that_somebody_has_spoilt_hides_no_other(ledger, tmp_path, change, caplog):
    for name in ("a", "b", "c"):
        ledger.insert(generation(name))
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(f"UPDATE generations SET {change} WHERE id = 'b'")
    connection.close()
    assert sorted(ids(ledger.newest("local", limit=9))) == ["a", "c"]
    assert ledger.get("b") is None
    assert "row b can't be read" in caplog.text
    with pytest.raises(LedgerError, match="can't be read: b"):
        ledger.update("b", video=None)


@pytest.mark.parametrize(
    ("column", "spoilt", "read"),
    [
        ("payload", "[" * 100_000, {}),
        ("payload", "[1, 2]", {}),
        ("payload", "null", {}),
        ("error", "[1, 2", None),
        ("error", '{"kind": "x", "nothing": 1}', None),
        ("error", '"text"', None),
        ("usd_spent", "lots", None),
        ("credits_used", b"\x00", None),
    ],
)
def test_a_column_that_somebody_has_spoilt_costs_only_itself(
    ledger, tmp_path, column, spoilt, read
):
    ledger.insert(generation("a", status=Status.QUEUED, task_id="paid"))
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(f"UPDATE generations SET {column} = ?", [spoilt])
    connection.close()
    assert getattr(ledger.get("a"), column) == read
    assert ledger.get("a").task_id == "paid"


def test_no_trouble_of_the_ledger_tells_a_prompt(ledger, tmp_path, caplog):
    connection = sqlite3.connect(tmp_path / "ledger.db")
    with connection:
        connection.execute("DROP TABLE generations")
    connection.close()
    mine = generation(payload={"prompt": SECRET_PROMPT})
    calls = [
        lambda: ledger.insert(mine),
        lambda: ledger.update("a", payload={"prompt": SECRET_PROMPT}),
        lambda: ledger.get("a"),
        lambda: ledger.unfinished(origin=LIVE),
        lambda: ledger.newest("local", limit=1),
    ]
    for call in calls:
        with pytest.raises(LedgerError) as caught:
            call()
        assert SECRET_PROMPT not in f"{caught.value} {caught.value.__cause__} {caplog.text}"
    assert SECRET_PROMPT not in repr(mine)


def test_two_ledgers_write_at_once_and_nothing_is_lost(url):
    ledgers = [Ledger(url), Ledger(url)]
    ledgers[0].open()
    ledgers[1].open()
    failures = []

    def write(ledger, name):
        try:
            for number in range(15):
                ledger.insert(generation(f"{name}{number}", owner=name))
                ledger.update(f"{name}{number}", status=Status.COMPLETED)
        except LedgerError as exc:
            failures.append(exc)

    threads = [
        threading.Thread(target=write, args=(ledgers[i % 2], name))
        for i, name in enumerate(("ann", "bob", "cid", "dot"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for name in ("ann", "bob", "cid", "dot"):
        rows = ledgers[0].newest(name, limit=50)
        assert len(rows) == 15
        assert {row.status for row in rows} == {Status.COMPLETED}
    for ledger in ledgers:
        ledger.close()


@pytest.mark.parametrize("status", [Status.REJECTED, Status.CANCELLED, Status.FAILED])
def test_what_cost_nothing_is_no_measure_of_what_another_costs(ledger, status):
    ledger.insert(generation("free", status=status, usd_spent=0.0))
    ledger.insert(generation("unpriced", status=Status.COMPLETED))
    assert (
        ledger.spent_since(
            NOON.isoformat(timespec="milliseconds"), origin=SIMULATOR, assumed_usd=2.0
        )
        == 2.0
    )
    ledger.insert(generation("priced", status=Status.COMPLETED, usd_spent=0.5))
    assert (
        ledger.spent_since(
            NOON.isoformat(timespec="milliseconds"), origin=SIMULATOR, assumed_usd=2.0
        )
        == 1.0
    )
