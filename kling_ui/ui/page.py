"""The one page: composer left, stage right, History beside it; events between them.

An event either answers at once (`queue=False`) or follows a generation and only repaints what
changed. The generation itself belongs to the service, so an event may end at any time.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import gradio as gr

from kling_ui.service import DayLimitError, Service
from kling_ui.ui import header, public_api
from kling_ui.ui.asked_view import bare_html
from kling_ui.ui.compare.compare_events import CompareEvents
from kling_ui.ui.create import draft, launch, recipe_drop
from kling_ui.ui.create.composer import Form
from kling_ui.ui.create.confirmation import Confirmation, must_ask
from kling_ui.ui.create.reader import RefusedForm
from kling_ui.ui.event_options import QUIET, SENDING
from kling_ui.ui.history.history_events import HistoryEvents
from kling_ui.ui.result.repeat import RepeatEvents
from kling_ui.ui.result.stage import Stage
from kling_ui.ui.result.stage_events import StageEvents
from kling_ui.ui.sets.set_events import SetEvents
from kling_ui.ui.sets.variation_events import VariationEvents
from kling_ui.ui.settings.settings_events import add_drawer
from kling_ui.ui.submissions import Submissions
from kling_ui.ui.uploads import GuardedBlocks
from kling_ui.ui.visit import Visit
from kling_ui.ui.watching import WatchShares

PURGE_SECONDS = (3600, 86400)
"""How often Gradio looks for temporary files, and from what age on it deletes them."""


def build(service: Service) -> gr.Blocks:
    """Return the page and its API, talking to `service`; nothing is served yet."""
    return _Page(service).blocks()


class _Page:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._shares = WatchShares()
        self._submissions = Submissions()
        self._confirmation = Confirmation()

    # -- layout

    def blocks(self) -> gr.Blocks:
        with GuardedBlocks(
            title="Kling UI",
            fill_width=True,
            analytics_enabled=False,
            delete_cache=PURGE_SECONDS,
        ) as page:
            bar = bare_html(self._bar(), "header")
            page.load(self._bar, None, [bar], **QUIET)  # where requests go may have changed
            add_drawer(self._service)
            with gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Create", id="create"), gr.Row(elem_id="desk", equal_height=False):
                    with gr.Column(scale=0, min_width=320, elem_id="composer"):
                        limit = gr.HTML("", elem_id="limit", elem_classes=["k-plain", "k-note"])
                        form = Form(self._service)
                        recipe_drop.accept_videos(form)
                    with gr.Column(scale=1, min_width=320, elem_id="stage"):
                        sets = SetEvents(self._service, self._submissions)
                        stage = Stage(self._service)
                with gr.Tab("History", id="history-tab"):
                    history = HistoryEvents(self._service)
            bare_html(header.places(), "places")
            CompareEvents(self._service).wire()
            sets.wire()
            VariationEvents(self._service, form, self._submissions, self._confirmation).wire()
            events = StageEvents(self._service, stage, self._shares, self._submissions)
            events.wire(page)
            repeat = RepeatEvents(self._service, stage, form, self._submissions)
            events.follow_after(repeat.wire())
            self._wire_composer(form, stage, events, limit)
            draft.keep(page, self._service, form)
            history.wire()
            # What is opened stands on the first tab; `result.js` opens it.
            history.listing.click(lambda: gr.Tabs(selected="create"), None, [tabs], **QUIET)
            page.load(self._on_limit, None, [limit], **QUIET)
            form.generate.click(self._on_limit, None, [limit], **QUIET)
            public_api.define(self._service, self._shares)
        return page

    def _bar(self) -> str:
        is_owner = self._service.connections.can_switch
        return header.bar(
            is_simulated=self._service.is_simulated,
            is_storage_full=is_owner and self._service.storage.is_over_limit,
        )

    # -- wiring

    def _wire_composer(self, form: Form, stage: Stage, events: StageEvents, limit: gr.HTML) -> None:
        """Submit what the form holds on a press of Generate; the page's next event follows it."""

        async def on_generate(request: gr.Request, *raw: Any) -> AsyncIterator[dict[Any, Any]]:
            visit = Visit.of(request)
            with self._submissions.turn(visit.session) as is_mine:
                if is_mine:  # else it is the second click of a double click
                    try:
                        async for painted in self._generate(form, stage, visit, raw):
                            yield painted
                    except DayLimitError as exc:
                        yield {**stage.idle(), limit: header.limit_note(str(exc))}
            # Gradio repeats an event's last values at its end, perhaps after a click on Hide.
            yield stage.nothing()

        submission = form.generate.click(
            on_generate,
            form.inputs,
            [*stage.outputs, form.problems, limit],
            **SENDING,
        )
        events.follow_after(submission)

    # -- events

    async def _generate(
        self, form: Form, stage: Stage, visit: Visit, raw: Sequence[Any]
    ) -> AsyncIterator[dict[Any, Any]]:
        request = await form.reader.prepare(raw, visit.owner)
        if isinstance(request, RefusedForm):
            yield {form.problems: request.html}
            return
        estimate = form.estimate(request, raw, visit.owner)
        is_confirmed = self._confirmation.take(visit.session, request)
        if must_ask(estimate, self._service.preferences.ask_above_usd) and not is_confirmed:
            self._confirmation.ask(visit.session, request)
            yield {form.problems: launch.asking_html(estimate)}
            return
        self._service.stop(visit.session)
        yield {**stage.sending(), form.problems: ""}
        generation = await self._service.submit(request, owner=visit.owner)
        # Perhaps it could not even be written down: then there is nothing to follow.
        if not generation.status.is_final:
            self._submissions.put(visit.session, generation.id)
        yield stage.paint(generation, visit)

    async def _on_limit(self) -> str:
        return header.limit_note(await self._service.day_limit.reached())
