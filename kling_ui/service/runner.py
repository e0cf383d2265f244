"""One generation's life, step by step: POST once, search, poll, save. Each step is committed.

`run` never POSTs and needs nothing but the row: it serves after a restart as it does at first.
"""

import asyncio
import dataclasses
import logging
import random
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from kling_ui import catalog, media
from kling_ui.client import (
    Client,
    ClientError,
    ConcurrencyLimitError,
    DownloadError,
    LogEntry,
    NotSentError,
    RateLimitError,
    Route,
    TaskState,
    UnauthorizedError,
    UnknownOutcomeError,
)
from kling_ui.ledger import Generation, Ledger, LedgerError, Status
from kling_ui.service import messages, policy
from kling_ui.service.broadcaster import Broadcaster
from kling_ui.service.files import Files
from kling_ui.service.policy import Meaning

_log = logging.getLogger(__name__)
_MOST_NEW_WORDS = 50
T = TypeVar("T")
_PLAIN_WORD = re.compile("[a-z]{3,20}([ _-][a-z]{2,20})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Time and luck, handed in so that tests need not wait for them."""

    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """How often to ask. None means: `poll_seconds` adapts; `typical_seconds` is the model's."""

    poll_seconds: float | None = None
    typical_seconds: float | None = None

    def typical(self, generation: Generation) -> float:
        """Return how long such a generation usually takes, in seconds."""
        if self.typical_seconds is not None:
            return self.typical_seconds
        model = catalog.MODELS.get(generation.model)
        return model.typical_seconds if model else 180.0


class GenerationRunner:
    """The steps of a generation between the provider, the ledger, the disk and the broadcaster."""

    def __init__(
        self,
        *,
        client: Client,
        ledger: Ledger,
        files: Files,
        broadcaster: Broadcaster,
        route: Route | None,
        poll_settings: PollSettings,
        runtime: Runtime,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._files = files
        self._broadcaster = broadcaster
        self._route = route
        self._poll_settings = poll_settings
        self._runtime = runtime
        self._waiting: dict[str, asyncio.Event] = {}
        self._new_words: set[str] = set()

    async def run(self, generation_id: str) -> None:
        """Take one generation from the state of its row to its end. Running again is harmless.

        A row still `submitting` may have been accepted: it is searched for, never sent again.
        """
        generation = await self.patiently(self._ledger.get, generation_id)
        if generation is None:
            return
        self._broadcaster.publish(generation)
        if generation.status is Status.SUBMITTING:
            lost = messages.perhaps_sent("The app was ended while the request was being sent.")
            generation = await self._commit(generation, status=Status.UNKNOWN, error=lost)
        if generation.status is Status.UNKNOWN:
            generation = await self._search(generation, is_refusal_final=False)
        await self._go_on(generation, at_once=True)

    async def submit(self, generation: Generation, payload: Mapping[str, Any]) -> None:
        """Send a generation that is in the ledger and nowhere else yet, then see it through.

        `payload` is the whole one; the ledger's may be abridged.
        """
        generation, was_refused = await self._post(generation, payload)
        if generation.status is Status.UNKNOWN:
            generation = await self._search(generation, is_refusal_final=not was_refused)
        await self._go_on(generation, at_once=False)

    async def _go_on(self, generation: Generation, *, at_once: bool) -> None:
        """See a known task through; `at_once`: ask before waiting."""
        state: TaskState | None = None
        if generation.status in {Status.QUEUED, Status.GENERATING}:
            generation, state = await self._poll(generation, at_once=at_once)
        if generation.status is Status.SAVING:
            await self._save(generation, state)

    # -- the steps

    async def _post(
        self, generation: Generation, payload: Mapping[str, Any]
    ) -> tuple[Generation, bool]:
        """POST, again only where the last try surely created nothing; tell of earlier refusals."""
        connection_tries, busy_waits, line_seconds, was_refused = 0, 0, 0.0, False
        while True:
            try:
                state = await self._client.create(
                    payload,
                    request_id=generation.id,
                    route=self._route_of(generation),
                )
            except UnknownOutcomeError as exc:
                lost = messages.perhaps_sent(exc.message)
                generation = await self._commit(generation, status=Status.UNKNOWN, error=lost)
                return generation, was_refused
            except ClientError as exc:
                connection_tries += isinstance(exc, NotSentError)
                delay = policy.resend_delay(
                    exc,
                    connection_tries=connection_tries,
                    busy_waits=busy_waits,
                    chance=self._runtime.chance(),
                    line_seconds=line_seconds,
                )
                if delay is None:
                    return await self._reject(generation, exc), was_refused
                was_refused = was_refused or not isinstance(exc, NotSentError)
                waiting = messages.waiting_to_send(delay, exc)
                if isinstance(exc, ConcurrencyLimitError):
                    line_seconds += delay
                    waiting = messages.in_line()
                elif isinstance(exc, RateLimitError):
                    busy_waits += 1
                self._broadcaster.publish(dataclasses.replace(generation, error=waiting))
                if await self._is_withdrawn_within(delay, generation.id):
                    withdrawn = messages.withdrawn()
                    generation = await self._commit(
                        generation, status=Status.REJECTED, error=withdrawn
                    )
                    return generation, was_refused
            else:
                return await self._adopt(generation, state), was_refused

    def withdraw(self, generation_id: str) -> bool:
        """Never send what waits to be sent again; tell whether it was not too late for that."""
        waiting = self._waiting.get(generation_id)
        if waiting is None:
            return False
        waiting.set()
        return True

    async def _is_withdrawn_within(self, seconds: float, generation_id: str) -> bool:
        """Wait before the next try; tell whether a person has withdrawn the request meanwhile."""
        withdrawn = self._waiting[generation_id] = asyncio.Event()
        waits = [
            asyncio.ensure_future(self._runtime.sleep(seconds)),
            asyncio.ensure_future(withdrawn.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._waiting[generation_id]
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return withdrawn.is_set()

    async def _reject(self, generation: Generation, error: ClientError) -> Generation:
        refusal = messages.rejected(error)
        model = catalog.MODELS.get(generation.model)
        if model is None or refusal.field is None or model.param(refusal.field) is None:
            # The field is guessed from the provider's words: keep it only where it is one.
            refusal = dataclasses.replace(refusal, field=None)
        return await self._commit(generation, status=Status.REJECTED, error=refusal)

    async def _adopt(self, generation: Generation, found: TaskState | LogEntry) -> Generation:
        """Commit the task id and its price: from here on the task can't be lost."""
        return await self._commit(
            generation,
            status=Status.QUEUED,
            task_id=found.task_id,
            credits_used=found.credits_used,
            usd_spent=found.usd_spent,
            error=None,
        )

    async def _search(self, generation: Generation, *, is_refusal_final: bool) -> Generation:
        """Ask the provider's log for a request whose answer never came, for a day.

        Where the same request may have been refused before it was sent again, a row of the log
        that says "failed" may be that earlier one: then it is believed only if no other appears.
        """
        looks = 0
        while True:
            await self._runtime.sleep(policy.look_delay(looks))
            looks += 1
            try:
                entry = await self._client.find(generation.id)
            except UnauthorizedError as exc:
                return await self._commit(generation, error=messages.locked_out(exc))
            except ClientError as exc:
                _log.info("generation %s: search %d failed: %s", generation.id, looks, exc)
                entry, is_answered = None, False
            else:
                is_answered = True
            next_age = self._age(generation) + policy.look_delay(looks)
            # A look that brought no answer is never the last one.
            is_last = is_answered and next_age > policy.LOOK_FOR_SECONDS
            is_believed = is_refusal_final or is_last or policy.is_resting(looks)
            if entry is not None and entry.status == "failed" and is_believed:
                failure = messages.found_as_failed()
                return await self._commit(generation, status=Status.REJECTED, error=failure)
            if entry is not None and entry.task_id and entry.status != "failed":
                return await self._adopt(generation, entry)
            if is_last:
                return await self._commit(generation, error=messages.never_found())
            if policy.is_resting(looks):
                generation = await self._commit(generation, error=messages.not_found_yet())
                self._broadcaster.rest(generation.id)

    async def _poll(
        self, generation: Generation, *, at_once: bool
    ) -> tuple[Generation, TaskState | None]:
        """Ask for the state until it ends; a failed GET is no news, never a failure."""
        silent_since: datetime | None = None
        delay = 0.0 if at_once else self._poll_delay(generation)
        while True:
            await self._runtime.sleep(delay)
            delay = self._poll_delay(generation)
            try:
                state = await self._get(generation)
            except UnauthorizedError as exc:
                return await self._commit(generation, error=messages.locked_out(exc)), None
            except ClientError as exc:
                delay = max(delay, exc.retry_after_seconds or 0.0)
                if silent_since is None:
                    silent_since = self._runtime.now()
                    silence = messages.no_news(exc, silent_since)
                    generation = await self._commit(generation, error=silence)
                continue
            silent_since = None
            generation = await self._take_in(generation, state)
            if generation.status not in {Status.QUEUED, Status.GENERATING}:
                return generation, state

    async def _take_in(self, generation: Generation, state: TaskState) -> Generation:
        """Commit what an answer says, if it says anything new."""
        outcome = policy.meaning(state)
        if outcome is Meaning.FAILED and state.failure is not None:
            # Failed generations are not charged, whatever was announced before.
            return await self._commit(
                generation,
                status=Status.FAILED,
                error=messages.failed(state.failure),
                credits_used=0.0,
                usd_spent=0.0,
            )
        if outcome is Meaning.FINISHED:
            status, error = Status.SAVING, None
        else:
            self._notice_word(state.status)
            status = policy.status_while_going(state, generation.status)
            is_late = self._age(generation) > policy.STILL_RUNNING_AFTER_SECONDS
            error = messages.still_running() if is_late else None
            if (status, error) == (generation.status, generation.error):
                return generation
        return await self._commit(
            generation,
            status=status,
            error=error,
            credits_used=_known(state.credits_used, generation.credits_used),
            usd_spent=_known(state.usd_spent, generation.usd_spent),
        )

    async def _save(self, generation: Generation, state: TaskState | None) -> None:
        """Fetch, verify and move the file into place; only then the row says completed."""
        trouble: Exception | None = None
        has_asked_anew = False
        for tries in range(policy.MAX_DOWNLOAD_TRIES):
            if tries:
                delay = policy.download_delay(tries, self._runtime.chance())
                await self._runtime.sleep(delay)
            try:
                state = state or await self._get(generation)
                video = await self._fetch(generation, state)
            except UnauthorizedError as exc:
                await self._commit(generation, error=messages.locked_out(exc))
                return
            except (ClientError, media.BrokenVideoError, OSError) as exc:
                trouble = exc
            else:
                await self._commit(generation, status=Status.COMPLETED, video=video, error=None)
                return
            if isinstance(trouble, DownloadError):
                if trouble.needs_fresh_url and not has_asked_anew:
                    has_asked_anew, state = True, None
                elif not trouble.may_retry:
                    break
                elif trouble.reason == "wrong_size" and state is not None:
                    # The announced size may be the wrong one; the MP4 itself is verified anyway.
                    state = dataclasses.replace(state, file_size=None)
        _log.warning("generation %s: its file could not be fetched", generation.id)
        await self._commit(generation, error=messages.not_saved(str(trouble)))

    # -- what the steps share

    async def _get(self, generation: Generation) -> TaskState:
        task_id = generation.task_id or ""
        return await self._client.get(task_id, route=self._route_of(generation))

    async def _fetch(self, generation: Generation, state: TaskState) -> str:
        """Download, verify and adopt the file; leave no part behind if that fails."""
        if state.video_url is None:
            raise media.BrokenVideoError("the provider gives no address for it")
        part = self._files.part(generation)
        try:
            await self._client.download(state.video_url, part, expected_bytes=state.file_size)
            return await asyncio.to_thread(self._files.adopt, generation)
        except (media.BrokenVideoError, OSError):
            await asyncio.to_thread(self._files.discard, generation)
            raise

    async def _commit(self, generation: Generation, **changes: Any) -> Generation:
        """Write changes down, then tell the broadcaster; a ledger in trouble is waited for."""
        delay = 1.0
        while True:
            try:
                changed = await self._written(generation.id, changes)
            except LedgerError as exc:
                _log.error("generation %s: %s Trying again.", generation.id, exc)
                known = {**changes, "error": messages.ledger_trouble(str(exc))}
                self._broadcaster.publish(dataclasses.replace(generation, **known))
                await self._runtime.sleep(delay)
                delay = min(2 * delay, 30.0)
                continue
            if changed.status is not generation.status:
                age = self._age(generation)
                _log.info("generation %s: %s after %.1f s", changed.id, changed.status, age)
            self._broadcaster.publish(changed)
            return changed

    async def patiently(self, read: Callable[..., T], *arguments: Any, **more: Any) -> T:
        """Return what `read` finds in the ledger; a ledger in trouble is waited for."""
        delay = 1.0
        while True:
            try:
                return await asyncio.to_thread(read, *arguments, **more)
            except LedgerError as exc:
                _log.error("%s Trying again.", exc)
                await self._runtime.sleep(delay)
                delay = min(2 * delay, 30.0)

    async def _written(self, generation_id: str, changes: dict[str, Any]) -> Generation:
        """Write in a thread; when cancelled, leave only after the write has ended."""
        write = asyncio.ensure_future(
            asyncio.to_thread(self._ledger.update, generation_id, **changes)
        )
        try:
            return await asyncio.shield(write)
        except asyncio.CancelledError:
            await asyncio.gather(write, return_exceptions=True)
            raise

    def _notice_word(self, word: str) -> None:
        """Log a status word that is new to us, once: it is read as "still going"."""
        is_plain = _PLAIN_WORD.fullmatch(word) is not None  # anything else might echo a secret
        is_known = word in policy.KNOWN_WORDS or word in self._new_words
        if is_known or not is_plain or len(self._new_words) == _MOST_NEW_WORDS:
            return
        self._new_words.add(word)
        _log.warning("the provider says a status that is new to us: %s", word)

    def _route_of(self, generation: Generation) -> Route:
        if self._route is not None:
            return self._route
        model = catalog.MODELS.get(generation.model)
        return "kling" if model is not None and model.in_brief else "universal"

    def _poll_delay(self, generation: Generation) -> float:
        if self._poll_settings.poll_seconds is not None:
            return self._poll_settings.poll_seconds
        return policy.poll_delay(
            elapsed_seconds=self._age(generation),
            typical_seconds=self._poll_settings.typical(generation),
            chance=self._runtime.chance(),
        )

    def _age(self, generation: Generation) -> float:
        created = datetime.fromisoformat(generation.created_at)
        return (self._runtime.now() - created).total_seconds()


def _known(new: float | None, old: float | None) -> float | None:
    return old if new is None else new
