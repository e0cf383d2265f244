"""Pictures, looked into and mended to fit; what a model takes is handed in."""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, ImageCms, ImageFile, ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base as ExifTag
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

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
)

MAX_PIXELS = 100_000_000
"""More are not decoded: a few kilobytes can claim to hold gigabytes of them."""

MAX_SCALED_SIDE = 4096
"""The longer side in px of a picture that has to become smaller; no video is larger."""

MAX_PNG_PIXELS = 3840 * 2160
"""A 4K screen. Beyond, writing a PNG takes seconds, and it hardly ever fits."""


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
    with _damage_refused(), _opened(data) as image:
        notes = _mends(image, data, limits)
        if not notes and image.format in ("JPEG", "PNG") and len(data) <= limits.max_bytes:
            return Taken(uri=data_uri(PICTURE.media_type(image.format), data))
        mended = _mended(image)
        format_name, sent, size = _fitted(mended, limits, is_lossless=_is_lossless(image, data))
        if format_name != image.format:
            notes.append(f"Converted from {_name(image)} to {format_name}.")
    if size != mended.size:
        sizes = f"from {_px(mended.size)} to {_px(size)} px"
        notes.append(f"Scaled down {sizes} to fit {megabytes(limits.max_bytes)}.")
    elif len(data) > limits.max_bytes:
        notes.append(f"Compressed to fit {megabytes(limits.max_bytes)}.")
    return Taken(uri=data_uri(PICTURE.media_type(format_name), sent), notes=tuple(notes))


def checked_picture(data: bytes, limits: PictureLimits) -> str:
    """Return the format of a picture that may be sent as it is; else raise UnusableMediaError."""
    with _damage_refused(), _opened(data) as image:
        if image.format not in ("JPEG", "PNG"):
            raise UnusableMediaError(
                f"The picture is {_name(image)}; only {PICTURE.formats} can be sent. Convert it."
            )
        image.load()
        _check_shape(image, limits)
        return image.format


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
    (rb"\xff\xd8\xff", JpegImageFile),
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
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


def _mends(image: ImageFile.ImageFile, data: bytes, limits: PictureLimits) -> list[str]:
    """Decode the picture and say what has to be mended, apart from its format and bytes."""
    is_turned = _is_turned(image)  # asked first: a TIFF forgets it when it is decoded
    has_several = getattr(image, "is_animated", False)
    image.load()
    _check_shape(image, limits)
    notes = {
        "Only the first of its pictures was used.": has_several,
        "Turned upright.": is_turned,
        "Transparency was filled with white.": _is_transparent(image),
        f"Colors were converted from {_colors(image, data)} to RGB.": bool(_colors(image, data)),
    }
    return [note for note, applies in notes.items() if applies]


def _is_turned(image: Image.Image) -> bool:
    with suppress(*DAMAGE):  # unreadable EXIF data turn nothing
        return image.getexif().get(ExifTag.Orientation, 1) in range(2, 9)
    return False


def _is_transparent(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    opaque_pixels = image.convert("RGBA").getchannel("A").histogram()[255]
    return opaque_pixels < image.width * image.height


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


def _mended(image: Image.Image) -> Image.Image:
    """Return the picture upright, opaque, in 8-bit sRGB, without anything but its pixels."""
    profile = image.info.get("icc_profile")
    if _is_turned(image):
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F"):
        raise UnusableMediaError("The picture has 32 bits a channel. Save it with 8 bits.")
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=image.getchannel("A"))
        image = paper
    image = _in_srgb(image, profile)
    image.info = {}
    return image


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        with suppress(ImageCms.PyCMSError):  # a profile for other colors than the picture has
            return (
                ImageCms.profileToProfile(
                    image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
                )
                or image
            )
    return image.convert("RGB")


def _fitted(
    image: Image.Image, limits: PictureLimits, *, is_lossless: bool
) -> tuple[str, bytes, tuple[int, int]]:
    """Return format, bytes and size of the best that fits: PNG, JPEG, or a smaller JPEG."""
    if is_lossless and image.width * image.height <= MAX_PNG_PIXELS:
        data = _saved(image, "PNG")
        if len(data) <= limits.max_bytes:
            return "PNG", data, image.size
    for quality in (95, 88):
        data = _saved(image, "JPEG", quality=quality)
        if len(data) <= limits.max_bytes:
            return "JPEG", data, image.size
    factor = math.sqrt(limits.max_bytes / len(data))
    factor = min(factor, MAX_SCALED_SIDE / max(image.size))
    while min(size := _scaled(image.size, factor)) >= limits.min_side:
        smaller = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2)
        data = _saved(smaller, "JPEG", quality=88)
        if len(data) <= limits.max_bytes:
            return "JPEG", data, size
        factor *= 0.9
    most = megabytes(limits.max_bytes)
    raise UnusableMediaError(f"The picture can't be made to fit {most}. Use a simpler one.")


def _saved(image: Image.Image, format_name: str, **options: int) -> bytes:
    stream = BytesIO()
    # Four is where a PNG is nearly as small as it gets, in a third of the time.
    image.save(stream, format_name, **{"compress_level": 4, "subsampling": 0, **options})
    return stream.getvalue()


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Return the size scaled down; rounding never makes it slimmer than it was."""
    short, long = sorted(size)
    new_long = round(long * factor)
    new_short = -(-short * new_long // long)
    return (new_long, new_short) if size[0] == long else (new_short, new_long)


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _name(image: ImageFile.ImageFile) -> str:
    name = image.format or "an unknown format"
    return {"WEBP": "WebP", "HEIF": "HEIC"}.get(name, name)
