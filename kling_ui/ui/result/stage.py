"""The right column's components, and how they look for each state of a generation."""

from typing import Any

import gradio as gr

from kling_ui.service import Generation, Service
from kling_ui.ui.asked_view import bare_html
from kling_ui.ui.create.fields.media_fields import ServedVideo
from kling_ui.ui.media_routes import video_url
from kling_ui.ui.result import panel, screen, strip
from kling_ui.ui.visit import Visit

Painted = dict[Any, Any]
"""Components with their new looks, as an event returns them."""

_ASKS = """
window.klingResult.ask = detail => trigger(
  {hide: 'click', cancel: 'click', abandon: 'click', put_away: 'click',
   again: 'submit', use: 'input', continue: 'input'}[detail.act] ?? 'select', detail);
"""
"""By what a person wants: the event that answers it. `result.js` asks."""

_REFRESHES = "window.klingResult.refreshRuns = () => trigger('select', {});"


class Stage:
    """The stage, the result below it and the strip of runs. Make it inside its column."""

    def __init__(self, service: Service) -> None:
        self._service = service
        empty = screen.empty_screen(is_simulated=service.is_simulated)
        self.screen = bare_html(empty, "screen")
        self.video = ServedVideo(
            visible=False,
            show_label=False,
            interactive=False,
            autoplay=False,
            buttons=[],
            elem_id="video",
        )
        self.result = bare_html(panel.idle(), "result", js_on_load=_ASKS)
        self.runs = bare_html("", "runs", js_on_load=_REFRESHES)

    @property
    def outputs(self) -> list[Any]:
        """Return what `paint` and its likes fill."""
        return [self.screen, self.video, self.result]

    def paint(self, generation: Generation, visit: Visit, *, is_watched: bool = True) -> Painted:
        """Show a generation as it is; `is_watched`: this page follows it."""
        video = video_url(generation)
        is_elsewhere = not self._service.is_reachable(generation)
        view = panel.View(
            typical_seconds=self._service.typical_seconds(generation),
            again_usd=self._service.estimates.again_usd(generation),
            is_watched=is_watched and not is_elsewhere,
            is_elsewhere=is_elsewhere,
            is_mine=self._service.owns(generation, visit.owner),
            is_simulated=self._service.is_simulated,
        )
        return {
            self.screen: gr.HTML(screen.screen(generation), visible=video is None),
            self.video: ServedVideo(
                f"{visit.root_path}{video}" if video else None, visible=video is not None
            ),
            self.result: panel.panel(generation, view),
        }

    def sending(self) -> Painted:
        """Show that a request is on its way."""
        return {self.result: panel.sending()}

    def idle(self) -> Painted:
        """Show that there is nothing to show."""
        empty = screen.empty_screen(is_simulated=self._service.is_simulated)
        return self._without_video(empty, panel.idle())

    def missing(self) -> Painted:
        """Show that a link leads to nothing."""
        return self._without_video(screen.missing_screen(), panel.missing())

    def nothing(self) -> Painted:
        """Change nothing: an event has to return something."""
        return {self.result: gr.skip()}

    def paint_runs(self, generations: list[Generation], total: int) -> Painted:
        """Show the latest runs."""
        shown = strip.recent(generations)
        typical = self._service.typical_seconds
        return {self.runs: strip.strip(shown, total=total, typical_seconds=typical)}

    def _without_video(self, box: str, below: str) -> Painted:
        return {
            self.screen: gr.HTML(box, visible=True),
            self.video: ServedVideo(None, visible=False),
            self.result: below,
        }
