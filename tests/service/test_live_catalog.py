"""The provider's lists over the wire and on disk, and what they say of the catalog's models."""

import asyncio
import contextlib
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_lists import KEY, ProviderLists, fixed, item, variants

from kling_ui.catalog import MODELS
from kling_ui.client import Client, Deprecation, ListedModel, ModelList
from kling_ui.ledger import LIVE, SIMULATOR
from kling_ui.service.estimates import Estimates
from kling_ui.service.live_catalog import REFRESH_SECONDS, LiveCatalog
from kling_ui.service.model_check import check_models
from kling_ui.service.waits import UsualWaits

V3 = "klingai/video-v3-pro-image-to-video"
MOTION = "klingai/video-v2-6-motion-control"
MOTION_ALIAS = "klingai/video-v2-6-pro-motion-control"
OLD = "kling-video/v1.5/pro/text-to-video"
ALL = tuple(MODELS.values())
TOO_LONG_SECONDS = 20


def listing(*names, without=()):
    """Return the list of every id in the catalog and `names`, but none of `without`."""
    ids = [*(name for name in MODELS if name not in without), *names]
    return ModelList(models=tuple(ListedModel(id=name) for name in ids))


def gone(name, status="withdrawn", **more):
    return Deprecation(id=name, status=status, **more)


# -- the check


def test_a_model_whose_id_is_listed_is_sent_by_it():
    checks = check_models(ALL, listing(), ())
    assert {check.status for check in checks.values()} == {"listed"}
    assert all(check.id_to_send == name for name, check in checks.items())
    assert set(checks) == set(MODELS)


def test_an_id_that_is_another_models_alias_is_listed():
    listed = ModelList(
        models=(*listing(without=[V3]).models, ListedModel(id="new/v3", aliases=(V3,)))
    )
    check = check_models(ALL, listed, ())[V3]
    assert (check.status, check.id_to_send) == ("listed", V3)


@pytest.mark.parametrize("model", [model for model in ALL if model.aliases], ids=lambda m: m.id)
def test_a_documented_alias_is_sent_where_the_list_has_it_and_not_the_id(model):
    (alias,) = model.aliases
    assert check_models(ALL, listing(alias), ())[model.id].id_to_send == model.id
    found = check_models(ALL, listing(alias, without=[model.id]), ())[model.id]
    assert (found.status, found.id_to_send) == ("alias", alias)
    # What is listed is there, however short the list.
    short = ModelList(models=(ListedModel(id="x", aliases=(alias,)),))
    assert check_models(ALL, short, ())[model.id].id_to_send == alias


def test_an_alias_is_no_other_models_id():
    for model in ALL:
        assert not set(model.aliases) & set(MODELS)
    assert sum(bool(model.aliases) for model in ALL) == 5


def test_a_model_that_a_whole_list_lacks_is_marked_and_sent_as_it_is():
    check = check_models(ALL, listing(without=[OLD]), ())[OLD]
    assert (check.status, check.id_to_send) == ("unlisted", OLD)


@pytest.mark.parametrize(
    "listed",
    [
        None,
        ModelList(models=(ListedModel(id=V3),)),
        ModelList(models=tuple(ListedModel(id=f"other/{n}") for n in range(400))),
        listing(without=list(MODELS)[:30]),
    ],
    ids=["none", "one", "others", "short"],
)
def test_a_list_that_is_empty_or_short_marks_nothing(listed):
    checks = check_models(ALL, listed, ())
    assert {check.status for check in checks.values()} <= {"unchecked", "listed"}
    assert all(check.id_to_send == name for name, check in checks.items())


@pytest.mark.parametrize("status", ["deprecated", "superseded", "withdrawn"])
@pytest.mark.parametrize("listed", [None, listing(), listing(without=[OLD])])
def test_a_model_on_its_way_out_is_marked_with_its_successor_and_can_still_be_sent(listed, status):
    rows = (gone(OLD, status, replaced_by=V3, shutdown_at="2026-01-31", reason="Old."),)
    check = check_models(ALL, listed, rows)[OLD]
    assert (check.status, check.id_to_send, check.successor) == (status, OLD, V3)
    assert (check.shutdown_at, check.reason) == ("2026-01-31", "Old.")
    assert check_models(ALL, listed, rows)[V3].successor is None


def test_a_deprecation_is_found_by_an_alias_but_its_own_row_goes_first():
    by_alias = Deprecation(id="x", aliases=(OLD,), status="deprecated")
    assert check_models(ALL, None, (by_alias,))[OLD].status == "deprecated"
    assert check_models(ALL, None, (by_alias, gone(OLD)))[OLD].status == "withdrawn"


def test_a_name_given_up_for_a_documented_alias_does_not_mark_the_model():
    rows = (gone(MOTION, replaced_by=MOTION_ALIAS),)
    check = check_models(ALL, listing(MOTION_ALIAS, without=[MOTION]), rows)[MOTION]
    assert (check.status, check.id_to_send) == ("alias", MOTION_ALIAS)


@given(
    st.lists(st.sampled_from([*MODELS, MOTION_ALIAS, "x"])), st.lists(st.sampled_from(list(MODELS)))
)
def test_whatever_is_listed_each_model_is_sent_under_an_id_of_its_own(names, leaving):
    listed = ModelList(models=tuple(ListedModel(id=name) for name in names)) if names else None
    checks = check_models(ALL, listed, [gone(name) for name in leaving])
    for model in ALL:
        assert checks[model.id].id_to_send in (model.id, *model.aliases)


# -- over the wire, and on disk


class Clock:
    """Lets `keep_fresh` sleep until a test says that ten minutes have passed."""

    def __init__(self):
        self.time = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
        self.slept = []
        self._asleep = asyncio.Event()
        self._woken = asyncio.Event()

    def now(self):
        return self.time

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self._asleep.set()
        await self._woken.wait()
        self._woken.clear()
        self.time += timedelta(seconds=seconds)

    async def round(self):
        """Return once a round of questions has been asked."""
        async with asyncio.timeout(TOO_LONG_SECONDS):
            await self._asleep.wait()
        self._asleep.clear()

    def wake(self):
        self._woken.set()


@pytest.fixture
def lists():
    with ProviderLists() as running:
        running.models["data"] = [
            item(name, fixed(0.14)) for name in MODELS if name not in (MOTION, OLD)
        ]
        running.models["data"].append(item(MOTION_ALIAS, fixed(0.2)))
        running.deprecations["data"] = [
            {"id": OLD, "aliases": [], "status": "withdrawn", "replaced_by": V3}
        ]
        yield running


@contextlib.asynccontextmanager
async def running(url, folder, *, origin=LIVE):
    """Keep a live catalog fresh; yield it with its clock after the first round."""
    clock = Clock()
    async with Client(base_url=url, api_key=KEY) as client:
        live = LiveCatalog(
            client=client, folder=folder, origin=origin, sleep=clock.sleep, now=clock.now
        )
        task = asyncio.create_task(live.keep_fresh())
        try:
            await clock.round()
            yield live, clock
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_one_round_after_start_tells_prices_aliases_and_successors(lists, tmp_path):
    async with running(lists.url, tmp_path) as (live, clock):
        assert live.model_list.named(V3)[0].pricing.units[0].price == 0.14
        assert live.fetched_at == clock.time
        assert live.model_id_to_send(MOTION) == MOTION_ALIAS
        assert live.model_id_to_send(V3) == V3
        assert live.model_id_to_send("nobody/knows") == "nobody/knows"
        assert (live.check(OLD).status, live.successor(OLD)) == ("withdrawn", V3)
        assert live.successor(V3) is None
        assert live.successor("nobody/knows") is None


async def test_the_list_is_asked_for_every_ten_minutes_and_the_deprecations_once(lists, tmp_path):
    async with running(lists.url, tmp_path) as (live, clock):
        for _ in range(3):
            clock.wake()
            await clock.round()
        assert clock.slept == [REFRESH_SECONDS] * 4 == [600] * 4
        asked = lists.headers_of("/v1/models")
        assert len(asked) == 4
        assert ["if-none-match" in headers for headers in asked] == [False, True, True, True]
        assert len(lists.headers_of("/v1/models/deprecations")) == 1
        assert live.fetched_at == clock.time
        assert len(live.model_list.models) == len(lists.models["data"])


async def test_a_changed_price_is_taken_over(lists, tmp_path):
    async with running(lists.url, tmp_path) as (live, clock):
        lists.models["data"] = [item(V3, fixed(0.3))]
        clock.wake()
        await clock.round()
        assert live.model_list.named(V3)[0].pricing.units[0].price == 0.3


async def test_a_list_that_fails_later_keeps_the_old_one_with_its_age(lists, tmp_path):
    async with running(lists.url, tmp_path) as (live, clock):
        began = clock.time
        for body in (b"", b"<html>", b'{"data": []}', b'{"data": [{"id"'):
            lists.models = body
            clock.wake()
            await clock.round()
            assert live.fetched_at == began
            assert live.model_list.named(V3)
        assert live.check(OLD).status == "withdrawn"


async def test_a_provider_that_is_away_is_asked_again_and_nothing_breaks(lists, tmp_path):
    lists.status = 503
    async with running(lists.url, tmp_path) as (live, clock):
        assert (live.model_list, live.fetched_at) == (None, None)
        assert {live.check(name).status for name in MODELS} == {"unchecked"}
        assert live.model_id_to_send(MOTION) == MOTION
        lists.status = 200
        clock.wake()
        await clock.round()
        assert live.model_id_to_send(MOTION) == MOTION_ALIAS
        assert live.check(OLD).status == "withdrawn"


async def test_the_list_of_the_last_run_serves_where_nobody_answers(lists, tmp_path):
    lists.models["data"] = [
        *lists.models["data"],
        item("x/y", variants(({"generate_audio": True}, 0.28)), aliases=["z"]),
    ]
    async with running(lists.url, tmp_path) as (before, clock):
        first, began = before.model_list, clock.time
    lists.status = 500
    async with running(lists.url, tmp_path) as (live, _):
        # It was asked whether it has changed, and could not say.
        assert lists.headers_of("/v1/models")[-1]["if-none-match"] == first.etag
    async with running("http://127.0.0.1:9", tmp_path) as (live, _):
        assert (live.model_list, live.fetched_at) == (first, began)
        assert live.model_id_to_send(MOTION) == MOTION_ALIAS


async def test_the_simulators_list_and_the_live_one_are_kept_apart(lists, tmp_path):
    async with running(lists.url, tmp_path, origin=SIMULATOR):
        pass
    async with running("http://127.0.0.1:9", tmp_path, origin=LIVE) as (live, _):
        assert live.model_list is None


KEPT = {"fetched_at": "2026-09-01T12:00:00+00:00", "etag": None, "models": [{"id": V3}]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff",
        b"[]",
        b"7",
        b"null",
        b'{"fetched_at": "2026-09-01T12:00:00+00:00", "etag": ',
        json.dumps({**KEPT, "fetched_at": "yesterday"}).encode(),
        json.dumps({**KEPT, "fetched_at": 5}).encode(),
        json.dumps({**KEPT, "models": []}).encode(),
        json.dumps({**KEPT, "models": {"data": 5}}).encode(),
        json.dumps({"models": [{"id": V3}]}).encode(),
        b"[" * 100_000,
    ],
)
async def test_a_damaged_file_is_as_good_as_none_and_is_mended(lists, tmp_path, content):
    file = tmp_path / f"models-{LIVE}.json"
    file.write_bytes(content)
    lists.status = 500
    async with running(lists.url, tmp_path) as (live, clock):
        assert live.model_list is None
        lists.status = 200
        clock.wake()
        await clock.round()
        assert live.model_list.named(V3)
    assert json.loads(file.read_bytes())["models"]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


async def test_a_disk_in_trouble_costs_only_the_file(lists, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    async with running(lists.url, tmp_path / "missing") as (live, _):
        assert live.model_list is not None
    assert "can't be written" in caplog.text


async def test_the_first_question_waits_for_the_list_but_not_for_long(lists, tmp_path):
    async with running(lists.url, tmp_path) as (live, _):
        async with asyncio.timeout(TOO_LONG_SECONDS):
            await live.first_list()
    async with Client(base_url=lists.url, api_key=KEY) as client:
        never_run = LiveCatalog(client=client, folder=tmp_path, origin=LIVE)
        async with asyncio.timeout(TOO_LONG_SECONDS):
            await never_run.first_list(0.01)
        assert never_run.model_list is None


async def test_an_estimate_needs_neither_network_nor_disk(lists, tmp_path, ledger):
    lists.models["data"] += [item(f"maker/{n}", fixed(1), aliases=[f"a{n}"]) for n in range(400)]
    async with running(lists.url, tmp_path) as (live, clock):
        waits = UsualWaits(ledger=ledger, origin=LIVE)
        estimates = Estimates(live=live, waits=waits, is_simulated=False, now=clock.now)
        asked = len(lists.requests)
        found = estimates.estimate(MOTION, {}, input_seconds=4)
        assert len(lists.requests) == asked
    assert (found.usd_low, found.usd_high, found.usd) == (0.8, 0.8, None)
