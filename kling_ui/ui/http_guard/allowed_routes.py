"""Which routes are served: those that the page and the API's clients use, and no others.

Gradio mounts about sixty. Some run FFmpeg for the caller, fetch for him, or keep what others
typed; the ones below were found by watching Chromium, gradio_client and plain HTTP calls.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

READ = frozenset({"GET", "HEAD"})
WRITE = frozenset({"POST"})
LONGEST_NAME = 64
"""Of what a caller chooses: a session hash, an event id."""

_NAME = rf"[\w.:-]{{1,{LONGEST_NAME}}}"
_FILE = r"(?:/[^/\\\x00-\x1f\x7f]+)+"
_FILE_PREFIX = "/gradio_api/file="
_SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]+:", re.IGNORECASE)
"""A protocol; one letter and a colon is a drive of Windows."""

_TABLE: tuple[tuple[frozenset[str], str], ...] = (
    (READ, r"/?"),
    (READ, r"/config/?"),
    (READ, r"/favicon\.ico"),
    (READ, r"/robots\.txt"),
    (READ, r"/(?:gradio_api/)?theme\.css"),
    (READ, rf"/assets{_FILE}"),
    (READ, rf"/static{_FILE}"),
    (READ, rf"/media{_FILE}"),
    (READ, r"/gradio_api/info/?"),
    (READ, r"/gradio_api/app_id/?"),
    (READ, r"/gradio_api/startup-events"),
    (READ, r"/gradio_api/queue/data"),
    (READ, r"/gradio_api/upload_progress"),
    (READ, rf"/gradio_api/heartbeat/{_NAME}"),
    (READ, rf"{_FILE_PREFIX}(?:[A-Za-z]:)?/?[^/\\\x00-\x1f\x7f]+(?:{_FILE})?"),
    (WRITE, r"/gradio_api/queue/join"),
    (WRITE, r"/gradio_api/run/predict"),
    (WRITE, r"/gradio_api/upload"),
    (WRITE, r"/gradio_api/cancel"),
    (WRITE, r"/gradio_api/reset/?"),
)
_LOGIN: tuple[tuple[frozenset[str], str], ...] = (
    (WRITE, r"/login/?"),
    (READ, r"/logout"),
)


@dataclass(frozen=True, slots=True)
class AllowedRoutes:
    """The list as a rule; made by `allowed_routes`."""

    patterns: Mapping[str, re.Pattern[str]]
    """Of each method, all that is open in one."""

    def allows(self, method: str, path: str, query: bytes = b"") -> bool:
        """Tell whether a request may go on; `path` is decoded once, as the routes see it."""
        pattern = self.patterns.get(method)
        if pattern is None or _climbs(path) or not pattern.fullmatch(path):
            return False
        if path.startswith(_FILE_PREFIX):
            return not _names_a_protocol(path.removeprefix(_FILE_PREFIX))
        return not _asks_for_a_deep_link(query)


def allowed_routes(api_names: frozenset[str], *, has_login: bool) -> AllowedRoutes:
    """Return the list for an app with these public API names, and with a login or without."""
    names = "|".join(re.escape(name) for name in sorted(api_names)) or r"(?!)"
    calls = (
        (WRITE, rf"/gradio_api/call/(?:v2/)?(?:{names})/?"),
        (READ, rf"/gradio_api/call/(?:v2/)?(?:{names})/{_NAME}"),
    )
    table = (*_TABLE, *calls, *(_LOGIN if has_login else ()))
    return AllowedRoutes(
        {
            method: re.compile(
                "|".join(f"(?:{pattern})" for methods, pattern in table if method in methods),
                re.ASCII,
            )
            for method in READ | WRITE
        }
    )


def _climbs(path: str) -> bool:
    return not {".", ".."}.isdisjoint(path.split("/"))


def _names_a_protocol(name: str) -> bool:
    while (decoded := unquote(name)) != name:
        name = decoded
    return _SCHEME.match(name) is not None


def _asks_for_a_deep_link(query: bytes) -> bool:
    if b"link" not in query and b"%" not in query:
        return False
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return any(key == "deep_link" for key, _ in pairs)
