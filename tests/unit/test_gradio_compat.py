"""What leans on Gradio's insides: it works with the version that is installed, and tells if not."""

import gc
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from fastapi import FastAPI
from gradio import processing_utils, queueing, route_utils, routes
from gradio.server_messages import ProcessCompletedMessage, ProcessGeneratingMessage
from starlette.testclient import TestClient

from kling_ui.ui import gradio_compat
from kling_ui.ui.gradio_compat import LINKS_ARE_NOT_FETCHED, Sessions, harden
from kling_ui.ui.http_guard.body_limit import BODY_BYTES_KEY
from kling_ui.ui.uploads import UNREADABLE_VALUE, check_uploads

HOME = Path(__file__).resolve().parents[2]
STATE = 1
VERSION = "6.31.0"

# Gradio opens event loops for its locks that it never closes.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _what_gradio_leaves_open_is_collected_here():
    yield
    gc.collect()


def test_this_was_read_from_the_version_that_is_installed():
    assert gr.__version__ == VERSION, "read docs/gradio.md and these tests anew, then raise it"
    assert VERSION in gradio_compat.__doc__


# -- visits


def sessions_of(capacity, *, caller=lambda: "somebody", per_caller=1000):
    config = SimpleNamespace(blocks={STATE: SimpleNamespace(stateful=True, value="")})
    sessions = Sessions(caller=caller, per_caller=per_caller, total=capacity)
    sessions.set_blocks(SimpleNamespace(default_config=config, state_session_capacity=0))
    return sessions


def test_calls_of_the_api_are_forgotten_before_a_page_that_is_quiet():
    sessions = sessions_of(3)
    sessions["page"].state_data[STATE] = "the generation on its stage"
    for number in range(20):
        assert sessions[f"call {number}"] is sessions[f"call {number}"]
    assert sessions["page"][STATE] == "the generation on its stage"
    assert len(sessions.session_data) == len(sessions.time_last_used) == 3
    assert "call 19" in sessions


def test_of_pages_the_one_that_was_quiet_for_longest_is_forgotten():
    sessions = sessions_of(2)
    for name in ("first", "second", "third"):
        sessions[name].state_data[STATE] = name
    assert "first" not in sessions
    assert sessions["first"][STATE] == ""
    assert "second" not in sessions


def test_a_new_visit_copies_nothing_of_the_page():
    assert sessions_of(2)["new"].config_values == {}


def test_one_caller_pushes_out_only_his_own_visits():
    callers = ["somebody"]
    sessions = sessions_of(30_000, caller=lambda: callers[-1])
    sessions["page"].state_data[STATE] = "kept"
    callers.append("a flood")
    for number in range(2100):
        sessions[f"visit {number}"].state_data[STATE] = "taken"
    assert sessions["page"][STATE] == "kept"
    assert len(sessions.session_data) == 1001


def test_where_all_together_have_too_many_whoever_has_the_most_gives_way():
    callers = ["somebody"]
    sessions = sessions_of(10, caller=lambda: callers[-1])
    sessions["page"].state_data[STATE] = "kept"
    callers.append("a flood")
    for number in range(50):
        sessions[f"visit {number}"].state_data[STATE] = "taken"
    assert sessions["page"][STATE] == "kept"
    assert len(sessions.session_data) == len(sessions.time_last_used) == 10


# -- an app of Gradio's own, and the same one hardened


def echo(word: str) -> str:
    return word


def relabel() -> object:
    return gr.update(label="Said again", value="x")


def plain_page():
    with gr.Blocks(analytics_enabled=False) as page:
        picture = gr.Image(type="filepath")
        film = gr.Video()
        button = gr.Button()
        said = gr.Textbox()
        button.click(lambda path: path, [picture], [said], api_name="picture", queue=False)
        button.click(lambda path: path, [film], [said], api_name="film", queue=False)
        button.click(
            lambda path: path,
            [film],
            [said],
            api_name="checked",
            validator=lambda _path: gr.validate(is_valid=True, message=""),
        )
        button.click(relabel, None, [said], api_name="relabel", queue=False)
        gr.api(echo)
    page.max_file_size = None  # what launch() would set
    return page.queue()


@pytest.fixture
def gradio_is_left_as_it_was(monkeypatch):
    monkeypatch.setattr(route_utils, "get_fn", route_utils.get_fn)
    monkeypatch.setattr(processing_utils, "async_transport", None)


@pytest.fixture
def bare(gradio_is_left_as_it_was):
    """Gradio as it comes."""
    app = routes.App.create_app(plain_page())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def hardened(gradio_is_left_as_it_was):
    page = plain_page()
    app = routes.App.create_app(page)
    harden(app, page)
    app.page = page
    with TestClient(app) as client:
        yield client


EVIL = {"Origin": "https://evil.example", "Host": "kling.example"}


def test_gradio_still_lets_every_site_read_with_the_visitors_cookies(bare):
    answer = bare.get("/config", headers=EVIL)
    assert answer.headers["access-control-allow-origin"] == EVIL["Origin"]
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_no_other_site_may_read(hardened):
    answer = hardened.get("/config", headers=EVIL)
    assert answer.status_code == 200
    assert [name for name in answer.headers if name.startswith("access-control")] == []
    asked = {**EVIL, "Access-Control-Request-Method": "POST"}
    answer = hardened.options("/gradio_api/queue/join", headers=asked)
    assert answer.status_code == 405
    assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_gradio_still_answers_500_to_an_unknown_name(bare):
    assert bare.post("/gradio_api/call/nothing", json={"data": []}).status_code == 500
    assert bare.post("/gradio_api/call/v2/nothing", json={}).status_code == 500
    unknown = {"data": [], "fn_index": 99, "session_hash": "abc"}
    assert bare.post("/gradio_api/run/predict", json=unknown).status_code == 500


@pytest.mark.parametrize("path", ["queue/join", "run/predict"])
def test_an_unknown_event_is_not_found(hardened, path):
    unknown = {"data": [], "fn_index": 99, "session_hash": "abc"}
    assert hardened.post(f"/gradio_api/{path}", json=unknown).status_code == 404
    assert hardened.post("/gradio_api/call/nothing", json={"data": []}).status_code == 404


MISTAKES = {
    "call/v2/echo": [
        *({}, {"word": "x", "other": 1}, {"other": 1}, {"`": 1}, {"": 1}, [], None, "x", 5),
    ],
    "call/echo": [{}, {"data": None}, {"data": {}}, {"data": "x"}, [], None, 5],
    "queue/join": [{}, {"data": None}, {"data": [], "fn_index": "x"}, [], None],
    "run/predict": [{}, {"data": None}, {"data": [], "fn_index": "x"}, [], None],
    "cancel": [{}, [], None, {"session_hash": 5, "fn_index": "x", "event_id": []}],
    "reset": [{}, [], None, {"event_id": 5}],
}
AS_JSON = {"Content-Type": "application/json"}
ENDLESS = {"Content-Type": "multipart/form-data; boundary=" + "x" * 300}
INFINITE = b'{"data": 1e400, "fn_index": 1e400, "session_hash": 1e400, "event_id": 1e400}'


def test_gradio_still_answers_500_to_a_wrong_name_or_an_endless_number(bare):
    for body in ({}, {"word": "x", "other": 1}):
        assert bare.post("/gradio_api/call/v2/echo", json=body).status_code == 500
    assert bare.post("/gradio_api/queue/join", content=INFINITE, headers=AS_JSON).status_code == 500


@pytest.mark.parametrize(("path", "bodies"), MISTAKES.items())
def test_a_body_that_is_none_is_a_mistake_of_the_caller(hardened, path, bodies):
    for body in bodies:
        answer = hardened.post(f"/gradio_api/{path}", json=body)
        assert answer.status_code in {400, 422}, body
    answer = hardened.post(f"/gradio_api/{path}", content=INFINITE, headers=AS_JSON)
    assert answer.status_code == 422


def test_a_named_call_is_told_which_argument_is_wrong(hardened):
    call = "/gradio_api/call/v2/echo"
    assert hardened.post(call, json={}).json()["detail"].startswith("word: is required.")
    odd = hardened.post(call, json={"word": "x", "<b>": 1}).json()["detail"]
    assert odd.startswith("<b>: is not known.")


def test_gradio_still_answers_500_to_an_upload_that_can_not_be_read(bare):
    assert bare.post("/gradio_api/upload", headers=ENDLESS).status_code == 500


def test_an_upload_that_can_not_be_read_is_a_mistake_of_the_caller(hardened):
    answer = hardened.post("/gradio_api/upload", headers=ENDLESS)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "This upload can't be read."}


def test_an_upload_that_the_disk_does_not_take_is_told(hardened, tmp_path):
    (tmp_path / "file").write_text("")
    hardened.app.uploaded_file_dir = str(tmp_path / "file" / "uploads")
    answer = hardened.post("/gradio_api/upload", files={"files": ("a.png", b"picture")})
    assert answer.status_code == 507
    assert answer.json() == {"detail": "This upload can't be kept (Not a directory)."}


def test_what_holds_no_file_is_read_also_where_the_folder_of_uploads_is_gone(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "uploads")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    check_uploads([{"prompt": "a boat", "path": ""}, ["x"], 5])
    with pytest.raises(gr.Error, match="has to be uploaded here first"):
        check_uploads([{"path": "uploads/a.png"}])


@pytest.mark.parametrize("path", ["queue/join", "run/predict", "call/echo"])
def test_a_session_hash_has_a_bound(hardened, path):
    body = {"data": ["x"], "fn_index": 3, "session_hash": "x" * 65}
    answer = hardened.post(f"/gradio_api/{path}", json=body)
    assert answer.status_code == 400
    assert "x" * 65 not in hardened.app.page.state_holder


def number_of(page, name):
    return next(number for number, fn in page.fns.items() if fn.api_name == name)


def relabeled(client, page):
    """Return how Gradio has written down anew a component that an event changed."""
    body = {"data": [], "fn_index": number_of(page, "relabel"), "session_hash": "abcdefghijk"}
    [update] = client.post("/gradio_api/run/predict", json=body).json()["data"]
    assert (update["label"], update["value"]) == ("Said again", "x")
    [said] = page.fns[body["fn_index"]].outputs
    return page.state_holder["abcdefghijk"].config_values[said._id]


def test_gradio_still_writes_a_changed_component_down_anew(bare):
    assert relabeled(bare, bare.app.get_blocks())["props"]["label"] == "Said again"


def test_a_changed_component_is_not_written_down_anew(hardened):
    assert relabeled(hardened, hardened.app.page) == {}


@pytest.mark.parametrize(
    ("name", "path", "status", "key"),
    [("checked", "queue/join", 400, "detail"), ("film", "run/predict", 500, "error")],
)
def test_a_link_in_place_of_a_file_is_refused_in_words_and_not_fetched(
    hardened, name, path, status, key
):
    link = {"path": "https://example.com/film.mp4", "meta": {"_type": "gradio.FileData"}}
    body = {
        "data": [link],
        "fn_index": number_of(hardened.app.page, name),
        "session_hash": "abcdefghijk",
    }
    answer = hardened.post(f"/gradio_api/{path}", json=body)
    assert (answer.status_code, answer.json()[key]) == (status, LINKS_ARE_NOT_FETCHED)


def test_gradio_still_reads_any_picture_of_the_disk_that_comes_without_meta(bare, tmp_path):
    """Guarded by the media wells; here only to tell when Gradio mends it."""
    from PIL import Image  # noqa: PLC0415

    Image.new("RGB", (8, 8)).save(tmp_path / "private.png")
    body = {"data": [{"path": str(tmp_path / "private.png")}]}
    assert bare.post("/gradio_api/run/picture", json=body).status_code == 200


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Cannot move /srv/app/x.png to the cache", UNREADABLE_VALUE),
        ("'C:\\\\app\\\\x.png' is not allowed", UNREADABLE_VALUE),
        (repr(LINKS_ARE_NOT_FETCHED), LINKS_ARE_NOT_FETCHED),
        ("Value: 16/9 is not in the list of choices", "Value: 16/9 is not in the list of choices"),
    ],
)
async def test_a_refusal_names_no_path_of_the_server(said, told):
    async def push(*, body, request, username):
        return False, said, "error"

    page = SimpleNamespace(_queue=SimpleNamespace(push=push))
    gradio_compat.bound_queue(page)
    assert await page._queue.push(None, None, None) == (False, told, "error")


def test_gradio_still_answers_500_to_several_ranges(bare, tmp_path):
    answer = bare.post("/gradio_api/upload", files={"files": ("a.txt", b"0123456789")})
    [path] = answer.json()
    several = {"Range": "bytes=0-1,4-5"}
    assert bare.get(f"/gradio_api/file={path}", headers=several).status_code == 500


def test_a_large_body_is_only_for_calls_that_bring_media(hardened, monkeypatch):
    fn = SimpleNamespace(api_name="models")
    monkeypatch.setattr(route_utils, "get_fn", lambda *_: fn)
    gradio_compat.check_calls()
    body = SimpleNamespace(
        session_hash=None, request=SimpleNamespace(scope={BODY_BYTES_KEY: 3_000_000})
    )
    with pytest.raises(gradio_compat.HTTPException) as refused:
        route_utils.get_fn(None, None, body)
    assert refused.value.status_code == 413
    fn.api_name = "submit"
    assert route_utils.get_fn(None, None, body) is fn


def test_gradio_still_sends_an_events_values_before_it_asks_for_the_next(
    gradio_is_left_as_it_was, monkeypatch
):
    """And repeats the last at its end: `stage_events` leans on both."""
    seen = []
    send = queueing.Queue.send_message

    def noted(queue, event, message):
        if isinstance(message, ProcessGeneratingMessage | ProcessCompletedMessage):
            seen.append(f"sent {message.output['data']}")
        return send(queue, event, message)

    async def count():
        for number in range(2):
            seen.append(f"asked {number}")
            yield number
        seen.append("ended")

    monkeypatch.setattr(queueing.Queue, "send_message", noted)
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Button().click(count, None, [gr.Number()], api_name="count")
    app = gr.mount_gradio_app(FastAPI(), page.queue(), path="", ssr_mode=False)
    with TestClient(app) as client:
        asked = client.post("/gradio_api/call/count", json={"data": []}).json()
        assert "complete" in client.get(f"/gradio_api/call/count/{asked['event_id']}").text
    assert seen[:2] == ["asked 0", "sent [0]"]
    assert seen[2].startswith("asked 1")
    assert seen[3].startswith("sent")
    assert seen[4:] == ["ended", "sent [1]"]


def test_messages_that_wait_are_bounded_for_each_caller(hardened):
    waiting = hardened.app.page._queue.pending_messages_per_session
    hardened.post("/gradio_api/call/echo", json={"data": ["x"]})
    assert len(waiting) == 1
    assert isinstance(waiting, gradio_compat.CallerBounded)


def test_only_public_names_may_be_called_by_name():
    with gr.Blocks(analytics_enabled=False) as page:
        button = gr.Button()
        button.click(lambda: None, api_visibility="private", api_name="inner")
        button.click(lambda: None, api_visibility="undocumented", api_name="hidden")
        gr.api(echo)
    assert gradio_compat.public_api_names(page) == {"echo"}


IMPORT = """
import ast, inspect
parsed, parse, find = [], ast.parse, inspect.getfile
ast.parse = lambda code, *more, **named: parsed.append(code) or parse(code, *more, **named)
from kling_ui.startup import without_interface_files
with without_interface_files():
    import gradio
assert inspect.getfile is find
assert not [code for code in parsed if "class Textbox" in code], "40 % of the import is back"
gradio.Textbox(label="x").get_config()
"""


def test_gradio_compares_no_component_with_its_interface_file_while_it_is_imported():
    subprocess.run([sys.executable, "-c", IMPORT], cwd=HOME, check=True, timeout=120)
