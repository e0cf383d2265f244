"""The other half of Generate: several at once, planned, confirmed once, submitted as a set."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from kling_ui.catalog import InvalidValuesError
from kling_ui.service import RefusedBatchError, Service
from kling_ui.ui.asked_view import answering
from kling_ui.ui.create.composer import Form
from kling_ui.ui.create.confirmation import Confirmation
from kling_ui.ui.event_options import AT_ONCE, SENDING
from kling_ui.ui.question import Question
from kling_ui.ui.sets import plan_view
from kling_ui.ui.sets.plan import Plan, make_plan
from kling_ui.ui.sets.variations import Wish, axes, axis_of, table
from kling_ui.ui.submissions import Submissions
from kling_ui.ui.visit import Visit

_LONGEST_PROMPTS = 300_000
_MOST_REMEMBERED = 1000
_CHANGED = "The form or its prices have changed since: look at it once more."


class VariationEvents:
    """The component beside Generate. `set_plan.js` shows its choice over the page."""

    def __init__(
        self,
        service: Service,
        form: Form,
        submissions: Submissions,
        confirmation: Confirmation,
    ) -> None:
        self._service = service
        self._form = form
        self._submissions = submissions
        self._confirmation = confirmation
        self._sent: dict[str, str] = {}

    def wire(self) -> None:
        """Answer what `set_plan.js` asks."""
        view, inputs = self._form.variations, self._form.inputs
        plan = answering(self._on_plan, told=plan_view.told)
        view.select(plan, inputs, [view], **AT_ONCE)
        generate = answering(self._on_generate_set, told=plan_view.told)
        view.submit(generate, inputs, [view], **SENDING)

    async def _on_plan(self, asked: Question, visit: Visit, *raw: Any) -> str:
        """Check and price what is wanted."""
        return await self._answer(asked, visit, raw)

    async def _on_generate_set(self, asked: Question, visit: Visit, *raw: Any) -> Any:
        """Submit what was confirmed, once, for no more than was shown."""
        with self._submissions.turn(f"set {visit.session}") as is_alone:
            if not is_alone:  # the second click of a double click
                return gr.skip()
            try:
                return await self._submit(asked, visit, raw)
            except RefusedBatchError as exc:
                return plan_view.told(str(exc), asked=asked.number)

    async def _submit(self, asked: Question, visit: Visit, raw: Sequence[Any]) -> str:
        ticket = f"{visit.session} {asked.text('ticket')}"
        if (made := self._sent.get(ticket)) is not None:
            return plan_view.submitted(made, asked=asked.number)
        plan = await self._plan(asked, visit, raw)
        shown_usd = asked.amount("max_usd")
        is_dearer = plan.max_usd is not None and shown_usd is None
        if plan.key != asked.text("key") or not plan.requests or is_dearer:
            return await self._answer(asked, visit, raw, told=_CHANGED)
        requests = tuple(plan.requests)
        is_confirmed = self._confirmation.take(f"set {visit.session}", requests)
        if plan.total.must_ask(self._service.preferences.ask_above_usd) and not is_confirmed:
            self._confirmation.ask(f"set {visit.session}", requests)
            return plan_view.asking(plan.total, asked=asked.number)
        items = [(each.model.id, each.payload) for each in requests]
        prepared = await self._service.batches.prepare(
            items, read=_without_model, owner=visit.owner
        )
        batch = await self._service.batches.submit(prepared, max_usd=shown_usd, owner=visit.owner)
        self._remember(ticket, batch.set.id)
        return plan_view.submitted(batch.set.id, asked=asked.number)

    async def _answer(
        self, asked: Question, visit: Visit, raw: Sequence[Any], *, told: str = ""
    ) -> str:
        try:
            filled = self._form.reader.read(raw, visit.owner)
        except InvalidValuesError as exc:
            return plan_view.told(str(exc), asked=asked.number)
        wish = _wish(asked)
        return plan_view.plan_answer(
            await self._plan(asked, visit, raw),
            axes(filled),
            axis_of(filled, wish),
            is_matrix=wish.is_matrix,
            asked=asked.number,
            told=told,
        )

    async def _plan(self, asked: Question, visit: Visit, raw: Sequence[Any]) -> Plan:
        await self._form.reader.keep_all(raw, visit.owner)
        filled = self._form.reader.read(raw, visit.owner)
        wish = _wish(asked)
        return await make_plan(
            self._service,
            table(filled, wish),
            off=wish.off,
            problems=filled.problems,
            owner=visit.owner,
        )

    def _remember(self, ticket: str, set_id: str) -> None:
        """Note what a confirmation has made: it counts once, however often it arrives."""
        self._sent[ticket] = set_id
        if len(self._sent) > _MOST_REMEMBERED:
            del self._sent[next(iter(self._sent))]


def _wish(asked: Question) -> Wish:
    chosen = asked.texts("chosen")
    lines = asked.text("prompts", most=_LONGEST_PROMPTS).splitlines()
    return Wish(
        takes=asked.count("takes"),
        is_matrix=asked.is_set("matrix"),
        prompts=tuple(line.strip() for line in lines if line.strip()),
        axis=asked.text("axis"),
        chosen=None if chosen is None else tuple(chosen),
        off=frozenset(asked.texts("off") or ()),
    )


def _without_model(item: Any) -> tuple[Any, dict[str, Any]]:
    model_id, payload = item
    return model_id, {name: value for name, value in payload.items() if name != "model"}
