"""What we do with media files: open them safely, see whether a video is whole, take its poster.

Also writes into a video how it was made, and reads that. PyAV only. Whatever decodes, here or
elsewhere, holds `decoding` meanwhile.
"""

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO, Literal

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

MP4 = "mov"
"""FFmpeg's first name of the demuxer for MP4, MOV, M4A and 3GP."""

STILL_CODECS = frozenset({"mjpeg", "png", "bmp", "gif", "webp"})
"""Codecs of pictures, which covers and chapter marks are made of, and a few old cameras' films."""

_STILL_BRANDS = frozenset(
    {"avif", "avis", "mif1", "mif2", "msf1"}
    | {"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"}
)
"""What AVIF and HEIC pictures, single ones and series, call themselves in the box of an MP4."""


class BrokenVideoError(ValueError):
    """The file is not an MP4 that can be played to its end; the message says why."""


decoding = RLock()  # entered again where a picture's check is part of a larger one
"""Held by all that decodes, so that memory is bounded by the largest single file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What a verified file holds: pixels and seconds."""

    width: int
    height: int
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What a player can't tell of a video before it plays. `frames_per_second` 0: not known."""

    frames_per_second: float
    has_sound: bool


@contextmanager
def open_media(
    source: Path | bytes, *, containers: Iterable[str] = (MP4,), raw: bool = False
) -> Iterator[InputContainer]:
    """Open a media file as one of `containers` (FFmpeg's names), and follow nothing it names.

    A playlist would make FFmpeg fetch what it lists, from disk or network, and a container may
    refer to other files: neither is opened. `raw` shows every sample, also those that the
    file's edit list hides. Raises av.FFmpegError or OSError.
    """
    options = {
        "format_whitelist": ",".join(containers),
        "protocol_whitelist": "none",  # the bytes are handed in; nothing else is to be opened
        **({"ignore_editlist": "1"} if raw else {}),
    }
    stream = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with decoding, stream, av.open(stream, "r", options=options) as container:
        yield container


def film(container: InputContainer) -> VideoStream | None:
    """Return the moving picture of a file, or None; a cover, a thumbnail or a photo is none.

    Where there are several, a codec of videos goes before one of stills, then more frames.
    """
    if container.metadata.get("major_brand") in _STILL_BRANDS:
        return None
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    return max(
        streams,
        key=lambda stream: (stream.codec_context.name not in STILL_CODECS, stream.frames),
        default=None,
    )


def lacks_bytes(container: InputContainer) -> bool:
    """Tell whether a sample of pictures or sound that the index names is not in the file.

    Of a fragmented file the index is known once it has been demuxed.
    """
    played = (*container.streams.video, *container.streams.audio)
    return any(
        entry.pos + entry.size > container.size
        for stream in played
        for entry in stream.index_entries
    )


def verify(path: Path) -> VideoFacts:
    """Return the facts of the MP4 at `path`; raise BrokenVideoError unless it is whole.

    Whole is a file that holds every sample of its index, whatever its counts and edit lists
    say, and of which the first and the last pictures decode. Reads every packet; memory stays
    constant, however long the video is.
    """
    with _broken_in_words("The file is not a whole MP4 video"):
        with path.open("rb") as file:
            if _has_cut_box(file, path.stat().st_size):
                raise BrokenVideoError("it is cut off")
        with open_media(path, raw=True) as container:
            _check_whole(container)
        with open_media(path) as container:
            return _facts(container)


def playback(path: Path) -> Playback:
    """Return how a video plays, from its header alone. Raises BrokenVideoError."""
    with _broken_in_words("The video can't be opened"), open_media(path) as container:
        stream = film(container)
        rate = stream.average_rate if stream else None
        return Playback(frames_per_second=float(rate or 0), has_sound=bool(container.streams.audio))


def save_poster(video: Path, poster: Path, *, max_side: int = 640) -> None:
    """Write the first picture of `video` to `poster` as JPEG, its longer side ≤ `max_side` px.

    Raises BrokenVideoError where nothing can be decoded.
    """
    with _broken_in_words("The video has no picture to show"), open_media(video) as container:
        frame = next(_frames(container, film(container)), None)
        if frame is None:
            raise BrokenVideoError("none can be decoded")
        image = frame.to_image()  # type: ignore[no-untyped-call]
    image.thumbnail((max_side, max_side))
    image.save(poster, "JPEG", quality=82)


def save_frame(video: Path, frame: Path, *, at: float | Literal["first", "last"]) -> None:
    """Write the picture that `video` shows at `at` seconds to `frame`, in full size.

    The ending of `frame` decides the format. Past the end it is the last picture. Raises
    BrokenVideoError where nothing can be decoded.
    """
    with _broken_in_words("The video has no picture to show"), open_media(video) as container:
        moment = {"first": 0.0, "last": math.inf}[at] if isinstance(at, str) else at
        shown = _shown_at(container, film(container), moment)
        if shown is None:
            raise BrokenVideoError("none can be decoded")
        image = shown.to_image()  # type: ignore[no-untyped-call]
    image.save(frame)


def _shown_at(
    container: InputContainer, stream: VideoStream | None, seconds: float
) -> av.VideoFrame | None:
    """Return the last picture that begins at or before `seconds`, else the first there is."""
    if stream is None or stream.time_base is None:
        return None
    if not math.isinf(seconds):
        container.seek(int(max(0.0, seconds) / stream.time_base), stream=stream)
    shown = None
    for frame in _frames(container, stream):
        # Times of a container count from its own start, those of players from 0.
        since_start = (frame.pts or 0) - (stream.start_time or 0)
        if shown is not None and since_start * stream.time_base > seconds:
            break
        shown = frame
    return shown


def duration_seconds(container: InputContainer) -> float:
    """Return how long the film of a container lasts, as its packets say; 0 where there is none.

    Headers of fragmented and of streamed files tell no duration, or a wrong one.
    """
    stream = film(container)
    if stream is None or stream.time_base is None:
        return 0.0
    times = [
        (packet.pts, packet.pts + (packet.duration or 0))
        for packet in container.demux(stream)
        if packet.pts is not None and not packet.is_discard
    ]
    if not times:
        return 0.0
    ticks = max(end for _, end in times) - min(start for start, _ in times)
    return float(ticks * stream.time_base)


_INDEX_BOXES = frozenset({b"moov", b"styp", b"sidx", b"moof", b"mfra"})
_BOX = struct.Struct(">I4s")
_MAX_SIDX_BYTES = 1 << 20
_SIDX_HEADER = {0: struct.Struct(">4xIIII2xH"), 1: struct.Struct(">4xIIQQ2xH")}
"""By version: id, time scale, earliest time, offset of the first fragment, their number."""


def _has_cut_box(file: BinaryIO, file_size: int) -> bool:
    """Tell whether an MP4 ends within its index, or before what a segment index announces.

    The samples that an index names are looked for by `lacks_bytes`. Foreign bytes at the end
    are no box, and no player minds them.
    """
    at, needed, name = 0, 0, b""
    while at + _BOX.size <= file_size:
        file.seek(at)
        size, name = _BOX.unpack(file.read(_BOX.size))
        if size == 1:  # the real one stands behind
            size = int.from_bytes(file.read(8))
        if size < _BOX.size:  # to the end of the file, or no box
            break
        at += size
        if name == b"sidx" and at <= file_size:
            needed = max(needed, at + _announced(file.read(min(size, _MAX_SIDX_BYTES))))
    return needed > file_size or (at > file_size and name in _INDEX_BOXES)


def _announced(segment_index: bytes) -> int:
    """Return how many bytes of fragments follow a `sidx` box, as its content says."""
    header = _SIDX_HEADER[min(segment_index[0], 1)]
    *_, first_offset, count = header.unpack_from(segment_index)
    references = segment_index[header.size :][: 12 * count]
    whole = references[: len(references) // 12 * 12]
    sizes = (size & 0x7FFFFFFF for size, _, _ in struct.iter_unpack(">III", whole))
    return sum((*sizes, first_offset))


def _check_whole(container: InputContainer) -> None:
    stream = film(container)
    if stream is None:
        raise BrokenVideoError("it has no moving picture")
    last_key = 0
    for packet in container.demux(*container.streams.video, *container.streams.audio):
        if packet.is_corrupt:
            raise BrokenVideoError("it is cut off")
        if packet.stream is stream and packet.is_keyframe and packet.pts is not None:
            last_key = packet.pts
    if lacks_bytes(container):
        raise BrokenVideoError("it is cut off")
    for start in (0, last_key):
        container.seek(start, stream=stream)
        if next(_frames(container, stream), None) is None:
            raise BrokenVideoError("its pictures can't be decoded")


def _frames(container: InputContainer, stream: Stream | None) -> Iterator[av.VideoFrame]:
    """Decode the stream from here on; like a player, pass over packets that can't be."""
    for packet in container.demux(stream) if stream else ():
        frames: list[av.VideoFrame] = []
        with suppress(av.InvalidDataError):
            frames = packet.decode()  # type: ignore[assignment]
        yield from frames


def _facts(container: InputContainer) -> VideoFacts:
    stream = film(container)
    if stream is None:
        raise BrokenVideoError("it has no picture")
    return VideoFacts(
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        duration_seconds=duration_seconds(container),
    )


@contextmanager
def _broken_in_words(words: str) -> Iterator[None]:
    """Raise BrokenVideoError, in `words` and with the reason, for whatever decoders raise."""
    try:
        yield
    except (av.FFmpegError, OSError, ValueError, IndexError, struct.error) as exc:
        raise BrokenVideoError(f"{words} ({_reason(exc)}).") from exc


def _reason(exc: Exception) -> str:
    if isinstance(exc, av.ArgumentError):  # what FFmpeg says where the whitelist lacks the format
        return "it is not MP4"
    said = getattr(exc, "strerror", None) or str(exc)
    return said.split(":")[0].strip()[:80] or type(exc).__name__


MAX_RECIPE_BYTES = 64 * 1024
_RECIPE_TAG = "kling_ui_recipe"
_BRAND_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands"})
"""What the demuxer shows as metadata and the muxer writes by itself."""


def write_recipe(video: Path, out: Path, recipe: Mapping[str, Any]) -> None:
    """Write `video` to `out` with `recipe`, which is JSON, in its metadata.

    Every packet is copied, none is encoded anew, and the index stands first, so that the video
    plays while it loads. Raises BrokenVideoError where the copy would not be the same video,
    ValueError for a recipe of more than MAX_RECIPE_BYTES.
    """
    text = json.dumps(recipe, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > MAX_RECIPE_BYTES:
        raise ValueError("The recipe is too long to be written into a video.")
    with _broken_in_words("The video can't be copied as it is"):
        with open_media(video) as source:
            _remux(source, out, {_RECIPE_TAG: text})
        verify(out)
        is_same = _packets(video) == _packets(out)
    if not is_same:
        raise BrokenVideoError("The video can't be copied as it is (packets would change).")


def read_recipe(path: Path) -> dict[str, Any] | None:
    """Return what `write_recipe` wrote, from the file or its beginning; None where there is none.

    Anybody may have written it: nothing but its size and that it is a JSON object is checked.
    """
    try:
        with open_media(path) as container:
            text = container.metadata.get(_RECIPE_TAG, "")
        if len(text.encode()) > MAX_RECIPE_BYTES:
            return None
        recipe = json.loads(text, parse_constant=_refuse_constant)
    except (av.FFmpegError, OSError, ValueError, IndexError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) else None


def _remux(source: InputContainer, out: Path, tags: Mapping[str, str]) -> None:
    """Copy every stream of `source` to an MP4 with its metadata and `tags`."""
    # By name: to put the index first, FFmpeg opens the file a second time.
    options = {"movflags": "+faststart+use_metadata_tags"}
    with av.open(str(out), "w", format="mp4", options=options) as target:
        kept = {name: text for name, text in source.metadata.items() if name not in _BRAND_TAGS}
        target.metadata.update({**kept, **tags})
        copies = {}
        for stream in source.streams:
            copies[stream.index] = target.add_stream_from_template(stream)
            copies[stream.index].metadata.update(stream.metadata)
        for packet in source.demux():
            if packet.dts is None:  # marks a stream's end
                continue
            packet.stream = copies[packet.stream.index]
            target.mux(packet)


def _packets(path: Path) -> str:
    """Return a hash of every packet of a video: its stream, its time and its bytes."""
    found = hashlib.sha256()
    with open_media(path, raw=True) as container:
        for packet in container.demux():
            if packet.dts is None:
                continue
            base = packet.time_base or 0
            times = (packet.dts * base, (packet.pts or 0) * base, bool(packet.is_keyframe))
            found.update(repr((packet.stream_index, *map(str, times), packet.size)).encode())
            found.update(packet)
    return found.hexdigest()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
