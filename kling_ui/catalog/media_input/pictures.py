"""Pictures, looked into and mended to fit; what a model takes is handed in."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, TypeVar

from PIL import Image, ImageFile, ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base as ExifTag
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from kling_ui import media
from kling_ui.catalog.media_input import pixels
from kling_ui.catalog.media_input.kinds import (
    DAMAGE,
    MAX_PICTURE_FILE_BYTES,
    PICTURE,
    PictureLimits,
    Taken,
    UnusableMediaError,
    check_bytes,
    data_uri,
    megabytes,
    read,
    uri_bytes,
)
from kling_ui.catalog.media_input.repair import JPEG_START, PNG_START, repaired

MAX_PIXELS = 64_000_000
"""More are not decoded, since a few kilobytes can claim to hold gigabytes; phones make 50."""


def take_picture(path: Path, limits: PictureLimits) -> Taken:
    """Return the picture at `path` as a JPEG or PNG within `limits`.

    Raises UnusableMediaError for what can neither be sent nor mended.
    """
    return picture_from_bytes(read(path, PICTURE), limits)


def picture_from_bytes(data: bytes, limits: PictureLimits) -> Taken:
    """Return the picture in `data` as a JPEG or PNG within `limits`.

    A JPEG or PNG that needs no mending stays as it is, byte for byte. Raises
    UnusableMediaError for what can neither be sent nor mended.
    """
    with media.decoding, _damage_refused():
        return _in_order(data, lambda found, notes: _taken(found, limits, notes))


def size_of(uri: str) -> tuple[int, int]:
    """Return width and height in px of a picture given as a data URI; only its head is decoded.

    Raises UnusableMediaError for what is no picture.
    """
    with _damage_refused(), _opened(uri_bytes(uri)) as image:
        return image.size


def resized_mask(uri: str, size: tuple[int, int]) -> str:
    """Return a mask, given as a data URI, in another size and as sharp as it was.

    Of that size already it stays as it is. Raises UnusableMediaError for what can't be decoded.
    """
    if size_of(uri) == size:
        return uri
    with media.decoding, _damage_refused(), _opened(uri_bytes(uri)) as image:
        image.load()
        mask = image.convert("L").resize(size, Image.Resampling.NEAREST)
    return data_uri("image/png", pixels.saved(mask, "PNG"))


def checked_picture(data: bytes, limits: PictureLimits) -> str:
    """Return the format of a picture that may be sent as it is; else raise UnusableMediaError."""
    with media.decoding, _damage_refused():
        return _in_order(data, lambda found, _: _checked_format(found, limits))


T = TypeVar("T")


def _in_order(data: bytes, use: Callable[[bytes, tuple[str, ...]], T]) -> T:
    """Use the file, or where it can't be decoded the same picture in a file put in order."""
    try:
        return use(data, ())
    except UnusableMediaError:
        raise
    except DAMAGE:
        found = repaired(data)
        if found is None:
            raise
        return use(found, (_REPAIRED,))


_REPAIRED = "Its file was put in order; the picture is the same."


def _checked_format(data: bytes, limits: PictureLimits) -> str:
    with _opened(data) as image:
        if image.format not in ("JPEG", "PNG"):
            raise UnusableMediaError(
                f"The picture is {_name(image)}; only {PICTURE.formats} can be sent. Convert it."
            )
        _check_shape(image, limits)
        _mends(image, data)
        return image.format


def _taken(data: bytes, limits: PictureLimits, notes: tuple[str, ...]) -> Taken:
    with _opened(data) as image:
        _check_shape(image, limits)
        size = _upright_size(image)
        mends = _mends(image, data)
        if mends or image.format not in ("JPEG", "PNG") or len(data) > limits.max_bytes:
            return _made_anew(image, data, limits, (*notes, *mends))
        uri = data_uri(PICTURE.media_type(image.format), data)
        return Taken(uri=uri, notes=notes, size=size, shown_size=size)


def _mends(image: ImageFile.ImageFile, data: bytes) -> list[str]:
    """Decode the picture and say what has to be mended, apart from its format and bytes."""
    is_turned = _is_turned(image)  # asked first: a TIFF forgets it when it is decoded
    has_several = getattr(image, "is_animated", False)
    image.draft(None, (1, 1))  # a JPEG is read whole, but only an eighth of its sides is kept
    image.load()
    notes = {
        "Only the first of its pictures was used.": has_several,
        "Turned upright.": is_turned,
        "Transparency was filled with white.": pixels.is_transparent(image),
        f"Colors were converted from {_colors(image, data)} to RGB.": bool(_colors(image, data)),
    }
    return [note for note, applies in notes.items() if applies]


def _made_anew(
    image: ImageFile.ImageFile, data: bytes, limits: PictureLimits, notes: tuple[str, ...]
) -> Taken:
    """Return the decoded picture upright, opaque, in 8-bit sRGB, no larger than a video can be."""
    if image.format == "JPEG":  # only an eighth of it was kept
        image = JpegImageFile(BytesIO(data))
    shown = _upright_size(image)
    image.draft(None, _bounded(image.size))
    image.load()
    orientation = image.getexif().get(ExifTag.Orientation, 1) if _is_turned(image) else 1
    plain = pixels.in_plain_colors(image, shrink=max(image.size) // pixels.MAX_SCALED_SIDE or 1)
    is_lossless = _is_lossless(image, data)
    image.close()
    plain = _turned(pixels.resized(plain, _bounded(plain.size)), orientation)
    format_name, sent = pixels.fitted(plain, limits, is_lossless=is_lossless)
    with _opened(sent) as made:
        size = made.size
    told = list(notes)
    if format_name != image.format:
        told.append(f"Converted from {_name(image)} to {format_name}.")
    is_heavy = len(data) > limits.max_bytes
    if size != shown:
        cause = f"to fit {megabytes(limits.max_bytes)}" if is_heavy else "which no video exceeds"
        told.append(f"Scaled down from {_px(shown)} to {_px(size)} px {cause}.")
    elif is_heavy:
        told.append(f"Compressed to fit {megabytes(limits.max_bytes)}.")
    uri = data_uri(PICTURE.media_type(format_name), sent)
    return Taken(uri=uri, notes=tuple(told), size=size, shown_size=shown)


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    return pixels.scaled(size, min(1.0, pixels.MAX_SCALED_SIDE / max(size)))


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    if orientation == 1:
        return image
    image.getexif()[ExifTag.Orientation] = orientation
    turned = ImageOps.exif_transpose(image)
    turned.info = {}
    return turned


def _upright_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    lies = _is_turned(image) and image.getexif()[ExifTag.Orientation] in range(5, 9)
    return (image.height, image.width) if lies else image.size


def _heic(stream: IO[bytes]) -> ImageFile.ImageFile:
    try:
        from pillow_heif import HeifImageFile  # noqa: PLC0415  large, and not built for every machine
    except ImportError as exc:
        raise UnusableMediaError(
            "HEIC pictures can't be read on this machine. Save it as JPEG or PNG."
        ) from exc
    opener: Callable[[IO[bytes]], ImageFile.ImageFile] = HeifImageFile
    return opener(stream)


# The classes are used directly, not by Image.open: that one warns of large pictures before
# their size can be asked, and knows HEIC only if that is registered for the whole process.
_OPENERS: tuple[tuple[bytes, Callable[[IO[bytes]], ImageFile.ImageFile]], ...] = (
    (re.escape(JPEG_START), JpegImageFile),
    (re.escape(PNG_START), PngImageFile),
    (rb"RIFF.{4}WEBP", WebPImageFile),
    (rb".{4}ftyp.{0,56}avi[fs]", AvifImageFile),
    (rb".{4}ftyp(?:he[iv][cxms]|mi[fa]1|msf1)", _heic),
    (rb"GIF8[79]a", GifImageFile),
    (rb"BM", BmpImageFile),
    (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
)


@contextmanager
def _damage_refused() -> Iterator[None]:
    try:
        yield
    except UnusableMediaError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise UnusableMediaError(_TOO_MANY_PIXELS) from exc
    except DAMAGE as exc:
        raise UnusableMediaError(
            "The picture is damaged, cut off, or of a rare kind. "
            "Open it in an image editor and save it anew as JPEG or PNG."
        ) from exc


_TOO_MANY_PIXELS = (
    f"The picture has more than {MAX_PIXELS // 10**6} million pixels. Scale it down first."
)


def _opened(data: bytes) -> ImageFile.ImageFile:
    """Return the picture, its size known, nothing of it decoded yet."""
    check_bytes(len(data), MAX_PICTURE_FILE_BYTES, PICTURE)
    for signature, opener in _OPENERS:
        if re.match(signature, data, re.DOTALL):
            image = opener(BytesIO(data))
            if image.width * image.height > MAX_PIXELS:
                raise UnusableMediaError(_TOO_MANY_PIXELS)
            return image
    if re.search(rb"<svg[\s>]", data[:4096]):
        raise UnusableMediaError("SVG drawings can't be sent. Export it as PNG.")
    raise UnusableMediaError("The file is not a picture that can be read. Use a JPEG or PNG.")


def _check_shape(image: Image.Image, limits: PictureLimits) -> None:
    short, long = sorted(image.size)
    if short < limits.min_side:
        raise UnusableMediaError(
            f"The picture is {_px(image.size)} px; each side needs at least "
            f"{limits.min_side} px. Use a larger one."
        )
    if long > short * limits.max_aspect:
        raise UnusableMediaError(
            f"The picture is {_px(image.size)} px; the longer side may be at most "
            f"{limits.max_aspect:g} times the shorter one. Crop it."
        )


def _is_turned(image: ImageFile.ImageFile) -> bool:
    if image.format == "PNG":
        image.load()  # its EXIF data may stand behind the pixels; what is damaged there shows
    with suppress(*DAMAGE):  # unreadable EXIF data turn nothing
        return image.getexif().get(ExifTag.Orientation, 1) in range(2, 9)
    return False


def _colors(image: ImageFile.ImageFile, data: bytes) -> str:
    """Return what the colors are, or nothing if they are ordinary."""
    png_bits = data[24] if image.format == "PNG" else 8
    if png_bits > 8 or image.mode.startswith("I;16"):  # noqa: PLR2004  what RGB has
        return "16 bits"
    if image.format == "GIF":
        return ""  # always a palette, so there is nothing to tell
    return {"CMYK": "CMYK", "P": "a palette", "PA": "a palette"}.get(image.mode, "")


def _is_lossless(image: ImageFile.ImageFile, data: bytes) -> bool:
    return image.format in ("PNG", "GIF", "BMP", "TIFF") or data[12:16] == b"VP8L"


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _name(image: ImageFile.ImageFile) -> str:
    name = image.format or "an unknown format"
    return {"WEBP": "WebP", "HEIF": "HEIC"}.get(name, name)
