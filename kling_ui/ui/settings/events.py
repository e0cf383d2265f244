"""The drawer behind the badge: what it is asked, and what it answers.

A key comes with the event that it is entered by, and is never a component's value.
"""

import asyncio
from typing import Any

import gradio as gr

from kling_ui.service import CannotConnectError, Service
from kling_ui.ui.create.fields import QUIET
from kling_ui.ui.identity import owner_of
from kling_ui.ui.ledger_errors import report_ledger_errors
from kling_ui.ui.settings import drawer
from kling_ui.ui.settings.drawer import Answer, Shown

LONGEST_KEY = 512
_SCRIPT = "window.klingSettings.connect(element, trigger);"


def add_drawer(service: Service) -> None:
    """Add the drawer to the Blocks being built; `#badge` opens it, and so does `#settings`."""
    sheet = gr.HTML(
        drawer.closed(), elem_id="settings", elem_classes=["k-plain"], js_on_load=_SCRIPT
    )
    asked = _Questions(service)

    async def on_settings(event: gr.EventData, request: gr.Request) -> str:
        answer = await asked.answer(event)
        return drawer.opened(await asked.shown(request), answer)

    sheet.click(report_ledger_errors(on_settings), None, [sheet], **QUIET)


class _Questions:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def shown(self, request: gr.Request) -> Shown:
        """Return what there is to see for whoever asks; another's requests are not."""
        service = self._service
        newest = await service.newest(owner_of(request), limit=1)
        return Shown(
            is_simulated=service.is_simulated,
            may_change=service.connections.can_switch,
            spent_usd=await service.day_limit.spent_usd(),
            day_usd=service.day_limit.usd,
            ask_above_usd=service.preferences.ask_above_usd,
            last=newest[0].payload if newest else None,
        )

    async def answer(self, event: gr.EventData) -> Answer | None:
        """Do what is asked for; None where the drawer was only opened."""
        data = event._data if isinstance(event._data, dict) else {}  # noqa: SLF001  it has no other door for what may be missing
        match data.get("act"):
            case "key":
                return await self._use_key(str(data.get("key", ""))[:LONGEST_KEY])
            case "simulator":
                return await self._use_simulator()
            case "ask_above":
                return await self._ask_above(data.get("usd"))
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
        if not self._service.connections.can_switch:
            text = "This is set by the app's owner."
            return Answer(about="spending", text=text, is_good=False)
        try:
            amount = float(usd)
            await asyncio.to_thread(self._service.preferences.set_ask_above_usd, amount)
        except (TypeError, ValueError):
            text = "Give an amount from 0 to 10,000 US dollars. Nothing was changed."
            return Answer(about="spending", text=text, is_good=False)
        except OSError as exc:
            text = f"It could not be kept ({exc.strerror}). Nothing was changed."
            return Answer(about="spending", text=text, is_good=False)
        return Answer(about="spending", text=f"Asks above ${amount:,.2f}.", is_good=True)
