"""The bytes of a video out of an HTTP body: the bytes decide, and headers only help.

File hosts write words into Content-Encoding that name no coding (`aws-chunked`, `utf-8`), name
codings that they did not apply, and call films text. What begins like a film is taken as it is.
"""

import zlib
from collections.abc import Iterator

_CODINGS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"}
_INFLATED = {"gzip", "x-gzip", "deflate"}
_TEXT_TYPES = ("text/html", "application/xhtml", "application/json", "application/xml", "text/xml")
_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid"}
_START_BYTES = 12
_PIECE_BYTES = 1024**2
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class NoVideoError(ValueError):
    """The body is a text, or packed in a way that can't be undone."""


class VideoBody:
    """Turns a body with these headers, chunk by chunk, into the bytes of the file."""

    def __init__(self, *, content_type: str, content_encoding: str) -> None:
        words = [word.strip().lower() for word in content_encoding.split(",")]
        self._codings = [word for word in words if word in _CODINGS]
        self._is_text = content_type.strip().lower().startswith(_TEXT_TYPES)
        self._start: bytes | None = b""
        self._inflate: zlib._Decompress | None = None

    @property
    def is_doubtful(self) -> bool:
        """Tell whether this may be a text or a packed file: its length says nothing then."""
        return self._is_text or bool(self._codings)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the file's next bytes, about 1 MB at a time; raise NoVideoError."""
        if self._start is not None:
            self._start += chunk
            if len(self._start) < _START_BYTES:
                return
            chunk = self._begin(self._start)
        yield from self._pieces(chunk)

    def end(self) -> Iterator[bytes]:
        """Yield what is left when the body has ended; raise NoVideoError where it is cut."""
        if self._start:
            yield from self._pieces(self._begin(self._start))
        if self._inflate is not None and not self._inflate.eof:
            raise NoVideoError

    def _begin(self, start: bytes) -> bytes:
        self._start = None
        if start[4:8] in _MP4_BOXES:
            return start
        if self._is_text:
            raise NoVideoError
        if self._codings:
            if len(self._codings) > 1 or self._codings[0] not in _INFLATED:
                raise NoVideoError
            self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        return start

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            yield chunk
            return
        while chunk and not self._inflate.eof:
            try:
                piece = self._inflate.decompress(chunk, _PIECE_BYTES)
            except zlib.error as exc:
                raise NoVideoError from exc
            chunk = self._inflate.unconsumed_tail
            if piece:
                yield piece
