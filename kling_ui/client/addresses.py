"""What a web address is, and what its host may be for a download: public, here, or private."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

IPAddress = IPv4Address | IPv6Address

FAKE_V4 = IPv4Network("198.18.0.0/15")
"""What a VPN in fake-IP mode answers for every name; it is routed nowhere else."""

_FAKE_V6 = IPv6Network("fc00::/18")
"""What sing-box answers beside an address of `FAKE_V4`."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_PRIVATE_ZONES = frozenset(
    {"localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan"}
    | {"arpa", "onion"}
)


_MAX_PORT = 65_535


def web_url(text: str, *, came_from: httpx.URL | None = None) -> httpx.URL | None:
    """Return the http or https address that `text` is; None where no request could go to it.

    `came_from` is what a relative one is relative to. httpx itself takes ports beyond 65535 and
    names that are no IDNA, and then fails with errors of other libraries.
    """
    try:
        url = came_from.join(text) if came_from else httpx.URL(text)
        has_host = bool(url.host)
    except (httpx.InvalidURL, ValueError):  # UnicodeError, a ValueError: a name like `xn--a`
        return None
    is_usable = url.scheme in ("http", "https") and (url.port or 0) <= _MAX_PORT
    return url if has_host and is_usable else None


def is_loopback_host(host: str) -> bool:
    """Tell whether `host` is this machine by its very name: localhost, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_literal(host: str) -> bool:
    """Tell whether `host` is an address, in any form that a resolver takes for one (`127.1`)."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    return ":" in host or last.isdigit() or last.startswith("0x")


def is_private_name(host: str) -> bool:
    """Tell whether the name `host` is one that only a private network can know."""
    labels = host.lower().rstrip(".").split(".")
    return len(labels) == 1 or labels[-1] in _PRIVATE_ZONES


def is_allowed(address: IPAddress, *, loopback_allowed: bool) -> bool:
    """Tell whether a download may connect to `address`: it is public, or permitted loopback."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return loopback_allowed
    if isinstance(address, IPv6Address):
        return _is_public_v6(address)
    return _is_public_v4(address)


def is_public_literal(host: str) -> bool:
    """Tell whether `host` is a public address, written the one usual way."""
    try:
        return is_allowed(ip_address(host), loopback_allowed=False)
    except ValueError:
        return False


def fake_addresses(addresses: list[str]) -> list[str]:
    """Return the IPv4 ones of `addresses` where a VPN in fake-IP mode made up all of them."""
    found = [ip_address(address) for address in addresses]
    fake_v4 = [str(address) for address in found if address in FAKE_V4]
    is_all_fake = all(address in FAKE_V4 or address in _FAKE_V6 for address in found)
    return fake_v4 if is_all_fake else []


def _is_public_v4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_public_v6(address: IPv6Address) -> bool:
    if address in _NAT64:
        return _is_public_v4(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.sixtofour:
        return _is_public_v4(address.sixtofour)
    return address in _GLOBAL_UNICAST and address.is_global and address.teredo is None
