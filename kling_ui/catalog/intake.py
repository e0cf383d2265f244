"""Pictures, sounds and videos on their way to the provider: checked, mended, made a data URI.

Mended is only what can be mended honestly, and each time it is said. Fetching a URL, sending
and asking the person stay with others; sounds and videos are never transcoded.
"""

import base64
import binascii
import ipaddress
import math
import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.stream import Disposition
from PIL import Image, ImageCms, ImageFile, ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base as ExifTag
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

MAX_AUDIO_BYTES = 5 * 10**6
"""The provider's 5 MB, read the stricter way."""

MAX_VIDEO_BYTES = 20 * 10**6
"""Our own limit: a video travels as base64 inside the request."""

MAX_PICTURE_FILE_BYTES = 200 * 10**6
"""A bigger file is not even read, whatever could be made of it."""

MAX_PIXELS = 100_000_000
"""More are not decoded: a few kilobytes can claim to hold gigabytes of them."""

MAX_SCALED_SIDE = 4096
"""The longer side in px of a picture that has to become smaller; no video is larger."""

MAX_PNG_PIXELS = 3840 * 2160
"""A 4K screen. Beyond, writing a PNG takes seconds, and it hardly ever fits."""

MAX_URL_CHARACTERS = 2048


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
    """A data URI that may be sent, and what was mended on the way, in people's words."""

    uri: str = field(repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sort:
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


_PICTURE = _Sort(
    noun="picture",
    formats="JPEG or PNG",
    types={"image/jpeg": "JPEG", "image/jpg": "JPEG", "image/png": "PNG"},
    max_bytes=MAX_PICTURE_FILE_BYTES,
)
_SOUND = _Sort(
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
_VIDEO = _Sort(
    noun="video",
    formats="MP4, MOV or WebM",
    types={"video/mp4": "MP4", "video/quicktime": "MOV", "video/webm": "WebM"},
    max_bytes=MAX_VIDEO_BYTES,
)
_SORTS = {"image": _PICTURE, "audio": _SOUND, "video": _VIDEO}


def take_picture(path: Path, limits: PictureLimits) -> Taken:
    """Return the picture at `path` as a JPEG or PNG within `limits`.

    Raises UnusableMediaError for what can neither be sent nor mended.
    """
    return picture_from_bytes(_read(path, _PICTURE), limits)


def take_audio(path: Path) -> Taken:
    """Return the MP3, WAV, M4A or AAC at `path` as it is, or raise UnusableMediaError."""
    return _taken_as_it_is(_read(path, _SOUND), _SOUND)


def take_video(path: Path) -> Taken:
    """Return the MP4, MOV or WebM at `path` as it is, or raise UnusableMediaError."""
    return _taken_as_it_is(_read(path, _VIDEO), _VIDEO)


def picture_from_bytes(data: bytes, limits: PictureLimits) -> Taken:
    """Return the picture in `data` as a JPEG or PNG within `limits`.

    A JPEG or PNG that needs no mending stays as it is, byte for byte. Raises
    UnusableMediaError for what can neither be sent nor mended.
    """
    with _damage_refused(), _opened(data) as image:
        notes = _mends(image, data, limits)
        if not notes and image.format in ("JPEG", "PNG") and len(data) <= limits.max_bytes:
            return Taken(uri=_data_uri(_PICTURE.media_type(image.format), data))
        mended = _mended(image)
        format_name, sent, size = _fitted(mended, limits, is_lossless=_is_lossless(image, data))
        if format_name != image.format:
            notes.append(f"Converted from {_name(image)} to {format_name}.")
    if size != mended.size:
        sizes = f"from {_px(mended.size)} to {_px(size)} px"
        notes.append(f"Scaled down {sizes} to fit {_megabytes(limits.max_bytes)}.")
    elif len(data) > limits.max_bytes:
        notes.append(f"Compressed to fit {_megabytes(limits.max_bytes)}.")
    return Taken(uri=_data_uri(_PICTURE.media_type(format_name), sent), notes=tuple(notes))


def check_media(
    value: object, kind: Literal["image", "audio", "video"], limits: PictureLimits | None
) -> str:
    """Return `value`, a public http(s) URL or a data URI of that kind, unchanged.

    Raises UnusableMediaError. A URL is not fetched; a data URI is decoded and looked into.
    """
    sort = _SORTS[kind]
    if not isinstance(value, str):
        raise UnusableMediaError(f"This is not text. {_what_to_send(sort)}")
    scheme = value[:8].lower()
    if scheme.startswith(("http:", "https:")):
        _check_url(value)
    elif scheme.startswith("data:"):
        _check_data_uri(value, sort, limits or PictureLimits())
    else:
        raise UnusableMediaError(f"This is neither a URL nor a data URI. {_what_to_send(sort)}")
    return value


def _read(path: Path, sort: _Sort) -> bytes:
    try:
        _check_bytes(path.stat().st_size, sort.max_bytes, sort)
        return path.read_bytes()
    except OSError as exc:
        raise UnusableMediaError(
            f"The {sort.noun}'s file can't be read. Choose it once more."
        ) from exc


def _check_bytes(count: int, most: int, sort: _Sort) -> None:
    if count == 0:
        raise UnusableMediaError(f"The {sort.noun}'s file is empty. Choose another one.")
    if count > most:
        has = _megabytes(math.ceil(count / 10**5) * 10**5)
        raise UnusableMediaError(
            f"The {sort.noun} has {has}; the limit is {_megabytes(most)}. Use a smaller one."
        )


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{str(base64.b64encode(data), 'ascii')}"


# Pictures


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
    except _DAMAGE as exc:
        raise UnusableMediaError(
            "The picture is damaged, cut off, or of a rare kind. "
            "Open it in an image editor and save it anew as JPEG or PNG."
        ) from exc


_TOO_MANY_PIXELS = (
    f"The picture has more than {MAX_PIXELS // 10**6} million pixels. Scale it down first."
)

_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, RuntimeError),
    *(LookupError, ArithmeticError, struct.error, zlib.error),
    UserWarning,  # only where warnings are made errors
)
"""What Pillow's decoders raise for damaged files, each in its own way."""


def _opened(data: bytes) -> ImageFile.ImageFile:
    """Return the picture, its size known, nothing of it decoded yet."""
    _check_bytes(len(data), MAX_PICTURE_FILE_BYTES, _PICTURE)
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
    with suppress(*_DAMAGE):  # unreadable EXIF data turn nothing
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
    most = _megabytes(limits.max_bytes)
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


def _megabytes(count: int) -> str:
    return f"{count / 10**6:g} MB"


def _name(image: ImageFile.ImageFile) -> str:
    name = image.format or "an unknown format"
    return {"WEBP": "WebP", "HEIF": "HEIC"}.get(name, name)


# Sounds and videos

_CONTAINERS = {"mp3": "MP3", "wav": "WAV", "aac": "AAC", "mov": "MP4", "matroska": "Matroska"}
"""FFmpeg's first name of each container we open, and ours. No others are: a playlist that
calls itself a sound would make FFmpeg fetch what it lists."""


def _taken_as_it_is(data: bytes, sort: _Sort) -> Taken:
    return Taken(uri=_data_uri(sort.media_type(_format_of(data, sort)), data))


def _format_of(data: bytes, sort: _Sort) -> str:
    """Return the format of a sound or video that can be played; else raise UnusableMediaError."""
    only = {"format_whitelist": ",".join(_CONTAINERS)}
    try:
        with av.open(BytesIO(data), "r", options=only) as container:
            _check_streams(container, sort)
            name = _CONTAINERS[container.format.name.split(",")[0]]
    except UnusableMediaError:
        raise
    except (av.FFmpegError, *_DAMAGE) as exc:
        raise UnusableMediaError(
            f"This is not a whole {sort.noun} that can be played. Use {sort.formats}."
        ) from exc
    if name == "MP4" and _is_cut_off(data):
        raise UnusableMediaError(f"The {sort.noun} is cut off. Copy or export it once more.")
    if name == "MP4" and sort is _VIDEO and (data[4:8] != b"ftyp" or data[8:12] == b"qt  "):
        name = "MOV"
    if name == "Matroska" and b"webm" in data[:64]:
        name = "WebM"
    if name not in sort.types.values():
        raise UnusableMediaError(f"{name} can't be sent as a {sort.noun}. Use {sort.formats}.")
    return name


def _check_streams(container: InputContainer, sort: _Sort) -> None:
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic  # a cover is no video
    ]
    if sort is _SOUND and moving:
        raise UnusableMediaError(f"This is a video. Export its sound as {sort.formats}.")
    stream = next(iter(moving if sort is _VIDEO else container.streams.audio), None)
    if stream is None:
        raise UnusableMediaError(f"There is no {sort.noun} in it. Use {sort.formats}.")
    if next(container.decode(stream), None) is None:
        raise ValueError("nothing can be decoded")


def _is_cut_off(data: bytes) -> bool:
    """Tell whether an MP4's last box reaches beyond its end; what is cut off still opens."""
    at, size, box = 0, 8, b""
    while size >= 8 and at + 8 <= len(data):  # noqa: PLR2004  the least a box has
        size, box = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        at += size
    return at > len(data) and box in (b"mdat", b"moov", b"moof")


# Values that are already a URL or a data URI

_DATA_URI = re.compile(r"data:([\w.+-]{1,40}/[\w.+-]{1,60});base64,", re.ASCII | re.IGNORECASE)
_HOST = re.compile(r"[\w.:-]+", re.ASCII)
_LOCAL_NAMES = (".localhost", ".local", ".internal")


def _what_to_send(sort: _Sort) -> str:
    example = f"data:{next(iter(sort.types))};base64,…"
    return f"Send the {sort.noun} as a public http(s) URL or as a data URI ({example})."


def _check_data_uri(uri: str, sort: _Sort, limits: PictureLimits) -> None:
    header = _DATA_URI.match(uri)
    if header is None:
        raise UnusableMediaError(f"The data URI has no proper beginning. {_what_to_send(sort)}")
    media_type = header[1].lower()
    if media_type not in sort.types:
        raise UnusableMediaError(
            f"The data URI says {media_type}, but a {sort.noun} has to be {sort.formats}."
        )
    most = limits.max_bytes if sort is _PICTURE else sort.max_bytes
    count = (len(uri) - header.end()) * 3 // 4 - uri[-2:].count("=")
    _check_bytes(count, most, sort)
    try:
        data = binascii.a2b_base64(uri[header.end() :], strict_mode=True)
    except ValueError as exc:
        raise UnusableMediaError(
            "The data URI is not proper base64. Encode the file anew."
        ) from exc
    found = _checked_picture(data, limits) if sort is _PICTURE else _format_of(data, sort)
    # MP4 and MOV are one family, and browsers name them by the file's ending.
    if found.replace("MOV", "MP4") != sort.types[media_type].replace("MOV", "MP4"):
        raise UnusableMediaError(
            f"The data URI says {media_type}, but the {sort.noun} is {found}. Say what it is."
        )


def _checked_picture(data: bytes, limits: PictureLimits) -> str:
    """Return the format of a picture that may be sent as it is; else raise UnusableMediaError."""
    with _damage_refused(), _opened(data) as image:
        if image.format not in ("JPEG", "PNG"):
            raise UnusableMediaError(
                f"The picture is {_name(image)}; only {_PICTURE.formats} can be sent. Convert it."
            )
        image.load()
        _check_shape(image, limits)
        return image.format


def _check_url(url: str) -> None:
    if len(url) > MAX_URL_CHARACTERS:
        raise UnusableMediaError(
            f"The URL has {len(url)} characters; at most {MAX_URL_CHARACTERS} can be sent."
        )
    if " " in url or "\\" in url or not url.isprintable():
        raise UnusableMediaError("The URL has spaces, backslashes or control characters in it.")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        is_proper = _HOST.fullmatch(host) is not None and parts.port != 0
    except ValueError as exc:
        raise UnusableMediaError("The URL has no proper host. Check how it is written.") from exc
    if not is_proper:
        raise UnusableMediaError("The URL has no proper host. Check how it is written.")
    if "@" in parts.netloc:
        raise UnusableMediaError("The URL has a user name or password in it. Use one without.")
    if not _may_be_public(host):
        raise UnusableMediaError(
            f"The provider can't reach {host}. Use a public URL, or send the file itself."
        )


def _may_be_public(host: str) -> bool:
    with suppress(ValueError):
        return _is_public(ipaddress.ip_address(host))
    with suppress(OSError):  # the old short, octal and hexadecimal forms
        return _is_public(ipaddress.ip_address(socket.inet_aton(host)))
    name = host.rstrip(".")
    return "." in name and not name.endswith(_LOCAL_NAMES)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return _is_public(address.ipv4_mapped)
    return address.is_global and not address.is_multicast
