"""Where requests go may change while the app runs, and nothing under way notices."""

import asyncio
import logging

import pytest
from harness import EAGER, MODEL, PROMPT, made, posts, submit, until, watched

from kling_ui.client import Client, Network
from kling_ui.ledger import LIVE, SIMULATOR
from kling_ui.service import CannotConnectError, Connector, PollSettings, Status
from kling_ui.service.connection import KEY_CHECK_SECONDS
from kling_ui.simulator import Fault, Simulator

OTHER_KEY = "another-key-of-the-owner"
WRONG_KEY = "sk-wrong-0123456789abcdef"
SIMULATED_SECONDS = 0.03


@pytest.fixture
def api(tmp_path, films):
    """The provider itself, standing in as a second simulator that takes two keys."""
    with Simulator(folder=tmp_path / "api", seconds=SIMULATED_SECONDS) as running:
        yield running


@pytest.fixture
def started():
    """How often the simulator was started."""
    return []


@pytest.fixture
def connector(api, simulator, started):
    def live(key):
        if " " in key:
            raise ValueError("The API key holds characters that no key has; copy it again.")
        return Client(base_url=api.base_url, api_key=key, network=Network.loopback_only())

    def simulate():
        started.append(True)
        return Client(
            base_url=simulator.base_url, api_key=SIMULATOR, network=Network.loopback_only()
        )

    return Connector(live=live, simulator=simulate, simulator_seconds=SIMULATED_SECONDS)


@pytest.fixture
def service(make_service, connector):
    return make_service(connector=connector)


async def test_a_key_that_was_entered_is_tested_and_then_used(service, api, simulator):
    balance = await service.use_key(OTHER_KEY)
    assert balance > 0
    *_, last = await made(service)
    assert (last.status, last.origin) == (Status.COMPLETED, LIVE)
    assert (len(posts(api)), len(posts(simulator))) == (1, 0)
    assert not service.is_simulated


async def test_what_the_simulator_works_on_is_asked_for_there_after_a_switch(
    service, api, simulator
):
    simulator.plan(*[Fault(on="get", kind="status", status=503)] * 3)
    first = await submit(service, MODEL, {"prompt": PROMPT})
    await service.use_key(OTHER_KEY)
    assert service.is_reachable(first)
    *_, last = await watched(service, first.id)
    assert (last.status, last.origin) == (Status.COMPLETED, SIMULATOR)
    assert posts(api) == []


async def test_the_simulator_is_started_when_it_is_first_needed(
    make_service, connector, api, started
):
    service = make_service(base_url=api.base_url, key=OTHER_KEY, origin=LIVE, connector=connector)
    assert started == []
    await service.use_simulator()
    await service.use_key(OTHER_KEY)
    await service.use_simulator()
    assert started == [True]
    *_, last = await made(service)
    assert (last.status, last.origin) == (Status.COMPLETED, SIMULATOR)
    assert service.connections.current.poll_settings == PollSettings(
        poll_seconds=EAGER.poll_seconds, simulator_seconds=SIMULATED_SECONDS
    )


async def test_a_switch_takes_on_what_was_left_unfinished_there(
    make_service, connector, api, simulator
):
    before = make_service(base_url=api.base_url, key=OTHER_KEY, origin=LIVE)
    left = await submit(before, MODEL, {"prompt": PROMPT})
    await before.close()
    service = make_service(connector=connector)
    assert not service.is_reachable(left)
    await service.resume()
    assert not service.is_working_on(left.id)
    await service.use_key(OTHER_KEY)
    *_, last = await watched(service, left.id)
    assert last.status is Status.COMPLETED
    assert len(posts(api)) == 1


async def test_the_same_key_again_makes_no_second_connection(service):
    await service.use_key(OTHER_KEY)
    live = service.live
    await service.use_simulator()
    await service.use_key(OTHER_KEY)
    assert service.live is live


@pytest.mark.parametrize(
    ("key", "fault", "words"),
    [
        ("two words", None, "characters that no key has"),
        (WRONG_KEY, Fault(on="billing", kind="status", status=401), "refused this key"),
        (WRONG_KEY, Fault(on="billing", kind="status", status=503), "could not be tested"),
        (WRONG_KEY, Fault(on="billing", kind="reset_before"), "could not be tested"),
    ],
)
async def test_a_key_that_fails_its_test_changes_nothing(  # noqa: PLR0917  the table's columns
    service, api, caplog, key, fault, words
):
    caplog.set_level(logging.DEBUG)
    if fault:
        api.plan(fault)
    with pytest.raises(CannotConnectError, match=words) as refusal:
        await service.use_key(key)
    assert service.is_simulated
    assert "went before" in str(refusal.value)
    assert WRONG_KEY not in f"{refusal.value!r} {refusal.value.__cause__!r} {caplog.text}"


async def test_a_provider_that_is_silent_is_not_waited_for_for_long(service, api, monkeypatch):
    assert KEY_CHECK_SECONDS <= 30
    monkeypatch.setattr("kling_ui.service.connection.KEY_CHECK_SECONDS", 0.05)
    api.plan(Fault(on="billing", kind="hang", seconds=5))
    with pytest.raises(CannotConnectError, match="did not answer in time"):
        await service.use_key(OTHER_KEY)
    assert service.is_simulated


async def test_nobody_switches_where_the_owner_has_not_allowed_it(make_service, simulator):
    service = make_service()
    for switch in (service.use_key(OTHER_KEY), service.use_simulator()):
        with pytest.raises(CannotConnectError, match="owner"):
            await switch
    assert not service.connections.can_switch
    assert [seen.path for seen in simulator.seen] == []


async def test_an_entered_key_is_in_no_file(service, tmp_path):
    await service.use_key(OTHER_KEY)
    await made(service)
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert kept
    assert not any(OTHER_KEY.encode() in path.read_bytes() for path in kept)


async def test_the_lists_of_the_connection_in_use_are_kept_fresh(service, api):
    informing = asyncio.create_task(service.keep_informed())
    await until(lambda: service.live.fetched_at)
    await service.use_key(OTHER_KEY)
    await until(lambda: service.live.fetched_at)
    assert any(seen.path == "/v1/models" for seen in api.seen)
    informing.cancel()
    await asyncio.gather(informing, return_exceptions=True)
