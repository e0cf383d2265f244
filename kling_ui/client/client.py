"""The provider as a few calls over HTTP. What an answer means is decided in `error_mapping`."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

import httpx

from kling_ui.client.addresses import is_loopback_host, web_url
from kling_ui.client.api_response import INFERENCE_ID_HEADER, ApiResponse
from kling_ui.client.download import Downloader, no_cookies
from kling_ui.client.error_mapping import lost_get, lost_post, no_news, refused_post
from kling_ui.client.errors import NotSentError, UnavailableError
from kling_ui.client.network import Network
from kling_ui.client.pricing import (
    VIDEO_TYPE,
    Deprecation,
    ModelList,
    read_balance,
    read_deprecations,
)
from kling_ui.client.public_transport import CheckedTransport, DownloadTransport
from kling_ui.client.responses import LogEntry, LogPage, TaskState, is_error_envelope

T = TypeVar("T")
Route = Literal["kling", "universal"]
"""Which documented pair of paths: the Kling one, or `/v2/video/generations` for every maker."""

_PATHS: Final[dict[Route, str]] = {
    "kling": "/v2/generate/video/kling/generation",
    "universal": "/v2/video/generations",
}
_LOG_PATH = "/v2/logs"
_LOG_ROWS = 100
_LOG_PAGES = 20
_NOT_MODIFIED = 304

MAX_ANSWER_BYTES = 2 * 1024**2
"""An answer of the API with more bytes than this is not read to its end."""

_KEY_HASH_LABEL = b"kling-ui ledger key"
_CHUNK_BYTES = 64 * 1024
_MAX_CONNECTIONS = 100
# Node and uvicorn hang up on idle connections after 5 s; a POST on such a one would be uncertain.
_IDLE_SECONDS = 4.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_UNREADABLE = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    OSError,
    ValueError,
    RuntimeError,
)


class Client:
    """The provider's calls. Each is one request, made once; two calls share nothing but a pool.

    Not bound to an event loop until the first call. Close it, or use it as `async with`.
    `network` is the way out, read from the environment where it is not given.
    `answer_seconds` and `create_seconds` bound a whole question and a whole POST, upload and
    all; `download_seconds` a whole download. Raises ValueError for a base URL, a key or a network
    setting that no request could be made with.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        network: Network | None = None,
        max_video_bytes: int = 2 * 1024**3,
        connect_seconds: float = 10.0,
        read_seconds: float = 60.0,
        write_seconds: float = 60.0,
        pool_seconds: float = 10.0,
        answer_seconds: float = 150.0,
        create_seconds: float = 900.0,
        download_seconds: float = 3600.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        base = _checked_base(base_url)
        is_local = is_loopback_host(base.host)
        timeout = httpx.Timeout(
            connect=connect_seconds, read=read_seconds, write=write_seconds, pool=pool_seconds
        )
        # Made once for both: reading the certificates takes longer than all the rest.
        network = network or Network.from_environment()
        self._now = now
        self._answer_seconds = answer_seconds
        self._create_seconds = create_seconds
        self._api = httpx.AsyncClient(
            base_url=base,
            headers=_api_headers(api_key),
            cookies=no_cookies(),
            timeout=timeout,
            transport=network.transport(
                network.proxies.for_url(base),
                httpx.Limits(
                    max_connections=_MAX_CONNECTIONS,
                    max_keepalive_connections=_MAX_CONNECTIONS,
                    keepalive_expiry=_IDLE_SECONDS,
                ),
            ),
            follow_redirects=False,  # neither the key nor a paid POST goes anywhere else
            trust_env=False,  # `network` knows the proxies
        )
        direct = CheckedTransport(
            network.transport(None, httpx.Limits(max_keepalive_connections=0)),
            loopback_allowed=is_local,
            api_host="" if is_local else base.raw_host.decode("ascii"),
            resolve_seconds=connect_seconds,
        )
        self._downloader = Downloader(
            DownloadTransport(direct, network=network),
            timeout=timeout,
            whole_seconds=download_seconds,
            max_bytes=max_video_bytes,
        )

    async def create(
        self, payload: Mapping[str, Any], *, request_id: str, route: Route
    ) -> TaskState:
        """POST `payload` once and return the new task's state; its `task_id` is never None.

        `request_id` (1 to 128 of `A-Za-z0-9._:-`, or ValueError) is what `find` can look up later.
        Raises NotSentError, RefusedError (or one of its kinds) or UnknownOutcomeError.
        """
        if not _REQUEST_ID.fullmatch(request_id):
            raise ValueError("request_id must be 1 to 128 of A-Za-z0-9._:- or it is dropped")
        request = await self._post(payload, request_id, _PATHS[route])
        try:
            answer = await self._exchange(request, self._create_seconds)
        except Exception as exc:  # noqa: BLE001  whatever it was, the POST may have arrived
            failure = lost_post(exc)
        else:
            return self._created(answer)
        # Raised here, not above: an httpx exception as context would carry request and key along.
        raise failure

    async def get(self, task_id: str, *, route: Route) -> TaskState:
        """Return the state of `task_id`; raise UnavailableError, or one of its kinds."""
        answer = await self._ask(_PATHS[route], {"generation_id": task_id})
        state = TaskState.from_json(answer.body, answer.headers, secret=self._secret)
        is_state = state.task_id or state.status or state.video_url
        if not is_state or is_error_envelope(answer.body):
            raise no_news(answer, self._now())
        return state

    async def find(
        self,
        request_id: str,
        *,
        model: str | None = None,
        span: tuple[datetime, datetime] | None = None,
    ) -> LogEntry | None:
        """Look our own `request_id` up in the provider's log; None if it isn't there.

        The log goes back 92 days and lists only what the asking key has sent. `span` (two
        aware times, else the last 30 days by the provider's clock) and `model` narrow the search.
        Reads at most 2,000 rows, newest first. Raises UnavailableError, or one of its kinds.
        """
        filters = {"model": model} if model else {}
        if span is None:
            filters["period"] = "30d"
        else:
            filters.update(start=_moment(span[0]), end=_moment(span[1]))
        offset = 0
        for _ in range(_LOG_PAGES):
            page = await self._log_page(filters, offset)
            entry = page.entry(request_id, secret=self._secret)
            if entry or not page.has_more:
                return entry
            offset += page.size
        return None

    async def models(self, *, etag: str | None = None) -> ModelList | None:
        """Return the provider's video models with their prices; None: unchanged since `etag`.

        Sent without the key. Raises UnavailableError, also where the list names no model.
        """
        params = {"include": "pricing", "type": VIDEO_TYPE}
        answer = await self._ask("/v1/models", params, is_public=True, etag=etag)
        if answer.status_code == _NOT_MODIFIED:
            return None
        listed = ModelList.from_json(answer.body, etag=answer.headers.get("etag"))
        return _readable(listed, answer, "list of models")

    async def deprecations(self) -> tuple[Deprecation, ...]:
        """Return which models are on their way out. Sent without the key; UnavailableError."""
        answer = await self._ask("/v1/models/deprecations", {}, is_public=True)
        return _readable(read_deprecations(answer.body), answer, "list of deprecations")

    async def balance(self) -> float:
        """Return the account's balance in USD; raise UnauthorizedError or UnavailableError."""
        answer = await self._ask("/v2/billing", {})
        return _readable(read_balance(answer.body), answer, "balance")

    async def download(self, url: str, to: Path, *, expected_bytes: int | None) -> int:
        """Stream the video at `url` to `to` (a .part path) and return its size in bytes.

        No key, no cookie goes along; only public addresses are connected to, and loopback where
        the API itself is there. Raises DownloadError, and then leaves nothing at `to`.
        """
        return await self._downloader.fetch(url, to, expected_bytes=expected_bytes)

    async def aclose(self) -> None:
        """Close every connection; calls still under way fail."""
        try:
            await self._api.aclose()
        finally:
            await self._downloader.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def key_hash(self) -> str | None:
        """A name for the key in use that tells nothing of it: 16 hex digits, or None."""
        key = self._secret
        if not key:
            return None
        return hmac.new(key.encode(), _KEY_HASH_LABEL, hashlib.sha256).hexdigest()[:16]

    @property
    def _secret(self) -> str:
        header: str = self._api.headers.get("authorization", "")
        return header.removeprefix("Bearer ")

    async def _post(self, payload: Mapping[str, Any], request_id: str, path: str) -> httpx.Request:
        if self._api.is_closed:
            raise NotSentError("The app is shutting down, so the request was not sent.")
        try:
            body = await asyncio.to_thread(_encoded, payload)
        except (TypeError, ValueError, RecursionError):
            raise NotSentError(
                "The request holds a value that can't be written as JSON, so it was not sent."
            ) from None
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "X-Client-Request-Id": request_id,
        }
        return self._api.build_request("POST", path, content=_pieces(body), headers=headers)

    def _created(self, answer: ApiResponse) -> TaskState:
        if not answer.is_success:
            raise refused_post(answer, self._now())
        state = TaskState.from_json(answer.body, answer.headers, secret=self._secret)
        # The log calls the generation's id its inference id, and so does this header.
        task_id = state.task_id or answer.inference_id
        if task_id is None:
            raise refused_post(answer, self._now())
        return replace(state, task_id=task_id)

    async def _log_page(self, filters: dict[str, str], offset: int) -> LogPage:
        params = {**filters, "limit": str(_LOG_ROWS), "offset": str(offset)}
        answer = await self._ask(_LOG_PATH, params)
        return _readable(LogPage.from_json(answer.body, limit=_LOG_ROWS), answer, "log")

    async def _ask(
        self,
        path: str,
        params: dict[str, str],
        *,
        is_public: bool = False,
        etag: str | None = None,
    ) -> ApiResponse:
        """GET `path` and return its 2xx answer, or raise what another one means.

        `is_public`: without the key. With an `etag`, a 304 is an answer too.
        """
        try:
            headers = {"If-None-Match": etag} if etag else {}
            request = self._api.build_request("GET", path, params=params, headers=headers)
            if is_public:
                request.headers.pop("Authorization", None)
            answer = await self._exchange(request, self._answer_seconds)
        except _UNREADABLE as exc:
            failure = lost_get(exc)
        else:
            is_unchanged = etag is not None and answer.status_code == _NOT_MODIFIED
            if not (answer.is_success or is_unchanged):
                raise no_news(answer, self._now())
            return answer
        raise failure  # here for the reason given in `create`

    async def _exchange(self, request: httpx.Request, within_seconds: float) -> ApiResponse:
        response, content = None, bytearray()
        try:
            async with asyncio.timeout(within_seconds):
                response = await self._api.send(request, stream=True)
                try:
                    await _read(response, content)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, TimeoutError):
            if response is None:
                raise
            answer = self._answer(response, content)
            # What breaks off may have named the new task in its headers, and JSON that can be
            # read is whole, however many bytes were announced.
            names_task = request.method == "POST" and INFERENCE_ID_HEADER in response.headers
            if not names_task and not isinstance(answer.body, dict | list):
                raise
            return answer
        return self._answer(response, content)

    def _answer(self, response: httpx.Response, content: bytearray) -> ApiResponse:
        return ApiResponse.from_http(
            response.status_code, response.headers, bytes(content), secret=self._secret
        )


def _readable(value: T | None, answer: ApiResponse, what: str) -> T:
    """Return what was read from `answer`, or raise UnavailableError where it was nothing."""
    if value is None:
        raise UnavailableError(
            f"The provider's {what} could not be read.",
            status_code=answer.status_code,
            request_id=answer.request_id,
        )
    return value


async def _read(response: httpx.Response, content: bytearray) -> None:
    """Read the body into `content`, cut at `MAX_ANSWER_BYTES`: no answer has more."""
    try:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                del content[MAX_ANSWER_BYTES:]
                break
    except httpx.HTTPError:
        if response.is_success:
            raise
        # The status line alone says no; the words are a courtesy.


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield `body` in pieces, so that the write timeout is for one of them, not for 60 MB."""
    for start in range(0, len(body), _CHUNK_BYTES):
        yield body[start : start + _CHUNK_BYTES]


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _encoded(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(payload), ensure_ascii=False, allow_nan=False).encode()


def _api_headers(api_key: str) -> dict[str, str]:
    headers = {
        "User-Agent": "kling-ui",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    key = api_key.strip()
    if not key:
        return headers
    if not (key.isascii() and key.isprintable()) or " " in key:
        # Said here, because h11 and codecs would quote the key in their exceptions.
        raise ValueError("The API key holds characters that no key has; copy it again.")
    return {**headers, "Authorization": f"Bearer {key}"}


def _checked_base(base_url: str) -> httpx.URL:
    base = web_url(base_url.strip())
    if base is None:
        raise ValueError("AIML_API_BASE_URL must be a web address: https:// and a name.")
    if base.userinfo or base.query or base.fragment:
        raise ValueError("AIML_API_BASE_URL must be an address only: no password, no query.")
    return base
