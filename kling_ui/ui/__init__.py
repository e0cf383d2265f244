"""The page and the API: one gr.Blocks derived from the catalog, talking to the service only."""

from kling_ui.ui.gradio_compat import harden, is_logged_in, public_api_names
from kling_ui.ui.http_guard.allowed_routes import allowed_routes
from kling_ui.ui.http_guard.login import password_check
from kling_ui.ui.http_guard.middleware import HttpGuard
from kling_ui.ui.http_guard.same_origin import host_policy, machine_names
from kling_ui.ui.identity import IdentityMiddleware
from kling_ui.ui.media_routes import media_routes
from kling_ui.ui.page import build
from kling_ui.ui.page_version import page_version, with_version
from kling_ui.ui.theme import theme
from kling_ui.ui.watching import MAX_THREADS

__all__ = [
    "MAX_THREADS",
    "HttpGuard",
    "IdentityMiddleware",
    "allowed_routes",
    "build",
    "harden",
    "host_policy",
    "is_logged_in",
    "machine_names",
    "media_routes",
    "page_version",
    "password_check",
    "public_api_names",
    "theme",
    "with_version",
]
