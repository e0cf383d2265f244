"""One life after another against the real simulator: nothing is paid twice, nothing is lost."""

import asyncio
import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from harness import (
    LOST,
    MODEL,
    PROMPT,
    REAL_SLEEP_SECONDS,
    assert_a_video_is_there,
    assert_no_half_files,
    assert_nothing_is_left_running,
    assert_paid_once,
    at_rest,
    made,
    posts,
    statuses,
    submit,
    troubles,
    until,
    watched,
)

from kling_ui import media
from kling_ui.catalog import InvalidValuesError
from kling_ui.service import PollSettings, Status
from kling_ui.simulator import Fault, Simulator

PATHS = {
    "kling": "/v2/generate/video/kling/generation",
    "universal": "/v2/video/generations",
}
LIFE = ["submitting", "queued", "generating", "saving", "completed"]

# -- a good life


@pytest.mark.parametrize("route", [None, "kling", "universal"])
async def test_a_prompt_becomes_a_video_on_disk(make_service, simulator, route):
    service = make_service(route=route)
    snapshots = await made(service, duration=5, aspect_ratio="1:1")
    last = snapshots[-1]
    assert [word for word in LIFE if word in statuses(snapshots)] == statuses(snapshots)
    assert statuses(snapshots)[0] == "queued"
    assert statuses(snapshots)[-2:] == ["saving", "completed"]
    assert troubles(snapshots) == []
    assert_a_video_is_there(service, last)
    assert media.verify(service.files.path(last)).duration_seconds == pytest.approx(5, abs=0.1)
    assert (last.usd_spent, last.credits_used) == (0.21, 420_000)
    assert last.finished_at >= last.created_at
    assert_paid_once(simulator)
    [post] = posts(simulator)
    assert post.path == PATHS[route or "kling"]
    assert json.loads(post.body) == last.payload
    assert last.payload == {
        "model": MODEL,
        "prompt": PROMPT,
        "duration": 5,
        "aspect_ratio": "1:1",
    }
    assert post.headers["x-client-request-id"] == last.id
    assert_nothing_is_left_running(service)
    assert_no_half_files(service)


async def test_a_video_lies_under_a_name_that_tells_what_it_is(service):
    last = (await made(service, "Regen & Nebel: ein Boot, das treibt… sehr weit weg, fort"))[-1]
    folder, generation_id, name = last.video.split("/")
    assert (folder, generation_id) == ("videos", last.id)
    start = "kling-1-6-standard-simulated-regen-nebel-ein-boot-das-treibt"
    assert name.startswith(start)
    assert name.endswith(f"-{last.id[:6]}.mp4")


async def test_the_ledger_holds_what_followers_saw(service, ledger):
    last = (await made(service))[-1]
    assert ledger.get(last.id) == last
    assert await service.get(last.id) == last
    assert await service.newest("local") == [last]


async def test_each_owner_finds_only_what_is_theirs(service):
    ann = await submit(service, MODEL, {"prompt": PROMPT}, owner="ann")
    await watched(service, ann.id)
    assert [each.id for each in await service.newest("ann")] == [ann.id]
    assert await service.newest("bob") == []


async def test_values_that_may_not_be_sent_leave_no_trace(service, simulator, ledger):
    with pytest.raises(InvalidValuesError):
        await submit(service, MODEL, {"prompt": " ", "duration": "5"})
    with pytest.raises(InvalidValuesError):
        await submit(service, "kling-video/v99", {"prompt": PROMPT})
    assert simulator.seen == []
    assert ledger.newest("local", limit=5) == []


async def test_several_generations_live_side_by_side(service, simulator):
    lives = await asyncio.gather(*(made(service, f"Rain {n}") for n in range(4)))
    assert [life[-1].status for life in lives] == [Status.COMPLETED] * 4
    assert len({life[-1].video for life in lives}) == 4
    assert simulator.charges == len(posts(simulator)) == 4


async def test_a_generation_that_takes_long_says_so_and_goes_on(service, simulator, runtime):
    simulator.plan(Fault(on="get", kind="word", word="generating", times=3))
    runtime.on_sleep = lambda _: runtime.pass_by(minutes=11)
    snapshots = await made(service)
    assert troubles(snapshots) == ["still_running"]
    assert_a_video_is_there(service, snapshots[-1])


async def test_polls_follow_the_usual_time_where_no_pace_is_set(make_service, simulator, runtime):
    service = make_service(poll_settings=PollSettings())
    assert (await made(service))[-1].status is Status.COMPLETED
    # 186 s are documented: 8 % of the 112 s before which hardly any ends, and more as it goes on.
    assert runtime.slept[0] == pytest.approx(0.08 * 0.6 * 186, rel=0.05)
    assert all(0.3 <= seconds <= 45 for seconds in runtime.slept)


# -- a POST that was refused


async def test_a_refused_prompt_is_named_and_costs_nothing(service, simulator):
    [only] = await made(service, "A street [refuse]")
    assert only.status is Status.REJECTED
    assert only.error.kind == "refused"
    assert only.error.field == "prompt"
    assert "Nothing was spent." in only.error.message
    assert (simulator.accepted, len(posts(simulator))) == (0, 1)
    assert (await service.get(only.id)).finished_at is not None
    assert_nothing_is_left_running(service)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "refused"),
        (401, "unauthorized"),
        (403, "unauthorized"),
        (409, "refused"),
        (422, "refused"),
    ],
)
async def test_a_refusal_in_the_providers_words_is_final(service, simulator, status, kind):
    simulator.plan(Fault(on="create", kind="status", status=status, message="Not today"))
    [only] = await made(service)
    assert only.status is Status.REJECTED
    assert only.error.kind == kind
    assert "Not today" in only.error.message
    assert "Nothing was spent." in only.error.message
    assert (simulator.accepted, len(posts(simulator))) == (0, 1)


@pytest.mark.parametrize("retry_after", ["2", "60"])
async def test_a_short_wait_that_the_provider_asks_for_is_waited(
    service, simulator, runtime, retry_after
):
    simulator.plan(Fault(on="create", kind="status", status=429, retry_after=retry_after, times=2))
    snapshots = await made(service)
    assert_a_video_is_there(service, snapshots[-1])
    assert runtime.slept[:2] == [float(retry_after)] * 2
    assert (simulator.accepted, simulator.charges, len(posts(simulator))) == (1, 1, 3)
    assert len({post.headers["x-client-request-id"] for post in posts(simulator)}) == 1


async def test_a_wait_is_shown_while_it_lasts(service, simulator, ledger, runtime):
    simulator.plan(Fault(on="create", kind="status", status=429, retry_after="7"))
    rows = []
    runtime.on_sleep = lambda seconds: seconds == 7 and rows.extend(ledger.newest("local", limit=9))
    snapshots = await made(service)
    assert [(row.status, row.error.kind) for row in rows] == [(Status.WAITING, "rate_limit")]
    assert "Trying again in 7 s. Nothing was spent." in rows[0].error.message
    assert snapshots[0] == rows[0]
    assert_a_video_is_there(service, snapshots[-1])


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(None, 10), ("soon", 10), ("0", 1), ("61", 60), ("99999", 60)]
)
async def test_a_long_or_unsaid_wait_is_bounded(service, simulator, runtime, retry_after, seconds):
    simulator.plan(Fault(on="create", kind="status", status=429, retry_after=retry_after))
    assert_a_video_is_there(service, (await made(service))[-1])
    assert runtime.slept[0] == seconds
    assert (simulator.accepted, simulator.charges, len(posts(simulator))) == (1, 1, 2)


@pytest.mark.parametrize(("retry_after", "asked"), [(None, 8), ("99999", 11), ("0", 42)])
async def test_a_provider_that_stays_busy_is_asked_for_ten_minutes(
    service, simulator, runtime, retry_after, asked
):
    busy = Fault(on="create", kind="status", status=429, retry_after=retry_after, times=None)
    simulator.plan(busy)
    first, *_, last = await made(service)
    assert (first.status, first.error.kind) == (Status.WAITING, "rate_limit")
    assert (last.status, last.error.kind) == (Status.REJECTED, "refused")
    assert "Nothing was spent." in last.error.message
    assert "Press Generate again" in last.error.message
    assert 600 <= sum(runtime.slept) < 700
    assert (simulator.accepted, len(posts(simulator))) == (0, asked)


@pytest.mark.parametrize("route", ["kling", "universal"])
async def test_a_route_that_is_gone_is_left_for_the_other_one_just_once(
    make_service, simulator, route
):
    simulator.plan(Fault(on="create", kind="status", status=404, message=f"Cannot POST {route}"))
    model = MODEL if route == "kling" else "klingai/video-v2-6-pro-text-to-video"
    service = make_service()
    first = await submit(service, model, {"prompt": PROMPT})
    assert_a_video_is_there(service, await at_rest(service, first.id))
    there, other = PATHS[route], next(path for name, path in PATHS.items() if name != route)
    assert [post.path for post in posts(simulator)] == [there, other]
    asked = {seen.path for seen in simulator.seen if seen.method == "GET" and seen.query}
    assert asked & set(PATHS.values()) == {other}
    assert (simulator.accepted, simulator.charges) == (1, 1)


async def test_where_both_routes_are_gone_it_is_refused(service, simulator):
    simulator.plan(Fault(on="create", kind="status", status=404, message="Cannot POST", times=2))
    [only] = await made(service)
    assert (only.status, only.error.kind) == (Status.REJECTED, "refused")
    assert (simulator.accepted, len(posts(simulator))) == (0, 2)


@pytest.mark.parametrize("route", PATHS)
async def test_a_forced_route_is_never_left(make_service, simulator, route):
    simulator.plan(Fault(on="create", kind="status", status=404, message="Cannot POST"))
    [only] = await made(make_service(route=route))
    assert only.status is Status.REJECTED
    assert [post.path for post in posts(simulator)] == [PATHS[route]]


@pytest.mark.parametrize(
    ("successor", "words"),
    [("Kling 3", "Nothing was spent. Use Kling 3 in its place."), (None, "")],
)
@pytest.mark.parametrize(
    ("gone", "times"), [(f"Model {MODEL} not found", 1), (f"{MODEL} has been withdrawn", 2)]
)
async def test_a_model_that_is_gone_names_the_one_to_use_in_its_place(
    make_service, simulator, monkeypatch, *, gone, times, successor, words
):
    simulator.plan(Fault(on="create", kind="status", status=404, message=gone, times=times))
    service = make_service()
    monkeypatch.setattr(service.live, "successor", {MODEL: successor}.get)
    [only] = await made(service)
    assert (only.status, only.error.kind) == (Status.REJECTED, "refused")
    assert gone in only.error.message
    assert words in only.error.message
    assert ("in its place" in only.error.message) is (successor is not None)
    assert len(posts(simulator)) == times


async def test_without_a_connection_it_is_tried_three_times_and_costs_nothing(
    make_service, simulator, runtime
):
    service = make_service()
    simulator.stop()
    first, *_, last = await made(service)
    assert (first.status, first.error.kind) == (Status.WAITING, "not_sent")
    assert (last.status, last.error.kind) == (Status.REJECTED, "not_sent")
    assert all("Nothing was spent." in each.error.message for each in (first, last))
    assert runtime.slept == [1.0, 2.0]
    assert simulator.seen == []
    assert_nothing_is_left_running(service)


async def test_a_provider_that_comes_back_in_time_gets_the_request_once(
    make_service, simulator, runtime
):
    service = make_service()
    simulator.stop()

    def come_back(_):
        runtime.on_sleep = lambda _: None
        simulator.start()

    runtime.on_sleep = come_back
    assert_a_video_is_there(service, (await made(service))[-1])
    assert_paid_once(simulator)


# -- a POST whose answer never came

every_loss = pytest.mark.parametrize("fault", LOST.values(), ids=list(LOST))


@every_loss
async def test_a_lost_answer_is_looked_up_and_never_sent_again(service, simulator, fault):
    simulator.plan(fault)
    snapshots = await made(service)
    assert snapshots[0].status is Status.UNKNOWN
    assert snapshots[0].error.kind == "unknown"
    assert "it was not sent again" in snapshots[0].error.message
    assert statuses(snapshots)[:2] == ["unknown", "queued"]
    assert_a_video_is_there(service, snapshots[-1])
    assert snapshots[-1].usd_spent == 0.21
    assert_paid_once(simulator)


@pytest.mark.parametrize("days", [-400, -20, -1.2, 1.2, 20, 400])
async def test_a_lost_answer_is_found_however_wrong_this_clock_is(
    service, simulator, runtime, days
):
    runtime.pass_by(days=days)
    simulator.plan(LOST["reset"])
    done = (await made(service))[-1]
    assert_a_video_is_there(service, done)
    assert simulator.accepted == 1


@pytest.mark.parametrize("fault", [LOST["reset"], LOST["cut"]], ids=["reset", "cut"])
async def test_a_lost_answer_is_found_by_another_run_of_the_app(
    make_service, simulator, ledger, fault
):
    simulator.plan(fault, Fault(on="logs", kind="late", times=None))
    first = make_service()
    lost = (await made(first))[-1]
    assert (lost.status, lost.error.kind) == (Status.UNKNOWN, "unknown")
    await first.close()
    simulator.clear()
    second = make_service()
    assert await second.resume() == 1
    assert_a_video_is_there(second, (await watched(second, lost.id))[-1])
    assert_paid_once(simulator)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="logs", kind="late", times=3),
        Fault(on="logs", kind="status", status=500, times=3),
        Fault(on="logs", kind="status", status=429, retry_after="1", times=3),
        Fault(on="logs", kind="html", times=3),
        Fault(on="logs", kind="reset_before", times=3),
        Fault(on="logs", kind="cut", times=3),
        Fault(on="logs", kind="garbage", times=3),
        Fault(on="logs", kind="hang", seconds=0.05, times=3),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status or ''}",
)
async def test_a_log_in_trouble_or_late_is_asked_again(service, simulator, runtime, fault):
    simulator.plan(LOST["reset"], fault)
    snapshots = await made(service)
    assert_a_video_is_there(service, snapshots[-1])
    # A log that says nothing is asked three times at each look: more and more widely.
    looks = 2 if fault.kind == "late" else fault.times + 1
    assert runtime.slept[:looks] == [0, 2, 4, 8][:looks]
    assert_paid_once(simulator)


async def test_a_request_that_never_arrived_is_searched_for_as_long_as_the_log_goes_back(
    service, simulator, runtime
):
    simulator.plan(Fault(on="create", kind="reset_before"))
    snapshots = await made(service)
    resting = snapshots[-1]
    assert resting.status is Status.UNKNOWN
    assert "does not show this one yet" in resting.error.message
    last = await at_rest(service, resting.id)
    assert (last.status, last.error.kind) == (Status.UNKNOWN, "unknown")
    assert "goes back 92 days, does not show this one" in last.error.message
    assert 91 * 86_400 < sum(runtime.slept) <= 93 * 86_400
    assert runtime.slept[:6] == [0, 2, 4, 8, 16, 32]
    assert len(runtime.slept) < 150
    assert (len(posts(simulator)), simulator.accepted) == (1, 0)
    assert_nothing_is_left_running(service)


async def test_after_all_that_time_a_person_may_look_again(service, simulator):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    lost = await at_rest(service, (await made(service))[-1].id)
    assert "goes back 92 days" in lost.error.message
    simulator.clear()
    await service.resume_one(lost.id)
    assert_a_video_is_there(service, (await watched(service, lost.id))[-1])
    assert_paid_once(simulator)


async def test_the_log_is_asked_for_the_time_of_the_post_and_its_model_then_more_widely(
    service, simulator, ledger
):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late"))
    last = (await made(service))[-1]
    sent = datetime.fromisoformat(last.sent_at)
    narrow, wide = (seen.query for seen in simulator.seen if seen.path == "/v2/logs")
    assert narrow["model"] == MODEL
    assert "model" not in wide
    for query, hours in ((narrow, 1), (wide, 26)):
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        assert end - start == timedelta(hours=2 * hours)
        assert abs(start + timedelta(hours=hours) - sent) < timedelta(seconds=1)


async def test_who_looks_with_another_key_is_told_so_instead_of_not_there(make_service, simulator):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    first = make_service(key="first-key")
    lost = (await made(first))[-1]
    await first.close()
    second = make_service(key="another-key")
    await second.resume()
    last = await at_rest(second, lost.id)
    assert last.status is Status.UNKNOWN
    assert "was sent with another API key" in last.error.message
    assert "does not show" not in last.error.message
    assert last.key_hash == lost.key_hash
    third = make_service(key="first-key")
    simulator.clear()
    await third.resume()
    assert_a_video_is_there(third, await at_rest(third, lost.id))
    assert_paid_once(simulator)


async def test_a_search_that_rests_lets_followers_go_and_tells_those_who_come_back(
    service, simulator, runtime
):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=16))
    resting = (await made(service))[-1]
    assert resting.status is Status.UNKNOWN
    last = await at_rest(service, resting.id)
    assert_a_video_is_there(service, last)
    assert_paid_once(simulator)


async def test_looking_again_does_not_wait_for_the_next_look(service, simulator, runtime):
    def stay_asleep_where_it_is_long(seconds):
        runtime.longest_sleep = 60 if seconds > 20 else REAL_SLEEP_SECONDS

    runtime.on_sleep = stay_asleep_where_it_is_long
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    resting = (await made(service))[-1]
    assert resting.status is Status.UNKNOWN
    assert service.is_working_on(resting.id)
    simulator.clear()
    await service.resume_one(resting.id)
    assert_a_video_is_there(service, (await watched(service, resting.id))[-1])
    assert_paid_once(simulator)
    assert_nothing_is_left_running(service)


async def test_a_lost_request_that_is_listed_as_failed_cost_nothing(service, simulator):
    simulator.plan(LOST["reset"])
    [*_, last] = await made(service, "[fail]")
    assert last.status in {Status.REJECTED, Status.FAILED}
    assert simulator.charges == 0


async def test_a_refusal_before_does_not_hide_a_request_that_arrived(service, simulator):
    simulator.plan(Fault(on="create", kind="status", status=429, retry_after="1"), LOST["reset"])
    assert_a_video_is_there(service, (await made(service))[-1])
    assert (simulator.accepted, simulator.charges, len(posts(simulator))) == (1, 1, 2)


async def test_a_refusal_before_is_believed_at_last_where_nothing_else_arrived(
    service, simulator, runtime
):
    busy = Fault(on="create", kind="status", status=429, retry_after="1")
    simulator.plan(busy, Fault(on="create", kind="reset_before"))
    last = await at_rest(service, (await made(service))[-1].id)
    assert (last.status, last.error.kind) == (Status.REJECTED, "refused")
    # The row of the second try might have come late.
    assert 3600 < sum(runtime.slept) < 3 * 3600
    assert (simulator.accepted, len(posts(simulator))) == (0, 2)


async def test_the_only_try_that_is_listed_as_failed_is_believed_within_a_minute(
    service, simulator, runtime
):
    simulator.plan(Fault(on="create", kind="status", status=500))
    snapshots = await made(service)
    assert statuses(snapshots) == ["unknown", "rejected"]
    assert "The provider lists this request as failed." in snapshots[-1].error.message
    assert sum(runtime.slept) < 60
    assert simulator.accepted == 0


async def test_an_id_under_its_other_name_is_an_id(service, simulator):
    simulator.plan(Fault(on="create", kind="generation_id"))
    snapshots = await made(service)
    assert "unknown" not in statuses(snapshots)
    assert_a_video_is_there(service, snapshots[-1])


@pytest.mark.parametrize("status", [401, 403])
async def test_a_search_that_is_turned_away_says_so_and_goes_on(
    service, simulator, runtime, status
):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="status", status=status, times=3))
    snapshots = await made(service)
    shown = [each.error.message for each in snapshots if each.error]
    assert any("it can't be looked up whether this request was accepted" in text for text in shown)
    assert runtime.slept[:4] == [0, 5, 10, 20]
    assert_a_video_is_there(service, snapshots[-1])
    assert_paid_once(simulator)


async def test_a_key_refused_for_ten_minutes_ends_the_search_until_somebody_looks_again(
    service, simulator, runtime
):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="status", status=401, times=None))
    lost = await at_rest(service, (await made(service))[-1].id)
    assert (lost.status, lost.error.kind) == (Status.UNKNOWN, "unauthorized")
    assert "It was not sent again." in lost.error.message
    assert 600 <= sum(runtime.slept) < 1200
    assert_nothing_is_left_running(service)
    simulator.clear()
    await service.resume_one(lost.id)
    assert_a_video_is_there(service, (await watched(service, lost.id))[-1])
    assert_paid_once(simulator)


# -- news and no news


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="get", kind="reset_before", times=2),
        Fault(on="get", kind="reset_after", times=2),
        Fault(on="get", kind="hang", seconds=0.05, times=2),
        Fault(on="get", kind="status", status=400, times=2),
        Fault(on="get", kind="status", status=404, times=2),
        Fault(on="get", kind="status", status=429, retry_after="1", times=2),
        Fault(on="get", kind="status", status=500, times=2),
        Fault(on="get", kind="status", status=503, times=2),
        Fault(on="get", kind="html", status=502, times=2),
        Fault(on="get", kind="html", status=200, times=2),
        Fault(on="get", kind="cut", times=2),
        Fault(on="get", kind="garbage", times=2),
        Fault(on="get", kind="garbage", body=b"", times=2),
        Fault(on="get", kind="garbage", body=b"{}", times=2),
        Fault(on="get", kind="garbage", body=b"null", times=2),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status or fault.body[:4]}",
)
async def test_no_answer_about_a_task_is_no_news_and_no_failure(service, simulator, fault):
    simulator.plan(fault)
    snapshots = await made(service)
    assert troubles(snapshots) == ["no_news"]
    silent = next(each for each in snapshots if each.error)
    assert silent.status is Status.QUEUED
    assert "No answer from the provider since" in silent.error.message
    assert_a_video_is_there(service, snapshots[-1])
    assert_paid_once(simulator)


async def test_news_clear_the_word_of_no_news(service, simulator):
    simulator.plan(
        Fault(on="get", kind="html"),
        Fault(on="get", kind="word", word="generating"),
        Fault(on="get", kind="html"),
    )
    snapshots = await made(service)
    kinds = [each.error.kind if each.error else None for each in snapshots]
    kinds = [kind for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]]
    assert kinds == [None, "no_news", None, "no_news", None]


async def test_the_provider_is_asked_no_earlier_than_it_wants(service, simulator, runtime):
    simulator.plan(Fault(on="get", kind="status", status=429, retry_after="90"))
    assert (await made(service))[-1].status is Status.COMPLETED
    assert 90 in runtime.slept


async def test_no_provider_can_silence_the_questions_for_more_than_five_minutes(
    service, simulator, runtime
):
    simulator.plan(Fault(on="get", kind="status", status=429, retry_after="86400"))
    assert_a_video_is_there(service, (await made(service))[-1])
    assert max(runtime.slept) == 300


@pytest.mark.parametrize("word", ["waiting", "active", "dreaming", "on the runway", ""])
async def test_an_unknown_word_means_still_going(service, simulator, word):
    simulator.plan(Fault(on="get", kind="word", word=word, times=2))
    snapshots = await made(service)
    assert troubles(snapshots) == []
    assert_a_video_is_there(service, snapshots[-1])


@pytest.mark.parametrize("word", ["COMPLETED", "succeeded", "completed"])
async def test_finished_without_an_address_is_paid_for_said_at_once_and_asked_again(
    service, simulator, runtime, word
):
    simulator.plan(Fault(on="get", kind="word", word=word, times=4))
    snapshots = await made(service)
    [saving, *_] = [each for each in snapshots if each.status is Status.SAVING]
    assert saving.error.kind == "not_saved"
    assert "finished and paid for" in saving.error.message
    assert "gives no address" in saving.error.message
    last = await at_rest(service, saving.id)
    assert_a_video_is_there(service, last)
    assert [seconds for seconds in runtime.slept if seconds >= 15] == [15, 30, 60, 120]
    assert "failed" not in statuses(snapshots)
    assert_paid_once(simulator)


async def test_a_video_without_an_address_is_asked_for_until_it_can_not_be_there_any_more(
    service, simulator, runtime
):
    simulator.plan(Fault(on="get", kind="word", word="completed", times=None))
    last = await at_rest(service, (await made(service))[-1].id)
    assert (last.status, last.error.kind) == (Status.SAVING, "not_saved")
    assert "it may be gone there" in last.error.message
    assert 29 * 86_400 < sum(runtime.slept) < 31 * 86_400
    simulator.clear()
    await service.resume_one(last.id)
    assert_a_video_is_there(service, (await watched(service, last.id))[-1])


@pytest.mark.parametrize("error", [{"name": "x", "message": "Falling back."}, "Falling back.", 5])
@pytest.mark.parametrize("word", ["queued", "generating", "dreaming"])
async def test_an_error_beside_a_going_word_is_a_note(service, simulator, caplog, word, error):
    caplog.set_level(logging.INFO, "kling_ui")
    body = json.dumps({"id": "x", "status": word, "error": error}).encode()
    simulator.plan(Fault(on="get", kind="garbage", body=body, times=3))
    snapshots = await made(service)
    assert "failed" not in statuses(snapshots)
    assert_a_video_is_there(service, snapshots[-1])
    assert_paid_once(simulator)
    assert snapshots[-1].usd_spent == 0.21
    if error != 5:
        [noted] = {each.error for each in snapshots if each.error}
        assert (noted.kind, "Falling back" in noted.message) == ("note", True)
        assert caplog.text.count("Falling back") == 1


async def test_a_note_is_logged_once_also_where_questions_fail_in_between(
    service, simulator, caplog
):
    caplog.set_level(logging.INFO, "kling_ui")
    noted = json.dumps({"id": "x", "status": "generating", "error": "Falling back."}).encode()
    for _ in range(3):
        simulator.plan(
            Fault(on="get", kind="garbage", body=noted), Fault(on="get", kind="html", status=502)
        )
    assert_a_video_is_there(service, (await made(service))[-1])
    assert caplog.text.count("Falling back") == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(on="get", kind="status", status=401, message="No key."), "the API key (401)"),
        (Fault(on="get", kind="status", status=403, message="Not you."), "does not allow this"),
        (
            Fault(on="get", kind="status", status=403, message="You've run out of credits."),
            "out of credits (403)",
        ),
        (Fault(on="get", kind="html", status=403), "A gateway or firewall"),
        (Fault(on="get", kind="html", status=401), "A gateway or firewall"),
    ],
    ids=lambda case: f"{case.kind} {case.status}" if isinstance(case, Fault) else case,
)
async def test_a_question_turned_away_is_told_and_asked_again(
    service, simulator, runtime, fault, words
):
    simulator.plan(replace(fault, times=4))
    snapshots = await made(service)
    denied = next(each for each in snapshots if each.error)
    assert (denied.status, denied.error.kind) == (Status.QUEUED, "unauthorized")
    assert words in denied.error.message
    assert "That is the answer to our questions since" in denied.error.message
    assert [seconds for seconds in runtime.slept if seconds >= 5] == [5, 10, 20, 40]
    assert ("credits" in denied.error.message) is ("credits" in words)
    assert_a_video_is_there(service, await at_rest(service, denied.id))
    assert_paid_once(simulator)


async def test_a_key_refused_for_ten_minutes_puts_the_generation_to_rest(
    service, simulator, runtime
):
    simulator.plan(Fault(on="get", kind="status", status=401, times=None))
    stopped = await at_rest(service, (await made(service))[-1].id)
    assert (stopped.status, stopped.error.kind) == (Status.QUEUED, "unauthorized")
    assert "We have stopped asking." in stopped.error.message
    assert "stays yours" in stopped.error.message
    assert 600 <= sum(runtime.slept) < 1200
    assert_nothing_is_left_running(service)
    simulator.clear()
    await service.resume_one(stopped.id)
    assert_a_video_is_there(service, (await watched(service, stopped.id))[-1])
    assert_paid_once(simulator)


@pytest.mark.parametrize("kind", ["status", "html"])
async def test_no_403_ever_ends_the_questions(service, simulator, runtime, kind):
    simulator.plan(Fault(on="get", kind=kind, status=403, times=40))
    last = await at_rest(service, (await made(service))[0].id)
    assert_a_video_is_there(service, last)
    assert max(runtime.slept) == 300
    assert sum(runtime.slept) > 2 * 3600


async def test_a_401_after_many_403s_is_not_yet_ten_minutes_old(service, simulator):
    simulator.plan(
        Fault(on="get", kind="html", status=403, times=20),
        Fault(on="get", kind="status", status=401, times=2),
    )
    assert_a_video_is_there(service, await at_rest(service, (await made(service))[0].id))


async def test_a_404_shows_that_the_key_was_taken_and_the_ten_minutes_begin_anew(
    service, simulator, runtime
):
    refused = Fault(on="get", kind="status", status=401)
    simulator.plan(replace(refused, times=7), replace(GONE, times=1), replace(refused, times=1))
    assert_a_video_is_there(service, await at_rest(service, (await made(service))[0].id))
    assert sum(runtime.slept) > 600


async def test_a_wall_clock_that_jumps_gives_no_key_up(service, simulator, runtime):
    simulator.plan(Fault(on="get", kind="status", status=401, times=3))
    wall, runtime.now = runtime.now, lambda: wall() + timedelta(hours=len(runtime.slept))
    assert_a_video_is_there(service, await at_rest(service, (await made(service))[0].id))


async def test_a_wrong_key_is_mended_by_a_restart_with_the_right_one(make_service, tmp_path):
    with Simulator(folder=tmp_path / "other", seconds=0.1, key="right") as strict:
        right = make_service(base_url=strict.base_url, key="right")
        strict.plan(Fault(on="get", kind="status", status=401, times=None))
        stopped = await at_rest(right, (await made(right))[-1].id)
        strict.clear()
        wrong = make_service(base_url=strict.base_url, key="wrong")
        assert await wrong.resume() == 1
        assert (await at_rest(wrong, stopped.id)).error.kind == "unauthorized"
        assert await right.resume() == 1
        assert_a_video_is_there(right, (await watched(right, stopped.id))[-1])
        assert_paid_once(strict)


# -- a task that the provider no longer knows

GONE = Fault(on="get", kind="status", status=404, message="Inference not found", times=None)
UNLISTED = Fault(on="logs", kind="late", times=None)


@pytest.mark.parametrize("status", [404, 400])
async def test_a_task_that_is_not_known_for_ten_minutes_is_put_away_and_asked_for_all_the_same(
    service, simulator, runtime, status
):
    simulator.plan(replace(GONE, status=status), UNLISTED)
    snapshots = await made(service)
    resting = snapshots[-1]
    assert (resting.status, resting.error.kind) == (Status.QUEUED, "not_found")
    assert "does not know this task any more" in resting.error.message
    assert resting.is_put_away
    assert await service.newest("local", only_unfinished=True) == []
    last = await at_rest(service, resting.id)
    assert last.status is Status.QUEUED
    long = [seconds for seconds in runtime.slept if seconds >= 3600]
    assert sum(runtime.slept[: runtime.slept.index(3600)]) >= 600
    assert long == [3600.0] * long.count(3600) + [86_400.0] * long.count(86_400)
    assert (long.count(3600), long.count(86_400)) == (24, 30)
    other = [
        seen for seen in simulator.seen if seen.method == "GET" and seen.path == PATHS["universal"]
    ]
    assert len(other) == 1
    assert_paid_once(simulator)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="get", kind="html", status=502),
        Fault(on="get", kind="html", status=403),
        Fault(on="get", kind="status", status=401),
        Fault(on="get", kind="reset_before"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status or ''}",
)
async def test_an_answer_of_another_kind_changes_nothing_for_a_missing_task(
    service, simulator, runtime, fault
):
    simulator.plan(replace(GONE, times=40), replace(fault, times=5), replace(GONE, times=2))
    simulator.plan(UNLISTED)
    snapshots = await made(service)
    last = await at_rest(service, snapshots[-1].id)
    assert_a_video_is_there(service, last)
    assert not last.is_put_away
    after = runtime.slept[runtime.slept.index(3600) :]
    assert [seconds for seconds in after if seconds > 1][:6] == [3600.0] * 6


async def test_a_task_that_is_known_again_is_back_on_the_stage(service, simulator):
    simulator.plan(replace(GONE, times=40), UNLISTED)
    resting = (await made(service))[-1]
    assert resting.is_put_away
    last = await at_rest(service, resting.id)
    assert_a_video_is_there(service, last)
    assert not last.is_put_away


async def test_a_restart_believes_at_once_what_was_found_missing(make_service, simulator, runtime):
    simulator.plan(GONE, UNLISTED)
    first = make_service()
    resting = (await made(first))[-1]
    await first.close()
    asked, slept = len(simulator.seen), len(runtime.slept)
    runtime.longest_sleep = 60
    second = make_service()
    await second.resume()
    await until(lambda: 3600 in runtime.slept[slept:])
    assert (await second.get(resting.id)).error == resting.error
    # One question, and one look at the log: more and more widely.
    assert len(simulator.seen) - asked == 4
    simulator.clear()
    await second.resume_one(resting.id)
    assert_a_video_is_there(second, (await watched(second, resting.id))[-1])
    assert_paid_once(simulator)


async def test_what_a_person_put_away_is_not_taken_for_missing(service, simulator, runtime):
    simulator.plan(
        Fault(on="get", kind="word", word="queued", times=3), replace(GONE, times=2), UNLISTED
    )
    generation = await submit(service, MODEL, {"prompt": PROMPT})
    await service.put_away(generation.id)
    last = await at_rest(service, generation.id)
    assert_a_video_is_there(service, last)
    assert max(runtime.slept) < 60


async def test_other_answers_in_between_start_the_ten_minutes_anew(service, simulator, runtime):
    for _ in range(8):
        simulator.plan(replace(GONE, times=7), Fault(on="get", kind="html", status=502))
    snapshots = await made(service)
    assert "not_found" not in troubles(snapshots)
    assert_a_video_is_there(service, snapshots[-1])


async def test_a_missing_task_that_the_log_calls_failed_has_failed_and_cost_nothing(
    service, simulator
):
    simulator.plan(GONE)
    last = await at_rest(service, (await made(service, "[fail]"))[-1].id)
    assert (last.status, last.error.kind) == (Status.FAILED, "failed")
    assert (last.usd_spent, last.credits_used) == (0, 0)
    assert simulator.charges == 0


async def test_a_missing_task_of_another_key_says_so_from_the_first_answer_on(
    make_service, simulator
):
    simulator.plan(GONE, UNLISTED)
    first = make_service(key="first-key")
    generation = await submit(first, MODEL, {"prompt": PROMPT})
    await first.close()
    second = make_service(key="another-key")
    await second.resume()
    snapshots = await watched(second, generation.id)
    said = [each.error for each in snapshots if each.error and each.error.kind == "no_news"]
    assert said
    assert all("another key sent it" in error.message for error in said)
    last = await at_rest(second, generation.id)
    assert (last.status, last.error.kind) == (Status.QUEUED, "not_found")
    assert "another key sent it" in last.error.message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"name": "content_policy_violation", "message": "Change the prompt."}, "Change the"),
        (
            {
                "detail": [
                    {
                        "loc": ["body", "image_url"],
                        "msg": "Could not detect face in the image",
                        "type": "face_detection_error",
                        "input": {},
                    }
                ]
            },
            "Could not detect face in the image",
        ),
        ("Something went wrong", "Something went wrong"),
        (None, "The provider gave no reason."),
    ],
    ids=["name and message", "detail", "text", "null"],
)
async def test_a_failed_generation_says_why_and_costs_nothing(service, simulator, error, words):
    simulator.plan(Fault(on="get", kind="error", error=error))
    last = (await made(service))[-1]
    assert (last.status, last.error.kind) == (Status.FAILED, "failed")
    assert words in last.error.message
    assert "Failed generations are not charged." in last.error.message
    assert (last.usd_spent, last.credits_used) == (0, 0)
    assert last.video is None
    assert last.finished_at is not None
    assert simulator.charges == 0
    assert_nothing_is_left_running(service)


async def test_a_prompt_against_the_policy_fails_as_the_provider_says(service, simulator):
    last = (await made(service, "Rain [fail]"))[-1]
    assert last.status is Status.FAILED
    assert "content policy" in last.error.message
    assert simulator.charges == 0


# -- fetching the file

SPOILED = {
    "half as if whole": Fault(on="download", kind="short"),
    "a page": Fault(on="download", kind="html"),
    "a gateway": Fault(on="download", kind="html", status=502),
    "garbage": Fault(on="download", kind="garbage"),
    "empty": Fault(on="download", kind="garbage", body=b""),
    "expired": Fault(on="download", kind="expired"),
    "gone": Fault(on="download", kind="status", status=410),
    "not there": Fault(on="download", kind="status", status=404),
    "server trouble": Fault(on="download", kind="status", status=503),
    "reset": Fault(on="download", kind="reset_before"),
    "silence": Fault(on="download", kind="hang", seconds=0.05),
    "cut": Fault(on="download", kind="cut"),
}


@pytest.mark.parametrize("fault", SPOILED.values(), ids=list(SPOILED))
async def test_a_spoiled_download_is_fetched_again(service, simulator, fault):
    simulator.plan(fault)
    snapshots = await made(service)
    assert_a_video_is_there(service, snapshots[-1])
    assert_no_half_files(service)
    assert_paid_once(simulator)


@pytest.mark.parametrize("fault", SPOILED.values(), ids=list(SPOILED))
async def test_a_download_that_never_works_leaves_the_paid_video_to_be_fetched_later(
    service, simulator, runtime, fault
):
    simulator.plan(replace(fault, times=None))
    snapshots = await made(service)
    waiting = snapshots[-1]
    assert (waiting.status, waiting.error.kind) == (Status.SAVING, "not_saved")
    assert "finished and paid for" in waiting.error.message
    assert {"completed", "failed"}.isdisjoint(statuses(snapshots))
    assert waiting.video is None
    assert service.files.path(waiting) is None
    assert list(service.files.videos.rglob("*.mp4")) == []
    await until(lambda: sum(seconds > 10 for seconds in runtime.slept) > 4)
    simulator.clear()
    last = await at_rest(service, waiting.id)
    rounds = [seconds for seconds in runtime.slept if seconds > 10]
    assert rounds[:5] == [15, 30, 60, 120, 240]
    assert_a_video_is_there(service, last)
    assert_no_half_files(service)
    assert_paid_once(simulator)


async def test_each_round_asks_for_one_fresh_link(service, simulator, runtime):
    simulator.plan(Fault(on="download", kind="expired", times=4))
    snapshots = await made(service)
    assert set(troubles(snapshots)) == {"not_saved"}
    links = [seen.query["token"] for seen in simulator.seen if seen.path.startswith("/files/")]
    assert len(links) == len(set(links)) == 5
    assert [seconds for seconds in runtime.slept if seconds > 10] == [15, 30]
    assert_a_video_is_there(service, snapshots[-1])


async def test_a_redirected_link_is_followed(service, simulator):
    simulator.plan(Fault(on="download", kind="redirect"))
    assert_a_video_is_there(service, (await made(service))[-1])


@pytest.mark.parametrize("location", ["http://10.0.0.1/video.mp4", "file:///etc/passwd"])
async def test_a_link_into_our_own_network_is_never_followed(service, simulator, runtime, location):
    simulator.plan(Fault(on="download", kind="redirect", location=location, times=None))
    waiting = (await made(service))[-1]
    assert (waiting.status, waiting.error.kind) == (Status.SAVING, "not_saved")
    await service.close()
    asked = [seen.path for seen in simulator.seen if "/files/" in seen.path]
    assert len(asked) == sum(seconds > 10 for seconds in runtime.slept)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_question_for_a_fresh_link_that_is_refused_leaves_it_to_be_fetched_later(
    service, simulator, status
):
    simulator.plan(Fault(on="download", kind="expired"))
    async for snapshot in service.follow((await submit(service, MODEL, {"prompt": PROMPT})).id):
        if snapshot.status is Status.SAVING and snapshot.error is None:
            simulator.plan(Fault(on="get", kind="status", status=status))
        if snapshot.error is not None:
            assert (snapshot.status, snapshot.error.kind) == (Status.SAVING, "not_saved")
            assert f"({status})" in snapshot.error.message
    assert_a_video_is_there(service, await at_rest(service, snapshot.id))


async def test_a_task_that_is_called_failed_after_it_was_finished_is_not_failed(service, simulator):
    simulator.plan(Fault(on="download", kind="expired"))
    async for snapshot in service.follow((await submit(service, MODEL, {"prompt": PROMPT})).id):
        if snapshot.status is Status.SAVING and snapshot.error is None:
            body = json.dumps({"id": "x", "status": "failed", "error": "Taken back."}).encode()
            simulator.plan(Fault(on="get", kind="garbage", body=body))
        assert snapshot.status is not Status.FAILED
    assert_a_video_is_there(service, await at_rest(service, snapshot.id))


async def test_a_data_folder_in_trouble_leaves_the_video_to_be_fetched_later(service, simulator):
    service.files.videos.rmdir()
    service.files.videos.write_text("a file in the way")
    waiting = (await made(service))[-1]
    assert (waiting.status, waiting.error.kind) == (Status.SAVING, "not_saved")
    assert_no_half_files(service)
    service.files.videos.unlink()
    await service.resume_one(waiting.id)
    assert_a_video_is_there(service, await at_rest(service, waiting.id))


# -- a provider that falls silent


@pytest.mark.parametrize("is_carried_out", [True, False])
async def test_a_post_that_is_never_answered_is_given_up_and_looked_up(
    make_service, simulator, is_carried_out
):
    service = make_service(read_seconds=0.4)
    simulator.plan(Fault(on="create", kind="hang", after=is_carried_out))
    snapshots = await made(service)
    assert snapshots[0].status is Status.UNKNOWN
    assert "did not answer in time" in snapshots[0].error.message
    last = await at_rest(service, snapshots[0].id)
    assert last.status is (Status.COMPLETED if is_carried_out else Status.UNKNOWN)
    assert len(posts(simulator)) == 1
    assert simulator.charges == is_carried_out


@pytest.mark.parametrize("stage", ["get", "download"])
async def test_a_question_that_is_never_answered_is_asked_again(make_service, simulator, stage):
    service = make_service(read_seconds=0.4)
    simulator.plan(Fault(on=stage, kind="hang"))
    assert_a_video_is_there(service, (await made(service))[-1])
    assert_paid_once(simulator)
