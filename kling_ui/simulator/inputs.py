"""What was handed in with a request: kept as files, and read again when the video is made.

A data URI in a payload is replaced by a short reference to its file, so that rows stay small.
Public addresses stay what they are and are never fetched.
"""

import base64
import hashlib
import re
import struct
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from kling_ui.simulator.cards import Kind, card
from kling_ui.simulator.reels import BrokenInputError, Clip, clip_of

_REFERENCE = re.compile(r"input:([0-9a-f]{64})")
_LONGEST_SIDE = 1800
_LYING = (5, 6, 7, 8)
"""EXIF orientations whose width is the height."""
_GROUND = (26, 28, 40)
"""Seen where a picture is clear."""
_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    MemoryError,
)
"""What Pillow's decoders raise for damaged files, each in its own way."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of every task, in one folder; the same one handed in twice is kept once."""

    folder: Path

    def keep(self, value: Any) -> Any:
        """Return `value` (any JSON) with each data URI replaced by a reference to its file."""
        if isinstance(value, Mapping):
            return {name: self.keep(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.keep(part) for part in value]
        if isinstance(value, str) and value[:5].lower() == "data:":
            return self._kept(value)
        return value

    def file(self, reference: str) -> Path | None:
        """Return the file that `reference` means; None for a public address."""
        match = _REFERENCE.fullmatch(reference)
        return self.folder / match[1] if match else None

    def picture(self, reference: str, field: str, kind: Kind = "image") -> Image.Image:
        """Return a picture in RGB, at most 1800 px wide or high; for an address, a card."""
        file = self.file(reference)
        if file is None:
            return card(reference, kind)
        with _named(field):
            seen = upright(file)
        ground = Image.new("RGBA", seen.size, (*_GROUND, 255))
        return Image.alpha_composite(ground, seen).convert("RGB")

    def mask(self, reference: str, field: str) -> Image.Image | None:
        """Return a mask in RGBA; None for an address, which can't be seen."""
        file = self.file(reference)
        if file is None:
            return None
        with _named(field):
            return upright(file)

    def picture_size(self, reference: str, field: str) -> tuple[int, int] | None:
        """Return width and height of a picture as it was handed in; None for an address."""
        file = self.file(reference)
        if file is None:
            return None
        with _named(field):
            return size_of(file)

    def clip(self, reference: str, field: str) -> Clip | None:
        """Return the facts of a video; None for an address."""
        file = self.file(reference)
        if file is None:
            return None
        with _named(field):
            return clip_of(file)

    def _kept(self, uri: str) -> str:
        content = base64.b64decode(uri[uri.index(",") + 1 :])
        name = hashlib.sha256(content).hexdigest()
        file = self.folder / name
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / f"{name}.{uuid.uuid4().hex}.part"
            part.write_bytes(content)
            part.replace(file)
        return f"input:{name}"


def size_of(file: Path) -> tuple[int, int]:
    """Return width and height of the picture in `file` when it is upright."""
    try:
        with Image.open(file) as opened:
            is_lying = opened.getexif().get(ExifTags.Base.Orientation, 1) in _LYING
            width, height = opened.size
    except _BROKEN as exc:
        raise BrokenInputError("the picture can't be decoded") from exc
    return (height, width) if is_lying else (width, height)


def upright(file: Path) -> Image.Image:
    """Return the picture in `file` in RGBA, upright, at most 1800 px wide or high."""
    try:
        with Image.open(file) as opened:
            # JPEG can be decoded at half its size or less, which is much faster.
            opened.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
            opened.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BICUBIC)
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I"):
                # 16 bits of gray; Pillow would cut off what is bright.
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            return picture.convert("RGBA")
    except _BROKEN as exc:
        raise BrokenInputError("the picture can't be decoded") from exc


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Let what is wrong with an input say which input it is."""
    try:
        yield
    except BrokenInputError as exc:
        raise BrokenInputError(f"{field}: {exc}") from exc
