"""How much a request may bring: counted while it arrives, whatever its headers say."""

from kling_ui.ui.asgi import Message, Receive, Scope, Send, header, refuse

MEGABYTE = 1024 * 1024
LARGEST_MEDIA_BODY = 100 * MEGABYTE
"""Of an upload, and of a request that brings its media within itself."""

LARGEST_BODY = 2 * MEGABYTE
LARGE_APIS = frozenset({"submit", "generate"})
BODY_BYTES_KEY = "kling_ui.body_bytes"
"""Where the scope holds how much has arrived."""

_LARGE_PATHS = frozenset(
    {"/gradio_api/upload", "/gradio_api/queue/join"}
    | {f"/gradio_api/call/{name}" for name in LARGE_APIS}
    | {f"/gradio_api/call/v2/{name}" for name in LARGE_APIS}
)
"""gradio_client sends every call to `queue/join`; which one it is stands in the body, so that
the queue measures it again (see `gradio_compat`)."""


def body_limit(path: str) -> int:
    """Return how many bytes a request to this route may bring."""
    return LARGEST_MEDIA_BODY if path.rstrip("/") in _LARGE_PATHS else LARGEST_BODY


def too_large(limit: int) -> str:
    """Return what to tell whoever brought more."""
    return (
        f"This request is larger than {limit // MEGABYTE} MB. Nothing was sent, nothing was "
        "spent. Use a smaller file, or a link to it."
    )


class CountedBody:
    """Hands a body on until it grows beyond `limit`, then ends it and answers 413 itself."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self.is_refused = False
        self._has_answered = False
        scope[BODY_BYTES_KEY] = 0

    async def refuse_what_is_announced(self) -> bool:
        """Answer at once where Content-Length says too much; tell whether that was so."""
        announced = header(self._scope, b"content-length") or "0"
        is_number = announced.isascii() and announced.isdigit()
        if is_number and int(announced[:20]) <= self._limit:
            return False
        await refuse(self._send, 413, too_large(self._limit), headers=[(b"connection", b"close")])
        return True

    async def receive(self) -> Message:
        """Return the next part; a disconnect in place of the one that is too much."""
        if self.is_refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._scope[BODY_BYTES_KEY] += len(message.get("body", b""))
        if self._scope[BODY_BYTES_KEY] <= self._limit:
            return message
        self.is_refused = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send the answer; in place of one to a body that was cut off, the reason for that."""
        if not self.is_refused or self._has_answered:
            self._has_answered = True
            await self._send(message)
            return
        if message["type"] == "http.response.start":
            await self.finish()

    async def finish(self) -> None:
        """Answer a body that was cut off, if nobody has."""
        if self.is_refused and not self._has_answered:
            self._has_answered = True
            self._send, send = _drop, self._send
            await refuse(send, 413, too_large(self._limit), headers=[(b"connection", b"close")])


async def _drop(_message: Message) -> None:
    """Swallow the rest of an answer that another one stands for."""
