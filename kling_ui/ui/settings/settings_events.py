"""The drawer behind the badge: what it is asked, and what it answers.

A key comes with the event that it is entered by, and is never a component's value.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import gradio as gr

from kling_ui.service import MOST_PARALLEL, CannotConnectError, Service
from kling_ui.ui.event_options import QUIET
from kling_ui.ui.identity import owner_of
from kling_ui.ui.question import Question
from kling_ui.ui.settings import drawer
from kling_ui.ui.settings.drawer import Answer, Shown
from kling_ui.ui.settings.storage_part import StorageShown

LONGEST_KEY = 512
_SCRIPT = "window.klingSettings.connect(element, trigger);"


def add_drawer(service: Service) -> None:
    """Add the drawer to the Blocks being built; `#badge` opens it, and so does `#settings`."""
    sheet = gr.HTML(
        drawer.closed(), elem_id="settings", elem_classes=["k-plain"], js_on_load=_SCRIPT
    )
    asked = _Questions(service)

    async def on_settings(event: gr.EventData, request: gr.Request) -> str:
        question = Question(event)
        answer = await asked.answer(question)
        is_about_storage = question.text("act") in {"storage", "storage_limit"}
        storage = await asked.storage() if is_about_storage else None
        return drawer.opened(await asked.shown(request, storage), answer)

    sheet.click(on_settings, None, [sheet], **QUIET)


class _Questions:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def shown(self, request: gr.Request, storage: StorageShown | None = None) -> Shown:
        """Return what there is to see for whoever asks; another's requests are not."""
        service = self._service
        newest = await service.newest(owner_of(request), limit=1)
        return Shown(
            is_simulated=service.is_simulated,
            may_change=service.connections.can_switch,
            spent_usd=await service.day_limit.spent_usd(),
            day_usd=service.day_limit.usd,
            ask_above_usd=service.preferences.ask_above_usd,
            parallel=service.preferences.parallel,
            last=newest[0].payload if newest else None,
            is_storage_full=service.connections.can_switch and service.storage.is_over_limit,
            storage=storage,
        )

    async def storage(self) -> StorageShown:
        """Return how long things are kept and, for the owner, how much is; that walks the disk."""
        service = self._service
        is_owner = service.connections.can_switch
        return StorageShown(
            place=service.storage.place,
            usage=await service.storage.usage() if is_owner else None,
            limit_gb=service.preferences.storage_limit_gb,
            is_over_limit=service.storage.is_over_limit,
        )

    async def answer(self, question: Question) -> Answer | None:
        """Do what is asked for; None where the drawer was only opened."""
        match question.text("act"):
            case "key":
                return await self._use_key(question.text("key", most=LONGEST_KEY))
            case "simulator":
                return await self._use_simulator()
            case "ask_above":
                return await self._ask_above(question.values.get("usd"))
            case "parallel":
                return await self._run_at_once(question.values.get("count"))
            case "storage_limit":
                return await self._warn_above(question.values.get("gigabytes"))
        return None

    async def _use_key(self, key: str) -> Answer:
        try:
            balance = await self._service.use_key(key.strip())
        except CannotConnectError as exc:
            return Answer(about="key", text=str(exc), is_good=False)
        text = f"Connected. Balance ${balance:,.2f}. New requests are paid from it."
        return Answer(about="key", text=text, is_good=True, is_switch=True)

    async def _use_simulator(self) -> Answer:
        try:
            await self._service.use_simulator()
        except CannotConnectError as exc:
            return Answer(about="key", text=str(exc), is_good=False)
        text = "New requests go to the simulator. What is under way at the API goes on."
        return Answer(about="key", text=text, is_good=True, is_switch=True)

    async def _ask_above(self, usd: Any) -> Answer:
        def keep() -> str:
            amount = float(usd)
            self._service.preferences.set_ask_above_usd(amount)
            return f"Asks above ${amount:,.2f}."

        return await self._kept("spending", keep, "an amount from 0 to 10,000 US dollars")

    async def _run_at_once(self, count: Any) -> Answer:
        def keep() -> str:
            number = int(count)
            self._service.preferences.set_parallel(number)
            return f"{number} at a time."

        return await self._kept("parallel", keep, f"a whole number from 1 to {MOST_PARALLEL}")

    async def _warn_above(self, gigabytes: Any) -> Answer:
        def keep() -> str:
            limit_gb = None if gigabytes == "" else float(gigabytes)
            self._service.preferences.set_storage_limit_gb(limit_gb)
            return "No warning." if limit_gb is None else f"Warns above {limit_gb:,g} GB."

        return await self._kept("storage", keep, "0.1 GB or more, or nothing for no limit")

    async def _kept(
        self,
        about: Literal["spending", "parallel", "storage"],
        keep: Callable[[], str],
        wanted: str,
    ) -> Answer:
        """Keep a preference, and say so or what was `wanted` instead."""
        if not self._service.connections.can_switch:
            text = "This is set by the app's owner."
            return Answer(about=about, text=text, is_good=False)
        try:
            text = await asyncio.to_thread(keep)
        except (TypeError, ValueError, OverflowError):
            text = f"Give {wanted}. Nothing was changed."
            return Answer(about=about, text=text, is_good=False)
        except OSError as exc:
            text = f"It could not be kept ({exc.strerror}). Nothing was changed."
            return Answer(about=about, text=text, is_good=False)
        return Answer(about=about, text=text, is_good=True)
