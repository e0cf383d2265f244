"""Only a whole MP4 with pictures passes; everything a broken download may leave does not."""

import os
from fractions import Fraction
from threading import Event

import av
import numpy as np
import pytest
from PIL import Image

from kling_ui.media import BrokenVideoError, save_poster, verify
from kling_ui.simulator.render import Scene, render

FRAMES = 24
RATE = 12


def write(
    path,
    *,
    size=(96, 64),
    frames=FRAMES,
    container="mp4",
    codec="libx264",
    picture=True,
    sound=False,
):
    """Write a short video of moving noise; an MP4 has its index at the end."""
    with av.open(str(path), "w", format=container) as output:
        video = output.add_stream(codec, rate=RATE) if picture else None
        audio = output.add_stream("aac", rate=16_000, layout="mono") if sound else None
        if video is not None:
            video.width, video.height = size
            video.pix_fmt = "yuv420p"
            video.gop_size = 8
            noise = np.random.default_rng(1)
            for _ in range(frames):
                pixels = noise.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
                output.mux(video.encode(av.VideoFrame.from_ndarray(pixels)))
            output.mux(video.encode())
        if audio is not None:
            frame = av.AudioFrame(format="fltp", layout="mono", samples=16_000)
            frame.planes[0].update(bytes(frame.planes[0].buffer_size))
            frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
            output.mux(audio.encode(frame))
            output.mux(audio.encode())
    return path


def rendered(path):
    scene = Scene(
        text="Rain", title="Kling", seconds=1, aspect_ratio="16:9", take="one", is_draft=True
    )
    assert render(scene, path, is_given_up=Event())
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(tmp_path_factory.mktemp("media") / "whole.mp4")


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """An MP4 with its index at the front, as video hosts serve them."""
    return rendered(tmp_path_factory.mktemp("media") / "streamed.mp4")


def test_a_whole_mp4_passes_and_its_facts_are_told(whole):
    facts = verify(whole)
    assert (facts.width, facts.height) == (96, 64)
    assert facts.duration_seconds == pytest.approx(FRAMES / RATE, abs=0.01)
    assert facts.frames_per_second == RATE


def test_what_the_simulator_renders_passes(streamed):
    facts = verify(streamed)
    assert (facts.width, facts.height) == (320, 180)
    assert facts.duration_seconds == pytest.approx(1, abs=0.05)


def test_a_video_with_sound_passes(tmp_path):
    assert verify(write(tmp_path / "sound.mp4", sound=True)).width == 96


def test_the_name_of_a_file_says_nothing(whole, tmp_path):
    part = tmp_path / "download.part"
    part.write_bytes(whole.read_bytes())
    assert verify(part).width == 96


@pytest.mark.parametrize("percent", [*range(1, 100, 7), 99])
@pytest.mark.parametrize("kind", ["whole", "streamed"])
def test_a_cut_file_is_refused_wherever_it_was_cut(request, tmp_path, kind, percent):
    content = request.getfixturevalue(kind).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: int(len(content) * percent / 100)])
    with pytest.raises(BrokenVideoError, match="not a whole MP4 video"):
        verify(cut)


@pytest.mark.parametrize("missing", [1, 2, 16, 300])
def test_a_file_that_lacks_only_its_last_bytes_is_refused(streamed, tmp_path, missing):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(streamed.read_bytes()[:-missing])
    with pytest.raises(BrokenVideoError):
        verify(cut)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"<!doctype html><html><body>502 Bad Gateway</body></html>",
        b'{"message": "AccessDenied"}',
        b"\x00\x17not what you asked for\xff",
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        bytes(50_000),
    ],
    ids=["empty", "one byte", "html", "json", "garbage", "only the first box", "zeros"],
)
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "file.mp4"
    path.write_bytes(content)
    with pytest.raises(BrokenVideoError):
        verify(path)
    with pytest.raises(BrokenVideoError):
        save_poster(path, tmp_path / "poster.jpg")
    assert not (tmp_path / "poster.jpg").exists()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BrokenVideoError):
        verify(tmp_path / "nothing.mp4")


def test_a_picture_is_no_video(tmp_path):
    path = tmp_path / "file.mp4"
    Image.new("RGB", (320, 180)).save(path, "JPEG")
    with pytest.raises(BrokenVideoError):
        verify(path)


def test_sound_alone_is_no_video(tmp_path):
    path = write(tmp_path / "sound.mp4", picture=False, sound=True)
    with pytest.raises(BrokenVideoError, match="it has no picture"):
        verify(path)
    with pytest.raises(BrokenVideoError):
        save_poster(path, tmp_path / "poster.jpg")


def test_another_container_under_the_name_mp4_is_refused(tmp_path):
    path = write(tmp_path / "really-webm.mp4", container="webm", codec="libvpx")
    with pytest.raises(BrokenVideoError, match="not MP4"):
        verify(path)


@pytest.mark.parametrize(
    "listing",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{}'\n",
    ],
    ids=["hls", "concat"],
)
def test_a_playlist_that_calls_itself_a_video_makes_nothing_else_be_read(tmp_path, listing):
    other = write(tmp_path / "other.mp4")
    os.utime(other, (1, 2))  # so old that reading it would show
    path = tmp_path / "file.mp4"
    path.write_text(listing.format(other.name if "ffconcat" in listing else other))
    with pytest.raises(BrokenVideoError, match="not a whole MP4 video"):
        verify(path)
    with pytest.raises(BrokenVideoError):
        save_poster(path, tmp_path / "poster.jpg")
    assert other.stat().st_atime == 1


@pytest.mark.parametrize(
    ("size", "shape"), [((1280, 720), (640, 360)), ((720, 1280), (360, 640)), ((96, 64), (96, 64))]
)
def test_a_poster_is_a_jpeg_of_640_pixels_at_most(tmp_path, size, shape):
    video = write(tmp_path / "video.mp4", size=size, frames=1)
    save_poster(video, tmp_path / "poster.jpg")
    with Image.open(tmp_path / "poster.jpg") as poster:
        poster.load()
        assert poster.format == "JPEG"
        assert poster.size == shape


def test_a_poster_shows_the_first_picture(tmp_path):
    video = tmp_path / "video.mp4"
    with av.open(str(video), "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for gray in (250, 10, 10, 10):
            pixels = np.full((64, 64, 3), gray, dtype=np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        output.mux(stream.encode())
    save_poster(video, tmp_path / "poster.jpg")
    with Image.open(tmp_path / "poster.jpg") as poster:
        assert np.asarray(poster).mean() > 240
