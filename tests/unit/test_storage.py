"""How much is kept, for how long, and that a limit warns and does nothing else."""

import asyncio
import threading
from pathlib import Path

import pytest

from kling_ui.service.preferences import Preferences
from kling_ui.service.storage import DataPlace, Lifetime, Storage, lifetime_of
from kling_ui.ui.formatting import byte_count

TMP = Path("/tmp")


def storage_of(folder, **more):
    return Storage(
        folder,
        ledger_file=folder / "kling-ui.db",
        preferences=Preferences(folder),
        place=DataPlace(),
        **more,
    )


def write(path, size):
    """Write a file of which hardly anything is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize(
    ("folder", "mount", "is_space", "lifetime"),
    [
        ("/srv/kling", (Path("/"), "ext4"), False, Lifetime.LASTING),
        ("/srv/kling", None, False, Lifetime.LASTING),
        ("/tmp/kling", (Path("/"), "ext4"), False, Lifetime.TEMPORARY),
        ("/tmpfiles", (Path("/"), "ext4"), False, Lifetime.LASTING),
        ("/dev/shm/kling", (Path("/dev/shm"), "tmpfs"), False, Lifetime.MEMORY),
        ("/app/data", (Path("/"), "overlay"), False, Lifetime.CONTAINER),
        ("/data", (Path("/data"), "xfs"), False, Lifetime.LASTING),
        ("/app/data", (Path("/"), "overlay"), True, Lifetime.SPACE),
        ("/app/data", None, True, Lifetime.SPACE),
        ("/bucket", (Path("/bucket"), "fuse.hf-mount"), True, Lifetime.LASTING),
        ("/scratch", (Path("/scratch"), "tmpfs"), True, Lifetime.MEMORY),
    ],
)
def test_how_long_a_folder_lives_is_judged_by_where_it_lies(folder, mount, is_space, lifetime):
    found = lifetime_of(Path(folder), mount=mount, is_space=is_space, temporary=TMP)
    assert found is lifetime


async def test_space_is_counted_by_kind_and_only_in_our_own_folders(tmp_path):
    sizes = {
        "videos/a/film.mp4": 1000,
        "videos/a/poster.jpg": 200,
        "videos/b/film.mp4": 3000,
        "inputs/x.png": 40,
        "simulator/videos/x.mp4": 50_000,
        "simulator/requests.jsonl": 7,
        "gradio/uploads/1/x.png": 600_000,
        "incoming/a.part": 1,
        "kling-ui.db": 8,
        "kling-ui.db-wal": 9,
        "holiday/film.mp4": 10**6,
    }
    for name, size in sizes.items():
        write(tmp_path / name, size)
    usage = await storage_of(tmp_path).usage()
    kinds = (usage.videos, usage.posters, usage.inputs, usage.simulator, usage.temporary)
    assert kinds == (4000, 200, 40, 50_007, 600_001)
    assert usage.ledger == 17
    assert usage.total == sum(sizes.values()) - 10**6
    assert usage.free > 0


async def test_nothing_there_is_no_trouble(tmp_path):
    usage = await storage_of(tmp_path / "missing").usage()
    assert usage.total == 0
    assert usage.free is None


async def test_a_loop_of_links_and_links_to_nowhere_end(tmp_path):
    write(tmp_path / "videos/a/film.mp4", 10)
    (tmp_path / "videos/a/loop").symlink_to(tmp_path / "videos")
    (tmp_path / "videos/a/nowhere.mp4").symlink_to(tmp_path / "gone")
    assert 10 <= (await storage_of(tmp_path).usage()).videos < 1000


async def test_many_who_look_share_one_count_off_the_event_loop(tmp_path, monkeypatch):
    storage = storage_of(tmp_path)
    threads = []
    real = storage._counted

    def counted():
        threads.append(threading.current_thread())
        return real()

    monkeypatch.setattr(storage, "_counted", counted)
    await asyncio.gather(*(storage.usage() for _ in range(20)))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_a_count_that_takes_long_is_not_waited_for_and_there_the_next_time(
    tmp_path, monkeypatch
):
    storage = storage_of(tmp_path, patience_seconds=0.01)
    may_end = threading.Event()
    real = storage._counted
    monkeypatch.setattr(storage, "_counted", lambda: may_end.wait(30) and real())
    assert await storage.usage() is None
    may_end.set()
    await storage._counting
    assert (await storage.usage()).total == 0


async def test_an_end_of_the_app_is_not_held_up_by_a_count(tmp_path):
    write(tmp_path / "videos/a/film.mp4", 10)
    storage = storage_of(tmp_path)
    storage.close()
    assert await storage.usage() is None


async def test_a_limit_warns_once_and_deletes_nothing(tmp_path, caplog):
    film = tmp_path / "videos/a/film.mp4"
    write(film, 200_000_000)
    storage = storage_of(tmp_path)
    await storage.usage()
    assert not storage.is_over_limit
    Preferences(tmp_path).set_storage_limit_gb(0.1)
    storage = storage_of(tmp_path)
    for _ in range(3):
        await storage.usage()
    assert storage.is_over_limit
    assert caplog.text.count("more than the limit of 0.1 GB") == 1
    assert film.exists()
    film.unlink()
    await storage.usage()
    assert not storage.is_over_limit
    write(film, 200_000_000)
    await storage.usage()
    assert caplog.text.count("more than the limit") == 2


@pytest.mark.parametrize(("limit_gb", "is_counted"), [(None, False), (1.0, True)])
async def test_without_anybody_looking_it_is_counted_only_where_there_is_a_limit(
    tmp_path, limit_gb, is_counted
):
    Preferences(tmp_path).set_storage_limit_gb(limit_gb)
    storage = storage_of(tmp_path)
    slept = asyncio.Event()

    async def sleep(_seconds):
        slept.set()
        await asyncio.Event().wait()

    counting = asyncio.create_task(storage.keep_counted(sleep))
    await asyncio.wait_for(slept.wait(), 30)
    counting.cancel()
    assert (storage._newest is not None) is is_counted


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 KB"),
        (1, "1 KB"),
        (340_000, "340 KB"),
        (999_600, "1.0 MB"),
        (1_540_000, "1.5 MB"),
        (12_000_000, "12 MB"),
        (999_999_999, "1.0 GB"),
        (1_540_000_000, "1.5 GB"),
        (2 * 10**12, "2.0 TB"),
        (10**16, "10,000.0 TB"),
    ],
)
def test_sizes_are_written_as_people_read_them(count, words):
    assert byte_count(count) == words
