"""The ledger: one row per generation, committed before money can be spent.

Holds the `Generation` value that service and UI exchange. Knows neither HTTP nor Gradio.
"""

from kling_ui.ledger.admission import AdmissionRules, DayBudget
from kling_ui.ledger.engine import LedgerError
from kling_ui.ledger.generation import (
    LIVE,
    SIMULATOR,
    UNFINISHED,
    ErrorKind,
    Generation,
    GenerationError,
    GenerationSet,
    Status,
    stamp_of,
)
from kling_ui.ledger.history_query import (
    HistoryQuery,
    HistorySort,
    HistoryTotals,
    SearchTerm,
    SetTotals,
)
from kling_ui.ledger.ledger import Ledger

__all__ = [
    "LIVE",
    "SIMULATOR",
    "UNFINISHED",
    "AdmissionRules",
    "DayBudget",
    "ErrorKind",
    "Generation",
    "GenerationError",
    "GenerationSet",
    "HistoryQuery",
    "HistorySort",
    "HistoryTotals",
    "Ledger",
    "LedgerError",
    "SearchTerm",
    "SetTotals",
    "Status",
    "stamp_of",
]
