"""Which addresses a download may connect to, and a transport that connects to no other.

A result's link comes from outside, so it could point into our own network. The name is resolved
once, every address it has is checked, and the connection goes to a checked address itself: there
is no second look-up that could answer differently.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

from kling_ui.client.errors import DownloadError

IPAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Turns a host name and a port into numeric addresses, best first; raises OSError."""

_MAX_TRIED = 4
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def is_loopback_host(host: str) -> bool:
    """Tell whether `host` is this machine by its very name: localhost, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_allowed(address: IPAddress, *, loopback_allowed: bool) -> bool:
    """Tell whether a download may connect to `address`: it is public, or permitted loopback."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return loopback_allowed
    if isinstance(address, IPv6Address):
        return _is_public_v6(address)
    return _is_public_v4(address)


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver for the addresses of `host`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects each request to an address it has checked; `loopback_allowed` is for simulators.

    Raises DownloadError: "refused_address" or, where the name has no address, "network".
    `inner` must keep no connection for reuse: its pool knows addresses, not names, and would
    hand a connection made and certified for one name to another on the same address.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        *,
        loopback_allowed: bool,
        resolve_seconds: float,
        resolve: Resolve = resolve,
    ) -> None:
        self._inner = inner
        self._loopback_allowed = loopback_allowed
        self._resolve_seconds = resolve_seconds
        self._resolve = resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the first of its host's checked addresses that takes it."""
        addresses = await self._checked(request.url)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_readdressed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_readdressed(request, addresses[-1]))

    async def aclose(self) -> None:
        """Close what `inner` holds open."""
        await self._inner.aclose()

    async def _checked(self, url: httpx.URL) -> list[str]:
        host = url.raw_host.decode("ascii")
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(self._resolve_seconds):
                addresses = await self._resolve(host, port)
        except (OSError, ValueError):  # UnicodeError, a ValueError: a label is too long
            addresses = []
        if not addresses:
            raise DownloadError(
                f"No address was found for the video's host {url.host}.",
                reason="network",
                may_retry=True,
            )
        if not all(self._allows(address) for address in addresses):
            raise DownloadError(
                f"The video's link points to {url.host}, which is not a public address, "
                "so it was not fetched.",
                reason="refused_address",
            )
        return addresses[:_MAX_TRIED]

    def _allows(self, address: str) -> bool:
        return is_allowed(ip_address(address), loopback_allowed=self._loopback_allowed)


def _readdressed(request: httpx.Request, address: str) -> httpx.Request:
    """Return `request` for `address`; Host header and certificate still are the name's."""
    name = request.url.raw_host.decode("ascii")
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name},
    )


def _is_public_v4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_public_v6(address: IPv6Address) -> bool:
    if address in _NAT64:
        return _is_public_v4(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour:
        return _is_public_v4(address.sixtofour)
    return address in _GLOBAL_UNICAST and address.is_global and address.teredo is None
