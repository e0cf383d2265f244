"""The one door for what a browser or a program sends: of files only uploads of this app pass.

Gradio checks a file only where its value carries `meta`, and its refusal repeats the server's
path. Every event, its validator included, goes through `Blocks.process_api`, so the check
stands there, whatever the component.
"""

import inspect
import logging
import re
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from kling_ui.catalog import InvalidValuesError, with_leaves
from kling_ui.service import LedgerError
from kling_ui.ui.formatting import NOTHING_SENT, ledger_trouble

LONGEST_PATH = 4096
LONGEST_REFUSAL = 200
UNREADABLE_VALUE = f"A value can't be read. {NOTHING_SENT}"
_REFUSAL = (
    "A file has to be uploaded here first; a path or an address in its place is not taken. "
    f"{NOTHING_SENT}"
)
_PATH = re.compile(r"(?:^|[\s'\"(=])(?:[A-Za-z]:)?[\\/]\S")
_log = logging.getLogger(__name__)


class GuardedBlocks(gr.Blocks):  # type: ignore[misc]  # Gradio leaves it untyped
    """A gr.Blocks that takes files only from its own upload folder, and refuses in words."""

    async def process_api(
        self, block_fn: Any, inputs: list[Any], *arguments: Any, event_data: Any = None, **more: Any
    ) -> dict[str, Any]:
        """Check every file in the inputs and in the event's own data, then run the event.

        What is wrong with a model or the ledger is told in words, where Gradio would say "Error".
        """
        if block_fn.fn is None:  # a step that is the browser's alone
            raise gr.Error(UNREADABLE_VALUE, print_exception=False)
        check_count(block_fn, inputs)
        check_uploads([inputs, getattr(event_data, "_data", None)])
        try:
            answer: dict[str, Any] = await super().process_api(
                block_fn, inputs, *arguments, event_data=event_data, **more
            )
        except InvalidValuesError as exc:
            raise gr.Error(f"{exc} {NOTHING_SENT}", print_exception=False) from exc
        except LedgerError as exc:
            said = ledger_trouble(exc)
            raise gr.Error(said, title="History can't be read", print_exception=False) from exc
        return answer

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], *arguments: Any, **more: Any
    ) -> list[Any]:
        """Read the inputs of an event; say in words where a value is none for its component.

        Gradio would tell nothing but "Error", or repeat the value and all that it could be.
        """
        try:
            read: list[Any] = await super().preprocess_data(block_fn, inputs, *arguments, **more)
        except gr.Error as exc:
            if not exc.print_exception:  # in words already
                raise
            raise _refused(block_fn, exc, in_words(exc.message)) from exc
        except Exception as exc:
            raise _refused(block_fn, exc, UNREADABLE_VALUE) from exc
        return read


def check_count(block_fn: Any, inputs: list[Any]) -> None:
    """Raise gr.Error where a program gives more or fewer values than a call of the API takes.

    Gradio leaves out what is too much, and says nothing of use where one is missing.
    """
    if block_fn.api_visibility == "public" and len(inputs) != len(block_fn.inputs):
        # What Gradio adds itself, the request, comes last.
        names = list(inspect.signature(block_fn.fn).parameters)[: len(block_fn.inputs)]
        taken = ", ".join(names) or "none"
        raise gr.Error(
            f"{len(inputs)} values were given; this call takes {taken}. {NOTHING_SENT}",
            print_exception=False,
        )


def check_uploads(values: Any) -> None:
    """Raise gr.Error where `values` hold, at any depth, a file that was not uploaded here.

    The message is the same for a file that exists and one that does not, and names no path.
    """
    pending = [values]
    while pending:  # no recursion: the depth is a stranger's choice
        value = pending.pop()
        if isinstance(value, dict):
            if value.get("path") and not _is_upload(value["path"]):
                raise gr.Error(_REFUSAL, title="Not an upload", print_exception=False)
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            pending.extend(value)


def as_uploads(value: Any) -> Any:
    """Return a value with a copy among the uploads in the place of each Path, at any depth.

    A control shows only what lies there, and the page takes only that back. Reads and writes:
    use it from a thread.
    """

    def copied(leaf: Any) -> Any:
        is_file = isinstance(leaf, Path)
        return Path(save_file_to_cache(leaf, cache_dir=get_upload_folder())) if is_file else leaf

    return with_leaves(value, copied)


def in_words(refusal: str) -> str:
    """Return a refusal of Gradio's, or our own for one that repeats a path or a large value."""
    is_telling = len(refusal) > LONGEST_REFUSAL or _PATH.search(refusal)
    return UNREADABLE_VALUE if is_telling else refusal


def _refused(block_fn: Any, trouble: Exception, words: str) -> gr.Error:
    name = getattr(block_fn.fn, "__name__", block_fn)
    _log.warning("%s was sent a value that can't be read (%s)", name, type(trouble).__name__)
    return gr.Error(words, print_exception=False)


def _is_upload(path: Any) -> bool:
    if not isinstance(path, str) or len(path) > LONGEST_PATH:
        return False
    try:
        # Only now: what holds no file is read also where the folder was taken away.
        folder = Path(get_upload_folder()).resolve()
        resolved = Path(path).resolve()
        return resolved.is_relative_to(folder) and resolved.is_file()
    except (OSError, ValueError, RuntimeError):
        # A NUL, a name too long for the disk, a loop of links.
        return False
