"""The kinds of media and what is alike for all; what is inside is for each kind's module."""

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["image", "audio", "video"]
"""What a parameter holds, in the provider's words."""

MAX_AUDIO_BYTES = 5 * 10**6
"""The provider's 5 MB, read the stricter way."""

MAX_VIDEO_BYTES = 20 * 10**6
"""Our own limit: a video travels as base64 inside the request."""

MAX_PICTURE_FILE_BYTES = 200 * 10**6
"""A bigger file is not even read, whatever could be made of it."""

DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, RuntimeError),
    *(LookupError, ArithmeticError, struct.error, zlib.error),
    UserWarning,  # only where warnings are made errors
)
"""What decoders raise for damaged files, each in its own way."""


class UnusableMediaError(ValueError):
    """A file or value that can't be sent; the message says what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """What a model takes: bytes of the file, px of each side, longer side : shorter side."""

    max_bytes: int = 10 * 10**6
    min_side: int = 300
    max_aspect: float = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A data URI that may be sent, and what was mended on the way, in people's words.

    Of a picture also its `size` in px and the one it was shown in before it was mended.
    """

    uri: str = field(repr=False)
    notes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    shown_size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """A kind of media in words, and its media types, each with the format it stands for.

    Of several types for one format the first is the one we send.
    """

    noun: str
    formats: str
    types: Mapping[str, str]
    max_bytes: int

    def media_type(self, format_name: str) -> str:
        """Return the media type that we send for a format."""
        return next(known for known, name in self.types.items() if name == format_name)


PICTURE = Sort(
    noun="picture",
    formats="JPEG or PNG",
    types={"image/jpeg": "JPEG", "image/jpg": "JPEG", "image/png": "PNG"},
    max_bytes=MAX_PICTURE_FILE_BYTES,
)
SOUND = Sort(
    noun="sound",
    formats="MP3, WAV, M4A or AAC",
    types={
        **dict.fromkeys(("audio/mpeg", "audio/mp3"), "MP3"),
        **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), "WAV"),
        **dict.fromkeys(("audio/mp4", "audio/m4a", "audio/x-m4a"), "MP4"),
        **dict.fromkeys(("audio/aac", "audio/x-aac"), "AAC"),
    },
    max_bytes=MAX_AUDIO_BYTES,
)
VIDEO = Sort(
    noun="video",
    formats="MP4, MOV or WebM",
    types={"video/mp4": "MP4", "video/quicktime": "MOV", "video/webm": "WebM"},
    max_bytes=MAX_VIDEO_BYTES,
)


def read(path: Path, sort: Sort) -> bytes:
    """Return the file's bytes, or raise UnusableMediaError before too many are read."""
    try:
        check_bytes(path.stat().st_size, sort.max_bytes, sort)
        return path.read_bytes()
    except OSError as exc:
        raise UnusableMediaError(
            f"The {sort.noun}'s file can't be read. Choose it once more."
        ) from exc


def check_bytes(count: int, most: int, sort: Sort) -> None:
    """Raise UnusableMediaError for no bytes at all or more than `most`."""
    if count == 0:
        raise UnusableMediaError(f"The {sort.noun}'s file is empty. Choose another one.")
    if count > most:
        has = megabytes(math.ceil(count / 10**5) * 10**5)
        raise UnusableMediaError(
            f"The {sort.noun} has {has}; the limit is {megabytes(most)}. Use a smaller one."
        )


def data_uri(media_type: str, data: bytes) -> str:
    """Return the data as a base64 data URI."""
    return f"data:{media_type};base64,{str(base64.b64encode(data), 'ascii')}"


def uri_bytes(uri: str) -> bytes:
    """Return the data of a base64 data URI; raises ValueError for what is none."""
    return binascii.a2b_base64(uri[uri.index(",") + 1 :], strict_mode=True)


def megabytes(count: int) -> str:
    """Return a number of bytes in people's words."""
    return f"{count / 10**6:g} MB"
