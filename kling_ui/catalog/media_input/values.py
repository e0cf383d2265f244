"""Values that are already a URL or a data URI: checked, never mended and never fetched."""

import binascii
import ipaddress
import re
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from kling_ui.catalog.media_input.kinds import (
    PICTURE,
    SOUND,
    VIDEO,
    Kind,
    PictureLimits,
    Sort,
    UnusableMediaError,
    check_bytes,
)
from kling_ui.catalog.media_input.pictures import checked_picture
from kling_ui.catalog.media_input.recordings import format_of

MAX_URL_CHARACTERS = 2048

_SORTS = {"image": PICTURE, "audio": SOUND, "video": VIDEO}
_DATA_URI = re.compile(r"data:([\w.+-]{1,40}/[\w.+-]{1,60});base64,", re.ASCII | re.IGNORECASE)
_HOST = re.compile(r"[\w.:-]+", re.ASCII)
_LOCAL_NAMES = (".localhost", ".local", ".internal")


def check_media(value: object, kind: Kind, limits: PictureLimits | None) -> str:
    """Return `value`, a public http(s) URL or a data URI of that kind, unchanged.

    Raises UnusableMediaError. A URL is not fetched; a data URI is decoded and looked into.
    """
    sort = _SORTS[kind]
    if not isinstance(value, str):
        raise UnusableMediaError(f"This is not text. {_what_to_send(sort)}")
    scheme = value[:8].lower()
    if scheme.startswith(("http:", "https:")):
        _check_url(value)
    elif scheme.startswith("data:"):
        _check_data_uri(value, sort, limits or PictureLimits())
    else:
        raise UnusableMediaError(f"This is neither a URL nor a data URI. {_what_to_send(sort)}")
    return value


def canonical_type(uri: str, kind: Kind) -> str:
    """Return the media type that we send for a checked data URI: `image/jpg` is image/jpeg."""
    sort = _SORTS[kind]
    said = uri[len("data:") : uri.index(";")].lower()
    return sort.media_type(sort.types[said])


def _what_to_send(sort: Sort) -> str:
    example = f"data:{next(iter(sort.types))};base64,…"
    return f"Send the {sort.noun} as a public http(s) URL or as a data URI ({example})."


def _check_data_uri(uri: str, sort: Sort, limits: PictureLimits) -> None:
    header = _DATA_URI.match(uri)
    if header is None:
        raise UnusableMediaError(f"The data URI has no proper beginning. {_what_to_send(sort)}")
    media_type = header[1].lower()
    if media_type not in sort.types:
        raise UnusableMediaError(
            f"The data URI says {media_type}, but a {sort.noun} has to be {sort.formats}."
        )
    most = limits.max_bytes if sort is PICTURE else sort.max_bytes
    count = (len(uri) - header.end()) * 3 // 4 - uri[-2:].count("=")
    check_bytes(count, most, sort)
    try:
        data = binascii.a2b_base64(uri[header.end() :], strict_mode=True)
    except ValueError as exc:
        raise UnusableMediaError(
            "The data URI is not proper base64. Encode the file anew."
        ) from exc
    found = checked_picture(data, limits) if sort is PICTURE else format_of(data, sort)
    # MP4 and MOV are one family, and browsers name them by the file's ending.
    if found.replace("MOV", "MP4") != sort.types[media_type].replace("MOV", "MP4"):
        raise UnusableMediaError(
            f"The data URI says {media_type}, but the {sort.noun} is {found}. Say what it is."
        )


def _check_url(url: str) -> None:
    if len(url) > MAX_URL_CHARACTERS:
        raise UnusableMediaError(
            f"The URL has {len(url)} characters; at most {MAX_URL_CHARACTERS} can be sent."
        )
    if " " in url or "\\" in url or not url.isprintable():
        raise UnusableMediaError("The URL has spaces, backslashes or control characters in it.")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        is_proper = _HOST.fullmatch(host) is not None and parts.port != 0
    except ValueError as exc:
        raise UnusableMediaError("The URL has no proper host. Check how it is written.") from exc
    if not is_proper:
        raise UnusableMediaError("The URL has no proper host. Check how it is written.")
    if "@" in parts.netloc:
        raise UnusableMediaError("The URL has a user name or password in it. Use one without.")
    if not _may_be_public(host):
        raise UnusableMediaError(
            f"The provider can't reach {host}. Use a public URL, or send the file itself."
        )


def _may_be_public(host: str) -> bool:
    with suppress(ValueError):
        return _is_public(ipaddress.ip_address(host))
    with suppress(OSError):  # the old short, octal and hexadecimal forms
        return _is_public(ipaddress.ip_address(socket.inet_aton(host)))
    name = host.rstrip(".")
    return "." in name and not name.endswith(_LOCAL_NAMES)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return _is_public(address.ipv4_mapped)
    return address.is_global and not address.is_multicast
