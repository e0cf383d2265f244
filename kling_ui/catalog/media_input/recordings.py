"""Sounds and videos, looked into and sent as they are; none is mended or transcoded."""

from io import BytesIO
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition

from kling_ui.catalog.media_input.kinds import (
    DAMAGE,
    SOUND,
    VIDEO,
    Sort,
    Taken,
    UnusableMediaError,
    data_uri,
    read,
)

_CONTAINERS = {"mp3": "MP3", "wav": "WAV", "aac": "AAC", "mov": "MP4", "matroska": "Matroska"}
"""FFmpeg's first name of each container we open, and ours. No others are: a playlist that
calls itself a sound would make FFmpeg fetch what it lists."""


def take_audio(path: Path) -> Taken:
    """Return the MP3, WAV, M4A or AAC at `path` as it is, or raise UnusableMediaError."""
    return _taken_as_it_is(read(path, SOUND), SOUND)


def take_video(path: Path) -> Taken:
    """Return the MP4, MOV or WebM at `path` as it is, or raise UnusableMediaError."""
    return _taken_as_it_is(read(path, VIDEO), VIDEO)


def _taken_as_it_is(data: bytes, sort: Sort) -> Taken:
    return Taken(uri=data_uri(sort.media_type(format_of(data, sort)), data))


def format_of(data: bytes, sort: Sort) -> str:
    """Return the format of a sound or video that can be played; else raise UnusableMediaError."""
    only = {"format_whitelist": ",".join(_CONTAINERS)}
    try:
        with av.open(BytesIO(data), "r", options=only) as container:
            _check_streams(container, sort)
            name = _CONTAINERS[container.format.name.split(",")[0]]
    except UnusableMediaError:
        raise
    except (av.FFmpegError, *DAMAGE) as exc:
        raise UnusableMediaError(
            f"This is not a whole {sort.noun} that can be played. Use {sort.formats}."
        ) from exc
    if name == "MP4" and _is_cut_off(data):
        raise UnusableMediaError(f"The {sort.noun} is cut off. Copy or export it once more.")
    if name == "MP4" and sort is VIDEO and (data[4:8] != b"ftyp" or data[8:12] == b"qt  "):
        name = "MOV"
    if name == "Matroska" and b"webm" in data[:64]:
        name = "WebM"
    if name not in sort.types.values():
        raise UnusableMediaError(f"{name} can't be sent as a {sort.noun}. Use {sort.formats}.")
    return name


def _check_streams(container: InputContainer, sort: Sort) -> None:
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic  # a cover is no video
    ]
    if sort is SOUND and moving:
        raise UnusableMediaError(f"This is a video. Export its sound as {sort.formats}.")
    stream = next(iter(moving if sort is VIDEO else container.streams.audio), None)
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
