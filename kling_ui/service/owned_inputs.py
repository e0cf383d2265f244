"""The media of requests: kept once by what they hold, and handed only to those who used them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from kling_ui import catalog
from kling_ui.ledger import Generation, Ledger, LedgerError

KEPT_UNUSED = timedelta(days=1)
"""How long after its last use an input stays that no generation refers to."""

PURGE_EVERY_SECONDS = 3600.0
_log = logging.getLogger(__name__)

Kind = Literal["image", "audio", "video"]

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

    def keep_upload(
        self, path: Path, kind: Kind, limits: catalog.PictureLimits | None, owner: str
    ) -> catalog.KeptUpload:
        """Keep an uploaded file as `owner`'s; raise catalog.UnusableMediaError."""
        kept = catalog.keep(path, kind, limits, self._inputs)
        self._ledger.claim_inputs(owner, {kept.reference})
        return kept

    def body_of(self, generation: Generation) -> dict[str, Any] | None:
        """Return the body to POST for a row, or None where its inputs are gone."""
        if not generation.is_repeatable:
            return None
        try:
            return catalog.body(generation.payload, self._inputs)
        except (catalog.MissingInputError, OSError):
            return None

    def seconds_of(self, payload: Mapping[str, Any]) -> float | None:
        """Return how long the sound or video in a payload lasts, None where that isn't known."""
        model = catalog.MODELS.get(payload.get("model", ""))
        for param in model.params if model else ():
            value = payload.get(param.name)
            is_timed = isinstance(param, catalog.Media) and param.media != "image"
            if is_timed and isinstance(value, str) and catalog.is_reference(value):
                try:
                    return catalog.seconds_of(self._inputs.path(value))
                except catalog.MissingInputError:
                    return None
        return None

    def with_files(self, values: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """Return the values with the file of each input in its place.

        What is gone or another owner's is left out.
        """
        owned = self._ledger.claimed_inputs(owner)

        def file_of(value: Any) -> Any:
            if not catalog.is_reference(value):
                return value
            try:
                return self._inputs.path(value) if value in owned else catalog.LEFT_OUT
            except catalog.MissingInputError:
                return catalog.LEFT_OUT

        found: dict[str, Any] = catalog.with_leaves(values, file_of)
        return found

    def purge(self) -> int:
        """Remove what no generation refers to and nobody has used for a day; return how many."""
        return self._inputs.purge(self._referenced(), self._now() - KEPT_UNUSED)

    async def keep_purged(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Purge once an hour, in a thread; never returns."""
        while True:
            try:
                removed = await asyncio.to_thread(self.purge)
            except (LedgerError, OSError) as exc:
                _log.warning("inputs: nothing was removed: %s", exc)
            else:
                _log.info("inputs: %d that nothing refers to were removed", removed)
            await sleep(PURGE_EVERY_SECONDS)

    def release(self, references: AbstractSet[str], *, unused_since: datetime) -> None:
        """Remove those of `references` that no generation needs and nobody has used since."""
        unneeded = references - self._referenced()
        removed = self._inputs.remove(unneeded, unused_since)
        if removed:
            self._ledger.disclaim_inputs(removed)

    def _referenced(self) -> set[str]:
        return {
            reference
            for payload in self._ledger.payloads_with_inputs()
            for reference in catalog.references(payload)
        }

    def _refuse_anothers(self, values: Mapping[str, Any], owner: str) -> None:
        named = {
            name: [each for each in catalog.leaves(value) if catalog.is_reference(each)]
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
