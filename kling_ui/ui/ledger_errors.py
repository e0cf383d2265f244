"""A ledger in trouble, told in words where Gradio would say no more than "Error"."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr

from kling_ui.service import LedgerError


def report_ledger_errors(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return an async handler, streaming or not, that says what is wrong with the ledger."""
    if inspect.isasyncgenfunction(handler):

        @functools.wraps(handler)
        async def streaming(*arguments: Any) -> Any:
            try:
                async for value in handler(*arguments):
                    yield value
            except LedgerError as exc:
                raise _error(exc) from exc

        return streaming

    @functools.wraps(handler)
    async def answering(*arguments: Any) -> Any:
        try:
            return await handler(*arguments)
        except LedgerError as exc:
            raise _error(exc) from exc

    return answering


def in_words(trouble: LedgerError) -> str:
    """Say what is wrong, what it means for what was paid for, and what to do."""
    return (
        f"{trouble} Nothing is lost: what runs goes on, and is found under History once that is "
        "mended (disk full, read-only or locked?)."
    )


def _error(trouble: LedgerError) -> gr.Error:
    return gr.Error(in_words(trouble), title="History can't be read", print_exception=False)
