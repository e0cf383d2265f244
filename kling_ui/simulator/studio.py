"""The worker that has the videos rendered, one at a time, in the background and into a folder."""

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from kling_ui.catalog import MissingInputError
from kling_ui.catalog.inputs import remove_oldest
from kling_ui.simulator.input_reader import InputReader
from kling_ui.simulator.render import render
from kling_ui.simulator.scene import scene_of
from kling_ui.simulator.tasks import Task

MOST_BYTES = 10**9
"""How much is kept of the videos, and how much of what was handed in for them."""

Outcome = Literal["made", "failed", "expired"]

_log = logging.getLogger(__name__)


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
        on_failed: Callable[[Task], object],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob("*.part"):  # of a process that was killed
            part.unlink(missing_ok=True)
        self._folder = folder
        self._reader = reader
        self._on_failed = on_failed
        self._is_draft = is_draft
        self._closing = threading.Event()
        self._going: dict[str, Future[Outcome]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="simulator-studio")

    def path(self, task: Task) -> Path:
        """Return where the video of `task` is, or will be."""
        return self._folder / task.file_name

    def order(self, task: Task) -> Future[Outcome]:
        """Have the video of `task` rendered unless it is there, being made or can't be made."""
        name = task.file_name
        if name in self._going:
            return self._going[name]
        if self.path(task).exists():
            there = Future[Outcome]()
            there.set_result("made")
            return there
        self._going[name] = going = Future[Outcome]()
        self._pool.submit(self._work, task, going)
        return going

    def close(self) -> None:
        """Give up what is being rendered and wait for the worker to end."""
        self._closing.set()
        self._pool.shutdown(cancel_futures=True)

    def _work(self, task: Task, going: Future[Outcome]) -> None:
        outcome = self._made(task)
        if outcome == "made":
            del self._going[task.file_name]
        going.set_result(outcome)

    def _made(self, task: Task) -> Outcome:
        try:
            self._render(task)
        except MissingInputError:
            return "expired"
        except Exception:  # noqa: BLE001  whatever it was, the task says that it failed
            _log.exception("The simulated video %s could not be rendered", task.file_name)
            self._on_failed(task)
            return "failed"
        with suppress(OSError):  # somebody else has removed one meanwhile
            remove_oldest(self._folder.glob("*.mp4"), beyond_bytes=MOST_BYTES)
            self._reader.inputs.keep_within(MOST_BYTES)
        return "made"

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
