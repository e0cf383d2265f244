"""What to do next, as tables of cases: time and chance are handed in."""

import pytest

from kling_ui.client import (
    ConcurrencyLimitError,
    Failure,
    NotSentError,
    RateLimitError,
    RefusedError,
    TaskState,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)
from kling_ui.ledger import Status
from kling_ui.service.policy import (
    LOOK_FOR_SECONDS,
    Meaning,
    download_delay,
    is_resting,
    look_delay,
    meaning,
    poll_delay,
    resend_delay,
    status_while_going,
)

URL = "https://files.example/video.mp4"


def busy(retry_after):
    return RateLimitError("Busy.", status_code=429, retry_after_seconds=retry_after)


# -- the POST


@pytest.mark.parametrize(
    ("error", "connection_tries", "busy_waits", "seconds"),
    [
        (NotSentError("No connection."), 1, 0, 1.0),
        (NotSentError("No connection."), 2, 0, 2.0),
        (NotSentError("No connection."), 3, 0, None),
        (NotSentError("No connection."), 1, 2, 1.0),
        (busy(0.0), 0, 0, 0.0),
        (busy(2.0), 0, 0, 2.0),
        (busy(60.0), 0, 1, 60.0),
        (busy(2.0), 2, 1, 2.0),
        (busy(2.0), 0, 2, None),
        (busy(60.1), 0, 0, None),
        (busy(86_400.0), 0, 0, None),
        (busy(None), 0, 0, None),
        (UnknownOutcomeError("Lost.", retry_after_seconds=1), 0, 0, None),
        (UnknownOutcomeError("Lost."), 0, 0, None),
        (RefusedError("No.", status_code=400, retry_after_seconds=1), 0, 0, None),
        (RefusedError("No.", status_code=503, retry_after_seconds=1), 0, 0, None),
        (UnauthorizedError("No.", status_code=401, retry_after_seconds=1), 0, 0, None),
        (UnavailableError("What?", retry_after_seconds=1), 0, 0, None),
    ],
)
def test_a_post_is_sent_again_only_where_it_surely_created_nothing(
    error, connection_tries, busy_waits, seconds
):
    delay = resend_delay(
        error, connection_tries=connection_tries, busy_waits=busy_waits, chance=0.5
    )
    assert delay == seconds


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0.0), (0.25, 1.0), (1.0, 4.0)])
def test_a_new_connection_is_tried_after_anything_up_to_the_whole_wait(chance, seconds):
    error = NotSentError("No connection.")
    assert resend_delay(error, connection_tries=2, busy_waits=0, chance=chance) == seconds


@pytest.mark.parametrize(
    ("line_seconds", "retry_after", "chance", "seconds"),
    [
        (0, None, 0.5, 5.0),
        (0, None, 0.0, 4.0),
        (0, None, 1.0, 6.0),
        (100, None, 0.5, 15.0),
        (250, None, 0.5, 30.0),
        (3000, None, 0.5, 30.0),
        (0, 90.0, 0.5, 90.0),
        (3571, None, 0.5, None),
        (0, 3601.0, 0.5, None),
    ],
)
def test_where_too_many_tasks_run_it_waits_in_line_for_up_to_an_hour(
    line_seconds, retry_after, chance, seconds
):
    error = ConcurrencyLimitError("Too many.", status_code=429, retry_after_seconds=retry_after)
    delay = resend_delay(
        error, connection_tries=0, busy_waits=99, chance=chance, line_seconds=line_seconds
    )
    assert delay == (seconds if seconds is None else pytest.approx(seconds))


# -- polling


@pytest.mark.parametrize(
    ("typical", "elapsed", "seconds"),
    [
        # sparse: 8 % of the typical time, at most 15 s
        (100, 0, 8.0),
        (100, 59.9, 8.0),
        (186, 0, 14.88),
        (600, 0, 15.0),
        (600, 359, 15.0),
        # dense: 2.7 % of it, or a fiftieth of what has passed
        (100, 60, 2.7),
        (100, 134, 2.7),
        (100, 200, 4.0),
        (186, 186, 5.022),
        (600, 600, 15.0),
        # bounds
        (1, 0, 0.3),
        (1, 1, 0.3),
        (8, 8, 0.3),
        (100, 3600, 15.0),
        (100, 1e9, 15.0),
        (100, -5, 8.0),
    ],
)
def test_polls_are_sparse_at_first_and_dense_near_the_end(typical, elapsed, seconds):
    delay = poll_delay(elapsed_seconds=elapsed, typical_seconds=typical, chance=0.5)
    assert delay == pytest.approx(seconds)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 7.2), (0.5, 8.0), (1.0, 8.8)])
def test_polls_are_jittered_by_a_tenth(chance, seconds):
    delay = poll_delay(elapsed_seconds=0, typical_seconds=100, chance=chance)
    assert delay == pytest.approx(seconds)


@pytest.mark.parametrize("typical", [0.1, 8, 186, 900])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_no_poll_is_ever_out_of_bounds(typical, chance):
    for elapsed in range(0, 3600, 7):
        delay = poll_delay(elapsed_seconds=elapsed, typical_seconds=typical, chance=chance)
        assert 0.3 <= delay <= 15


@pytest.mark.parametrize("typical", [60, 186, 300, 700])
def test_a_generation_of_the_usual_length_is_noticed_soon_for_few_questions(typical):
    elapsed, questions = 0.0, 0
    while elapsed < typical:
        elapsed += poll_delay(elapsed_seconds=elapsed, typical_seconds=typical, chance=0.5)
        questions += 1
    assert elapsed - typical < 0.06 * typical
    assert questions <= 65


# -- evidence


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (TaskState(status="completed", video_url=URL), Meaning.FINISHED),
        (TaskState(status="generating", video_url=URL), Meaning.FINISHED),
        (TaskState(video_url=URL), Meaning.FINISHED),
        (TaskState(status="error", failure=Failure(message="No.")), Meaning.FAILED),
        (TaskState(status="generating", failure=Failure(message="No.")), Meaning.FAILED),
        (TaskState(status="completed"), Meaning.GOING),
        (TaskState(status="queued"), Meaning.GOING),
        (TaskState(status="on the runway"), Meaning.GOING),
        (TaskState(), Meaning.GOING),
    ],
)
def test_an_answer_is_read_by_its_evidence_not_its_words(state, expected):
    assert meaning(state) is expected


@pytest.mark.parametrize(
    ("word", "before", "expected"),
    [
        ("queued", Status.QUEUED, Status.QUEUED),
        ("waiting", Status.QUEUED, Status.QUEUED),
        ("pending", Status.QUEUED, Status.QUEUED),
        ("submitted", Status.QUEUED, Status.QUEUED),
        ("generating", Status.QUEUED, Status.GENERATING),
        ("active", Status.QUEUED, Status.GENERATING),
        ("completed", Status.QUEUED, Status.GENERATING),
        ("on the runway", Status.QUEUED, Status.GENERATING),
        ("", Status.QUEUED, Status.GENERATING),
        ("queued", Status.GENERATING, Status.GENERATING),
        ("generating", Status.GENERATING, Status.GENERATING),
    ],
)
def test_what_is_generated_never_falls_back_into_the_queue(word, before, expected):
    assert status_while_going(TaskState(status=word), before) is expected


# -- searching and saving


def test_a_lost_request_is_searched_at_once_then_at_doubling_intervals_then_hourly():
    assert [look_delay(looks) for looks in range(6)] == [0, 2, 4, 8, 16, 32]
    assert [look_delay(looks) for looks in (11, 12, 13, 50, 1000)] == [2048, *[3600] * 4]


@pytest.mark.parametrize(("looks", "expected"), [(0, False), (1, False), (4, False), (5, True)])
def test_nobody_sits_and_waits_for_a_search_that_is_half_a_minute_away(looks, expected):
    assert is_resting(looks) is expected
    assert is_resting(looks) is (look_delay(looks) > 30)


def test_a_day_of_searching_is_a_few_dozen_questions():
    looks, elapsed = 0, 0.0
    while elapsed + look_delay(looks) <= LOOK_FOR_SECONDS:
        elapsed += look_delay(looks)
        looks += 1
    assert looks < 50


@pytest.mark.parametrize(
    ("tries", "chance", "seconds"),
    [(1, 1.0, 2.0), (2, 1.0, 4.0), (3, 1.0, 8.0), (9, 1.0, 8.0), (3, 0.5, 4.0), (3, 0.0, 0.0)],
)
def test_a_download_is_tried_again_after_anything_up_to_eight_seconds(tries, chance, seconds):
    assert download_delay(tries, chance) == seconds
