"""What is known of the files in the form: each is checked once and kept from then on.

A note under a well, the price and the request all read the same finding.
"""

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal

from kling_ui.catalog import KeptUpload, PictureLimits, UnusableMediaError
from kling_ui.service import Service

Kind = Literal["image", "audio", "video"]
Finding = KeptUpload | UnusableMediaError
_Key = tuple[str, Kind, PictureLimits | None, str | None]

REMEMBERED = 2000


class KeptUploads:
    """Findings by file and owner. Gradio names an upload by what it holds, so they stay true."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._found: OrderedDict[_Key, Finding] = OrderedDict()
        self._asking: dict[_Key, asyncio.Task[Finding]] = {}

    async def keep(
        self, path: str, kind: Kind, limits: PictureLimits | None, owner: str | None
    ) -> Finding:
        """Check and keep a file, unless that is done or under way; return what was found."""
        key = (path, kind, _limits(kind, limits), owner)
        if (finding := self._found.get(key)) is not None:
            return finding
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    def known(
        self, path: Any, kind: Kind, limits: PictureLimits | None, owner: str | None
    ) -> Finding | None:
        """Return what was found in a file, None where nothing is yet."""
        return self._found.get((str(path), kind, _limits(kind, limits), owner))

    async def _ask(self, key: _Key) -> Finding:
        path, kind, limits, owner = key
        finding: Finding
        try:
            finding = await self._service.keep_upload(
                Path(path), kind=kind, limits=limits, owner=owner
            )
        except UnusableMediaError as exc:
            finding = exc.with_traceback(None)
        self._found[key] = finding
        while len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return finding


def _limits(kind: Kind, limits: PictureLimits | None) -> PictureLimits | None:
    return (limits or PictureLimits()) if kind == "image" else None
