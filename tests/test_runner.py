"""One life after another against the real simulator: nothing is paid twice, nothing is lost."""

import asyncio
import json
from dataclasses import replace

import pytest
from worlds import (
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
    troubles,
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
    ann = await service.submit(MODEL, {"prompt": PROMPT}, owner="ann")
    await watched(service, ann.id)
    assert [each.id for each in await service.newest("ann")] == [ann.id]
    assert await service.newest("bob") == []


async def test_values_that_may_not_be_sent_leave_no_trace(service, simulator, ledger):
    with pytest.raises(InvalidValuesError):
        await service.submit(MODEL, {"prompt": " ", "duration": "5"})
    with pytest.raises(InvalidValuesError):
        await service.submit("kling-video/v99", {"prompt": PROMPT})
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
    service = make_service()
    service._runner._poll_settings = PollSettings()
    assert (await made(service))[-1].status is Status.COMPLETED
    # 186 s are usual: 8 % of that at first, and never more than 15 s.
    assert runtime.slept[0] == pytest.approx(14.88)
    assert all(0.3 <= seconds <= 15 for seconds in runtime.slept)


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
        (404, "refused"),
        (422, "refused"),
        (500, "refused"),
        (503, "refused"),
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


async def test_a_wait_is_shown_while_it_lasts(service, simulator, runtime):
    simulator.plan(Fault(on="create", kind="status", status=429, retry_after="7"))
    shown = []

    def look(seconds):
        if seconds == 7:
            [live] = service._broadcaster._live.values()
            shown.append(live.snapshot)

    runtime.on_sleep = look
    last = (await made(service))[-1]
    assert [(each.status, each.error.kind) for each in shown] == [(Status.SUBMITTING, "waiting")]
    assert "Trying again in 7 s. Nothing was spent." in shown[0].error.message
    assert last.error is None


@pytest.mark.parametrize("retry_after", [None, "61", "3600", "soon"])
async def test_a_long_or_unsaid_wait_is_left_to_the_person(
    service, simulator, runtime, retry_after
):
    simulator.plan(Fault(on="create", kind="status", status=429, retry_after=retry_after))
    [only] = await made(service)
    assert (only.status, only.error.kind) == (Status.REJECTED, "refused")
    assert (simulator.accepted, len(posts(simulator)), runtime.slept) == (0, 1, [])


async def test_a_provider_that_stays_busy_is_asked_three_times(service, simulator):
    simulator.plan(Fault(on="create", kind="status", status=429, retry_after="1", times=None))
    [only] = await made(service)
    assert only.status is Status.REJECTED
    assert (simulator.accepted, len(posts(simulator))) == (0, 3)


FULL = Fault(on="create", kind="status", status=429, message="1303 too many parallel tasks")


async def test_where_too_many_tasks_run_it_waits_in_line_and_is_sent_once(
    service, simulator, runtime
):
    simulator.plan(replace(FULL, times=8))
    snapshots = await made(service)
    assert (snapshots[0].status, snapshots[0].error.kind) == (Status.SUBMITTING, "in_line")
    assert "waits in line" in snapshots[0].error.message
    assert "Nothing was spent." in snapshots[0].error.message
    assert_a_video_is_there(service, snapshots[-1])
    assert all(4 <= seconds <= 36 for seconds in runtime.slept[:8])
    assert (simulator.accepted, simulator.charges, len(posts(simulator))) == (1, 1, 9)


async def test_nobody_waits_in_line_for_more_than_an_hour(service, simulator, runtime):
    simulator.plan(replace(FULL, times=None))
    last = (await made(service))[-1]
    assert (last.status, last.error.kind) == (Status.REJECTED, "refused")
    assert 3500 < sum(runtime.slept) <= 3600
    assert simulator.accepted == 0


async def test_an_answer_lost_after_waiting_in_line_is_looked_up(service, simulator):
    simulator.plan(replace(FULL, times=3), LOST["reset"])
    assert_a_video_is_there(service, (await made(service))[-1])
    assert (simulator.accepted, simulator.charges, len(posts(simulator))) == (1, 1, 4)


async def test_without_a_connection_it_is_tried_three_times_and_costs_nothing(
    make_service, simulator, runtime
):
    service = make_service()
    simulator.stop()
    [only] = await made(service)
    assert (only.status, only.error.kind) == (Status.REJECTED, "not_sent")
    assert "Nothing was spent." in only.error.message
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
    assert runtime.slept[: fault.times + 1] == [0, 2, 4, 8][: fault.times + 1]
    assert_paid_once(simulator)


async def test_a_request_that_never_arrived_is_searched_for_a_day_and_never_sent_again(
    service, simulator, runtime
):
    simulator.plan(Fault(on="create", kind="reset_before"))
    snapshots = await made(service)
    resting = snapshots[-1]
    assert resting.status is Status.UNKNOWN
    assert "does not show this one yet" in resting.error.message
    last = await at_rest(service, resting.id)
    assert last.status is Status.UNKNOWN
    assert last.error.kind == "unknown"
    assert "goes back one day, does not show this one" in last.error.message
    assert 23 * 3600 < sum(runtime.slept) <= 24 * 3600
    assert runtime.slept[:6] == [0, 2, 4, 8, 16, 32]
    assert (len(posts(simulator)), simulator.accepted) == (1, 0)
    assert_nothing_is_left_running(service)


async def test_after_a_day_a_person_may_look_again(service, simulator):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=None))
    lost = await at_rest(service, (await made(service))[-1].id)
    assert "goes back one day" in lost.error.message
    simulator.clear()
    await service.resume_one(lost.id)
    assert_a_video_is_there(service, (await watched(service, lost.id))[-1])
    assert_paid_once(simulator)


async def test_a_search_that_rests_lets_followers_go_and_tells_those_who_come_back(
    service, simulator, runtime
):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="late", times=8))
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


async def test_a_refusal_before_is_believed_at_last_where_nothing_else_arrived(service, simulator):
    busy = Fault(on="create", kind="status", status=429, retry_after="1")
    simulator.plan(busy, Fault(on="create", kind="reset_before"))
    last = (await made(service))[-1]
    assert (last.status, last.error.kind) == (Status.REJECTED, "refused")
    assert (simulator.accepted, len(posts(simulator))) == (0, 2)


async def test_an_id_under_its_other_name_is_an_id(service, simulator):
    simulator.plan(Fault(on="create", kind="generation_id"))
    snapshots = await made(service)
    assert "unknown" not in statuses(snapshots)
    assert_a_video_is_there(service, snapshots[-1])


async def test_a_key_refused_while_searching_leaves_the_generation_open(service, simulator):
    simulator.plan(LOST["reset"], Fault(on="logs", kind="status", status=401))
    lost = (await made(service))[-1]
    assert (lost.status, lost.error.kind) == (Status.UNKNOWN, "unauthorized")
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


@pytest.mark.parametrize("word", ["waiting", "active", "on the runway", "COMPLETED", ""])
async def test_an_unknown_word_means_still_going(service, simulator, word):
    simulator.plan(Fault(on="get", kind="word", word=word, times=2))
    snapshots = await made(service)
    assert troubles(snapshots) == []
    assert_a_video_is_there(service, snapshots[-1])


async def test_completed_without_a_link_means_still_going(service, simulator):
    simulator.plan(Fault(on="get", kind="missing_url", times=2))
    snapshots = await made(service)
    assert_a_video_is_there(service, snapshots[-1])


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_stops_the_watching_not_the_generation(service, simulator, status):
    simulator.plan(Fault(on="get", kind="status", status=status))
    stopped = (await made(service))[-1]
    assert (stopped.status, stopped.error.kind) == (Status.QUEUED, "unauthorized")
    assert "The generation goes on at the provider and stays yours." in stopped.error.message
    assert_nothing_is_left_running(service)
    await service.resume_one(stopped.id)
    assert_a_video_is_there(service, (await watched(service, stopped.id))[-1])
    assert_paid_once(simulator)


async def test_a_wrong_key_is_mended_by_a_restart_with_the_right_one(make_service, tmp_path):
    with Simulator(folder=tmp_path / "other", seconds=0.1, key="right") as strict:
        right = make_service(base_url=strict.base_url, key="right")
        strict.plan(Fault(on="get", kind="status", status=401))
        stopped = (await made(right))[-1]
        wrong = make_service(base_url=strict.base_url, key="wrong")
        assert await wrong.resume() == 1
        assert (await watched(wrong, stopped.id))[-1].error.kind == "unauthorized"
        assert await right.resume() == 1
        assert_a_video_is_there(right, (await watched(right, stopped.id))[-1])
        assert_paid_once(strict)


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
    "truncated": Fault(on="download", kind="truncated"),
    "half as if whole": Fault(on="download", kind="short"),
    "a page": Fault(on="download", kind="html"),
    "a gateway": Fault(on="download", kind="html", status=502),
    "garbage": Fault(on="download", kind="garbage"),
    "empty": Fault(on="download", kind="empty"),
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
    service, simulator, fault
):
    simulator.plan(replace(fault, times=None))
    snapshots = await made(service)
    waiting = snapshots[-1]
    assert (waiting.status, waiting.error.kind) == (Status.SAVING, "not_saved")
    assert "finished and paid for" in waiting.error.message
    assert "completed" not in statuses(snapshots)
    assert waiting.video is None
    assert service.files.path(waiting) is None
    assert list(service.files.videos.rglob("*.mp4")) == []
    assert_no_half_files(service)
    # By its path: a page of another test may knock at a port that was its app's before.
    assert 1 <= sum(seen.path.startswith("/files/") for seen in simulator.seen) <= 4
    simulator.clear()
    await service.resume_one(waiting.id)
    assert_a_video_is_there(service, (await watched(service, waiting.id))[-1])
    assert_paid_once(simulator)


async def test_a_link_that_has_expired_is_asked_for_anew_just_once(service, simulator):
    simulator.plan(Fault(on="download", kind="expired", times=2))
    waiting = (await made(service))[-1]
    assert waiting.error.kind == "not_saved"
    links = [seen.query["token"] for seen in simulator.seen if seen.path.startswith("/files/")]
    assert len(links) == len(set(links)) == 2


async def test_a_redirected_link_is_followed(service, simulator):
    simulator.plan(Fault(on="download", kind="redirect"))
    assert_a_video_is_there(service, (await made(service))[-1])


@pytest.mark.parametrize("location", ["http://10.0.0.1/video.mp4", "file:///etc/passwd"])
async def test_a_link_into_our_own_network_is_never_followed(service, simulator, location):
    simulator.plan(Fault(on="download", kind="redirect", location=location, times=None))
    waiting = (await made(service))[-1]
    assert (waiting.status, waiting.error.kind) == (Status.SAVING, "not_saved")
    assert sum(seen.path.startswith("/files/") for seen in simulator.seen) == 1


async def test_a_key_refused_while_a_fresh_link_is_asked_for_leaves_it_open(service, simulator):
    simulator.plan(Fault(on="download", kind="expired"))
    async for snapshot in service.follow((await service.submit(MODEL, {"prompt": PROMPT})).id):
        if snapshot.status is Status.SAVING and snapshot.error is None:
            simulator.plan(Fault(on="get", kind="status", status=401))
    assert (snapshot.status, snapshot.error.kind) == (Status.SAVING, "unauthorized")
    await service.resume_one(snapshot.id)
    assert_a_video_is_there(service, (await watched(service, snapshot.id))[-1])


async def test_a_data_folder_in_trouble_leaves_the_video_to_be_fetched_later(service, simulator):
    service.files.videos.rmdir()
    service.files.videos.write_text("a file in the way")
    waiting = (await made(service))[-1]
    assert (waiting.status, waiting.error.kind) == (Status.SAVING, "not_saved")
    assert_no_half_files(service)
    service.files.videos.unlink()
    await service.resume_one(waiting.id)
    assert_a_video_is_there(service, (await watched(service, waiting.id))[-1])


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
