"""The transport of downloads: it connects to public addresses only, or asks the proxy to.

A result's link comes from outside, so it could point into our own network. Without a proxy the
name is resolved once, every address it has is checked, and the connection goes to a checked
address itself: there is no second look-up that could answer differently. A proxy resolves names
itself, so there only addresses and names that are private by their looks can be refused.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

import httpx

from kling_ui.client.addresses import (
    fake_addresses,
    is_allowed,
    is_literal,
    is_private_name,
    is_public_literal,
)
from kling_ui.client.errors import DownloadError, download_failure
from kling_ui.client.network import Network, NetworkSettingError, Proxy

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Turns a host name and a port into numeric addresses, best first; raises OSError."""

_MAX_TRIED = 4
_NO_REUSE = httpx.Limits(max_keepalive_connections=0)


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver for the addresses of `host`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class DownloadTransport(httpx.AsyncBaseTransport):
    """Takes the way that `network` names for each address: through a proxy, or `direct`."""

    def __init__(self, direct: httpx.AsyncBaseTransport, *, network: Network) -> None:
        self._direct = direct
        self._network = network
        self._proxied: dict[Proxy, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; raise DownloadError where its address must not be asked for."""
        proxy = self._network.proxies.for_url(request.url)
        if proxy is None:
            return await self._direct.handle_async_request(request)
        host = request.url.raw_host.decode("ascii")
        if not is_public_literal(host) and (is_literal(host) or is_private_name(host)):
            raise _not_public(request.url.host)
        return await self._through(proxy).handle_async_request(request)

    async def aclose(self) -> None:
        """Close what every way holds open."""
        for transport in (self._direct, *self._proxied.values()):
            await transport.aclose()

    def _through(self, proxy: Proxy) -> httpx.AsyncBaseTransport:
        if proxy not in self._proxied:
            try:
                self._proxied[proxy] = self._network.transport(proxy, _NO_REUSE)
            except NetworkSettingError as exc:
                raise download_failure("network", str(exc)) from None
        return self._proxied[proxy]


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects each request to an address it has checked; `loopback_allowed` is for simulators.

    `api_host` is where the API is: if a VPN in fake-IP mode makes up an address for it, then it
    does so for every name, and such an address is connected to. Raises DownloadError:
    "refused_address" or, where the name has no address, "network". `inner` must keep no
    connection for reuse: its pool knows addresses, not names, and would hand a connection made
    and certified for one name to another on the same address.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        *,
        loopback_allowed: bool,
        resolve_seconds: float,
        api_host: str = "",
        resolve: Resolve = resolve,
    ) -> None:
        self._inner = inner
        self._loopback_allowed = loopback_allowed
        self._resolve_seconds = resolve_seconds
        self._api_host = api_host
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
        addresses = await self._look_up(host, url.port or (443 if url.scheme == "https" else 80))
        if not addresses:
            raise download_failure(
                "network", f"No address was found for the video's host {url.host}."
            )
        made_up = [] if is_literal(host) else fake_addresses(addresses)
        if made_up and await self._is_api_faked():
            return made_up[:_MAX_TRIED]
        if not all(self._allows(address) for address in addresses):
            raise _not_public(url.host)
        return addresses[:_MAX_TRIED]

    async def _is_api_faked(self) -> bool:
        if not self._api_host or is_literal(self._api_host):
            return False
        return bool(fake_addresses(await self._look_up(self._api_host, 443)))

    async def _look_up(self, host: str, port: int) -> list[str]:
        try:
            async with asyncio.timeout(self._resolve_seconds):
                return await self._resolve(host, port)
        except (OSError, ValueError):  # UnicodeError, a ValueError: a label is too long
            return []

    def _allows(self, address: str) -> bool:
        return is_allowed(ip_address(address), loopback_allowed=self._loopback_allowed)


def _not_public(host: str) -> DownloadError:
    return download_failure(
        "refused_address",
        f"The video's link points to {host}, which is not a public address, so it was not fetched.",
    )


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
