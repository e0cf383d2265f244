"""What can be sent goes as it is, what can be mended is mended and said, the rest is refused."""

import base64
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from kling_ui.catalog.media_input.kinds import (
    MAX_AUDIO_BYTES,
    MAX_VIDEO_BYTES,
    PictureLimits,
    UnusableMediaError,
)
from kling_ui.catalog.media_input.pictures import picture_from_bytes, take_picture
from kling_ui.catalog.media_input.recordings import seconds_of, take_audio, take_video
from kling_ui.catalog.media_input.values import check_media

LIMITS = PictureLimits()
ROOT = Path(__file__).resolve().parents[2]
DAMAGED = (
    "The picture is damaged, cut off, or of a rare kind. "
    "Open it in an image editor and save it anew as JPEG or PNG."
)
TOO_SLIM = "the longer side may be at most 2.5 times the shorter one. Crop it."
SEND_A_PICTURE = (
    "Send the picture as a public http(s) URL or as a data URI (data:image/jpeg;base64,…)."
)


def picture(size=(400, 300), mode="RGB"):
    """Return a picture whose upper left quarter is red, on blue."""
    made = Image.new("RGB", size, "blue")
    made.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    return made.convert(mode)


def noise(size):
    pixels = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def saved(image, format_name, **options):
    stream = BytesIO()
    image.save(stream, format_name, **options)
    return stream.getvalue()


def turned(orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def heic(image):
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=80)
    return stream.getvalue()


def png_that_claims(width, height):
    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def media(container, *, video=None, audio=None, **options):
    """Return the bytes of a second of grey pictures, of silence, or of both."""
    stream = BytesIO()
    with av.open(stream, "w", format=container, options=options) as output:
        pictures = output.add_stream(video, rate=12) if video else None
        sound = output.add_stream(audio, rate=16_000, layout="mono") if audio else None
        if pictures:
            pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
            pictures.gop_size = 4
            for _ in range(12):
                frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 99, dtype=np.uint8))
                output.mux(pictures.encode(frame))
            output.mux(pictures.encode())
        if sound:
            layout = "s16" if audio == "pcm_s16le" else "fltp"
            frame = av.AudioFrame(format=layout, layout="mono", samples=16_000)
            frame.planes[0].update(bytes(frame.planes[0].buffer_size))
            frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
            output.mux(sound.encode(frame))
            output.mux(sound.encode())
    return stream.getvalue()


def mp4(**options):
    return media("mp4", video="libx264", **options)


def uri(media_type, data):
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def sent(taken):
    """Return the media type and the bytes of what was taken."""
    header, _, payload = taken.uri.partition(",")
    return header.removeprefix("data:").removesuffix(";base64"), base64.b64decode(payload)


def sent_picture(taken):
    media_type, data = sent(taken)
    image = Image.open(BytesIO(data))
    assert Image.MIME[image.format] == media_type
    assert check_media(taken.uri, "image", LIMITS) == taken.uri
    return image


def is_red(pixel):
    return pixel[0] > 200 and pixel[2] < 60


def refusal(call, *arguments):
    with pytest.raises(UnusableMediaError) as caught:
        call(*arguments)
    return str(caught.value)


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


# Pictures that may go as they are


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/jpeg", saved(picture(), "JPEG", quality=70)),
        ("image/jpeg", saved(picture(mode="L"), "JPEG")),
        ("image/jpeg", saved(picture(), "JPEG", progressive=True, exif=turned(1))),
        ("image/png", saved(picture(), "PNG")),
        ("image/png", saved(picture(mode="L"), "PNG")),
        ("image/png", saved(picture(mode="RGBA"), "PNG")),
    ],
    ids=["jpeg", "gray jpeg", "upright jpeg", "png", "gray png", "png with full alpha"],
)
def test_a_jpeg_or_png_that_fits_goes_byte_for_byte(media_type, data):
    taken = picture_from_bytes(data, LIMITS)
    assert sent(taken) == (media_type, data)
    assert taken.notes == ()
    assert check_media(taken.uri, "image", LIMITS) is taken.uri


def test_what_a_file_is_stands_in_its_bytes_and_not_in_its_name(tmp_path):
    data = saved(picture(), "PNG")
    assert sent(take_picture(write(tmp_path, "cat.jpg", data), LIMITS)) == ("image/png", data)


@pytest.mark.parametrize("size", [(750, 300), (300, 750), (300, 300), (1000, 400)])
def test_sides_and_aspect_at_the_very_limit_fit(size):
    assert picture_from_bytes(saved(picture(size), "PNG"), LIMITS).notes == ()


def test_a_jpeg_with_a_second_picture_behind_it_goes_as_it_is():
    data = saved(picture(), "MPO", save_all=True, append_images=[picture()])
    assert sent(picture_from_bytes(data, LIMITS)) == ("image/jpeg", data)


def test_what_was_taken_does_not_show_its_bytes_when_it_is_printed():
    taken = picture_from_bytes(saved(picture(), "PNG"), LIMITS)
    assert repr(taken) == "Taken(notes=(), size=(400, 300), shown_size=(400, 300))"


# Pictures that are mended


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (saved(picture(), "WEBP", lossless=True), ("Converted from WebP to PNG.",)),
        (saved(picture(), "WEBP"), ("Converted from WebP to JPEG.",)),
        (saved(picture(), "AVIF", speed=10), ("Converted from AVIF to JPEG.",)),
        (saved(picture(), "BMP"), ("Converted from BMP to PNG.",)),
        (saved(picture(), "TIFF", compression="tiff_lzw"), ("Converted from TIFF to PNG.",)),
        (saved(picture(), "GIF"), ("Converted from GIF to PNG.",)),
        (
            saved(picture(), "GIF", save_all=True, append_images=[Image.new("RGB", (400, 300))]),
            ("Only the first of its pictures was used.", "Converted from GIF to PNG."),
        ),
        (
            saved(picture(), "PNG", save_all=True, append_images=[Image.new("RGB", (400, 300))]),
            ("Only the first of its pictures was used.",),
        ),
        (
            saved(picture(mode="CMYK"), "JPEG"),
            ("Colors were converted from CMYK to RGB.",),
        ),
        (
            saved(picture(mode="P"), "PNG"),
            ("Colors were converted from a palette to RGB.",),
        ),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else " ".join(value),
)
def test_other_kinds_of_pictures_are_converted_and_it_is_said(data, notes):
    taken = picture_from_bytes(data, LIMITS)
    image = sent_picture(taken)
    assert taken.notes == notes
    assert (image.mode, image.size) == ("RGB", (400, 300))
    assert is_red(image.getpixel((20, 20)))
    assert not is_red(image.getpixel((380, 20)))


def test_heic_is_converted_without_teaching_it_to_the_whole_process():
    taken = picture_from_bytes(heic(picture()), LIMITS)
    assert taken.notes == ("Converted from HEIC to JPEG.",)
    assert is_red(sent_picture(taken).getpixel((20, 20)))
    assert "HEIF" not in Image.OPEN


def test_heic_without_its_decoder_is_refused_with_what_to_do(monkeypatch):
    data = heic(picture())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert refusal(picture_from_bytes, data, LIMITS) == (
        "HEIC pictures can't be read on this machine. Save it as JPEG or PNG."
    )


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_lying_on_its_side_is_turned_upright(format_name):
    data = saved(picture((500, 300)), format_name, exif=turned())
    taken = picture_from_bytes(data, LIMITS)
    image = sent_picture(taken)
    assert taken.notes[0] == "Turned upright."
    assert image.size == (300, 500)
    assert is_red(image.getpixel((280, 20)))
    assert not is_red(image.getpixel((20, 20)))


def test_what_a_mended_picture_told_about_its_place_is_left_out():
    exif = turned()
    exif[0x010F] = "Camera of somebody"
    exif.get_ifd(0x8825)[1] = "N"
    image = sent_picture(picture_from_bytes(saved(picture(), "JPEG", exif=exif), LIMITS))
    assert dict(image.getexif()) == {}


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_filled_with_white(mode):
    glass = picture(mode="RGBA")
    glass.putalpha(Image.new("L", glass.size, 0))
    glass.paste("red", (0, 0, 200, 150))
    taken = picture_from_bytes(saved(glass.convert(mode), "PNG"), LIMITS)
    assert taken.notes == ("Transparency was filled with white.",)
    assert sent_picture(taken).getpixel((380, 280)) == (255, 255, 255)
    assert sent_picture(taken).getpixel((20, 20)) != (255, 255, 255)


def test_a_transparent_color_of_a_palette_is_filled_with_white():
    data = saved(picture(mode="P"), "PNG", transparency=picture(mode="P").getpixel((380, 280)))
    image = sent_picture(picture_from_bytes(data, LIMITS))
    assert image.getpixel((380, 280)) == (255, 255, 255)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight_without_burning_out(format_name):
    gray = Image.fromarray(np.full((300, 400), 0x8000, dtype=np.uint16))
    taken = picture_from_bytes(saved(gray, format_name), LIMITS)
    assert taken.notes[0] == "Colors were converted from 16 bits to RGB."
    assert sent_picture(taken).getpixel((5, 5)) == (128, 128, 128)


def test_a_color_profile_is_applied_when_a_picture_is_mended():
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Red and green change places, which no viewer that ignores profiles would show.
    swapped = swapped.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
    data = saved(picture(), "TIFF", icc_profile=swapped)
    pixel = sent_picture(picture_from_bytes(data, LIMITS)).getpixel((20, 20))
    assert pixel[1] > 200 > pixel[0]


def test_an_unreadable_color_profile_does_no_harm():
    data = saved(picture(), "TIFF", icc_profile=b"no profile")
    assert is_red(sent_picture(picture_from_bytes(data, LIMITS)).getpixel((20, 20)))


def test_a_picture_of_too_many_bytes_is_compressed_to_fit():
    limits = PictureLimits(max_bytes=200_000)
    data = saved(picture((800, 600)), "BMP")
    taken = picture_from_bytes(saved(noise((400, 300)), "JPEG", quality=100), limits)
    assert taken.notes == ("Compressed to fit 0.2 MB.",)
    assert len(sent(taken)[1]) <= limits.max_bytes
    assert picture_from_bytes(data, limits).notes == (
        "Converted from BMP to PNG.",
        "Compressed to fit 0.2 MB.",
    )


def test_a_picture_that_can_not_be_compressed_enough_is_scaled_down_and_keeps_its_aspect():
    limits = PictureLimits(max_bytes=500_000)
    taken = picture_from_bytes(saved(noise((1500, 600)), "PNG"), limits)
    image = sent_picture(taken)
    assert len(sent(taken)[1]) <= limits.max_bytes
    assert taken.notes == (
        "Converted from PNG to JPEG.",
        f"Scaled down from 1500 × 600 to {image.width} × {image.height} px to fit 0.5 MB.",
    )
    assert 300 <= image.height < 600
    assert 2.49 < image.width / image.height <= 2.5


def test_a_huge_picture_that_does_not_fit_is_scaled_to_what_videos_need():
    grain = noise((550, 220)).resize((4400, 1760), Image.Resampling.NEAREST)
    data = saved(grain, "JPEG", quality=90)
    limits = PictureLimits(max_bytes=len(data) // 2)
    taken = picture_from_bytes(data, limits)
    image = sent_picture(taken)
    assert max(image.size) <= 4096
    assert taken.notes[0].startswith("Scaled down from 4400 × 1760 to ")
    assert len(sent(taken)[1]) <= limits.max_bytes


def test_a_picture_that_would_become_too_small_to_fit_is_refused():
    limits = PictureLimits(max_bytes=20_000)
    assert refusal(picture_from_bytes, saved(noise((400, 400)), "PNG"), limits) == (
        "The picture can't be made to fit 0.02 MB. Use a simpler one."
    )


def test_a_larger_limit_lets_a_larger_picture_through():
    data = saved(noise((2000, 2000)), "PNG", compress_level=0)
    assert len(data) > LIMITS.max_bytes
    assert picture_from_bytes(data, PictureLimits(max_bytes=50 * 10**6)).notes == ()


# Pictures that every browser shows, in files that are not in order


def chunk(name, body, *, is_intact=True):
    checksum = zlib.crc32(name + body) ^ (not is_intact)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


PNG, JPEG_ = saved(noise((400, 300)), "PNG"), saved(noise((400, 300)), "JPEG")


def with_chunk(name, body, **more):
    return PNG[:33] + chunk(name, body, **more) + PNG[33:]


def with_wrong_checksum(name):
    at = PNG.index(name)
    end = at + 4 + int.from_bytes(PNG[at - 4 : at])
    return PNG[:end] + bytes([PNG[end] ^ 1]) + PNG[end + 1 :]


WORKFLOW = zlib.compress(b"x" * 1_600_000)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MEDIUM_TEXT = chunk(b"zTXt", b"w\0\0" + zlib.compress(bytes(900_000)))
OUT_OF_ORDER = {
    "large zTXt": with_chunk(b"zTXt", b"workflow\0\0" + WORKFLOW),
    "large iTXt": with_chunk(b"iTXt", b"workflow\0\1\0\0\0" + WORKFLOW),
    "large tEXt": with_chunk(b"tEXt", b"workflow\0" + bytes(2_000_000)),
    "large iTXt at the end": PNG[:-12] + chunk(b"iTXt", b"w\0\1\0\0\0" + WORKFLOW) + PNG[-12:],
    "many zTXt": PNG[:33]
    + chunk(b"zTXt", b"w\0\0" + zlib.compress(bytes(900_000))) * 80
    + PNG[33:],
    "half a zTXt": with_chunk(b"zTXt", b"w\0\0" + WORKFLOW[:-100]),
    "large profile": with_chunk(b"iCCP", b"p\0\0" + zlib.compress(PROFILE + bytes(2_000_000))),
    "no profile": with_chunk(b"iCCP", b"p\0\0nothing"),
    "foreign chunk": with_chunk(b"caBX", bytes(300_000)),
    **{
        f"wrong checksum of {name.decode()}": with_chunk(name, body, is_intact=False)
        for name, body in {
            b"tEXt": b"Comment\0hello",
            b"gAMA": struct.pack(">I", 45455),
            b"pHYs": struct.pack(">IIB", 2835, 2835, 1),
            b"eXIf": b"MM\0*\0\0\0\x08\0\0",
            b"iCCP": b"p\0\0" + zlib.compress(PROFILE),
        }.items()
    },
    "wrong checksum of IDAT": with_wrong_checksum(b"IDAT"),
    "PNG without an end": PNG[:-12],
    "PNG with half an end": PNG[:-5],
    "PNG with more behind": PNG + b"more" * 100,
    "JPEG without an end": JPEG_[:-2],
    "JPEG with half an end": JPEG_[:-1],
    "JPEG with more behind": JPEG_ + b"more" * 100,
    "progressive JPEG without an end": saved(noise((400, 300)), "JPEG", progressive=True)[:-2],
    "JPEG with a broken profile": saved(noise((400, 300)), "JPEG", icc_profile=b"nothing"),
}


@pytest.mark.parametrize("data", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_a_picture_that_every_browser_shows_is_taken_with_every_pixel(data):
    taken = picture_from_bytes(data, LIMITS)
    image = sent_picture(taken)
    whole = Image.open(BytesIO(PNG if image.format == "PNG" else data + b"\xff\xd9"))
    assert image.convert("RGB").tobytes() == whole.convert("RGB").tobytes()
    assert taken.notes in ((), ("Its file was put in order; the picture is the same.",))


@pytest.mark.parametrize("data", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_such_a_picture_may_be_given_as_a_data_uri(data):
    value = uri("image/png" if data.startswith(b"\x89PNG") else "image/jpeg", data)
    assert check_media(value, "image", LIMITS) is value


def test_a_webp_that_says_it_is_longer_than_it_is_is_taken():
    data = saved(picture(), "WEBP")
    assert picture_from_bytes(data[:4] + struct.pack("<I", len(data)) + data[8:], LIMITS)


@pytest.mark.parametrize("missing", [20, 200, 2_000])
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_jpeg_that_lacks_more_than_its_end_is_refused(options, missing):
    data = saved(noise((400, 300)), "JPEG", **options)[: -2 - missing]
    assert refusal(picture_from_bytes, data, LIMITS) == DAMAGED


def test_a_png_whose_pixels_are_damaged_is_refused():
    middle = PNG.index(b"IDAT") + 60_000
    data = PNG[:middle] + bytes([PNG[middle] ^ 8]) + PNG[middle + 1 : -12]
    broken = data[:33] + chunk(b"tEXt", b"a\0b", is_intact=False) + data[33:]
    assert refusal(picture_from_bytes, broken, LIMITS) == DAMAGED


# What a picture may cost


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"])
def test_sides_and_ratio_are_asked_before_anything_is_decoded(kind, monkeypatch):
    image = picture((900, 300))
    data = heic(image) if kind == "HEIF" else saved(image, kind)

    def decoded(*_):
        raise AssertionError("decoded")

    for base in (ImageFile.ImageFile, *ImageFile.ImageFile.__subclasses__()):
        monkeypatch.setattr(base, "load", decoded)
    assert TOO_SLIM in refusal(picture_from_bytes, data, LIMITS)


def test_a_picture_of_64_megapixels_takes_little_more_memory_than_its_pixels(tmp_path):
    path = tmp_path / "glass.png"
    Image.new("RGBA", (8000, 8000), (9, 9, 9, 99)).save(path, compress_level=1)
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from kling_ui.catalog import PictureLimits\n"
        "from kling_ui.catalog.media_input.pictures import take_picture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "take_picture(Path(sys.argv[1]), PictureLimits())\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) < 450  # MiB; the pixels alone are 244


def test_a_large_picture_that_has_to_be_made_anew_becomes_no_larger_than_a_video():
    taken = picture_from_bytes(saved(picture((5000, 3500)), "JPEG", exif=turned()), LIMITS)
    assert taken.notes == (
        "Turned upright.",
        "Scaled down from 3500 × 5000 to 2688 × 3840 px which no video exceeds.",
    )
    assert (taken.shown_size, taken.size) == ((3500, 5000), (2688, 3840))
    assert sent_picture(taken).size == (2688, 3840)


# Pictures that are refused


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            saved(picture((299, 400)), "PNG"),
            "The picture is 299 × 400 px; each side needs at least 300 px. Use a larger one.",
        ),
        (
            saved(picture((780, 300)), "JPEG"),
            f"The picture is 780 × 300 px; {TOO_SLIM}",
        ),
        (
            saved(picture((300, 751)), "WEBP"),
            f"The picture is 300 × 751 px; {TOO_SLIM}",
        ),
        (b"", "The picture's file is empty. Choose another one."),
        (
            b"Dear Sir or Madam",
            "The file is not a picture that can be read. Use a JPEG or PNG.",
        ),
        (
            b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
            "SVG drawings can't be sent. Export it as PNG.",
        ),
        (
            png_that_claims(20_000, 20_000),
            "The picture has more than 64 million pixels. Scale it down first.",
        ),
        (
            png_that_claims(8_001, 8_000),
            "The picture has more than 64 million pixels. Scale it down first.",
        ),
        (
            png_that_claims(8_000, 8_000),
            DAMAGED,
        ),
        (
            saved(Image.new("F", (400, 300)), "TIFF"),
            "The picture has 32 bits a channel. Save it with 8 bits.",
        ),
        (saved(noise((400, 300)), "JPEG")[:-20_000], DAMAGED),
        (saved(noise((400, 300)), "PNG")[:-20_000], DAMAGED),
        (saved(noise((400, 300)), "WEBP")[:-20_000], DAMAGED),
        (saved(noise((400, 300)), "GIF")[:-20_000], DAMAGED),
        (saved(noise((400, 300)), "BMP")[:-20_000], DAMAGED),
        (saved(noise((400, 300)), "TIFF")[:-20_000], DAMAGED),
        (b"\xff\xd8\xff", DAMAGED),
    ],
    ids=[
        *(
            "299 px",
            "1:2.6",
            "just beyond 1:2.5",
            "empty",
            "text",
            "svg",
            "bomb",
            "too many",
            "empty 64 MP",
        ),
        *("floats", "cut jpeg", "cut png", "cut webp", "cut gif", "cut bmp", "cut tiff", "head"),
    ],
)
def test_what_can_not_be_mended_is_refused_with_what_to_do(data, message, tmp_path):
    assert refusal(picture_from_bytes, data, LIMITS) == message
    assert refusal(take_picture, write(tmp_path, "cat.jpg", data), LIMITS) == message


def test_a_cut_heic_is_refused():
    assert refusal(picture_from_bytes, heic(noise((400, 300)))[:-5_000], LIMITS) == DAMAGED


def test_an_enormous_file_is_refused_unread(tmp_path):
    path = tmp_path / "cat.png"
    with path.open("wb") as file:
        file.truncate(300 * 10**6)
    assert refusal(take_picture, path, LIMITS) == (
        "The picture has 300 MB; the limit is 200 MB. Use a smaller one."
    )


def test_a_file_that_is_gone_is_refused(tmp_path):
    message = "The picture's file can't be read. Choose it once more."
    assert refusal(take_picture, tmp_path / "gone.png", LIMITS) == message
    assert refusal(take_picture, tmp_path, LIMITS) == message


SEEDS = [
    saved(picture(), name, **more)
    for name, more in [
        ("JPEG", {"exif": turned()}),
        ("PNG", {"exif": turned()}),
        ("WEBP", {}),
        ("GIF", {}),
        ("BMP", {}),
    ]
]


@given(data=st.sampled_from(SEEDS), at=st.floats(0, 1), junk=st.binary(max_size=40))
def test_whatever_is_in_a_damaged_picture_it_is_taken_or_refused(data, at, junk):
    place = int(len(data) * at)
    broken = data[:place] + junk + data[place + len(junk) :]
    with suppress(UnusableMediaError):
        taken = picture_from_bytes(broken, LIMITS)
        sent_picture(taken).load()


# Sounds


@pytest.mark.parametrize(
    ("name", "container", "codec", "media_type"),
    [
        ("a.mp3", "mp3", "libmp3lame", "audio/mpeg"),
        ("a.wav", "wav", "pcm_s16le", "audio/wav"),
        ("a.m4a", "ipod", "aac", "audio/mp4"),
        ("a.aac", "adts", "aac", "audio/aac"),
    ],
)
def test_a_sound_goes_as_it_is(tmp_path, name, container, codec, media_type):
    data = media(container, audio=codec)
    taken = take_audio(write(tmp_path, name, data))
    assert sent(taken) == (media_type, data)
    assert taken.notes == ()
    assert check_media(taken.uri, "audio", None) == taken.uri


def test_a_song_with_a_cover_is_no_video(tmp_path):
    stream = BytesIO()
    with av.open(stream, "w", format="mp3") as output:
        sound = output.add_stream("libmp3lame", rate=16_000, layout="mono")
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        frame = av.AudioFrame(format="fltp", layout="mono", samples=16_000)
        frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
        output.mux(sound.encode(frame))
        output.mux(sound.encode())
        image = av.VideoFrame.from_image(picture((64, 64))).reformat(format="yuvj420p")
        output.mux(cover.encode(image))
        output.mux(cover.encode())
    assert take_audio(write(tmp_path, "a.mp3", stream.getvalue())).uri.startswith("data:audio/mpeg")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: mp4(audio="aac"),
            "This is a video. Export its sound as MP3, WAV, M4A or AAC.",
        ),
        (
            lambda: media("ogg", audio="libopus"),
            "OGG can't be sent as a sound. Use MP3, WAV, M4A or AAC.",
        ),
        (
            lambda: media("webm", audio="libopus"),
            "WebM can't be sent as a sound. Use MP3, WAV, M4A or AAC.",
        ),
        (
            lambda: b"Dear Sir or Madam" * 100,
            "This is not a whole sound that can be played. Use MP3, WAV, M4A or AAC.",
        ),
        (
            lambda: media("ipod", audio="aac")[:-400],
            "This is not a whole sound that can be played. Use MP3, WAV, M4A or AAC.",
        ),
        (lambda: b"", "The sound's file is empty. Choose another one."),
        (
            lambda: bytes(MAX_AUDIO_BYTES + 1),
            "The sound has 5.1 MB; the limit is 5 MB. Use a smaller one.",
        ),
    ],
    ids=["video", "ogg", "webm", "text", "cut", "empty", "too large"],
)
def test_what_is_no_sound_for_the_provider_is_refused(tmp_path, make, message):
    assert refusal(take_audio, write(tmp_path, "a.mp3", make())) == message


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [
        ("ogg", "libopus", "OGG"),
        ("flac", "flac", "FLAC"),
        ("aiff", "pcm_s16be", "AIFF"),
        ("caf", "pcm_s16le", "CAF"),
        ("matroska", "libopus", "Matroska"),
    ],
)
def test_a_voice_of_another_kind_is_called_what_it_is(tmp_path, container, codec, name):
    data = encoded_sound(container, codec)
    assert refusal(take_audio, write(tmp_path, "voice.mp3", data)) == (
        f"{name} can't be sent as a sound. Use MP3, WAV, M4A or AAC."
    )


def encoded_sound(container, codec):
    stream = BytesIO()
    with av.open(stream, "w", format=container) as output:
        sound = output.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=48_000)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        output.mux(sound.encode(frame))
        output.mux(sound.encode())
    return stream.getvalue()


def test_a_playlist_that_calls_itself_a_sound_is_not_followed(tmp_path):
    secret = write(tmp_path, "secret.wav", media("wav", audio="pcm_s16le"))
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {secret}\n",
    ):
        message = refusal(take_audio, write(tmp_path, "a.wav", text.encode()))
        assert message.startswith("This is not a whole sound that can be played.")


# Videos


@pytest.mark.parametrize(
    ("container", "codec", "media_type"),
    [
        ("mp4", "libx264", "video/mp4"),
        ("mov", "libx264", "video/quicktime"),
        ("webm", "libvpx", "video/webm"),
    ],
)
def test_a_video_goes_as_it_is(tmp_path, container, codec, media_type):
    data = media(container, video=codec)
    taken = take_video(write(tmp_path, "a.mp4", data))
    assert sent(taken) == (media_type, data)
    assert check_media(taken.uri, "video", None) == taken.uri


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: mp4()[:-100],
            "This is not a whole video that can be played. Use MP4, MOV or WebM.",
        ),
        (
            lambda: media("matroska", video="libx264"),
            "Matroska can't be sent as a video. Use MP4, MOV or WebM.",
        ),
        (
            lambda: media("ipod", audio="aac"),
            "There is no video in it. Use MP4, MOV or WebM.",
        ),
        (
            lambda: saved(picture(), "JPEG"),
            "This is not a whole video that can be played. Use MP4, MOV or WebM.",
        ),
        (
            lambda: bytes(MAX_VIDEO_BYTES + 1),
            "The video has 20.1 MB; the limit is 20 MB. Use a smaller one.",
        ),
        (lambda: b"", "The video's file is empty. Choose another one."),
    ],
    ids=["cut", "matroska", "sound", "picture", "too large", "empty"],
)
def test_what_is_no_video_for_the_provider_is_refused(tmp_path, make, message):
    assert refusal(take_video, write(tmp_path, "a.mp4", make())) == message


@pytest.mark.parametrize("brand", ["avif", "avis", "mif1", "msf1", "heic", "heix", "hevc"])
def test_a_photo_in_the_box_of_an_mp4_is_no_video(tmp_path, brand):
    photo = mp4().replace(b"ftypisom", b"ftyp" + brand.encode(), 1)
    message = "There is no video in it. Use MP4, MOV or WebM."
    assert refusal(take_video, write(tmp_path, "a.mp4", photo)) == message


@pytest.mark.parametrize(
    "photo",
    [heic(picture()), saved(picture(), "AVIF")],
    ids=["HEIC", "AVIF"],
)
def test_a_photo_that_calls_itself_a_video_is_refused(tmp_path, photo):
    assert "video" in refusal(take_video, write(tmp_path, "a.mp4", photo))


def test_a_video_whose_index_came_first_is_still_known_to_be_cut_off(tmp_path):
    whole = mp4(movflags="frag_keyframe+empty_moov")
    end = whole.rindex(b"mdat") + 8
    assert take_video(write(tmp_path, "whole.mp4", whole))
    assert refusal(take_video, write(tmp_path, "cut.mp4", whole[:end])) == (
        "The video is cut off. Copy or export it once more."
    )


@pytest.mark.parametrize("movflags", ["frag_keyframe+empty_moov", "dash+empty_moov"])
def test_how_long_a_video_lasts_is_read_from_its_packets(movflags):
    value = uri("video/mp4", mp4(movflags=movflags))
    assert seconds_of(value) == pytest.approx(1, abs=0.01)
    assert seconds_of(uri("video/mp4", mp4())) == pytest.approx(1, abs=0.01)
    assert seconds_of(uri("video/webm", media("webm", video="libvpx"))) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("value", [None, 7, "https://example.com/a.mp4", "data:video/mp4;base64,!"])
def test_how_long_anything_else_lasts_is_unknown(value):
    assert seconds_of(value) is None


# Values that are already a URL or a data URI


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/cat.png",
        "http://example.com:8080/a/b?c=d%20e&f=g#h",
        "HTTPS://EXAMPLE.COM/cat.webp",
        "https://8.8.8.8/cat.png",
        "https://[2606:4700:4700::1111]/cat.png",
        "https://bücher.example/katze.png",
        "https://example.com./cat.png",
        "https://example.com/" + "a" * 2028,
    ],
)
def test_a_public_url_passes_unchanged(kind, url):
    assert check_media(url, kind, LIMITS) == url


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "app.localhost", "printer.local", "intranet"),
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "10.0.0.7"),
        *("192.168.1.5", "169.254.169.254", "100.64.0.1", "224.0.0.1", "１２７.0.0.1"),  # noqa: RUF001  wide digits
        *("[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]"),
    ],
)
def test_a_host_that_only_we_can_reach_is_refused(host):
    message = refusal(check_media, f"http://{host}:8000/cat.png", "image", LIMITS)
    assert message.startswith("The provider can't reach ")
    assert message.endswith(". Use a public URL, or send the file itself.")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://", "The URL has no proper host. Check how it is written."),
        ("https:example.com/cat.png", "The URL has no proper host. Check how it is written."),
        ("https://a..b/cat.png", "The URL has no proper host. Check how it is written."),
        ("https://exa$mple.com/", "The URL has no proper host. Check how it is written."),
        ("https://example.com:port/", "The URL has no proper host. Check how it is written."),
        ("https://example.com:0/", "The URL has no proper host. Check how it is written."),
        ("https://[::1/cat.png", "The URL has no proper host. Check how it is written."),
        (
            "https://me:secret@example.com/",
            "The URL has a user name or password in it. Use one without.",
        ),
        (
            "https://me@example.com/",
            "The URL has a user name or password in it. Use one without.",
        ),
        (
            "https://example.com/my cat.png",
            "The URL has spaces, backslashes or control characters in it.",
        ),
        (
            "https://example.com/cat.png\n",
            "The URL has spaces, backslashes or control characters in it.",
        ),
        (
            "https://example.com\\@localhost/",
            "The URL has spaces, backslashes or control characters in it.",
        ),
        (
            "https://example.com/" + "a" * 2029,
            "The URL has 2049 characters; at most 2048 can be sent.",
        ),
    ],
)
def test_a_url_that_is_not_in_order_is_refused_and_not_repeated(url, message):
    assert refusal(check_media, url, "image", LIMITS) == message


@pytest.mark.parametrize(
    "value",
    ["/home/me/cat.png", "cat.png", "", "ftp://example.com/cat.png", "file:///etc/passwd"],
)
def test_what_is_no_url_is_refused_with_what_to_send(value):
    assert refusal(check_media, value, "image", LIMITS) == (
        f"This is neither a URL nor a data URI. {SEND_A_PICTURE}"
    )


@pytest.mark.parametrize("value", [None, b"\x89PNG", 7, ["https://example.com"], {"path": "a"}])
def test_what_is_no_text_is_refused_with_what_to_send(value):
    assert refusal(check_media, value, "audio", None) == (
        "This is not text. Send the sound as a public http(s) URL "
        "or as a data URI (data:audio/mpeg;base64,…)."
    )


JPEG = saved(picture(), "JPEG")
CHECKED = [
    ("image", uri("image/jpeg", JPEG)),
    ("image", uri("image/jpg", JPEG)),
    ("image", uri("image/png", saved(picture(mode="RGBA"), "PNG"))),
    ("audio", uri("audio/x-wav", media("wav", audio="pcm_s16le"))),
    ("video", uri("video/mp4", media("mov", video="libx264"))),
]


@pytest.mark.parametrize(("kind", "value"), CHECKED, ids=[value[:16] for _, value in CHECKED])
def test_a_data_uri_that_is_what_it_says_passes_unchanged(kind, value):
    assert check_media(value, kind, LIMITS if kind == "image" else None) is value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "data:image/png,abc",
            f"The data URI has no proper beginning. {SEND_A_PICTURE}",
        ),
        (
            uri("image/webp", saved(picture(), "WEBP")),
            "The data URI says image/webp, but a picture has to be JPEG or PNG.",
        ),
        (
            uri("video/mp4", JPEG),
            "The data URI says video/mp4, but a picture has to be JPEG or PNG.",
        ),
        (
            uri("image/png", saved(picture(), "WEBP")),
            "The picture is WebP; only JPEG or PNG can be sent. Convert it.",
        ),
        (
            uri("image/png", JPEG),
            "The data URI says image/png, but the picture is JPEG. Say what it is.",
        ),
        (uri("image/png", b""), "The picture's file is empty. Choose another one."),
        (
            uri("image/jpeg", JPEG) + "!",
            "The data URI is not proper base64. Encode the file anew.",
        ),
        (
            uri("image/jpeg", JPEG).replace("/9j/", "_9j_"),
            "The data URI is not proper base64. Encode the file anew.",
        ),
        (
            uri("image/jpeg", JPEG)[:2001],
            "The data URI is not proper base64. Encode the file anew.",
        ),
        (
            "data:image/png;base64,ключ",
            "The data URI is not proper base64. Encode the file anew.",
        ),
        (uri("image/jpeg", JPEG[:1500]), DAMAGED),
        (
            uri("image/png", saved(picture((299, 299)), "PNG")),
            "The picture is 299 × 299 px; each side needs at least 300 px. Use a larger one.",
        ),
        (
            uri("image/png", saved(picture((300, 780)), "PNG")),
            f"The picture is 300 × 780 px; {TOO_SLIM}",
        ),
        (
            uri("image/png", png_that_claims(60_000, 60_000)),
            "The picture has more than 64 million pixels. Scale it down first.",
        ),
        (
            uri("image/png", bytes(LIMITS.max_bytes + 1)),
            "The picture has 10.1 MB; the limit is 10 MB. Use a smaller one.",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_a_data_uri_that_can_not_be_sent_is_refused_and_not_mended(value, message):
    assert refusal(check_media, value, "image", LIMITS) == message


def test_a_data_uri_at_the_very_limit_of_bytes_passes():
    limits = PictureLimits(max_bytes=len(JPEG))
    assert check_media(uri("image/jpeg", JPEG), "image", limits)
    less = PictureLimits(max_bytes=len(JPEG) - 1)
    assert "the limit is" in refusal(check_media, uri("image/jpeg", JPEG), "image", less)


@pytest.mark.parametrize(
    ("kind", "media_type", "make", "message"),
    [
        (
            "audio",
            "audio/mpeg",
            lambda: media("wav", audio="pcm_s16le"),
            "The data URI says audio/mpeg, but the sound is WAV. Say what it is.",
        ),
        (
            "audio",
            "audio/mp4",
            lambda: mp4(audio="aac"),
            "This is a video. Export its sound as MP3, WAV, M4A or AAC.",
        ),
        (
            "audio",
            "audio/ogg",
            lambda: b"OggS",
            "The data URI says audio/ogg, but a sound has to be MP3, WAV, M4A or AAC.",
        ),
        (
            "video",
            "video/mp4",
            lambda: mp4()[:-100],
            "This is not a whole video that can be played. Use MP4, MOV or WebM.",
        ),
        (
            "video",
            "video/mp4",
            lambda: bytes(MAX_VIDEO_BYTES + 1),
            "The video has 20.1 MB; the limit is 20 MB. Use a smaller one.",
        ),
    ],
)
def test_a_sound_or_video_in_a_data_uri_is_looked_into(kind, media_type, make, message):
    assert refusal(check_media, uri(media_type, make()), kind, None) == message


@given(value=st.text() | st.text().map("https://{}".format) | st.text().map("data:{}".format))
def test_whatever_text_is_given_it_passes_unchanged_or_is_refused(value):
    with suppress(UnusableMediaError):
        assert check_media(value, "image", LIMITS) is value
