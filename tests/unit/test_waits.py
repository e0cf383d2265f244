"""The usual wait: own history before the documentation; and when to ask for a state."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_ui.catalog import MODELS, output_seconds
from kling_ui.ledger import LIVE, SIMULATOR, Generation, Status
from kling_ui.service.waits import NEWEST, UsualWait, UsualWaits, documented_wait, poll_delay

V3 = "klingai/video-v3-pro-image-to-video"
MASTER = "klingai/v2-master-text-to-video"
AVATAR = "klingai/avatar-pro"
BEGAN = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def took(seconds, number=0, *, model=V3, origin=LIVE, status=Status.COMPLETED, **payload):
    began = BEGAN + timedelta(hours=number)
    done = began + timedelta(seconds=seconds)
    return Generation(
        id=f"{number:032x}",
        model=model,
        payload={"model": model, **payload},
        owner="local",
        origin=origin,
        status=status,
        created_at=began.isoformat(),
        updated_at=done.isoformat(),
        finished_at=done.isoformat(),
    )


@pytest.fixture
def waits(ledger):
    return UsualWaits(ledger=ledger, origin=LIVE)


# -- the usual wait


def test_four_own_generations_are_not_enough_and_five_are(waits, ledger):
    for number in range(4):
        ledger.insert(took(200 + 10 * number, number))
    waits.load()
    assert waits.usual(V3, {}) == UsualWait(p50=401, source="documented")
    ledger.insert(took(240, 4))
    waits.load()
    wait = waits.usual(V3, {})
    assert (wait.source, wait.count, wait.p50) == ("history", 5, 220)
    assert (wait.p10, wait.p90) == (204, 236)


def test_each_length_has_a_history_of_its_own(waits):
    for number in range(5):
        waits.learn(took(100, number))  # 5 s, the documented default
        waits.learn(took(200, number, duration=10))
    assert waits.usual(V3, {"duration": 5}).p50 == 100
    assert waits.usual(V3, {"duration": 10}).p50 == 200
    assert waits.usual(V3, {"duration": 15}).source == "documented"


def test_where_the_input_decides_the_length_the_model_has_one_history(waits):
    for number in range(5):
        waits.learn(took(50 + number, number, model=AVATAR))
    assert waits.usual(AVATAR, {"audio_url": "https://example.com/a.mp3"}).p50 == 52


def test_only_completed_generations_of_the_same_origin_count(waits, ledger):
    others = [
        took(10, 1, status=Status.FAILED),
        took(10, 2, origin=SIMULATOR),
        took(-5, 3),
        replace(took(10, 4), finished_at=None),
    ]
    for other in others:
        ledger.insert(other)
        waits.learn(other)
    for number in range(10, 14):
        ledger.insert(took(100, number))
    waits.load()
    assert waits.usual(V3, {}).source == "documented"
    waits.learn(took(100, 14))
    assert waits.usual(V3, {}).count == 5


def test_the_newest_generations_count(waits):
    for number in range(NEWEST):
        waits.learn(took(100, number))
    for number in range(NEWEST):
        waits.learn(took(300, NEWEST + number))
    wait = waits.usual(V3, {})
    assert (wait.p10, wait.p90, wait.count) == (300, 300, NEWEST)


def test_a_reload_keeps_the_newest_of_the_ledger(waits, ledger):
    for number in range(NEWEST + 5):
        ledger.insert(took(500 if number < 5 else 100, number))
    waits.load()
    assert waits.usual(V3, {}) == UsualWait(
        p10=100, p50=100, p90=100, source="history", count=NEWEST
    )


@pytest.mark.parametrize(
    ("model", "values", "p50", "p90", "source"),
    [
        (MASTER, {"duration": 5}, 330, 360, "documented"),
        (MASTER, {"duration": 10}, 750, 840, "documented"),
        ("klingai/v2.1-master-image-to-video", {"duration": 10}, 750, 840, "documented"),
        ("kling-video/v2.1/pro/image-to-video", {}, 210, 240, "documented"),
        ("kling-video/v2.1/pro/image-to-video", {"duration": 10}, 420, 480, "documented"),
        (AVATAR, {}, 530, None, "documented"),
        ("klingai/kling-video-v1.6-pro-effects", {}, 120, None, "documented"),
        (V3, {"duration": 10}, 401, None, "documented"),
        ("klingai/avatar-standard", {}, 240, None, "assumed"),
        ("nobody/knows", {}, 180, None, "assumed"),
    ],
)
def test_without_history_the_documented_time_is_told_by_length_where_it_is_printed(
    model, values, p50, p90, source
):
    assert documented_wait(model, values) == UsualWait(p50=p50, p90=p90, source=source)


def test_the_simulators_setting_goes_before_the_documentation_and_history_before_it(ledger):
    waits = UsualWaits(ledger=ledger, origin=SIMULATOR, simulator_seconds=8)
    assert waits.usual(V3, {}) == UsualWait(p50=8, source="simulator")
    for number in range(5):
        waits.learn(took(9, number, origin=SIMULATOR))
    assert waits.usual(V3, {}).source == "history"


# -- how long a video will be


@pytest.mark.parametrize(
    ("model", "values", "low", "high"),
    [
        (V3, {}, 5, 5),
        (V3, {"duration": 8}, 8, 8),
        (V3, {"duration": 8.0}, 8, 8),
        (V3, {"duration": True}, 3, 15),
        (V3, {"duration": "long"}, 3, 15),
        ("kling-video/v1/pro/text-to-video", {}, 5, 10),
        (
            "klingai/video-v3-turbo-pro-text-to-video",
            {"multi_prompt": [{}, {"duration": 2}]},
            7,
            7,
        ),
        ("klingai/video-v3-turbo-pro-text-to-video", {"multi_prompt": []}, 5, 5),
        ("klingai/video-v3-turbo-pro-text-to-video", {"multi_prompt": ["a"]}, 3, 15),
    ],
)
def test_the_length_of_the_video_is_known_as_far_as_the_values_tell(model, values, low, high):
    length = output_seconds(MODELS[model], values)
    assert (length.low, length.high) == (low, high)
    assert length.exact == (low if low == high else None)


@pytest.mark.parametrize(
    "model",
    [
        "klingai/video-o1-video-to-video-edit",
        "klingai/video-v2-6-motion-control",
        "klingai/avatar-standard",
    ],
)
def test_the_length_of_what_follows_its_input_is_not_in_the_values(model):
    assert output_seconds(MODELS[model], {"duration": 5}) is None


# -- polling

LEARNED = UsualWait(p10=216, p50=270, p90=324, source="history", count=20)
DOCUMENTED = UsualWait(p50=270, source="documented")


def delay(elapsed, wait, chance=0.5):
    return poll_delay(elapsed_seconds=elapsed, wait=wait, chance=chance)


def followed(wait, seconds, chance):
    """Ask until a task of `seconds` has ended; return the lag and the number of questions."""
    elapsed, questions = 0.0, 0
    while elapsed < seconds:
        elapsed += poll_delay(elapsed_seconds=elapsed, wait=wait, chance=chance())
        questions += 1
    return elapsed - seconds, questions


@pytest.mark.parametrize("wait", [LEARNED, DOCUMENTED])
def test_polls_are_sparse_then_dense_then_back_off(wait):
    begin, end = (216, 324) if wait is LEARNED else (162, 324)
    middle = (begin + end) / 2
    assert delay(begin / 2, wait) == 45
    assert 15 > delay(begin, wait) > delay(middle, wait) > delay(end, wait)
    assert delay(end, wait) < delay(end + 60, wait) < delay(end + 600, wait) == 15


@pytest.mark.parametrize("wait", [LEARNED, DOCUMENTED])
def test_a_refusal_that_comes_early_is_seen_early(wait):
    lag, questions = followed(wait, 10, lambda: 0.5)
    assert lag < 10
    assert questions == 1


def test_the_sparse_part_ends_where_the_task_may_be_done():
    for elapsed in range(100, 216):
        assert elapsed + delay(elapsed, LEARNED, chance=1.0) <= 216 + 2 * delay(216, LEARNED)


@given(
    elapsed=st.floats(0, 90_000),
    p50=st.floats(0.01, 5000),
    spread=st.floats(0, 1),
    chance=st.floats(0, 1),
    source=st.sampled_from(["history", "documented", "assumed", "simulator"]),
)
def test_no_poll_is_ever_out_of_bounds(elapsed, p50, spread, chance, source):
    wait = UsualWait(p10=p50 * (1 - spread), p50=p50, p90=p50 * (1 + spread), source=source)
    seconds = delay(elapsed, wait, chance)
    begin = wait.p10 if source == "history" else 0.6 * p50
    assert 0.3 <= seconds <= (45 if elapsed < begin else 15)


def test_a_known_duration_is_noticed_within_2_5_seconds_for_20_questions():
    luck = random.Random(1)
    found = [followed(LEARNED, 270 * luck.uniform(0.75, 1.25), luck.random) for _ in range(2000)]
    lags, questions = zip(*found, strict=True)
    assert sum(lags) / len(lags) <= 2.5
    assert sum(questions) / len(questions) <= 20
