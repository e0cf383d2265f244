"""What must be right before the app can serve: its folder, its locks, its port, its environment.

Each trouble is a sentence that says what to do, since whoever reads it sees no page yet.
"""

import ctypes
import errno
import inspect
import logging
import math
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kling_ui.settings import CERTIFICATE_NAMES, PROXY_NAMES, Settings

LEDGER = "kling-ui.db"
MOUNTS = Path("/proc/self/mounts")
LOCK = "in-use.lock"
FIRST_PORT = 7860
PORTS_TRIED = 100
MOST_OPEN_FILES = 65_536
OUT_OF_FILES = "socket.accept() out of system resource"
"""What asyncio logs, read from Python 3.11, with a traceback, where no file is left."""
TOO_MANY_FILES = (
    "No file is left for a new connection: too many pages are open for the limit of open files "
    "(ulimit -n). They are served as others close."
)
UPLOADS = "uploads"
"""Gradio's folder for files, relative to the working folder: answers then tell no path here."""

_FOLDERS = ("videos", "inputs", "incoming", "simulator", "gradio", f"gradio/{UPLOADS}")
_FILES = (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", "simulator/requests.jsonl")
_KEPT_OF_GRADIO = (
    *("GRADIO_ANALYTICS_ENABLED", "GRADIO_HEARTBEAT_INTERVAL", "GRADIO_SHARE_SERVER_ADDRESS"),
)
"""What else may steer Gradio: others open folders, start more servers, or hold its launch."""

_OURS = frozenset(
    {LOCK, "videos", "inputs", "incoming", "gradio", "simulator", "preferences.json"}
    | {"models-simulator.json", "models-aimlapi.json"}
    | {LEDGER + suffix for suffix in ("", "-wal", "-shm", "-journal", ".lock")}
)
_LOCAL_FUSE = ("fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.bindfs", "fuse.gocryptfs")
_NO_LOCKS = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EPERM, errno.EINVAL)
_M_MMAP_THRESHOLD = -3
"""The parameter of glibc's mallopt(3): from what size on memory goes back when it is freed."""

_RETURNED_BYTES = 1 << 20
_log = logging.getLogger(__name__)


class StartError(Exception):
    """The app can't start; the message says why and what to do."""

    @classmethod
    def of_system(cls, trouble: OSError) -> "StartError":
        """Return what the system refuses, with the file it refuses it for."""
        place = f"{trouble.filename} can't be used: " if trouble.filename else ""
        return cls(f"{place}{trouble.strerror or trouble}.")


@contextmanager
def without_interface_files() -> Iterator[None]:
    """Keep Gradio, imported meanwhile, from comparing each component with its .pyi file.

    That takes 40 % of its import. Gradio 6.31 leaves out a class whose file can't be found.
    """
    find = inspect.getfile

    def find_others(what: Any) -> str:
        if isinstance(what, type) and what.__module__.startswith("gradio."):
            raise OSError("not looked for")
        return find(what)

    inspect.getfile = find_others  # type: ignore[assignment]  # asked for classes only
    try:
        yield
    finally:
        inspect.getfile = find


def make_data_folder(folder: Path) -> None:
    """Make the data folder; one that is there is closed to others unless it holds more than ours.

    Raises StartError, also where what lies in it is another user's, as after a start as root: what
    is paid for could not be kept.
    """
    _make(folder)
    for path in (folder / name for name in (*_FOLDERS, *_FILES)):
        if os.path.lexists(path) and not os.access(path, os.R_OK | os.W_OK):
            raise StartError(
                f"{path} may not be written to, or leads nowhere. If the app once ran as another "
                f"user, give this one the right to all of {folder} (chown -R), or set "
                "KLING_UI_DATA_DIR to another folder."
            )
    for path in (folder / name for name in _FOLDERS):
        if os.path.lexists(path) and not path.is_dir():
            raise StartError(f"{path} is no folder. Move it away, the app makes one there.")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if all(path.name in _OURS for path in folder.iterdir()):
            folder.chmod(0o700)
    except PermissionError as exc:
        if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return  # somebody else's, but open to us
        raise StartError(
            f"the data folder {folder} may not be written to. Give this user the right to, or set "
            "KLING_UI_DATA_DIR to another folder."
        ) from exc
    except OSError as exc:
        raise StartError(
            f"the data folder {folder} can't be used ({exc.strerror}). Set KLING_UI_DATA_DIR to "
            "another one."
        ) from exc


def hold(path: Path, *, what: str, setting: str) -> FileLock | None:
    """Lock `path` for as long as the process lives; None where the file system has no locks.

    Raises StartError where another app holds it: `what` names what it has in use, `setting` how
    to use something else.
    """
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as exc:
        raise StartError(
            f"another one is using {what}. Stop that one first, or set {setting} to another. If "
            f"none runs, on this or another machine, remove {path} and start again."
        ) from exc
    except (OSError, NotImplementedError) as exc:
        if isinstance(exc, OSError) and exc.errno not in _NO_LOCKS:
            raise StartError(f"{path} can't be written ({exc.strerror}).") from exc
        _log.warning(
            "%s can't be locked here, so make sure that no other Kling UI uses the same folder.",
            path,
        )
        return None
    return lock


def warn_of_buckets(ledger: Path | None, *, mounts: Path = MOUNTS) -> None:
    """Say where the ledger lies on a mount that may keep only what is closed, as buckets do."""
    place, kind = (mount_of(ledger, mounts=mounts) if ledger else None) or (None, "")
    if kind.startswith("fuse.") and kind not in _LOCAL_FUSE:
        _log.warning(
            "The ledger lies on %s (%s). If that is a bucket, it keeps nothing of the ledger "
            "while the app runs: set KLING_UI_DATABASE_URL to a file on a local disk.",
            place,
            kind,
        )


def mount_of(path: Path, *, mounts: Path = MOUNTS) -> tuple[Path, str] | None:
    """Return where the file system around `path` is mounted, and its kind; None if not told."""
    try:
        lines = [line.split() for line in mounts.read_text("utf-8", "replace").splitlines()]
    except OSError:  # not Linux
        return None
    places = [(Path(_unescaped(place)), kind) for _, place, kind, *_ in lines]
    around = [(place, kind) for place, kind in places if path.is_relative_to(place)]
    # Of those mounted on one place the last one counts.
    return max(reversed(around), key=lambda found: len(found[0].parts), default=None)


def _unescaped(place: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place)


def free_port(name: str, wanted: int | None) -> int:
    """Return the port to serve on at `name`: `wanted`, or the first free one from 7860 on.

    Raises StartError.
    """
    ports = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if wanted is None else (wanted,)
    for port in ports:
        trouble = _trouble_with(name, port)
        if trouble is None:
            return port
        if trouble.errno == errno.EADDRINUSE and wanted is None:
            continue
        raise StartError(_port_words(name, port, trouble)) from trouble
    raise StartError(f"all ports from {ports[0]} to {ports[-1]} are taken.")


def _trouble_with(name: str, port: int) -> OSError | None:
    """Return why nobody could listen there, or None."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                if os.name != "nt":  # there it would take a port from its owner
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as exc:
        return exc
    except UnicodeError:  # of a name that is none
        return socket.gaierror(socket.EAI_NONAME, "not a host name")
    return None


def _port_words(name: str, port: int, trouble: OSError) -> str:
    if isinstance(trouble, socket.gaierror) or trouble.errno == errno.EADDRNOTAVAIL:
        return (
            f"GRADIO_SERVER_NAME is {name!r}, which is no address of this machine. Use 127.0.0.1 "
            "for this machine only, or 0.0.0.0 for every network it is in."
        )
    if trouble.errno == errno.EADDRINUSE:
        return (
            f"port {port} (GRADIO_SERVER_PORT) is taken by another program. Stop that one, or "
            "set another port."
        )
    if isinstance(trouble, PermissionError):
        return f"port {port} (GRADIO_SERVER_PORT) may not be used by this user; try 7860."
    return f"nothing can listen at {name}, port {port} ({trouble.strerror})."


def open_missing_streams() -> None:
    """Give those who were started without a place for words, as by pythonw, one that drops them.

    uvicorn asks them whether they are a terminal; and the next file that is opened would get the
    number that C libraries write their warnings to.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  for as long as it runs


def raise_open_files() -> None:
    """Allow as many open files as the system lets this user have: every open page takes one.

    The usual soft limit of 1,024 is meant for programs that use select().
    """
    try:
        import resource  # noqa: PLC0415  not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
        if resource.RLIM_INFINITY != soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ImportError, ValueError, OSError) as exc:
        _log.debug("The limit of open files stays as it is: %s", exc)


class AcceptFilter(logging.Filter):
    """Of the connections that asyncio can't take for want of files, logs one a minute in words.

    It tries 2,048 of them a second, and writes a traceback of each.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._next = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to log a record; what is left of the kind gets other words."""
        if OUT_OF_FILES not in record.getMessage():
            return True
        if self._now() < self._next:
            return False
        self._next = self._now() + 60
        record.msg, record.args, record.exc_info = TOO_MANY_FILES, (), None
        return True


def return_freed_memory() -> bool:
    """Have large blocks go back to the system when they are freed; tell whether that was done.

    glibc would keep up to 32 MB blocks, apart for each thread: five pictures of 64 megapixels
    would leave a gigabyte behind. Other C libraries have no such setting and no such need.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS; TypeError is Windows'
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _RETURNED_BYTES))


def prepare_environment(environ: MutableMapping[str, str], settings: Settings) -> None:
    """Set what Gradio and its libraries read at their import; what ours read is read already.

    Gradio asks nobody but this machine, unless it shares the page: a proxy would only be in its
    way, and settings that httpx chokes on would end the import.
    """
    others = [name for name in environ if name.upper().startswith("GRADIO_")]
    _forget(environ, *others, keep=_KEPT_OF_GRADIO)
    environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    environ["GRADIO_TEMP_DIR"] = UPLOADS
    environ["GRADIO_ROOT_PATH"] = settings.root_path
    _forget(environ, *PROXY_NAMES, keep=("HTTPS_PROXY",) if settings.share else ())
    environ["NO_PROXY"] = environ["no_proxy"] = "127.0.0.1,localhost"
    if settings.is_simulated:
        _forget(environ, *CERTIFICATE_NAMES)
    for name in CERTIFICATE_NAMES:
        if environ.get(name):
            environ[name] = str(Path(environ[name]).absolute())  # the working folder will change
    # Gradio looks for a free port at this name, but knows no IPv6 there.
    if ":" not in settings.server_name:
        environ["GRADIO_SERVER_NAME"] = settings.server_name


def _forget(environ: MutableMapping[str, str], *names: str, keep: tuple[str, ...] = ()) -> None:
    wanted = {name.upper() for name in names} - set(keep)
    for name in [name for name in environ if name.upper() in wanted]:
        del environ[name]
