"""The media of requests as files, each kept once under the hash of its content.

A request refers to them as `input:SHA256.ext`; who may use whose is for others to say.
"""

import hashlib
import os
import re
import uuid
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
}
"""By the ending of a file: what it holds. These are all that can be sent."""

_ENDINGS = {media_type: ending for ending, media_type in MEDIA_TYPES.items()}
_NAME = re.compile(rf"[0-9a-f]{{64}}\.({'|'.join(MEDIA_TYPES)})")
_PREFIX = "input:"
_PART = ".part"

CHECKS_REMEMBERED = 1000


class MissingInputError(LookupError):
    """A reference to a file that is not among the inputs, or no reference at all."""


def is_reference(value: object) -> bool:
    """Tell whether a value has the form `input:SHA256.ext`."""
    return (
        isinstance(value, str)
        and value.startswith(_PREFIX)
        and _NAME.fullmatch(value, len(_PREFIX)) is not None
    )


class Inputs:
    """The files below one folder. Calls block; use them from threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checked: dict[object, None] = {}
        self._lock = Lock()  # so that nothing is purged that was just found to be there

    def keep(self, data: bytes, media_type: str) -> str:
        """Store the bytes, if they are not there yet, and return the reference to them.

        `media_type` is one of MEDIA_TYPES. The file is there whole or not at all.
        """
        name = f"{hashlib.sha256(data).hexdigest()}.{_ENDINGS[media_type]}"
        path = self._folder / name
        with self._lock:
            try:
                os.utime(path)
            except FileNotFoundError:
                self._write(path, data)
        return _PREFIX + name

    def path(self, reference: str) -> Path:
        """Return the file that is meant; raise MissingInputError where there is none."""
        path = self._folder / reference.removeprefix(_PREFIX)
        if not is_reference(reference) or not path.is_file():
            raise MissingInputError("This input is not here any more. Choose the file once more.")
        return path

    def look_at(self, value: Any) -> Any:
        """Return the file that a reference means, and any other value as it is."""
        return self.path(value) if is_reference(value) else value

    def media_type(self, reference: str) -> str:
        """Return what the file holds, by its ending."""
        return MEDIA_TYPES[self.path(reference).suffix[1:]]

    def touch(self, reference: str) -> None:
        """Note that the file is used now; raise MissingInputError where there is none."""
        with self._lock:
            os.utime(self.path(reference))

    def note_checked(self, reference: str, how: object) -> None:
        """Remember that the file was found usable, judged by `how`: what it holds never changes."""
        self._checked[reference, how] = None
        while len(self._checked) > CHECKS_REMEMBERED:
            self._checked.pop(next(iter(self._checked)), None)

    def is_checked(self, reference: str, how: object) -> bool:
        """Tell whether the file is known to be usable, judged by `how`."""
        return (reference, how) in self._checked

    def purge(self, referenced: AbstractSet[str], older_than: datetime) -> int:
        """Remove what no request refers to and was last used before `older_than`.

        Returns how many files were removed. Files that are not inputs stay.
        """
        with self._lock, suppress(FileNotFoundError):
            unused = [
                path
                for path in self._folder.iterdir()
                if _is_ours(path.name)
                and _PREFIX + path.name not in referenced
                and datetime.fromtimestamp(path.stat().st_mtime, UTC) < older_than
            ]
            for path in unused:
                path.unlink()
            return len(unused)
        return 0

    def keep_within(self, most_bytes: int) -> int:
        """Remove the least recently used beyond `most_bytes`, never the newest; return how many."""
        with self._lock, suppress(FileNotFoundError):
            found = [path for path in self._folder.iterdir() if _is_ours(path.name)]
            return remove_oldest(found, beyond_bytes=most_bytes)
        return 0

    def remove(self, references: Iterable[str], older_than: datetime) -> list[str]:
        """Remove those that were last used before `older_than`; return which."""
        removed = []
        with self._lock:
            for reference in references:
                with suppress(MissingInputError):
                    path = self.path(reference)
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < older_than:
                        path.unlink()
                        removed.append(reference)
        return removed

    def _write(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f"{path.name}.{uuid.uuid4().hex}{_PART}"
        try:
            with part.open("xb") as file:
                part.chmod(0o600)
                file.write(data)
                file.flush()
                with suppress(OSError):  # some file systems have no such thing
                    os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def remove_oldest(paths: Iterable[Path], *, beyond_bytes: int) -> int:
    """Remove the files that were written or used first, never the newest; return how many."""
    found = [(path, path.stat()) for path in paths]
    found.sort(key=lambda each: each[1].st_mtime_ns, reverse=True)
    total_bytes = accumulate(stat.st_size for _, stat in found)
    removed = 0
    for (path, _), kept_bytes in [*zip(found, total_bytes, strict=True)][1:]:
        if kept_bytes > beyond_bytes:
            # Windows keeps a file that is being served; it goes another time.
            with suppress(PermissionError):
                path.unlink()
                removed += 1
    return removed


def _is_ours(name: str) -> bool:
    return _NAME.match(name) is not None and (
        _NAME.fullmatch(name) is not None or name.endswith(_PART)
    )
