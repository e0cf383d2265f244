"""The set on the stage: its component and events. Whoever has its id may look, its owner change."""

from typing import Any

import gradio as gr

from kling_ui.service import LedgerError, RefusedBatchError, Service
from kling_ui.ui.asked_view import answering, asked_view
from kling_ui.ui.event_options import AT_ONCE, SENDING
from kling_ui.ui.formatting import NOTHING_SENT, ledger_trouble
from kling_ui.ui.question import Question
from kling_ui.ui.sets import set_view
from kling_ui.ui.sets.set_grid import newest_tries
from kling_ui.ui.submissions import Submissions
from kling_ui.ui.visit import Visit


class SetEvents:
    """The component that `set.js` shows on the stage. Make it inside the stage's column."""

    def __init__(self, service: Service, submissions: Submissions) -> None:
        self._service = service
        self._submissions = submissions
        self.view = asked_view("set", frame=set_view.frame(), script=set_view.SCRIPT)

    def wire(self) -> None:
        """Answer what `set.js` asks."""
        for listen, handler, options in (
            (self.view.select, self._on_set, AT_ONCE),
            (self.view.input, self._on_set_change, AT_ONCE),
            (self.view.submit, self._on_set_retry, SENDING),
        ):
            listen(answering(handler, told=set_view.told), None, [self.view], **options)

    async def _on_set(self, asked: Question, visit: Visit) -> str:
        """Show a set, or say that the page shows it as it is."""
        answer = await self._shown(asked, visit)
        is_known = asked.text("stamp") == (set_view.stamp_of(answer) or None)
        return set_view.same(asked=asked.number) if is_known else answer

    async def _on_set_change(self, asked: Question, visit: Visit) -> str:
        """Withdraw, send or rename, then show the set as it is."""
        await self._change(asked, visit)
        return await self._shown(asked, visit)

    async def _on_set_retry(self, asked: Question, visit: Visit) -> Any:
        """Run one of a set again in the same set, for no more than was shown."""
        with self._submissions.turn(f"again {asked.text('generation')}") as is_alone:
            if not is_alone:  # the second click of a double click, or another tab's
                return gr.skip()
            try:
                told = await self._retry(asked, visit)
            except LedgerError as exc:
                told = ledger_trouble(exc)
        return await self._shown(asked, visit, told=told)

    async def _shown(self, asked: Question, visit: Visit, *, told: str = "") -> str:
        batch = await self._service.batches.get_set(asked.text("id"))
        if batch is None or not batch.generations:
            return set_view.missing(asked=asked.number)
        facts = set_view.SetFacts(
            is_mine=self._service.owns(batch.set, visit.owner),
            typical_seconds=self._service.typical_seconds,
            again_usd=self._service.estimates.again_usd,
        )
        return set_view.view(batch, facts, asked=asked.number, told=told)

    async def _change(self, asked: Question, visit: Visit) -> None:
        set_id, one, owner = asked.text("id"), asked.text("generation"), visit.owner
        batches = self._service.batches
        match asked.text("act"):
            case "cancel":
                await self._service.cancel(one, owner=owner)
            case "send":
                await self._service.resume_one(one, owner=owner)
            case "cancel_set":
                await batches.cancel_set(set_id, owner=owner)
            case "resume_set":
                await batches.resume_set(set_id, owner=owner)
            case "rename":
                await batches.rename_set(set_id, asked.text("name", most=1000), owner=owner)

    async def _retry(self, asked: Question, visit: Visit) -> str:
        """Submit a generation's request once more into its set; return why it was not, or ""."""
        one = await self._service.get(asked.text("generation"))
        if one is None or one.set_id is None or not self._service.owns(one, visit.owner):
            return ""
        batch = await self._service.batches.get_set(one.set_id)
        newest = {each.id for each in newest_tries(batch.generations)} if batch else set()
        if one.video is not None or not one.status.is_final or one.id not in newest:
            return ""
        exported = await self._service.exported(one)
        if exported.missing:
            return f"A file of it is no longer here. {NOTHING_SENT}"
        item = (exported.model, exported.values)
        try:
            requests = await self._service.batches.prepare([item], owner=visit.owner)
            await self._service.batches.submit(
                requests, max_usd=asked.amount("max_usd"), owner=visit.owner, set_id=one.set_id
            )
        except RefusedBatchError as exc:
            return f"{exc} {NOTHING_SENT}"
        return ""
