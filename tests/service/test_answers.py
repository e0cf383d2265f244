"""Every form in which the provider answers, and what the app makes of it: the one big table.

Each case is read as a pure value; one of each class then goes through sockets, client, service
and ledger.
"""

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product

import pytest
from harness import MODEL, PROMPT, REAL_SLEEP_SECONDS, every, service_at, submit, until
from raw_server import RawServer, answer, served

from kling_ui.client import (
    AccessDeniedError,
    ConcurrencyLimitError,
    KeyRefusedError,
    ModelNotFoundError,
    RateLimitError,
    RefusedError,
    RouteNotFoundError,
    TaskNotFoundError,
    TaskState,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)
from kling_ui.client.api_response import ApiResponse
from kling_ui.client.error_body import ErrorBody
from kling_ui.client.error_mapping import no_news, refused_post
from kling_ui.client.responses import is_error_envelope

NOW = datetime(2026, 8, 30, 12, 0, tzinfo=UTC)
PATHS = ("/v2/generate/video/kling/generation", "/v2/video/generations")
URL = "http://127.0.0.1:1/video.mp4"  # nobody listens there
HTML = b"<!DOCTYPE html><html><head><title>%d</title></head><body><h1>Error</h1></body></html>"


def problem(status, message, *, name="ForbiddenException", **data):
    """An error as the provider sends it today."""
    return {
        "title": "An error",
        "status": status,
        "message": message,
        "instance": "/v2/video/generations?",
        "requestId": "req-7",
        "timestamp": "2026-08-30T12:00:00.000Z",
        "error": {"name": name, "message": message, "data": data},
    }


def older(status, message, **more):
    """An error as the provider documents it."""
    return {
        "message": message,
        "path": PATHS[0],
        "requestId": "req-7",
        "statusCode": status,
        "timestamp": "2026-03-01T12:00:00Z",
        **more,
    }


# -- a provider that answers as a case says


@dataclass
class Provider(RawServer):
    """Answers a POST, a question for a task and one for the log, each with its own bytes.

    A list is taken one by one, the last one again.
    """

    post: object = field(default_factory=lambda: answer(201, {"id": "t1", "status": "queued"}))
    get: object = field(default_factory=lambda: answer(200, {"id": "t1", "status": "queued"}))
    log: object = field(default_factory=lambda: answer(200, {"data": []}))

    def __post_init__(self):
        super().__init__([])

    def reply_to(self, request):
        name = "post" if request.startswith(b"POST") else "get"
        name = "log" if b"/v2/logs" in request.split(b"\r\n")[0] else name
        replies = getattr(self, name)
        if not isinstance(replies, list):
            return replies
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def lines(self, start):
        """Return the first lines of the requests that begin with `start`."""
        lines = [request.split(b"\r\n")[0].decode() for request in self.requests]
        return [line for line in lines if line.startswith(start)]


@pytest.fixture
def run(tmp_path, ledger, runtime):
    @asynccontextmanager
    async def running(**replies):
        async with served(Provider(**replies)) as provider:
            service, client = service_at(
                provider.url, ledger=ledger, folder=tmp_path / "data", runtime=runtime
            )
            try:
                yield service, provider
            finally:
                await service.close()
                await client.aclose()

    return running


def kind_of(generation):
    return generation.error.kind.value if generation.error else None


async def submitted(service):
    return await submit(service, MODEL, {"prompt": PROMPT})


async def after_some_questions(service, provider, questions=3):
    """Submit and return the generation as it is after a few questions for its task."""
    generation = await submitted(service)
    await until(
        lambda: (
            len(provider.lines("GET /v2/")) > questions or not service.is_working_on(generation.id)
        )
    )
    return await service.get(generation.id)


# -- the state of a task

GOING = ["queued", "waiting", "active", "generating", "processing", "dreaming", "moderating", ""]
SUCCESS = ["completed", "success", "succeeded", "done", "ready", "finished"]
FAILURE = [
    *("error", "failed", "failure", "canceled", "cancelled", "timeout", "timed_out", "expired"),
    *("terminated", "aborted", "rejected", "moderated", "content_moderated", "nsfw", "blocked"),
    "unsuccessful",
]
SPELLINGS = [
    str,
    str.upper,
    str.title,
    lambda word: f" {word} ",
    lambda word: word.replace("_", " "),
    lambda word: word.replace("_", "-").capitalize(),
]
SHAPES = [
    {"video": {"url": URL}},
    {"video": {"url": URL, "content_type": "video/mp4", "file_name": "x.mp4", "file_size": 9}},
    {"video": [{"url": URL}]},
    {"video": [URL]},
    {"video": URL},
    {"video": {"video_url": URL}},
    {"videos": [{"url": URL}]},
    {"videos": {"url": URL}},
    {"videos": [URL]},
    {"videos": URL},
    {"video": None, "videos": [None, {"url": None}, {"url": f" {URL} "}]},
    {"video_url": URL},
    {"videoUrl": URL},
    {"video_urls": [URL]},
    {"videoUrls": [URL]},
    {"video": {"download_url": URL}},
    {"output": {"downloadUrl": URL}},
    {"generations": [{"video": {"url": URL}}]},
    {"task_result": {"videos": [{"id": "v1", "url": URL, "duration": "5"}]}},
    {"url": URL},
    {"content": {"url": URL}},
    {"content": {"video_url": URL}},
    {"content": [{"type": "text", "text": "x"}, {"type": "video", "url": URL}]},
    {"output": URL},
    {"output": [URL]},
    {"output": {"url": URL}},
    {"output": {"video_url": URL}},
    {"output": [{"url": URL}]},
    {"output": {"video": {"url": URL}}},
    {"assets": [{"url": "http://127.0.0.1:1/poster.jpg"}, {"url": URL}]},
    {"assets": [{"type": "image", "url": "http://127.0.0.1:1/x"}, {"type": "video", "url": URL}]},
    {"assets": [URL]},
    {"data": {"video": {"url": URL}}},
    {"data": {"url": URL}},
    {"data": {"output": [{"url": URL}]}},
    {"data": [{"url": URL}]},
    {"data": json.dumps({"video_url": URL})},
    {"assets": [{"type": "image2video", "url": URL}]},
    {"assets": [{"type": "image-to-video", "url": URL}]},
    {"output": {"type": "audio_driven_video", "video_url": URL}},
    {"assets": [{"type": "audio/mpeg", "url": "http://127.0.0.1:1/x"}, {"url": URL}]},
    {"assets": [{"type": " Image ", "url": "http://127.0.0.1:1/x"}, {"url": URL}]},
]
NO_ADDRESSES = [
    {},
    {"video": None},
    {"video": {}},
    {"video": {"url": ""}},
    {"video": {"url": "ftp://a.example/v.mp4"}},
    {"video": {"url": "/v.mp4"}},
    {"videos": []},
    {"output": "in a moment"},
    {"assets": [{"url": "http://127.0.0.1:1/poster.png"}]},
    {"url": 5},
]
ERRORS = [
    ({"name": "Oops", "message": "It broke."}, "It broke"),
    ({"detail": [{"loc": ["body", "image_url"], "msg": "No face"}]}, "No face (image_url)"),
    ("It broke.", "It broke"),
    (problem(500, "It broke")["error"], "It broke"),
]
ENVELOPES = [
    problem(500, "It broke"),
    problem(404, "Inference not found", name="NotFoundException"),
    older(500, "It broke"),
    older("503", "It broke"),
    {"message": "It broke"},
    {"error": "It broke"},
    {"error": {"name": "Oops", "message": "It broke"}},
    {"status": 500, "error": "It broke"},
    {"status": "error", "message": "It broke"},
    {"success": False, "data": None, "message": "It broke"},
    [],
    {},
    None,
    "completed",
    5,
]


@every([*product([*GOING, *SUCCESS, *FAILURE], SPELLINGS)])
def test_a_word_means_the_same_in_every_spelling(word, spelling):
    state = TaskState.from_json({"id": "t1", "status": spelling(word)}, {})
    assert state.is_finished is (word in SUCCESS)
    assert (state.failure is not None) is (word in FAILURE)
    assert state.video_url is None


@every([*product(SUCCESS, SHAPES)])
def test_the_address_of_a_finished_video_is_found_in_every_shape(word, shape):
    state = TaskState.from_json({"id": "t1", "status": word, **shape}, {})
    assert (state.video_url, state.is_finished, state.failure) == (URL, True, None)


@every(
    [
        (word, shape)
        for word in ("queued", "generating")
        for shape in SHAPES
        if not {"video", "videos"} & set(shape)
    ]
)
def test_while_it_goes_on_no_other_address_is_taken_for_the_video(word, shape):
    state = TaskState.from_json({"id": "t1", "status": word, **shape}, {})
    assert (state.video_url, state.is_finished) == (None, False)


@every([*product(SUCCESS, NO_ADDRESSES)])
def test_finished_without_a_usable_address_is_finished(word, shape):
    state = TaskState.from_json({"id": "t1", "status": word, **shape}, {})
    assert (state.video_url, state.is_finished, state.failure) == (None, True, None)


@every([(word, *error) for word in [*GOING, *SUCCESS, *FAILURE] for error in ERRORS])
def test_an_error_is_a_failure_beside_a_word_for_it_and_else_a_note(word, error, words):
    state = TaskState.from_json({"id": "t1", "status": word, "error": error}, {})
    is_failed = word in FAILURE
    assert (state.failure.message if state.failure else None) == (words if is_failed else None)
    assert state.note == (None if is_failed else words)


@every([*product(GOING, [None, "", {}, [], 0, False, {"name": None, "message": ""}])])
def test_an_empty_error_says_nothing(word, error):
    state = TaskState.from_json({"id": "t1", "status": word, "error": error}, {})
    assert (state.failure, state.note) == (None, None)


@pytest.mark.parametrize("body", ENVELOPES)
def test_an_error_envelope_is_no_state(body):
    state = TaskState.from_json(body, {})
    assert is_error_envelope(body) or not (state.task_id or state.status or state.video_url)


@every(
    [
        ({"data": {"id": "t1", "status": "generating"}}, "generating"),
        ({"status": "success", "data": {"id": "t1", "status": "generating"}}, "generating"),
        ({"code": 0, "message": "ok", "data": {"id": "t1", "status": "failed"}}, "failed"),
        ({"id": "t1", "status": "completed", "data": {"status": "x"}}, "completed"),
        ({"id": "t1", "state": "done"}, "done"),
        ({"task": {"id": "t1", "status": "generating"}}, "generating"),
        *(
            ({"code": 0, "message": "SUCCEED", "request_id": "r1",
              "data": {"task_id": "t1", "task_status": word, "task_status_msg": ""}}, word)
            for word in ("submitted", "processing", "failed")
        ),
        # The task is inside, and the outer id is its own or the call's.
        *(
            ({"id": "t1", "status": outer, "data": {"status": inner}}, inner)
            for outer in ("success", "ok", "completed", "200", "queued")
            for inner in ("queued", "generating", "completed", "failed")
            if (outer, inner) != ("queued", "failed")
        ),
        *(
            ({"id": "t1", "status": outer, "data": {"status": inner}}, outer)
            for outer in GOING
            for inner in FAILURE
            if outer
        ),
        ({"id": "t1", "status": "failed", "data": {"status": "completed"}}, "failed"),
        ({"id": "t1", "status": "canceled", "result": {"status": "queued"}}, "canceled"),
        ({"id": "t1", "status": "generating", "data": {"status": "200"}}, "generating"),
        ({"id": "t1", "status": 200, "state": "generating"}, "generating"),
        ({"id": "t1", "status": 0, "state": "generating"}, "generating"),
        ({"id": "t1", "status": 200, "data": {"status": "generating"}}, "generating"),
        ({"id": "t1", "status": "queued", "data": {"id": None, "status": "generating"}},
         "generating"),
    ],
)  # fmt: skip
def test_the_status_of_the_call_is_not_that_of_the_task(body, word):
    state = TaskState.from_json(body, {})
    assert (state.task_id, state.status) == ("t1", word)


def case(body, status, kind, words=""):
    return pytest.param(body, status, kind, words, id=f"{json.dumps(body)[:60]} → {status}")


ADDRESS = {"video": {"url": URL}}


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        case({"id": "t1", "status": "waiting"}, "queued", None),
        case({"id": "t1", "status": ""}, "generating", None),
        case({"id": "t1", "status": "active", "error": "It broke."}, "generating", "note",
             "It broke. The generation goes on."),
        case({"id": "t1", "status": "done", **ADDRESS}, "saving", "not_saved"),
        case({"id": "t1", "status": "done", "error": "Odd.", **ADDRESS}, "saving", "not_saved"),
        case({"id": "t1", "status": "done"}, "saving", "not_saved", "no address"),
        case({"id": "t1", "status": "moderated", "error": "It broke."}, "failed", "failed",
             "It broke. Failed gen"),
        *(case(body, "queued", "no_news", "we keep asking")
          for body in (ENVELOPES[0], ENVELOPES[-3], ENVELOPES[-2])),
    ],
)  # fmt: skip
async def test_each_state_becomes_a_status_through_the_wire(run, body, status, kind, words):
    created = {
        "id": "t1",
        "status": "queued",
        "meta": {"usage": {"credits_used": 1_040_000, "usd_spent": 0.52}},
    }
    async with run(post=answer(201, created), get=answer(200, body)) as (service, provider):
        last = await after_some_questions(service, provider)
    assert (last.status.value, kind_of(last)) == (status, kind)
    assert words in (last.error.message if last.error else "")
    # Only a terminal failure takes the price back.
    is_free = status == "failed"
    assert (last.usd_spent, last.credits_used) == ((0, 0) if is_free else (0.52, 1_040_000))
    assert len(provider.lines("POST")) == 1


# -- the words of an error

TOO_MANY_ADVICE = (
    "Kling already runs as many tasks as this account may have at once: wait until one has ended, "
    "then try again."
)


@pytest.mark.parametrize(
    ("body", "message", "code", "place", "request_id"),
    [
        (
            problem(403, "You've run out of credits.", kind="err_insufficent_credits"),
            "You've run out of credits",
            "err_insufficent_credits",
            None,
            "req-7",
        ),
        (problem(404, "Cannot POST /v2/x", name="NotFoundException"),
         "Cannot POST /v2/x", None, None, "req-7"),
        (
            problem(400, "Validation failed", name="BadRequestException",
                    issues=[{"path": ["duration"], "message": "Expected 5 | 10"}]),
            "Expected 5 | 10 (duration)", None, "duration", "req-7",
        ),
        (
            problem(400, "Validation failed", name="BadRequestException",
                    issues=[{"path": "body.image_url", "message": "Invalid url"},
                            {"path": ["prompt"], "message": "Required"}]),
            "Invalid url (image_url); Required (prompt)", None, "image_url", "req-7",
        ),
        (
            problem(422, "Unprocessable", name="UnprocessableEntityException",
                    detail=[{"loc": ["body", "image_url"], "msg": "Could not detect face",
                             "type": "face_detection_error", "input": 1}]),
            "Could not detect face (image_url). Use a picture in which one face is clearly seen.",
            "face_detection_error", "image_url", "req-7",
        ),
        ({"status": 400, "message": ["prompt must be a string", "duration is too long"]},
         "prompt must be a string; duration is too long", None, "prompt", None),
        ({"title": "Bad", "status": 400, "message": "outer", "error": {"message": ["a", "b"]}},
         "a; b", None, None, None),
        ({"message": "outer", "error": {"message": "inner", "data": {"message": "innermost"}}},
         "innermost", None, None, None),
        ({"error": {"name": "TooManyRequestsException"}}, "", None, None, None),
        ({"message": "x", "error": {"code": 1303}},
         f"x. {TOO_MANY_ADVICE}", "1303", None, None),
        (older(400, "Expected number, received string at 'duration'"),
         "Expected number, received string at 'duration'", None, "duration", "req-7"),
        ({"type": "about:blank", "title": "Forbidden", "status": 403}, "", None, None, None),
    ],
)  # fmt: skip
def test_an_error_body_is_read_from_the_inside(body, message, code, place, request_id):
    said = ErrorBody.from_json(body)
    assert (said.message, said.code, said.field, said.request_id) == (
        message,
        code,
        place,
        request_id,
    )


# -- what became of a POST

SPEAKS_OF_MONEY = [
    problem(403, "You've run out of credits.", kind="err_insufficent_credits"),
    problem(403, "Forbidden", kind="err_insufficent_credits"),
    problem(403, "You've run out of funds"),
    older(403, "Insufficient balance"),
    older(403, "Please top up"),
]
SPEAKS_OF_SOMETHING_ELSE = [
    problem(403, "Forbidden resource"),
    problem(403, "Insufficient permissions"),
    older(403, "Not in your country"),
    {},
]
PARALLEL = [
    "parallel task over resource pack limit",
    "Too many tasks in progress",
    "Too many concurrent requests",
    "Concurrency limit exceeded",
    "Error 1303",
    "concurrent task limit reached",
    "Reached the maximum concurrency",
    "max concurrent generations: 3",
    "The number of concurrent jobs is exceeded",
]
NO_LIMIT = [
    "Concurrent use of image_tail and static_mask is not supported",
    "camera_control and image_tail must not be used concurrently",
]


def post_case(status, body, kind, outcome, words="", **headers):
    is_page = isinstance(body, bytes)
    headers.setdefault("content_type", "text/html" if is_page else "application/problem+json")
    name = f"{status} {body if is_page else json.dumps(body)}"[:70]
    return pytest.param(status, body, headers, kind, outcome, words, id=name)


REJECTED = ("rejected", "refused")
LOCKED = ("rejected", "unauthorized")
BUSY = ("waiting", "rate_limit")
IN_LINE = ("waiting", "concurrency_limit")
LOST = ("unknown", "unknown")
POSTS = [
    # refused
    post_case(400, problem(400, "Expected 5 | 10"), RefusedError, REJECTED, "Expected 5 | 10"),
    post_case(400, older(400, "No such field"), RefusedError, REJECTED, "No such field"),
    post_case(400, HTML % 400, RefusedError, REJECTED, "HTML page (400)"),
    post_case(402, problem(402, "Pay first"), RefusedError, REJECTED, "Pay first"),
    post_case(409, problem(409, "Conflict"), RefusedError, REJECTED, "Conflict"),
    post_case(413, HTML % 413, RefusedError, REJECTED, "too large"),
    post_case(422, {"detail": [{"loc": ["body", "prompt"], "msg": "Required"}]}, RefusedError,
              REJECTED, "Required (prompt)"),
    *(post_case(400, problem(400, words), RefusedError, REJECTED, words) for words in NO_LIMIT),
    post_case(408, HTML % 408, RefusedError, REJECTED, "HTML page (408)"),
    post_case(408, b"", RefusedError, REJECTED, "the answer was empty"),
    post_case(451, b"", RefusedError, REJECTED, "the answer was empty"),
    post_case(301, b"", RefusedError, REJECTED, "redirect (301)", location="https://a.example/"),
    post_case(307, b"", RefusedError, REJECTED, "redirect (307)", location="/v3"),
    # the key and the account
    post_case(401, problem(401, "Unauthorized"), UnauthorizedError, LOCKED, "API key (401)"),
    post_case(401, HTML % 401, UnauthorizedError, LOCKED, "A gateway or firewall"),
    post_case(401, problem(401, "This API key has no access"), UnauthorizedError, LOCKED, "scope"),
    post_case(403, problem(403, "This API key has no access"), UnauthorizedError, LOCKED, "scope"),
    post_case(403, problem(403, "This API key has no access: too many concurrent tasks"),
              UnauthorizedError, LOCKED, "scope"),
    *(post_case(403, body, UnauthorizedError, LOCKED, "out of credits (403); top it up")
      for body in SPEAKS_OF_MONEY),
    *(post_case(403, body, UnauthorizedError, LOCKED, "does not allow this (403)")
      for body in SPEAKS_OF_SOMETHING_ELSE),
    post_case(403, HTML % 403, RefusedError, REJECTED, "A gateway or firewall"),
    # no such thing
    post_case(404, problem(404, "Cannot POST /v2/video/generations"), RouteNotFoundError, REJECTED,
              "Cannot POST"),
    post_case(404, HTML % 404, RouteNotFoundError, REJECTED, "HTML page (404)"),
    post_case(405, problem(405, "Method not allowed"), RouteNotFoundError, REJECTED, "Method"),
    post_case(404, problem(404, f"Model {MODEL} not found"), ModelNotFoundError, REJECTED, "Model"),
    # busy
    post_case(429, problem(429, "Too Many Requests"), RateLimitError, BUSY, "Trying again in 10 s"),
    post_case(429, HTML % 429, RateLimitError, BUSY, "Trying again in 10 s"),
    post_case(429, problem(429, "Slow down"), RateLimitError, BUSY, "in 7 s", retry_after="7"),
    *(post_case(status, body, ConcurrencyLimitError, IN_LINE, "waits in line")
      for words in PARALLEL
      for status, body in ((429, problem(429, words)), (400, older(400, words)))),
    post_case(429, {"code": 1303, "message": "x"}, ConcurrencyLimitError, IN_LINE, "waits in line"),
    # perhaps made
    *(post_case(status, body, UnknownOutcomeError, LOST, "Request timed out")
      for status in (408, 499)
      for body in (problem(status, "Request timed out"), older(status, "Request timed out"))),
    *(post_case(status, problem(status, "Partner trouble"), UnknownOutcomeError, LOST, "Partner tr")
      for status in (500, 502, 503, 504)),
    *(post_case(status, HTML % status, UnknownOutcomeError, LOST, "HTML page")
      for status in (500, 502, 503, 504, 520, 524)),
    post_case(500, older(500, "parallel task over resource pack limit"), UnknownOutcomeError, LOST),
    post_case(503, older("503", "Model not found"), UnknownOutcomeError, LOST, "Model not found"),
    post_case(504, b"", UnknownOutcomeError, LOST, "the answer was empty"),
    post_case(200, HTML % 200, UnknownOutcomeError, LOST, "named no task"),
    post_case(201, {"status": "queued"}, UnknownOutcomeError, LOST, "named no task"),
    post_case(200, problem(403, "You've run out of credits"), UnknownOutcomeError, LOST, "credits"),
    post_case(204, b"", UnknownOutcomeError, LOST, "named no task"),
]  # fmt: skip


def one_of_each_class(cases):
    """Return the first case of each error with its outcome, as a page and as JSON."""
    found = {}
    for each in cases:
        _, body, headers, kind, outcome, _ = each.values
        found.setdefault((kind, outcome, type(body), *headers), each)
    return list(found.values())


def response(status, body, headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    heads = {name.replace("_", "-"): value for name, value in headers.items()}
    return ApiResponse.from_http(status, heads, content)


@pytest.mark.parametrize(("status", "body", "headers", "kind", "outcome", "words"), POSTS)
def test_each_answer_to_a_post_is_an_error_of_one_kind(  # noqa: PLR0917  a table
    status, body, headers, kind, outcome, words
):
    error = refused_post(response(status, body, headers), NOW)
    assert type(error) is kind
    assert error.status_code == status
    assert "<" not in error.message
    is_money = "credits" in error.message
    assert is_money is (body in SPEAKS_OF_MONEY or "credits" in json.dumps(str(body)))


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "outcome", "words"), one_of_each_class(POSTS)
)
async def test_each_answer_to_a_post_has_its_outcome_through_the_wire(  # noqa: PLR0917  a table
    run, runtime, status, body, headers, kind, outcome, words
):
    runtime.longest_sleep = 60  # what waits stays as it is
    reply = answer(status, body, **headers)
    async with run(post=reply, log=answer(200, {"data": []})) as (service, provider):
        first = await submitted(service)
    assert (first.status.value, kind_of(first)) == outcome
    assert words in first.error.message
    assert ("Nothing was spent." in first.error.message) is (outcome is not LOST)
    assert None not in {first.key_hash, first.sent_at, first.route}
    assert len(provider.lines("POST")) == (2 if kind is RouteNotFoundError else 1)


@pytest.mark.parametrize(
    ("body", "usd", "credits_used"),
    [
        ({"id": "t1", "status": "queued",
          "meta": {"usage": {"credits_used": 1_040_000, "usd_spent": 0.52}}}, 0.52, 1_040_000),
        ({"generation_id": "t1", "status": "queued", "meta": {"usage": {"tokens_used": 7}}},
         None, 7),
        ({"id": "t1"}, None, None),
        ({"id": "t1", "meta": {"usage": {"credits_used": None, "tokens_used": 7}}}, None, 7),
        ({"data": {"id": "t1", "status": "queued"}}, None, None),
        ({"id": "t1", "data": {"id": None, "status": "queued"}}, None, None),
        ({"id": "t1", "status": "queued", "data": {"generation_id": None}}, None, None),
        ({"id": "t1", "status": "queued", "error": "Falling back."}, None, None),
        ({"id": "t1", "status": "error", "error": "It broke."}, None, None),
    ],
)  # fmt: skip
async def test_a_post_that_names_its_task_is_accepted_whatever_else_it_says(
    run, body, usd, credits_used
):
    async with run(post=answer(201, body)) as (service, provider):
        first = await submitted(service)
    assert (first.status.value, first.task_id) == ("queued", "t1")
    assert (first.usd_spent, first.credits_used) == (usd, credits_used)
    assert len(provider.lines("POST")) == 1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, {"error": {"message": "Insufficient balance", "code": 1102}}, "Insufficient balance"),
        (200, {"success": False, "message": "Quota used up"}, "Quota used up"),
        (201, {"status": "queued"}, "named no task"),
        (204, b"", "named no task"),
        (500, problem(500, "Partner trouble"), "Partner trouble"),
        (502, HTML % 502, "gateway"),
    ],
)
async def test_what_an_answer_without_a_task_said_is_told_as_long_as_it_is_looked_for(
    run, ledger, status, body, words
):
    async with run(post=answer(status, body)) as (service, _):
        first = await submitted(service)
        await until(lambda: "does not show this one" in ledger.get(first.id).error.message)
    assert words in ledger.get(first.id).error.message
    assert "never came" not in ledger.get(first.id).error.message


@pytest.mark.parametrize(
    ("status", "body"), [(500, problem(500, "Partner trouble")), (502, HTML % 502), (504, b"")]
)
async def test_the_task_that_a_lost_answer_names_is_asked_for_first(run, ledger, status, body):
    lost = answer(status, body, x_inference_id="t/9:x")
    async with run(post=lost) as (service, provider):
        generation = await submitted(service)
        assert generation.status.value == "unknown"
        await until(lambda: ledger.get(generation.id).status.value == "queued")
    assert ledger.get(generation.id).task_id == "t/9:x"
    assert provider.lines("GET")[0] == f"GET {PATHS[0]}?generation_id=t%2F9%3Ax HTTP/1.1"
    assert provider.lines("GET /v2/logs") == []
    assert len(provider.lines("POST")) == 1


@pytest.mark.parametrize("question", [404, 500, 524])
async def test_a_named_task_that_is_not_there_is_looked_up_in_the_log(run, ledger, question):
    unknown = answer(question, problem(question, "Inference not found"))
    async with run(post=answer(504, b"", x_inference_id="t9"), get=unknown) as (service, provider):
        generation = await submitted(service)
        row = {"client_request_id": generation.id, "inference_id": "t1", "status": "succeeded"}
        provider.log = answer(200, {"data": [row]})
        provider.get = [unknown, answer(200, {"id": "t1", "status": "queued"})]
        await until(lambda: ledger.get(generation.id).status.value == "queued")
    assert ledger.get(generation.id).task_id == "t1"


@pytest.mark.parametrize("number", [7, 2**53, 2**63, 10**38])
async def test_a_number_is_an_id(run, number):
    async with run(post=answer(201, {"id": number, "status": "queued"})) as (service, _):
        first = await submitted(service)
    assert (first.status.value, first.task_id) == ("queued", str(number))


async def test_a_byte_that_is_no_utf_8_hides_no_task(run):
    body = b'{"id": "t1", "status": "queued", "note": "\xff\xfe"}'
    async with run(post=answer(201, body)) as (service, provider):
        first = await submitted(service)
    assert (first.status.value, first.task_id) == ("queued", "t1")
    assert len(provider.lines("POST")) == 1


@pytest.mark.parametrize("status", [200, 201, 504])
async def test_an_answer_that_breaks_off_may_have_named_its_task_before(run, ledger, status):
    whole = answer(status, {"id": "t1", "status": "queued"}, x_inference_id="t1")
    async with run(post=whole[:-9]) as (service, provider):
        generation = await submitted(service)
        await until(lambda: ledger.get(generation.id).status.value == "queued")
    assert ledger.get(generation.id).task_id == "t1"
    assert provider.lines("GET /v2/logs") == []
    assert len(provider.lines("POST")) == 1


def chunks(body):
    return b"".join(b"1\r\n%c\r\n" % byte for byte in body)


BROKEN_OFF = {
    "a length too large": answer(201, {"id": "t1", "status": "queued"}, content_length="900"),
    "no last chunk": answer(201, transfer_encoding="chunked", content_length="")
    + chunks(b'{"id": "t1", "status": "queued"}'),
    "half a chunk more": answer(200, transfer_encoding="chunked", content_length="")
    + chunks(b'{"id": "t1", "status": "queued"}')
    + b"5\r\n  ",
}


@pytest.mark.parametrize("broken", BROKEN_OFF)
async def test_an_answer_that_breaks_off_behind_its_last_brace_is_whole(run, broken):
    async with run(post=BROKEN_OFF[broken]) as (service, provider):
        first = await submitted(service)
    assert (first.status.value, first.task_id) == ("queued", "t1")
    assert provider.lines("GET /v2/logs") == []
    assert len(provider.lines("POST")) == 1


async def test_an_answer_that_breaks_off_and_names_no_task_is_unknown(run):
    whole = answer(201, {"id": "t1", "status": "queued"})
    async with run(post=whole[:-9]) as (service, _):
        first = await submitted(service)
    assert (first.status.value, first.task_id) == ("unknown", None)


async def test_a_header_names_the_task_that_a_body_of_a_2xx_forgets(run):
    async with run(post=answer(201, {"status": "queued"}, x_inference_id="t9")) as (service, _):
        first = await submitted(service)
    assert (first.status.value, first.task_id) == ("queued", "t9")


# -- what became of a question


def question_case(status, body, kind, error_kind, words=""):
    is_page = isinstance(body, bytes)
    headers = {"content_type": "text/html" if is_page else "application/problem+json"}
    name = f"{status} {body if is_page else json.dumps(body)}"[:70]
    return pytest.param(status, body, headers, kind, error_kind, words, id=name)


SCOPE = "check its scope"
QUESTIONS = [
    question_case(401, problem(401, "Unauthorized"), KeyRefusedError, "unauthorized", "API key"),
    question_case(401, older(401, "Unauthorized"), KeyRefusedError, "unauthorized", "API key"),
    question_case(401, HTML % 401, AccessDeniedError, "unauthorized", "A gateway or firewall"),
    question_case(401, b"", AccessDeniedError, "unauthorized", "A gateway or firewall"),
    question_case(403, HTML % 403, AccessDeniedError, "unauthorized", "A gateway or firewall"),
    question_case(403, problem(403, "This API key has no access"), AccessDeniedError,
                  "unauthorized", SCOPE),
    *(question_case(403, body, AccessDeniedError, "unauthorized", "out of credits (403)")
      for body in SPEAKS_OF_MONEY),
    *(question_case(403, body, AccessDeniedError, "unauthorized", "does not allow this (403)")
      for body in SPEAKS_OF_SOMETHING_ELSE),
    question_case(404, problem(404, "Inference not found"), TaskNotFoundError, "no_news"),
    question_case(404, problem(404, "Cannot GET /v2/x"), TaskNotFoundError, "no_news"),
    question_case(404, HTML % 404, TaskNotFoundError, "no_news", "HTML page (404)"),
    question_case(404, b"", TaskNotFoundError, "no_news"),
    question_case(400, problem(400, "Wrong id"), TaskNotFoundError, "no_news", "Wrong id"),
    question_case(429, problem(429, "Slow down"), UnavailableError, "no_news", "Slow down"),
    question_case(302, b"", UnavailableError, "no_news", "redirect (302)"),
    *(question_case(status, body, UnavailableError, "no_news")
      for status in (500, 502, 503, 504, 520, 524)
      for body in (problem(status, "Partner trouble"), HTML % status, b"")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "headers", "kind", "error_kind", "words"), QUESTIONS)
def test_each_answer_to_a_question_is_an_error_of_one_kind(  # noqa: PLR0917  a table
    status, body, headers, kind, error_kind, words
):
    error = no_news(response(status, body, headers), NOW)
    assert type(error) is kind
    assert words in error.message
    assert ("credits" in error.message) is (body in SPEAKS_OF_MONEY)


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "error_kind", "words"), one_of_each_class(QUESTIONS)
)
async def test_no_answer_to_a_question_ends_a_generation_through_the_wire(  # noqa: PLR0917  a table
    run, runtime, status, body, headers, kind, error_kind, words
):
    reply = answer(status, body, **headers)
    asked = runtime.slept
    async with run(get=reply) as (service, provider):
        last = await after_some_questions(service, provider)
    assert (last.status.value, last.error.kind.value) == ("queued", error_kind)
    assert words in last.error.message
    assert " UTC" in last.error.message  # since when
    assert "we keep asking" in last.error.message
    if error_kind == "unauthorized":
        assert [seconds for seconds in asked if seconds >= 5][:2] == [5, 10]


async def test_a_task_that_is_not_there_any_more_is_where_the_other_route_or_the_log_says(
    run, ledger
):
    gone = answer(404, problem(404, "Inference not found"))
    async with run(get=gone) as (service, provider):
        generation = await submitted(service)
        await until(lambda: ledger.get(generation.id).is_put_away)
        assert len(provider.lines(f"GET {PATHS[1]}")) == 1
        logs = provider.lines("GET /v2/logs")
        assert "model=" in logs[0]
        row = {"client_request_id": generation.id, "inference_id": "t2", "status": "succeeded"}
        provider.log = answer(200, {"data": [row]})
        provider.get = [gone, answer(200, {"id": "t2", "status": "generating"})]
        await until(lambda: ledger.get(generation.id).status.value == "generating")
    back = ledger.get(generation.id)
    assert (back.task_id, back.is_put_away, kind_of(back)) == ("t2", False, "still_running")


async def test_a_task_that_only_the_other_route_knows_is_asked_for_there(run, ledger):
    async with run() as (service, provider):
        there = provider.reply_to

        def reply_to(request):
            is_here = request.startswith(f"GET {PATHS[0]}".encode())
            return answer(404, problem(404, "Cannot GET")) if is_here else there(request)

        provider.reply_to = reply_to
        generation = await submitted(service)
        await until(lambda: len(provider.lines(f"GET {PATHS[1]}")) > 3)
        row = ledger.get(generation.id)
    assert (row.status.value, row.route, row.is_put_away) == ("queued", "universal", False)
    assert provider.lines("GET /v2/logs") == []


async def test_a_failed_row_of_another_try_ends_no_task_that_was_accepted(run, ledger):
    """A 429 before it is listed as failed under the same id, and without a task."""
    busy = answer(429, problem(429, "Slow down"), retry_after="1")
    made = answer(201, {"id": "t1", "status": "queued"})
    gone = answer(404, problem(404, "Inference not found"))
    async with run(post=[busy, made], get=gone) as (service, provider):
        generation = await submitted(service)
        row = {"client_request_id": generation.id, "inference_id": None, "status": "failed"}
        provider.log = answer(200, {"data": [row]})
        await until(lambda: ledger.get(generation.id).is_put_away)
        assert ledger.get(generation.id).status.value == "queued"


async def test_a_refusal_before_a_restart_does_not_hide_a_task_that_was_made(run, ledger, runtime):
    """The log lists the refused try, as failed and under the same id, before the other one."""
    runtime.longest_sleep = 60
    busy = answer(429, problem(429, "Slow down"), retry_after="60")
    async with run(post=busy) as (service, _):
        waiting = await submitted(service)
    assert waiting.status.value == "waiting"

    runtime.longest_sleep = REAL_SLEEP_SECONDS
    refused = {"client_request_id": waiting.id, "inference_id": None, "status": "failed"}
    log = answer(200, {"data": [refused]})
    async with run(post=answer(504, b""), log=log) as (service, provider):
        await service.resume()
        await until(lambda: len(provider.lines("GET /v2/logs")) > 6)
        assert ledger.get(waiting.id).status.value == "unknown"
        accepted = {**refused, "inference_id": "t1", "status": "succeeded"}
        provider.log = answer(200, {"data": [refused, accepted]})
        await until(lambda: ledger.get(waiting.id).status.value == "queued")
    assert ledger.get(waiting.id).task_id == "t1"
    assert len(provider.lines("POST")) == 1
