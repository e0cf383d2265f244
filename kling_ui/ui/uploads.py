"""The one door for files in what a browser or a program sends: only uploads of this app pass.

Gradio checks a file only where its value carries `meta`, and its refusal repeats the server's
path. Every event, its validator included, goes through `Blocks.process_api`, so the check
stands there, whatever the component.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

LONGEST_PATH = 4096
_REFUSAL = (
    "A file has to be uploaded here first; a path or an address in its place is not taken. "
    "Nothing was sent, nothing was spent."
)


class GuardedBlocks(gr.Blocks):  # type: ignore[misc]  # Gradio leaves it untyped
    """A gr.Blocks that takes files only from its own upload folder."""

    async def process_api(
        self, block_fn: Any, inputs: list[Any], *arguments: Any, event_data: Any = None, **more: Any
    ) -> dict[str, Any]:
        """Check every file in the inputs and in the event's own data, then run the event."""
        check_uploads([inputs, getattr(event_data, "_data", None)])
        answer: dict[str, Any] = await super().process_api(
            block_fn, inputs, *arguments, event_data=event_data, **more
        )
        return answer


def check_uploads(values: Any) -> None:
    """Raise gr.Error where `values` hold, at any depth, a file that was not uploaded here.

    The message is the same for a file that exists and one that does not, and names no path.
    """
    folder = Path(get_upload_folder()).resolve()
    pending = [values]
    while pending:  # no recursion: the depth is a stranger's choice
        value = pending.pop()
        if isinstance(value, dict):
            if value.get("path") and not _is_upload(value["path"], folder):
                raise gr.Error(_REFUSAL, title="Not an upload", print_exception=False)
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            pending.extend(value)


def _is_upload(path: Any, folder: Path) -> bool:
    if not isinstance(path, str) or len(path) > LONGEST_PATH:
        return False
    try:
        resolved = Path(path).resolve()
        return resolved.is_relative_to(folder) and resolved.is_file()
    except (OSError, ValueError, RuntimeError):
        # A NUL, a name too long for the disk, a loop of links.
        return False
