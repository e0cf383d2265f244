"""Folders and files on whatever file system they lie: closed to others, synced, purged."""

import errno
import os
from contextlib import suppress
from pathlib import Path

UPLOADS_KEPT_SECONDS = 86_400.0
"""How long after its last use an upload that was not sent is kept."""

_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""How a file system says that it can't sync, in contrast to having failed to."""


def make_private_folder(folder: Path) -> None:
    """Make `folder`, or close it to others of this machine where it is there; raise OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # somebody else's, or on a file system without modes
        folder.chmod(0o700)


def sync_file(path: Path) -> None:
    """Have what was written survive a power cut; raise OSError where that failed."""
    with path.open("r+b") as file:
        try:
            os.fsync(file.fileno())
        except OSError as exc:
            if exc.errno not in _NO_SYNC:
                raise


def sync_folder(path: Path) -> None:
    """Have a new name in a folder survive a power cut, where the file system can do that.

    The file itself is in place whatever comes of it, so no failure counts.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def purge_uploads(folder: Path, *, now: float, kept_seconds: float = UPLOADS_KEPT_SECONDS) -> None:
    """Remove what lies below `folder` and was last used more than `kept_seconds` before `now`.

    `now` is seconds since the epoch. Last used is the later of last written and last read.
    """
    before = now - kept_seconds
    for parent, _, names in os.walk(folder, topdown=False):
        with suppress(OSError):  # removed by somebody else, or not empty
            changed = Path(parent).stat().st_mtime
            for name in names:
                _purge(Path(parent, name), before)
            if Path(parent) != folder and changed < before:
                Path(parent).rmdir()


def _purge(path: Path, before: float) -> None:
    with suppress(OSError):  # gone meanwhile, or in use on Windows
        found = path.lstat()
        if max(found.st_mtime, found.st_atime) < before:
            path.unlink()
