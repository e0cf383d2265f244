"""The pixels of a decoded picture: their colors and their fit, strip by strip.

A whole picture is never copied only to look at it: 64 megapixels are 256 MB.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO

from PIL import Image, ImageCms

from kling_ui.catalog.media_input.kinds import PictureLimits, UnusableMediaError, megabytes

MAX_SCALED_SIDE = 3840
"""The longer side in px of a picture that is made anew; no video is larger."""

MAX_PNG_PIXELS = 3840 * 2160
"""A 4K screen. Beyond, writing a PNG takes seconds, and it hardly ever fits."""

_STRIP_PIXELS = 1 << 20

Size = tuple[int, int]
Convert = Callable[[Image.Image], Image.Image]


def strips(image: Image.Image, multiple: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """Yield a picture from top to bottom in strips of about a megapixel, each with its y.

    Their heights are multiples of `multiple`, but for the last one.
    """
    height = max(1, _STRIP_PIXELS // image.width // multiple) * multiple
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(top + height, image.height)))


def is_transparent(image: Image.Image) -> bool:
    """Tell whether any pixel is not opaque."""
    return image.has_transparency_data and any(
        strip.convert("RGBA").getchannel("A").getextrema() != (255, 255)
        for _, strip in strips(image)
    )


def in_plain_colors(image: Image.Image, *, shrink: int = 1) -> Image.Image:
    """Return the picture opaque, in 8-bit sRGB, without anything but its pixels.

    Each `shrink` × `shrink` pixels become one. Raises UnusableMediaError for 32 bits a channel.
    """
    if image.mode in ("I", "F"):
        raise UnusableMediaError("The picture has 32 bits a channel. Save it with 8 bits.")
    to_srgb = _to_srgb(image)
    plain = Image.new("RGB", (-(-image.width // shrink), -(-image.height // shrink)))
    for top, strip in strips(image, shrink):
        colored = to_srgb(_opaque(_in_eight_bits(strip)))
        plain.paste(colored.reduce(shrink) if shrink > 1 else colored, (0, top // shrink))
    return plain


def fitted(image: Image.Image, limits: PictureLimits, *, is_lossless: bool) -> tuple[str, bytes]:
    """Return format and bytes of the best that fits: PNG, JPEG, or a smaller JPEG."""
    if is_lossless and image.width * image.height <= MAX_PNG_PIXELS:
        data = saved(image, "PNG")
        if len(data) <= limits.max_bytes:
            return "PNG", data
    for quality in (95, 88):
        data = saved(image, "JPEG", quality=quality)
        if len(data) <= limits.max_bytes:
            return "JPEG", data
    factor = math.sqrt(limits.max_bytes / len(data))
    while min(size := scaled(image.size, factor)) >= limits.min_side:
        data = saved(resized(image, size), "JPEG", quality=88)
        if len(data) <= limits.max_bytes:
            return "JPEG", data
        factor *= 0.9
    most = megabytes(limits.max_bytes)
    raise UnusableMediaError(f"The picture can't be made to fit {most}. Use a simpler one.")


def saved(image: Image.Image, format_name: str, **options: int) -> bytes:
    """Return the picture as a file."""
    stream = BytesIO()
    # Four is where a PNG is nearly as small as it gets, in a third of the time.
    image.save(stream, format_name, **{"compress_level": 4, "subsampling": 0, **options})
    return stream.getvalue()


def scaled(size: Size, factor: float) -> Size:
    """Return the size scaled down; rounding never makes it slimmer than it was."""
    short, long = sorted(size)
    new_long = round(long * factor)
    new_short = -(-short * new_long // long)
    return (new_long, new_short) if size[0] == long else (new_short, new_long)


def resized(image: Image.Image, size: Size) -> Image.Image:
    """Return the picture in another size; the same one where it has that size."""
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2)


def _in_eight_bits(strip: Image.Image) -> Image.Image:
    if not strip.mode.startswith("I;16"):
        return strip
    return strip.convert("I").point(lambda value: value / 256).convert("L")


def _opaque(strip: Image.Image) -> Image.Image:
    if not strip.has_transparency_data:
        return strip
    paint = strip.convert("RGBA")
    paper = Image.new("RGB", strip.size, "white")
    paper.paste(paint, mask=paint.getchannel("A"))
    return paper


def _to_srgb(image: Image.Image) -> Convert:
    """Return what turns a strip into sRGB: by the picture's own profile, where it fits."""
    profile = image.info.get("icc_profile")
    mode = _opaque(_in_eight_bits(image.crop((0, 0, 1, 1)))).mode
    if profile:
        with suppress(ImageCms.PyCMSError):  # a profile for other colors than the picture has
            transform = ImageCms.buildTransform(
                BytesIO(profile), ImageCms.createProfile("sRGB"), mode, "RGB"
            )
            return lambda strip: ImageCms.applyTransform(strip, transform) or strip
    return lambda strip: strip.convert("RGB")
