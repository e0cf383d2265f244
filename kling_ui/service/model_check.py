"""Which of the catalog's models the provider still has, under which id. Pure.

A finding only marks a model: whatever it says, the model can still be sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kling_ui.catalog import Model
from kling_ui.client import Deprecation, ModelList

ModelStatus = Literal[
    "unchecked", "listed", "alias", "unlisted", "deprecated", "superseded", "withdrawn"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """What the provider's lists say of a model of the catalog.

    `unchecked` nothing to go by; `listed` its id is in the list; `alias` only `id_to_send` is,
    another documented id of it; `unlisted` the list has neither; the rest are the provider's own
    words for a model on its way out. `shutdown_at` is a time or a day as the provider writes it.
    """

    model_id: str
    status: ModelStatus
    id_to_send: str
    successor: str | None = None
    shutdown_at: str | None = None
    reason: str | None = None


def check_models(
    models: Sequence[Model], listed: ModelList | None, deprecations: Iterable[Deprecation]
) -> dict[str, ModelCheck]:
    """Return one finding per model. A list that is missing or too short marks none `unlisted`."""
    names = listed.names if listed else frozenset()
    known = sum(not names.isdisjoint((model.id, *model.aliases)) for model in models)
    is_whole = 2 * known >= len(models)
    leaving = tuple(deprecations)
    return {model.id: _check(model, names, leaving, is_whole=is_whole) for model in models}


def _check(
    model: Model, names: frozenset[str], leaving: tuple[Deprecation, ...], *, is_whole: bool
) -> ModelCheck:
    id_to_send = model.id
    status: ModelStatus = "unlisted" if names and is_whole else "unchecked"
    if model.id in names:
        status = "listed"
    else:
        alias = next((alias for alias in model.aliases if alias in names), None)
        if alias is not None:
            status, id_to_send = "alias", alias
    row = _row_for(id_to_send, leaving)
    if row is None:
        return ModelCheck(model_id=model.id, status=status, id_to_send=id_to_send)
    return ModelCheck(
        model_id=model.id,
        status=row.status,
        id_to_send=id_to_send,
        successor=row.replaced_by,
        shutdown_at=row.shutdown_at,
        reason=row.reason,
    )


def _row_for(name: str, leaving: tuple[Deprecation, ...]) -> Deprecation | None:
    by_id = (row for row in leaving if row.id == name)
    by_alias = (row for row in leaving if name in row.aliases)
    return next(by_id, None) or next(by_alias, None)
