"""The life of a generation: submit, follow, stop, resume. Knows no Gradio, HTTP or SQL."""

from kling_ui.ledger import (
    LIVE,
    SIMULATOR,
    ErrorKind,
    Generation,
    GenerationError,
    HistorySort,
    HistoryTotals,
    LedgerError,
    SetTotals,
    Status,
)
from kling_ui.media import Playback
from kling_ui.service.batches import Batch, Batches, RefusedBatchError
from kling_ui.service.connection import CannotConnectError, Connector
from kling_ui.service.context import PollSettings
from kling_ui.service.continuation import CannotContinueError, continued, next_model
from kling_ui.service.day_limit import DayLimitError
from kling_ui.service.estimates import Estimate, Estimates
from kling_ui.service.files import POSTER, VIDEO, telling_name
from kling_ui.service.history import (
    UNDO_SECONDS,
    History,
    HistoryChanges,
    HistoryFilter,
    HistoryPage,
)
from kling_ui.service.live_catalog import LiveCatalog
from kling_ui.service.model_check import ModelCheck
from kling_ui.service.preferences import MOST_PARALLEL
from kling_ui.service.request_export import RequestExport, export_request
from kling_ui.service.run_changes import changes
from kling_ui.service.runtime import Runtime
from kling_ui.service.service import Service
from kling_ui.service.storage import DataPlace, Lifetime, Storage, Usage
from kling_ui.service.video_recipe import VideoRecipe
from kling_ui.service.waits import UsualWait, UsualWaits

__all__ = [
    "LIVE",
    "MOST_PARALLEL",
    "POSTER",
    "SIMULATOR",
    "UNDO_SECONDS",
    "VIDEO",
    "Batch",
    "Batches",
    "CannotConnectError",
    "CannotContinueError",
    "Connector",
    "DataPlace",
    "DayLimitError",
    "ErrorKind",
    "Estimate",
    "Estimates",
    "Generation",
    "GenerationError",
    "History",
    "HistoryChanges",
    "HistoryFilter",
    "HistoryPage",
    "HistorySort",
    "HistoryTotals",
    "LedgerError",
    "Lifetime",
    "LiveCatalog",
    "ModelCheck",
    "Playback",
    "PollSettings",
    "RefusedBatchError",
    "RequestExport",
    "Runtime",
    "Service",
    "SetTotals",
    "Status",
    "Storage",
    "Usage",
    "UsualWait",
    "UsualWaits",
    "VideoRecipe",
    "changes",
    "continued",
    "export_request",
    "next_model",
    "telling_name",
]
