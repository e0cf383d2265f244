"""Fetching a finished video: from public addresses only, without the key, in constant memory.

Whether the file is a playable MP4, and how often to try, is for others to decide.
"""

import asyncio
import contextlib
import errno
import shutil
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import httpx

from kling_ui.client.addresses import web_url
from kling_ui.client.api_response import parse_retry_after
from kling_ui.client.connection_errors import describe
from kling_ui.client.errors import download_failure
from kling_ui.client.video_body import NoVideoError, VideoBody

MAX_REDIRECTS = 5
SPARE_DISK_BYTES = 16 * 1024**2
"""What a download leaves free on the disk: the ledger has to be written, too."""

_BUFFER_BYTES = 1024**2
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WHOLE = (200, 203)
"""A proxy that looks into what passes makes 203 of a 200."""

_NOT_FOUND = 404
_LINK_IS_OVER = (401, 403, 410)
_MAY_PASS = (202, 408, 425, 429)
_SERVER_TROUBLE = 500


class Downloader:
    """Downloads over `transport`, which decides what addresses may be connected to."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        timeout: httpx.Timeout,
        whole_seconds: float,
        max_bytes: int,
    ) -> None:
        self._whole_seconds = whole_seconds
        self._max_bytes = max_bytes
        self._http = httpx.AsyncClient(
            transport=transport,
            timeout=timeout,
            trust_env=False,  # `transport` knows the proxies
            follow_redirects=False,
            cookies=no_cookies(),
            headers={
                "User-Agent": "kling-ui",
                "Accept": "video/*, */*;q=0.5",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
        )

    async def fetch(self, url: str, to: Path, *, expected_bytes: int | None) -> int:
        """Write the video at `url` to `to` and return its size in bytes.

        Raises DownloadError; nothing is left at `to` then, nor on cancellation.
        """
        is_complete = False
        try:
            async with asyncio.timeout(self._whole_seconds):
                size = await self._fetch(url, to, expected_bytes)
            is_complete = True
        except TimeoutError:
            raise download_failure(
                "network", "The download took too long and was given up."
            ) from None
        finally:
            if not is_complete:
                _remove(to)
        return size

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def _fetch(self, url: str, to: Path, expected_bytes: int | None) -> int:
        response = await self._open(url)
        try:
            body = VideoBody(
                content_type=response.headers.get("content-type", ""),
                content_encoding=response.headers.get("content-encoding", ""),
            )
            announced = _announced_bytes(response)
            if announced == 0:
                raise download_failure("empty")
            size = expected_bytes if body.is_doubtful else self._size(announced, expected_bytes)
            if size:
                await asyncio.to_thread(_check_space, to, size)
            received = await self._save(response, body, to, size)
        finally:
            await response.aclose()
        if received == 0:
            raise download_failure("empty")
        if size and received != size:
            raise download_failure("wrong_size", size=received, expected=size)
        return received

    async def _open(self, url: str) -> httpx.Response:
        """Return the open answer at the end of at most `MAX_REDIRECTS` redirects."""
        here = _checked_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._get(here)
            if response.status_code in _WHOLE:
                return response
            await response.aclose()
            if not response.has_redirect_location:
                _raise_for_status(response)
            here = _checked_url(response.headers["location"], came_from=here)
        raise download_failure("too_many_redirects", most=MAX_REDIRECTS)

    async def _get(self, url: httpx.URL) -> httpx.Response:
        try:
            return await self._http.send(self._http.build_request("GET", url), stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
            # ValueError: httpx reads a redirect's address before we do, and trips over its name.
            lost = download_failure("network", describe(exc), host=url.host)
        # Without its cause: that holds the link, and a signed link is as good as a key.
        raise lost

    def _size(self, announced: int | None, expected: int | None) -> int | None:
        if max(announced or 0, expected or 0) > self._max_bytes:
            raise download_failure("too_large", most=_megabytes(self._max_bytes))
        if announced and expected and announced != expected:
            raise download_failure("wrong_size", size=announced, expected=expected)
        return announced or expected

    async def _save(
        self, response: httpx.Response, body: VideoBody, to: Path, size: int | None
    ) -> int:
        received = 0
        with _PartFile(to) as part:
            try:
                async for chunk in response.aiter_raw():
                    for piece in body.feed(chunk):
                        received += len(piece)
                        self._check_received(received, size)
                        await part.write(piece)
                for piece in body.end():
                    received += len(piece)
                    await part.write(piece)
            except NoVideoError:
                raise download_failure("not_video") from None
            except httpx.TimeoutException:
                raise download_failure("network", "The video's host stopped sending.") from None
            except httpx.HTTPError:
                raise download_failure("truncated", size=received) from None
            await part.finish()
        return received

    def _check_received(self, received: int, size: int | None) -> None:
        if received > self._max_bytes:
            raise download_failure("too_large", most=_megabytes(self._max_bytes))
        if size and received > size:
            raise download_failure("wrong_size", size=received, expected=size)


class _PartFile:
    """A file written in few, large pieces off the event loop; its troubles are DownloadErrors."""

    def __init__(self, path: Path) -> None:
        self._pending = bytearray()
        try:
            self._file = path.open("wb")
        except OSError as exc:
            _raise_for_disk(exc)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # of a full disk, told already by `finish`
            self._file.close()

    async def write(self, chunk: bytes) -> None:
        self._pending += chunk
        if len(self._pending) >= _BUFFER_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Hand everything to the system and close; whoever keeps the file has it synced."""
        await self._flush()
        try:
            await asyncio.to_thread(self._file.close)
        except OSError as exc:
            _raise_for_disk(exc)

    async def _flush(self) -> None:
        pending, self._pending = self._pending, bytearray()
        try:
            await asyncio.to_thread(self._write, pending)
        except OSError as exc:
            _raise_for_disk(exc)

    def _write(self, data: bytearray) -> None:
        self._file.write(data)


def no_cookies() -> CookieJar:
    """Return a jar that takes no cookie from anyone."""
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=()))


def _checked_url(url: str, *, came_from: httpx.URL | None = None) -> httpx.URL:
    link = web_url(url.strip(), came_from=came_from)
    if link is None:
        raise download_failure("refused_address")
    if link.userinfo:
        raise download_failure(
            "refused_address",
            "The video's link holds a user name or password, so it was not followed.",
        )
    if came_from and came_from.scheme == "https" and link.scheme == "http":
        raise download_failure(
            "refused_address",
            "The video's link leads from https to plain http, so it was not followed.",
        )
    return link


def _raise_for_status(response: httpx.Response) -> NoReturn:
    code = response.status_code
    if code in _LINK_IS_OVER:
        raise download_failure("expired", status_code=code)
    if code == _NOT_FOUND:
        raise download_failure("not_found", status_code=code)
    raise download_failure(
        "status",
        may_retry=code in _MAY_PASS or code >= _SERVER_TROUBLE,
        status_code=code,
        retry_after_seconds=parse_retry_after(
            response.headers.get("retry-after"), now=datetime.now(UTC)
        ),
    )


def _announced_bytes(response: httpx.Response) -> int | None:
    """Return the Content-Length; h11 has refused malformed ones before they get here."""
    if "transfer-encoding" in response.headers:
        return None
    length = response.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _check_space(to: Path, size: int) -> None:
    try:
        free = shutil.disk_usage(to.parent).free
    except OSError as exc:
        _raise_for_disk(exc)
    if free < size + SPARE_DISK_BYTES:
        raise download_failure(
            "no_space",
            f"The video has {_megabytes(size)}, and {_megabytes(SPARE_DISK_BYTES)} stay free for "
            f"the ledger, but the disk has only {_megabytes(free)} free. Make room, then download "
            "it again.",
        )


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _raise_for_disk(exc: OSError) -> NoReturn:
    if exc.errno in _NO_SPACE:
        raise download_failure("no_space") from exc
    raise download_failure("disk", why=exc.strerror or type(exc).__name__) from exc


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MB"
