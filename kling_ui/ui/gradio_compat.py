"""What leans on the insides of Gradio, read from version 6.31.0, and changed while it serves.

Each piece has a test that fails when Gradio moves what it leans on; `docs/gradio.md` lists them.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import gradio as gr
from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from gradio import processing_utils, route_utils
from gradio.state_holder import SessionState, StateHolder
from python_multipart.exceptions import FormParserError
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse

from kling_ui.ui.asgi import Scope
from kling_ui.ui.caller_bounded import CallerBounded
from kling_ui.ui.http_guard.body_limit import BODY_BYTES_KEY, LARGE_APIS, LARGEST_BODY, too_large
from kling_ui.ui.identity import LONGEST_SESSION_HASH, current_caller
from kling_ui.ui.uploads import in_words

_log = logging.getLogger(__name__)
VISITS_OF_A_CALLER = 1000
"""How many visits of one caller are remembered; calls of the API are forgotten first."""

MOST_VISITS = 20_000
MOST_MISTAKES = 20
LINKS_ARE_NOT_FETCHED = (
    "A link can't stand for a file here: give the link itself as the value, as text. "
    "Nothing was sent, nothing was spent."
)


def public_api_names(page: gr.Blocks) -> frozenset[str]:
    """Return the names that programs may call; the page's own events go by number."""
    return frozenset(
        fn.api_name for fn in page.fns.values() if fn.api_name and fn.api_visibility == "public"
    )


def harden(app: Any, page: gr.Blocks) -> None:
    """Change what an app that is about to serve `page` lets others do.

    `app` is Gradio's FastAPI app; called while it starts, before its first request.
    """
    remove_cors(app)
    answer_mistakes(app)
    app.state_holder = Sessions()
    app.state_holder.set_blocks(page)
    bound_queue(page)
    check_calls()
    refuse_fetches()


def remove_cors(app: Any) -> None:
    """Take out the middleware that lets every site read answers, with the visitor's cookies."""
    cors = route_utils.CustomCORSMiddleware
    app.user_middleware = [each for each in app.user_middleware if each.cls is not cors]
    # Starlette builds the chain at its next call.
    app.middleware_stack = None


# -- calls that can't be read

UPLOAD = "/gradio_api/upload"
NAMED_CALL = "/gradio_api/call/v2/"
_WRONG_NAME = re.compile(
    r"Parameter `(.*)` is not a|No value provided for required argument: (\w+)", re.DOTALL
)


def answer_mistakes(app: Any) -> None:
    """Answer a caller's mistakes in a body with 4xx where Gradio fails over them with 500."""
    app.add_exception_handler(RequestValidationError, _unreadable_body)
    app.add_exception_handler(TypeError, _wrong_arguments)
    app.add_exception_handler(FormParserError, _unreadable_upload)
    app.add_exception_handler(OSError, _lost_upload)


async def _unreadable_body(_request: Request, exc: Exception) -> JSONResponse:
    """Say what is wrong and where; what was given is not repeated, it may be no JSON or large."""
    errors = exc.errors() if isinstance(exc, RequestValidationError) else []
    told = [{name: error.get(name) for name in ("type", "loc", "msg")} for error in errors]
    return JSONResponse({"detail": told[:MOST_MISTAKES]}, status_code=422)


async def _unreadable_upload(_request: Request, _exc: Exception) -> JSONResponse:
    return JSONResponse({"detail": "This upload can't be read."}, status_code=400)


async def _lost_upload(request: Request, exc: Exception) -> JSONResponse:
    """Say that an upload can't be kept: the disk is full, or the data folder gone."""
    if not request.url.path.endswith(UPLOAD):
        raise exc
    said = exc.strerror if isinstance(exc, OSError) else ""
    _log.error("An upload can't be kept: %s", said)
    return JSONResponse({"detail": f"This upload can't be kept ({said})."}, status_code=507)


async def _wrong_arguments(request: Request, exc: Exception) -> JSONResponse:
    """Name the argument that a named call lacks, or that there is none of."""
    found = _WRONG_NAME.match(str(exc))
    if found is None or NAMED_CALL not in request.url.path:
        raise exc
    unknown, missing = found.groups()
    said = f"{missing}: is required." if missing else f"{unknown[:64]}: is not known."
    return JSONResponse({"detail": f"{said} Nothing was sent, nothing was spent."}, status_code=422)


# -- visits


@dataclass(frozen=True, slots=True)
class _Bare:
    """As much of a Blocks as a visit needs when it is made: nothing to copy."""

    default_config: Any
    blocks: dict[int, Any] = field(default_factory=dict)


class Sessions(StateHolder):  # type: ignore[misc]  # Gradio leaves it untyped
    """The visits of a page; put in the place of Gradio's own before the first request.

    Without the copy of the whole page that only deep links need: every call of the API counts
    as a visit, and the copy takes 30 ms and a third of a megabyte that is never given back. To
    keep it up to date takes a third of what an event costs that updates many components.
    """

    def __init__(
        self,
        *,
        caller: Callable[[], str] = current_caller,
        per_caller: int = VISITS_OF_A_CALLER,
        total: int = MOST_VISITS,
    ) -> None:
        super().__init__()
        self.session_data = CallerBounded[SessionState](
            per_caller=per_caller,
            total=total,
            caller=caller,
            # A call of the API leaves nothing behind; a page that is only quiet does.
            is_expendable=lambda visit: not visit.state_data,
            on_forget=lambda session_id: self.time_last_used.pop(session_id, None),
        )

    def __getitem__(self, session_id: str) -> SessionState:
        """Return a visit's state; a new visit begins with an empty one."""
        if session_id not in self.session_data:
            visit = SessionState(_Bare(self.blocks.default_config))
            visit.blocks_config.config_for_block = _no_config
            with self.lock:
                self.session_data[session_id] = visit
        return super().__getitem__(session_id)

    def update(self, session_id: str) -> None:
        """Note that a visit is not quiet."""
        with self.lock:
            if session_id in self.session_data:
                self.session_data.touch(session_id)


def _no_config(*_: Any) -> dict[str, Any]:
    return {}


# -- the queue


def bound_queue(page: gr.Blocks) -> None:
    """Bound for each caller what waits to be read, and tell no paths in refusals.

    Gradio keeps the messages of 2,000 visits in all: one caller's push out everybody's.
    """
    queue = page._queue  # noqa: SLF001  there is no other way to it
    queue.pending_messages_per_session = CallerBounded(
        per_caller=VISITS_OF_A_CALLER, total=MOST_VISITS, caller=current_caller
    )
    push = queue.push

    async def push_and_tell_no_paths(
        body: Any, request: Any, username: str | None
    ) -> tuple[bool, Any, str]:
        is_taken, said, state = await push(body=body, request=request, username=username)
        if is_taken and body.session_hash:
            # Counted for its caller: the event itself runs in a task that knows none.
            page.state_holder[body.session_hash]
        if state == "error":
            # The text of a gr.Error stands in quotes.
            said = in_words(str(said).strip("'\""))
        return is_taken, said, state

    queue.push = push_and_tell_no_paths


def check_calls() -> None:
    """Look at each call where Gradio looks up what it calls: queued, direct and by name."""
    find = route_utils.get_fn
    if getattr(find, "is_checked", False):
        return

    def get_fn(blocks: gr.Blocks, api_name: str | None, body: Any) -> Any:
        if len(body.session_hash or "") > LONGEST_SESSION_HASH:
            raise HTTPException(400, f"A session hash has at most {LONGEST_SESSION_HASH} letters.")
        try:
            fn = find(blocks, api_name, body)
        except (KeyError, route_utils.FnIndexInferError) as exc:
            raise HTTPException(404, "There is no such call.") from exc
        request = getattr(body, "request", None)
        size = 0 if request is None else request.scope.get(BODY_BYTES_KEY, 0)
        if size > LARGEST_BODY and fn.api_name not in LARGE_APIS:
            raise HTTPException(413, too_large(LARGEST_BODY))
        return fn

    get_fn.is_checked = True  # type: ignore[attr-defined]
    route_utils.get_fn = get_fn


# -- fetching


class RefusingTransport:
    """An httpx transport through which nothing is fetched: it refuses in words."""

    async def __aenter__(self) -> Self:
        """Open nothing."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close nothing."""

    async def handle_async_request(self, _request: Any) -> Any:
        """Refuse."""
        raise gr.Error(LINKS_ARE_NOT_FETCHED, print_exception=False)

    async def aclose(self) -> None:
        """Close nothing."""


def refuse_fetches() -> None:
    """Let Gradio fetch no address that a caller names: it would keep whole what it finds there."""
    processing_utils.async_transport = RefusingTransport()


# -- the login


def is_logged_in(scope: Scope) -> bool:
    """Tell whether a request carries the cookie of Gradio's login; true where there is none."""
    app = scope["app"]
    if app.auth is None:
        return True
    cookies = HTTPConnection(scope).cookies
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(cookies.get(name) in app.tokens for name in names)
