"""What an owner has made is found, starred and deleted; what was spent on it stays counted."""

import base64
import io
from datetime import timedelta

import pytest
from harness import MODEL, PROMPT, at_rest, made, submit
from PIL import Image

from kling_ui.catalog import MODELS, Task
from kling_ui.ledger import LIVE, SIMULATOR, UNFINISHED, Generation, Status
from kling_ui.service import HistorySort, history_query

IMAGE_MODEL = "kling-video/v1.6/standard/image-to-video"
EFFECTS_MODEL = "klingai/kling-video-v1.6-standard-effects"
KLING_3 = "klingai/video-v3-pro-text-to-video"


def a_row(ledger, name, **values):
    stamp = ledger.stamp()
    row = {
        "id": f"{name:0>32}",
        "model": MODEL,
        "payload": {"model": MODEL, "prompt": PROMPT},
        "owner": "local",
        "origin": SIMULATOR,
        "status": Status.COMPLETED,
        "created_at": stamp,
        "updated_at": stamp,
        **values,
    }
    return Generation(**row)


@pytest.fixture
def add(ledger, runtime):
    def adding(name, **values):
        runtime.pass_by(seconds=1)
        row = a_row(ledger, name, **values)
        ledger.insert(row)
        return row

    return adding


@pytest.fixture
def found(service):
    """Return the short names of what a filter finds, in order."""

    async def finding(search="", *, owner="local", limit=100, offset=0, after=None, **wanted):
        page = await service.history.page(
            owner,
            history_query(search, **wanted),
            limit=limit,
            offset=offset,
            after=after,
        )
        return [row.id.lstrip("0") for row in page.generations]

    return finding


def picture(color="red"):
    file = io.BytesIO()
    Image.new("RGB", (400, 400), color).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


# -- finding


SEARCHES = [
    ("boat", ["a"]),
    ("BOAT", ["a"]),
    ("street boat", ["a"]),
    ("boat fox", []),
    ("100%", ["b"]),
    ("1_0", []),
    ("snow_man", ["b"]),
    ("straße", ["c"]),
    ("STRASSE", ["c"]),
    ("second shot", ["d"]),
    ("dizzy dizzy", ["e"]),
    ("dizzy_dizzy", ["e"]),
    ("kling 3 · pro", ["d"]),
    ("video-v3-pro", ["d"]),
    ("task-of-a", ["a"]),
    ("TASK-OF-A", ["a"]),
    ("00000b", ["b"]),
    ("b'; DROP TABLE generations; --", []),
    ("", ["e", "d", "c", "b", "a"]),
]


@pytest.mark.parametrize(("search", "names"), SEARCHES)
async def test_every_word_is_found_in_prompts_effects_models_and_ids(add, found, search, names):
    add("a", payload={"prompt": "A Boat on a street"}, task_id="Task-of-A")
    add("b", payload={"prompt": "100% a snow_man"})
    add("c", payload={"prompt": "Auf der Straße"})
    shots = [{"prompt": "A first shot"}, {"prompt": "A second one"}]
    add("d", model=KLING_3, payload={"multi_prompt": shots})
    add("e", model=EFFECTS_MODEL, payload={"effect_scene": "dizzy_dizzy"})
    add("x", owner="another", payload={"prompt": "boat 100% snow_man Straße shot"})
    assert await found(search) == names


async def test_filters_narrow_together(add, found, service):
    add("a")
    add("b", model=KLING_3, origin=LIVE)
    add("c", model=IMAGE_MODEL, status=Status.FAILED)
    await service.history.star("local", ["0" * 31 + "b"], is_starred=True)
    assert await found(tasks=(Task.TEXT,)) == ["b", "a"]
    assert await found(tasks=(Task.TEXT, Task.IMAGE)) == ["c", "b", "a"]
    assert await found(models=(KLING_3, IMAGE_MODEL)) == ["c", "b"]
    assert await found(models=(KLING_3,), tasks=(Task.IMAGE,)) == []
    assert await found(statuses=(Status.FAILED,)) == ["c"]
    assert await found(is_starred=True) == ["b"]
    assert await found(is_starred=False) == ["c", "a"]
    assert await found(is_simulated=False) == ["b"]
    assert await found(is_simulated=True, statuses=(Status.COMPLETED,)) == ["a"]


@pytest.mark.parametrize("sort", list(HistorySort))
async def test_pages_hold_everything_once_in_every_order(add, found, sort):
    prices, lengths = [1.4, None, 0.21, 1.4, 0.56], [5.0, 10.0, None, 5.0, 5.0]
    for name, usd, seconds in zip("abcde", prices, lengths, strict=True):
        add(name, usd_spent=usd, seconds=seconds)
    whole = await found(sort=sort)
    assert (
        whole
        == {
            HistorySort.NEWEST: ["e", "d", "c", "b", "a"],
            HistorySort.OLDEST: ["a", "b", "c", "d", "e"],
            HistorySort.PRICE: ["d", "a", "e", "c", "b"],
            HistorySort.LENGTH: ["b", "e", "d", "a", "c"],
        }[sort]
    )
    assert [name for at in range(5) for name in await found(sort=sort, limit=1, offset=at)] == whole
    walked, last = [], None
    while page := await found(sort=sort, limit=2, after=last):
        walked += page
        last = f"{page[-1]:0>32}"
    assert walked == whole


async def test_a_new_one_between_two_pages_moves_none(add, found):
    for name in "abcd":
        add(name)
    first = await found(limit=2)
    add("e")
    assert first + await found(limit=2, after=f"{first[-1]:0>32}") == ["d", "c", "b", "a"]


async def test_count_and_sum_are_of_all_that_is_found_and_samples_are_apart(add, service):
    add("a", origin=LIVE, usd_spent=1.4)
    add("b", origin=LIVE, usd_spent=0.7)
    add("c", origin=LIVE, usd_spent=9.0, status=Status.FAILED)
    add("d", usd_spent=0.21)
    page = await service.history.page("local", history_query(), limit=1)
    assert page.totals.count == 4
    assert (page.totals.usd, page.totals.simulated_usd) == pytest.approx((2.1, 0.21))


async def test_nobody_has_no_history(add, service):
    row = add("a", owner="")
    for owner in (None, ""):
        assert (await service.history.page(owner, history_query(), limit=9)).generations == ()
        assert await service.history.changes(owner, history_query(), since="") is None
        assert await service.history.delete(owner, [row.id]) == []
        assert await service.history.restore(owner, [row.id]) == []


async def test_a_finished_video_is_kept_with_its_length_and_size(service):
    last = (await made(service, aspect_ratio="9:16"))[-1]
    assert last.width * 16 == last.height * 9
    assert 4.5 < last.seconds < 5.5


# -- what has changed


async def test_changes_are_told_once_and_name_what_is_gone(add, service):
    one, two = add("a"), add("b")
    history, everything = service.history, history_query()
    page = await history.page("local", everything, limit=9)
    assert await history.changes("local", everything, since=page.stamp) is None
    new = add("c")
    await history.star("local", [one.id], is_starred=True)
    await history.delete("local", [two.id])
    changes = await history.changes("local", everything, since=page.stamp)
    assert changes.is_whole
    assert {new.id, one.id, two.id} == set(changes.ids)
    assert [row.id for row in changes.page.generations] == [new.id, one.id]
    assert await history.changes("local", everything, since=changes.page.stamp) is None
    assert await history.changes("another", everything, since="") is None


# -- stars


async def test_a_star_is_the_owners(add, service):
    row = add("a")
    await service.history.star("another", [row.id], is_starred=True)
    assert not (await service.get(row.id)).is_starred
    await service.history.star("local", [row.id], is_starred=True)
    assert (await service.get(row.id)).is_starred
    await service.history.star("local", [row.id], is_starred=False)
    assert not (await service.get(row.id)).is_starred


# -- deletion


@pytest.mark.parametrize("origin", [LIVE, SIMULATOR])
@pytest.mark.parametrize("status", list(Status))
async def test_what_is_paid_for_and_not_yet_there_can_not_be_deleted(
    add, service, ledger, status, origin
):
    row = add("a", status=status, origin=origin)
    may_go = origin == SIMULATOR or status not in UNFINISHED
    assert await service.history.delete("local", [row.id]) == ([row.id] if may_go else [])
    assert (ledger.get(row.id).deleted_at is not None) is may_go
    assert (await service.get(row.id) is None) is may_go


async def test_only_its_owner_deletes_and_restores(add, service):
    row = add("a")
    assert await service.history.delete("another", [row.id]) == []
    assert await service.history.delete("local", [row.id]) == [row.id]
    assert await service.history.restore("another", [row.id]) == []
    assert await service.history.restore("local", [row.id]) == [row.id]


async def test_what_is_being_worked_on_stays(service, simulator):
    first = await submit(service, MODEL, {"prompt": f"{PROMPT} [slow]"})
    assert await service.history.delete("local", [first.id]) == []
    await service.close()


async def test_a_deletion_is_taken_back_whole(service, runtime, found):
    last = (await made(service))[-1]
    await service.history.delete("local", [last.id])
    assert await found() == []
    assert not service.history.purge()
    runtime.pass_by(seconds=10)
    assert not service.history.purge()
    assert await service.history.restore("local", [last.id]) == [last.id]
    back = await service.get(last.id)
    assert (back.payload, back.video, back.deleted_at) == (last.payload, last.video, None)
    assert service.files.path(back).is_file()


async def test_a_deletion_strips_prompt_and_files_and_leaves_price_and_time(
    service, ledger, runtime, found
):
    last = (await made(service))[-1]
    await service.history.delete("local", [last.id])
    runtime.pass_by(seconds=30)
    assert service.history.purge()
    assert await service.history.restore("local", [last.id]) == []
    row = ledger.get(last.id)
    assert (row.payload, row.video, row.is_repeatable) == ({}, None, False)
    kept = ("id", "owner", "model", "origin", "status", "task_id", "usd_spent", "created_at")
    assert [getattr(row, name) for name in kept] == [getattr(last, name) for name in kept]
    assert not (service.files.videos / last.id).exists()
    assert await found(PROMPT) == []
    assert PROMPT not in str(
        ledger._engine.raw_connection().execute("SELECT * FROM generations").fetchall()
    )


async def test_deleting_everything_changes_no_sum(add, service, ledger, runtime):
    for name, origin, usd in (("a", LIVE, 1.4), ("b", LIVE, 0.7), ("c", LIVE, None)):
        add(name, origin=origin, usd_spent=usd)
    since = (runtime.now() - timedelta(days=1)).isoformat()
    before = ledger.spent_since(since, origin=LIVE, assumed_usd=5.0)
    await service.history.delete("local", [f"{name:0>32}" for name in "abc"])
    assert ledger.spent_since(since, origin=LIVE, assumed_usd=5.0) == before
    runtime.pass_by(seconds=30)
    service.history.purge()
    assert ledger.spent_since(since, origin=LIVE, assumed_usd=5.0) == before
    page = await service.history.page("local", history_query(), limit=9)
    assert (page.totals.count, page.deleted.count) == (0, 3)
    assert page.deleted.usd == pytest.approx(2.1)


async def test_inputs_go_with_the_last_generation_that_needs_them(service, tmp_path, runtime):
    shared, own = picture("red"), picture("blue")
    rows = []
    for values in ({"image_url": shared}, {"image_url": own}, {"image_url": shared}):
        first = await submit(service, IMAGE_MODEL, {**values, "prompt": PROMPT})
        rows.append(await at_rest(service, first.id))
    inputs = tmp_path / "data" / "inputs"
    names = [row.payload["image_url"].removeprefix("input:") for row in rows]
    runtime.pass_by(seconds=60)

    async def delete(row):
        await service.history.delete("local", [row.id])
        runtime.pass_by(seconds=30)
        service.history.purge()

    await delete(rows[0])
    await delete(rows[1])
    assert {path.name for path in inputs.iterdir()} == {names[0]}
    await delete(rows[2])
    assert list(inputs.iterdir()) == []


async def test_a_purge_that_a_crash_cut_off_is_finished_by_the_next(
    make_service, ledger, runtime, monkeypatch
):
    service = make_service()
    last = (await made(service))[-1]
    await service.history.delete("local", [last.id])
    runtime.pass_by(seconds=30)
    monkeypatch.setattr(ledger, "strip", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        service.history.purge()
    monkeypatch.undo()
    assert make_service().history.purge()
    assert ledger.get(last.id).payload == {}
    assert not (service.files.videos / last.id).exists()


async def test_a_deleted_simulated_run_is_not_picked_up_again(add, service):
    row = add("a", status=Status.GENERATING, task_id="gone")
    await service.history.delete("local", [row.id])
    assert await service.resume() == 0
    assert await service.newest("local") == []


def test_every_model_is_found_by_its_title():
    for model in MODELS.values():
        terms = history_query(model.title).terms
        assert all(model.id in term.models for term in terms if term.text != "·")
