"""Whatever goes wrong, and in whatever order: paid once at most, and nothing paid for is lost.

`KLING_UI_EXAMPLES` says how many scripts are tried, and then they differ from run to run.
"""

import asyncio
import json
import os
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from harness import QuickRuntime, at_rest, made, posts, service_at, watched
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_ui import media
from kling_ui.ledger import Ledger
from kling_ui.service import Status
from kling_ui.simulator import Fault, Simulator

EXAMPLES = os.environ.get("KLING_UI_EXAMPLES", "")
pytestmark = pytest.mark.usefixtures("films")


def faults(on, **kinds):
    """Draw a fault for `on`: each kind with values for the fields it reads."""
    return st.one_of(
        st.builds(
            Fault,
            on=st.just(on),
            kind=st.just(kind),
            times=st.integers(1, 2),
            **{name: st.sampled_from(values) for name, values in fields.items()},
        )
        for kind, fields in kinds.items()
    )


ANYWHERE = {
    "reset_before": {},
    "reset_after": {},
    "hang": {"seconds": [0.02], "after": [True, False]},
    "html": {"status": [200, 502, 504], "after": [True, False]},
    "cut": {},
    "garbage": {"body": [b"", b"null", b"[]", b"{}", b"\x00\xff", b'{"id": null}']},
}
# A 4xx says that nothing was made, so none is carried out.
REFUSED = {
    "status": {"status": [301, 400, 401, 403, 404, 405, 429], "retry_after": [None, "0", "1", "99"]}
}
ERRORS = [None, "broken", {"name": "x", "message": "y"}, {"detail": [{"msg": "z"}]}]
PROBLEM = {
    "title": "Forbidden",
    "status": 403,
    "message": "No.",
    "instance": "/v2/video/generations?",
    "error": {"name": "ForbiddenException", "data": {"kind": "err_insufficent_credits"}},
}
NOTED = {"id": "x", "status": "generating", "error": {"name": "x", "message": "Falling back."}}
FINISHED = {"id": "x", "status": "succeeded", "error": {"message": "Odd."}}
NO_ENDS = [json.dumps(body).encode() for body in (PROBLEM, NOTED, FINISHED)]
"""What an answer to a question may say beside the state of a task; none of it is a failure."""

creating = st.one_of(
    faults("create", **ANYWHERE, **REFUSED, no_id={}, generation_id={}),
    # Whoever signs a 5xx: the task may be there.
    faults("create", status={"status": [500, 502, 503, 504], "after": [True, False]}),
)
asking = st.one_of(
    faults(
        "get",
        **ANYWHERE,
        **REFUSED,
        word={"word": ["waiting", "active", "on the runway", "completed", ""]},
        error={"error": ERRORS},
    ),
    faults("get", garbage={"body": NO_ENDS}),
    faults("get", html={"status": [401, 403, 404, 524]}),
)
searching = faults("logs", **ANYWHERE, **REFUSED, late={})
fetching = st.one_of(
    faults("download", **ANYWHERE, **REFUSED, short={}, expired={}, redirect={}),
    faults("download", garbage={"body": [b""]}),
)
scripts = st.tuples(
    st.lists(creating, max_size=2),
    st.lists(asking, max_size=3),
    st.lists(searching, max_size=2),
    st.lists(fetching, max_size=3),
).map(lambda lists: [fault for stage in lists for fault in stage])


@contextmanager
def a_house():
    """Make a folder, a runtime, a ledger and a simulator for one example."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = QuickRuntime(longest_sleep=0.001)
        ledger = Ledger(f"sqlite:///{folder}/ledger.db", now=runtime.now)
        ledger.open()
        with Simulator(folder=Path(folder) / "provider", seconds=0.01) as simulator:
            yield Path(folder), runtime, ledger, simulator
        ledger.close()


@asynccontextmanager
async def a_run_of_the_app(house):
    folder, runtime, ledger, simulator = house
    service, client = service_at(simulator.base_url, ledger=ledger, folder=folder, runtime=runtime)
    try:
        yield service
    finally:
        await service.close()
        await client.aclose()


def assert_the_promises_hold(service, simulator, generation):
    assert simulator.accepted <= 1
    if generation.status is Status.COMPLETED:
        assert simulator.charges == 1
        assert media.verify(service.files.path(generation)).duration_seconds > 4
        assert service.files.poster(generation).is_file()
    else:
        assert service.files.path(generation) is None
        assert generation.error is not None, generation
    if generation.status is Status.FAILED:
        assert simulator.charges == 0
    if generation.status in {Status.REJECTED, Status.CANCELLED, Status.WAITING}:
        # Nothing was spent, it says.
        assert simulator.accepted == 0


def assert_it_has_ended(simulator, generation):
    """Once the trouble is over, little stays open, and nothing that was paid for."""
    if generation.status in {Status.UNKNOWN, Status.WAITING}:
        assert simulator.accepted == 0
    elif generation.status is Status.SAVING:
        assert simulator.charges == 0  # called finished, and then taken back
    else:
        assert generation.status.is_final


@settings(max_examples=int(EXAMPLES or 20))
@given(scripts)
def test_no_script_of_faults_spends_twice_or_loses_what_was_paid(script):
    async def live(house):
        _, _, ledger, simulator = house
        async with a_run_of_the_app(house) as service:
            simulator.plan(*script)
            first = (await made(service))[0]
            last = await at_rest(service, first.id)
            assert_the_promises_hold(service, simulator, last)
            assert ledger.get(first.id) == last
            assert set(service.diagnostics().values()) == {0}
            # What stays open can be taken up again once the trouble is over.
            sent = len(posts(simulator))
            simulator.clear()
            await service.resume_one(first.id)
            await watched(service, first.id)
            last = await at_rest(service, first.id)
            assert_the_promises_hold(service, simulator, last)
            assert_it_has_ended(simulator, last)
            assert len(posts(simulator)) == sent

    with a_house() as house:
        asyncio.run(live(house))


@settings(max_examples=int(EXAMPLES or 12))
@given(scripts, st.integers(0, 40))
def test_the_app_may_be_ended_at_any_moment(script, steps):
    async def live(house):
        _, _, ledger, simulator = house
        simulator.plan(*script)
        async with a_run_of_the_app(house) as service:
            call = asyncio.ensure_future(made(service))
            for _ in range(steps):
                await asyncio.sleep(0.001)
        await asyncio.gather(call, return_exceptions=True)
        simulator.clear()
        async with a_run_of_the_app(house) as service:
            await service.resume()
            for generation in ledger.newest("local", limit=5):
                last = await at_rest(service, generation.id)
                assert_the_promises_hold(service, simulator, last)
                assert_it_has_ended(simulator, last)

    with a_house() as house:
        asyncio.run(live(house))
