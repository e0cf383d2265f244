"""Only a whole MP4 with pictures passes; everything a broken download may leave does not."""

import os
import re
import struct
from fractions import Fraction
from threading import Event, Thread

import av
import numpy as np
import pytest
from PIL import Image

from kling_ui import media
from kling_ui.media import BrokenVideoError, save_poster, verify
from kling_ui.simulator.render import render
from kling_ui.simulator.scene import Scene

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
    scene = Scene(text="Rain", title="Kling", seconds=1, take="one", is_draft=True)
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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "AVIF"])
def test_a_picture_is_no_video(tmp_path, kind):
    path = tmp_path / "file.mp4"
    Image.new("RGB", (320, 180)).save(path, kind)
    with pytest.raises(BrokenVideoError):
        verify(path)


def test_sound_alone_is_no_video(tmp_path):
    path = write(tmp_path / "sound.mp4", picture=False, sound=True)
    with pytest.raises(BrokenVideoError, match="it has no moving picture"):
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


# Films that every player plays, and files that hold less than they say


def box(name, body):
    return struct.pack(">I", 8 + len(body)) + name + body


def with_edit_list(data, *, start, length):
    """Return the MP4 with an edit list that shows `length` ms from tick `start` of the media.

    The index stands at the end of the file, so nothing that it points at moves.
    """
    moov = data.index(b"moov") - 4
    index = data[moov:]
    trak = index.index(b"trak") - 4
    size = struct.unpack_from(">I", index, trak)[0]
    body = index[trak + 8 : trak + size]
    while (at := body.find(b"edts")) >= 0:  # the one that was written
        at -= 4
        body = body[:at] + body[at + struct.unpack_from(">I", body, at)[0] :]
    edit = box(b"elst", struct.pack(">IIIiI", 0, 1, length, start, 1 << 16))
    split = body.index(b"mdia") - 4
    new = box(b"trak", body[:split] + box(b"edts", edit) + body[split:])
    rest = index[8:trak] + new + index[trak + size :]
    return data[:moov] + box(b"moov", rest)


@pytest.mark.parametrize(("start", "length"), [(0, 1000), (12288 // 2, 1000), (12288, 500)])
def test_a_film_whose_edit_list_hides_pictures_passes(whole, tmp_path, start, length):
    path = tmp_path / "edited.mp4"
    path.write_bytes(with_edit_list(whole.read_bytes(), start=start, length=length))
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) < FRAMES
    assert verify(path).width == 96
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BrokenVideoError):
        verify(cut)


def with_cover(path, codec, *, is_marked):
    """Write a film behind a stream that holds one still."""
    with av.open(str(path), "w", format="mp4") as output:
        cover = output.add_stream(codec, rate=RATE)
        cover.width, cover.height = 320, 320
        cover.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24"
        if is_marked:
            cover.disposition = av.stream.Disposition.attached_pic.value
        film = output.add_stream("libx264", rate=RATE)
        film.width, film.height, film.pix_fmt = 96, 64, "yuv420p"
        still = av.VideoFrame.from_ndarray(np.full((320, 320, 3), 250, dtype=np.uint8))
        for packet in (*cover.encode(still.reformat(format=cover.pix_fmt)), *cover.encode()):
            output.mux(packet)
        for _ in range(FRAMES):
            dark = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 10, dtype=np.uint8))
            output.mux(film.encode(dark))
        output.mux(film.encode())
    return path


@pytest.mark.parametrize("codec", ["mjpeg", "png"])
@pytest.mark.parametrize("is_marked", [True, False])
def test_a_cover_before_the_film_is_not_taken_for_it(tmp_path, codec, is_marked):
    path = with_cover(tmp_path / "film.mp4", codec, is_marked=is_marked)
    facts = verify(path)
    assert (facts.width, facts.height) == (96, 64)
    save_poster(path, tmp_path / "poster.jpg")
    with Image.open(tmp_path / "poster.jpg") as poster:
        assert np.asarray(poster).mean() < 60


def test_a_cover_alone_is_no_film(tmp_path):
    path = tmp_path / "song.m4a"
    sound = write(tmp_path / "sound.mp4", picture=False, sound=True)
    with av.open(str(sound)) as source, av.open(str(path), "w", format="mp4") as output:
        audio = output.add_stream_from_template(source.streams.audio[0])
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        still = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8))
        output.mux(cover.encode(still.reformat(format="yuvj420p")))
        output.mux(cover.encode())
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = audio
                output.mux(packet)
    with pytest.raises(BrokenVideoError, match="it has no moving picture"):
        verify(path)


WITH_INDEX = "frag_keyframe+empty_moov+default_base_moof+global_sidx"
FRAGMENTED = {
    "fragments": {"movflags": "frag_keyframe+empty_moov"},
    "fragments of one stream each": {"movflags": "frag_keyframe+separate_moof+empty_moov"},
    "fragments with an index": {
        "movflags": "frag_keyframe+empty_moov+default_base_moof+global_sidx"
    },
    "fragments behind a first one": {"movflags": "frag_keyframe"},
    "DASH": {"movflags": "dash+frag_keyframe+empty_moov"},
}


def fragmented_film(path, options):
    noise = np.random.default_rng(1)
    with av.open(str(path), "w", format="mp4", options=options) as output:
        video = output.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt, video.gop_size = 96, 64, "yuv420p", 8
        for _ in range(FRAMES):
            pixels = noise.integers(0, 255, (64, 96, 3), dtype=np.uint8)
            output.mux(video.encode(av.VideoFrame.from_ndarray(pixels)))
        output.mux(video.encode())
    return path


@pytest.fixture(scope="module", params=FRAGMENTED.values(), ids=FRAGMENTED)
def fragmented(request, tmp_path_factory):
    return fragmented_film(tmp_path_factory.mktemp("media") / "film.mp4", request.param)


def test_a_fragmented_film_passes_and_lasts_as_long(fragmented):
    assert verify(fragmented).duration_seconds == pytest.approx(FRAMES / RATE, abs=0.1)


def test_a_fragmented_film_that_ends_inside_a_fragment_is_refused(fragmented, tmp_path):
    content = fragmented.read_bytes()
    borders = {match.start() - 4 for match in re.finditer(b"moof|sidx|mfra", content)}
    cut = tmp_path / "cut.mp4"
    places = {*range(content.index(b"mdat") + 20, len(content), 1877)}
    places |= {border + 30 for border in borders if border > 800}
    for end in places - borders:
        cut.write_bytes(content[:end])
        with pytest.raises(BrokenVideoError):
            verify(cut)


def test_a_film_that_lacks_fragments_which_its_index_announces_is_refused(tmp_path):
    path = tmp_path / "film.mp4"
    content = fragmented_film(path, {"movflags": WITH_INDEX}).read_bytes()
    path.write_bytes(content[: content.rindex(b"moof") - 4])
    with pytest.raises(BrokenVideoError, match="it is cut off"):
        verify(path)


def test_a_film_with_an_empty_sample_passes(whole, tmp_path):
    """A screen recorder writes one of no bytes where nothing has changed."""
    data = whole.read_bytes()
    table = data.index(b"stsz") + 4
    count = struct.unpack_from(">I", data, table + 8)[0]
    last = table + 12 + 4 * (count - 1)
    path = tmp_path / "empty.mp4"
    path.write_bytes(data[:last] + bytes(4) + data[last + 4 :])
    assert verify(path).width == 96


@pytest.mark.parametrize("tail", [b"\r\n", bytes(4096), b"<!-- served by a cache -->" * 40])
@pytest.mark.parametrize("kind", ["whole", "streamed"])
def test_what_is_appended_to_a_film_does_no_harm(request, tmp_path, kind, tail):
    path = tmp_path / "tail.mp4"
    path.write_bytes(request.getfixturevalue(kind).read_bytes() + tail)
    assert verify(path)


def test_a_film_whose_sound_is_cut_off_is_refused(tmp_path):
    """The pictures come first here, so that only sound is missing."""
    data = write(tmp_path / "film.mp4", sound=True).read_bytes()
    moov = data[data.index(b"moov") - 4 :]
    pictures_and_sound = data[: len(data) - len(moov)]
    moved = bytearray(moov)
    at = -1
    while (at := moved.find(b"stco", at + 1)) >= 0:  # the index goes before what it points at
        for n in range(struct.unpack_from(">I", moved, at + 8)[0]):
            place = at + 12 + 4 * n
            offset = struct.unpack_from(">I", moved, place)[0]
            struct.pack_into(">I", moved, place, offset + len(moov))
    mdat = pictures_and_sound.index(b"mdat") - 4
    first = pictures_and_sound[:mdat] + bytes(moved) + pictures_and_sound[mdat:]
    path = tmp_path / "first.mp4"
    path.write_bytes(first)
    assert verify(path)
    path.write_bytes(first[:-1])
    with pytest.raises(BrokenVideoError, match="cut off"):
        verify(path)


# One door for all media files


def test_nothing_that_a_file_names_is_opened(tmp_path):
    secret = write(tmp_path / "secret.mp4")
    os.utime(secret, (1, 2))
    listings = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{secret}'\n",
        f"concat:{secret}",
        '<?xml version="1.0"?><MPD><Period><BaseURL>file://' + str(secret) + "</BaseURL></Period>",
    )
    for listing in listings:
        with pytest.raises(av.FFmpegError), media.open_media(listing.encode(), containers=ALL):
            pass
    assert secret.stat().st_atime == 1


ALL = ("mov", "mp3", "wav", "aac", "matroska", "ogg", "flac")


def test_only_one_thread_decodes_at_a_time(whole):
    inside, most = [], []

    def decode():
        with media.open_media(whole):
            inside.append(1)
            most.append(len(inside))
            verify(whole)  # a check inside another one does not wait for itself
            inside.pop()

    threads = [Thread(target=decode) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6
