"""The client against raw sockets, where the exact bytes matter, and against the simulator."""

import asyncio
import errno
import json
import logging
import re
import time
import traceback
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import HANG, answer, serving

from kling_ui.client import (
    AccessDeniedError,
    Client,
    ClientError,
    ConcurrencyLimitError,
    DownloadError,
    KeyRefusedError,
    ModelNotFoundError,
    NotSentError,
    RateLimitError,
    RefusedError,
    RouteNotFoundError,
    TaskNotFoundError,
    TaskState,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)
from kling_ui.client import download as download_module
from kling_ui.client.addresses import is_allowed, is_loopback_host
from kling_ui.client.api_response import MAX_WAIT_SECONDS, parse_retry_after
from kling_ui.client.download import Downloader
from kling_ui.client.error_body import MAX_MESSAGE, MAX_SAID, ErrorBody
from kling_ui.client.public_transport import CheckedTransport
from kling_ui.client.responses import FAILURE_STATUSES, SUCCESS_STATUSES, LogPage
from kling_ui.simulator import Fault, Simulator

KEY = "sk-very-secret-0123456789"
MODEL = "kling-video/v1.6/standard/text-to-video"
PAYLOAD = {"model": MODEL, "prompt": "A raccoon runs"}
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATHS = {
    "kling": "/v2/generate/video/kling/generation",
    "universal": "/v2/video/generations",
}


@pytest.fixture(autouse=True, scope="module")
def _certificates_read_once():
    """Reading them anew for each of some hundred clients would take most of the time."""
    certificates = httpx.create_ssl_context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", lambda *_, **__: certificates)
        yield


@asynccontextmanager
async def talking_to(*answers, **settings):
    async with (
        serving(*answers) as raw,
        Client(base_url=raw.url, api_key=KEY, **settings) as client,
    ):
        yield client, raw


NO_WEB_ADDRESSES = (
    *("http://[::1", "http://[1:2]/", "http://a\x00b/", "http://256.256.256.256/"),
    *("http://127.0.0.1:65536/", "http://127.0.0.1:99999999999/", "http://127.0.0.1:x/"),
    *("http://xn--/", "http://xn--a/", "http://\u2024/", "http://\ud800.example/"),
)
"""What looks like a web address until somebody tries to connect to it."""


async def create(client, payload=PAYLOAD, route="kling"):
    return await client.create(payload, request_id="r1", route=route)


async def create_answered(*answers, **settings):
    async with talking_to(*answers, **settings) as (client, _):
        return await create(client)


async def get_answered(*answers, **settings):
    async with talking_to(*answers, **settings) as (client, _):
        return await client.get("t1", route="universal")


async def download_answered(to, *answers, expected_bytes=None, **settings):
    async with talking_to(*answers, **settings) as (client, raw):
        return await client.download(f"{raw.url}/v.mp4", to, expected_bytes=expected_bytes)


def own_error(status=400, message="Bad Request", **more):
    """The provider's documented error body."""
    return {
        "message": message,
        "path": PATHS["kling"],
        "requestId": "req-7",
        "statusCode": status,
        "timestamp": "2026-03-01T12:00:00Z",
        **more,
    }


def free_port_url():
    """An address where nobody listens."""
    return "http://127.0.0.1:1"


# --------------------------------------------------------------------------- the requests


@pytest.mark.parametrize("route", PATHS)
async def test_a_creation_is_one_post_with_the_key_and_our_request_id(route):
    async with talking_to(answer(201, {"id": "t1", "status": "queued"})) as (client, raw):
        state = await create(client, route=route)

    assert (state.task_id, state.status) == ("t1", "queued")
    [request] = raw.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(f"POST {PATHS[route]} HTTP/1.1".encode())
    assert f"Authorization: Bearer {KEY}".encode() in head
    assert b"X-Client-Request-Id: r1" in head
    assert b"Content-Type: application/json" in head
    assert b"chunked" not in head
    assert json.loads(body) == PAYLOAD


@pytest.mark.parametrize("base", ["", "/", "/proxy/v9", "/proxy/v9/"])
async def test_the_base_url_may_have_a_path_and_a_slash(base):
    async with (
        serving(answer(201, {"id": "t1"})) as raw,
        Client(base_url=raw.url + base, api_key=KEY) as client,
    ):
        await create(client)
    prefix = base.rstrip("/").encode()
    assert raw.requests[0].startswith(b"POST " + prefix + PATHS["kling"].encode() + b" ")


async def test_an_id_with_slashes_and_colons_is_encoded_as_one_query_value():
    task_id = "742452fc:kling-video/v1.6/standard/text-to-video?a=b&c#d%e ü"
    async with talking_to(answer(200, {"id": task_id, "status": "generating"})) as (client, raw):
        state = await client.get(task_id, route="universal")

    assert state.status == "generating"
    line = raw.requests[0].split(b"\r\n")[0].decode()
    _, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    assert path == PATHS["universal"]
    assert query.count("=") == 1
    assert not set("/:&#") & set(query)
    assert httpx.QueryParams(query)["generation_id"] == task_id


async def test_a_large_payload_arrives_whole():
    payload = {"model": MODEL, "image_url": "data:image/png;base64," + "A" * 3_000_000}
    async with talking_to(answer(201, {"id": "t1"})) as (client, raw):
        await create(client, payload)
    assert json.loads(raw.requests[0].partition(b"\r\n\r\n")[2]) == payload


async def test_a_request_id_the_provider_would_drop_is_a_mistake_of_the_caller():
    async with Client(base_url=free_port_url(), api_key=KEY) as client:
        for request_id in ["", "a b", "ü", "x" * 129, "a\n"]:
            with pytest.raises(ValueError, match="request_id"):
                await client.create(PAYLOAD, request_id=request_id, route="kling")


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.aimlapi.com",
        "ftp://a.b",
        "http://",
        "https://u:p@a.b",
        "http://a\x00b",
        "https://a/?q=1",
    ],
)
def test_an_unusable_base_url_is_said_at_once(base_url):
    with pytest.raises(ValueError, match="AIML_API_BASE_URL"):
        Client(base_url=base_url, api_key=KEY)


@pytest.mark.parametrize("key", ["secret\nkey", "secret key", "secret\u2013key", "secret\x00"])
def test_an_unusable_key_is_refused_without_being_quoted(key):
    with pytest.raises(ValueError, match="API key") as caught:
        Client(base_url="https://api.example.com", api_key=key)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_without_a_key_no_authorization_is_sent_and_the_provider_says_no():
    async with (
        serving(answer(401, own_error(401, "No key"))) as raw,
        Client(base_url=raw.url, api_key=" ") as client,
    ):
        with pytest.raises(UnauthorizedError):
            await create(client)
    assert b"authorization" not in raw.requests[0].lower()


def test_a_client_can_be_made_outside_of_an_event_loop():
    client = Client(base_url="https://api.example.com", api_key=KEY)
    assert KEY not in repr(client)
    asyncio.run(client.aclose())


# --------------------------------------------------------------------------- create: outcomes


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        ({"id": "abc"}, "abc"),
        ({"generation_id": "abc"}, "abc"),
        ({"id": None, "generation_id": "abc"}, "abc"),
        ({"id": 17}, "17"),
        ({"id": "742452fc:kling-video/v1.6"}, "742452fc:kling-video/v1.6"),
    ],
)
async def test_every_documented_form_of_the_id_is_read(body, task_id):
    state = await create_answered(answer(200, body))
    assert state.task_id == task_id


async def test_the_id_in_the_header_saves_a_creation_whose_body_lacks_it():
    state = await create_answered(answer(201, {"status": "queued"}, x_inference_id="abc"))
    assert (state.task_id, state.status) == ("abc", "queued")


async def test_where_nobody_listens_nothing_was_sent():
    async with Client(base_url=free_port_url(), api_key=KEY) as client:
        with pytest.raises(NotSentError, match=r"Nobody listens at 127\.0\.0\.1"):
            await create(client)


async def test_a_full_pool_means_that_nothing_was_sent(monkeypatch):
    monkeypatch.setattr("kling_ui.client.client._MAX_CONNECTIONS", 1)
    async with talking_to(HANG, pool_seconds=0.05) as (client, raw):
        first = asyncio.create_task(client.get("t1", route="kling"))
        await raw.arrived.wait()
        with pytest.raises(NotSentError, match="Too many requests"):
            await create(client)
        first.cancel()
    assert len(raw.requests) == 1


@pytest.mark.parametrize(
    "payload", [{"cfg": float("nan")}, {"a": object()}, {"prompt": "\ud800"}, {"cfg": float("inf")}]
)
async def test_what_is_no_json_is_never_sent(payload):
    async with talking_to(answer(201, {"id": "t1"})) as (client, raw):
        with pytest.raises(NotSentError, match="can't be written as JSON"):
            await create(client, payload)
    assert raw.requests == []


async def test_a_closed_client_sends_nothing():
    client = Client(base_url=free_port_url(), api_key=KEY)
    await client.aclose()
    with pytest.raises(NotSentError, match="shutting down"):
        await create(client)
    with pytest.raises(UnavailableError):
        await client.get("t1", route="kling")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="disconnect"),
        pytest.param(b"not http at all\r\n\r\n", id="no http"),
        pytest.param(answer(201, b'{"id": "t1"', content_length="500"), id="cut off"),
        pytest.param(answer(201, {"status": "queued"}), id="no id"),
        pytest.param(answer(201, {"id": ""}), id="empty id"),
        pytest.param(answer(201, {"id": True}), id="bool id"),
        pytest.param(answer(201, {"id": ["t1"]}), id="list id"),
        pytest.param(answer(201, b""), id="empty"),
        pytest.param(answer(204, b""), id="no content"),
        pytest.param(answer(200, b"<html><h1>Welcome</h1></html>"), id="html 200"),
        pytest.param(answer(200, b"\xff\xfe\x00garbage"), id="garbage"),
        pytest.param(answer(200, b"[" * 200_000), id="deep nesting"),
        pytest.param(answer(200, b'{"id":' + b"9" * 9_000 + b"}"), id="huge number"),
        pytest.param(answer(200, b'"t1"'), id="string"),
        pytest.param(answer(200, b"null"), id="null"),
        pytest.param(answer(502, b"<html><h1>502 Bad Gateway</h1></html>"), id="html 502"),
        pytest.param(answer(504, b""), id="empty 504"),
        pytest.param(answer(503, b"upstream connect error"), id="text 503"),
        pytest.param(answer(504, {"message": "Endpoint request timed out"}), id="gateway json"),
        pytest.param(answer(500, [1, 2]), id="json list 500"),
        pytest.param(answer(500, own_error(500, "Partner trouble")), id="own words 500"),
        pytest.param(answer(503, own_error("503", "Down")), id="own words 503"),
        pytest.param(answer(500, {"code": 1303, "message": "parallel task"}), id="1303 500"),
        pytest.param(answer(599, b""), id="599"),
        pytest.param(answer(999, b""), id="no class of HTTP"),
        pytest.param(answer(201, b'"' + b"x" * 3_000_000 + b'"'), id="too long"),
    ],
)
async def test_a_post_that_may_have_arrived_is_uncertain(reply):
    with pytest.raises(UnknownOutcomeError) as caught:
        await create_answered(reply)
    assert "<" not in caught.value.message
    assert len(caught.value.message) <= MAX_MESSAGE


async def test_a_post_without_an_answer_in_time_is_uncertain():
    with pytest.raises(UnknownOutcomeError, match="did not answer in time"):
        await create_answered(HANG, read_seconds=0.05)
    with pytest.raises(UnknownOutcomeError, match="did not answer in time"):
        await create_answered(HANG, create_seconds=0.05)


async def test_an_unforeseen_exception_while_sending_is_uncertain(monkeypatch):
    async def break_down(*_args, **_more):
        raise AssertionError(KEY)

    async with talking_to(answer(201, {"id": "t1"})) as (client, _):
        monkeypatch.setattr(client._api, "send", break_down)
        with pytest.raises(UnknownOutcomeError) as caught:
            await create(client)
    assert KEY not in "".join(traceback.format_exception(caught.value))


async def test_cancelling_a_post_stays_a_cancellation():
    async with talking_to(HANG) as (client, raw):
        post = asyncio.create_task(create(client))
        await raw.arrived.wait()
        post.cancel()
        with pytest.raises(asyncio.CancelledError):
            await post


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, own_error(400, "Body invalid"), RefusedError, "refused the request (400): Body inv"),
        (404, own_error(404, "Model not found"), ModelNotFoundError, "Model not found"),
        (
            404,
            {"message": "Gone", "error": {"data": {"kind": "err_model_not_found"}}},
            ModelNotFoundError,
            "Gone",
        ),
        (404, own_error(404, f"Cannot POST {PATHS['kling']}"), RouteNotFoundError, "Cannot POST"),
        (404, b"<html><pre>Cannot POST /v2</pre></html>", RouteNotFoundError, "HTML page (404)"),
        (405, b"", RouteNotFoundError, "the answer was empty"),
        (301, b"", RefusedError, "answers with a redirect (301), which is not followed"),
        (302, b"", RefusedError, "Correct AIML_API_BASE_URL."),
        (307, own_error(307, "Over there"), RefusedError, "neither the key nor a paid request"),
        (
            413,
            b"<html>Too large</html>",
            RefusedError,
            "The request is too large for the provider or a gateway before it (413).",
        ),
        (422, b"", RefusedError, "the answer was empty"),
        (409, b"{}", RefusedError, "the answer gave no reason"),
        (400, b"plain words", RefusedError, "plain words"),
        (400, "json words", RefusedError, "json words"),
        (401, own_error(401, "Unknown key"), UnauthorizedError, "did not accept the API key (401)"),
        (403, own_error(403, "Run out of credits"), UnauthorizedError, "is out of credits (403)"),
        (
            403,
            own_error(403, "Forbidden"),
            UnauthorizedError,
            "does not allow this (403): Forbidden",
        ),
        (
            403,
            own_error(403, "Insufficient rights"),
            UnauthorizedError,
            "does not allow this (403)",
        ),
        (403, own_error(403, "This API key has no access"), UnauthorizedError, "check its scope"),
        (401, own_error(401, "This API key has no access"), UnauthorizedError, "check its scope"),
        (403, own_error(403, "You've run out of funds"), UnauthorizedError, "is out of credits"),
        (403, b"<html>403 Forbidden</html>", RefusedError, "A gateway or firewall"),
        (403, b"Forbidden", RefusedError, "A gateway or firewall"),
        (401, b"<html>no</html>", UnauthorizedError, "A gateway or firewall"),
        (
            429,
            own_error(429, "Slow down"),
            RateLimitError,
            "busy with this account (429): Slow down",
        ),
        (429, b"<html>no</html>", RateLimitError, "busy with this account (429), wait a little"),
        (
            400,
            own_error(400, "x", meta={"code": 1303}),
            ConcurrencyLimitError,
            "as many tasks as this account",
        ),
        (
            429,
            {"message": "parallel task over resource pack limit"},
            ConcurrencyLimitError,
            "parallel task over",
        ),
        (403, own_error(403, "Error 1102: no"), UnauthorizedError, "balance is empty"),
    ],
)
async def test_each_refusal_of_a_post_has_its_class_and_words(status, body, kind, words):
    with pytest.raises(RefusedError) as caught:
        await create_answered(answer(status, body))
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert caught.value.status_code == status
    assert "<" not in caught.value.message


async def test_a_refusal_that_breaks_off_still_is_one():
    with pytest.raises(RefusedError) as caught:
        await create_answered(answer(400, b'{"message": "x', content_length="400"))
    assert type(caught.value) is RefusedError


async def test_a_refusal_carries_what_support_and_form_need():
    body = own_error(400, "Expected number, received string at 'duration'")
    with pytest.raises(RefusedError) as caught:
        await create_answered(answer(400, body))
    assert caught.value.request_id == "req-7"
    assert caught.value.field == "duration"
    assert caught.value.retry_after_seconds is None


async def test_how_long_to_wait_is_told_in_seconds_whether_number_or_date():
    for value in ["30", "Sun, 01 Mar 2026 12:00:30 GMT"]:
        reply = answer(429, own_error(429), retry_after=value)
        with pytest.raises(RateLimitError) as caught:
            await create_answered(reply, now=lambda: NOW)
        assert caught.value.retry_after_seconds == 30.0


# --------------------------------------------------------------------------- the key stays in


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        HANG,
        answer(500, b"<html></html>"),
        answer(401, own_error(401, f"Incorrect API key provided: {KEY}", requestId=KEY)),
        answer(400, {"detail": [{"loc": ["body", "prompt"], "msg": KEY, "type": KEY}]}),
        answer(400, ("x" * 490 + KEY).encode()),
    ],
)
async def test_no_exception_carries_the_key(reply):
    async with talking_to(reply, read_seconds=0.1) as (client, _):
        for call in (create(client), client.get("t1", route="kling"), client.find("r1")):
            with pytest.raises(ClientError) as caught:
                await call
            error = caught.value
            assert error.__cause__ is None
            assert error.__context__ is None
            told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
            assert KEY not in told
            assert KEY[:12] not in told


async def test_an_id_that_repeats_the_key_is_none():
    echo = {"id": f"task of {KEY}", "generation_id": KEY}
    with pytest.raises(UnknownOutcomeError) as caught:
        await create_answered(answer(201, echo, x_inference_id=KEY))
    assert caught.value.task_id is None
    named = answer(504, own_error(504, requestId=KEY), x_inference_id=KEY, x_request_id=KEY)
    with pytest.raises(UnknownOutcomeError) as caught:
        await create_answered(named)
    assert caught.value.task_id is None
    assert KEY not in repr(vars(caught.value))


async def test_a_failure_never_repeats_the_key():
    body = {"id": "t1", "status": "error", "error": {"message": f"bad {KEY}", "code": KEY}}
    state = await get_answered(answer(200, body))
    assert KEY not in repr(state)
    assert "[key]" in state.failure.message


async def test_nothing_of_a_call_is_logged_above_debug(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    replies = answer(201, {"id": "t1"}), answer(200, b"m" * 10)
    async with talking_to(*replies) as (client, raw):
        await create(client)
        await client.download(f"{raw.url}/v?sig=SIG", tmp_path / "v.part", expected_bytes=None)
    assert KEY not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("kling_ui")]


# --------------------------------------------------------------------------- get and find


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "broke before the answer was complete"),
        (answer(404, own_error(404)), "does not know this generation (404)"),
        (answer(400, own_error(400, "generation_id is wrong")), "generation_id is wrong"),
        (answer(429, own_error(429), retry_after="7"), "busy with this account (429)"),
        (answer(500, own_error(500, "Oops")), "Oops"),
        (answer(502, b"<html>x</html>"), "a gateway answered with an HTML page (502)"),
        (answer(200, b"<html>x</html>"), "a gateway answered with an HTML page (200)"),
        (answer(200, b"[]"), "no usable answer (200)"),
        (answer(200, b"{}"), "no usable answer (200)"),
        (answer(200, b"\x80\x81"), "no usable answer (200)"),
        (answer(200, own_error(500, "Odd")), "Odd"),
        (answer(200, b'{"id": "t1", "status": 502, "message": "Odd"}'), "Odd"),
        (answer(200, b'{"status": "502", "message": "Odd"}'), "Odd"),
        (
            answer(200, b'{"id": "t1", "status": "error", "statusCode": 500, "message": "Odd"}'),
            "Odd",
        ),
        (answer(200, b'{"status": "error", "timestamp": "T", "error": {"message": "Odd"}}'), "Odd"),
        (answer(200, b'{"data": {"status": "failed", "path": "/v2", "message": "Odd"}}'), "Odd"),
        (answer(200, b"[" * 100_000), "no usable answer (200)"),
        (answer(302, b"", location="http://127.0.0.1:1/"), "answers with a redirect (302)"),
        (answer(200, b'{"id": "t1"', content_length="99"), "broke before"),
    ],
)
async def test_a_failed_get_is_no_news_and_never_a_failed_generation(reply, words):
    with pytest.raises(UnavailableError) as caught:
        await get_answered(reply)
    assert words in caught.value.message


async def test_a_get_says_how_long_to_wait():
    with pytest.raises(UnavailableError) as caught:
        await get_answered(answer(429, own_error(429), retry_after="7"))
    assert (caught.value.retry_after_seconds, caught.value.status_code) == (7.0, 429)


async def test_a_get_without_an_answer_ends():
    with pytest.raises(UnavailableError, match="in time"):
        await get_answered(HANG, read_seconds=0.05)
    with pytest.raises(UnavailableError, match="in time"):
        await get_answered(HANG, answer_seconds=0.05)


async def test_a_get_with_an_id_that_no_url_can_hold_is_no_news():
    async with talking_to(answer(200, {})) as (client, _):
        with pytest.raises(UnavailableError):
            await client.get("\ud800", route="kling")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, own_error(401), KeyRefusedError),
        (401, b"<html>401</html>", AccessDeniedError),
        (401, b"who are you?", AccessDeniedError),
        (403, own_error(403), AccessDeniedError),
        (403, b"<html>403</html>", AccessDeniedError),
        (404, own_error(404, "Inference not found"), TaskNotFoundError),
        (404, b"<html>404</html>", TaskNotFoundError),
        (404, b"", TaskNotFoundError),
        (400, own_error(400, "generation_id is wrong"), TaskNotFoundError),
        (400, b"<html>400</html>", TaskNotFoundError),
        (429, own_error(429), UnavailableError),
        (500, own_error(500), UnavailableError),
        (524, b"<html>524</html>", UnavailableError),
    ],
)
async def test_a_get_that_is_turned_away_or_knows_no_such_task_is_told_apart(status, body, kind):
    with pytest.raises(UnavailableError) as caught:
        await get_answered(answer(status, body))
    assert type(caught.value) is kind
    assert caught.value.status_code == status


def row(client_request_id, **more):
    return {
        "created": "2026-03-01T12:00:00Z",
        "status": "succeeded",
        "model": MODEL,
        "cost": {"usd": 0.195, "credits": 390_000},
        "inference_id": f"task-of-{client_request_id}",
        "client_request_id": client_request_id,
        "request_id": "req-1",
        **more,
    }


async def test_the_log_is_paged_until_our_request_is_found():
    first = {"data": [row("a"), row("b")], "pagination": {"has_more": True}}
    second = {"data": [row("r1")], "pagination": {"has_more": True}}
    async with talking_to(answer(200, first), answer(200, second)) as (client, raw):
        entry = await client.find("r1")
    assert entry.task_id == "task-of-r1"
    assert (entry.status, entry.credits_used, entry.usd_spent) == ("succeeded", 390_000, 0.195)
    lines = [request.split(b" ")[1].decode() for request in raw.requests]
    assert lines == [
        "/v2/logs?period=30d&limit=100&offset=0",
        "/v2/logs?period=30d&limit=100&offset=2",
    ]


async def test_the_log_can_be_asked_for_a_time_and_a_model():
    east = NOW.astimezone(timezone(timedelta(hours=2)))
    async with talking_to(answer(200, {"data": [row("r1")]})) as (client, raw):
        await client.find("r1", model=MODEL, span=(east, east + timedelta(hours=1)))
    target = raw.requests[0].split(b" ")[1].decode()
    assert dict(httpx.QueryParams(target.partition("?")[2])) == {
        "model": MODEL,
        "start": "2026-03-01T12:00:00Z",
        "end": "2026-03-01T13:00:00Z",
        "limit": "100",
        "offset": "0",
    }


def test_the_name_of_a_key_tells_nothing_of_it_and_differs_from_others():
    names = {
        Client(base_url="https://a.example", api_key=key).key_hash
        for key in (KEY, KEY + "x", KEY.upper(), f" {KEY} ")
    }
    assert len(names) == 3
    for name in names:
        assert re.fullmatch("[0-9a-f]{16}", name)
        assert name not in KEY
    assert Client(base_url="https://a.example", api_key="").key_hash is None


@pytest.mark.parametrize(
    "body",
    [
        {"data": [], "pagination": {"has_more": True}},
        {"data": [row("a")], "pagination": {"has_more": False}},
        {"data": [row("a")]},
        {"logs": [row(None), None, 3, row("r11")]},
        [],
    ],
)
async def test_a_request_that_is_not_in_the_log_is_none(body):
    async with talking_to(answer(200, body)) as (client, raw):
        assert await client.find("r1") is None
    assert len(raw.requests) == 1


async def test_the_search_in_the_log_has_an_end():
    page = {"data": [row("a")], "pagination": {"has_more": True}}
    async with talking_to(answer(200, page)) as (client, raw):
        assert await client.find("r1") is None
    assert len(raw.requests) == 20


@pytest.mark.parametrize("body", [{}, {"data": None}, "words", 5, None])
async def test_a_log_that_can_not_be_read_is_no_news(body):
    async with talking_to(answer(200, body)) as (client, _):
        with pytest.raises(UnavailableError, match="log could not be read"):
            await client.find("r1")


def test_of_two_rows_with_one_id_the_one_that_made_a_task_counts():
    refused = row("r1", status="failed", inference_id=None)
    page = LogPage.from_json({"data": [refused, row("r1")]}, limit=100)
    assert page.entry("r1").task_id == "task-of-r1"


@pytest.mark.parametrize(
    "body",
    [
        [row("r1")],
        {"data": [row("r1")]},
        {"warnings": [], "object": "list", "data": [row("r1")]},
        {"columns": [{"name": "id"}], "data": [row("r1")]},
        {"warnings": ["slow"], "rows": [row("r1")]},
        {"data": None, "items": [row("r1")]},
    ],
)
def test_the_rows_of_the_log_are_found_beside_other_lists(body):
    assert LogPage.from_json(body, limit=100).entry("r1").task_id == "task-of-r1"


@pytest.mark.parametrize("body", [[], {"data": []}, {"data": [], "warnings": ["none"]}])
def test_an_empty_log_is_a_page_without_rows(body):
    page = LogPage.from_json(body, limit=100)
    assert (page.rows, page.size, page.has_more) == ((), 0, False)


# --------------------------------------------------------------------------- states


def state_of(body, **headers):
    return TaskState.from_json(
        body, {name.replace("_", "-").lower(): value for name, value in headers.items()}
    )


def test_a_finished_task_is_read_whole():
    state = state_of(
        {
            "id": "t1",
            "status": "Completed",
            "video": {"url": "https://cdn.example.com/v.mp4?sig=a%2Fb", "file_size": 1234},
            "meta": {"usage": {"credits_used": 390_000, "usd_spent": 0.195}},
        },
        x_aimlapi_credits_used="1",
    )
    assert state == TaskState(
        task_id="t1",
        status="completed",
        video_url="https://cdn.example.com/v.mp4?sig=a%2Fb",
        file_size=1234,
        failure=None,
        credits_used=390_000,
        usd_spent=0.195,
    )


@pytest.mark.parametrize(
    "video",
    [
        {"video": {"url": "https://a.b/v"}},
        {"video": "https://a.b/v"},
        {"video": [{"url": "https://a.b/v"}]},
        {"video": [None, {"url": None}, "https://a.b/v"]},
        {"videos": [{"url": " https://a.b/v "}]},
        {"video": None, "videos": ["https://a.b/v"]},
    ],
)
def test_the_address_is_found_in_every_form(video):
    assert state_of({"status": "generating", **video}).video_url == "https://a.b/v"


WRAPPINGS = {
    "bare": lambda task: task,
    "data": lambda task: {"data": task},
    "result": lambda task: {"result": task},
    "response": lambda task: {"response": task},
    "data beside the status of the call": lambda task: {"status": "success", "data": task},
    "data beside an HTTP code": lambda task: {"statusCode": 200, "message": "ok", "data": task},
    "data beside the id": lambda task: {"id": task["id"], "data": task},
    "data in data": lambda task: {"data": {"data": task}},
    "result in data": lambda task: {"data": {"result": task}},
    "a list": lambda task: [task],
    "a list in data": lambda task: {"data": [task]},
    "a text": json.dumps,
    "a text in data": lambda task: {"data": json.dumps(task)},
    "a text in result": lambda task: {"result": json.dumps(task)},
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
async def test_a_task_is_read_whatever_it_is_wrapped_in(wrap):
    task = {
        "id": "t1",
        "status": "queued",
        "meta": {"usage": {"usd_spent": 0.5}},
    }
    done = {**task, "status": "completed", "video": {"url": "https://a.b/v"}}
    failed = {**task, "status": "failed", "error": {"message": "It broke"}}
    states = [await get_answered(answer(200, json.dumps(wrap(each)).encode()))
              for each in (task, done, failed)]  # fmt: skip
    assert [state.task_id for state in states] == ["t1"] * 3
    assert [state.status for state in states] == ["queued", "completed", "failed"]
    assert [state.video_url for state in states] == [None, "https://a.b/v", None]
    assert [state.usd_spent for state in states] == [0.5] * 3
    assert states[2].failure.message == "It broke"


@pytest.mark.parametrize("key", ["data", "result", "response", "output"])
def test_what_lies_beside_the_state_of_a_task_does_not_end_it(key):
    state = state_of({"id": "t1", "status": "generating", key: {"status": "failed"}})
    assert (state.status, state.failure) == ("generating", None)


@pytest.mark.parametrize("word", sorted(SUCCESS_STATUSES | FAILURE_STATUSES))
def test_a_word_that_ends_a_task_is_known_in_any_spelling(word):
    parts = word.split("_")
    camel = parts[0] + "".join(part.title() for part in parts[1:])
    spellings = [word, word.upper(), camel, word.title(), "-".join(parts), " ".join(parts),
                 "".join(parts).upper()]  # fmt: skip
    states = [state_of({"status": spelling}) for spelling in spellings]
    assert {state.status for state in states} == {word}
    assert {state.is_finished for state in states} == {word in SUCCESS_STATUSES}
    assert {state.failure is not None for state in states} == {word in FAILURE_STATUSES}


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/passwd", "ftp://a.b/v", "javascript:1", "/v.mp4", "https://", 5, None, True,
     {}, "data:video/mp4;base64,AA", "https://a.b/" + "x" * 20_000, *NO_WEB_ADDRESSES],
)  # fmt: skip
def test_only_web_addresses_count_as_a_video(url):
    assert state_of({"status": "completed", "video": {"url": url}}).video_url is None


def test_a_video_outranks_an_error():
    state = state_of({"status": "error", "error": "x", "video": {"url": "https://a.b/v"}})
    assert state.video_url
    assert state.failure is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"status": "error", "error": None}, "The provider gave no reason."),
        ({"status": "error"}, "The provider gave no reason."),
        ({"status": "FAILED"}, "The provider gave no reason."),
        ({"status": "cancelled", "message": "by you"}, "by you"),
        ({"status": "error", "error": "It broke"}, "It broke"),
        ({"status": "failed", "error": {"name": "Oops", "message": "It broke"}}, "It broke"),
        ({"status": "error", "error": {"name": "InternalError", "message": None}}, "InternalError"),
        (
            {
                "status": "error",
                "error": {"detail": [{"loc": ["body", "image_url"], "msg": "No face"}]},
            },
            "No face (image",
        ),
        ({"status": "error", "error": {"error": {"error": {"message": "deep"}}}}, "deep"),
        ({"status": "error", "error": "<html><b>no</b></html>"}, "The provider gave no reason."),
        ({"status": "error", "error": 1301}, "content policy"),
    ],
)
def test_every_form_of_an_error_is_a_failure(body, words):
    assert words in state_of(body).failure.message


@pytest.mark.parametrize(
    "body",
    [
        {"status": "generating", "error": None},
        {"status": "queued", "error": ""},
        {"status": "active", "error": {}},
        {"status": "waiting", "error": {"message": None, "name": ""}},
        {"status": "some-new-word", "error": False},
        {"status": "generating", "error": 0, "message": "on its way"},
        {"status": "generating", "error": "It broke"},
        {"status": "queued", "error": {"name": "Oops", "message": "It broke"}},
        {"error": {"error": {"message": "deep"}}},
        {},
    ],
)
def test_only_a_word_for_it_makes_an_end(body):
    state = state_of(body)
    assert (state.failure, state.video_url, state.is_finished) == (None, None, False)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (12, 12.0), ("12.5", 12.5), (0, 0.0), (True, None), (-1, None), (float("nan"), None),
        (float("inf"), None), (10**400, None), ("many", None), ("nan", None),
        (None, None), ([], None),
    ],
)  # fmt: skip
def test_amounts_are_numbers_or_nothing(value, read):
    state = state_of({"meta": {"usage": {"credits_used": value}}})
    assert state.credits_used == read


def test_the_headers_tell_the_cost_where_the_body_does_not():
    state = state_of({"meta": []}, X_AIMLAPI_Credits_Used="7", x_aimlapi_usd_spent="0.5")
    assert (state.credits_used, state.usd_spent) == (7.0, 0.5)


@pytest.mark.parametrize("size", [0, -5, True, 1.5, "x", None, float("nan"), 10**30])
def test_a_file_size_is_whole_and_positive_or_unknown(size):
    assert state_of({"video": {"url": "https://a.b/v", "file_size": size}}).file_size is None


FIELDS = ["id", "generation_id", "status", "video", "videos", "url", "file_size", "error", "code"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [*FIELDS, "message", "detail", "loc", "msg", "meta", "usage", "path", "errors"]
            )
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)


@given(JSON)
def test_no_json_can_break_the_reading_of_it(body):
    state = TaskState.from_json(body, {})
    said = ErrorBody.from_json(body, secret=KEY).message
    assert len(said) <= MAX_SAID
    assert len(state.failure.message if state.failure else "") <= MAX_SAID
    said.encode()  # no half emoji is left
    LogPage.from_json(body, limit=5)


# --------------------------------------------------------------------------- complaints


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        (None, "", None),
        ("", "", None),
        ("plain", "plain", None),
        ({"name": "X", "message": "It broke."}, "It broke", None),
        (own_error(400, "Expected number, received null"), "Expected number, received null", None),
        (
            {
                "detail": [
                    {
                        "loc": ["body", "image_url"],
                        "msg": "Could not detect face in the image",
                        "type": "value_error",
                        "input": "https://a.b/c.png",
                    }
                ]
            },
            "Could not detect face in the image (image_url)",
            "image_url",
        ),
        ({"message": ["prompt must be a string", "duration should not be empty"]},
         "prompt must be a string; duration should not be empty", "prompt"),
        ({"message": {"message": "inner", "code": 5}}, "inner", None),
        ({"error": {"message": "nested"}}, "nested", None),
        ({"message": "Bad Request",
          "meta": [{"code": "invalid_type", "path": ["cfg_scale"], "message": "Expected number"}]},
         "Expected number (cfg_scale)", "cfg_scale"),
        ({"message": "Invalid", "meta": {"fieldErrors": {"prompt": ["Required"]}}},
         "Required (prompt)", "prompt"),
        ({"message": '[{"path": ["duration"], "message": "Expected 5 | 10"}]'},
         "Expected 5 | 10 (duration)", "duration"),
        ({"message": "x",
          "meta": {"details": [{"path": "body.camera_control.config", "msg": "no"}]}},
         "no (camera_control)", "camera_control"),
        ({"message": "duration: Expected number"}, "duration: Expected number", "duration"),
        ({"message": "Invalid value for 'aspect_ratio'"}, "Invalid value for 'aspect_ratio'",
         "aspect_ratio"),
        ({"message": "Parameter `mask_url` is unknown"}, "Parameter `mask_url` is unknown",
         "mask_url"),
        ({"message": "Wait for at least 3 minutes"}, "Wait for at least 3 minutes", None),
        ({"message": "a\x00b\r\n\x1b[31mc\u202ed\ud800e"}, "a b [31mc d e", None),
        ({"message": "<!DOCTYPE html><p>x</p>"}, "", None),
        ({"message": 5, "meta": True}, "", None),
    ],
)  # fmt: skip
def test_every_form_of_an_error_body_becomes_words(body, message, field):
    said = ErrorBody.from_json(body)
    assert (said.message, said.field) == (message, field)


@pytest.mark.parametrize(
    ("body", "code", "advice"),
    [
        ({"code": 1301, "message": "risk control"}, "1301", "change the prompt or the picture"),
        ({"message": "Kling error 1303: too many"}, "1303", "wait until one has ended"),
        ({"message": "failed", "meta": {"code": "1102"}}, "1102", "top it up"),
        ({"detail": [{"type": "content_policy_violation", "msg": "no"}]},
         "content_policy_violation", "change the prompt or the picture"),
        ({"message": "[1201] invalid"}, "1201", "change one of them"),
        ({"message": "The picture has 1301 pixels"}, None, ""),
        ({"error": {"type": "face_detection_error"}}, "face_detection_error", "one face"),
    ],
)  # fmt: skip
def test_klings_own_codes_come_with_advice(body, code, advice):
    said = ErrorBody.from_json(body)
    assert said.code == code
    assert advice in said.message


def test_long_words_are_cut_but_the_advice_stays():
    said = ErrorBody.from_json({"code": 1301, "message": "long " * 1000})
    assert len(said.message) <= MAX_SAID
    assert said.message.endswith("sending the same again won't help.")


async def test_the_advice_survives_in_an_error_with_long_words():
    for status in (400, 403):
        reply = answer(status, {"code": 1301, "message": "long " * 1000})
        with pytest.raises(RefusedError) as caught:
            await create_answered(reply)
        assert len(caught.value.message) <= MAX_MESSAGE
        assert caught.value.message.endswith("sending the same again won't help.")


# --------------------------------------------------------------------------- Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("", None), ("0", 0.0), ("30", 30.0), (" 30 ", 30.0), ("1.5", 1.5),
        ("-1", None), ("+5", None), ("nan", None), ("inf", None), ("1e5", None), ("0x10", None),
        ("٣", None), ("soon", None), ("30 s", None), ("999999999999999", MAX_WAIT_SECONDS),
        ("9" * 5000, MAX_WAIT_SECONDS),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30.0),
        ("Sun Mar  1 12:00:30 2026", 30.0),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 9999 11:00:00 GMT", MAX_WAIT_SECONDS),
        ("Sun, 99 Mar 2026 11:00:00 GMT", None),
        ("Sun, 01 Mar 99999999999 11:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds(value, seconds):
    assert parse_retry_after(value, now=NOW) == seconds


@given(st.text())
def test_no_retry_after_can_break_its_reading(value):
    seconds = parse_retry_after(value, now=NOW)
    assert seconds is None or 0 <= seconds <= MAX_WAIT_SECONDS


# --------------------------------------------------------------------------- downloads


async def test_a_download_is_written_and_counted(tmp_path):
    to, video = tmp_path / "v.part", bytes(range(256)) * 12_000
    assert await download_answered(to, answer(200, video), expected_bytes=len(video)) == len(video)
    assert to.read_bytes() == video


async def test_a_download_of_unannounced_length_is_written(tmp_path):
    to = tmp_path / "v.part"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert await download_answered(to, chunked) == 3
    assert to.read_bytes() == b"abc"


async def test_the_file_host_gets_neither_key_nor_cookies(tmp_path):
    async with serving(
        answer(302, b"", location="/b", set_cookie="a=b; Path=/"), answer(200, b"mp4")
    ) as cdn:
        api = answer(201, {"id": "t1"}, set_cookie="s=1; Path=/")
        async with talking_to(api) as (client, _):
            await create(client)
            await client.download(f"{cdn.url}/a?x=%2F+%20", tmp_path / "v", expected_bytes=None)
    first, second = (request.lower() for request in cdn.requests)
    assert first.startswith(b"get /a?x=%2f+%20 ")
    assert second.startswith(b"get /b ")
    for request in (first, second):
        assert KEY.encode() not in request
        assert b"authorization" not in request
        assert b"cookie" not in request
        assert b"accept-encoding: identity" in request
        assert b"user-agent: kling-ui" in request


@pytest.mark.parametrize(
    ("reply", "reason", "needs_fresh_url", "may_retry"),
    [
        (answer(401), "expired", True, False),
        (answer(403), "expired", True, False),
        (answer(410), "expired", True, False),
        (answer(404), "not_found", True, True),
        (answer(429, retry_after="3"), "status", False, True),
        (answer(503), "status", False, True),
        (answer(202), "status", False, True),
        (answer(400), "status", False, False),
        (answer(206, b"x"), "status", False, False),
        (answer(304), "status", False, False),
        (answer(200, b""), "empty", False, True),
        (answer(200, b"", content_length=""), "empty", False, True),
        (answer(200, b"<html>", content_type="text/html; charset=utf-8"), "not_video", True, True),
        (answer(200, b"{}", content_type="application/json"), "not_video", True, True),
        (answer(200, b"gz", content_encoding="gzip"), "not_video", True, True),
        (answer(200, b"half", content_length="8"), "truncated", False, True),
        (b"", "network", False, True),
        (answer(200, b"x", content_length="ten"), "network", False, True),
        (HANG, "network", False, True),
        (answer(302, b"", location="file:///etc/passwd"), "refused_address", False, False),
        (answer(302, b"", location="http://u:p@127.0.0.1/"), "refused_address", False, False),
        (answer(302, b"", location="http://10.0.0.1/"), "refused_address", False, False),
        (answer(302, b"", location="http://169.254.169.254/x"), "refused_address", False, False),
        (answer(302, b"", location="http://[fe80::1]/"), "refused_address", False, False),
        (answer(302, b"", location="http://0.0.0.0/"), "refused_address", False, False),
        (answer(302, b"", location="/again"), "too_many_redirects", True, False),
    ],
)
async def test_each_failed_download_has_its_reason_and_leaves_no_file(
    tmp_path, reply, reason, needs_fresh_url, may_retry
):
    to = tmp_path / "v.part"
    to.write_bytes(b"of an earlier try")
    with pytest.raises(DownloadError) as caught:
        await download_answered(to, reply, read_seconds=0.1)
    error = caught.value
    assert error.reason == reason
    assert (error.needs_fresh_url, error.may_retry) == (needs_fresh_url, may_retry)
    assert not to.exists()
    assert "/v.mp4" not in "".join(traceback.format_exception(error)).split("DownloadError")[-1]


@pytest.mark.parametrize(
    ("url", "is_redirect"),
    [(url, False) for url in NO_WEB_ADDRESSES]
    + [(url, True) for url in NO_WEB_ADDRESSES if url.isascii()],
)
async def test_a_link_that_no_request_could_go_to_is_refused(tmp_path, url, is_redirect):
    redirect = answer(302, b"", location=url if is_redirect else "/")
    async with talking_to(redirect) as (client, raw):
        with pytest.raises(DownloadError) as caught:
            await client.download(
                f"{raw.url}/v" if is_redirect else url, tmp_path / "v", expected_bytes=None
            )
    assert caught.value.reason in {"refused_address", "network"}


@pytest.mark.parametrize("url", NO_WEB_ADDRESSES)
def test_a_base_url_that_no_request_could_go_to_is_no_setting(url):
    with pytest.raises(ValueError, match="AIML_API_BASE_URL"):
        Client(base_url=url, api_key=KEY)


async def test_a_video_that_a_proxy_has_looked_into_is_taken(tmp_path):
    assert await download_answered(tmp_path / "v", answer(203, b"mp4")) == 3


async def test_five_redirects_are_followed(tmp_path):
    hop = answer(302, b"", location="/on")
    assert await download_answered(tmp_path / "v", *[hop] * 5, answer(200, b"mp4")) == 3


@pytest.mark.parametrize(
    ("reply", "expected", "reason"),
    [
        (answer(200, b"12345"), 6, "wrong_size"),
        (answer(200, b"12345"), 4, "wrong_size"),
        (answer(200, b"12345", content_length=""), 6, "wrong_size"),
        (answer(200, b"12345", content_length=""), 4, "wrong_size"),
        (answer(200, b"12345", content_length="50"), 50, "truncated"),
        (answer(200, b"", content_length="101"), None, "too_large"),
        (answer(200, b"x" * 101, content_length=""), None, "too_large"),
        (answer(200, b"12345"), 101, "too_large"),
    ],
)
async def test_the_sizes_must_agree_and_keep_below_the_cap(tmp_path, reply, expected, reason):
    to = tmp_path / "v.part"
    with pytest.raises(DownloadError) as caught:
        await download_answered(to, reply, expected_bytes=expected, max_video_bytes=100)
    assert caught.value.reason == reason
    assert not to.exists()


async def test_a_full_disk_is_seen_before_it_is_filled(tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "SPARE_DISK_BYTES", 10**18)
    with pytest.raises(DownloadError, match="Make room") as caught:
        await download_answered(tmp_path / "v.part", answer(200, b"12345"))
    assert caught.value.reason == "no_space"
    assert not caught.value.may_retry


async def test_a_disk_that_fills_up_meanwhile_is_said(tmp_path, monkeypatch):
    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download_module._PartFile, "_write", full)
    with pytest.raises(DownloadError, match="the disk is full") as caught:
        await download_answered(tmp_path / "v.part", answer(200, b"12345", content_length=""))
    assert caught.value.reason == "no_space"
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_not_there_is_a_trouble_of_the_disk(tmp_path):
    for reply in (answer(200, b"12345"), answer(200, b"12345", content_length="")):
        with pytest.raises(DownloadError) as caught:
            await download_answered(tmp_path / "missing" / "v.part", reply)
        assert caught.value.reason == "disk"


async def test_a_cancelled_download_leaves_no_file(tmp_path):
    to = tmp_path / "v.part"
    stuck = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await stuck.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Client(base_url=url, api_key=KEY) as client:
        download = asyncio.create_task(client.download(url, to, expected_bytes=None))
        while not to.exists():  # noqa: ASYNC110  a file tells nobody that it is there
            await asyncio.sleep(0.005)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        assert not to.exists()
        stuck.set()


async def test_a_download_that_drips_is_given_up(tmp_path):
    with pytest.raises(DownloadError, match="too long") as caught:
        await download_answered(tmp_path / "v", HANG, download_seconds=0.05)
    assert caught.value.may_retry


@pytest.mark.parametrize(
    "url",
    ["", "v.mp4", "file:///etc/passwd", "ftp://a.b/v", "http://", "http://u@127.0.0.1/",
     "http://127.0.0.1@10.0.0.1/", "http://10.0.0.1/", "http://[::ffff:10.0.0.1]/",
     "http://169.254.169.254/latest", "http://0.0.0.0/", "http://[::]/", "http://a\x00b/"],
)  # fmt: skip
async def test_even_beside_a_simulator_only_loopback_is_opened_up(tmp_path, url):
    async with Client(base_url="http://127.0.0.1:1", api_key=KEY) as client:
        with pytest.raises(DownloadError) as caught:
            await client.download(url, tmp_path / "v", expected_bytes=None)
    assert caught.value.reason == "refused_address"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"],
)
async def test_a_live_api_keeps_downloads_away_from_this_machine(tmp_path, host):
    async with serving(answer(200, b"private")) as raw:
        async with Client(base_url="https://api.example.com", api_key=KEY) as client:
            url = f"http://{host}:{raw.port}/"
            with pytest.raises(DownloadError) as caught:
                await client.download(url, tmp_path / "v", expected_bytes=None)
        assert caught.value.reason == "refused_address"
        assert raw.requests == []


# --------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "public", "beside_simulator"),
    [
        ("93.184.216.34", True, True), ("2606:2800:220:1::1", True, True),
        ("127.0.0.1", False, True), ("127.9.9.9", False, True), ("::1", False, True),
        ("::ffff:127.0.0.1", False, True), ("::ffff:93.184.216.34", True, True),
        ("10.0.0.1", False, False), ("172.16.0.1", False, False), ("192.168.1.1", False, False),
        ("100.64.0.1", False, False), ("169.254.169.254", False, False), ("0.0.0.0", False, False),
        ("224.0.0.1", False, False), ("240.0.0.1", False, False), ("255.255.255.255", False, False),
        ("198.18.0.1", False, False), ("192.0.2.1", False, False), ("::", False, False),
        ("fe80::1", False, False), ("fe80::1%eth0", False, False), ("fc00::1", False, False),
        ("fd00:ec2::254", False, False), ("fec0::1", False, False), ("ff02::1", False, False),
        ("2001:db8::1", False, False), ("::ffff:10.0.0.1", False, False),
        ("::10.0.0.1", False, False), ("::127.0.0.1", False, False),
        ("64:ff9b::a00:1", False, False), ("64:ff9b::5db8:d822", True, True),
        ("64:ff9b::7f00:1", False, False), ("64:ff9b:1::1", False, False),
        ("2002:a00:1::1", False, False), ("2002:7f00:1::", False, False),
        ("2002:5db8:d822::1", True, True), ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False, False),
    ],
)  # fmt: skip
def test_only_public_addresses_are_allowed(address, public, beside_simulator):
    address = ip_address(address)
    assert is_allowed(address, loopback_allowed=False) is public
    assert is_allowed(address, loopback_allowed=True) is beside_simulator


@pytest.mark.parametrize(
    ("host", "is_it"),
    [("localhost", True), ("LOCALHOST", True), ("127.0.0.1", True), ("127.8.8.8", True),
     ("::1", True), ("api.aimlapi.com", False), ("0.0.0.0", False), ("10.0.0.1", False),
     ("localhost.example.com", False), ("", False)],
)  # fmt: skip
def test_loopback_hosts_are_known_by_name(host, is_it):
    assert is_loopback_host(host) is is_it


def checked(connect, addresses, *, loopback_allowed=False):
    async def look_up(_host, _port):
        if isinstance(addresses, Exception):
            raise addresses
        return addresses

    transport = CheckedTransport(
        httpx.MockTransport(connect),
        loopback_allowed=loopback_allowed,
        resolve_seconds=1.0,
        resolve=look_up,
    )
    timeout = httpx.Timeout(1.0)
    return Downloader(transport, timeout=timeout, whole_seconds=5.0, max_bytes=100)


async def test_the_checked_address_itself_is_connected_to_under_the_hosts_name(tmp_path):
    seen = []

    def connect(request):
        seen.append((str(request.url), request.headers["host"], dict(request.extensions)))
        return httpx.Response(200, stream=httpx.ByteStream(b"mp4"))

    downloader = checked(connect, ["2606:2800:220:1::1"])
    url = "https://cdn.exämple.com:8443/v%2Fx.mp4?sig=a%2Bb+c&e=%7B1%7D"
    assert await downloader.fetch(url, tmp_path / "v", expected_bytes=3) == 3
    [(target, host, extensions)] = seen
    assert target == "https://[2606:2800:220:1::1]:8443/v%2Fx.mp4?sig=a%2Bb+c&e=%7B1%7D"
    assert host == "cdn.xn--exmple-cua.com:8443"
    assert extensions["sni_hostname"] == "cdn.xn--exmple-cua.com"
    await downloader.aclose()


async def test_the_next_address_is_tried_where_one_does_not_answer(tmp_path):
    tried = []

    def connect(request):
        tried.append(request.url.host)
        if len(tried) < 2:
            raise httpx.ConnectError("no route", request=request)
        return httpx.Response(200, stream=httpx.ByteStream(b"mp4"))

    downloader = checked(connect, ["2606:2800:220:1::1", "93.184.216.34"])
    await downloader.fetch("http://a.example", tmp_path / "v", expected_bytes=None)
    assert tried == ["2606:2800:220:1::1", "93.184.216.34"]


@pytest.mark.parametrize(
    ("addresses", "reason"),
    [
        (["93.184.216.34", "10.0.0.1"], "refused_address"),
        (["127.0.0.1"], "refused_address"),
        ([], "network"),
        (OSError("no such name"), "network"),
        (UnicodeError("label too long"), "network"),
        (TimeoutError(), "network"),
    ],
)
async def test_one_private_address_spoils_the_name(tmp_path, addresses, reason):
    def connect(_request):
        pytest.fail("nothing may be connected to")

    with pytest.raises(DownloadError) as caught:
        await checked(connect, addresses).fetch(
            "http://a.example", tmp_path / "v", expected_bytes=None
        )
    assert caught.value.reason == reason


async def test_a_redirect_from_https_to_http_is_refused(tmp_path):
    def connect(_request):
        return httpx.Response(302, headers={"location": "http://b.example/v"})

    with pytest.raises(DownloadError, match="from https to plain http") as caught:
        await checked(connect, ["93.184.216.34"]).fetch(
            "https://a.example/v", tmp_path / "v", expected_bytes=None
        )
    assert caught.value.reason == "refused_address"


async def test_each_hop_of_a_redirect_is_checked(tmp_path):
    def connect(_request):
        return httpx.Response(302, headers={"location": "//intern.example/v"})

    async def look_up(host, _port):
        return ["10.0.0.1"] if host == "intern.example" else ["93.184.216.34"]

    transport = CheckedTransport(
        httpx.MockTransport(connect), loopback_allowed=True, resolve_seconds=1.0, resolve=look_up
    )
    downloader = Downloader(transport, timeout=httpx.Timeout(1.0), whole_seconds=5.0, max_bytes=100)
    with pytest.raises(DownloadError, match=r"intern\.example"):
        await downloader.fetch("https://a.example/v", tmp_path / "v", expected_bytes=None)


# --------------------------------------------------------------------------- the simulator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulator")
    with Simulator(folder=folder, seconds=0.2, key=KEY) as running:
        yield running


@pytest.fixture
async def client(simulator):
    simulator.clear()
    settings = {"base_url": simulator.base_url, "api_key": KEY, "read_seconds": 0.5}
    async with Client(**settings) as ready:
        yield ready


async def finished(client, task_id, route="kling"):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        state = await client.get(task_id, route=route)
        if state.video_url or state.failure:
            return state
        await asyncio.sleep(0.05)
    raise AssertionError("no end in 10 s")


@pytest.fixture(scope="module")
def task_ids():
    return []


@pytest.fixture
def one_task(client, task_ids):
    """The id of a task that is made once for all tests: drawing a video takes a while."""

    async def of_all():
        if not task_ids:
            task_ids.append((await made(client, "one-for-all")).task_id)
        return task_ids[0]

    return of_all


async def made(client, name, route="kling"):
    state = await client.create(PAYLOAD, request_id=name, route=route)
    return await finished(client, state.task_id, route)


@pytest.mark.parametrize("route", PATHS)
async def test_a_video_is_made_and_fetched_on_both_routes(simulator, client, tmp_path, route):
    to: Path = tmp_path / "v.part"
    state = await made(client, f"whole-{route}", route)
    assert await client.download(state.video_url, to, expected_bytes=state.file_size) > 1000
    video = await asyncio.to_thread(to.read_bytes)
    assert len(video) == state.file_size
    assert b"ftyp" in video[:16]
    assert state.credits_used > 0

    entry = await client.find(f"whole-{route}")
    assert (entry.task_id, entry.status) == (state.task_id, "succeeded")
    cdn = [seen for seen in simulator.seen if seen.path.startswith("/files/")]
    assert cdn
    assert KEY not in repr(cdn)


@pytest.mark.parametrize(
    ("fault", "kind", "is_charged"),
    [
        (Fault(on="create", kind="reset_before"), UnknownOutcomeError, False),
        (Fault(on="create", kind="reset_after"), UnknownOutcomeError, True),
        (Fault(on="create", kind="hang", seconds=5, after=True), UnknownOutcomeError, True),
        (Fault(on="create", kind="status"), UnknownOutcomeError, False),
        (Fault(on="create", kind="status", status=429, retry_after="2"), RateLimitError, False),
        (Fault(on="create", kind="status", status=403), UnauthorizedError, False),
        (Fault(on="create", kind="html"), UnknownOutcomeError, False),
        (Fault(on="create", kind="html", status=504, after=True), UnknownOutcomeError, True),
        (Fault(on="create", kind="cut"), UnknownOutcomeError, True),
        (Fault(on="create", kind="garbage"), UnknownOutcomeError, True),
        (Fault(on="create", kind="no_id"), UnknownOutcomeError, True),
    ],
)
async def test_a_lost_post_is_found_in_the_log_by_its_request_id(
    simulator, client, fault, kind, is_charged
):
    simulator.plan(fault)
    charges = simulator.charges
    name = f"lost-{id(fault)}"
    with pytest.raises(ClientError) as caught:
        await client.create(PAYLOAD, request_id=name, route="kling")
    assert type(caught.value) is kind
    assert simulator.charges == charges + is_charged
    entry = await client.find(name)
    assert bool(entry and entry.task_id) is is_charged


async def test_a_generation_id_is_as_good_as_an_id(simulator, client):
    simulator.plan(Fault(on="create", kind="generation_id"))
    state = await client.create(PAYLOAD, request_id="renamed", route="kling")
    assert (await finished(client, state.task_id)).video_url


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="get", kind="reset_before"),
        Fault(on="get", kind="hang", seconds=5),
        Fault(on="get", kind="status", status=404),
        Fault(on="get", kind="status", status=500),
        Fault(on="get", kind="html"),
        Fault(on="get", kind="cut"),
        Fault(on="get", kind="garbage"),
    ],
)
async def test_a_spoilt_get_is_no_news_and_the_next_one_is_fine(simulator, client, fault):
    state = await client.create(PAYLOAD, request_id="spoilt", route="kling")
    simulator.plan(fault)
    with pytest.raises(UnavailableError):
        await client.get(state.task_id, route="kling")
    assert (await client.get(state.task_id, route="kling")).task_id == state.task_id


async def test_odd_words_are_still_going_and_a_missing_address_does_not_hide_the_end(
    simulator, client
):
    state = await client.create(PAYLOAD, request_id="odd", route="kling")
    simulator.plan(
        Fault(on="get", kind="word", word="Dreaming"),
        Fault(on="get", kind="word", word="completed"),
    )
    for word, is_finished in (("dreaming", False), ("completed", True)):
        state = await client.get(state.task_id, route="kling")
        assert (state.status, state.video_url, state.failure) == (word, None, None)
        assert state.is_finished is is_finished


async def test_a_failed_task_tells_why(simulator, client):
    error = {"detail": [{"loc": ["body", "image_url"], "msg": "No face", "type": "x", "input": 1}]}
    simulator.plan(Fault(on="get", kind="error", error=error))
    state = await made(client, "fails")
    assert (state.failure.message, state.failure.field) == ("No face (image_url)", "image_url")


async def test_a_refused_field_is_named(client):
    with pytest.raises(RefusedError) as caught:
        await client.create({**PAYLOAD, "duration": 7}, request_id="bad", route="kling")
    assert caught.value.field == "duration"
    assert caught.value.request_id


async def test_an_unknown_generation_is_no_news(client):
    with pytest.raises(UnavailableError) as caught:
        await client.get("nobody:knows/it", route="universal")
    assert caught.value.status_code == 404


async def test_a_wrong_key_is_said(simulator):
    async with Client(base_url=simulator.base_url, api_key="sk-wrong-key") as stranger:
        with pytest.raises(UnauthorizedError, match="did not accept the API key"):
            await create(stranger)
        for call in (stranger.get("t", route="kling"), stranger.find("r")):
            with pytest.raises(KeyRefusedError, match="did not accept the API key"):
                await call


async def test_a_late_log_shows_nothing_yet(simulator, client):
    await client.create(PAYLOAD, request_id="late", route="kling")
    simulator.plan(Fault(on="logs", kind="late"))
    assert await client.find("late") is None
    assert (await client.find("late")).task_id


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(on="download", kind="reset_before"), "network"),
        (Fault(on="download", kind="hang", seconds=5), "network"),
        (Fault(on="download", kind="status"), "status"),
        (Fault(on="download", kind="status", status=404), "not_found"),
        (Fault(on="download", kind="html", status=200), "not_video"),
        (Fault(on="download", kind="cut"), "truncated"),
        (Fault(on="download", kind="garbage"), "not_video"),
        (Fault(on="download", kind="short"), "wrong_size"),
        (Fault(on="download", kind="garbage", body=b""), "empty"),
        (Fault(on="download", kind="expired"), "expired"),
        (Fault(on="download", kind="redirect", location="http://10.0.0.1/"), "refused_address"),
        (Fault(on="download", kind="redirect"), None),
    ],
)
async def test_each_spoilt_download_is_told_and_a_fresh_one_succeeds(  # noqa: PLR0917  by name
    simulator, client, tmp_path, one_task, fault, reason
):
    to = tmp_path / "v.part"
    state = await finished(client, await one_task())
    simulator.plan(fault)
    if reason:
        with pytest.raises(DownloadError) as caught:
            await client.download(state.video_url, to, expected_bytes=state.file_size)
        assert caught.value.reason == reason
        assert not to.exists()
        state = await client.get(state.task_id, route="kling")
    assert await client.download(state.video_url, to, expected_bytes=state.file_size)
