"""Whatever the file system can't do: a sync, a lock, shared memory, an odd name."""

import asyncio.selector_events
import errno
import inspect
import logging
import os
import shutil
import socket
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from kling_ui import startup
from kling_ui.ledger import Generation, Ledger, LedgerError, Status
from kling_ui.service import folders
from kling_ui.service.files import Files

DAY = 86_400.0


def generation(number=1):
    moment = "2026-01-01T00:00:00.000+00:00"
    return Generation(
        id=f"{number:032x}",
        model="m",
        payload={"prompt": "A boat"},
        owner="o",
        origin="aimlapi",
        status=Status.SUBMITTING,
        created_at=moment,
        updated_at=moment,
    )


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens the ledger at a path, and closes all of them after."""
    ledgers = []

    def open_at(path):
        ledger = Ledger(path)
        ledger.open()
        ledgers.append(ledger)
        return ledger

    yield open_at
    for ledger in ledgers:
        ledger.close()


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


# --------------------------------------------------------------------------- syncs


@pytest.fixture
def failing_sync(monkeypatch):
    """Return a function that makes fsync fail with an errno for files or for folders."""
    sync = os.fsync

    def fail(code, *, for_folders):
        def fsync(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode) is for_folders:
                raise OSError(code, os.strerror(code))
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    return fail


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EIO, errno.EBADF])
def test_a_folder_that_can_not_be_synced_decides_nothing(tmp_path, failing_sync, code):
    failing_sync(code, for_folders=True)
    folders.sync_folder(tmp_path)
    folders.sync_folder(tmp_path / "missing")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_syncs_is_no_trouble(tmp_path, failing_sync, code):
    failing_sync(code, for_folders=False)
    file = tmp_path / "v"
    file.write_bytes(b"film")
    folders.sync_file(file)
    assert file.read_bytes() == b"film"


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_sync_that_failed_is_a_trouble(tmp_path, failing_sync, code):
    failing_sync(code, for_folders=False)
    (tmp_path / "v").write_bytes(b"film")
    with pytest.raises(OSError, match=os.strerror(code)):
        folders.sync_file(tmp_path / "v")


# --------------------------------------------------------------------------- folders


def test_what_the_app_makes_is_for_its_user_only(tmp_path, opened):
    data = tmp_path / "data"
    startup.make_data_folder(data)
    opened(data / "kling-ui.db").insert(generation())
    files = Files(data)
    files.prepare()
    for folder in (data, files.videos, data / "incoming"):
        assert mode_of(folder) == 0o700
    ledger_files = sorted(data.glob("kling-ui.db*"))
    assert [path.name for path in ledger_files] == [
        *("kling-ui.db", "kling-ui.db-shm", "kling-ui.db-wal"),
    ]
    assert {mode_of(path) for path in ledger_files} == {0o600}


def test_what_an_earlier_version_left_open_is_closed(tmp_path, opened):
    data = tmp_path / "data"
    (data / "videos").mkdir(parents=True)
    with closing(sqlite3.connect(data / "kling-ui.db")) as ledger:
        ledger.execute("PRAGMA journal_mode=WAL")
    for path, mode in {data: 0o755, data / "videos": 0o755, data / "kling-ui.db": 0o644}.items():
        path.chmod(mode)
    startup.make_data_folder(data)
    Files(data).prepare()
    opened(data / "kling-ui.db")
    assert mode_of(data) == mode_of(data / "videos") == 0o700
    assert mode_of(data / "kling-ui.db") == 0o600


def test_a_data_folder_that_holds_more_than_ours_keeps_its_mode(tmp_path):
    shared = tmp_path / "shared"
    (shared / "somebody else's").mkdir(parents=True)
    shared.chmod(0o755)
    startup.make_data_folder(shared)
    assert mode_of(shared) == 0o755


def test_a_data_folder_that_can_not_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(startup.StartError, match=r"data folder .*file.* can't be used"):
        startup.make_data_folder(tmp_path / "file" / "data")


@pytest.mark.parametrize("name", ["videos", "gradio/uploads", "kling-ui.db", "kling-ui.db-wal"])
def test_what_lies_in_the_data_folder_and_is_another_users_is_told(tmp_path, monkeypatch, name):
    """After a start as root the app would pay for videos that it can't save."""
    (tmp_path / name).mkdir(parents=True)
    can_access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != tmp_path / name and can_access(path, mode)
    )
    with pytest.raises(startup.StartError, match=rf"^\S*{name} may not be written to.*chown -R"):
        startup.make_data_folder(tmp_path)


def test_a_file_in_the_place_of_a_folder_and_a_link_to_nowhere_are_told(tmp_path):
    (tmp_path / "videos").write_text("")
    with pytest.raises(startup.StartError, match=r"videos is no folder"):
        startup.make_data_folder(tmp_path)
    (tmp_path / "videos").unlink()
    (tmp_path / "videos").symlink_to(tmp_path / "unmounted")
    with pytest.raises(startup.StartError, match=r"videos may not be written to, or leads nowhere"):
        startup.make_data_folder(tmp_path)


def test_uploads_go_a_day_after_their_last_use(tmp_path):
    now = 1_800_000_000.0
    ages = {"old": (DAY + 1, DAY + 1), "read": (DAY - 1, 3 * DAY), "written": (3 * DAY, DAY - 1)}
    for name, (since_read, since_written) in ages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "picture.png").write_bytes(b"picture")
        os.utime(tmp_path / name / "picture.png", (now - since_read, now - since_written))
        os.utime(tmp_path / name, (now - since_written, now - since_written))
    (tmp_path / "empty, for an upload under way").mkdir()
    os.utime(tmp_path / "empty, for an upload under way", (now, now))
    folders.purge_uploads(tmp_path, now=now)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("read", "written", "empty, for an upload under way"),
    }
    folders.purge_uploads(tmp_path / "missing", now=now)


# --------------------------------------------------------------------------- open files


def test_as_many_files_may_be_open_as_the_system_allows():
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        startup.raise_open_files()
        now, same = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (now, same) == (min(hard, startup.MOST_OPEN_FILES), hard)


def test_connections_that_can_not_be_taken_are_logged_once_a_minute(caplog):
    """asyncio tries 2,048 a second: its tracebacks filled a disk with 2 MB a second."""
    times = [0.0]
    log = logging.getLogger("accepting")
    log.addFilter(startup.AcceptFilter(now=lambda: times[-1]))
    for moment in (0.0, 0.0, 59.0, 60.0):
        times.append(moment)
        log.error("%s\nsocket: x", startup.OUT_OF_FILES, exc_info=OSError(24, "x"))
    log.error("something %s", "else")
    assert startup.OUT_OF_FILES in inspect.getsource(asyncio.selector_events)
    assert caplog.messages == [startup.TOO_MANY_FILES] * 2 + ["something else"]
    assert "Traceback" not in caplog.text


# --------------------------------------------------------------------------- locks


NO_LOCKS = [errno.EOPNOTSUPP, errno.ENOLCK, errno.EPERM, errno.ENOSYS, errno.EINVAL]


@pytest.mark.parametrize("code", NO_LOCKS)
def test_a_lock_that_can_not_be_had_warns_and_goes_on(tmp_path, monkeypatch, caplog, code):
    def acquire(self):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with caplog.at_level(logging.WARNING):
        assert startup.hold(tmp_path / "in-use.lock", what="x", setting="X") is None
    assert "can't be locked here" in caplog.text


def test_a_lock_that_is_held_names_the_file_to_remove_if_nobody_holds_it(tmp_path):
    path = tmp_path / "in-use.lock"
    with FileLock(path), pytest.raises(startup.StartError) as caught:
        startup.hold(path, what="x", setting="X_DIR")
    assert "another one is using x. Stop that one first, or set X_DIR" in str(caught.value)
    assert f"remove {path}" in str(caught.value)
    assert startup.hold(path, what="x", setting="X_DIR").is_locked


def test_a_lock_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(startup.StartError, match="can't be written"):
        startup.hold(tmp_path / "file" / "in-use.lock", what="x", setting="X")


# --------------------------------------------------------------------------- the ledger's file


@pytest.mark.parametrize(
    "name", ["what?", "a#b", "100%", "a%20b", "ü", "a b", "x?mode=ro", ":m", "\udce9"]
)
def test_the_ledger_lies_in_its_folder_whatever_that_is_called(tmp_path, opened, name):
    path = tmp_path / name / "kling-ui.db"
    path.parent.mkdir()
    ledger = opened(path)
    ledger.insert(generation())
    assert ledger.path == path
    assert path.is_file()
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_the_file_behind_a_url_is_known_in_every_form(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in (f"sqlite:///{tmp_path}/l.db", "sqlite:///l.db", "sqlite:///./x/../l.db",
                f"sqlite:///file:{tmp_path}/l.db?uri=true"):  # fmt: skip
        assert Ledger(url).path == tmp_path / "l.db"
    (tmp_path / "link.db").symlink_to("l.db")
    assert Ledger(tmp_path / "link.db").path == tmp_path / "l.db"
    for url in ("sqlite://", "sqlite:///:memory:"):
        assert Ledger(url).path is None


def shared_memory_denied(path):
    path.with_name(f"{path.name}-shm").mkdir()


@pytest.mark.parametrize("was_wal", [False, True])
def test_without_shared_memory_the_ledger_keeps_a_rollback_journal(
    tmp_path, opened, caplog, was_wal
):
    path = tmp_path / "ledger.db"
    if was_wal:  # of a run that was killed: the row stands in the log alone
        opened(tmp_path / "killed.db").insert(generation(1))
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"killed.db{suffix}", tmp_path / f"ledger.db{suffix}")
    shared_memory_denied(path)
    with caplog.at_level(logging.WARNING):
        ledger = opened(path)
    ledger.insert(generation(2))
    assert caplog.text.count("allows no write-ahead log") == 1
    with ledger._transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
    assert len(opened(path).newest("o", limit=9)) == 1 + was_wal


def test_many_threads_write_with_a_rollback_journal(tmp_path, opened):
    path = tmp_path / "ledger.db"
    shared_memory_denied(path)
    ledger = opened(path)
    threads = [
        threading.Thread(target=ledger.insert, args=(generation(number),)) for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.newest("o", limit=99)) == 20


def test_what_is_wrong_with_the_file_itself_is_not_taken_for_a_missing_feature(tmp_path, opened):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database at all" * 99)
    with pytest.raises(LedgerError, match="It is damaged"):
        opened(path)


def delete(path):
    path.unlink()


def move(path):
    path.rename(path.with_name("old.db"))


def replace(path):
    path.with_name("other.db").write_bytes(path.read_bytes())
    path.with_name("other.db").replace(path)


@pytest.mark.parametrize("lose", [delete, move, replace])
def test_nothing_is_begun_in_a_ledger_that_is_no_longer_at_its_path(tmp_path, opened, lose):
    path = tmp_path / "ledger.db"
    ledger = opened(path)
    ledger.insert(generation(1))
    lose(path)
    with pytest.raises(LedgerError, match=r"ledger\.db was deleted, moved or replaced"):
        ledger.insert(generation(2))
    # What runs goes on: the row may be all that is known of something paid.
    assert ledger.update(generation(1).id, task_id="t").task_id == "t"


def test_a_ledger_that_is_put_back_is_used_again(tmp_path, opened):
    path = tmp_path / "ledger.db"
    ledger = opened(path)
    move(path)
    path.with_name("old.db").rename(path)
    ledger.insert(generation())


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
bucket: /mnt/my\\040films fuse.rclone rw 0 0
/dev/sdb1 /mnt/my\\040films/disk ext4 rw 0 0
over /over fuse.rclone rw 0 0
over /over ext4 rw 0 0
layers /layers fuse.fuse-overlayfs rw 0 0
/dev/sdc1 /ntfs fuseblk rw 0 0
"""


@pytest.mark.parametrize(
    ("ledger", "is_told"),
    [
        ("/mnt/my films/kling-ui.db", True),
        ("/mnt/my films/disk/kling-ui.db", False),
        ("/mnt/my films 2/kling-ui.db", False),
        ("/over/kling-ui.db", False),
        ("/layers/kling-ui.db", False),
        ("/ntfs/kling-ui.db", False),
        (None, False),
    ],
)
def test_a_ledger_on_a_mount_that_may_be_a_bucket_is_told(tmp_path, caplog, ledger, is_told):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    startup.warn_of_buckets(Path(ledger) if ledger else None, mounts=mounts)
    assert ("If that is a bucket" in caplog.text) is is_told
    startup.warn_of_buckets(Path("/x"), mounts=tmp_path / "missing")


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/home/me/data", (Path("/"), "ext4")),
        ("/mnt/my films/disk", (Path("/mnt/my films/disk"), "ext4")),
        ("/over/data", (Path("/over"), "ext4")),
    ],
)
def test_the_file_system_around_a_folder_is_the_innermost_and_newest(tmp_path, path, mount):
    (tmp_path / "mounts").write_text(MOUNTS)
    assert startup.mount_of(Path(path), mounts=tmp_path / "mounts") == mount


# --------------------------------------------------------------------------- ports


def test_a_port_that_is_wanted_and_taken_is_told(taken):
    with pytest.raises(startup.StartError, match=rf"port {taken} \(GRADIO_SERVER_PORT\) is taken"):
        startup.free_port("127.0.0.1", taken)


def test_without_a_wish_the_next_free_port_is_taken(taken, monkeypatch):
    monkeypatch.setattr(startup, "FIRST_PORT", taken)
    assert startup.free_port("127.0.0.1", None) > taken
    monkeypatch.setattr(startup, "PORTS_TRIED", 1)
    with pytest.raises(startup.StartError, match="are taken"):
        startup.free_port("127.0.0.1", None)


@pytest.mark.parametrize("name", ["203.0.113.7", "a" * 64 + ".example", "not a name", ".."])
def test_a_name_that_is_no_address_of_this_machine_is_told(name):
    with pytest.raises(startup.StartError, match="which is no address of this machine"):
        startup.free_port(name, None)


def test_a_port_that_only_the_system_may_use_is_told(monkeypatch):
    def bind(self, address):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(startup, "socket", SimpleNamespace(**vars(socket)))
    monkeypatch.setattr(startup.socket, "socket", type("S", (socket.socket,), {"bind": bind}))
    with pytest.raises(startup.StartError, match=r"port 80 .* may not be used by this user"):
        startup.free_port("127.0.0.1", 80)


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]
