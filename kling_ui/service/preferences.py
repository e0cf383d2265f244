"""What the owner of this app prefers, kept in the data folder over a restart."""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

DEFAULT_ASK_ABOVE_USD = 1.0
LARGEST_ASK_ABOVE_USD = 10_000.0
FILE = "preferences.json"

_log = logging.getLogger(__name__)


class Preferences:
    """The preferences of one data folder. The first question and a change block."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._ask_above_usd: float | None = None

    @property
    def ask_above_usd(self) -> float:
        """From which price on, in USD, Generate asks before it spends."""
        if self._ask_above_usd is None:
            found = self._read().get("ask_above_usd")
            self._ask_above_usd = found if _is_sum(found) else DEFAULT_ASK_ABOVE_USD
        return self._ask_above_usd

    def set_ask_above_usd(self, usd: float) -> None:
        """Keep the price; raise ValueError for one that is none, OSError where it can't be kept."""
        if not _is_sum(usd):
            raise ValueError(f"Give an amount from 0 to {LARGEST_ASK_ABOVE_USD:,.0f} US dollars.")
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps({"ask_above_usd": usd}), "utf-8")
        part.replace(self._file)
        self._ask_above_usd = usd

    def _read(self) -> Mapping[str, Any]:
        """Return what the file holds; one that can't be read is as good as none."""
        try:
            found = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as exc:
            _log.warning("%s can't be read (%s)", FILE, type(exc).__name__)
            return {}
        return found if isinstance(found, dict) else {}


def _is_sum(usd: Any) -> TypeGuard[float]:
    is_number = isinstance(usd, int | float) and not isinstance(usd, bool)
    return is_number and math.isfinite(usd) and 0 <= usd <= LARGEST_ASK_ABOVE_USD
