"""What a filled-in form would send and cost, worked out at each change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kling_ui.catalog import (
    LEFT_OUT,
    NOTED,
    Choice,
    Flag,
    MediaParam,
    Model,
    Param,
    Section,
    with_leaves,
)
from kling_ui.service import Estimate, Service
from kling_ui.ui import formatting
from kling_ui.ui.create import launch
from kling_ui.ui.create.fields.field import Field, kind_of
from kling_ui.ui.create.form_input import FormInput, RawForm
from kling_ui.ui.create.layout import Layout
from kling_ui.ui.create.memory import PROMPT


class Outlook:
    """Prices and parts of what one layout holds."""

    def __init__(self, layout: Layout, service: Service) -> None:
        self._layout = layout
        self._service = service

    def estimate(self, filled: FormInput, values: Mapping[str, Any]) -> Estimate:
        """Return what the values would cost, with the sound or video that was given."""
        return self._service.estimates.estimate(
            filled.model.id, values, input_seconds=filled.input_seconds
        )

    def parts(self, filled: FormInput, form: RawForm) -> list[tuple[str, str, bool]]:
        """Return what will be sent: (parameter, words, may be dropped) each."""
        parts = []
        for field, param in self._layout.counting(filled.model, form):
            value = filled.values.get(field.name)
            is_set = value is not None
            if isinstance(param, Flag) or field.name == "duration":
                value = self._layout.raw_of(field, form)[0]
            if field.name == "duration" and launch.fixed_length(filled.model, filled.values):
                value = None
            if value is None or (value is False and not is_set):
                continue
            is_droppable = not param.required and (is_set or value is True)
            is_droppable = is_droppable and field.name != "duration" and value is not False
            parts.append((field.name, launch.part_words(param, value), is_droppable))
        return parts

    def hints(self, filled: FormInput, form: RawForm) -> launch.Hints:
        """Return what the page writes beside the fields."""
        model, values = filled.model, filled.values
        counting = self._layout.counting(model, form)
        prices = {
            field.name: found
            for field, param in counting
            if (found := self._option_prices(filled, field, param))
        }
        doubts = {each.field: each.message for each in model.warnings(values)}
        advanced = [f.name for f, p in counting if p.section is Section.ADVANCED]
        return launch.Hints(
            prices=prices,
            doubts={name: doubts[name] for name in NOTED if name in doubts},
            fixed_length=launch.fixed_length(model, values),
            is_empty=not any(
                name in values for name in (PROMPT, "multi_prompt", "effect_scene", *_media(model))
            ),
            advanced=sum(name in values for name in advanced),
            draft={
                "model": model.id,
                "values": _without_paths({**values, **filled.aside}),
                "sides": [form.words, form.control],
            },
        )

    def _option_prices(self, filled: FormInput, field: Field, param: Param) -> dict[str, str]:
        """Return the price of each choice by what it is called in the browser; "" is the label."""

        def usd(value: Any) -> float | None:
            return self.estimate(filled, {**filled.values, field.name: value}).usd

        if isinstance(param, Flag):
            with_it, without = usd(True), usd(False)
            if with_it is None or without is None or with_it <= without:
                return {}
            return {"": f"+{formatting.dollars(with_it - without, with_it - without)}"}
        if not isinstance(param, Choice) or kind_of(param) != "segments":
            return {}
        found = {choice: usd(choice) for choice in param.choices}
        prices = {choice: price for choice, price in found.items() if price is not None}
        if len(set(prices.values())) < 2:  # noqa: PLR2004  nothing to choose by
            return {}
        return {str(choice): formatting.dollars(price, price) for choice, price in prices.items()}


def _without_paths(value: Any) -> Any:
    """Return a value without the uploads that were not looked at so far."""
    return with_leaves(value, lambda leaf: LEFT_OUT if isinstance(leaf, Path) else leaf)


def _media(model: Model) -> list[str]:
    return [param.name for param in model.params if isinstance(param, MediaParam)]
