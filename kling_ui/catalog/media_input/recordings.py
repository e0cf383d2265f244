"""Sounds and videos, looked into and sent as they are; none is mended or transcoded."""

from pathlib import Path

import av
from av.container import InputContainer

from kling_ui import media
from kling_ui.catalog.media_input.kinds import (
    DAMAGE,
    SOUND,
    VIDEO,
    Sort,
    Taken,
    UnusableMediaError,
    data_uri,
    read,
    uri_bytes,
)

_CONTAINERS = {
    "mp3": "MP3",
    "wav": "WAV",
    "w64": "Wave64",
    "aac": "AAC",
    media.MP4: "MP4",
    "matroska": "Matroska",
    "ogg": "OGG",
    "flac": "FLAC",
    "aiff": "AIFF",
    "amr": "AMR",
    "caf": "CAF",
    "asf": "WMA or WMV",
    "avi": "AVI",
    "mpegts": "MPEG-TS",
    "mpeg": "MPEG",
    "flv": "Flash video",
}
"""FFmpeg's first name of each container we open, and ours: those that can be sent, and those
that people hand in, so that a refusal says what the file is."""


def take_audio(path: Path) -> Taken:
    """Return the MP3, WAV, M4A or AAC at `path` as it is, or raise UnusableMediaError."""
    return _taken_as_it_is(read(path, SOUND), SOUND)


def take_video(path: Path) -> Taken:
    """Return the MP4, MOV or WebM at `path` as it is, or raise UnusableMediaError."""
    return _taken_as_it_is(read(path, VIDEO), VIDEO)


def seconds_of(value: object) -> float | None:
    """Return how long a video lasts, a file or a data URI; None where that can't be known."""
    is_uri = isinstance(value, str) and value[:5].lower() == "data:"
    if not is_uri and not isinstance(value, Path):
        return None
    try:
        source = value if isinstance(value, Path) else uri_bytes(str(value))
        with media.open_media(source, containers=_CONTAINERS) as container:
            return media.duration_seconds(container) or None
    except (av.FFmpegError, *DAMAGE):
        return None


def format_of(data: bytes, sort: Sort) -> str:
    """Return the format of a sound or video that can be played; else raise UnusableMediaError."""
    try:
        with media.open_media(data, containers=_CONTAINERS) as container:
            return _checked_format(container, data, sort)
    except UnusableMediaError:
        raise
    except (av.FFmpegError, *DAMAGE) as exc:
        raise UnusableMediaError(
            f"This is not a whole {sort.noun} that can be played. Use {sort.formats}."
        ) from exc


def _taken_as_it_is(data: bytes, sort: Sort) -> Taken:
    return Taken(uri=data_uri(sort.media_type(format_of(data, sort)), data))


def _name(container: InputContainer, data: bytes, sort: Sort) -> str:
    name = _CONTAINERS[container.format.name.split(",")[0]]
    if name == "MP4" and sort is VIDEO and (data[4:8] != b"ftyp" or data[8:12] == b"qt  "):
        return "MOV"
    if name == "Matroska" and b"webm" in data[:64]:
        return "WebM"
    return name


def _checked_format(container: InputContainer, data: bytes, sort: Sort) -> str:
    _check_streams(container, sort)
    name = _name(container, data, sort)
    if name not in sort.types.values():
        raise UnusableMediaError(f"{name} can't be sent as a {sort.noun}. Use {sort.formats}.")
    if container.format.name.startswith(media.MP4) and media.lacks_bytes(container):
        raise UnusableMediaError(f"The {sort.noun} is cut off. Copy or export it once more.")
    return name


def _check_streams(container: InputContainer, sort: Sort) -> None:
    moving = media.film(container)
    if sort is SOUND and moving and moving.codec_context.name not in media.STILL_CODECS:
        raise UnusableMediaError(f"This is a video. Export its sound as {sort.formats}.")
    stream = moving if sort is VIDEO else next(iter(container.streams.audio), None)
    if stream is None:
        raise UnusableMediaError(f"There is no {sort.noun} in it. Use {sort.formats}.")
    if next(container.decode(stream), None) is None:
        raise ValueError("nothing can be decoded")
    for _ in container.demux(stream):
        pass  # a fragmented file's index is known only once it has been read
