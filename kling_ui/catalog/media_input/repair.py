"""Pictures that every browser shows although their file is not in order, put in order.

What is left out is metadata or a checksum, never a pixel: a picture of which a part is missing
stays refused.
"""

import hashlib
import zlib
from collections.abc import Iterator
from io import BytesIO

from PIL.JpegImagePlugin import JpegImageFile

from kling_ui.catalog.media_input.pixels import strips

JPEG_START = b"\xff\xd8\xff"
PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_END = b"\xff\xd9"
_NEEDED_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"iCCP")
"""Chunks of a PNG that decide how its first picture looks."""
_MAX_PROFILE_BYTES = 1 << 20
"""What Pillow unpacks of one compressed chunk; beyond, it refuses the picture."""


def repaired(data: bytes) -> bytes | None:
    """Return the same picture as a file in order; None where nothing can be done for it.

    Of a WebP only the outer size is put right: whether the picture is whole, its decoder sees.
    """
    if data.startswith(PNG_START):
        return _repaired_png(data)
    if data.startswith(JPEG_START):
        return _repaired_jpeg(data)
    if data.startswith(b"RIFF"):
        return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]
    return None


def _repaired_png(data: bytes) -> bytes | None:
    """Keep what is needed to show the picture, with right checksums and an end mark."""
    kept = bytearray(PNG_START)
    inflater = zlib.decompressobj()
    for name, body, is_intact in _chunks(data):
        is_shown = name in _NEEDED_CHUNKS and (is_intact or name[:1].isupper())
        if name == b"IDAT" and not _inflates(inflater, body):
            return None
        if is_shown and (name != b"iCCP" or _is_usable_profile(body)):
            kept += _chunk(name, body)
    # The pixels have a checksum of their own: where it is right, the chunks' may be wrong.
    return bytes(kept + _chunk(b"IEND", b"")) if inflater.eof else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield name, content and "its checksum is right" of each whole chunk up to the end mark."""
    at = len(PNG_START)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        checksum = data[at + 8 + size : at + 12 + size]
        if len(body) < size or name == b"IEND":
            return
        yield name, body, checksum == zlib.crc32(name + body).to_bytes(4)
        at += 12 + size


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)


def _inflates(inflater: "zlib._Decompress", body: bytes) -> bool:
    """Unpack pixels piece by piece, keeping none; tell whether they are in order so far."""
    try:
        while body:
            inflater.decompress(body, _MAX_PROFILE_BYTES)
            body = inflater.unconsumed_tail
    except zlib.error:
        return False
    return True


def _is_usable_profile(body: bytes) -> bool:
    inflater = zlib.decompressobj()
    _, _, packed = body.partition(b"\0")
    try:
        inflater.decompress(packed[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return False
    return inflater.eof


def _repaired_jpeg(data: bytes) -> bytes | None:
    """Add the end mark, if nothing else is missing.

    The decoder fills up what is missing without a word. So the picture is decoded with two
    different tails: the tail is only seen if it is needed.
    """
    begun = data.rstrip(b"\xff")  # half an end mark
    tails = (b"", b"\xa5\x5a" * 4096)
    try:
        first, second = (_fingerprint(begun + tail + _JPEG_END) for tail in tails)
    except OSError:
        return None
    return begun + _JPEG_END if first == second else None


def _fingerprint(data: bytes) -> bytes:
    digest = hashlib.sha256()
    for _, strip in strips(JpegImageFile(BytesIO(data))):
        digest.update(strip.tobytes())
    return digest.digest()
