"""The public API through the app as it is served, and the gate before Gradio's own routes."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager

import gradio_client
import httpx
import pytest
from app_process import HOME, START_SECONDS, free_port
from harness import API_FIELDS, MODEL, PROMPT, posts

from kling_ui.catalog import MODELS
from kling_ui.simulator import Fault, Simulator

KEY = "sk-DISTINCTIVE-5f2c9a71"
NOTHING_SENT = "Nothing was sent, nothing was spent."


class Served:
    """app.py in a process of its own, with a key, and the provider it asks."""

    def __init__(self, simulator, folder):
        self.simulator = simulator
        self.folder = folder / "data"
        self.log = folder / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=120)

    def environ(self):
        return {
            **os.environ,
            "AIML_API_KEY": KEY,
            "AIML_API_BASE_URL": self.simulator.base_url,
            "GRADIO_SERVER_PORT": str(self.port),
            "KLING_UI_DATA_DIR": str(self.folder),
            "KLING_UI_POLL_SECONDS": "0.02",
        }

    def call(self, name, *arguments):
        """Call the API as the documentation of Gradio says; return every value it streams."""
        path = f"/gradio_api/call/{name}"
        event = self.http.post(path, json={"data": list(arguments)}).json()["event_id"]
        lines = self.http.get(f"{path}/{event}").text.splitlines()
        kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        data = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        answers = [(kind, value) for kind, value in zip(kinds, data, strict=True)]
        if answers[-1][0] == "error":
            raise ApiError(answers[-1][1])
        streamed = [value for kind, value in answers if kind == "generating"]
        return [value[0] for value in streamed] or [answers[-1][1][0]]

    def refusal(self, name, *arguments):
        """Return the message that a call is refused with."""
        with pytest.raises(ApiError) as caught:
            self.call(name, *arguments)
        [said] = caught.value.args
        assert isinstance(said, dict), said
        assert isinstance(said["error"], str), said
        return said["error"]


class ApiError(Exception):
    """What a call answered with instead of values."""


@contextmanager
def running(served):
    command = [sys.executable, "app.py"]
    with served.log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=HOME, env=served.environ(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                served.http.get("/config")
                break
            assert process.poll() is None, served.log.read_text()
            time.sleep(0.05)
        yield
    finally:
        served.http.close()
        process.terminate()
        process.wait(START_SECONDS)


@pytest.fixture(scope="module")
def served(tmp_path_factory, films):
    folder = tmp_path_factory.mktemp("api")
    with Simulator(folder=folder / "provider", seconds=0.2, key=KEY) as simulator:
        served = Served(simulator, folder)
        with running(served):
            yield served


@pytest.fixture(autouse=True)
def _without_faults(served):
    served.simulator.clear()
    served.simulator.seen.clear()


# -- models


def test_models_lists_every_model_with_its_parameters(served):
    [models] = served.call("models")
    assert [model["id"] for model in models] == list(MODELS)
    listed = next(model for model in models if model["id"] == MODEL)
    assert set(listed) >= {"id", "title", "task", "parameters"}
    duration = next(each for each in listed["parameters"] if each["name"] == "duration")
    assert (duration["type"], duration["enum"], duration["default"]) == ("integer", [5, 10], 5)


# -- submit, status, generate


def test_submit_answers_as_soon_as_the_provider_has_accepted(served):
    [generation] = served.call("submit", MODEL, PROMPT, {"duration": 5})
    assert set(generation) == API_FIELDS
    assert generation["status"] == "queued"
    assert generation["task_id"]
    assert generation["payload"] == {"model": MODEL, "prompt": PROMPT, "duration": 5}
    assert generation["error"] is None
    [post] = posts(served.simulator)
    assert post.headers["x-client-request-id"] == generation["id"]
    assert json.loads(post.body) == generation["payload"]


def test_status_waits_for_a_change_until_the_end(served):
    [generation] = served.call("submit", MODEL, PROMPT, {})
    seen = [generation["status"]]
    while seen[-1] not in {"completed", "failed", "rejected"}:
        [generation] = served.call("status", generation["id"], 20)
        assert generation["status"] != seen[-1] or generation["error"] is None
        seen.append(generation["status"])
    assert seen[-1] == "completed"
    assert len(seen) <= 6
    [again] = served.call("status", generation["id"], 0)
    assert again == generation


def test_status_without_a_wait_answers_at_once(served):
    served.simulator.plan(Fault(on="get", kind="word", word="queued", times=None))
    [generation] = served.call("submit", MODEL, PROMPT, {})
    [now] = served.call("status", generation["id"], 0)
    assert now["status"] == "queued"
    [soon] = served.call("status", generation["id"], 0.1)
    assert soon["status"] == "queued"


def test_generate_streams_to_a_video_that_plays_from_anywhere_in_it(served):
    states = served.call("generate", MODEL, PROMPT, {"aspect_ratio": "1:1"})
    words = [state["status"] for state in states]
    assert words[0] == "queued"
    assert words[-2:] == ["saving", "completed"]
    last = states[-1]
    assert (last["usd_spent"], last["error"]) == (0.21, None)
    assert all(state["video"] is None for state in states[:-1])
    whole = served.http.get(last["video"])
    assert whole.status_code == 200
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.content[4:8] == b"ftyp"
    poster = served.http.get(last["poster"])
    assert poster.headers["content-type"] == "image/jpeg"
    part = served.http.get(last["video"], headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == whole.content[100:200]
    assert len(posts(served.simulator)) == 1


def test_generate_streams_a_failure_as_a_state(served):
    last = served.call("generate", MODEL, "Rain [fail]", {})[-1]
    assert (last["status"], last["usd_spent"], last["video"]) == ("failed", 0, None)
    assert last["error"]["kind"] == "failed"
    assert "content policy" in last["error"]["message"]


def test_generate_streams_a_refusal_that_names_the_field(served):
    [only] = served.call("generate", MODEL, "Rain [refuse]", {})
    assert only["status"] == "rejected"
    assert only["error"]["field"] == "prompt"
    assert set(only["error"]) == {"kind", "message", "field"}


def test_generate_streams_on_where_a_question_is_turned_away(served):
    served.simulator.plan(Fault(on="get", kind="status", status=401))
    stream = served.call("generate", MODEL, PROMPT, {})
    denied = next(each for each in stream if each["error"])
    assert (denied["status"], denied["error"]["kind"]) == ("queued", "unauthorized")
    assert (stream[-1]["status"], stream[-1]["error"]) == ("completed", None)


def test_the_prompt_may_stand_among_the_parameters(served):
    [generation] = served.call("submit", MODEL, "", {"prompt": PROMPT})
    assert generation["payload"]["prompt"] == PROMPT


def test_a_gradio_client_gets_the_same_values(served):
    client = gradio_client.Client(served.url, verbose=False)
    generation = client.submit(MODEL, PROMPT, {}, api_name="/submit").result(timeout=20)
    assert set(generation) == API_FIELDS
    states = list(client.submit(MODEL, PROMPT, {"duration": 5}, api_name="/generate"))
    assert states[-1]["status"] == "completed"
    assert states[-1]["video"] == f"/media/{states[-1]['id']}/video.mp4"
    with pytest.raises(gradio_client.exceptions.AppError, match="duration: must be 5 or 10"):
        client.predict(MODEL, PROMPT, {"duration": "5"}, api_name="/submit")
    client.close()


def test_the_pages_own_events_are_not_part_of_the_api(served):
    info = served.http.get("/gradio_api/info").json()
    assert set(info["named_endpoints"]) == {
        *("/models", "/estimate", "/request", "/history", "/batch"),
        *("/submit", "/status", "/generate"),
    }
    assert info["unnamed_endpoints"] == {}


def test_the_key_is_nowhere_in_what_the_app_serves_writes_or_logs(served):
    echo = f"Invalid API key {KEY}"
    served.simulator.plan(Fault(on="create", kind="status", status=401, message=echo))
    [refused] = served.call("submit", MODEL, PROMPT, {})
    assert refused["error"]["kind"] == "unauthorized"
    assert KEY not in json.dumps(refused)
    served.call("generate", MODEL, PROMPT, {})
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/startup-events"):
        assert KEY not in served.http.get(path).text, path
    assert "Generate" in served.http.get("/config").text
    files = [path for path in served.folder.rglob("*") if path.is_file()]
    assert served.folder / "kling-ui.db" in files
    assert [path for path in [*files, served.log] if KEY.encode() in path.read_bytes()] == []


# -- what can't be sent


@pytest.mark.parametrize("name", ["submit", "generate"])
def test_every_wrong_value_is_named_by_its_parameter(served, name):
    values = {"duration": "5", "cfg_scale": 2, "aspect_ratio": "4:3", "seed": 1}
    said = served.refusal(name, MODEL, " ", values)
    for parameter in ("seed", "prompt", "aspect_ratio", "duration", "cfg_scale"):
        assert f"{parameter}: " in said
    assert said.endswith(NOTHING_SENT)
    assert posts(served.simulator) == []


@pytest.mark.parametrize(
    ("model", "prompt", "parameters", "field"),
    [
        ("kling-video/v99", PROMPT, {}, "model"),
        (None, PROMPT, {}, "model"),
        (7, PROMPT, {}, "model"),
        ([MODEL], PROMPT, {}, "model"),
        ({"id": MODEL}, PROMPT, {}, "model"),
        (MODEL, None, {}, "prompt"),
        (MODEL, "", {}, "prompt"),
        (MODEL, 7, {}, "prompt"),
        (MODEL, 0, {}, "prompt"),
        (MODEL, False, {}, "prompt"),
        (MODEL, [PROMPT], {}, "prompt"),
        (MODEL, [], {}, "prompt"),
        (MODEL, {"text": PROMPT}, {}, "prompt"),
        (MODEL, "a" * 2501, {}, "prompt"),
        (MODEL, "a\x00b", {}, "prompt"),
        (MODEL, PROMPT, "duration=5", "parameters"),
        (MODEL, PROMPT, ["duration", 5], "parameters"),
        (MODEL, PROMPT, 5, "parameters"),
        (MODEL, PROMPT, True, "parameters"),
        (MODEL, PROMPT, {"prompt": "Another"}, "prompt"),
        (MODEL, PROMPT, {"model": MODEL}, "model"),
        (MODEL, PROMPT, {"": 5}, ""),
        (MODEL, PROMPT, {"duration": True}, "duration"),
        (MODEL, PROMPT, {"cfg_scale": "0.5"}, "cfg_scale"),
        (MODEL, PROMPT, {"cfg_scale": 1e300}, "cfg_scale"),
        pytest.param(MODEL, PROMPT, {"cfg_scale": 10**400}, "cfg_scale", id="huge"),
        (MODEL, PROMPT, {"negative_prompt": {"a": 1}}, "negative_prompt"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_by_its_name(
    served, model, prompt, parameters, field
):
    said = served.refusal("submit", model, prompt, parameters)
    assert f"{field}: " in said
    assert said.endswith(NOTHING_SENT)
    assert posts(served.simulator) == []


def test_no_parameters_are_no_mistake(served):
    [generation] = served.call("submit", MODEL, PROMPT, None)
    assert generation["payload"] == {"model": MODEL, "prompt": PROMPT}


@pytest.mark.parametrize("generation_id", ["nothing", "", "../../etc/passwd", "x" * 10_000])
def test_an_unknown_id_is_refused(served, generation_id):
    said = served.refusal("status", generation_id, 0)
    assert said.startswith("id: there is no generation")
    assert len(said) < 200


@pytest.mark.parametrize("generation_id", [None, 7, True, ["a"], {"id": "a"}])
def test_an_id_of_the_wrong_kind_is_refused(served, generation_id):
    assert served.refusal("status", generation_id, 0).startswith("id: must be the id of a")


@pytest.mark.parametrize("wait", [None, "5", -1, True, [5], {}])
def test_a_wait_of_the_wrong_kind_is_refused(served, wait):
    assert served.refusal("status", "nothing", wait).startswith("wait: must be a number of sec")


# -- the gate


CLOSED = [
    "/gradio_api/deep_link",
    "/gradio_api/deep_link?session_hash=x",
    "/gradio_api/DEEP_LINK",
    "/gradio_api/deep%5Flink",
    "/gradio_api/deep%255Flink",
    "/gradio_api/deep_link/",
    "//gradio_api//deep_link",
    "/gradio_api/runs",
    "/gradio_api/runs/x",
    "/gradio_api/%72uns",
    "/gradio_api/file=https://example.com/",
    "/gradio_api/file=http://127.0.0.1:1/",
    "/gradio_api/file=HTTPS://example.com/",
    "/gradio_api/file=https:/example.com/",
    "/gradio_api/file=https%3A%2F%2Fexample.com%2F",
    "/gradio_api/file%3Dhttps://example.com/",
    "/gradio_api/file=https%253A%252F%252Fexample.com",
    "/gradio_api/file=%68ttps://example.com/",
    "/file=https://example.com/",
    "/file/https://example.com/",
]


@pytest.mark.parametrize("path", CLOSED)
def test_a_route_that_would_leak_or_fetch_for_others_is_closed(served, path):
    answer = served.http.get(served.url + path)
    assert answer.status_code in {403, 404}, answer.text


@pytest.mark.parametrize(
    "path", ["/monitoring/summary", "/gradio_api/monitoring/summary", "/gradio_api/monitoring"]
)
def test_nobody_can_watch_the_visitors(served, path):
    assert "total_requests" not in served.http.get(path).text


def call_from(served, origin, **headers):
    return served.http.post(
        "/gradio_api/call/models",
        json={"data": []},
        headers={"Origin": origin, **headers},
    ).status_code


def test_our_own_page_may_call(served):
    assert call_from(served, served.url) == 200
    assert call_from(served, "https://127.0.0.1:8480") == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.2", "http://localhost", "", "x"]
)
def test_the_page_of_another_site_may_not_call(served, origin):
    assert call_from(served, origin) == 403
    assert call_from(served, origin, Host="127.0.0.1:9") == 403
    assert call_from(served, origin, **{"X-Forwarded-Host": "evil.example"}) == 403


def test_another_site_may_not_upload(served):
    answer = served.http.post(
        "/gradio_api/upload",
        files={"files": ("a.txt", b"a")},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403


def test_the_ledger_is_not_served(served):
    database = served.folder / "kling-ui.db"
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM generations").fetchone()[0] > 0
    connection.close()
    for path in (
        f"/gradio_api/file={database}",
        f"/gradio_api/file={database}-wal",
        f"/gradio_api/file={served.folder}/videos/../kling-ui.db",
        f"/gradio_api/file={served.folder}/videos/%2e%2e/kling-ui.db",
        f"/gradio_api/file={served.folder.parent}/provider/simulator.sqlite3",
        f"/gradio_api/file={HOME}/app.py",
        "/gradio_api/file=/etc/passwd",
    ):
        answer = served.http.get(path)
        assert answer.status_code in {403, 404}, path


def test_the_folder_of_the_videos_is_neither_listed_nor_served_by_its_path(served):
    [*_, made] = served.call("generate", MODEL, PROMPT, {})
    [video] = (served.folder / "videos" / made["id"]).glob("*.mp4")
    for path in (served.folder / "videos", f"{served.folder}/videos/", video):
        answer = served.http.get(f"/gradio_api/file={path}")
        assert answer.status_code in {403, 404}
