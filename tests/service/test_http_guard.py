"""The door before every route: what is open, for whom, from where, and how much of it."""

import asyncio
import gc
import socket
from itertools import product

import pytest
from harness import every
from test_public_api import KEY, Served, running

from kling_ui.simulator import Simulator
from kling_ui.ui.http_guard.allowed_routes import allowed_routes
from kling_ui.ui.http_guard.body_limit import LARGEST_BODY, LARGEST_MEDIA_BODY, body_limit
from kling_ui.ui.http_guard.login import (
    MOST_WAITING,
    MOST_WAITING_OF_A_CALLER,
    LoginThrottle,
    TooManyGuessesError,
    delay_seconds,
    password_check,
)
from kling_ui.ui.http_guard.middleware import HttpGuard, one_range
from kling_ui.ui.http_guard.same_origin import (
    as_the_browser_sees_it,
    host_name,
    host_policy,
    machine_names,
)
from kling_ui.ui.identity import SCOPE_KEY, Identity

# Gradio opens event loops for its locks that it never closes.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _what_gradio_leaves_open_is_collected_here():
    yield
    gc.collect()


NAMES = frozenset({"models", "submit"})
ROUTES = allowed_routes(NAMES, has_login=False)
A_VALUE = {
    "path": "x/y.js",
    "path_or_url": "/tmp/x.png",
    "api_name": "models",
    "event_id": "0f3e",
    "session_hash": "abcdefghijk",
}

OPEN = {
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/assets/{path}"),
    ("GET", "/config"),
    ("GET", "/config/"),
    ("GET", "/favicon.ico"),
    ("GET", "/gradio_api/app_id"),
    ("GET", "/gradio_api/app_id/"),
    ("GET", "/gradio_api/call/v2/{api_name}/{event_id}"),
    ("GET", "/gradio_api/call/{api_name}/{event_id}"),
    ("GET", "/gradio_api/file={path_or_url}"),
    ("GET", "/gradio_api/heartbeat/{session_hash}"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/info/"),
    ("GET", "/gradio_api/queue/data"),
    ("GET", "/gradio_api/startup-events"),
    ("GET", "/gradio_api/theme.css"),
    ("GET", "/gradio_api/upload_progress"),
    ("GET", "/robots.txt"),
    ("GET", "/static/{path}"),
    ("GET", "/theme.css"),
    ("HEAD", "/gradio_api/file={path_or_url}"),
    ("POST", "/gradio_api/call/v2/{api_name}"),
    ("POST", "/gradio_api/call/v2/{api_name}/"),
    ("POST", "/gradio_api/call/{api_name}"),
    ("POST", "/gradio_api/call/{api_name}/"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/reset"),
    ("POST", "/gradio_api/reset/"),
    ("POST", "/gradio_api/run/{api_name}"),
    ("POST", "/gradio_api/upload"),
}
"""Of all that Gradio mounts. `run` is open for the page's own word, `predict`, alone."""


def routes_of_gradio():
    """Return every method and path that Gradio mounts, FastAPI's documentation too."""
    import gradio as gr  # noqa: PLC0415  its settings are read at the import
    from gradio.routes import App  # noqa: PLC0415

    with gr.Blocks(analytics_enabled=False) as page:
        gr.Textbox()
    app = App.create_app(page.queue())
    found = set()
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "routes", None)
        original = getattr(route, "original_router", None)
        if inner or original:
            waiting += inner or original.routes
            continue
        for method in route.methods or {"GET"}:
            found.add((method, route.path.replace(":path", "")))
    return found


def test_of_all_that_gradio_mounts_only_what_the_page_needs_is_open():
    mounted = routes_of_gradio()
    assert len(mounted) > 80, "the routes were not found: Gradio mounts them differently now"
    opened = set()
    for method, path in mounted:
        value = {**A_VALUE, "api_name": "predict"} if "/run/" in path else A_VALUE
        names = [name for name in value if "{" + name + "}" in path]
        filled = path
        for name in names:
            filled = filled.replace("{" + name + "}", value[name])
        if "{" not in filled and ROUTES.allows(method, filled):
            opened.add((method, path))
    assert opened == OPEN & mounted
    assert mounted >= OPEN


CLOSED = [
    "/gradio_api/deep_link",
    "/gradio_api/runs",
    "/gradio_api/RUNS",
    "/gradio_api/process_recording",
    "/gradio_api/component_server",
    "/gradio_api/openapi.json",
    "/openapi.json",
    "/docs",
    "/monitoring/summary",
    "/gradio_api/vibe-edit",
    "/gradio_api/file=http://a.example/",
    "/gradio_api/file=HTTPS://a.example/",
    "/gradio_api/file= http://a.example/",
    "/gradio_api/file=http:/a.example/",
    "/gradio_api/file=%68ttp://a.example/",
    "/gradio_api/file=%2568ttp%253A//a.example/",
    "/gradio_api/file=ftp://a.example/",
    "/gradio_api/file=//a.example/",
    "/gradio_api/file=\\\\a.example\\x",
    "/gradio_api/file=/tmp/../etc/passwd",
    "/gradio_api/file/http://a.example/",
    "/gradio_api/proxy=http://a.example/",
    "/gradio_api/call/on_generate",
    "/gradio_api/call/models/" + "x" * 65,
    "/gradio_api/heartbeat/" + "x" * 65,
    "/gradio_api/heartbeat/a/b",
    "//gradio_api/info",
    "/gradio_api//info",
    "/assets/../gradio_api/runs",
    "/assets//x.js",
    "/GRADIO_API/info",
    "/gradio_api/info\n",
    "http://127.0.0.1/gradio_api/info",
    "*",
    "/login",
    "/logout",
]


@every([*product(CLOSED, ["GET", "POST", "OPTIONS", "PUT"])])
def test_no_other_form_of_a_route_is_open(path, method):
    assert not ROUTES.allows(method, path)


def test_a_page_kept_by_a_deep_link_is_not_shown():
    assert ROUTES.allows("GET", "/", b"generation=1&q=deep_link&link=x")
    assert not ROUTES.allows("GET", "/", b"x=1&deep_link=abc")
    assert not ROUTES.allows("GET", "/config", b"%64eep_link=abc")


def test_the_login_is_open_where_there_is_a_password():
    routes = allowed_routes(NAMES, has_login=True)
    assert routes.allows("POST", "/login")
    assert routes.allows("GET", "/logout")


# -- hosts and origins


POLICY = host_policy(
    configured=("kling.example", "https://b.example:8443/", "bücher.example"),
    machine=machine_names("Desk.lan"),
    answers_any=False,
)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:7860",
        "192.0.2.9",
        "[::1]:7860",
        "[2001:db8::1]",
        "localhost",
        "LOCALHOST:7860",
        "localhost.",
        "kling.example:1",
        "KLING.example.",
        "b.example",
        "xn--bcher-kva.example",
        "desk",
        "desk.local:7860",
        "desk.lan",
    ],
)
def test_the_app_answers_for_its_own_names(host):
    assert POLICY.answers_for([host])


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["evil.example:7860"],
        ["kling.example", "evil.example"],
        ["127.0.0.1", "127.0.0.1"],
        ["127.0.0.1.evil.example"],
        ["kling.example.evil.example"],
        ["localhost.evil.example"],
        ["x.localhost"],
        ["127.1"],
        ["0x7f.0.0.1"],
        ["evil@127.0.0.1"],
        ["127.0.0.1@evil.example"],
        ["127.0.0.1:80:80"],
        ["127.0.0.1:x"],
        ["[::1"],
        ["[::1]x"],
        ["[evil.example]"],
        ["localhost.."],
        ["localhost/evil"],
        ["127.0.0.1, evil.example"],
        ["b\u00fccher.example"],
        [" localhost"],
        ["a" * 300],
    ],
)
def test_the_app_answers_for_no_other_name(hosts):
    assert not POLICY.answers_for(hosts)


def test_a_star_answers_for_every_name_that_is_one():
    policy = host_policy(configured=("*",), answers_any=False)
    assert policy.answers_for(["evil.example"])
    assert not policy.answers_for(["evil example"])


SAME, CROSS = ("same-origin",), ("cross-site",)


@pytest.mark.parametrize(
    ("fetch_sites", "origins", "host", "is_own"),
    [
        ((), (), "127.0.0.1:7860", True),
        (SAME, ("http://127.0.0.1:7860",), "127.0.0.1:7860", True),
        (SAME, ("https://kling.example:8480",), "127.0.0.1", True),
        (CROSS, (), "127.0.0.1", False),
        (CROSS, ("http://127.0.0.1",), "127.0.0.1", False),
        (("same-site",), ("http://127.0.0.1:1",), "127.0.0.1:7860", False),
        (("none",), (), "127.0.0.1", False),
        (("same-origin", "cross-site"), (), "127.0.0.1", False),
        ((), ("http://192.0.2.9:8480",), "192.0.2.9", True),
        ((), ("https://KLING.example.",), "192.0.2.9:1", True),
        ((), ("https://kling.example",), "evil.example", True),
        ((), ("http://evil.example",), "192.0.2.9", False),
        ((), ("null",), "192.0.2.9", False),
        ((), ("",), "192.0.2.9", False),
        ((), ("192.0.2.9",), "192.0.2.9", False),
        ((), ("file://192.0.2.9",), "192.0.2.9", False),
        ((), ("http://192.0.2.9@evil.example",), "192.0.2.9", False),
        ((), ("http://192.0.2.9.evil.example",), "192.0.2.9", False),
        ((), ("http://192.0.2.9", "http://evil.example"), "192.0.2.9", False),
        ((), ("http://[::1]:8080",), "[::1]:7860", True),
        ((), ("null",), "bad host", False),
    ],
)
def test_a_post_is_of_the_own_page_or_of_a_program(fetch_sites, origins, host, is_own):
    said = POLICY.is_own_page(fetch_sites=fetch_sites, origins=origins, hosts=[host])
    assert said is is_own


def test_an_own_page_is_answered_by_the_name_that_its_browser_uses():
    behind_proxies = [
        (b"host", b"kling.example"),
        (b"x-forwarded-host", b"kling.example, inner"),
        (b"x-forwarded-proto", b"http"),
        (b"x-gradio-server", b"http://evil.example"),
        (b"accept", b"*/*"),
    ]
    origin = (b"origin", b"https://kling.example:8480")
    assert as_the_browser_sees_it([*behind_proxies, origin]) == [
        (b"accept", b"*/*"),
        origin,
        (b"host", b"kling.example:8480"),
        (b"x-forwarded-proto", b"https"),
    ]
    assert as_the_browser_sees_it(behind_proxies) == behind_proxies


def test_a_name_is_read_from_a_host_header():
    assert host_name("Kling.Example:80") == "kling.example"
    assert host_name("[::1]") == "::1"
    assert host_name("a:123456") is None


# -- sizes and ranges


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/gradio_api/upload", LARGEST_MEDIA_BODY),
        ("/gradio_api/call/submit", LARGEST_MEDIA_BODY),
        ("/gradio_api/call/v2/generate/", LARGEST_MEDIA_BODY),
        ("/gradio_api/call/models", LARGEST_BODY),
        ("/gradio_api/run/predict", LARGEST_BODY),
        ("/gradio_api/cancel", LARGEST_BODY),
        ("/login", LARGEST_BODY),
        ("/", LARGEST_BODY),
    ],
)
def test_only_what_brings_media_may_be_large(path, limit):
    assert body_limit(path) == limit


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("bytes=0-3", "bytes=0-3"),
        ("bytes=5-", "bytes=5-"),
        ("bytes=-5", "bytes=-5"),
        ("Bytes = 0-3, 5-9", "bytes=0-3"),
        ("bytes=0-0,0-0,0-0", "bytes=0-0"),
        ("bytes=3-1", None),
        ("bytes=-", None),
        ("bytes=0-1-2", None),
        ("bytes=²-3", None),
        ("items=0-1", None),
        ("bytes", None),
        ("", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_of_a_range_one_plain_one_is_kept(asked, kept):
    assert one_range(asked) == kept


# -- the password


async def test_any_name_and_the_right_password_are_let_in():
    is_right = password_check("öpen sesame")
    assert await is_right("anybody", "öpen sesame")
    for wrong in ("", "open sesame", "öpen sesame ", "\udcff"):
        assert not await is_right("anybody", wrong)


def test_each_wrong_guess_beyond_a_few_doubles_the_wait_up_to_a_bound():
    assert [delay_seconds(n) for n in (0, 2, 3, 4, 5)] == [0, 0, 1, 2, 4]
    assert delay_seconds(10**6) == 30


class Slept:
    """A clock that only sleeps move."""

    def __init__(self):
        self.now = 0.0

    async def __call__(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)


async def test_two_hundred_guesses_of_one_caller_take_more_than_an_hour():
    slept = Slept()
    throttle = LoginThrottle(sleep=slept, clock=lambda: slept.now)
    for _ in range(200):
        async with throttle.turn("guesser"):
            throttle.note("guesser", is_right=False)
    assert slept.now > 3600
    before = slept.now
    async with throttle.turn("somebody else"):
        throttle.note("somebody else", is_right=True)
    assert slept.now - before < 1


@pytest.mark.parametrize("status", [200, 400, 404, 413, 422, 500])
async def test_only_the_right_password_forgives_wrong_ones(status):
    """A form without a password, answered 422, must not buy new free guesses."""
    answers = iter([*[400] * 6, status])

    async def login(_scope, _receive, send):
        await send({"type": "http.response.start", "status": next(answers), "headers": []})
        await send({"type": "http.response.body", "body": b""})

    hosts = host_policy(configured=[], answers_any=False)
    guard = HttpGuard(
        login, routes=allowed_routes(NAMES, has_login=True), hosts=hosts, is_space=False
    )
    guard._login = LoginThrottle(sleep=Slept(), clock=lambda: 0.0)
    identity = Identity(cookie_id=None, address="192.0.2.7", is_shared_host=False, visit_key=b"")

    async def drop(_message):
        pass

    for _ in range(7):
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/login",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            SCOPE_KEY: identity,
        }
        await guard(scope, None, drop)
    failures = guard._login._guesser(identity.address_caller).failures
    assert failures == {200: 0, 400: 7}.get(status, 6)


async def test_guesses_from_many_addresses_together_are_ten_a_second():
    slept = Slept()
    throttle = LoginThrottle(sleep=slept, clock=lambda: slept.now)
    for number in range(1500):
        async with throttle.turn(f"address {number}"):
            throttle.note(f"address {number}", is_right=False)
    assert slept.now == pytest.approx(150)
    assert len(throttle._guessers) <= 1001


async def test_only_so_many_guesses_wait():
    throttle = LoginThrottle(sleep=lambda _: asyncio.Event().wait(), clock=lambda: 0.0)

    async def guess(caller):
        async with throttle.turn(caller):
            pass

    names = [f"address {number // MOST_WAITING_OF_A_CALLER}" for number in range(MOST_WAITING)]
    waiting = [asyncio.create_task(guess(name)) for name in names]
    await asyncio.sleep(0)
    for caller in ("address 0", "a new one"):
        with pytest.raises(TooManyGuessesError):
            await guess(caller)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert throttle._waiting == 0


# -- the app as it is served, over raw sockets


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    with Simulator(folder=folder / "provider", seconds=0.03) as simulator:
        served = Served(simulator, folder)
        with running(served):
            yield served


def sent(served, *lines, body=b""):
    """Send a request as it stands; return the status and all that came."""
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(head + body)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return int(answer.split(b" ", 2)[1]), answer


CLOSE = "Connection: close"
HOST = "Host: 127.0.0.1"


@pytest.mark.parametrize(
    "lines",
    [
        ("GET / HTTP/1.1", "Host: evil.example:7860"),
        ("GET / HTTP/1.1", "Host: evil.example", "X-Forwarded-Host: 127.0.0.1"),
        ("GET / HTTP/1.1", "Host: evil.example", "Forwarded: host=127.0.0.1"),
        ("GET / HTTP/1.1", HOST, "Host: evil.example"),
        ("GET / HTTP/1.1", "Host: evil.example", HOST),
        ("GET / HTTP/1.1",),
        ("GET / HTTP/1.0",),
        ("GET http://127.0.0.1/ HTTP/1.1", "Host: evil.example"),
        ("GET / HTTP/1.1", "Host: b\xfccher.example"),
        ("GET / HTTP/1.1", "Host: 127.0.0.1\tevil.example"),
    ],
)
def test_a_request_for_another_host_gets_no_page(served, lines):
    status, answer = sent(served, *lines, CLOSE)
    assert status in {400, 421}
    assert b"kling_ui_visitor" not in answer


def test_whoever_comes_by_an_unknown_name_is_told_the_setting(served):
    status, answer = sent(
        served, "GET / HTTP/1.1", "Host: <b>.evil.example", "Accept: text/html", CLOSE
    )
    assert status == 421
    status, answer = sent(served, "GET / HTTP/1.1", "Host: my.desk", "Accept: text/html", CLOSE)
    assert status == 421
    assert b"KLING_UI_HOSTS=my.desk" in answer


def test_a_websocket_is_not_served(served):
    status, _ = sent(
        served,
        "GET /gradio_api/queue/join HTTP/1.1",
        HOST,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert status in {403, 404}


POST = ("POST /gradio_api/call/models HTTP/1.1", "Content-Type: application/json", CLOSE)
CALL = b'{"data": []}'


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((HOST,), 200),
        ((HOST, "Sec-Fetch-Site: same-origin"), 200),
        ((HOST, "Origin: http://127.0.0.1:8480"), 200),
        ((HOST, "Origin: null"), 403),
        ((HOST, "Origin: http://evil.example"), 403),
        ((HOST, "Origin: http://evil.example", "X-Forwarded-Host: evil.example"), 403),
        ((HOST, "Origin: http://127.0.0.1", "Origin: http://evil.example"), 403),
        ((HOST, "Sec-Fetch-Site: cross-site"), 403),
        ((HOST, "Sec-Fetch-Site: same-site", "Origin: http://127.0.0.1:1"), 403),
        (("Host: evil.example", "Origin: http://evil.example"), 421),
        ((HOST, "Sec-Fetch-Site: same-origin", "X-Kling-UI-Version: of-yesterday"), 409),
    ],
)
def test_a_post_of_another_sites_page_or_of_another_version_is_refused(served, headers, status):
    lines = (*POST, f"Content-Length: {len(CALL)}", *headers)
    assert sent(served, *lines, body=CALL)[0] == status


@pytest.mark.parametrize("path", ["/gradio_api/call/models", "/gradio_api/run/predict", "/cancel"])
def test_a_body_without_a_length_is_counted_while_it_arrives(served, path):
    chunk = b"80000\r\n" + b" " * 0x80000 + b"\r\n"
    head = f"POST {path} HTTP/1.1\r\n{HOST}\r\nContent-Type: application/json\r\n"
    head += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(head.encode() + chunk * 5)
        answer = connection.recv(65536)
    assert int(answer.split(b" ", 2)[1]) in ({404} if path == "/cancel" else {413})


@pytest.mark.parametrize("length", [str(LARGEST_BODY + 1), "9" * 400])
def test_a_body_that_is_announced_too_large_is_not_read(served, length):
    assert sent(served, *POST, HOST, f"Content-Length: {length}")[0] in {400, 413}


def test_addresses_and_cookies_have_a_bound(served):
    assert sent(served, f"GET /?{'x' * 9000} HTTP/1.1", HOST, CLOSE)[0] == 414
    assert sent(served, "GET / HTTP/1.1", HOST, f"Cookie: a={'x' * 17000}", CLOSE)[0] == 431


@pytest.mark.parametrize("path", ["queue/data?session_hash=gone", "call/models/gone"])
def test_a_stream_that_nobody_knows_any_more_ends(served, path):
    """As every open page asks for its own after a restart of the app."""
    assert "ot found" in served.http.get(f"/gradio_api/{path}").text.lower()


def test_every_answer_says_who_may_frame_it_and_none_lets_other_sites_read(served):
    for path in ("/", "/config", "/gradio_api/runs", "/gradio_api/file=/etc/passwd"):
        answer = served.http.get(path, headers={"Origin": "http://evil.example"})
        assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_nothing_of_this_was_a_mistake_of_ours(served):
    log = served.log.read_text()
    assert "Traceback" not in log
    assert KEY not in log
