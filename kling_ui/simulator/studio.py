"""The worker that has the videos rendered, one at a time, in the background and into a folder."""

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from kling_ui.catalog import MissingInputError
from kling_ui.catalog.inputs import remove_oldest
from kling_ui.simulator.input_reader import InputReader
from kling_ui.simulator.render import render
from kling_ui.simulator.scene import scene_of
from kling_ui.simulator.tasks import Task

MOST_BYTES = 10**9
"""How much is kept of the videos, and how much of what was handed in for them."""

_log = logging.getLogger(__name__)


class ExpiredVideoError(Exception):
    """A video that is gone for good: neither it nor what it was made from is kept any more."""


class Studio:
    """Renders a task's video when it is asked for. A video is there when its file is whole.

    The newest videos are kept, MOST_BYTES of them; older ones are rendered again when they are
    asked for, as long as their inputs are kept; after that they have expired. `on_failed` is told,
    in the studio's thread, of a task whose video can't be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        reader: InputReader,
        is_draft: bool,
        on_failed: Callable[[Task, dict[str, str]], None],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob("*.part"):  # of a process that was killed
            part.unlink(missing_ok=True)
        self._folder = folder
        self._reader = reader
        self._on_failed = on_failed
        self._is_draft = is_draft
        self._closing = threading.Event()
        self._going: dict[str, Future[None]] = {}
        self._queue: SimpleQueue[tuple[Future[None], Task] | None] = SimpleQueue()
        # A pool would hold up the end of the program until everything in it is rendered.
        self._worker = threading.Thread(target=self._work, name="simulator-studio", daemon=True)
        self._worker.start()

    def path(self, task: Task) -> Path:
        """Return where the video of `task` is, or will be."""
        return self._folder / task.file_name

    def order(self, task: Task) -> Future[None]:
        """Have the video of `task` rendered unless it is there, being made or can't be made.

        The future's error is ExpiredVideoError or RuntimeError.
        """
        going = self._going.get(task.id)
        if going:
            return going
        future: Future[None] = Future()
        if self.path(task).exists():
            future.set_result(None)
            return future
        self._going[task.id] = future
        self._queue.put((future, task))
        return future

    def close(self) -> None:
        """Give up what is being rendered and wait for the worker to end."""
        self._closing.set()
        self._queue.put(None)
        self._worker.join()

    def _work(self) -> None:
        while (ordered := self._queue.get()) and not self._closing.is_set():
            future, task = ordered
            try:
                self._render(task)
            except MissingInputError:
                future.set_exception(ExpiredVideoError())
                continue
            except Exception as exc:  # noqa: BLE001  whatever it was, the task says that it failed
                error = _error(exc, task)
                self._on_failed(task, error)
                # Not `exc` itself: it would keep every picture of the scene in memory.
                future.set_exception(RuntimeError(error["message"]))
                continue
            self._remove_older()
            future.set_result(None)
            del self._going[task.id]

    def _render(self, task: Task) -> None:
        part = self._folder / f"{task.file_name}.{uuid.uuid4().hex}.part"
        try:
            scene = scene_of(
                task.payload,
                self._reader,
                seconds=task.video_seconds,
                take=task.file_name,
                is_draft=self._is_draft,
            )
            if render(scene, part, is_given_up=self._closing):
                part.replace(self.path(task))
        finally:
            part.unlink(missing_ok=True)

    def _remove_older(self) -> None:
        with suppress(OSError):  # somebody else has removed one meanwhile
            remove_oldest(self._folder.glob("*.mp4"), beyond_bytes=MOST_BYTES)
            self._reader.inputs.keep_within(MOST_BYTES)


def _error(exc: Exception, task: Task) -> dict[str, str]:
    """Say in the provider's way what went wrong; what is our own fault is logged besides."""
    _log.error("The simulated video %s could not be rendered", task.file_name, exc_info=exc)
    return {"name": "internal_error", "message": "The video could not be made."}
