"""The one page: composer left, stage right, History beside it; events between them.

An event either answers at once (`queue=False`) or follows a generation and only repaints what
changed. The generation itself belongs to the service, so an event may end at any time.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from kling_ui.service import DayLimitError, Generation, LedgerError, Service, Status
from kling_ui.ui import public_api
from kling_ui.ui.create import draft
from kling_ui.ui.create.composer import Form
from kling_ui.ui.create.fields import QUIET, ServedVideo
from kling_ui.ui.history import gallery
from kling_ui.ui.identity import address_of, caller_of, is_for_this_visit, owner_of
from kling_ui.ui.ledger_errors import in_words, report_ledger_errors
from kling_ui.ui.media_routes import root_path_of, video_url
from kling_ui.ui.result import stage
from kling_ui.ui.uploads import GuardedBlocks
from kling_ui.ui.watching import SUBMITTING, WATCHING, WatchShares

REFRESH_SECONDS = 3.0
MOST_SUBMITTED = 10_000
"""How many submissions may wait for the page's next event; a page closed in between sends none."""

PURGE_SECONDS = (3600, 86400)
"""How often Gradio looks for temporary files, and from what age on it deletes them."""

_FOLLOWING: dict[str, Any] = {
    **WATCHING,
    "trigger_mode": "multiple",
    "show_progress": "hidden",
    "api_visibility": "private",
}
"""How events run that paint a generation until it rests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """The right column's components; `shown` holds the id of the generation on it."""

    shown: gr.State
    screen: gr.HTML
    video: ServedVideo
    status: gr.HTML
    stop: gr.Button
    again: gr.Button
    forget: gr.Button
    reuse: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Return what a view fills, in its order."""
        return [
            self.shown,
            self.screen,
            self.video,
            self.status,
            self.stop,
            self.again,
            self.forget,
            self.reuse,
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """The second tab's components."""

    tab: gr.Tab
    listing: gr.HTML
    clock: gr.Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """Who sent an event: whose generations these are, which page it is, whom limits count.

    `root_path` is where the browser sees the app, to write addresses with.
    """

    owner: str | None
    session: str
    caller: str
    address: str
    root_path: str

    @classmethod
    def of(cls, request: gr.Request) -> "_Visit":
        return cls(
            owner=owner_of(request),
            session=request.session_hash or uuid.uuid4().hex,
            caller=caller_of(request),
            address=address_of(request),
            root_path=root_path_of(request),
        )


def build(service: Service) -> gr.Blocks:
    """Return the page and its API, talking to `service`; nothing is served yet."""
    return _Page(service).blocks()


class _Page:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._shares = WatchShares()
        self._sending: set[str] = set()
        # The generation that each page's next event is to follow. Kept here and not in a
        # gr.State: a click on Stop between the two events must be able to take it away.
        self._submitted: dict[str, str] = {}

    # -- layout

    def blocks(self) -> gr.Blocks:
        with GuardedBlocks(
            title="Kling UI",
            fill_width=True,
            analytics_enabled=False,
            delete_cache=PURGE_SECONDS,
        ) as page:
            _html(_header(is_simulated=self._service.is_simulated), "header")
            with gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Create", id="create"), gr.Row(elem_id="desk", equal_height=False):
                    with gr.Column(scale=5, min_width=320, elem_id="composer"):
                        limit = gr.HTML("", elem_id="limit", elem_classes=["k-plain", "k-note"])
                        form = Form(
                            simulated_seconds=self._simulated_seconds,
                            remark_on=self._service.live.remark_on,
                        )
                    with gr.Column(scale=7, min_width=320, elem_id="stage"):
                        view = self._stage()
                with gr.Tab("History", id="history-tab") as history_tab:
                    listing = _html(gallery.gallery([]), "history", js_on_load=gallery.SCRIPT)
                    clock = gr.Timer(REFRESH_SECONDS, active=False)
            self._wire_composer(form, view)
            draft.keep(page, form)
            past = _History(tab=history_tab, listing=listing, clock=clock)
            self._wire_history(past, tabs, view)
            page.load(report_ledger_errors(self._on_load), None, view.outputs, **_FOLLOWING)
            page.load(report_ledger_errors(self._on_limit), None, [limit], **QUIET)
            page.load(form.remarked, [form.task], [form.model], **QUIET)
            form.generate.click(report_ledger_errors(self._on_limit), None, [limit], **QUIET)
            public_api.define(self._service, self._shares)
        return page

    def _stage(self) -> _Stage:
        screen = _html(stage.empty_screen(is_simulated=self._service.is_simulated), "screen")
        video = ServedVideo(
            visible=False,
            show_label=False,
            interactive=False,
            autoplay=True,
            loop=True,
            buttons=[],
            elem_id="video",
        )
        status = _html(stage.idle_card(), "status")
        with gr.Row(elem_id="stage-actions"):
            stop = gr.Button("Stop watching", visible=False, size="sm", elem_id="stop")
            again = gr.Button("Watch again", visible=False, size="sm", elem_id="again")
            forget = gr.Button("Forget it", visible=False, size="sm", elem_id="forget")
            reuse = gr.Button("Use these settings", visible=False, size="sm", elem_id="reuse")
        return _Stage(
            shown=gr.State(""),
            screen=screen,
            video=video,
            status=status,
            stop=stop,
            again=again,
            forget=forget,
            reuse=reuse,
        )

    @property
    def _simulated_seconds(self) -> float | None:
        return self._service.poll_settings.simulator_seconds

    # -- wiring

    def _wire_composer(self, form: Form, view: _Stage) -> None:
        async def on_generate(request: gr.Request, *raw: Any) -> AsyncIterator[tuple[Any, ...]]:
            async for painted in self._generate(form, _Visit.of(request), raw):
                yield painted

        async def on_refused(*raw: Any) -> Any:
            filled = await asyncio.to_thread(form.read, raw)
            if not filled.problems:
                return gr.skip()
            return stage.refused_card(filled.model, filled.problems)

        async def on_reuse(shown: str) -> dict[Any, Any]:
            generation = await self._service.get(shown)
            return form.recall(generation.payload if generation else {})

        view.reuse.click(report_ledger_errors(on_reuse), [view.shown], form.recalled, **QUIET)
        # The validator says at the field what is wrong; this says it where everybody looks. It
        # comes first, since nothing that stands after a refused event runs.
        form.generate.click(on_refused, form.inputs, [view.status], **QUIET)
        form.generate.click(
            report_ledger_errors(on_generate),
            form.inputs,
            view.outputs,
            validator=form.validate,
            trigger_mode="multiple",
            show_progress="hidden",
            api_visibility="private",
            **SUBMITTING,
        ).then(report_ledger_errors(self._on_submitted), None, view.outputs, **_FOLLOWING)
        view.stop.click(report_ledger_errors(self._on_stop), [view.shown], view.outputs, **QUIET)
        view.forget.click(
            report_ledger_errors(self._on_forget), [view.shown], view.outputs, **QUIET
        )
        view.again.click(
            report_ledger_errors(self._on_again),
            [view.shown],
            view.outputs,
            **_FOLLOWING,
        )

    def _wire_history(self, past: _History, tabs: gr.Tabs, view: _Stage) -> None:
        past.tab.select(self._on_list, None, [past.listing, past.clock], **QUIET)
        past.clock.tick(self._on_list, None, [past.listing, past.clock], **QUIET)
        past.listing.click(lambda: gr.Tabs(selected="create"), None, [tabs], **QUIET)
        past.listing.click(
            report_ledger_errors(self._on_open),
            None,
            view.outputs,
            **_FOLLOWING,
        )

    # -- events

    async def _generate(
        self, form: Form, visit: _Visit, raw: Sequence[Any]
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Submit what the form holds; `_on_submitted` follows it in an event of its own."""
        if visit.session in self._sending:
            # The second click of a double click: the first one is on its way.
            yield _nothing()
            return
        self._sending.add(visit.session)
        try:
            self._stop(visit)
            yield _view(status=stage.sending_card())
            filled = await asyncio.to_thread(form.read, raw)
            if filled.problems:
                yield _view(status=stage.refused_card(filled.model, filled.problems))
                return
            request = await self._service.prepare(filled.model.id, filled.values, owner=visit.owner)
            generation = await self._service.submit(request, owner=visit.owner)
        except DayLimitError as exc:
            yield _view(status=stage.limit_card(str(exc)))
            return
        finally:
            self._sending.discard(visit.session)
        # Perhaps it could not even be written down: then there is nothing to follow.
        if not generation.status.is_final:
            self._submitted[visit.session] = generation.id
            if len(self._submitted) > MOST_SUBMITTED:
                del self._submitted[next(iter(self._submitted))]
        yield self._paint(generation, visit)
        # Gradio repeats an event's last values at its end, perhaps after a click on Stop.
        yield _nothing()

    async def _on_submitted(self, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        visit = _Visit.of(request)
        generation_id = self._submitted.pop(visit.session, None)
        if generation_id is None:
            yield _nothing()
            return
        async for view in self._watch(generation_id, visit):
            yield view

    async def _on_load(self, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        visit = _Visit.of(request)
        wanted = dict(request.query_params).get("generation")
        if not wanted:
            unfinished = await self._service.newest(visit.owner, limit=1, only_unfinished=True)
            wanted = unfinished[0].id if unfinished else None
        if not wanted:
            yield _nothing()
            return
        async for view in self._watch(str(wanted), visit):
            yield view

    async def _on_open(
        self, event: gr.EventData, request: gr.Request
    ) -> AsyncIterator[tuple[Any, ...]]:
        visit = _Visit.of(request)
        self._stop(visit)
        async for view in self._watch(str(event.id), visit):
            yield view

    async def _on_again(self, shown: str, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        visit = _Visit.of(request)
        self._stop(visit)
        await self._service.resume_one(shown, owner=visit.owner)
        async for view in self._watch(shown, visit):
            yield view

    async def _on_stop(self, shown: str, request: gr.Request) -> tuple[Any, ...]:
        visit = _Visit.of(request)
        self._stop(visit)
        generation = await self._service.get(shown)
        if generation is None:
            return _nothing()
        return self._paint(generation, visit, is_watched=False)

    async def _on_forget(self, shown: str, request: gr.Request) -> tuple[Any, ...]:
        visit = _Visit.of(request)
        self._stop(visit)
        before = await self._service.get(shown)
        if before is not None and before.status is Status.WAITING:
            await self._service.cancel(shown, owner=visit.owner)
        elif before is not None and before.status is Status.UNKNOWN:
            await self._service.abandon(shown, owner=visit.owner)
        elif before is not None:
            await self._service.put_away(shown, owner=visit.owner)
        generation = await self._service.get(shown)
        return _nothing() if generation is None else self._paint(generation, visit)

    async def _on_list(self, request: gr.Request) -> tuple[Any, ...]:
        try:
            newest = await self._service.newest(owner_of(request), limit=60)
        except LedgerError as exc:
            return gallery.unreadable(in_words(exc)), gr.Timer(active=True)
        listed = gallery.gallery(newest, is_for_this_visit=is_for_this_visit(request))
        return listed, gr.Timer(active=gallery.has_unfinished(newest))

    async def _on_limit(self) -> str:
        return stage.limit_note(await self._service.day_limit.reached())

    def _stop(self, visit: _Visit) -> None:
        """End what this page watches, and what it is just about to."""
        self._submitted.pop(visit.session, None)
        self._service.stop(visit.session)

    async def _watch(self, generation_id: str, visit: _Visit) -> AsyncIterator[tuple[Any, ...]]:
        """Paint a generation as it changes, until it rests or this page watches another."""
        with self._shares.place(visit.caller, visit.address) as may_wait:
            if may_wait:
                async for view in self._follow(generation_id, visit):
                    yield view
                return
        # His other pages wait already: this one shows the state as it is.
        generation = await self._service.get(generation_id)
        if generation is None:
            yield _view(status=stage.missing_card())
            return
        yield self._paint(generation, visit, is_watched=False)

    async def _follow(self, generation_id: str, visit: _Visit) -> AsyncIterator[tuple[Any, ...]]:
        seen: Generation | None = None
        async for seen in self._service.follow(generation_id, watcher=visit.session):
            yield self._paint(seen, visit)
        if seen is None:
            yield _view(status=stage.missing_card())
        elif seen.status.is_final:
            return
        elif not self._service.is_resting(seen.id):
            # Stopped or replaced: whoever did that has painted, or will. Gradio repeats an
            # event's last values at its end, so these must change nothing.
            yield _nothing()
        else:
            yield self._paint(seen, visit, is_watched=False)

    # -- painting

    def _paint(
        self, generation: Generation, visit: _Visit, *, is_watched: bool = True
    ) -> tuple[Any, ...]:
        video = video_url(generation)
        is_elsewhere = generation.origin != self._service.origin
        is_open = not generation.status.is_final and not is_elsewhere
        is_mine = self._service.owns(generation, visit.owner)
        return _view(
            shown=generation.id,
            screen=gr.HTML(stage.screen(generation), visible=video is None),
            video=ServedVideo(
                f"{visit.root_path}{video}" if video else None,
                visible=video is not None,
                elem_classes=["k-tall"] if generation.payload.get("aspect_ratio") == "9:16" else [],
            ),
            status=stage.card(
                generation,
                typical_seconds=self._service.typical_seconds(generation),
                is_watched=is_watched and not is_elsewhere,
                is_elsewhere=is_elsewhere,
            ),
            stop=gr.Button(visible=is_open and is_watched),
            again=gr.Button(
                _again_label(generation) if is_mine else "Watch again",
                visible=is_open and not is_watched,
            ),
            reuse=gr.Button(visible=generation.status.is_final),
            forget=_forget_button(generation, is_open=is_open and is_mine, is_watched=is_watched),
        )


def _view(**parts: Any) -> tuple[Any, ...]:
    names = ("shown", "screen", "video", "status", "stop", "again", "forget", "reuse")
    return tuple(parts.get(name, gr.skip()) for name in names)


def _nothing() -> tuple[Any, ...]:
    return _view()


def _again_label(generation: Generation) -> str:
    if generation.error is None:
        return "Watch again"
    if generation.status is Status.WAITING:
        return "Send it now"
    return "Download again" if generation.status is Status.SAVING else "Look again"


def _forget_button(generation: Generation, *, is_open: bool, is_watched: bool) -> gr.Button:
    if generation.status is Status.WAITING:
        return gr.Button("Don't send it", visible=is_open)
    if generation.status is Status.UNKNOWN:
        return gr.Button("Forget it", visible=is_open and not is_watched)
    is_stuck = generation.error is not None and not generation.is_put_away
    return gr.Button("Put it away", visible=is_open and is_stuck and not is_watched)


def _html(value: str, elem_id: str, **more: Any) -> gr.HTML:
    return gr.HTML(value, elem_id=elem_id, elem_classes=["k-plain"], **more)


def _header(*, is_simulated: bool) -> str:
    kind, where, note = (
        ("simulator", "Simulator", "no key set") if is_simulated else ("live", "AI/ML API", "paid")
    )
    return (
        '<div class="k-header"><h1>Kling <em>UI</em></h1>'
        f'<span id="badge" data-kind="{kind}"><b>{where}</b> · {note}</span></div>'
    )
