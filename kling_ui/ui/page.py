"""The one page: composer left, stage right, History beside it; events between them.

An event either answers at once (`queue=False`) or follows a generation and only repaints what
changed. The generation itself belongs to the service, so an event may end at any time.
"""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from kling_ui.catalog import MODELS, PROVIDER, InvalidValuesError, Task, find_model
from kling_ui.service import Generation, Service, Status
from kling_ui.ui import api, form, gallery, stage, words

EXAMPLES = {
    "Raccoon": "A cheerful white raccoon running through a sequoia forest, golden hour",
    "Rainy kitchen": "Slow dolly over a kitchen table: steam rises from a cup, rain outside",
    "Paper boat": "A paper boat drifts down a flooded street at night, neon reflections",
    "Dandelion": "Macro shot of a dandelion opening in time-lapse, soft light, dew drops",
}
"""Prompts to start from, by the word on their chip."""

REFRESH_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Composer:
    """The left column's components."""

    model: gr.Dropdown
    prompt: gr.Textbox
    params: dict[str, gr.components.Component]
    generate: gr.Button


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """The right column's components; `shown` holds the id of the generation on it."""

    shown: gr.State
    screen: gr.HTML
    video: gr.Video
    status: gr.HTML
    stop: gr.Button
    again: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Return what a view fills, in its order."""
        return [self.shown, self.screen, self.video, self.status, self.stop, self.again]


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
        self._names = form.parameter_names()
        self._sending: set[str] = set()

    # -- layout

    def blocks(self) -> gr.Blocks:
        with gr.Blocks(title="Kling UI", fill_width=True, analytics_enabled=False) as page:
            visitor = gr.BrowserState("", storage_key="kling-ui-visitor", secret="kling-ui")  # noqa: S106  not a secret: it only keeps the value readable after a restart
            _html(_header(is_simulated=self._service.is_simulated), "header")
            with gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Create", id="create"), gr.Row(elem_id="desk", equal_height=False):
                    with gr.Column(scale=5, min_width=320, elem_id="composer"):
                        composer = self._composer()
                    with gr.Column(scale=7, min_width=320, elem_id="stage"):
                        view = self._stage()
                with gr.Tab("History", id="history-tab") as history_tab:
                    listing = _html(gallery.gallery([]), "history", js_on_load=gallery.SCRIPT)
                    clock = gr.Timer(REFRESH_SECONDS, active=False)
            self._wire_composer(composer, view, visitor)
            past = _History(tab=history_tab, listing=listing, clock=clock)
            self._wire_history(past, tabs, view, visitor)
            page.load(self._on_load, [visitor], [visitor, *view.outputs], api_visibility="private")
            api.define(self._service)
        return page

    def _composer(self) -> _Composer:
        first = next(iter(MODELS.values()))
        prompt_param = first.param(form.PROMPT)
        gr.Radio(
            [task.value for task in Task],
            value=first.task.value,
            label="Task",
            elem_id="task",
            elem_classes=["k-segments"],
            visible=len(Task) > 1,
        )
        with gr.Column(elem_id="prompt-card"):
            prompt = gr.Textbox(
                label="Prompt",
                placeholder=getattr(prompt_param, "placeholder", ""),
                lines=3,
                max_lines=10,
                elem_id="prompt",
            )
            limit = getattr(prompt_param, "max_length", 0)
            _html(_count(limit), "prompt-count")
            params = {"negative_prompt": form.control(_param("negative_prompt"))}
        gr.Examples(
            [[text] for text in EXAMPLES.values()],
            [prompt],
            label="Examples",
            example_labels=list(EXAMPLES),
            cache_examples=False,
            elem_id="examples",
            api_visibility="private",
        )
        model = gr.Dropdown(
            [(model.title, model.id) for model in MODELS.values()],
            value=first.id,
            label="Model",
            elem_id="model",
            filterable=False,
        )
        with gr.Row(elem_classes=["k-pair"]):
            for name in ("aspect_ratio", "duration"):
                params[name] = form.control(_param(name))
        params["cfg_scale"] = form.control(_param("cfg_scale"))
        with gr.Accordion("More", open=False, elem_id="more"):
            params["provider"] = form.control(PROVIDER)
        with gr.Column(elem_id="launch"):
            _html(self._estimate(), "estimate")
            generate = gr.Button("Generate", variant="primary", elem_id="generate")
        return _Composer(model=model, prompt=prompt, params=params, generate=generate)

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
        return _Stage(
            shown=gr.State(""),
            screen=screen,
            video=video,
            status=status,
            stop=stop,
            again=again,
        )

    def _estimate(self) -> str:
        model = next(iter(MODELS.values()))
        if self._service.is_simulated:
            wait = words.about(self._service.pace.typical_seconds or model.typical_seconds)
            return _pair("Free: simulated", f"takes about {wait}")
        wait = words.about(model.typical_seconds)
        return _pair("Paid from your AI/ML API balance", f"usually about {wait}")

    # -- wiring

    def _wire_composer(self, composer: _Composer, view: _Stage, visitor: Any) -> None:
        inputs = [visitor, composer.model, composer.prompt]
        inputs += [composer.params[name] for name in self._names]
        composer.generate.click(
            self._on_generate,
            inputs,
            view.outputs,
            validator=self._validate,
            trigger_mode="multiple",
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )
        view.stop.click(
            self._on_stop,
            [view.shown],
            view.outputs,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        view.again.click(
            self._on_again,
            [view.shown],
            view.outputs,
            show_progress="hidden",
            trigger_mode="multiple",
            concurrency_limit=None,
            api_visibility="private",
        )

    def _wire_history(self, past: _History, tabs: gr.Tabs, view: _Stage, visitor: Any) -> None:
        quiet: dict[str, Any] = {
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        past.tab.select(self._on_list, [visitor], [past.listing, past.clock], **quiet)
        past.clock.tick(self._on_list, [visitor], [past.listing, past.clock], **quiet)
        past.listing.click(lambda: gr.Tabs(selected="create"), None, [tabs], **quiet)
        past.listing.click(
            self._on_open,
            None,
            view.outputs,
            trigger_mode="multiple",
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )

    # -- events

    def _validate(self, _visitor: str, model_id: str, prompt: str, *params: Any) -> list[Any]:
        try:
            model = find_model(model_id)
        except InvalidValuesError as refusal:
            return [gr.validate(True, ""), gr.validate(False, str(refusal))]
        filled_in = {form.PROMPT: prompt, **dict(zip(self._names, params, strict=True))}
        problems = form.problems_by_field(model, filled_in)
        fields = ["", "model", form.PROMPT, *self._names]
        return [gr.validate(name not in problems, problems.get(name, "")) for name in fields]

    async def _on_generate(
        self, request: gr.Request, visitor: str, model_id: str, prompt: str, *params: Any
    ) -> AsyncIterator[tuple[Any, ...]]:
        session = _session(request)
        if session in self._sending:
            # The second click of a double click: the first one is on its way.
            yield _nothing()
            return
        self._sending.add(session)
        try:
            self._service.stop(session)
            yield _view(status=stage.sending_card())
            model = find_model(model_id)
            filled_in = {form.PROMPT: prompt, **dict(zip(self._names, params, strict=True))}
            generation = await self._service.submit(
                model.id, form.values_of(model, filled_in), owner=self._owner(visitor)
            )
        except InvalidValuesError as refusal:
            yield _view(status=stage.refused_card(refusal))
            return
        finally:
            self._sending.discard(session)
        yield self._paint(generation)
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
        await self._service.pick_up(shown)
        async for view in self._watch(shown, _session(request)):
            yield view

    async def _on_stop(self, shown: str, request: gr.Request) -> tuple[Any, ...]:
        self._service.stop(_session(request))
        generation = await self._service.get(shown)
        if generation is None:
            return _nothing()
        return self._paint(generation, is_watched=False)

    async def _on_list(self, visitor: str) -> tuple[Any, ...]:
        newest = await self._service.newest(self._owner(visitor), limit=60)
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
        is_open = not generation.status.is_final
        return _view(
            shown=generation.id,
            screen=gr.HTML(stage.screen(generation), visible=video is None),
            video=gr.Video(str(video) if video else None, visible=video is not None),
            status=stage.card(
                generation,
                typical_seconds=self._service.typical_seconds(generation),
                video=video,
                is_watched=is_watched,
            ),
            stop=gr.Button(visible=is_open and is_watched),
            again=gr.Button(_again_label(generation), visible=is_open and not is_watched),
        )

    def _owner(self, visitor: str) -> str:
        return visitor if self._keeps_visitors_apart and visitor else "local"


def _view(**parts: Any) -> tuple[Any, ...]:
    names = ("shown", "screen", "video", "status", "stop", "again")
    return tuple(parts.get(name, gr.skip()) for name in names)


def _nothing() -> tuple[Any, ...]:
    return _view()


def _again_label(generation: Generation) -> str:
    if generation.error is None:
        return "Watch again"
    return "Download again" if generation.status is Status.SAVING else "Look again"


def _session(request: gr.Request) -> str:
    return request.session_hash or uuid.uuid4().hex


def _html(value: str, elem_id: str, **more: Any) -> gr.HTML:
    return gr.HTML(value, elem_id=elem_id, elem_classes=["k-plain"], **more)


def _param(name: str) -> Any:
    return next(p for model in MODELS.values() if (p := model.param(name)) is not None)


def _header(*, is_simulated: bool) -> str:
    kind, where, note = (
        ("simulator", "Simulator", "no key set") if is_simulated else ("live", "AI/ML API", "paid")
    )
    return (
        '<div class="k-header"><h1>Kling <em>UI</em></h1>'
        f'<span id="badge" data-kind="{kind}"><b>{where}</b> · {note}</span></div>'
    )


def _pair(left: str, right: str) -> str:
    return f'<div class="k-estimate"><span>{left}</span><span>{right}</span></div>'


def _count(limit: int) -> str:
    return f'<span data-count-of="prompt" data-limit="{limit}">0 / {limit:,}</span>'
