"""The simulated provider keeps to what the real one documents, over real HTTP."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from kling_ui.catalog import MODELS
from kling_ui.simulator import Fault, Simulator
from kling_ui.simulator.render import Scene, render
from kling_ui.simulator.tasks import new_task

MODEL = "kling-video/v1.6/standard/text-to-video"
KLING = "/v2/generate/video/kling/generation"
UNIVERSAL = "/v2/video/generations"
BODY = {"model": MODEL, "prompt": "A lighthouse at dusk"}
SECONDS = 0.05
LOST = (httpx.NetworkError, httpx.RemoteProtocolError)


@pytest.fixture
def sim(tmp_path):
    with Simulator(folder=tmp_path, seconds=SECONDS) as running:
        yield running


@pytest.fixture
def api(sim):
    with client(sim) as opened:
        yield opened


def client(sim, key="any"):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # Loading certificates for each client would take longer than the tests.
    return httpx.Client(base_url=sim.base_url, headers=headers, timeout=10, verify=False)


def fetch(url, **options):
    return httpx.get(url, verify=False, **options)


def start(api, path=KLING, headers=None, **values):
    answer = api.post(path, json={**BODY, **values}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def state(api, task_id, path=KLING):
    return api.get(path, params={"generation_id": task_id})


def finished(api, task_id):
    for _ in range(500):
        answer = state(api, task_id).json()
        if answer["status"] not in {"queued", "generating"}:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"still {answer}")


def video_url(api, **values):
    return finished(api, start(api, **values))["video"]["url"]


def rows(api, **query):
    return api.get("/v2/logs", params=query).json()["data"]


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(stream)]
        seconds = float(stream.duration * stream.time_base)
        return stream.codec_context.name, frames, seconds


# The way of a generation


@pytest.mark.parametrize("path", [KLING, UNIVERSAL])
def test_a_generation_is_created_and_asked_for_until_it_is_completed(api, path):
    created = api.post(path, json=BODY)
    words = []
    while not words or words[-1] in {"queued", "generating"}:
        answer = state(api, created.json()["id"], path).json()
        words.append(answer["status"])
    assert created.status_code == 201
    assert created.json()["status"] == "queued"
    assert created.json()["meta"]["usage"]["credits_used"] == 420_000
    known = ("queued", "generating", "completed")
    assert list(dict.fromkeys(words)) == [word for word in known if word in words]
    assert answer["meta"]["usage"] == {"credits_used": 420_000, "usd_spent": 0.21}
    assert answer["video"]["content_type"] == "video/mp4"
    assert answer["video"]["duration"] == 5


def test_a_fresh_generation_is_queued(tmp_path):
    with Simulator(folder=tmp_path, seconds=3600) as sim, client(sim) as api:
        assert state(api, start(api)).json()["status"] == "queued"


@pytest.mark.parametrize(
    ("now", "phase"), [(100, "queued"), (101.4, "queued"), (101.6, "generating"), (110, "due")]
)
def test_a_task_goes_through_its_phases_by_the_clock(now, phase):
    assert new_task(BODY, seconds=10, credits_=0, now=100).phase(now) == phase


def test_an_id_holds_a_colon_and_slashes(api):
    task_id = start(api)
    assert task_id.endswith(f":{MODEL}")
    assert finished(api, task_id)["id"] == task_id


def test_answers_carry_the_id_and_the_cost_in_headers(api):
    answer = api.post(KLING, json=BODY)
    assert answer.headers["x-inference-id"] == answer.json()["id"]
    assert answer.headers["x-aimlapi-credits-used"] == "420000"
    assert answer.headers["x-aimlapi-usd-spent"] == "0.21"


def test_the_same_post_twice_is_paid_twice(sim, api):
    headers = {"X-Client-Request-Id": "the-same"}
    assert start(api, headers=headers) != start(api, headers=headers)
    assert sim.charges == 2
    assert api.get("/v2/billing").json() == {"current_balance": 99.58, "currency": "USD"}


@pytest.mark.parametrize(
    ("ratio", "shape"), [("16:9", (180, 320)), ("9:16", (320, 180)), ("1:1", (216, 216))]
)
def test_the_video_is_a_real_mp4_of_the_asked_shape(api, tmp_path, ratio, shape):
    file = tmp_path / "video.mp4"
    file.write_bytes(fetch(video_url(api, aspect_ratio=ratio)).content)
    codec, frames, seconds = decoded(file)
    assert codec == "h264"
    assert frames[0].shape == shape
    assert seconds == pytest.approx(5, abs=1 / 24)
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1


def test_duration_is_taken_as_the_text_the_printed_samples_send(api, tmp_path):
    file = tmp_path / "video.mp4"
    file.write_bytes(fetch(video_url(api, duration="10")).content)
    assert decoded(file)[2] == pytest.approx(10, abs=1 / 24)


def test_the_file_has_the_told_size_and_its_index_first(api):
    video = finished(api, start(api))["video"]
    content = fetch(video["url"]).content
    assert len(content) == video["file_size"]
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_files_are_served_in_ranges(api):
    url = video_url(api)
    whole = fetch(url).content
    part = fetch(url, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == whole[100:200]
    assert httpx.head(url, verify=False).headers["content-length"] == str(len(whole))


def test_the_files_live_on_another_host_and_need_no_key_but_a_signature(sim, api):
    url = video_url(api)
    assert url.startswith(f"{sim.cdn_url}/files/")
    assert fetch(url.partition("?")[0]).status_code == 403
    assert fetch(f"{url}x").status_code == 403
    assert fetch(f"{sim.cdn_url}/elsewhere").status_code == 404


def test_links_change_with_each_look(api):
    task_id = start(api)
    first, second = (finished(api, task_id)["video"]["url"] for _ in range(2))
    assert first != second
    assert fetch(first).content == fetch(second).content


def test_every_request_is_noted(sim, api):
    url = video_url(api)
    fetch(url, headers={"Authorization": "Bearer leaked"})
    first, last = sim.seen[0], sim.seen[-1]
    assert (first.server, first.method, first.path) == ("api", "POST", KLING)
    assert json.loads(first.body) == BODY
    assert first.headers["authorization"] == "Bearer any"
    assert sim.seen[1].query["generation_id"].endswith(MODEL)
    assert last.server == "cdn"
    assert last.headers["authorization"] == "Bearer leaked"


# What a prompt can bring about


def test_a_prompt_with_fail_fails_and_is_not_charged(sim, api):
    answer = finished(api, start(api, prompt="A [fail] please"))
    assert answer["status"] == "error"
    assert answer["error"]["name"] == "content_policy_violation"
    assert answer["meta"]["usage"]["credits_used"] == 0
    assert (sim.accepted, sim.charges) == (1, 0)
    assert rows(api)[0]["status"] == "failed"


def test_a_prompt_with_refuse_is_refused(sim, api):
    answer = api.post(KLING, json={**BODY, "prompt": "[refuse] it"})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("prompt: Expected")
    assert sim.charges == 0


def test_a_prompt_with_slow_takes_five_times_as_long():
    task = new_task({**BODY, "prompt": "[slow]"}, seconds=2, credits_=0, now=100)
    assert [task.phase(now) for now in (101, 109, 110)] == ["queued", "generating", "due"]


# Refusals


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prompt": None}, "prompt: Expected string of 1 to 2500 characters, received null"),
        ({"prompt": ""}, 'prompt: Expected string of 1 to 2500 characters, received ""'),
        ({"prompt": 7}, "prompt: Expected string of 1 to 2500 characters, received 7"),
        (
            {"prompt": "x" * 2501},
            "prompt: Expected string of 1 to 2500 characters, received 2501 characters",
        ),
        ({"duration": 7}, "duration: Expected 5 | 10, received 7"),
        ({"duration": "7"}, 'duration: Expected 5 | 10, received "7"'),
        ({"duration": [5]}, "duration: Expected 5 | 10, received array"),
        ({"cfg_scale": 2}, "cfg_scale: Expected number from 0 to 1, received 2"),
        ({"seed": 1}, "seed: Expected no such key, received an unrecognized one"),
    ],
)
def test_a_wrong_field_is_named(sim, api, values, message):
    answer = api.post(KLING, json={**BODY, **values})
    assert answer.status_code == 400
    assert answer.json()["message"] == message
    assert sim.accepted == 0


def test_a_missing_prompt_is_named(api):
    answer = api.post(KLING, json={"model": MODEL})
    assert answer.json()["message"].endswith("received undefined")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"model": NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(api, body):
    answer = api.post(KLING, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "body: Expected object, received" in answer.json()["message"]


def test_a_body_of_another_type_is_refused(api):
    answer = api.post(KLING, data=BODY)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2/else", 404),
        ("DELETE", KLING, 404),
        ("GET", KLING, 400),
        ("GET", f"{KLING}?generation_id=unknown", 404),
        ("GET", "/v2/logs?limit=0", 400),
        ("GET", "/v2/logs?limit=x", 400),
        ("GET", "/v2/logs?period=yesterday", 400),
    ],
)
def test_refusals_have_the_documented_body(api, method, path, status):
    answer = api.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"message", "path", "requestId", "statusCode", "timestamp"}
    assert answer.json()["statusCode"] == status
    assert answer.json()["path"] == path.partition("?")[0]


def test_an_unknown_model_is_not_found(api):
    assert api.post(KLING, json={**BODY, "model": "kling-video/v9"}).status_code == 404


@pytest.mark.parametrize("key", ["", "wrong"])
def test_only_the_right_key_is_taken(tmp_path, key):
    with Simulator(folder=tmp_path, key="right") as sim:
        with client(sim, key) as api:
            for path in (KLING, UNIVERSAL, "/v2/logs", "/v2/billing"):
                assert api.get(path).status_code == 401
            assert api.post(KLING, json=BODY).status_code == 401
        with client(sim, "right") as api:
            assert rows(api) == []


def test_without_a_set_key_any_is_taken_but_one_is_needed(sim):
    with client(sim, "whatever") as api:
        assert api.get("/v2/billing").status_code == 200
    with client(sim, "") as api:
        assert api.get("/v2/billing").status_code == 401


# The catalogue, the metrics, the log


def test_the_catalogue_needs_no_key_and_tells_prices_where_asked(sim):
    with client(sim, "") as api:
        plain = api.get("/v1/models").json()["data"]
        priced = api.get("/v1/models", params={"include": "pricing", "id": MODEL}).json()["data"]
        aliased = api.get("/v1/models", params={"id": priced[0]["aliases"][0]}).json()["data"]
        unknown = api.get("/v1/models", params={"id": "no"}).json()["data"]
    assert {item["id"] for item in plain} == set(MODELS)
    assert "pricing" not in plain[0]
    (unit,) = priced[0]["pricing"]["units"]
    assert (unit["price"], unit["measure"], unit["per"]) == (0.042, "second", 1)
    assert aliased[0]["id"] == MODEL
    assert unknown == []


def test_an_unchanged_catalogue_is_not_sent_again(api):
    etag = api.get("/v1/models").headers["etag"]
    again = api.get("/v1/models", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_metrics_tell_of_models_that_were_used(sim, api):
    with client(sim, "") as keyless:
        assert keyless.get("/models/metrics", params={"aliases": MODEL}).json()["data"] == []
        finished(api, start(api))
        (row,) = keyless.get("/models/metrics", params={"aliases": MODEL}).json()["data"]
    assert row["duration_ms"] == dict.fromkeys(("p50", "p75", "p90", "p99"), SECONDS * 1000)


def test_the_log_finds_a_request_by_the_id_its_sender_gave(api):
    task_id = start(api, headers={"X-Client-Request-Id": "mine-1"})
    (row,) = rows(api, period="24h")
    assert row["client_request_id"] == "mine-1"
    assert row["inference_id"] == task_id
    assert (row["status"], row["model"]) == ("succeeded", MODEL)
    assert row["cost"] == {"usd": 0.21, "credits": 420_000}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.b_c-d:1", "a.b_c-d:1"),
        ("x" * 128, "x" * 128),
        ("x" * 129, None),
        ("", None),
        ("with space", None),
        ("slash/", None),
    ],
)
def test_a_request_id_of_the_wrong_form_is_dropped_silently(api, given, kept):
    start(api, headers={"X-Client-Request-Id": given})
    assert rows(api)[0]["client_request_id"] == kept


def test_refused_requests_stand_in_the_log_as_failed(api):
    headers = {"X-Client-Request-Id": "mine-2"}
    refused = api.post(KLING, json={**BODY, "duration": 7}, headers=headers).json()
    (row,) = rows(api)
    assert row["status"] == "failed"
    assert (row["client_request_id"], row["request_id"]) == ("mine-2", refused["requestId"])
    assert (row["inference_id"], row["cost"]["credits"]) == (None, 0)


def test_the_log_is_paged_with_the_newest_first(api):
    ids = [start(api) for _ in range(5)]
    first = api.get("/v2/logs", params={"limit": 3}).json()
    second = api.get("/v2/logs", params={"limit": 3, "offset": 3}).json()
    assert (first["pagination"]["has_more"], second["pagination"]["has_more"]) == (True, False)
    assert [row["inference_id"] for row in first["data"] + second["data"]] == ids[::-1]


# Faults on create


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        (Fault(on="create", kind="reset_before"), 0),
        (Fault(on="create", kind="reset_after"), 1),
        (Fault(on="create", kind="hang", seconds=0.05), 0),
        (Fault(on="create", kind="hang", seconds=0.05, after=True), 1),
        (Fault(on="create", kind="cut"), 1),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_a_post_can_lose_its_answer(sim, api, fault, accepted):
    sim.plan(fault)
    with pytest.raises(LOST):
        api.post(KLING, json=BODY, headers={"X-Client-Request-Id": "lost"})
    assert (sim.accepted, sim.charges) == (accepted, accepted)
    assert [row["client_request_id"] for row in rows(api)] == ["lost"] * accepted


def test_a_reset_before_the_body_leaves_it_unread(sim, api):
    sim.plan(Fault(on="create", kind="reset_before"))
    with pytest.raises(LOST):
        api.post(KLING, json=BODY)
    assert sim.seen[0].body == b""


def test_a_hanging_post_does_not_answer(sim, api):
    sim.plan(Fault(on="create", kind="hang"))
    with pytest.raises(httpx.ReadTimeout):
        api.post(KLING, json=BODY, timeout=0.1)


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        (Fault(on="create", kind="status", status=429, retry_after="2", message="Slow down"), 0),
        (Fault(on="create", kind="status", status=500), 0),
        (Fault(on="create", kind="status", status=503, after=True), 1),
    ],
)
def test_a_post_can_be_refused_in_the_providers_words(sim, api, fault, accepted):
    sim.plan(fault)
    answer = api.post(KLING, json=BODY)
    assert answer.status_code == answer.json()["statusCode"] == fault.status
    assert answer.headers.get("retry-after") == fault.retry_after
    assert fault.message in {None, answer.json()["message"]}
    assert sim.accepted == accepted
    assert [row["status"] for row in rows(api)] == ["succeeded" if accepted else "failed"]


@pytest.mark.parametrize(("status", "after"), [(None, False), (502, True), (504, True)])
def test_a_gateway_can_answer_a_post_in_html(sim, api, status, after):
    sim.plan(Fault(on="create", kind="html", status=status, after=after))
    answer = api.post(KLING, json=BODY)
    assert answer.status_code == (status or 502)
    assert answer.headers["content-type"].startswith("text/html")
    assert sim.accepted == after
    assert len(rows(api)) == after


def test_a_post_can_be_answered_with_garbage(sim, api):
    sim.plan(Fault(on="create", kind="garbage"))
    answer = api.post(KLING, json=BODY)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="decode"):
        answer.json()
    assert sim.charges == 1


def test_a_post_can_be_answered_without_an_id(sim, api):
    sim.plan(Fault(on="create", kind="no_id"))
    answer = api.post(KLING, json=BODY)
    assert answer.status_code == 201
    assert "id" not in answer.json()
    assert "x-inference-id" not in answer.headers
    assert sim.charges == 1


def test_the_id_can_come_under_its_other_name(sim, api):
    sim.plan(Fault(on="create", kind="generation_id"))
    answer = api.post(KLING, json=BODY).json()
    assert "id" not in answer
    assert finished(api, answer["generation_id"])["status"] == "completed"


# Faults on get


@pytest.mark.parametrize("word", ["waiting", "active", "polishing"])
def test_a_state_can_be_told_in_another_word(sim, api, word):
    task_id = start(api)
    sim.plan(Fault(on="get", kind="word", word=word))
    assert state(api, task_id).json()["status"] == word
    assert finished(api, task_id)["status"] == "completed"


@pytest.mark.parametrize(
    "error",
    [
        {"name": "Error", "message": "1303 too many parallel tasks"},
        {"detail": [{"loc": ["body"], "msg": "Could not detect face", "type": "x", "input": {}}]},
        "something broke",
        None,
    ],
    ids=["name", "detail", "text", "null"],
)
def test_a_task_can_fail_in_each_form_and_is_not_charged(sim, api, error):
    task_id = start(api)
    sim.plan(Fault(on="get", kind="error", error=error))
    for _ in range(2):
        answer = state(api, task_id).json()
        assert (answer["status"], answer["error"]) == ("error", error)
    assert (sim.accepted, sim.charges) == (1, 0)
    assert api.get("/v2/billing").json()["current_balance"] == 100


def test_a_task_can_be_completed_without_a_url(sim, api):
    task_id = start(api)
    sim.plan(Fault(on="get", kind="missing_url"))
    answer = state(api, task_id).json()
    assert (answer["status"], answer["video"]) == ("completed", {})


@pytest.mark.parametrize("stage", ["get", "logs"])
def test_a_look_can_go_wrong_in_every_common_way_and_changes_nothing(sim, api, stage):
    task_id = start(api)
    url = {"get": KLING, "logs": "/v2/logs"}[stage]
    params = {"generation_id": task_id} if stage == "get" else None
    for kind in ("reset_before", "reset_after", "hang", "cut"):
        sim.plan(Fault(on=stage, kind=kind, seconds=0.05))
        with pytest.raises(LOST):
            api.get(url, params=params)
    sim.plan(
        Fault(on=stage, kind="status", status=404),
        Fault(on=stage, kind="html", status=504),
        Fault(on=stage, kind="garbage"),
    )
    answers = [api.get(url, params=params) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 504, 200]
    assert answers[2].content == Fault(on=stage, kind="garbage").body
    assert finished(api, task_id)["status"] == "completed"


def test_log_rows_can_be_late(sim, api):
    start(api)
    sim.plan(Fault(on="logs", kind="late", times=2))
    assert [len(rows(api)) for _ in range(3)] == [0, 0, 1]


# Faults on download


@pytest.mark.parametrize("kind", ["truncated", "cut", "reset_before", "reset_after", "hang"])
def test_a_download_can_break_off(sim, api, kind):
    url = video_url(api)
    sim.plan(Fault(on="download", kind=kind, seconds=0.05))
    with pytest.raises(LOST):
        fetch(url)
    assert fetch(url).status_code == 200


def test_a_truncated_download_announces_the_whole_file(sim, api):
    video = finished(api, start(api))["video"]
    sim.plan(Fault(on="download", kind="truncated"))
    with httpx.stream("GET", video["url"], verify=False) as answer:
        assert int(answer.headers["content-length"]) == video["file_size"]


@pytest.mark.parametrize(
    ("fault", "start_of_body"),
    [
        (Fault(on="download", kind="short"), b"\0\0\0"),
        (Fault(on="download", kind="html"), b"<html>"),
        (Fault(on="download", kind="empty"), b""),
        (Fault(on="download", kind="garbage", body=b"noise"), b"noise"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_download_can_be_something_else_than_the_file(sim, api, fault, start_of_body):
    video = finished(api, start(api))["video"]
    sim.plan(fault)
    answer = fetch(video["url"])
    assert answer.status_code == 200
    assert answer.content.startswith(start_of_body)
    assert len(answer.content) < video["file_size"]
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_a_link_can_expire_until_a_fresh_one_is_asked_for(sim, api):
    task_id = start(api)
    url = finished(api, task_id)["video"]["url"]
    sim.plan(Fault(on="download", kind="expired"))
    assert [fetch(url).status_code for _ in range(2)] == [403, 403]
    assert fetch(finished(api, task_id)["video"]["url"]).status_code == 200


def test_a_download_can_be_redirected(sim, api):
    url = video_url(api)
    sim.plan(
        Fault(on="download", kind="redirect", location="http://192.0.2.1/"),
        Fault(on="download", kind="redirect"),
    )
    assert fetch(url).headers["location"] == "http://192.0.2.1/"
    followed = fetch(url, follow_redirects=True)
    assert (followed.status_code, len(followed.history)) == (200, 1)


def test_a_download_can_be_refused(sim, api):
    url = video_url(api)
    sim.plan(Fault(on="download", kind="status", status=503, retry_after="1"))
    answer = fetch(url)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


# The plan


def test_faults_come_in_order_and_as_often_as_planned(sim, api):
    task_id = start(api)
    sim.plan(
        Fault(on="get", kind="status", status=500, times=2),
        Fault(on="logs", kind="status", status=429),
        Fault(on="get", kind="status", status=502),
        Fault(on="get", kind="status", status=404, times=None),
    )
    codes = [state(api, task_id).status_code for _ in range(6)]
    assert codes == [500, 500, 502, 404, 404, 404]
    sim.clear()
    assert state(api, task_id).status_code == 200
    assert api.get("/v2/logs").status_code == 200


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"on": "logs", "kind": "expired"},
            (
                "kind='expired' does not exist on logs; there are cut, garbage, hang, html, late, "
                "reset_after, reset_before, status."
            ),
        ),
        (
            {"on": "post", "kind": "hang"},
            "on='post': expected one of create, get, logs, download.",
        ),
    ],
)
def test_a_fault_that_can_not_be_is_refused(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Fault(**values)


# The life of the simulator


def test_tasks_money_and_log_survive_a_restart(tmp_path):
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        task_id = start(api)
        failed = start(api, prompt="[fail]")
        finished(api, failed)
        refused = api.post(KLING, json={})
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        answer = finished(api, task_id)
        assert answer["video"]["url"].startswith(sim.cdn_url)
        assert fetch(answer["video"]["url"]).status_code == 200
        assert state(api, failed).json()["status"] == "error"
        assert (sim.accepted, sim.charges) == (2, 1)
        assert refused.json()["requestId"] in {row["request_id"] for row in rows(api)}


def test_a_lost_file_is_rendered_again(tmp_path):
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        task_id = start(api)
        before = fetch(finished(api, task_id)["video"]["url"]).content
        (file,) = (tmp_path / "videos").iterdir()
        file.unlink()
        assert fetch(finished(api, task_id)["video"]["url"]).content == before


def test_a_killed_simulator_knows_its_tasks_when_it_is_back(tmp_path):
    command = [sys.executable, "-m", "kling_ui.simulator", "--port", "0", "--seconds", "0.2"]
    with subprocess.Popen(
        [*command, "--folder", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as process:
        base = re.search(r"http://[\d.:]+", process.stdout.readline())[0]
        answer = httpx.post(
            base + KLING, json=BODY, headers={"Authorization": "Bearer x"}, verify=False
        )
        os.kill(process.pid, signal.SIGKILL)
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        assert finished(api, answer.json()["id"])["status"] == "completed"
        assert sim.charges == 1


def test_the_command_says_how_to_use_it_and_ends_on_a_signal(tmp_path):
    command = [sys.executable, "-m", "kling_ui.simulator", "--port", "0", "--seconds", "0.2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
    ) as process:
        lines = iter(process.stdout.readline, "Ctrl-C ends it.\n")
        post, get = (line for line in lines if line.startswith("curl"))
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert f"{KLING} -H 'Authorization: Bearer any'" in post
    assert "--data-urlencode 'generation_id=ID'" in get


def test_stopping_breaks_hanging_requests_and_frees_the_ports(tmp_path):
    sim = Simulator(folder=tmp_path, seconds=SECONDS)
    sim.start()
    sim.plan(Fault(on="get", kind="hang", times=None))
    with ThreadPoolExecutor() as pool, client(sim) as api:
        task_id = start(api)
        hanging = [pool.submit(state, api, task_id) for _ in range(3)]
        while len(sim.seen) < 4:
            time.sleep(0.01)
        sim.stop()
        errors = [future.exception() for future in hanging]
    assert all(isinstance(error, LOST) for error in errors)
    for url in (sim.base_url, sim.cdn_url):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", int(url.rpartition(":")[2])))


def test_it_can_be_started_again_at_the_same_address(tmp_path):
    sim = Simulator(folder=tmp_path, seconds=SECONDS)
    with sim:
        address = sim.base_url
    with sim, client(sim) as api:
        assert sim.base_url == address
        start(api)
    sim.stop()
    assert sim.charges == 1


def test_there_is_no_address_before_the_start(tmp_path):
    with pytest.raises(RuntimeError, match="no address before it is started"):
        _ = Simulator(folder=tmp_path).base_url


def test_a_taken_port_is_told_and_frees_the_other(tmp_path, sim):
    port = int(sim.cdn_url.rpartition(":")[2])
    other = Simulator(folder=tmp_path / "other", cdn_port=port)
    with pytest.raises(OSError, match="in use"):
        other.start()


def test_many_requests_at_once_are_all_answered(sim, api):
    with ThreadPoolExecutor(max_workers=16) as pool:
        ids = list(pool.map(lambda _: start(api), range(32)))
        words = list(pool.map(lambda task_id: state(api, task_id).status_code, ids))
    assert len(set(ids)) == sim.charges == 32
    assert set(words) == {200}


# The pictures


@pytest.mark.parametrize(
    "text",
    [
        "",
        "🦝🔥",
        "霧の中の灯台",
        "Ünïcödé, Привет",
        "x" * 2500,
        "word " * 500,
        "a\n\tb\u200d\u0301",
    ],
    ids=["empty", "emoji", "cjk", "accents", "one-word", "long", "controls"],
)
@pytest.mark.parametrize("ratio", ["16:9", "9:16"])
def test_any_prompt_can_be_drawn(tmp_path, text, ratio):
    scene = Scene(text=text, title="T", seconds=0.1, aspect_ratio=ratio, take="t", is_draft=True)
    assert render(scene, tmp_path / "video.mp4", is_given_up=threading.Event())
    assert len(decoded(tmp_path / "video.mp4")[1]) == 2


def test_the_picture_is_full_size_and_says_what_it_is(tmp_path):
    def drawn(title, text):
        scene = Scene(text=text, title=title, seconds=0.05, aspect_ratio="16:9", take="t")
        render(scene, tmp_path / "video.mp4", is_given_up=threading.Event())
        return decoded(tmp_path / "video.mp4")[1][0].astype(int)

    plain, titled = drawn("", "A prompt"), drawn("Kling 1.6 · Standard", "A prompt")
    assert plain.shape == (720, 1280)
    corner, lower_third = (slice(48, 80), slice(1090, 1224)), (slice(480, 720), slice(0, 1280))
    assert plain[corner].max() > 200  # the label
    assert plain[lower_third].max() > 200  # the prompt
    assert (titled[lower_third] != plain[lower_third]).mean() > 0.001


def test_a_video_given_up_is_left_unfinished(tmp_path):
    given_up = threading.Event()
    given_up.set()
    scene = Scene(text="", title="", seconds=60, aspect_ratio="1:1", take="", is_draft=True)
    assert not render(scene, tmp_path / "video.mp4", is_given_up=given_up)
