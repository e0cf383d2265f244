"""Whose generations a request is about, and whom limits count."""

import re

import pytest

from kling_ui.ui.identity import COOKIE, IdentityMiddleware, caller_of, owner_of

ID = "0123456789abcdef" * 2
SESSION = "k3j4h5g6f7d"


class Request:
    """As much of a gr.Request as tells who sent it."""

    def __init__(self, scope, session_hash):
        self.request = type("HttpRequest", (), {"scope": scope})()
        self.session_hash = session_hash


class Door:
    """The middleware before an app that answers everything with a page."""

    def __init__(self, *, is_shared_host=True, is_space=False):
        self.seen = None
        self.middleware = IdentityMiddleware(
            self._app, is_shared_host=is_shared_host, is_space=is_space
        )

    async def _app(self, scope, receive, send):
        self.seen = scope
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, *, session_hash=None, scheme="http", client="192.0.2.7", **headers):
        """Send a request; return what an event would be given, and the cookie that was set."""
        sent = []

        async def send(message):
            sent.append(message)

        names = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "scheme": scheme,
            "client": (client, 1234),
            "headers": [(name, value.encode()) for name, value in names.items()],
        }
        await self.middleware(scope, None, send)
        return Request(self.seen, session_hash), dict(sent[0]["headers"])[b"set-cookie"].decode()


async def test_a_page_sets_a_random_cookie_that_names_the_visitor_from_then_on():
    door = Door()
    _, first = await door.ask()
    _, second = await door.ask()
    assert first != second
    cookie, *attributes = first.split("; ")
    assert re.fullmatch(f"{COOKIE}=[0-9a-f]{{32}}", cookie)
    assert set(attributes) == {"Path=/", "Max-Age=31536000", "HttpOnly", "SameSite=Lax"}
    request, again = await door.ask(cookie=cookie, session_hash=SESSION)
    assert f"{COOKIE}={owner_of(request)}" == cookie == again.split("; ")[0]


@pytest.mark.parametrize(
    ("is_space", "asked", "attributes"),
    [
        (False, {"scheme": "https"}, "SameSite=Lax; Secure"),
        (False, {"x_forwarded_proto": "https, http"}, "SameSite=Lax; Secure"),
        (False, {"sec_fetch_dest": "iframe"}, "SameSite=None; Secure; Partitioned"),
        (True, {"x_forwarded_proto": "https"}, "SameSite=None; Secure; Partitioned"),
        (True, {}, "SameSite=Lax"),
    ],
)
async def test_the_cookie_fits_where_the_page_is_shown(is_space, asked, attributes):
    _, cookie = await Door(is_space=is_space).ask(**asked)
    assert cookie.endswith(f"; HttpOnly; {attributes}")


@pytest.mark.parametrize(
    "value",
    ["", "null", "local", "0", ID.upper(), ID[:-1], ID + "0", f" {ID}x", "[]"],
)
async def test_a_cookie_that_is_no_id_is_ignored(value):
    request, _ = await Door().ask(cookie=f"{COOKIE}={value}")
    assert owner_of(request) is None
    assert caller_of(request) == "address 192.0.2.7"


async def test_a_malformed_cookie_of_another_app_hides_nothing():
    request, _ = await Door().ask(cookie=f'other={{"a": [1, "b"]}}; {COOKIE}={ID}; third')
    assert owner_of(request) == ID


async def test_without_a_cookie_a_visit_is_its_own_owner():
    door = Door()
    first, _ = await door.ask(session_hash=SESSION)
    again, _ = await door.ask(session_hash=SESSION, client="192.0.2.8")
    other, _ = await door.ask(session_hash=SESSION[::-1])
    assert owner_of(first) == owner_of(again)
    assert re.fullmatch("[0-9a-f]{32}", owner_of(first))
    assert owner_of(other) not in {None, owner_of(first)}
    assert SESSION not in owner_of(first)


@pytest.mark.parametrize("session_hash", [None, "", "test", "x" * 65])
async def test_a_visit_that_is_no_secret_is_nobody(session_hash):
    request, _ = await Door().ask(session_hash=session_hash)
    assert owner_of(request) is None


async def test_off_a_shared_host_everybody_is_the_one_owner():
    door = Door(is_shared_host=False)
    for more in ({}, {"cookie": f"{COOKIE}={ID}"}, {"session_hash": "test"}):
        request, _ = await door.ask(**more)
        assert owner_of(request) == "local"


def test_whoever_did_not_pass_the_door_is_nobody():
    assert owner_of(None) is None
    assert owner_of(Request({}, SESSION)) is None
    assert caller_of(None) == "unknown"


@pytest.mark.parametrize(
    ("is_space", "asked", "caller"),
    [
        (False, {"cookie": f"{COOKIE}={ID}"}, f"cookie {ID}"),
        (False, {"x_forwarded_for": "203.0.113.1"}, "address 192.0.2.7"),
        (True, {"x_forwarded_for": "203.0.113.1, 203.0.113.9"}, "address 203.0.113.9"),
        (True, {"x_forwarded_for": "x" * 5000}, "address " + "x" * 64),
        (False, {"client": "2001:db8:1:2:3:4:5:6"}, "address 2001:db8:1:2::"),
    ],
)
async def test_limits_count_the_cookie_or_the_address(is_space, asked, caller):
    request, _ = await Door(is_space=is_space).ask(**asked)
    assert caller_of(request) == caller
