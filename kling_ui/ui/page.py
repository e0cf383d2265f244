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

from kling_ui.service import Generation, LedgerError, Service, Status
from kling_ui.ui import gallery, public_api, stage
from kling_ui.ui.fields import QUIET
from kling_ui.ui.form import Form
from kling_ui.ui.ledger_errors import in_words, report_ledger_errors

REFRESH_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """The right column's components; `shown` holds the id of the generation on it."""

    shown: gr.State
    screen: gr.HTML
    video: gr.Video
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


def build(service: Service, *, keeps_visitors_apart: bool = False) -> gr.Blocks:
    """Return the page and its API, talking to `service`; nothing is served yet."""
    return _Page(service, keeps_visitors_apart=keeps_visitors_apart).blocks()


class _Page:
    def __init__(self, service: Service, *, keeps_visitors_apart: bool) -> None:
        self._service = service
        self._keeps_visitors_apart = keeps_visitors_apart
        self._sending: set[str] = set()

    # -- layout

    def blocks(self) -> gr.Blocks:
        with gr.Blocks(title="Kling UI", fill_width=True, analytics_enabled=False) as page:
            visitor = gr.BrowserState("", storage_key="kling-ui-visitor", secret="kling-ui")  # noqa: S106  not a secret: it only keeps the value readable after a restart
            _html(_header(is_simulated=self._service.is_simulated), "header")
            with gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Create", id="create"), gr.Row(elem_id="desk", equal_height=False):
                    with gr.Column(scale=5, min_width=320, elem_id="composer"):
                        form = Form(simulated_seconds=self._simulated_seconds)
                    with gr.Column(scale=7, min_width=320, elem_id="stage"):
                        view = self._stage()
                with gr.Tab("History", id="history-tab") as history_tab:
                    listing = _html(gallery.gallery([]), "history", js_on_load=gallery.SCRIPT)
                    clock = gr.Timer(REFRESH_SECONDS, active=False)
            self._wire_composer(form, view, visitor)
            past = _History(tab=history_tab, listing=listing, clock=clock)
            self._wire_history(past, tabs, view, visitor)
            page.load(
                report_ledger_errors(self._on_load),
                [visitor],
                [visitor, *view.outputs],
                show_progress="hidden",
                api_visibility="private",
            )
            public_api.define(self._service)
        return page

    def _stage(self) -> _Stage:
        screen = _html(stage.empty_screen(is_simulated=self._service.is_simulated), "screen")
        video = gr.Video(
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
        return self._service.poll_settings.typical_seconds if self._service.is_simulated else None

    # -- wiring

    def _wire_composer(self, form: Form, view: _Stage, visitor: Any) -> None:
        async def on_generate(
            request: gr.Request, visitor: str, *raw: Any
        ) -> AsyncIterator[tuple[Any, ...]]:
            async for painted in self._generate(form, _session(request), visitor, raw):
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
            [visitor, *form.inputs],
            view.outputs,
            validator=lambda _visitor, *raw: [gr.validate(True, ""), *form.validate(*raw)],
            trigger_mode="multiple",
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )
        view.stop.click(report_ledger_errors(self._on_stop), [view.shown], view.outputs, **QUIET)
        view.forget.click(
            report_ledger_errors(self._on_forget), [view.shown], view.outputs, **QUIET
        )
        view.again.click(
            report_ledger_errors(self._on_again),
            [view.shown],
            view.outputs,
            show_progress="hidden",
            trigger_mode="multiple",
            concurrency_limit=None,
            api_visibility="private",
        )

    def _wire_history(self, past: _History, tabs: gr.Tabs, view: _Stage, visitor: Any) -> None:
        past.tab.select(self._on_list, [visitor], [past.listing, past.clock], **QUIET)
        past.clock.tick(self._on_list, [visitor], [past.listing, past.clock], **QUIET)
        past.listing.click(lambda: gr.Tabs(selected="create"), None, [tabs], **QUIET)
        past.listing.click(
            report_ledger_errors(self._on_open),
            None,
            view.outputs,
            trigger_mode="multiple",
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )

    # -- events

    async def _generate(
        self, form: Form, session: str, visitor: str, raw: Sequence[Any]
    ) -> AsyncIterator[tuple[Any, ...]]:
        if session in self._sending:
            # The second click of a double click: the first one is on its way.
            yield _nothing()
            return
        self._sending.add(session)
        try:
            self._service.stop(session)
            yield _view(status=stage.sending_card())
            filled = await asyncio.to_thread(form.read, raw)
            if filled.problems:
                yield _view(status=stage.refused_card(filled.model, filled.problems))
                return
            generation = await self._service.submit(
                filled.model.id, filled.values, owner=self._owner(visitor)
            )
        finally:
            self._sending.discard(session)
        yield self._paint(generation)
        if generation.status.is_final:
            # Perhaps it could not even be written down: then there is nothing to follow.
            return
        async for view in self._watch(generation.id, session):
            yield view

    async def _on_load(self, visitor: str, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        if self._keeps_visitors_apart and not visitor:
            visitor = uuid.uuid4().hex
            yield (visitor, *_nothing())
            return
        wanted = dict(request.query_params).get("generation")
        if not wanted:
            unfinished = await self._service.newest(
                self._owner(visitor), limit=1, only_unfinished=True
            )
            wanted = unfinished[0].id if unfinished else None
        if not wanted:
            yield (visitor, *_nothing())
            return
        async for view in self._watch(str(wanted), _session(request)):
            yield (visitor, *view)

    async def _on_open(
        self, event: gr.EventData, request: gr.Request
    ) -> AsyncIterator[tuple[Any, ...]]:
        async for view in self._watch(str(event.id), _session(request)):
            yield view

    async def _on_again(self, shown: str, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        await self._service.resume_one(shown)
        async for view in self._watch(shown, _session(request)):
            yield view

    async def _on_stop(self, shown: str, request: gr.Request) -> tuple[Any, ...]:
        self._service.stop(_session(request))
        generation = await self._service.get(shown)
        if generation is None:
            return _nothing()
        return self._paint(generation, is_watched=False)

    async def _on_forget(self, shown: str, request: gr.Request) -> tuple[Any, ...]:
        self._service.stop(_session(request))
        await self._service.forget(shown)
        generation = await self._service.get(shown)
        return _nothing() if generation is None else self._paint(generation)

    async def _on_list(self, visitor: str) -> tuple[Any, ...]:
        try:
            newest = await self._service.newest(self._owner(visitor), limit=60)
        except LedgerError as exc:
            return gallery.unreadable(in_words(exc)), gr.Timer(active=True)
        pictures = [(each, self._service.files.poster(each)) for each in newest]
        return gallery.gallery(pictures), gr.Timer(active=gallery.has_unfinished(newest))

    async def _watch(self, generation_id: str, session: str) -> AsyncIterator[tuple[Any, ...]]:
        """Paint a generation as it changes, until it rests or this page watches another."""
        seen: Generation | None = None
        async for seen in self._service.follow(generation_id, watcher=session):
            yield self._paint(seen)
        if seen is None:
            yield _view(status=stage.missing_card())
        elif seen.status.is_final:
            return
        elif self._service.is_working_on(seen.id) and seen.status is not Status.UNKNOWN:
            # Stopped or replaced: whoever did that has painted, or will. Gradio repeats an
            # event's last values at its end, so these must change nothing.
            yield _nothing()
        else:
            yield self._paint(seen, is_watched=False)

    # -- painting

    def _paint(self, generation: Generation, *, is_watched: bool = True) -> tuple[Any, ...]:
        video = self._service.files.path(generation)
        is_elsewhere = generation.origin != self._service.origin
        is_open = not generation.status.is_final and not is_elsewhere
        return _view(
            shown=generation.id,
            screen=gr.HTML(stage.screen(generation), visible=video is None),
            video=gr.Video(
                str(video) if video else None,
                visible=video is not None,
                elem_classes=["k-tall"] if generation.payload.get("aspect_ratio") == "9:16" else [],
            ),
            status=stage.card(
                generation,
                typical_seconds=self._service.typical_seconds(generation),
                video=video,
                is_watched=is_watched and not is_elsewhere,
                is_elsewhere=is_elsewhere,
            ),
            stop=gr.Button(visible=is_open and is_watched),
            again=gr.Button(_again_label(generation), visible=is_open and not is_watched),
            reuse=gr.Button(visible=generation.status.is_final),
            forget=_forget_button(generation, is_open=is_open, is_watched=is_watched),
        )

    def _owner(self, visitor: str) -> str:
        return visitor if self._keeps_visitors_apart and visitor else "local"


def _view(**parts: Any) -> tuple[Any, ...]:
    names = ("shown", "screen", "video", "status", "stop", "again", "forget", "reuse")
    return tuple(parts.get(name, gr.skip()) for name in names)


def _nothing() -> tuple[Any, ...]:
    return _view()


def _again_label(generation: Generation) -> str:
    if generation.error is None:
        return "Watch again"
    return "Download again" if generation.status is Status.SAVING else "Look again"


def _forget_button(generation: Generation, *, is_open: bool, is_watched: bool) -> gr.Button:
    if generation.error is not None and generation.error.kind == "in_line":
        return gr.Button("Don't send it", visible=is_open)
    is_lost = generation.status is Status.UNKNOWN
    return gr.Button("Forget it", visible=is_open and is_lost and not is_watched)


def _session(request: gr.Request) -> str:
    return request.session_hash or uuid.uuid4().hex


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
