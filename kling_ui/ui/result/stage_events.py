"""What the stage answers: opening and following a generation, hiding it, the strip of runs.

The generation itself belongs to the service, so each of these events may end at any time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from kling_ui.service import Generation, Service
from kling_ui.ui.event_options import FOLLOWING, QUEUED
from kling_ui.ui.question import Question
from kling_ui.ui.result import strip
from kling_ui.ui.result.stage import Painted, Stage
from kling_ui.ui.submissions import Submissions
from kling_ui.ui.visit import Visit
from kling_ui.ui.watching import WatchShares

LONGEST_END_SECONDS = 5.0
"""How long a page waits for the end of what it followed. It takes as long as to send one state."""


class StageEvents:
    """Follows generations for the pages that show them."""

    def __init__(
        self, service: Service, stage: Stage, shares: WatchShares, submissions: Submissions
    ) -> None:
        self._service = service
        self._stage = stage
        self._shares = shares
        self._submissions = submissions
        self._strips: dict[str, object] = {}
        self._ends: dict[str, asyncio.Event] = {}

    def wire(self, page: gr.Blocks) -> None:
        """Answer what the stage's own components ask."""
        stage = self._stage
        page.load(self._on_load, None, stage.outputs, **FOLLOWING)
        page.load(self._on_runs, None, [stage.runs], **FOLLOWING)
        stage.result.select(self._on_open, None, stage.outputs, **FOLLOWING)
        stage.runs.select(self._on_runs, None, [stage.runs], **FOLLOWING)
        stage.result.click(self._on_hide, None, stage.outputs, **QUEUED)

    def follow_after(self, submission: Any) -> None:
        """Follow, after an event that submits, what it has put into the submissions."""
        stage = self._stage
        submission.then(self._on_submitted, None, stage.outputs, **FOLLOWING)
        submission.then(self._on_runs, None, [stage.runs], **FOLLOWING)

    async def _on_load(self, request: gr.Request) -> AsyncIterator[Painted]:
        visit = Visit.of(request)
        asked = dict(request.query_params)
        wanted = asked.get("v") or asked.get("generation")
        if not wanted and not asked.get("set"):
            unfinished = await self._service.newest(visit.owner, limit=1, only_unfinished=True)
            wanted = unfinished[0].id if unfinished else None
        if not wanted:
            yield self._stage.nothing()
            return
        async for painted in self.watch(str(wanted), visit):
            yield painted

    async def _on_open(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[Painted]:
        visit, question = Visit.of(request), Question(event)
        wanted, act = question.text("id"), question.text("act")
        self._stop(visit)
        if not wanted:
            await _ended(self._ends.get(visit.session))
            yield self._stage.idle()
            return
        if act == "resume":
            await self._service.resume_one(wanted, owner=visit.owner)
        if act in {"newer", "older"}:
            found = await self._service.neighbor(wanted, visit.owner, is_newer=act == "newer")
            if found is None:
                yield self._stage.nothing()
                return
            wanted = found
        async for painted in self.watch(wanted, visit):
            yield painted

    async def _on_submitted(self, request: gr.Request) -> AsyncIterator[Painted]:
        visit = Visit.of(request)
        submitted = self._submissions.take(visit.session)
        if submitted is None:
            yield self._stage.nothing()
            return
        async for painted in self.watch(submitted, visit):
            yield painted

    async def _on_hide(self, event: gr.EventData, request: gr.Request) -> Painted:
        """Hide the progress, or do what a person wants with one that is under way."""
        visit, question = Visit.of(request), Question(event)
        generation_id, act = question.text("id"), question.text("act")
        self._stop(visit)
        changing = {
            "cancel": self._service.cancel,
            "abandon": self._service.abandon,
            "put_away": self._service.put_away,
        }.get(act)
        if changing is not None:
            await changing(generation_id, owner=visit.owner)
        await _ended(self._ends.get(visit.session))
        generation = await self._service.get(generation_id)
        if generation is None:
            return self._stage.missing()
        if act == "put_away" and self._service.owns(generation, visit.owner):
            return self._stage.idle()
        return self._stage.paint(generation, visit, is_watched=False)

    async def _on_runs(self, request: gr.Request) -> AsyncIterator[Painted]:
        """Paint the latest runs until none of them changes any more."""
        visit = Visit.of(request)
        newest = await self._service.newest(visit.owner, limit=2 * strip.LONGEST)
        total = await self._service.count(visit.owner)
        yield self._stage.paint_runs(newest, total)
        ids = [each.id for each in newest if not each.status.is_final]
        turn = self._strips[visit.session] = object()
        try:
            with self._shares.place(visit.caller, visit.address) as may_wait:
                followed = self._service.follow_all(ids if may_wait else ())
                async with aclosing(followed) as changed_runs:
                    async for changed in changed_runs:
                        if self._strips.get(visit.session) is not turn:
                            # A newer event paints, and Gradio repeats an event's last values.
                            yield {self._stage.runs: gr.skip()}
                            return
                        newest = [changed if each.id == changed.id else each for each in newest]
                        yield self._stage.paint_runs(newest, total)
        finally:
            if self._strips.get(visit.session) is turn:
                del self._strips[visit.session]

    def _stop(self, visit: Visit) -> None:
        """End what this page watches, and what it is just about to."""
        self._submissions.take(visit.session)
        self._service.stop(visit.session)

    async def watch(self, generation_id: str, visit: Visit) -> AsyncIterator[Painted]:
        """Paint a generation as it changes, until it rests or this page watches another."""
        with self._shares.place(visit.caller, visit.address) as may_wait:
            if may_wait:
                async for painted in self._follow(generation_id, visit):
                    yield painted
                return
        # The caller's other pages wait already: this one shows the state as it is.
        self._service.stop(visit.session)
        await _ended(self._ends.get(visit.session))
        generation = await self._service.get(generation_id)
        if generation is None:
            yield self._stage.missing()
            return
        yield self._stage.paint(generation, visit, is_watched=False)

    async def _follow(self, generation_id: str, visit: Visit) -> AsyncIterator[Painted]:
        earlier = self._ends.get(visit.session)
        end = self._ends[visit.session] = asyncio.Event()
        try:
            seen: Generation | None = None
            async for seen in self._service.follow(generation_id, watcher=visit.session):
                await _ended(earlier)
                yield self._stage.paint(seen, visit)
            if seen is None:
                yield self._stage.missing()
            elif seen.status.is_final:
                return
            elif not self._service.is_resting(seen.id):
                # Stopped or replaced: whoever did that paints as soon as this has ended. Gradio
                # repeats an event's last values at its end, so these must change nothing.
                yield self._stage.nothing()
            else:
                yield self._stage.paint(seen, visit, is_watched=False)
        finally:
            end.set()
            if self._ends.get(visit.session) is end:
                del self._ends[visit.session]


async def _ended(end: asyncio.Event | None) -> None:
    """Wait until what a page followed has ended: what is painted now reaches the page last.

    Gradio asks an event for its next values when it has sent those before. So while an event goes
    on its last state may still be on its way, and after its end it is not.
    """
    if end is None:
        return
    try:
        async with asyncio.timeout(LONGEST_END_SECONDS):
            await end.wait()
    except TimeoutError:
        end.set()  # nobody has to wait for it again
