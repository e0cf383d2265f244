"""The life of a generation: submit, follow, stop, resume. Knows no Gradio, HTTP or SQL."""

from kling_ui.ledger import LIVE, SIMULATOR, Generation, GenerationError, LedgerError, Status
from kling_ui.service.runner import PollSettings, Runtime
from kling_ui.service.service import Service

__all__ = [
    "LIVE",
    "SIMULATOR",
    "Generation",
    "GenerationError",
    "LedgerError",
    "PollSettings",
    "Runtime",
    "Service",
    "Status",
]
