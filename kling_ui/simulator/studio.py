"""The worker that has the videos rendered, one at a time, in the background and into a folder."""

import logging
import threading
import uuid
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue

from kling_ui.catalog import MODELS
from kling_ui.simulator.prices import seconds_of
from kling_ui.simulator.render import Scene, render
from kling_ui.simulator.tasks import Task

_log = logging.getLogger(__name__)


class Studio:
    """Renders each task's video once. A video is there when its file is: no half ones."""

    def __init__(self, folder: Path, *, is_draft: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
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
        """Have the video of `task` rendered unless it is there, being made or can't be made."""
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
            except Exception as exc:  # noqa: BLE001  whatever it was, the task says that it failed
                _log.exception("The simulated video %s could not be rendered", task.file_name)
                future.set_exception(exc)
                continue
            future.set_result(None)
            del self._going[task.id]

    def _render(self, task: Task) -> None:
        part = self._folder / f"{task.file_name}.{uuid.uuid4().hex}.part"
        try:
            if render(scene_of(task, is_draft=self._is_draft), part, is_given_up=self._closing):
                part.replace(self.path(task))
        finally:
            part.unlink(missing_ok=True)


def scene_of(task: Task, *, is_draft: bool) -> Scene:
    """Turn what was asked for into what is to be seen."""
    payload = task.payload
    return Scene(
        text=str(payload.get("prompt", "")),
        title=MODELS[payload["model"]].title,
        seconds=seconds_of(payload),
        aspect_ratio=str(payload.get("aspect_ratio") or "16:9"),
        take=task.file_name,
        is_draft=is_draft,
    )
