"""How much the data folder holds, for how long it lives, and from what size on a person is told.

Nothing is removed or refused here: what was paid for stays.
"""

import asyncio
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kling_ui.service.files import POSTER
from kling_ui.service.preferences import Preferences

GIGABYTE = 10**9
COUNT_EVERY_SECONDS = 3600.0
PATIENCE_SECONDS = 5.0
"""How long somebody who asks waits for a count; a folder on a network may take minutes."""

_MEMORY = ("tmpfs", "ramfs")
_LAYERS = ("overlay", "aufs", "fuse.fuse-overlayfs")
"""File systems of containers: what is written there goes with the container."""

_log = logging.getLogger(__name__)


class Lifetime(StrEnum):
    """What ends the life of a folder, as far as that can be known from outside."""

    LASTING = "lasting"
    TEMPORARY = "temporary"
    MEMORY = "memory"
    CONTAINER = "container"
    SPACE = "space"


def lifetime_of(
    folder: Path, *, mount: tuple[Path, str] | None, is_space: bool, temporary: Path | None = None
) -> Lifetime:
    """Judge a folder by where it lies.

    `mount` is the place and kind of the file system around it, None where the system does not
    tell. `temporary` is the system's folder for temporary files, looked up by default.
    """
    place, kind = mount or (Path("/"), "")
    if is_space and place == Path("/"):  # only what is mounted outlives a restart there
        return Lifetime.SPACE
    if kind in _MEMORY:
        return Lifetime.MEMORY
    if kind in _LAYERS:
        return Lifetime.CONTAINER
    if folder.is_relative_to((temporary or Path(tempfile.gettempdir())).resolve()):
        return Lifetime.TEMPORARY
    return Lifetime.LASTING


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlace:
    """Where the data folder lies; `is_default` where nobody named another one."""

    lifetime: Lifetime = Lifetime.LASTING
    is_default: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Bytes on disk by kind. `ledger` is None where it is no file of this machine.

    `temporary` are downloads under way and files that were given to a form. `free` is what the
    disk of the data folder has left, None where that can't be told.
    """

    videos: int
    posters: int
    inputs: int
    simulator: int
    temporary: int
    ledger: int | None
    free: int | None

    @property
    def total(self) -> int:
        """All of it but what is free."""
        kinds = (self.videos, self.posters, self.inputs, self.simulator, self.temporary)
        return sum(kinds) + (self.ledger or 0)


class Storage:
    """The space that one data folder and its ledger take."""

    def __init__(
        self,
        folder: Path,
        *,
        ledger_file: Path | None,
        preferences: Preferences,
        place: DataPlace,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.place = place
        self._folder = folder
        self._ledger_file = ledger_file
        self._preferences = preferences
        self._patience_seconds = patience_seconds
        self._counting: asyncio.Task[None] | None = None
        self._closing = threading.Event()
        self._newest: Usage | None = None
        self._is_told = False

    @property
    def is_over_limit(self) -> bool:
        """Tell whether more was used than the owner's limit when it was counted last."""
        limit_gb = self._preferences.storage_limit_gb
        used = self._newest.total if self._newest else 0
        return limit_gb is not None and used > limit_gb * GIGABYTE

    async def usage(self) -> Usage | None:
        """Count what is used, in a thread; those who ask meanwhile share one count.

        Where that takes long, returns what was counted before, or None.
        """
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count())
        # It goes on if the caller is cancelled.
        await asyncio.wait({self._counting}, timeout=self._patience_seconds)
        return self._newest

    async def keep_counted(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Count once an hour where there is a limit to be told of, until cancelled."""
        while True:
            if await asyncio.to_thread(lambda: self._preferences.storage_limit_gb) is not None:
                await self.usage()
            await sleep(COUNT_EVERY_SECONDS)

    def close(self) -> None:
        """Give up a count under way: its thread would hold up the end of the program."""
        self._closing.set()

    async def _count(self) -> None:
        usage = await asyncio.to_thread(self._counted)
        if not self._closing.is_set():
            self._newest = usage
            self._tell()

    def _tell(self) -> None:
        if self.is_over_limit and not self._is_told:
            _log.warning(
                "The data folder holds more than the limit of %g GB that was set: delete what is "
                "not needed in History. Nothing is deleted by itself.",
                self._preferences.storage_limit_gb,
            )
        self._is_told = self.is_over_limit

    def _counted(self) -> Usage:
        videos = posters = 0
        for name, size in self._files("videos"):
            if name == POSTER:
                posters += size
            else:
                videos += size
        return Usage(
            videos=videos,
            posters=posters,
            inputs=self._size("inputs"),
            simulator=self._size("simulator"),
            temporary=self._size("incoming") + self._size("gradio"),
            ledger=_ledger_size(self._ledger_file) if self._ledger_file else None,
            free=_free(self._folder),
        )

    def _size(self, name: str) -> int:
        return sum(size for _, size in self._files(name))

    def _files(self, name: str) -> Iterator[tuple[str, int]]:
        """Yield name and bytes of each file below a folder; what vanishes meanwhile is left out.

        Only our own folders are looked into: the data folder may be one that holds much else.
        """
        for parent, _, names in os.walk(self._folder / name):
            for each in names:
                if self._closing.is_set():
                    return
                with suppress(OSError):
                    yield each, Path(parent, each).lstat().st_size


def _ledger_size(file: Path) -> int:
    """Return the bytes of a SQLite file and those that SQLite keeps beside it."""
    size = 0
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            size += file.with_name(file.name + suffix).stat().st_size
    return size


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
