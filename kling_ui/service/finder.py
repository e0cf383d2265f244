"""Finding a request whose answer never came: by the id an answer named, or in the log."""

import dataclasses
import logging
from datetime import datetime, timedelta
from typing import Any

from kling_ui.client import (
    AccessDeniedError,
    ClientError,
    LogEntry,
    TaskState,
    UnavailableError,
)
from kling_ui.ledger import Generation, GenerationError, Status
from kling_ui.service import messages, policy
from kling_ui.service.context import Denials, RunContext
from kling_ui.service.runs import Run

_log = logging.getLogger(__name__)
_LOG_SPAN = timedelta(hours=1)
_LOG_WIDE_SPAN = timedelta(hours=26)


class Finder:
    """Looks for lost requests; sends nothing."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    async def search(self, run: Run) -> Generation:
        """Look for a request whose answer never came, for as long as the log goes back."""
        looks, denials = 0, Denials.none_yet(self._context.runtime)
        while True:
            delay = policy.look_delay(looks, self._context.age(run.snapshot))
            if delay is None:
                await self._context.show(run, self._explanation(run, is_over=True))
                return run.snapshot
            if denials.times:
                delay = policy.denied_delay(denials.times)
            is_woken = await self._context.pause(run, delay)
            looks = 1 if is_woken else looks + 1
            try:
                found = await self.look(run.snapshot)
            except AccessDeniedError as exc:
                since = denials.note(exc)
                if denials.is_key_given_up:
                    return await self._context.commit(run, error=messages.search_given_up(exc))
                await self._context.show(run, messages.search_denied(exc, since))
            except ClientError as exc:
                _log.info("generation %s: search %d failed: %s", run.id, looks, exc)
            else:
                denials.clear()
                if await self._is_settled(run, found, looks):
                    return run.snapshot

    async def look(self, generation: Generation) -> TaskState | LogEntry | None:
        """Ask once for a lost request; raise ClientError where no answer came."""
        if generation.task_id:
            try:
                state = await self._context.get_state(generation)
            except AccessDeniedError:
                raise
            except UnavailableError:
                pass  # the log may know it all the same
            else:
                # That it is there is enough; its poller reads what has become of it.
                return dataclasses.replace(state, task_id=generation.task_id, status="")
        return await self.in_log(generation)

    async def in_log(self, generation: Generation) -> LogEntry | None:
        """Return what the provider's log says of a request, or None."""
        sent = datetime.fromisoformat(generation.sent_at or generation.created_at)
        near = (sent - _LOG_SPAN, sent + _LOG_SPAN)
        searches: tuple[dict[str, Any], ...] = (
            {"model": generation.model, "span": near},
            # The log may know the model by another name, and clocks differ,
            {"span": (sent - _LOG_WIDE_SPAN, sent + _LOG_WIDE_SPAN)},
            # some by any amount.
            {},
        )
        failed = None
        for search in searches:
            entry = await self._context.client.find(generation.id, **search)
            if entry is not None and not entry.is_failed:
                return entry
            failed = failed or entry
        return failed

    async def _is_settled(self, run: Run, found: TaskState | LogEntry | None, looks: int) -> bool:
        """Commit what was found; tell whether the search is over."""
        next_delay = policy.look_delay(looks, self._context.age(run.snapshot))
        is_long = next_delay is None or policy.is_long(next_delay)
        is_failed = isinstance(found, LogEntry) and found.is_failed
        if found is not None and found.task_id and not is_failed:
            await self._context.adopt(run, found)
            return True
        if is_failed and is_long and self.is_of_last_try(run):
            if found is not None and found.task_id:
                # The task itself says how it has ended.
                await self._context.adopt(run, found)
            else:
                listed = messages.FOUND_AS_REFUSED
                await self._context.commit(run, status=Status.REJECTED, error=listed)
            return True
        if is_long or self._context.is_of_another_key(run.snapshot):
            await self._context.show(run, self._explanation(run))
        return False

    def is_of_last_try(self, run: Run) -> bool:
        """Tell whether a row that says failed must be that of the last POST.

        Tries that were refused are listed under the same id, and the row of the one that was
        accepted may come late.
        """
        sent = datetime.fromisoformat(run.snapshot.sent_at or run.snapshot.created_at)
        is_old = self._context.seconds_since(sent) >= policy.LOG_IS_LATE_SECONDS
        return run.posts == 1 or is_old

    def _explanation(self, run: Run, *, is_over: bool = False) -> GenerationError:
        if self._context.is_of_another_key(run.snapshot):
            return messages.sent_with_another_key(run.loss)
        return messages.never_found(run.loss) if is_over else messages.not_found_yet(run.loss)
