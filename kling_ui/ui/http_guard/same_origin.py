"""Which hosts the app answers for, and which requests come from its own page.

A page of another site can make a browser send requests here, and by DNS rebinding even as if
they were its own. Browsers tell where a request comes from in headers that no page can forge;
X-Forwarded-* can be forged by a page, so they decide nothing.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from kling_ui.ui.asgi import HeaderList

ANY = "*"
LOCALHOST = "localhost"
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST_NAME = 253
_LONGEST_SHOWN = 100
_TOLD_BY_PROXIES = {b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server"}
_PORT = re.compile(r"(?::[0-9]{0,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPolicy:
    """`names` are answered for besides IP literals and localhost; `answers_any` for every name."""

    names: frozenset[str]
    answers_any: bool

    def answers_for(self, hosts: Sequence[str]) -> bool:
        """Tell whether a request with these Host headers is meant for this app."""
        if len(hosts) != 1:
            return False
        name = host_name(hosts[0])
        if name is None:
            return False
        return self.answers_any or name == LOCALHOST or name in self.names or _is_ip_literal(name)

    def is_own_page(
        self, *, fetch_sites: Sequence[str], origins: Sequence[str], hosts: Sequence[str]
    ) -> bool:
        """Tell whether a POST was sent by the app's own page, or by a program.

        The arguments are all values of Sec-Fetch-Site, Origin and Host. Browsers leave the
        first one out over plain http beyond localhost.
        """
        if fetch_sites:
            return set(fetch_sites) == {"same-origin"}
        if not origins:
            return True
        ours = {host_name(host) for host in hosts} - {None} | self.names
        return all(_origin_name(origin) in ours for origin in origins)


def host_policy(
    *, configured: Iterable[str], machine: Iterable[str] = (), answers_any: bool
) -> HostPolicy:
    """Return the policy for KLING_UI_HOSTS and SPACE_HOST, and this machine's own names."""
    configured = [word.strip() for entry in configured for word in entry.split(",")]
    names = {_configured_name(entry) for entry in (*configured, *machine)} - {None}
    return HostPolicy(
        names=frozenset(name for name in names if name),
        answers_any=answers_any or ANY in configured,
    )


def as_the_browser_sees_it(headers: HeaderList) -> HeaderList:
    """Return the headers of an own page's POST with the host and scheme of its Origin.

    Gradio makes the addresses of files from Host and X-Forwarded-*, where proxies drop the port
    or name themselves; the browser's own word is right behind any number of them.
    """
    origins = [value for name, value in headers if name == b"origin"]
    scheme, separator, host = origins[0].partition(b"://") if len(origins) == 1 else (b"",) * 3
    if not separator:
        return headers
    kept = [(name, value) for name, value in headers if name not in _TOLD_BY_PROXIES]
    return [*kept, (b"host", host), (b"x-forwarded-proto", scheme)]


def unknown_host_message(hosts: list[str]) -> str:
    """Return what to set so that the app answers for this Host header."""
    name = hosts[0][:_LONGEST_SHOWN] if len(hosts) == 1 else ""
    host = name.partition(":")[0] if name and not name.startswith("[") else "the name you use"
    return (
        f"Kling UI does not answer for the host {name!r}. If this name is yours, set "
        f"KLING_UI_HOSTS={host} (a comma list) where the app runs, and restart it. "
        "Nothing was sent, nothing was spent."
    )


def unknown_host_page(hosts: list[str]) -> bytes:
    """Return that as a page."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>Kling UI: unknown host</title>"
        '<body style="font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem">'
        f"<h1>Unknown host</h1><p>{escape(unknown_host_message(hosts))}</p>"
    ).encode()


def machine_names(hostname: str) -> tuple[str, ...]:
    """Return the names under which others in the network may know this machine."""
    short = hostname.partition(".")[0]
    return (hostname, short, f"{short}.local")


def host_name(host: str) -> str | None:
    """Return the name in a Host header: lower case, no port, no trailing dot; None if malformed."""
    text = host.lower()
    if text.startswith("["):
        literal, bracket, port = text[1:].partition("]")
        return literal if bracket and _is_ip_literal(literal) and _PORT.fullmatch(port) else None
    name, colon, port = text.partition(":")
    name = name.removesuffix(".")
    if not _PORT.fullmatch(colon + port) or len(name) > _LONGEST_NAME:
        return None
    return name if _NAME.fullmatch(name) else None


def _origin_name(origin: str) -> str | None:
    scheme, separator, host = origin.partition("://")
    return host_name(host) if separator and scheme.lower() in {"http", "https"} else None


def _configured_name(entry: str) -> str | None:
    """Return the name that an entry means; people paste whole addresses, and Unicode names."""
    host = urlsplit(entry).netloc if "://" in entry else entry
    try:
        return host_name(host) or host_name(host.encode("idna").decode("ascii"))
    except UnicodeError:
        return None


def _is_ip_literal(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
