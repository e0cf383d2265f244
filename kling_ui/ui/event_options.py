"""How events of the page run: what Gradio is told beside a handler, its inputs and outputs."""

from typing import Any

from kling_ui.ui.watching import IN_TURN, SUBMITTING, WATCHING

_OF_THE_PAGE: dict[str, Any] = {
    "show_progress": "hidden",
    "show_progress_on": [],
    "api_visibility": "private",
}
"""Without Gradio's own progress, and not in the API.

Hidden alone, the page would still keep it for every output that any event ever had, and write all
of it anew at each step of each event: a tenth of a second each time with a form of this size.
"""

QUIET: dict[str, Any] = {**_OF_THE_PAGE, "queue": False, "trigger_mode": "always_last"}
"""Short events, at once.

What changes while an answer is awaited is told once more: Gradio would drop it otherwise, and
the page would show an answer to what stood there before.
"""

QUEUED: dict[str, Any] = {**QUIET, **IN_TURN, "queue": True}
"""Short events that must not overtake what is painted meanwhile, or that warn.

Answers of queued events reach a page in one stream; and Gradio shows their warnings only.
"""

AT_ONCE: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
"""Questions of a script: two at once are two answers."""

SENDING: dict[str, Any] = {**_OF_THE_PAGE, **SUBMITTING, "trigger_mode": "multiple"}
"""Events that submit; their handlers know the second click of a double click."""

FOLLOWING: dict[str, Any] = {**_OF_THE_PAGE, **WATCHING, "trigger_mode": "multiple"}
"""Events that paint a generation until it rests."""
