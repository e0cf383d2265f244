"""The provider's public lists, kept fresh in the background and on disk.

Nobody waits for them: whoever asks gets what is known by now. Neither a provider that is away
nor a damaged file breaks anything; the last list that was read is kept, with its age.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from kling_ui.catalog import MODELS
from kling_ui.client import ClientError, Deprecation, ModelList
from kling_ui.service.model_check import ModelCheck, check_models
from kling_ui.service.provider import Provider

REFRESH_SECONDS = 600.0
"""How long the list of models is taken as it is before it is asked for again."""

FIRST_LIST_SECONDS = 5.0
"""How long a first question for a price waits for the list."""

_log = logging.getLogger(__name__)


class LiveCatalog:
    """What the provider lists by now: its models with their prices, and which are going.

    Run `keep_fresh` as a task once the page is served; everything else answers at once from
    memory. `origin` keeps the simulator's list and the live one in files of their own.
    """

    def __init__(
        self,
        *,
        client: Provider,
        folder: Path,
        origin: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._file = folder / f"models-{origin}.json"
        self._sleep = sleep
        self._now = now
        self._list: ModelList | None = None
        self._fetched_at: datetime | None = None
        self._deprecations: tuple[Deprecation, ...] | None = None
        self._checks: dict[str, ModelCheck] = {}
        self._has_asked = asyncio.Event()
        self._check()

    async def keep_fresh(self) -> None:
        """Ask for the lists at once and every ten minutes, until cancelled."""
        await asyncio.to_thread(self._load)
        while True:
            await self._refresh_list()
            self._has_asked.set()
            if self._deprecations is None:
                await self._ask_for_deprecations()
            await self._sleep(REFRESH_SECONDS)

    async def first_list(self, within_seconds: float = FIRST_LIST_SECONDS) -> None:
        """Return once the list has been asked for, whatever came of it, or the time is up."""
        try:
            await asyncio.wait_for(self._has_asked.wait(), within_seconds)
        except TimeoutError:
            _log.info("prices: the provider's list has not come within %.0f s", within_seconds)

    @property
    def has_asked(self) -> bool:
        """Whether the list has been asked for since the app began, whatever came of it."""
        return self._has_asked.is_set()

    @property
    def model_list(self) -> ModelList | None:
        """The newest list there is, however old; None before the first one."""
        return self._list

    @property
    def fetched_at(self) -> datetime | None:
        """When the provider last confirmed `model_list`."""
        return self._fetched_at

    def check(self, model_id: str) -> ModelCheck:
        """Return what the lists say of a model; raise KeyError for one not in the catalog."""
        return self._checks[model_id]

    def model_id_to_send(self, model_id: str) -> str:
        """Return the id that the provider takes for a model, as far as is known: its own."""
        check = self._checks.get(model_id)
        return check.id_to_send if check else model_id

    def successor(self, model_id: str) -> str | None:
        """Return the id of the model that the provider names in this one's place, if any."""
        check = self._checks.get(model_id)
        return check.successor if check else None

    async def _refresh_list(self) -> None:
        try:
            listed = await self._client.models(etag=self._list.etag if self._list else None)
        except ClientError as exc:
            _log.info("prices: the list of models could not be had: %s", exc)
            return
        # None: the one we have is confirmed.
        self._list = listed or self._list
        self._fetched_at = self._now()
        self._check()
        await asyncio.to_thread(self._save)

    async def _ask_for_deprecations(self) -> None:
        try:
            self._deprecations = await self._client.deprecations()
        except ClientError as exc:
            _log.info("models: the deprecations could not be had: %s", exc)
            return
        self._check()
        for check in self._checks.values():
            if check.status not in ("unchecked", "listed"):
                _log.info(
                    "model %s: %s, sent as %s", check.model_id, check.status, check.id_to_send
                )

    def _check(self) -> None:
        models = tuple(MODELS.values())
        self._checks = check_models(models, self._list, self._deprecations or ())

    def _load(self) -> None:
        """Take the list of the last run; a file that can't be read is as good as none."""
        try:
            kept = json.loads(self._file.read_bytes())
            fetched_at = datetime.fromisoformat(kept["fetched_at"]).astimezone(UTC)
            listed = ModelList.from_json(kept["models"], etag=kept["etag"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as exc:
            _log.warning("prices: %s can't be read (%s)", self._file.name, type(exc).__name__)
            return
        if listed is not None:
            self._list, self._fetched_at = listed, fetched_at
            self._check()

    def _save(self) -> None:
        """Keep the list for the next run, in one step; a disk in trouble costs only that."""
        if self._list is None or self._fetched_at is None:
            return
        part = self._file.with_suffix(".part")
        kept = {
            "fetched_at": self._fetched_at.isoformat(),
            "etag": self._list.etag,
            "models": [asdict(model) for model in self._list.models],
        }
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump(kept, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._file)
        except OSError as exc:
            _log.warning("prices: %s can't be written (%s)", self._file.name, exc.strerror)
