"""Files of ours put where a control shows them: among Gradio's uploads."""

from pathlib import Path
from typing import Any

from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder


def as_uploads(value: Any) -> Any:
    """Return a value with a copy among the uploads in the place of each Path, at any depth.

    A control shows only what lies there, and the page takes only that back. Reads and writes:
    use it from a thread.
    """
    if isinstance(value, Path):
        return Path(save_file_to_cache(value, cache_dir=get_upload_folder()))
    if isinstance(value, dict):
        return {name: as_uploads(part) for name, part in value.items()}
    if isinstance(value, list):
        return [as_uploads(part) for part in value]
    return value
