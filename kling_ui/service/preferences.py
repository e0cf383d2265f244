"""What the owner of this app prefers, kept in the data folder over a restart."""

import json
import logging
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

DEFAULT_ASK_ABOVE_USD = 1.0
LARGEST_ASK_ABOVE_USD = 10_000.0
DEFAULT_PARALLEL = 3
MOST_PARALLEL = 20
SMALLEST_STORAGE_GB = 0.1
LARGEST_STORAGE_GB = 1_000_000.0
FILE = "preferences.json"

_log = logging.getLogger(__name__)


class Preferences:
    """The preferences of one data folder. The first question and a change block."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._turn = threading.Lock()
        self._kept: Mapping[str, Any] | None = None

    @property
    def ask_above_usd(self) -> float:
        """From which price on, in USD, Generate asks before it spends."""
        found = self._values().get("ask_above_usd")
        return found if _is_sum(found) else DEFAULT_ASK_ABOVE_USD

    def set_ask_above_usd(self, usd: float) -> None:
        """Keep the price; raise ValueError for one that is none, OSError where it can't be kept."""
        if not _is_sum(usd):
            raise ValueError(f"Give an amount from 0 to {LARGEST_ASK_ABOVE_USD:,.0f} US dollars.")
        self._keep(ask_above_usd=usd)

    @property
    def parallel(self) -> int:
        """How many generations may be under way before what waits in batches waits on."""
        found = self._values().get("parallel")
        return found if _is_parallel(found) else DEFAULT_PARALLEL

    def set_parallel(self, count: int) -> None:
        """Keep the number; raise ValueError for one that is none, OSError where it can't be."""
        if not _is_parallel(count):
            raise ValueError(f"Give a whole number from 1 to {MOST_PARALLEL}.")
        self._keep(parallel=count)

    @property
    def storage_limit_gb(self) -> float | None:
        """How many GB (10⁹ bytes) the app may take before its owner is told; None: any."""
        found = self._values().get("storage_limit_gb")
        return found if _is_storage(found) else None

    def set_storage_limit_gb(self, limit_gb: float | None) -> None:
        """Keep the limit; raise ValueError for one that is none, OSError where it can't be kept."""
        if limit_gb is not None and not _is_storage(limit_gb):
            raise ValueError(
                f"Give a number from {SMALLEST_STORAGE_GB} to {LARGEST_STORAGE_GB:,.0f} GB."
            )
        self._keep(storage_limit_gb=limit_gb)

    def _keep(self, **changed: float | None) -> None:
        with self._turn:
            values = {**self._values(), **changed}
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(values), "utf-8")
            part.replace(self._file)
            self._kept = values

    def _values(self) -> Mapping[str, Any]:
        if self._kept is None:
            self._kept = self._read()
        return self._kept

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
    return _is_number(usd) and 0 <= usd <= LARGEST_ASK_ABOVE_USD


def _is_storage(limit_gb: Any) -> TypeGuard[float]:
    return _is_number(limit_gb) and SMALLEST_STORAGE_GB <= limit_gb <= LARGEST_STORAGE_GB


def _is_number(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_parallel(count: Any) -> TypeGuard[int]:
    return type(count) is int and 1 <= count <= MOST_PARALLEL
