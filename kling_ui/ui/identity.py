"""Who sent a request: the visitor whose generations these are, and the caller whom limits count.

On a shared host a visitor is a random id in a cookie that the server sets, or, where cookies are
refused, an id made from the visit. Elsewhere everybody is the one owner of this machine.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from kling_ui.ui.asgi import Application, Message, Receive, Scope, Send, header

COOKIE = "kling_ui_visitor"
LOCAL = "local"
"""The owner of everything where visitors are not kept apart."""

SCOPE_KEY = "kling_ui.identity"
COOKIE_SECONDS = 365 * 24 * 3600
SHORTEST_SESSION_HASH = 8
"""Gradio's page makes about 11 random characters; a word that a program chose is no secret."""

LONGEST_SESSION_HASH = 64
_caller: ContextVar[str] = ContextVar("kling_ui_caller", default="unknown")
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a request says about its sender. `address` is an IP address, or empty if unknown.

    `cookie_id` is the visitor's id of 32 hex digits, or None without a valid cookie.
    """

    cookie_id: str | None
    address: str
    is_shared_host: bool
    visit_key: bytes = field(repr=False)

    def owner(self, session_hash: str | None) -> str | None:
        """Return whose generations this request may list and change; None is nobody."""
        if not self.is_shared_host:
            return LOCAL
        if self.cookie_id is not None:
            return self.cookie_id
        if session_hash is None or not (
            SHORTEST_SESSION_HASH <= len(session_hash) <= LONGEST_SESSION_HASH
        ):
            return None
        visit = hmac.new(self.visit_key, session_hash.encode("utf-8", "replace"), hashlib.sha256)
        return visit.hexdigest()[:32]

    @property
    def caller(self) -> str:
        """Return whom limits count: the browser's cookie, else the address."""
        return f"cookie {self.cookie_id}" if self.cookie_id else self.address_caller

    @property
    def address_caller(self) -> str:
        """Return whom limits count that a new cookie must not lift."""
        return f"address {_network(self.address)}"


def owner_of(request: Any) -> str | None:
    """Return the owner id of a `gr.Request`'s visitor: "local" off a shared host, None for nobody.

    Whoever came past the middleware below, or without a request, is nobody.
    """
    identity = _identity_of(request)
    return None if identity is None else identity.owner(request.session_hash)


def caller_of(request: Any) -> str:
    """Return whom limits count for a `gr.Request`: its cookie, else its address."""
    identity = _identity_of(request)
    return "unknown" if identity is None else identity.caller


def address_of(request: Any) -> str:
    """Return whom limits count for a `gr.Request` that a new cookie must not lift."""
    identity = _identity_of(request)
    return "unknown" if identity is None else identity.address_caller


def current_caller() -> str:
    """Return whom limits count for the request that this task answers."""
    return _caller.get()


class IdentityMiddleware:
    """ASGI middleware: notes each request's identity, and sets the cookie with each page.

    `is_space` tells that Hugging Face's proxy stands before the app: the last address it
    appends to X-Forwarded-For is the visitor's, and the page is shown in a frame of its site.
    """

    def __init__(self, app: Application, *, is_shared_host: bool, is_space: bool) -> None:
        self._app = app
        self._is_shared_host = is_shared_host
        self._is_space = is_space
        self._visit_key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note who is asking and hand the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = self._identity(scope)
        scope[SCOPE_KEY] = identity
        _caller.set(identity.caller)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                cookie = self._cookie(scope, identity.cookie_id or secrets.token_hex(16))
                message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        await self._app(scope, receive, send_with_cookie)

    def _identity(self, scope: Scope) -> Identity:
        return Identity(
            cookie_id=_visitor_cookie(header(scope, b"cookie")),
            address=self._address(scope),
            is_shared_host=self._is_shared_host,
            visit_key=self._visit_key,
        )

    def _address(self, scope: Scope) -> str:
        forwarded = header(scope, b"x-forwarded-for") if self._is_space else None
        if forwarded:
            return forwarded.rsplit(",", 1)[-1].strip()
        client = scope.get("client")
        return str(client[0]) if client else ""

    def _cookie(self, scope: Scope, value: str) -> str:
        # By hand: http.cookies knows `Partitioned` only from Python 3.14 on.
        cookie = f"{COOKIE}={value}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly"
        is_framed = header(scope, b"sec-fetch-dest") in {"iframe", "frame"}
        is_https = _is_https(scope)
        if is_framed or (self._is_space and is_https):
            return f"{cookie}; SameSite=None; Secure; Partitioned"
        return f"{cookie}; SameSite=Lax{'; Secure' if is_https else ''}"


def _identity_of(request: Any) -> Identity | None:
    http_request = getattr(request, "request", None)
    found = None if http_request is None else http_request.scope.get(SCOPE_KEY)
    return found if isinstance(found, Identity) else None


def _visitor_cookie(cookies: str | None) -> str | None:
    # By hand: http.cookies drops every cookie after one that it finds malformed.
    for pair in (cookies or "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE and _ID.fullmatch(value):
            return value
    return None


def _is_page(message: Message) -> bool:
    if message["status"] != HTTPStatus.OK:
        return False
    return any(
        name == b"content-type" and value.startswith(b"text/html")
        for name, value in message["headers"]
    )


def _is_https(scope: Scope) -> bool:
    forwarded = header(scope, b"x-forwarded-proto") or ""
    return "https" in {scope.get("scheme"), forwarded.split(",", 1)[0].strip().lower()}


def _network(address: str) -> str:
    """Return an IPv4 address as it is, and the /64 that one subscriber has of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 4:  # noqa: PLR2004  the protocol's version
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
