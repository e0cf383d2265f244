"""What the app is told from outside, read once: the environment and a `.env` file.

The names are a contract with users and hosts; `.env.example` and the README list them.
"""

import codecs
import io
import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values

PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATE_NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
KEY_NAMES = ("AIML_API_KEY", "AIMLAPI_KEY", "AIMLAPI_API_KEY")
LIVE_BASE_URL = "https://api.aimlapi.com"
DEFAULT_FOLDER = "data"
SPACE_DAY_USD = 5.0
"""What a Space with a key may spend a day where nothing else is set."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAX_PORT = 65_535
_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")

RoutePolicy = Literal["auto", "kling", "universal"]


class SettingsError(ValueError):
    """A setting has a value the app can't work with; the message names it and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything configurable, checked. Paths are absolute; seconds are seconds.

    `api_key` None means: no key, use the simulator. `database_url` None means: SQLite in
    `data_dir`. `poll_seconds` None means: adapt to the model. `keeps_visitors_apart` is true
    on a shared host, where each browser gets its own history.

    `server_port` None means: 7860, or the next free one. `root_path` is "", a path without a slash
    at its end, or the page's whole address behind a proxy. `hosts` are the names the app answers
    for besides addresses, localhost and this machine's name, `*` any. `day_usd` None means: no
    bound on a day's spending. `for_libraries` is what `.env` alone says to Gradio and httpx.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str = LIVE_BASE_URL
    route: RoutePolicy = "auto"
    data_dir: Path
    database_url: str | None = field(default=None, repr=False)
    poll_seconds: float | None = None
    simulator_seconds: float = 8.0
    keeps_visitors_apart: bool = False
    server_name: str = "127.0.0.1"
    server_port: int | None = None
    root_path: str = ""
    hosts: tuple[str, ...] = ()
    day_usd: float | None = None
    password: str | None = field(default=None, repr=False)
    allow_http: bool = False
    share: bool = False
    for_libraries: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_simulated(self) -> bool:
        """Tell whether requests go to the embedded simulator."""
        return self.api_key is None

    @classmethod
    def read(cls, environ: Mapping[str, str], *, home: Path) -> "Settings":
        """Read `environ` over `home`/.env (the environment wins); raise SettingsError.

        `home` is the folder of app.py: `.env` and the default data folder lie there.
        """
        from_file = _read_file(home / ".env")
        values = {**from_file, **environ}

        def text(name: str) -> str | None:
            return _unquoted(values.get(name, "")) or None

        api_key = _checked_key(next((key for key in map(text, KEY_NAMES) if key), None))
        allow_http = _switch("KLING_UI_ALLOW_HTTP", text("KLING_UI_ALLOW_HTTP"))
        base_url = _checked_base_url(text("AIML_API_BASE_URL") or LIVE_BASE_URL)
        if api_key and not allow_http:
            check_encrypted(base_url)
        is_space = text("SPACE_ID") is not None
        taken = {name.upper() for name in environ}
        return cls(
            api_key=api_key,
            base_url=base_url,
            route=_checked_route(text("AIML_API_ROUTE") or "auto"),
            data_dir=_folder(home, text("KLING_UI_DATA_DIR") or DEFAULT_FOLDER),
            database_url=text("KLING_UI_DATABASE_URL"),
            poll_seconds=_seconds("KLING_UI_POLL_SECONDS", text("KLING_UI_POLL_SECONDS")),
            simulator_seconds=_seconds(
                "KLING_UI_SIMULATOR_SECONDS", text("KLING_UI_SIMULATOR_SECONDS")
            )
            or 8.0,
            keeps_visitors_apart=is_space,
            server_name=(text("GRADIO_SERVER_NAME") or "127.0.0.1").strip("[]"),
            server_port=_port("GRADIO_SERVER_PORT", text("GRADIO_SERVER_PORT")),
            root_path=_root_path(text("GRADIO_ROOT_PATH") or ""),
            hosts=_hosts(text("KLING_UI_HOSTS") or ""),
            day_usd=_dollars(
                "KLING_UI_DAY_USD",
                text("KLING_UI_DAY_USD"),
                default=SPACE_DAY_USD if is_space and api_key else None,
            ),
            password=text("KLING_UI_PASSWORD"),
            allow_http=allow_http,
            share=_switch("KLING_UI_SHARE", text("KLING_UI_SHARE")),
            for_libraries={
                name: value
                for name, value in from_file.items()
                if _is_for_libraries(name) and name.upper() not in taken
            },
        )


def _read_file(path: Path) -> dict[str, str]:
    """Return what a `.env` file sets, in whatever encoding an editor or a shell wrote it."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise SettingsError(f"{path} can't be read ({exc.strerror}).") from exc
    text = _decoded(raw)
    if text is None:
        raise SettingsError(f"{path} is not a text file. Save it again as UTF-8.")
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value}


def _decoded(raw: bytes) -> str | None:
    """Return `raw` as text: by its mark, else UTF-8, else as Windows writes; None if it is none."""
    marked = next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), None)
    # PowerShell and editors may leave the mark out; no setting holds a NUL.
    unmarked = "utf-16-be" if raw[:1] == b"\0" else "utf-16-le" if raw[1:2] == b"\0" else "utf-8"
    for encoding in (marked or unmarked, "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    return None


def _is_for_libraries(name: str) -> bool:
    return name.startswith("GRADIO_") or name.upper() in (*PROXY_NAMES, *CERTIFICATE_NAMES)


def _unquoted(value: str) -> str:
    """Return `value` without blanks and the quotes that `docker --env-file` leaves around it."""
    value = value.strip()
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1].strip() if is_quoted else value


def _folder(home: Path, name: str) -> Path:
    try:
        return (home / Path(name).expanduser()).resolve()
    except (RuntimeError, OSError, ValueError) as exc:  # no home, a loop of links, a NUL
        raise SettingsError(f"KLING_UI_DATA_DIR names no usable folder: {name!r}.") from exc


def _checked_key(key: str | None) -> str | None:
    if key is None or (key.isascii() and key.isprintable() and not set(key) & set(" \"'")):
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


def check_encrypted(base_url: str) -> None:
    """Raise SettingsError where a key would travel to `base_url` for everybody to read."""
    parts = urlsplit(base_url)
    if parts.scheme == "https" or _is_loopback(parts.hostname or ""):
        return
    raise SettingsError(
        "AIML_API_BASE_URL begins with http://, so the API key would travel unencrypted. Write "
        "https://, or set KLING_UI_ALLOW_HTTP=1 if that is meant."
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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


def _dollars(name: str, value: str | None, *, default: float | None) -> float | None:
    if value is None:
        return default
    try:
        dollars = float(value.removeprefix("$"))
    except ValueError:
        dollars = math.nan
    if math.isfinite(dollars) and dollars >= 0:
        return dollars
    raise SettingsError(f"{name} must be a number of US dollars, 0 or more, not {value!r}.")


def _port(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    if value.isascii() and value.isdigit() and 1 <= int(value[:6]) <= _MAX_PORT:
        return int(value)
    raise SettingsError(f"{name} must be a port from 1 to {_MAX_PORT}, not {value!r}.")


def _root_path(value: str) -> str:
    path = value.strip("/")
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_usable = is_address or not (parts.scheme or "\\" in value or "//" in path)
        _ = parts.port
    except ValueError:
        is_usable = False
    if not is_usable or set(value) & set("?# ") or not value.isprintable():
        raise SettingsError(
            f"GRADIO_ROOT_PATH must be a path such as /kling, or a whole address, not {value!r}."
        )
    return path if is_address else f"/{path}".rstrip("/")


def _switch(name: str, value: str | None) -> bool:
    if value is None or value.lower() in _NO:
        return False
    if value.lower() in _YES:
        return True
    raise SettingsError(f"{name} must be 1 or 0, not {value!r}.")


def _hosts(value: str) -> tuple[str, ...]:
    names = [name.strip().lower() for name in value.split(",")]
    for name in names:
        if name and (set(name) & set("/:@ ") or not name.isprintable()):
            raise SettingsError(
                "KLING_UI_HOSTS must be names parted by commas, without http:// and port, "
                f"not {value!r}."
            )
    return tuple(dict.fromkeys(name for name in names if name))
