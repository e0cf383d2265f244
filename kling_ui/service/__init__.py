"""The life of a generation: submit, follow, stop, resume. Knows no Gradio, HTTP or SQL."""

from kling_ui.history import LIVE, SIMULATOR, Generation, LedgerError, Status, Trouble
from kling_ui.service.life import Pace, World
from kling_ui.service.service import Service

__all__ = [
    "LIVE",
    "SIMULATOR",
    "Generation",
    "LedgerError",
    "Pace",
    "Service",
    "Status",
    "Trouble",
    "World",
]
