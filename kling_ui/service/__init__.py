"""The life of a generation: submit, follow, stop, resume. Knows no Gradio, HTTP or SQL."""

from kling_ui.ledger import (
    LIVE,
    SIMULATOR,
    ErrorKind,
    Generation,
    GenerationError,
    LedgerError,
    Status,
)
from kling_ui.service.context import PollSettings, Runtime
from kling_ui.service.day_limit import DayLimitError
from kling_ui.service.estimates import Estimate, Estimates
from kling_ui.service.files import POSTER, VIDEO, telling_name
from kling_ui.service.live_catalog import LiveCatalog
from kling_ui.service.model_check import ModelCheck
from kling_ui.service.service import Service
from kling_ui.service.waits import UsualWait, UsualWaits

__all__ = [
    "LIVE",
    "POSTER",
    "SIMULATOR",
    "VIDEO",
    "DayLimitError",
    "ErrorKind",
    "Estimate",
    "Estimates",
    "Generation",
    "GenerationError",
    "LedgerError",
    "LiveCatalog",
    "ModelCheck",
    "PollSettings",
    "Runtime",
    "Service",
    "Status",
    "UsualWait",
    "UsualWaits",
    "telling_name",
]
