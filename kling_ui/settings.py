"""What the app is told from outside, read once: the environment and a `.env` file.

The names are a contract with users and hosts; `.env.example` and the README list them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values

KEY_NAMES = ("AIML_API_KEY", "AIMLAPI_KEY", "AIMLAPI_API_KEY")
LIVE_BASE_URL = "https://api.aimlapi.com"

RoutePolicy = Literal["auto", "kling", "universal"]


class SettingsError(ValueError):
    """A setting has a value the app can't work with; the message names it and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything configurable, checked. Paths are absolute; seconds are seconds.

    `api_key` None means: no key, use the simulator. `database_url` None means: SQLite in
    `data_dir`. `poll_seconds` None means: adapt to the model. `keeps_visitors_apart` is true
    on a shared host, where each browser gets its own history.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str = LIVE_BASE_URL
    route: RoutePolicy = "auto"
    data_dir: Path
    database_url: str | None = field(default=None, repr=False)
    poll_seconds: float | None = None
    simulator_seconds: float = 8.0
    keeps_visitors_apart: bool = False

    @property
    def is_simulated(self) -> bool:
        """Tell whether requests go to the embedded simulator."""
        return self.api_key is None

    @classmethod
    def read(cls, environ: Mapping[str, str], *, home: Path) -> "Settings":
        """Read `environ` over `home`/.env (the environment wins); raise SettingsError.

        `home` is the folder of app.py: `.env` and the default data folder lie there.
        """
        from_file = dotenv_values(home / ".env")
        values = {**{k: v for k, v in from_file.items() if v}, **environ}

        def text(name: str) -> str | None:
            return values.get(name, "").strip() or None

        return cls(
            api_key=_checked_key(next((key for key in map(text, KEY_NAMES) if key), None)),
            base_url=_checked_base_url(text("AIML_API_BASE_URL") or LIVE_BASE_URL),
            route=_checked_route(text("AIML_API_ROUTE") or "auto"),
            data_dir=(home / Path(text("KLING_UI_DATA_DIR") or "data").expanduser()).resolve(),
            database_url=text("KLING_UI_DATABASE_URL"),
            poll_seconds=_seconds("KLING_UI_POLL_SECONDS", text("KLING_UI_POLL_SECONDS")),
            simulator_seconds=_seconds(
                "KLING_UI_SIMULATOR_SECONDS", text("KLING_UI_SIMULATOR_SECONDS")
            )
            or 8.0,
            keeps_visitors_apart=text("SPACE_ID") is not None,
        )


def _checked_key(key: str | None) -> str | None:
    if key is None or (key.isascii() and key.isprintable() and " " not in key):
        return key
    # The value itself is left out of the message: it is most of a key.
    raise SettingsError(
        "The API key holds spaces or characters that no key has. "
        "Copy it again, or leave AIML_API_KEY empty to use the simulator."
    )


def _checked_base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_usable = False
    if is_usable:
        return url.rstrip("/")
    raise SettingsError(f"AIML_API_BASE_URL must be an http(s) address, not {url!r}.")


def _checked_route(route: str) -> RoutePolicy:
    match route.lower():
        case "auto" | "kling" | "universal" as policy:
            return policy
    raise SettingsError(f"AIML_API_ROUTE must be auto, kling or universal, not {route!r}.")


def _seconds(name: str, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds) and seconds > 0:
        return seconds
    raise SettingsError(f"{name} must be a number of seconds above 0, not {value!r}.")
