"""What to do next, as tables of cases: time and chance are handed in."""

import pytest

from kling_ui.client import (
    ConcurrencyLimitError,
    ModelNotFoundError,
    NotSentError,
    RateLimitError,
    RefusedError,
    RouteNotFoundError,
    TaskState,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)
from kling_ui.ledger import Status
from kling_ui.service.policy import (
    SendTries,
    denied_delay,
    download_delay,
    is_long,
    look_delay,
    may_send,
    missing_delay,
    not_found_delay,
    resend_delay,
    save_delay,
    status_while_going,
)

HOUR, DAY = 3600.0, 86_400.0


def busy(retry_after):
    return RateLimitError("Busy.", status_code=429, retry_after_seconds=retry_after)


# -- the POST


@pytest.mark.parametrize(
    ("tries", "seconds"),
    [
        ({}, 1.5),
        ({"connections": 2}, 6.0),
        ({"connections": 99, "connection_seconds": 3599.0}, 48.0),
        ({"connections": 99, "connection_seconds": 3600.0}, None),
    ],
)
def test_a_connection_is_waited_for_an_hour_where_nobody_sits_and_waits(tries, seconds):
    error = NotSentError("No connection.")
    delay = resend_delay(error, SendTries(**tries), chance=0.5, is_patient=True)
    assert delay == seconds


@pytest.mark.parametrize(
    ("error", "tries", "seconds"),
    [
        # no connection: three tries, full jitter
        (NotSentError("No connection."), {}, 1.0),
        (NotSentError("No connection."), {"connections": 1}, 2.0),
        (NotSentError("No connection."), {"connections": 2}, None),
        (NotSentError("No connection."), {"rate_limits": 9, "queue_seconds": 99}, 1.0),
        # busy: as long as it asks, a minute at most, and ever longer where it asks for nothing
        (busy(2.0), {}, 2.0),
        (busy(60.0), {"rate_limits": 1}, 60.0),
        (busy(60.1), {}, 60.0),
        (busy(86_400.0), {}, 60.0),
        (busy(0.0), {}, 1.0),
        (busy(0.0), {"rate_limits": 3}, 8.0),
        (busy(0.0), {"rate_limits": 99}, 16.0),
        (busy(2.0), {"connections": 2}, 2.0),
        # busy without a word about how long
        (busy(None), {}, 10.0),
        (busy(None), {"rate_limits": 1}, 20.0),
        (busy(None), {"rate_limits": 2}, 40.0),
        (busy(None), {"rate_limits": 99}, 160.0),
        # ten minutes in all
        (busy(None), {"rate_limit_seconds": 599.0}, 10.0),
        (busy(None), {"rate_limit_seconds": 600.0}, None),
        (busy(1.0), {"rate_limit_seconds": 600.0}, None),
        # whatever else it was, it may have arrived, or won't be taken the next time either
        (UnknownOutcomeError("Lost.", retry_after_seconds=1), {}, None),
        (UnknownOutcomeError("Lost."), {}, None),
        (RefusedError("No.", status_code=400, retry_after_seconds=1), {}, None),
        (RefusedError("No.", status_code=302), {}, None),
        (RouteNotFoundError("No.", status_code=404), {}, None),
        (ModelNotFoundError("No.", status_code=404), {}, None),
        (UnauthorizedError("No.", status_code=401, retry_after_seconds=1), {}, None),
        (UnavailableError("What?", retry_after_seconds=1), {}, None),
    ],
)
def test_a_post_is_sent_again_only_where_it_surely_created_nothing(error, tries, seconds):
    assert resend_delay(error, SendTries(**tries), chance=0.5) == seconds


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0.0), (0.25, 1.0), (1.0, 4.0)])
def test_a_new_connection_is_tried_after_anything_up_to_the_whole_wait(chance, seconds):
    tries = SendTries(connections=1)
    assert resend_delay(NotSentError("No connection."), tries, chance=chance) == seconds


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)])
def test_a_wait_that_nobody_asked_for_is_jittered_by_a_fifth(chance, seconds):
    assert resend_delay(busy(None), SendTries(), chance=chance) == pytest.approx(seconds)


def too_many(retry_after=None):
    return ConcurrencyLimitError("Too many.", status_code=429, retry_after_seconds=retry_after)


@pytest.mark.parametrize(
    ("queue_seconds", "retry_after", "chance", "seconds"),
    [
        (0, None, 0.5, 5.0),
        (0, None, 0.0, 4.0),
        (0, None, 1.0, 6.0),
        (100, None, 0.5, 15.0),
        (250, None, 0.5, 30.0),
        (3000, None, 0.5, 30.0),
        (0, 0.0, 0.5, 5.0),
        (0, 45.0, 0.0, 45.0),
        (0, 86_400.0, 0.5, 60.0),
        (3570, None, 0.5, 30.0),
        (3571, None, 0.5, None),
        (3541, 86_400.0, 0.5, None),
    ],
)
def test_where_too_many_tasks_run_it_waits_in_line_for_up_to_an_hour(
    queue_seconds, retry_after, chance, seconds
):
    tries = SendTries(queue_seconds=queue_seconds, rate_limit_seconds=9999, rate_limits=99)
    delay = resend_delay(too_many(retry_after), tries, chance=chance)
    assert delay == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (NotSentError("No."), SendTries(connections=1, connection_seconds=7.0)),
        (busy(7.0), SendTries(rate_limits=1, rate_limit_seconds=7.0)),
        (too_many(), SendTries(queue_seconds=7.0)),
    ],
)
def test_each_kind_of_wait_is_counted_for_itself(error, after):
    assert SendTries().after(error, 7.0) == after


@pytest.mark.parametrize("retry_after", [None, 0.0, 1.0, 30.0, 86_400.0])
@pytest.mark.parametrize("chance", [0.0, 1.0])
@pytest.mark.parametrize(("make", "most"), [(busy, 800), (too_many, 3600)])
def test_every_wait_to_be_sent_has_an_end(make, most, retry_after, chance):
    error, tries, total, waits = make(retry_after), SendTries(), 0.0, 0
    while (delay := resend_delay(error, tries, chance=chance)) is not None:
        tries = tries.after(error, delay)
        total, waits = total + delay, waits + 1
    assert 500 <= total <= most
    assert waits < 200


@pytest.mark.parametrize(
    ("confirmed_seconds", "expected"),
    [(0, True), (3600, True), (3601, False), (None, False)],
)
def test_what_was_never_sent_may_go_for_an_hour_after_it_was_wanted(confirmed_seconds, expected):
    assert may_send(confirmed_seconds) is expected


# -- polling


# -- states


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


# -- questions without an answer


@pytest.mark.parametrize(
    ("times", "seconds"),
    [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 300), (8, 300), (10**6, 300)],
)
def test_who_is_turned_away_asks_at_growing_intervals_up_to_five_minutes(times, seconds):
    assert denied_delay(times) == seconds


@pytest.mark.parametrize(
    ("seconds", "delay"), [(0, 2.0), (10, 2.0), (50, 10.0), (299, 59.8), (600, 60.0)]
)
def test_a_task_that_is_not_known_is_asked_for_ever_more_seldom(seconds, delay):
    assert not_found_delay(seconds) == pytest.approx(delay)


@pytest.mark.parametrize(
    ("days", "seconds"),
    [(0, HOUR), (0.99, HOUR), (1, DAY), (30.9, DAY), (31, None), (400, None)],
)
def test_a_missing_task_is_asked_for_hourly_for_a_day_then_daily_for_30_days(days, seconds):
    assert missing_delay(days * DAY) == seconds


# -- searching and saving


def test_a_lost_request_is_searched_at_once_then_at_doubling_intervals_then_hourly():
    assert [look_delay(looks, 0) for looks in range(6)] == [0, 2, 4, 8, 16, 32]
    assert [look_delay(looks, 0) for looks in (11, 12, 13, 1000)] == [2048, HOUR, HOUR, HOUR]


@pytest.mark.parametrize(
    ("looks", "days", "seconds"),
    [
        (0, 5, 0),
        (3, 5, 8),
        (99, 0.99, HOUR),
        (99, 1, DAY),
        (99, 91.9, DAY),
        (99, 92, None),
        (1, 92, None),
        (0, 92, 0),  # whoever looks again, looks once
        (0, 4000, 0),
    ],
)
def test_a_lost_request_is_searched_for_as_long_as_the_log_goes_back(looks, days, seconds):
    assert look_delay(looks, days * DAY) == seconds


def test_92_days_of_searching_are_not_many_questions():
    looks, elapsed = 0, 0.0
    while (delay := look_delay(looks, elapsed)) is not None:
        elapsed += delay
        looks += 1
    assert looks < 150
    assert 91 * DAY < elapsed <= 93 * DAY


@pytest.mark.parametrize(
    ("rounds", "days", "seconds"),
    [
        (1, 0, 15),
        (2, 0, 30),
        (3, 0, 60),
        (8, 0, 1920),
        (9, 0, HOUR),
        (10**6, 29.9, HOUR),
        (1, 30, None),
        (1, 4000, None),
    ],
)
def test_a_finished_video_is_fetched_anew_for_30_days(rounds, days, seconds):
    assert save_delay(rounds, days * DAY) == seconds


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, False), (30, False), (30.1, True), (DAY, True)]
)
def test_nobody_sits_and_waits_for_more_than_half_a_minute(seconds, expected):
    assert is_long(seconds) is expected


@pytest.mark.parametrize(
    ("tries", "chance", "seconds"),
    [(1, 1.0, 2.0), (2, 1.0, 4.0), (3, 1.0, 8.0), (9, 1.0, 8.0), (3, 0.5, 4.0), (3, 0.0, 0.0)],
)
def test_a_download_is_tried_again_after_anything_up_to_eight_seconds(tries, chance, seconds):
    assert download_delay(tries, chance) == seconds
