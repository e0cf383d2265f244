"""What stands before Gradio's own routes: who may ask for what, from where, how much of it."""

from kling_ui.ui.http_guard.allowed_routes import allowed_routes
from kling_ui.ui.http_guard.login import password_check
from kling_ui.ui.http_guard.middleware import HttpGuard
from kling_ui.ui.http_guard.same_origin import host_policy, machine_names

__all__ = [
    "HttpGuard",
    "allowed_routes",
    "host_policy",
    "machine_names",
    "password_check",
]
