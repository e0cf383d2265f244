"""What the service asks of a provider; `kling_ui.client.Client` is the one there is."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from kling_ui.client import Deprecation, LogEntry, ModelList, Route, TaskState


class Provider(Protocol):
    """A service that makes videos in tasks, under one key.

    Each call is one request, made once, and raises a kind of `kling_ui.client.ClientError`.
    """

    @property
    def key_hash(self) -> str | None:
        """What tells this key from others, and nothing of it; None: there is none."""

    async def create(
        self, payload: Mapping[str, Any], *, request_id: str, route: Route
    ) -> TaskState:
        """Begin a task, which costs money; `request_id` is what `find` can look up later."""

    async def get(self, task_id: str, *, route: Route) -> TaskState:
        """Return the state of a task."""

    async def find(
        self,
        request_id: str,
        *,
        model: str | None = None,
        span: tuple[datetime, datetime] | None = None,
    ) -> LogEntry | None:
        """Look a request up among those that arrived; None where it is not there."""

    async def models(self, *, etag: str | None = None) -> ModelList | None:
        """Return models and prices; None where nothing has changed since `etag`."""

    async def deprecations(self) -> tuple[Deprecation, ...]:
        """Return which models are on their way out."""

    async def balance(self) -> float:
        """Return what the account holds, in USD."""

    async def download(self, url: str, to: Path, *, expected_bytes: int | None) -> int:
        """Write the video at `url` to the file `to`; return its size in bytes."""

    async def aclose(self) -> None:
        """Close every connection."""
