"""The one door: every request passes here before any route of Gradio's or ours sees it."""

import re
from collections.abc import Callable

from starlette.exceptions import HTTPException

from kling_ui.ui.asgi import (
    Application,
    HeaderList,
    Message,
    Receive,
    Scope,
    Send,
    header,
    header_values,
    refuse,
    respond,
    route_path,
)
from kling_ui.ui.http_guard.allowed_routes import READ, AllowedRoutes
from kling_ui.ui.http_guard.body_limit import CountedBody, body_limit
from kling_ui.ui.http_guard.login import TOO_MANY_GUESSES, LoginThrottle, TooManyGuessesError
from kling_ui.ui.http_guard.same_origin import (
    HostPolicy,
    as_the_browser_sees_it,
    unknown_host_message,
    unknown_host_page,
)
from kling_ui.ui.identity import SCOPE_KEY
from kling_ui.ui.page_version import PAGE_VERSION_HEADER

LONGEST_QUERY = 8 * 1024
LARGEST_COOKIES = 16 * 1024
FOREIGN_PAGE = (
    "This request did not come from Kling UI's own page. Nothing was sent, nothing was spent. "
    "If the app stands behind a proxy, set KLING_UI_HOSTS to the name in your address bar."
)
OTHER_VERSION = (
    "Kling UI was updated since this page was loaded. Nothing was sent, nothing was spent. "
    "Reload the page: what you wrote is kept."
)
MEDIA = "/media/"
SPACES_SITE = "https://huggingface.co"
"""Shows each Space in a frame."""

_PLAIN_RANGE = re.compile(r"bytes=(?:[0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")
Refusal = tuple[int, str]
"""A status, and what to tell."""

_GUESSES = {200: True, 400: False}
"""How Gradio answers the right password and a wrong one; a form that holds none is no guess."""


class HttpGuard:
    """ASGI middleware: refuses what is not for this app, and slows down what is too much.

    404 for routes that are not served, 421 for hosts that are not this app's, 403 for another
    site's page, 409 for a page of another version, 413, 414 and 431 for what is too large, 416
    for ranges that are none, 429 for too many guesses at the password. `may_see_media` asks for
    the login before routes of our own, which Gradio's does not cover.
    """

    def __init__(
        self,
        app: Application,
        *,
        routes: AllowedRoutes,
        hosts: HostPolicy,
        is_space: bool,
        page_version: str = "",
        may_see_media: Callable[[Scope], bool] | None = None,
    ) -> None:
        self._app = app
        self._may_see_media = may_see_media
        self._routes = routes
        self._hosts = hosts
        self._page_version = page_version
        self._headers = _security_headers(is_space=is_space)
        self._login = LoginThrottle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on with its body counted and its answer secured."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "Not served"})
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _secured(list(message.get("headers", [])), self._headers)
            await send(message)

        if await self._refuse(scope, send_secured):
            return
        if scope["method"] not in READ:
            scope["headers"] = as_the_browser_sees_it(list(scope["headers"]))
        path = route_path(scope)
        body = CountedBody(scope, receive, send_secured, limit=body_limit(path))
        if await body.refuse_what_is_announced():
            return
        if path.rstrip("/") == "/login":
            await self._guess(scope, body)
            return
        await self._hand_on(scope, body, body.send)

    async def _refuse(self, scope: Scope, send: Send) -> bool:
        """Answer what is not for this app; tell whether that was so."""
        hosts = header_values(scope, b"host")
        if not self._hosts.answers_for(hosts):
            await _refuse_host(scope, send, hosts)
            return True
        refusal = self._refusal(scope, hosts) or _keep_one_range(scope)
        if refusal is not None:
            await refuse(send, *refusal)
        return refusal is not None

    def _refusal(self, scope: Scope, hosts: list[str]) -> Refusal | None:
        path = route_path(scope)
        if len(scope["query_string"]) > LONGEST_QUERY:
            return 414, "This address is too long."
        if sum(map(len, header_values(scope, b"cookie"))) > LARGEST_COOKIES:
            return 431, "The cookies are too large. Clear this site's cookies."
        if not self._routes.allows(scope["method"], path, scope["query_string"]):
            return 404, "Not found"
        if scope["method"] not in READ:
            return self._wrong_page(scope, hosts)
        if path.startswith(MEDIA) and self._may_see_media and not self._may_see_media(scope):
            return 401, "Log in first."
        return None

    def _wrong_page(self, scope: Scope, hosts: list[str]) -> Refusal | None:
        if not self._is_own_page(scope, hosts):
            return 403, FOREIGN_PAGE
        told = header(scope, PAGE_VERSION_HEADER)
        # A program tells none.
        return None if told in {None, self._page_version} else (409, OTHER_VERSION)

    def _is_own_page(self, scope: Scope, hosts: list[str]) -> bool:
        return self._hosts.is_own_page(
            fetch_sites=header_values(scope, b"sec-fetch-site"),
            origins=header_values(scope, b"origin"),
            hosts=hosts,
        )

    async def _hand_on(self, scope: Scope, body: CountedBody, send: Send) -> None:
        try:
            await self._app(scope, body.receive, send)
        except Exception as exc:
            if isinstance(exc, RuntimeError) and isinstance(exc.__cause__, HTTPException):
                # Starlette's words for one raised in a stream, which has told it: end the stream.
                await send({"type": "http.response.body", "body": b""})
                return
            # What a route raises when its body ends early is no news.
            if not body.is_refused:
                raise
            await body.finish()

    async def _guess(self, scope: Scope, body: CountedBody) -> None:
        caller = scope[SCOPE_KEY].address_caller

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _GUESSES:
                self._login.note(caller, is_right=_GUESSES[message["status"]])
            await body.send(message)

        try:
            async with self._login.turn(caller):
                await self._hand_on(scope, body, send_noted)
        except TooManyGuessesError:
            await refuse(body.send, 429, TOO_MANY_GUESSES, headers=[(b"retry-after", b"60")])


async def _refuse_host(scope: Scope, send: Send, hosts: list[str]) -> None:
    if scope["method"] in READ and "text/html" in (header(scope, b"accept") or ""):
        page = unknown_host_page(hosts)
        await respond(send, 421, page, content_type="text/html; charset=utf-8")
        return
    await refuse(send, 421, unknown_host_message(hosts))


def _keep_one_range(scope: Scope) -> Refusal | None:
    """Refuse a malformed Range; keep the first one of several."""
    asked = header_values(scope, b"range")
    if not asked:
        return None
    wanted = one_range(asked[0])
    if wanted is None:
        return 416, "This range of bytes can't be read."
    others = [(name, value) for name, value in scope["headers"] if name != b"range"]
    scope["headers"] = [*others, (b"range", wanted.encode())]
    return None


def one_range(value: str) -> str | None:
    """Return the first range of a Range header, None where it is malformed or empty.

    Gradio answers 500 to several; an answer may hold fewer ranges than were asked for.
    """
    first = value.partition(",")[0].replace(" ", "").lower()
    if not _PLAIN_RANGE.fullmatch(first):
        return None
    start, _, end = first.removeprefix("bytes=").partition("-")
    return None if start and end and int(start) > int(end) else first


def _security_headers(*, is_space: bool) -> HeaderList:
    """Return what each answer gets: who may frame it, no guessed types, no addresses told."""
    ancestors = f"'self' {SPACES_SITE}" if is_space else "'self'"
    return [
        (b"content-security-policy", f"frame-ancestors {ancestors}".encode()),
        (b"x-content-type-options", b"nosniff"),
        # An address holds the id of a generation, and whoever has an id may look.
        (b"referrer-policy", b"same-origin"),
    ]


def _secured(headers: HeaderList, added: HeaderList) -> HeaderList:
    """Return `headers` with `added` in place of the same names, and without any CORS."""
    replaced = {name for name, _ in added}
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in replaced and not name.lower().startswith(b"access-control-")
    ]
    return [*kept, *added]
