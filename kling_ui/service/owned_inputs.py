"""The media of requests: kept once by what they hold, and handed only to those who used them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kling_ui import catalog
from kling_ui.ledger import Generation, Ledger

KEPT_UNUSED = timedelta(days=1)
"""How long after its last use an input stays that no generation refers to."""

_GONE = "is not here any more. Choose the file once more."


class OwnedInputs:
    """The inputs below one folder, and whose they are. Calls block; use them from threads."""

    def __init__(self, folder: Path, *, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._inputs = catalog.Inputs(folder)
        self._ledger = ledger
        self._now = now

    def prepare(self, model_id: Any, values: Mapping[str, Any], owner: str) -> catalog.Request:
        """Check a request and keep its media as `owner`'s; raise catalog.InvalidValuesError."""
        self._refuse_anothers(values, owner)
        request = catalog.prepare(model_id, values, self._inputs)
        references = catalog.references(request.payload)
        if references:
            self._ledger.claim_inputs(owner, references)
        return request

    def body_of(self, generation: Generation) -> dict[str, Any] | None:
        """Return the body to POST for a row, or None where its inputs are gone."""
        if not generation.is_repeatable:
            return None
        try:
            return catalog.body(generation.payload, self._inputs)
        except (catalog.MissingInputError, OSError):
            return None

    def purge(self) -> int:
        """Remove what no generation refers to and nobody has used for a day; return how many."""
        referenced = {
            reference
            for payload in self._ledger.payloads_with_inputs()
            for reference in catalog.references(payload)
        }
        return self._inputs.purge(referenced, self._now() - KEPT_UNUSED)

    def _refuse_anothers(self, values: Mapping[str, Any], owner: str) -> None:
        named = {
            name: [each for each in _leaves(value) if catalog.is_reference(each)]
            for name, value in values.items()
        }
        if not any(named.values()):
            return
        owned = self._ledger.claimed_inputs(owner)
        wrong = tuple(
            catalog.Problem(name, _GONE)
            for name, references in named.items()
            if not owned.issuperset(references)
        )
        if wrong:
            raise catalog.InvalidValuesError(wrong)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list):
        yield value
        return
    for part in value:
        yield from _leaves(part)
