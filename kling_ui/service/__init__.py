"""The life of a generation: submit, follow, stop, resume. Knows no Gradio, HTTP or SQL."""

from kling_ui.ledger import (
    ErrorKind,
    Generation,
    GenerationError,
    HistoryQuery,
    HistorySort,
    HistoryTotals,
    LedgerError,
    SetTotals,
    Status,
)
from kling_ui.media import Playback
from kling_ui.service.batches import Batch, RefusedBatchError
from kling_ui.service.connection import CannotConnectError, Connector
from kling_ui.service.context import PollSettings
from kling_ui.service.continuation import CannotContinueError, continued
from kling_ui.service.day_limit import DayLimitError
from kling_ui.service.estimates import Estimate
from kling_ui.service.files import POSTER, VIDEO, telling_name
from kling_ui.service.history import (
    UNDO_SECONDS,
    HistoryChanges,
    HistoryPage,
    history_query,
)
from kling_ui.service.preferences import MOST_PARALLEL
from kling_ui.service.runtime import Runtime
from kling_ui.service.service import Service
from kling_ui.service.storage import DataPlace, Lifetime, Usage
from kling_ui.service.video_recipe import VideoRecipe

__all__ = [
    "MOST_PARALLEL",
    "POSTER",
    "UNDO_SECONDS",
    "VIDEO",
    "Batch",
    "CannotConnectError",
    "CannotContinueError",
    "Connector",
    "DataPlace",
    "DayLimitError",
    "ErrorKind",
    "Estimate",
    "Generation",
    "GenerationError",
    "HistoryChanges",
    "HistoryPage",
    "HistoryQuery",
    "HistorySort",
    "HistoryTotals",
    "LedgerError",
    "Lifetime",
    "Playback",
    "PollSettings",
    "RefusedBatchError",
    "Runtime",
    "Service",
    "SetTotals",
    "Status",
    "Usage",
    "VideoRecipe",
    "continued",
    "history_query",
    "telling_name",
]
