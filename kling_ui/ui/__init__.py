"""The page and the API: one gr.Blocks derived from the catalog, talking to the service only."""

from kling_ui.ui.guard import Guard
from kling_ui.ui.page import build
from kling_ui.ui.sessions import Sessions
from kling_ui.ui.theme import look

__all__ = ["Guard", "Sessions", "build", "look"]
