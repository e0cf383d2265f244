"""Why a connection failed, in words for people: the certificate, the proxy, the name, the port.

httpx tells these apart only in the causes of its exceptions. No text of an exception is passed
on, since it may hold an address with a password; what is read is types, numbers and OpenSSL's
own reasons.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator

import httpx

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)
_X509_NOT_YET_VALID = 9
_X509_EXPIRED = 10
_X509_WRONG_NAME = (62, 64)
_AUTHENTICATION_REQUIRED = 407


class ProxyFailedError(httpx.ProxyError):
    """A proxy could not be reached or did not make the connection: nothing arrived behind it.

    The message is for people and names the setting and the proxy's host, without credentials.
    """


def describe(exc: BaseException) -> str | None:
    """Return a sentence on why `exc` came about, or None where its type says all there is."""
    if isinstance(exc, ProxyFailedError):
        return str(exc)
    host = _host(exc)
    for cause in causes(exc):
        words = _words(cause, host)
        if words:
            return words
    return None


def proxy_words(proxy: str, exc: httpx.TransportError) -> str:
    """Return what the failure of `proxy`, as its setting and host, means."""
    answered = re.match(r"\d{3}\b", str(exc)) if isinstance(exc, httpx.ProxyError) else None
    if answered:
        return proxy_answer_words(proxy, int(answered[0]))
    if isinstance(exc, httpx.ProxyError):
        return f"The proxy of {proxy} did not make the connection."
    if is_tls_failure(exc):
        return f"The proxy of {proxy} does not speak TLS: begin its address with http://."
    return f"The proxy of {proxy} could not be reached."


def proxy_answer_words(proxy: str, status_code: int) -> str:
    """Return what the answer `status_code` of `proxy` itself means."""
    if status_code == _AUTHENTICATION_REQUIRED:
        return (
            f"The proxy of {proxy} wants another user name and password (407): "
            "write them into its address."
        )
    return f"The proxy of {proxy} refused the connection ({status_code})."


def is_certificate_failure(exc: BaseException) -> bool:
    """Tell whether `exc` comes from a certificate that was not accepted."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(exc))


def is_tls_failure(exc: BaseException) -> bool:
    """Tell whether `exc` comes from the making of an encrypted connection."""
    return any(isinstance(cause, ssl.SSLError) for cause in causes(exc))


def causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield `exc` and what it came from, those of a group too, each once."""
    waiting, seen = [exc], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions
        waiting += [found for found in (cause.__cause__, cause.__context__) if found]


def _words(cause: BaseException, host: str) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate_words(cause, host)
    if isinstance(cause, ssl.SSLError):
        return f"No encrypted connection to {host} could be made: it may not speak https."
    if isinstance(cause, socket.gaierror):
        return f"No address was found for {host}. Check the name and the network."
    if isinstance(cause, ConnectionRefusedError):
        return f"Nobody listens at {host}, or a firewall refused the connection."
    if isinstance(cause, OSError) and cause.errno in _UNREACHABLE:
        return f"This machine has no way to {host}. Check the network."
    return None


def _certificate_words(cause: ssl.SSLCertVerificationError, host: str) -> str:
    if cause.verify_code in (_X509_NOT_YET_VALID, _X509_EXPIRED):
        return (
            f"The certificate of {host} is not valid at this time ({cause.verify_message}). "
            "Check this machine's clock."
        )
    if cause.verify_code in _X509_WRONG_NAME:
        return f"The certificate of {host} was made for another name. Check the address."
    return (
        f"The certificate of {host} is not trusted ({cause.verify_message}). If your network or "
        "provider uses its own certificate authority, name its file in SSL_CERT_FILE."
    )


def _host(exc: BaseException) -> str:
    try:
        return exc.request.url.host if isinstance(exc, httpx.RequestError) else "the server"
    except RuntimeError:  # of httpx, where no request is known
        return "the server"
