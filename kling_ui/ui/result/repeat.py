"""What a result is good for next: its settings in the form, run once more, or continued."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import gradio as gr

from kling_ui.catalog import MODELS, InvalidValuesError
from kling_ui.service import (
    CannotContinueError,
    DayLimitError,
    Generation,
    Service,
    continued,
)
from kling_ui.ui.create.composer import Form
from kling_ui.ui.create.fields.painting import not_paintable
from kling_ui.ui.event_options import QUEUED, QUIET, SENDING
from kling_ui.ui.formatting import NOTHING_SENT
from kling_ui.ui.question import Question
from kling_ui.ui.result import panel
from kling_ui.ui.result.stage import Painted, Stage
from kling_ui.ui.submissions import Submissions
from kling_ui.ui.uploads import as_uploads
from kling_ui.ui.visit import Visit

_TO_THE_FORM = "() => window.klingResult.toForm()"
_LONGEST_VIDEO_SECONDS = 3600.0
_GONE = f"This generation was deleted. {NOTHING_SENT}"
"""By another window: this page still shows it."""


class RepeatEvents:
    """Answers Use settings, Run again and Continue."""

    def __init__(
        self, service: Service, stage: Stage, form: Form, submissions: Submissions
    ) -> None:
        self._service = service
        self._stage = stage
        self._form = form
        self._submissions = submissions

    def wire(self) -> Any:
        """Answer what the result asks; return the event that submits."""
        used = self._stage.result.input(self._on_use, None, self._form.recalled, **QUEUED)
        used.then(None, None, None, js=_TO_THE_FORM, **QUIET)
        return self._stage.result.submit(
            self._on_run_again,
            None,
            self._stage.outputs,
            **SENDING,
        )

    async def _on_use(self, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Fill the form with a generation's settings, or with a picture of it to go on from."""
        visit, question = Visit.of(request), Question(event)
        generation = await self._service.get(question.text("id"))
        if generation is None:
            gr.Warning(_GONE)
            return self._form.recall({})
        is_owned = self._service.owns(generation, visit.owner)
        if question.text("act") == "continue" and is_owned:
            payload = await self._continued(generation, question, visit)
            said = {self._form.notice: gr.update(value=panel.continuing(generation))}
            return {**await self._fill(payload, visit), **(said if payload else {})}
        exported = await self._service.exported(generation, is_owned=is_owned)
        return await self._fill(exported.payload, visit, missing=exported.missing)

    async def _fill(
        self, payload: dict[str, Any], visit: Visit, *, missing: Sequence[str] = ()
    ) -> dict[Any, Any]:
        """Fill the form with a request, and tell what of it is not restored."""
        files = await self._service.with_files(payload, owner=visit.owner)
        values = await asyncio.to_thread(as_uploads, files)
        if lost := (*missing, *await asyncio.to_thread(not_paintable, values)):
            names = _labels(payload["model"], lost)
            gr.Warning(f"{names} could not be restored: add it once more.")
        return await asyncio.to_thread(self._form.recall, values)

    async def _continued(
        self, generation: Generation, question: Question, visit: Visit
    ) -> dict[str, Any]:
        at: Literal["first", "last"] | float
        match question.text("at"):
            case "first" | "last" as at:
                pass
            case _:
                at = _seconds(question.values.get("seconds"))
        try:
            return await continued(self._service, generation, at=at, owner=visit.owner)
        except CannotContinueError as exc:
            gr.Warning(str(exc))
            return {}

    async def _on_run_again(
        self, event: gr.EventData, request: gr.Request
    ) -> AsyncIterator[Painted]:
        """Submit a generation's request once more; the next event follows it."""
        visit = Visit.of(request)
        generation = await self._service.get(Question(event).text("id"))
        if generation is None:
            gr.Warning(_GONE)
        with self._submissions.turn(visit.session) as is_mine:
            if is_mine and generation and self._service.owns(generation, visit.owner):
                async for painted in self._run_again(generation, visit):
                    yield painted
        # Gradio repeats an event's last values at its end, perhaps after a click on Hide.
        yield self._stage.nothing()

    async def _run_again(self, generation: Generation, visit: Visit) -> AsyncIterator[Painted]:
        stage = self._stage
        try:
            exported = await self._service.exported(generation)
            if exported.missing:
                names = _labels(exported.model, exported.missing)
                gr.Warning(f"{names}: the file is no longer here. {NOTHING_SENT}")
                return
            prepared = await self._service.prepare(
                exported.model, exported.values, owner=visit.owner
            )
            self._service.stop(visit.session)
            yield stage.sending()
            made = await self._service.submit(prepared, owner=visit.owner)
        except (InvalidValuesError, DayLimitError) as exc:
            gr.Warning(f"{exc} {NOTHING_SENT}")
            yield stage.paint(generation, visit)
            return
        if not made.status.is_final:
            self._submissions.put(visit.session, made.id)
        yield stage.paint(made, visit)


def _labels(model_id: str, names: Sequence[str]) -> str:
    model = MODELS.get(model_id)
    params = [model.param(name) if model else None for name in names]
    pairs = zip(params, names, strict=True)
    return ", ".join(dict.fromkeys(param.label if param else name for param, name in pairs))


def _seconds(given: Any) -> float:
    """Return the playhead as the browser tells it; 0 where it tells no time."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return (
        given if is_number and math.isfinite(given) and 0 <= given < _LONGEST_VIDEO_SECONDS else 0
    )
