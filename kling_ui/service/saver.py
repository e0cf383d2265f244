"""Fetching a finished video: it is paid for, so it is tried for as long as it can be had."""

import asyncio
import dataclasses
import logging

from kling_ui import media
from kling_ui.client import (
    AccessDeniedError,
    ClientError,
    DownloadError,
    TaskNotFoundError,
    TaskState,
)
from kling_ui.ledger import Generation, Status
from kling_ui.service import messages, policy
from kling_ui.service.context import RunContext
from kling_ui.service.files import SavedVideo
from kling_ui.service.runs import Run

_log = logging.getLogger(__name__)


class Saver:
    """Brings the file of a finished task to the disk; only then the row says completed."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    async def save(self, run: Run, state: TaskState | None) -> None:
        """Fetch, verify and move the file into place; only then the row says completed.

        What can't be fetched is paid for: it is tried again for as long as the provider keeps
        it, each round with a fresh link.
        """
        rounds = 0
        while True:
            problem = await self._save_once(run, state)
            if problem is None:
                return
            rounds, state = rounds + 1, None
            _log.warning("generation %s: its file could not be fetched: %s", run.id, problem)
            delay = policy.save_delay(rounds, self._context.age(run.snapshot))
            await self._context.show(run, messages.not_saved(problem, is_kept=delay is not None))
            if delay is None:
                return
            if await self._context.pause(run, delay):
                rounds = 0

    async def _save_once(self, run: Run, state: TaskState | None) -> str | None:
        """Try a few times with at most one fresh link; return what is in the way, or None."""
        problem, has_asked_anew = "", False
        for tries in range(policy.MAX_DOWNLOAD_TRIES):
            if tries:
                delay = policy.download_delay(tries, self._context.runtime.chance())
                await self._context.runtime.sleep(delay)
            try:
                state = state or await self._context.get_state(run.snapshot)
                if state.video_url is None:
                    return state.failure.message if state.failure else messages.NO_ADDRESS
                saved = await self._fetch(run.snapshot, state)
            except (AccessDeniedError, TaskNotFoundError) as exc:
                return exc.message
            except DownloadError as exc:
                problem = exc.message
                wants_fresh = exc.needs_fresh_url and not has_asked_anew
                if not (exc.may_retry or wants_fresh):
                    break
                state = None if wants_fresh else _without_wrong_size(state, exc)
                has_asked_anew = has_asked_anew or wants_fresh
            except (ClientError, media.BrokenVideoError, OSError) as exc:
                problem = _words_of(exc)
            else:
                await self._context.commit(
                    run,
                    status=Status.COMPLETED,
                    video=saved.name,
                    seconds=saved.facts.duration_seconds,
                    width=saved.facts.width,
                    height=saved.facts.height,
                    error=None,
                )
                self._context.waits.learn(run.snapshot)
                return None
        return problem

    async def _fetch(self, generation: Generation, state: TaskState) -> SavedVideo:
        """Download, verify and adopt the file; leave no part behind if that fails."""
        files, part = self._context.files, self._context.files.part(generation)
        try:
            await self._context.client.download(
                state.video_url or "", part, expected_bytes=state.file_size
            )
            return await asyncio.to_thread(files.adopt, generation)
        except (media.BrokenVideoError, OSError):
            await asyncio.to_thread(files.discard, generation)
            raise


def _without_wrong_size(state: TaskState | None, error: DownloadError) -> TaskState | None:
    """Forget an announced size that did not fit: the MP4 itself is verified anyway."""
    if state is None or error.reason != "wrong_size":
        return state
    return dataclasses.replace(state, file_size=None)


def _words_of(problem: Exception) -> str:
    """Return what went wrong without the paths that the system adds: a page shows it."""
    if isinstance(problem, OSError):
        return problem.strerror or type(problem).__name__
    return str(problem)
