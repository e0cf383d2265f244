"""The machine's way out: which proxy an address goes through, and which certificates count.

Proxies are read from where httpx reads them, but a value that httpx would choke on is told in a
sentence, and only where it is used. Addresses of this machine never go through a proxy.
"""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.request import getproxies

import httpx

from kling_ui.client.addresses import is_loopback_host
from kling_ui.client.connection_errors import (
    ProxyFailedError,
    is_certificate_failure,
    is_tls_failure,
    proxy_answer_words,
    proxy_words,
)

_SOCKS = ("socks5", "socks5h")
_ANY = "*"
_HASHED_CERTIFICATE = re.compile(r"[0-9a-f]{8}\.\d+")
_PROXY_AUTHENTICATION = 407


class NetworkSettingError(ValueError):
    """A proxy or certificate setting can't be used; the message names it, never its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One proxy setting as it was found, unchecked."""

    setting: str
    url: str = field(repr=False)

    def checked(self, certificates: ssl.SSLContext) -> httpx.Proxy:
        """Return what httpx takes; raise NetworkSettingError."""
        text = self.url if "://" in self.url else f"http://{self.url}"
        # GNOME writes socks:// and means version 5.
        text = re.sub(r"^socks://", "socks5://", text, flags=re.IGNORECASE)
        try:
            url = httpx.URL(text)
            is_usable = url.scheme in ("http", "https", *_SOCKS) and bool(url.host)
        except httpx.InvalidURL:
            is_usable = False
        if not is_usable:
            raise NetworkSettingError(
                f"{self.setting} is not the address of a proxy this app can use: it must look "
                "like http://host:port, https://host:port or socks5://host:port. Correct or "
                "unset it."
            )
        if url.scheme in _SOCKS and find_spec("socksio") is None:
            raise NetworkSettingError(
                f"{self.setting} names a SOCKS proxy, and the package that speaks SOCKS is "
                "missing. Install it (pip install socksio), or unset the setting."
            )
        return httpx.Proxy(url, ssl_context=certificates if url.scheme == "https" else None)


@dataclass(frozen=True, slots=True)
class NoProxyEntry:
    """What one entry of NO_PROXY covers: a name and what lies below it, a network, or all (`*`)."""

    name: str
    port: int | None
    network: IPv4Network | IPv6Network | None

    @classmethod
    def parse(cls, text: str) -> "NoProxyEntry":
        """Read an entry; one that makes no sense covers nothing."""
        if text == _ANY:
            return cls(_ANY, None, None)
        text = text.lower().rpartition("://")[2]
        network = _network(text)
        if network:
            return cls("", None, network)
        host, colon, port = text.rpartition(":")
        if not (colon and port.isascii() and port.isdigit()):
            host, port = text, ""
        return cls(host.removeprefix("*"), int(port) if port else None, _network(host))

    def covers(self, url: httpx.URL) -> bool:
        """Tell whether `url` goes without a proxy."""
        if self.name == _ANY:
            return True
        if self.port not in (None, url.port or {"http": 80, "https": 443}.get(url.scheme)):
            return False
        host = url.host.lower().rstrip(".")
        if self.network:
            address = _network(host)
            return address is not None and address.network_address in self.network
        if self.name.startswith("."):
            return host.endswith(self.name)
        return self.name != "" and (host == self.name or host.endswith(f".{self.name}"))


def parse_no_proxy(text: str) -> tuple[NoProxyEntry, ...]:
    """Read a NO_PROXY list, parted by commas or blanks."""
    return tuple(NoProxyEntry.parse(word) for word in re.split(r"[,;\s]+", text) if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The proxies for http and https addresses, and what goes without them."""

    by_scheme: Mapping[str, Proxy] = field(default_factory=dict)
    no_proxy: tuple[NoProxyEntry, ...] = ()

    @classmethod
    def read(cls, found: Mapping[str, str]) -> "Proxies":
        """Read what `urllib.request.getproxies` returns; nothing is checked yet."""
        by_scheme = {}
        for scheme in ("http", "https"):
            name = scheme if found.get(scheme, "").strip() else "all"
            url = found.get(name, "").strip()
            if url:
                by_scheme[scheme] = Proxy(setting=f"{name.upper()}_PROXY", url=url)
        return cls(by_scheme=by_scheme, no_proxy=parse_no_proxy(found.get("no", "")))

    def for_url(self, url: httpx.URL) -> Proxy | None:
        """Return the proxy that `url` goes through, None where it is connected to directly."""
        if is_loopback_host(url.host) or any(entry.covers(url) for entry in self.no_proxy):
            return None
        return self.by_scheme.get(url.scheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The proxies of this machine and the certificates it trusts."""

    proxies: Proxies = field(default_factory=Proxies)
    certificates: ssl.SSLContext

    @classmethod
    def from_environment(cls, *, certificate_folders: str | None = None) -> "Network":
        """Read the proxy and certificate settings; raise NetworkSettingError.

        Of the proxies only the one for https is checked: that is where films come from.
        `certificate_folders` is SSL_CERT_DIR, whose folders OpenSSL reads too late to complain.
        """
        network = cls(proxies=Proxies.read(getproxies()), certificates=_certificates())
        is_read_later = network.certificates.cert_store_stats()["x509_ca"] == 0
        if is_read_later and certificate_folders is not None:
            _check_folders(certificate_folders)
        proxy = network.proxies.by_scheme.get("https")
        if proxy and all(entry.name != _ANY for entry in network.proxies.no_proxy):
            proxy.checked(network.certificates)
        return network

    @classmethod
    def loopback_only(cls) -> "Network":
        """Return a network without proxies, whatever the environment says."""
        return cls(certificates=httpx.create_ssl_context(trust_env=False))

    def transport(self, proxy: Proxy | None, limits: httpx.Limits) -> httpx.AsyncBaseTransport:
        """Return a transport through `proxy`, or without one; raise NetworkSettingError."""
        checked = proxy.checked(self.certificates) if proxy else None
        transport = httpx.AsyncHTTPTransport(
            verify=self.certificates, limits=limits, proxy=checked, trust_env=False
        )
        if proxy is None or checked is None:
            return transport
        address = httpx.URL(checked.url)
        port = f":{address.port}" if address.port else ""
        name = f"{proxy.setting} ({address.host}{port})"
        return _ProxyTransport(transport, name, speaks_tls=address.scheme == "https")


class _ProxyTransport(httpx.AsyncBaseTransport):
    """Sends through one proxy; where that one fails, the exception says so and names it."""

    def __init__(self, inner: httpx.AsyncBaseTransport, proxy: str, *, speaks_tls: bool) -> None:
        self._inner = inner
        self._proxy = proxy
        self._speaks_tls = speaks_tls

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as exc:
            if is_certificate_failure(exc) or (is_tls_failure(exc) and not self._speaks_tls):
                raise  # of the host behind the proxy
            failure = ProxyFailedError(proxy_words(self._proxy, exc))
        else:
            if response.status_code != _PROXY_AUTHENTICATION:
                return response
            await response.aclose()
            failure = ProxyFailedError(proxy_answer_words(self._proxy, response.status_code))
        raise failure  # here, since the exception handled above may hold the proxy's password

    async def aclose(self) -> None:
        await self._inner.aclose()


def _network(text: str) -> IPv4Network | IPv6Network | None:
    bare = re.sub(r"^\[([^]]*)\](/\d+)?$", r"\1\2", text)
    try:
        return ip_network(bare, strict=False)
    except ValueError:
        return None


def _certificates() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise NetworkSettingError(
            "SSL_CERT_FILE names a file that is not there or holds no certificates (PEM). "
            "Correct or unset it."
        ) from None


def _check_folders(folders: str) -> None:
    names = [name for folder in folders.split(os.pathsep) for name in _names(Path(folder))]
    if not any(map(_HASHED_CERTIFICATE.fullmatch, names)):
        raise NetworkSettingError(
            "SSL_CERT_DIR names no folder with certificates as `openssl rehash` lays them out. "
            "Correct or unset it."
        )


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []
