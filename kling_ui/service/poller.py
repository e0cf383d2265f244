"""Asking for the state of a task until it ends."""

import logging
import re
from typing import Any

from kling_ui.client import (
    GOING_STATUSES,
    AccessDeniedError,
    ClientError,
    TaskNotFoundError,
    TaskState,
)
from kling_ui.ledger import ErrorKind, Generation, GenerationError, Status
from kling_ui.service import messages, policy
from kling_ui.service.context import OTHER_ROUTE, Denials, RunContext, Silence
from kling_ui.service.finder import Finder
from kling_ui.service.runs import Run

_log = logging.getLogger(__name__)
_MOST_NEW_WORDS = 50
_MOST_REMARKS = 20
_PLAIN_WORD = re.compile("[a-z]{3,20}(_[a-z]{2,20})?")


class Poller:
    """Follows a task; a failed question is no news, never a failed generation."""

    def __init__(self, context: RunContext, finder: Finder) -> None:
        self._context = context
        self._finder = finder

    async def poll(self, run: Run, *, at_once: bool) -> TaskState | None:
        """Ask for the state until it ends; return the last one.

        None where the generation has ended otherwise, or nobody asks any more for now.
        """
        runtime = self._context.runtime
        silent, missing = Silence(runtime=runtime), Silence(runtime=runtime)
        denials = Denials.none_yet(runtime)
        delay: float | None = 0.0 if at_once else self._context.poll_delay(run.snapshot)
        while delay is not None:
            # Followers stay: only a task that is not known any more lets them go.
            await run.pause(delay, runtime.sleep)
            try:
                state = await self._context.get_state(run.snapshot)
            except TaskNotFoundError as exc:
                denials.clear()  # who says that has taken the key
                delay = await self._not_found(run, exc, missing)
            except AccessDeniedError as exc:
                missing.clear()
                delay = await self._denied(run, exc, denials)
            except ClientError as exc:
                if exc.status_code is not None:
                    missing.clear()  # it answers, and not that it knows no such task
                delay = await self._no_news(run, exc, silent)
            else:
                silent.clear()
                missing.clear()
                denials.clear()
                await self._take_in(run, state)
                if run.snapshot.status not in {Status.QUEUED, Status.GENERATING}:
                    return state
                delay = self._context.poll_delay(run.snapshot)
        return None

    async def _no_news(self, run: Run, error: ClientError, silent: Silence) -> float | None:
        """Say since when no usable answer has come; return the seconds to wait."""
        if _is_missing(run.snapshot):
            return self._missing_delay(run)
        await self._context.show(run, messages.no_news(error, silent.note()))
        return _no_sooner_than(error, self._context.poll_delay(run.snapshot))

    async def _denied(self, run: Run, error: AccessDeniedError, denials: Denials) -> float | None:
        """Say that questions are turned away; return the seconds to wait, None to rest."""
        if _is_missing(run.snapshot):
            return self._missing_delay(run)
        since = denials.note(error)
        if denials.is_key_given_up:
            await self._context.show(run, messages.key_refused(error))
            return None
        await self._context.show(run, messages.denied(error, since))
        return _no_sooner_than(error, policy.denied_delay(denials.times))

    async def _not_found(
        self, run: Run, error: TaskNotFoundError, missing: Silence
    ) -> float | None:
        """Deal with a task that the provider does not know; return the seconds to wait.

        None where the generation has ended, or nobody asks any more.
        """
        since = missing.note()
        is_new = not _is_missing(run.snapshot)
        if is_new and missing.seconds < policy.MISSING_FOR_SECONDS:
            if self._context.is_of_another_key(run.snapshot):
                await self._context.show(run, messages.NOT_KNOWN_TO_THIS_KEY)
            elif missing.times > 1:  # a fresh id may be unknown for a moment
                await self._context.show(run, messages.no_news(error, since))
            return _no_sooner_than(error, policy.not_found_delay(missing.seconds))
        if (is_new and await self._is_on_other_route(run)) or await self._is_in_log(run):
            return 0.0
        if run.snapshot.status.is_final:
            return None
        if is_new:
            # It leaves the stage and the count of what runs; the asking goes on.
            is_foreign = self._context.is_of_another_key(run.snapshot)
            gone = messages.MISSING_WITH_ANOTHER_KEY if is_foreign else messages.TASK_MISSING
            await self._context.commit(run, error=gone, is_put_away=True)
        return self._missing_delay(run)

    def _missing_delay(self, run: Run) -> float | None:
        """Let the followers of a missing task go; return the seconds until it is asked for."""
        run.rest()
        return policy.missing_delay(self._context.age(run.snapshot))

    async def _is_on_other_route(self, run: Run) -> bool:
        """Ask the other route; tell whether the task is there."""
        if self._context.forced_route is not None:
            return False
        other = OTHER_ROUTE[self._context.route_of(run.snapshot)]
        try:
            await self._context.client.get(run.snapshot.task_id or "", route=other)
        except ClientError:
            return False
        await self._context.commit(run, route=other)
        return True

    async def _is_in_log(self, run: Run) -> bool:
        """Ask the log; tell whether it names another task. A row that says failed is the end."""
        try:
            entry = await self._finder.in_log(run.snapshot)
        except ClientError:
            return False
        if entry is None:
            return False
        is_ours = entry.task_id == run.snapshot.task_id
        if entry.is_failed and (is_ours or self._finder.is_of_last_try(run)):
            await self._fail(run, messages.FOUND_AS_FAILED)
        elif entry.task_id is not None and not is_ours and not entry.is_failed:
            found: dict[str, Any] = {"task_id": entry.task_id, "is_put_away": False}
            await self._context.commit(run, error=None, **found)
            return True
        return False

    async def _fail(self, run: Run, error: GenerationError) -> None:
        """Commit a failure; those are not charged, whatever was announced before."""
        await self._context.commit(
            run, status=Status.FAILED, error=error, credits_used=0.0, usd_spent=0.0
        )

    async def _take_in(self, run: Run, state: TaskState) -> None:
        """Commit what an answer says, if it says anything new."""
        before = run.snapshot
        if state.failure is not None:
            await self._fail(run, messages.failed(state.failure))
            return
        status = Status.SAVING
        error = None if state.video_url else messages.not_saved(messages.NO_ADDRESS)
        if not state.is_finished:
            self._notice_word(state.status)
            status = policy.status_while_going(state, before.status)
            error = self._remark(run, state)
        if (status, error) == (before.status, before.error):
            return
        is_back: dict[str, Any] = {"is_put_away": False} if _is_missing(before) else {}
        await self._context.commit(
            run,
            **is_back,
            status=status,
            error=error,
            credits_used=_known(state.credits_used, before.credits_used),
            usd_spent=_known(state.usd_spent, before.usd_spent),
        )

    def _remark(self, run: Run, state: TaskState) -> GenerationError | None:
        """Return what is to be said of a task that goes on."""
        if state.note:
            if state.note not in run.remarks and len(run.remarks) < _MOST_REMARKS:
                run.remarks.add(state.note)
                _log.info("generation %s: the provider remarks: %s", run.id, state.note)
            return messages.note(state.note)
        is_late = self._context.age(run.snapshot) > policy.STILL_RUNNING_AFTER_SECONDS
        return messages.STILL_RUNNING if is_late else None

    def _notice_word(self, word: str) -> None:
        """Log a status word that is new to us, once: it is read as "still going"."""
        is_plain = _PLAIN_WORD.fullmatch(word) is not None  # anything else might echo a secret
        is_known = word in GOING_STATUSES or word in self._context.new_words
        if not word or is_known or not is_plain or len(self._context.new_words) == _MOST_NEW_WORDS:
            return
        self._context.new_words.add(word)
        _log.warning("the provider says a status that is new to us: %s", word)


def _known(new: float | None, old: float | None) -> float | None:
    return old if new is None else new


def _is_missing(generation: Generation) -> bool:
    """Tell whether it has been said already that the provider does not know the task."""
    return generation.error is not None and generation.error.kind is ErrorKind.NOT_FOUND


def _no_sooner_than(error: ClientError, seconds: float) -> float:
    """Return `seconds`, or what an answer asks to wait if that is longer, within bounds."""
    asked = min(error.retry_after_seconds or 0.0, policy.MAX_QUIET_SECONDS)
    return max(seconds, asked)
