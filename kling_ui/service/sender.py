"""Sending a request: POST once, and again only where the last try surely created nothing."""

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

from kling_ui import catalog
from kling_ui.client import (
    ClientError,
    ConcurrencyLimitError,
    ModelNotFoundError,
    NotSentError,
    Route,
    RouteNotFoundError,
    UnknownOutcomeError,
)
from kling_ui.ledger import Generation, GenerationError, Status
from kling_ui.service import messages, policy
from kling_ui.service.context import OTHER_ROUTE, RunContext
from kling_ui.service.runs import Run


class Sender:
    """Takes a waiting request to an accepted task, a refusal or an unknown outcome."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    async def send(self, run: Run) -> Generation:
        """POST, again only where the last try surely created nothing.

        What is of a set waits for its turn first. A row that a person has to be asked about
        stays `waiting`, and says so.
        """
        if run.snapshot.confirmed_at is None and run.snapshot.error is not None:
            return run.snapshot  # a person has been asked, and has not answered
        if not policy.may_send(self._context.confirmed_seconds(run.snapshot)):
            return await self._ask(run, messages.ASKS_TO_CONFIRM)
        if run.snapshot.set_id is not None:
            await self._wait_for_turn(run)
        if run.is_cancelled:
            return await self._cancel(run)
        body = await asyncio.to_thread(self._context.body_of, run.snapshot)
        if body is None:
            return await self._context.commit(
                run, status=Status.REJECTED, error=messages.NOT_REPEATABLE
            )
        try:
            return await self._send(run, body)
        finally:
            self._context.turns.leave_line(run)

    async def _send(self, run: Run, body: Mapping[str, Any]) -> Generation:
        tries, route = policy.SendTries(), self._context.first_route(run.snapshot)
        may_change_route = self._context.forced_route is None
        while not run.is_cancelled:
            price_rise = await self._price_rise(run.snapshot)
            if price_rise is not None:
                return await self._ask(run, price_rise)
            error = await self._post(run, body, route)
            if error is None:
                return run.snapshot
            if run.is_cancelled:
                continue
            if isinstance(error, RouteNotFoundError) and may_change_route:
                # A 404 creates nothing, and the other path may be the one that is left.
                route, may_change_route = OTHER_ROUTE[route], False
                await self._context.commit(run, status=Status.WAITING, error=None)
                continue
            delay = policy.resend_delay(
                error,
                tries,
                chance=self._context.runtime.chance(),
                is_patient=run.snapshot.set_id is not None,
            )
            if delay is None:
                return await self._reject(run, error)
            tries = tries.after(error, await self._wait(run, error, delay))
        return await self._cancel(run)

    async def _wait_for_turn(self, run: Run) -> None:
        key_hash = self._context.client.key_hash
        if run.snapshot.key_hash != key_hash:
            # Another key's account would never give it a place.
            await self._context.commit(run, only_from=(Status.WAITING,), key_hash=key_hash)
        await self._context.turns.wait(run)

    async def _price_rise(self, generation: Generation) -> GenerationError | None:
        """Return what to ask where a generation may cost more than was confirmed, else None."""
        confirmed = generation.usd_confirmed
        if confirmed is None:
            return None
        usd = await self._context.estimates.most_usd(generation)
        is_within = usd is not None and round(usd - confirmed, 6) <= 0
        return None if is_within else messages.costs_more(confirmed, usd)

    async def _post(self, run: Run, body: Mapping[str, Any], route: Route) -> ClientError | None:
        """POST once, from a row that says so; return why it is surely not accepted, or None.

        A row that is no longer `waiting` (withdrawn elsewhere meanwhile) is not sent.
        """
        if run.posts == 0 and run.snapshot.sent_at is not None:
            run.posts = 1  # by an earlier run of the app
        sent_at = self._context.ledger.stamp()
        written = await self._context.commit(
            run,
            only_from=(Status.WAITING,),
            status=Status.SUBMITTING,
            error=None,
            sent_at=sent_at,
            route=route,
            key_hash=self._context.client.key_hash,
        )
        if (written.status, written.sent_at) != (Status.SUBMITTING, sent_at):
            return None
        if run.is_cancelled:
            # Withdrawn while the row was being written: nothing has left this machine.
            return NotSentError("The request was withdrawn.")
        run.posts += 1
        try:
            # The provider may list a model under another of its documented ids.
            model_id = self._context.live.model_id_to_send(run.snapshot.model)
            state = await self._context.client.create(
                {**body, "model": model_id}, request_id=run.id, route=route
            )
        except UnknownOutcomeError as exc:
            run.loss = exc.message
            lost = messages.perhaps_sent(exc.message)
            await self._context.commit(run, status=Status.UNKNOWN, task_id=exc.task_id, error=lost)
        except ClientError as exc:
            return exc
        else:
            await self._context.adopt(run, state)
        return None

    async def _wait(self, run: Run, error: ClientError, seconds: float) -> float:
        """Let a request wait that was surely not taken; return for how many seconds it did.

        A person may withdraw it meanwhile, or want it to be tried now.
        """
        is_queued = isinstance(error, ConcurrencyLimitError)
        if is_queued:
            self._context.turns.enter_line(run)
            waiting = messages.AT_CONCURRENCY_LIMIT
        else:
            self._context.turns.leave_line(run)
            waiting = messages.waiting_to_send(seconds, error)
        await self._context.commit(run, status=Status.WAITING, error=waiting)
        began = self._context.runtime.monotonic()
        await run.pause(seconds, self._context.runtime.sleep)
        return self._context.runtime.monotonic() - began

    async def _ask(self, run: Run, error: GenerationError) -> Generation:
        """Commit that a person has to be asked, and give the place back."""
        return await self._context.commit(
            run, only_from=(Status.WAITING,), confirmed_at=None, admitted_at=None, error=error
        )

    async def _cancel(self, run: Run) -> Generation:
        """Commit that a request was withdrawn, where that has not been done already."""
        return await self._context.commit(
            run,
            only_from=(Status.WAITING, Status.SUBMITTING),
            status=Status.CANCELLED,
            error=messages.CANCELLED,
        )

    async def _reject(self, run: Run, error: ClientError) -> Generation:
        # Some 404s name the model and never say what it is.
        is_gone = isinstance(error, ModelNotFoundError) or (
            isinstance(error, RouteNotFoundError) and run.snapshot.model in error.message
        )
        successor = self._context.live.successor(run.snapshot.model) if is_gone else None
        refusal = messages.rejected(error, successor=successor)
        model = catalog.MODELS.get(run.snapshot.model)
        if model is None or refusal.field is None or model.param(refusal.field) is None:
            # The field is guessed from the provider's words: keep it only where it is one.
            refusal = dataclasses.replace(refusal, field=None)
        return await self._context.commit(run, status=Status.REJECTED, error=refusal)
