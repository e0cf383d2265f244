"""From the raw values of the form to a request: read without decoding, checked once.

An upload is looked at when it arrives, and what was found is kept from then on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kling_ui.catalog import (
    InvalidValuesError,
    KeptUpload,
    Media,
    MediaParam,
    Model,
    Param,
    Problem,
    Request,
    UnusableMediaError,
    find_model,
    leaves,
    with_leaves,
)
from kling_ui.service import Service
from kling_ui.ui.create import launch
from kling_ui.ui.create.fields.field import Field
from kling_ui.ui.create.form_input import FormInput, RawForm
from kling_ui.ui.create.kept_uploads import KeptUploads
from kling_ui.ui.create.layout import Layout
from kling_ui.ui.create.problems import problems_html

_CHANGING = "Was still changing with the task. Look at it, then press Generate again."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedForm:
    """A form that can't be sent, as the page says it."""

    html: str


class FormReader:
    """Reads one layout's values, for whoever sent them."""

    def __init__(self, layout: Layout, service: Service, uploads: KeptUploads) -> None:
        self._layout = layout
        self._service = service
        self._uploads = uploads

    async def prepare(self, raw: Sequence[Any], owner: str | None) -> Request | RefusedForm:
        """Check what the form holds, once; return the request, or what is to be fixed."""
        model, changing = _changing(RawForm.of(raw))
        if changing:
            return RefusedForm(html=problems_html(model, changing, {}))
        await self.keep_all(raw, owner)
        filled = self.read(raw, owner)
        wrong = {problem.field for problem in filled.problems}
        problems = filled.problems
        try:
            request = await self._service.prepare(model.id, filled.values, owner=owner)
        except InvalidValuesError as exc:
            problems += tuple(each for each in exc.problems if each.field not in wrong)
        if not problems:
            return request
        return RefusedForm(html=problems_html(model, problems, filled.values))

    def read(self, raw: Sequence[Any], owner: str | None) -> FormInput:
        """Turn the values of `inputs` into the model's values; decodes and writes nothing.

        Raises InvalidValuesError for an unknown model only.
        """
        form = RawForm.of(raw)
        model, changing = _changing(form)
        counting = self._layout.counting(model, form)
        values, problems = self._values(counting, form, owner)
        names = tuple(each.name for each, _ in counting)
        rest = [pair for pair in self._layout.used_by(model) if pair[0].name not in names]
        if launch.fixed_length(model, values):
            values.pop("duration", None)
        return FormInput(
            model=model,
            values=values,
            counting=names,
            aside=self._values(rest, form, owner)[0],
            problems=(*changing, *problems),
            input_seconds=self._seconds(model, form, owner),
        )

    def _values(
        self, pairs: Sequence[tuple[Field, Param]], form: RawForm, owner: str | None
    ) -> tuple[dict[str, Any], list[Problem]]:
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for each, param in pairs:
            try:
                value = each.read(param, self._layout.raw_of(each, form), self._look(owner))
                value = self._with_references(param, value, owner)
            except ValueError as exc:
                problems.append(Problem(each.name, str(exc)))
                continue
            is_assumed = value is not None and value in (param.default, param.assumed)
            if value is not None and not param.is_empty(value) and not is_assumed:
                values[each.name] = value
        return values, problems

    def _look(self, owner: str | None) -> Any:
        def look(path: str) -> KeptUpload | None:
            found = self._uploads.known(path, "image", None, owner)
            return found if isinstance(found, KeptUpload) else None

        return look

    def _with_references(self, param: Param, value: Any, owner: str | None) -> Any:
        """Return a value with uploads as their references; raise ValueError for a bad one."""
        kind = param.media if isinstance(param, Media) else "image"

        def reference(leaf: Any) -> Any:
            if not isinstance(leaf, Path):
                return leaf
            found = self._uploads.known(leaf, kind, getattr(param, "limits", None), owner)
            if isinstance(found, UnusableMediaError):
                raise found
            return found.reference if found else leaf

        return with_leaves(value, reference)

    async def keep_all(self, raw: Sequence[Any], owner: str | None) -> None:
        """Look at every upload that counts and that has not been looked at."""
        form = RawForm.of(raw)
        model = find_model(form.model_id)
        for field, param in self._layout.counting(model, form):
            if not isinstance(param, MediaParam):
                continue
            kind = param.media if isinstance(param, Media) else "image"
            limits = getattr(param, "limits", None)
            try:
                value = field.read(param, self._layout.raw_of(field, form), self._look(owner))
            except ValueError:
                continue  # told when the form is read
            for path in [leaf for leaf in leaves(value) if isinstance(leaf, Path)]:
                await self._uploads.keep(str(path), kind, limits, owner)

    def _seconds(self, model: Model, form: RawForm, owner: str | None) -> float | None:
        """Return the length of the given sound or video, where it is known."""
        for field, param in self._layout.counting(model, form):
            if isinstance(param, Media) and param.media != "image":
                path = self._layout.raw_of(field, form)[0]
                found = self._uploads.known(path, param.media, None, owner) if path else None
                if isinstance(found, KeptUpload) and found.seconds is not None:
                    return found.seconds
        return None


def _changing(form: RawForm) -> tuple[Model, tuple[Problem, ...]]:
    """Return the model, and a problem where the task was chosen a moment ago.

    What would be sent is not what is looked at then. Raises InvalidValuesError for an unknown
    model.
    """
    model = find_model(form.model_id)
    is_settled = form.task == model.task.value
    return model, () if is_settled else (Problem("model", _CHANGING),)
