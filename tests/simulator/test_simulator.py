"""The simulated provider speaks the dialect that the real one speaks today, over real HTTP."""

import base64
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from kling_ui.catalog import MODELS
from kling_ui.simulator import Fault, Simulator, faults, server, stills, studio
from kling_ui.simulator.model_list import credits_for
from kling_ui.simulator.tasks import CREDITS_PER_USD, Task, accepted

MODEL = "kling-video/v1.6/standard/text-to-video"
KLING = "/v2/generate/video/kling/generation"
UNIVERSAL = "/v2/video/generations"
BODY = {"model": MODEL, "prompt": "A lighthouse at dusk"}
SECONDS = 0.05
LOST = (httpx.NetworkError, httpx.RemoteProtocolError)
IMAGE = "kling-video/v1.6/standard/image-to-video"
MASTER = "klingai/v2-master-text-to-video"
V3 = "klingai/video-v3-standard-text-to-video"
OMNI = "klingai/video-v3-omni-720p-text-to-video"
O1 = "klingai/video-o1-image-to-video"
MOTION = "klingai/video-v2-6-motion-control"
MOTION_PRO = "klingai/video-v2-6-pro-motion-control"
VARIABLE = "kling-video/v1.5/standard/image-to-video"
UNPRICED = "kling-video/v1.6/standard/multi-image-to-video"
LIST_TYPE = "internal/video-generations/submit"
ADDRESS = "https://pictures.example.com/album/beach.jpg"


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
    return api.get("/v2/logs", params=query or {"period": "24h"}).json()["data"]


def listed(api, **query):
    answer = api.get("/v1/models", params={"include": "pricing", **query})
    return {item["id"]: item for item in answer.json()["data"]}


def assert_problem(answer, status, message):
    """Check the one envelope that every refusal comes in."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) == {
        *("title", "status", "message", "instance", "requestId", "timestamp", "error")
    }
    assert (answer.status_code, problem["status"]) == (status, status)
    assert problem["message"] == problem["error"]["message"] == message
    assert problem["error"]["name"] == problem["title"].replace(" ", "") + "Exception"
    assert problem["instance"] == f"{answer.url.path}?{answer.url.query.decode()}"
    assert problem["requestId"] == answer.headers["x-request-id"]
    assert datetime.fromisoformat(problem["timestamp"]).tzinfo is UTC
    assert "retry-after" not in answer.headers


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
    assert created.json()["meta"]["usage"] == {"credits_used": 420_000, "usd_spent": 0.21}
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
    task = accepted(Task(created=100), BODY, seconds=10, credits_=0)
    assert task.phase(now) == phase


def test_an_id_holds_a_colon_and_slashes_on_one_route_and_is_short_on_the_other(api):
    long, short = start(api, KLING), start(api, UNIVERSAL)
    assert long.endswith(f":{MODEL}")
    assert not {":", "/"} & set(short)
    for task_id in (long, short):
        assert [state(api, task_id, path).json()["id"] for path in (KLING, UNIVERSAL)] == [
            task_id,
            task_id,
        ]


def test_every_answer_of_the_api_has_a_request_id_of_its_own(api):
    answers = [
        api.post(KLING, json=BODY),
        api.post(KLING, json={}),
        *(api.get(path) for path in ("/v1/models", "/v2/billing", "/nowhere")),
    ]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


def test_an_avatar_tells_tokens_where_others_tell_credits(api):
    values = {"image_url": ADDRESS, "audio_url": "https://sounds.example.com/voice.mp3"}
    answer = api.post(UNIVERSAL, json={"model": "klingai/avatar-pro", **values})
    assert set(answer.json()["meta"]["usage"]) == {"tokens_used", "usd_spent"}


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
    ("ratio", "shape"), [("16:9", (180, 320)), ("9:16", (320, 180)), ("1:1", (240, 240))]
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
    assert answer.json()["error"]["data"]["issues"][0]["path"] == ["prompt"]
    assert sim.charges == 0


@pytest.mark.parametrize("model", [V3, "klingai/video-v3-standard-turbo-text-to-video"])
def test_the_words_of_a_storyboard_have_their_say_as_well(sim, api, model):
    def ordered(word):
        is_timed = MODELS[model].param("multi_prompt").is_timed
        shots = [{"prompt": f"Rain {word}", "duration": 5} if is_timed else f"Rain {word}"]
        return api.post(KLING, json={"model": model, "multi_prompt": shots})

    assert finished(api, ordered("[fail]").json()["id"])["status"] == "error"
    refused = ordered("[refuse]")
    assert refused.status_code == 400
    assert refused.json()["error"]["data"]["issues"][0]["path"] == ["multi_prompt"]
    assert (sim.accepted, sim.charges) == (1, 0)


def test_a_prompt_with_slow_takes_five_times_as_long():
    slow = {**BODY, "prompt": "[slow]"}
    task = accepted(Task(created=100), slow, seconds=2, credits_=0)
    assert [task.phase(now) for now in (101, 109, 110)] == ["queued", "generating", "due"]


# Refusals


@pytest.mark.parametrize(
    ("model", "values", "fields"),
    [
        (MODEL, {}, ["prompt"]),
        (MODEL, {"prompt": None}, ["prompt"]),
        (MODEL, {"prompt": ""}, ["prompt"]),
        (MODEL, {"prompt": 7}, ["prompt"]),
        (MODEL, {"prompt": "x" * 2501}, ["prompt"]),
        (MODEL, {"prompt": "x", "duration": 7}, ["duration"]),
        (MODEL, {"prompt": "x", "duration": "7"}, ["duration"]),
        (MODEL, {"prompt": "x", "duration": [5]}, ["duration"]),
        (MODEL, {"prompt": "x", "cfg_scale": 2, "duration": 7}, ["cfg_scale", "duration"]),
        (MODEL, {"prompt": "x", "negative_prompt": None}, ["negative_prompt"]),
        (MODEL, {"prompt": "x", "seed": 1}, ["seed"]),
        (IMAGE, {"prompt": "x"}, ["image_url"]),
        (IMAGE, {"prompt": "x", "image_url": "ftp://host/a.png"}, ["image_url"]),
        (V3, {"prompt": "x", "generate_audio": "yes"}, ["generate_audio"]),
        (
            "kling-video/v1/pro/image-to-video",
            {"image_url": ADDRESS, "tail_image_url": ADDRESS, "static_mask": ADDRESS},
            ["static_mask"],
        ),
    ],
)
def test_wrong_fields_are_named_each_with_a_reason(sim, api, model, values, fields):
    answer = api.post(KLING, json={"model": model, **values})
    issues = answer.json()["error"]["data"]["issues"]
    assert sorted(issue["path"] for issue in issues) == [[field] for field in fields]
    assert all(issue["message"] for issue in issues)
    told = "; ".join(f"{issue['path'][0]}: {issue['message']}" for issue in issues)
    assert_problem(answer, 400, told)
    assert sim.accepted == 0


def test_a_huge_body_that_is_wrong_is_refused_briefly(api):
    huge = {"model": IMAGE, "image_url": "data:image/png;base64," + "A" * 3_000_000}
    answer = api.post(KLING, json=huge)
    assert answer.status_code == 400
    assert len(answer.content) < 2000


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(api, body):
    answer = api.post(KLING, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["data"]["issues"][0]["path"] == ["body"]


@pytest.mark.parametrize("model", [None, 5, ["x"]])
def test_a_model_that_is_no_text_is_refused(api, model):
    answer = api.post(KLING, json={**BODY, "model": model})
    assert answer.json()["error"]["data"]["issues"][0]["path"] == ["model"]


def test_a_body_of_another_type_is_refused(api):
    answer = api.post(KLING, data=BODY)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "Cannot GET /"),
        ("GET", "/v2/else", 404, "Cannot GET /v2/else"),
        ("POST", "/v2/else?a=b", 404, "Cannot POST /v2/else"),
        ("DELETE", KLING, 404, f"Cannot DELETE {KLING}"),
        ("GET", KLING, 400, "generation_id: Expected string, received undefined"),
        ("GET", f"{KLING}?generation_id=unknown", 404, "Inference not found"),
        ("GET", f"{UNIVERSAL}?generation_id=unknown", 404, "Inference not found"),
        ("GET", "/v2/logs?period=24h&limit=0", 400, "limit: Expected number from 1 to 100"),
        ("GET", "/v2/logs?period=24h&limit=x", 400, "limit: Expected number from 1 to 100"),
        (
            "GET",
            "/v2/logs?period=yesterday",
            400,
            "period: Expected a time like 24h, or start and end in ISO 8601",
        ),
    ],
)
def test_what_can_not_be_answered_is_refused_in_the_envelope(api, method, path, status, message):
    assert_problem(api.request(method, path), status, message)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "period=yesterday",
        "start=2026-01-01T00:00:00Z",
        "end=2026-01-01T00:00:00Z",
        "start=monday&end=sunday",
    ],
)
def test_the_log_needs_a_period_or_a_start_and_an_end(api, query):
    answer = api.get(f"/v2/logs?{query}")
    assert answer.status_code == 400
    assert "Expected a time like 24h, or start and end in ISO 8601" in answer.json()["message"]


def test_an_unknown_model_is_not_found(api):
    answer = api.post(KLING, json={**BODY, "model": "kling-video/v9"})
    assert_problem(answer, 404, "Model kling-video/v9 not found")


@pytest.mark.parametrize("key", ["", "wrong"])
def test_only_the_right_key_is_taken(tmp_path, key):
    with Simulator(folder=tmp_path, key="right") as sim:
        with client(sim, key) as api:
            answers = [api.get(path) for path in (KLING, UNIVERSAL, "/v2/logs", "/v2/billing")]
            for answer in (*answers, api.post(KLING, json=BODY)):
                assert_problem(answer, 401, "Incorrect or missing API key")
        with client(sim, "right") as api:
            assert rows(api) == []


def test_without_a_set_key_any_is_taken_but_one_is_needed(sim):
    with client(sim, "whatever") as api:
        assert api.get("/v2/billing").status_code == 200
    with client(sim, "") as api:
        assert api.get("/v2/billing").status_code == 401


def test_a_key_sees_its_own_generations_only(sim, api):
    task_id = start(api)
    with client(sim, "another") as other:
        assert_problem(state(other, task_id), 404, "Inference not found")
        assert rows(other) == []
        theirs = start(other)
    assert [row["inference_id"] for row in rows(api)] == [task_id]
    assert state(api, theirs).status_code == 404


# The list of models, the prices


def test_the_list_needs_no_key_and_tells_prices_where_asked(sim):
    with client(sim, "") as api:
        plain = api.get("/v1/models").json()["data"]
        assert "pricing" not in plain[0]
        assert {item["id"] for item in plain} == set(listed(api)) == set(MODELS)
        assert {item["type"] for item in plain} == {LIST_TYPE}
        assert all("Simulated" in item["info"]["description"] for item in plain)
        assert set(listed(api, type=LIST_TYPE)) == set(MODELS)
        assert listed(api, type="internal/chat/completions") == {}
        assert listed(api, include="novelty,pricing") == listed(api)


def test_an_unchanged_list_is_not_sent_again(api):
    first = api.get("/v1/models")
    assert first.headers["etag"].startswith('W/"')
    assert first.headers["cache-control"] == "max-age=60"
    known = {"If-None-Match": first.headers["etag"]}
    again = api.get("/v1/models", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert listed(api) != {}
    priced = api.get("/v1/models", params={"include": "pricing"}, headers=known)
    assert priced.status_code == 200


def test_the_sample_prices_come_in_every_kind(api):
    kinds = {item.get("pricing", {}).get("kind") for item in listed(api).values()}
    assert kinds == {"fixed", "variants", "variable", None}
    assert listed(api)[MODEL]["pricing"] == {
        "kind": "fixed",
        "units": [
            {
                "name": "Simulated sample price",
                "content": "video",
                "origin": "output",
                "measure": "second",
                "price": 0.042,
                "per": 1,
            }
        ],
    }
    assert listed(api)[MASTER]["pricing"] == {
        "kind": "variants",
        "dimensions": ["duration"],
        "variants": [
            {"when": {"duration": 5}, "price": 1.05, "unit": "video", "per": 1},
            {"when": {"duration": 10}, "price": 2.1, "unit": "video", "per": 1},
        ],
    }


def priced_usd(pricing, values, seconds):
    """Compute each price that matches, or every price where none does."""
    if pricing.get("kind") not in {"fixed", "variants"}:
        return []
    if pricing["kind"] == "fixed":
        prices = [{"unit": unit["measure"], **unit} for unit in pricing["units"]]
    else:
        prices = [
            each
            for each in pricing["variants"]
            if all(values.get(name) == value for name, value in each["when"].items())
        ] or pricing["variants"]
    units = {"second": seconds, "video": 1, "generation": 1}
    return [each["price"] * units[each["unit"]] / each["per"] for each in prices]


def test_a_generation_costs_what_the_list_says(api):
    asked = [{}, {"generate_audio": False}, {"mode": "pro"}, {"provider": "fal"}]
    open_ones = set()
    for name, item in listed(api).items():
        defaults = {param.name: param.default for param in MODELS[name].params}
        for given in (each for each in asked if set(each) <= set(defaults)):
            for seconds in (5, 10):
                spent = credits_for({"model": name, **given}, seconds) / CREDITS_PER_USD
                values = {**defaults, "duration": seconds, **given}
                prices = priced_usd(item.get("pricing", {}), values, seconds)
                assert min(prices, default=0) - 1e-6 <= spent <= max(prices, default=9) + 1e-6
                if len(prices) != 1:
                    open_ones.add((name, *given))
    assert {name for name, *given in open_ones if not given} == {
        name for name in MODELS if "omni" in name or "o1" in name or name in {VARIABLE, UNPRICED}
    }
    assert not [each for each in open_ones if "o1" in each[0] and "provider" in each]


@pytest.mark.parametrize(
    ("model", "less", "more"),
    [
        (V3, {"generate_audio": False}, {"generate_audio": True}),
        (MOTION, {"mode": "std"}, {"mode": "pro"}),
        (O1, {"provider": "kling"}, {"provider": "fal"}),
    ],
)
def test_sound_a_better_mode_and_another_provider_cost_more(model, less, more):
    low, high = (credits_for({"model": model, **given}, 5) for given in (less, more))
    assert low < high


# The log


def test_the_log_finds_a_request_by_the_id_its_sender_gave(api):
    task_id = start(api, headers={"X-Client-Request-Id": "mine-1"})
    (row,) = rows(api, period="24h")
    assert datetime.fromisoformat(row.pop("created")).tzinfo is UTC
    assert row.pop("request_id")
    assert row == {
        "status": "succeeded",
        "origin": "api",
        "model": MODEL,
        "cost": {"usd": 0.21, "credits": 420_000},
        "tokens": 0,
        "inference_id": task_id,
        "client_request_id": "mine-1",
    }


def test_the_log_can_be_asked_by_time_and_model(api):
    start(api, headers={"X-Client-Request-Id": "mine-3"})
    start(api, model=V3)
    now = datetime.now(UTC)
    around = {
        "start": (now - timedelta(minutes=1)).isoformat(),
        "end": (now + timedelta(minutes=1)).isoformat(),
    }
    before = {**around, "end": around["start"]}
    assert [row["model"] for row in rows(api, **around)] == [V3, MODEL]
    assert [row["client_request_id"] for row in rows(api, **around, model=MODEL)] == ["mine-3"]
    assert rows(api, **before) == rows(api, period="24h", model="another") == []


@pytest.mark.parametrize(("days", "is_listed"), [(91, True), (93, False)])
def test_the_log_goes_back_92_days(tmp_path, days, is_listed):
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        start(api)
        file = tmp_path / "requests.jsonl"
        task = json.loads(file.read_text())
        task["created"] -= days * 86400
        file.write_text(json.dumps(task))
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        assert len(rows(api, period="365d")) == is_listed


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
    query = {"period": "24h", "limit": 3}
    first = api.get("/v2/logs", params=query).json()
    second = api.get("/v2/logs", params={**query, "offset": 3}).json()
    assert first["pagination"] == {"limit": 3, "offset": 0, "total": 5, "has_more": True}
    assert second["pagination"] == {"limit": 3, "offset": 3, "total": 5, "has_more": False}
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
    ("fault", "status", "message"),
    [
        ({"kind": "status"}, 503, "Service Unavailable"),
        ({"kind": "status", "status": 429}, 429, "Too Many Requests"),
        ({"kind": "status", "status": 524}, 524, "Error"),
        ({"kind": "status", "status": 400, "message": "No."}, 400, "No."),
        ({"kind": "status", "status": 504, "after": True}, 504, "Gateway Timeout"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_post_can_be_refused_in_the_providers_words(sim, api, fault, status, message):
    sim.plan(Fault(on="create", **fault))
    assert_problem(api.post(KLING, json=BODY), status, message)
    is_accepted = fault.get("after", False)
    assert sim.accepted == is_accepted
    expected = ["succeeded" if is_accepted else "failed"]
    assert [row["status"] for row in rows(api, period="1h", model=MODEL)] == expected


def test_a_planned_refusal_of_a_request_without_a_key_is_a_refusal(sim, api):
    sim.plan(Fault(on="create", kind="status", status=500))
    with client(sim, "") as keyless:
        assert keyless.post(KLING, json=BODY).status_code == 500
    assert rows(api) == []


def test_a_retry_after_is_sent_only_where_it_is_planned(sim, api):
    sim.plan(Fault(on="create", kind="status", status=429, retry_after="2"))
    assert api.post(KLING, json=BODY).headers["retry-after"] == "2"


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
@pytest.mark.parametrize("word", ["error", "CANCELLED"])
def test_a_task_can_end_in_any_word_and_form_and_is_not_charged(sim, api, word, error):
    task_id = start(api)
    sim.plan(Fault(on="get", kind="error", word=word, error=error))
    for _ in range(2):
        answer = state(api, task_id).json()
        assert (answer["status"], answer["error"]) == (word, error)
        assert answer["meta"]["usage"] == {"credits_used": 0, "usd_spent": 0}
    assert (sim.accepted, sim.charges) == (1, 0)
    assert api.get("/v2/billing").json()["current_balance"] == 100


LOOKS = {
    "get": KLING,
    "logs": "/v2/logs?period=24h",
    "models": "/v1/models",
    "billing": "/v2/billing",
}


@pytest.mark.parametrize("stage", LOOKS)
def test_a_look_can_go_wrong_in_every_common_way_and_changes_nothing(sim, api, stage):
    task_id = start(api)
    params = {"generation_id": task_id} if stage == "get" else None
    for kind in ("reset_before", "reset_after", "hang", "cut"):
        sim.plan(Fault(on=stage, kind=kind, seconds=0.05))
        with pytest.raises(LOST):
            api.get(LOOKS[stage], params=params)
    sim.plan(
        Fault(on=stage, kind="status", status=404),
        Fault(on=stage, kind="html", status=403),
        Fault(on=stage, kind="html", status=524),
        Fault(on=stage, kind="garbage"),
    )
    answers = [api.get(LOOKS[stage], params=params) for _ in range(4)]
    codes = [answer.status_code for answer in answers]
    assert codes == [404, 403, 524, 200]
    assert "<html>" in answers[1].text
    assert answers[3].content == Fault(on=stage, kind="garbage").body
    assert finished(api, task_id)["status"] == "completed"


def test_log_rows_can_be_late(sim, api):
    start(api)
    sim.plan(Fault(on="logs", kind="late", times=2))
    assert [len(rows(api)) for _ in range(3)] == [0, 0, 1]


# Faults on download


@pytest.mark.parametrize("kind", ["cut", "reset_before", "reset_after", "hang"])
def test_a_download_can_break_off(sim, api, kind):
    url = video_url(api)
    sim.plan(Fault(on="download", kind=kind, seconds=0.05))
    with pytest.raises(LOST):
        fetch(url)
    assert fetch(url).status_code == 200


def test_a_cut_download_announces_the_whole_file(sim, api):
    video = finished(api, start(api))["video"]
    sim.plan(Fault(on="download", kind="cut"))
    with httpx.stream("GET", video["url"], verify=False) as answer:
        assert int(answer.headers["content-length"]) == video["file_size"]


@pytest.mark.parametrize(
    ("fault", "start_of_body"),
    [
        (Fault(on="download", kind="short"), b"\0\0\0"),
        (Fault(on="download", kind="html"), b"<html>"),
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


def test_a_gateway_can_turn_a_download_away(sim, api):
    url = video_url(api)
    sim.plan(Fault(on="download", kind="html", status=403))
    assert fetch(url).status_code == 403


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
    assert api.get("/v2/billing").status_code == 200


@pytest.mark.parametrize(("on", "kind"), [("logs", "expired"), ("post", "hang"), ("get", "x")])
def test_a_fault_that_can_not_be_is_refused(on, kind):
    with pytest.raises(ValueError, match=f"There is no fault '{kind}' on '{on}'"):
        Fault(on=on, kind=kind)


# The life of the simulator


def test_tasks_money_and_log_survive_a_restart(tmp_path):
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        task_id = start(api)
        failed = start(api, prompt="[fail]")
        finished(api, failed)
        refused = api.post(KLING, json={"model": MODEL})
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


def test_only_the_newest_videos_are_kept_and_older_ones_rendered_again(tmp_path, monkeypatch):
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        oldest = start(api)
        before = fetch(finished(api, oldest)["video"]["url"]).content
        monkeypatch.setattr(studio, "MOST_BYTES", len(before) + 1)
        newest = finished(api, start(api))["video"]["file_name"]
        assert [file.name for file in (tmp_path / "videos").iterdir()] == [newest]
        assert fetch(finished(api, oldest)["video"]["url"]).content == before
        assert len(list((tmp_path / "videos").iterdir())) == 1


def test_a_video_whose_inputs_are_not_kept_any_more_has_an_expired_link(tmp_path, monkeypatch):
    """It stays completed and paid for, as at the provider."""
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        oldest = start(api, model=IMAGE, image_url=png_uri("red"))
        finished(api, oldest)
        monkeypatch.setattr(studio, "MOST_BYTES", 1)
        newest = finished(api, start(api, model=IMAGE, image_url=png_uri("blue")))
        assert len(list((tmp_path / "inputs").iterdir())) == 1
        answer = finished(api, oldest)
        assert answer["status"] == "completed"
        assert fetch(answer["video"]["url"]).status_code == 403
        assert fetch(newest["video"]["url"]).status_code == 200
        assert sim.charges == 2


def test_what_a_killed_simulator_had_half_rendered_is_removed(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4.0123.part").touch()
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        finished(api, start(api))
        assert [file.suffix for file in (tmp_path / "videos").iterdir()] == [".mp4"]


def test_the_command_keeps_out_of_an_apps_data_folder(tmp_path):
    (tmp_path / "kling-ui.db").touch()
    command = [sys.executable, "-m", "kling_ui.simulator", "--folder", str(tmp_path)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "data folder of an app" in done.stderr


def test_a_killed_simulator_knows_its_tasks_when_it_is_back(tmp_path):
    command = [sys.executable, "-m", "kling_ui.simulator", "--port", "0", "--seconds", "0.2"]
    with subprocess.Popen(
        [*command, "--folder", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        base = re.search(r"http://[\d.:]+", process.stdout.readline())[0]
        answer = httpx.post(
            base + KLING, json=BODY, headers={"Authorization": "Bearer any"}, verify=False
        )
        os.kill(process.pid, signal.SIGKILL)
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        assert finished(api, answer.json()["id"])["status"] == "completed"
        assert sim.charges == 1


def test_the_command_says_how_to_use_it_and_ends_on_a_signal(tmp_path):
    command = [sys.executable, "-m", "kling_ui.simulator", "--port", "0", "--seconds", "0.2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        lines = iter(process.stdout.readline, "Ctrl-C ends it.\n")
        post, get = (line for line in lines if line.startswith("curl"))
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert f"{UNIVERSAL} -H 'Authorization: Bearer any'" in post
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


def test_a_taken_port_is_told(tmp_path, sim):
    port = int(sim.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Simulator(folder=tmp_path / "other", port=port).start()


def test_small_answers_do_not_wait_for_the_ones_before_to_be_acknowledged():
    listeners = server._listen([0, 0])
    for listener in listeners:
        with listener, socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_many_requests_at_once_are_all_answered(sim, api):
    with ThreadPoolExecutor(max_workers=16) as pool:
        ids = list(pool.map(lambda _: start(api), range(32)))
        words = list(pool.map(lambda task_id: state(api, task_id).status_code, ids))
    assert len(set(ids)) == sim.charges == 32
    assert set(words) == {200}


def test_what_was_recorded_keeps_within_bounds(sim, api, monkeypatch):
    monkeypatch.setattr(faults, "_MOST_REQUESTS", 10)
    monkeypatch.setattr(faults, "_MOST_BODY_BYTES", 1000)
    api.post(KLING, content=bytes(2000))
    assert sim.seen[-1].body == b""
    for _ in range(30):
        api.get("/v1/models")
        assert len(sim.seen) <= 10


@pytest.mark.parametrize("line", ["{", '{"request": {"task": {"id": 1}}}', "[]", "\x00"])
def test_what_can_not_be_read_in_its_folder_is_skipped(tmp_path, line):
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        task_id = start(api)
    with (tmp_path / "requests.jsonl").open("a") as file:
        file.write(f"\n{line}")
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        another = start(api)
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        assert [row["inference_id"] for row in rows(api)] == [another, task_id]
        assert finished(api, task_id)["status"] == "completed"


# What is handed in


def png_uri(color):
    file = io.BytesIO()
    Image.new("RGB", (400, 400), color).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def test_inputs_are_kept_once_and_rows_stay_small(tmp_path):
    with Simulator(folder=tmp_path, seconds=SECONDS) as sim, client(sim) as api:
        for color in ("red", "red", "green"):
            start(api, model=IMAGE, image_url=png_uri(color))
        assert len(list((tmp_path / "inputs").iterdir())) == 2
    assert max(map(len, (tmp_path / "requests.jsonl").read_text().splitlines())) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "🦝🔥",
        "霧の中の灯台",
        "Ünïcödé, Привет",
        "x" * 2500,
        "word " * 500,
        "a\n\tb\u200d\u0301",
    ],
    ids=["emoji", "cjk", "accents", "one-word", "long", "controls"],
)
def test_any_prompt_becomes_a_caption(text):
    empty, captioned = (
        stills.band((320, 180), text=words, title="T", accent=(9, 9, 9)) for words in ("", text)
    )
    assert captioned.size == empty.size
    assert captioned.tobytes() != empty.tobytes()
