"""A set as one zip file: its videos as they are, and a table of settings and prices."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kling_ui.ledger import Generation
from kling_ui.service.files import Files, telling_name
from kling_ui.service.video_recipe import recipe_of

TABLE = "settings.csv"

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With what a spreadsheet's formula begins, also after what it skips."""


def write_zip(path: Path, generations: Sequence[Generation], files: Files) -> None:
    """Write the zip file at once or not at all; blocks, raises OSError.

    What is not there yet has a row without a file. Pictures, sounds and videos that were sent are
    only named by their kind.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            names = [_add(archive, number, each, files) for number, each in _numbered(generations)]
            archive.writestr(TABLE, _table(generations, names))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _numbered(generations: Sequence[Generation]) -> Iterator[tuple[str, Generation]]:
    width = len(str(len(generations)))
    for number, generation in enumerate(generations, start=1):
        yield f"{number:0{width}}", generation


def _add(archive: zipfile.ZipFile, number: str, generation: Generation, files: Files) -> str:
    """Add a generation's video; return its name in the archive, "" where there is none."""
    video = files.path(generation)
    if video is None:
        return ""
    name = f"{number}-{telling_name(generation)}"
    with suppress(FileNotFoundError):  # deleted at this very moment
        archive.write(video, name)
        return name
    return ""


def _table(generations: Sequence[Generation], names: Sequence[str]) -> bytes:
    """Return the table as CSV; the mark at its beginning tells Excel that it is UTF-8."""
    rows = [_row(generation, name) for generation, name in zip(generations, names, strict=True)]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_cell(column) for column in columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _row(generation: Generation, name: str) -> dict[str, Any]:
    recipe = recipe_of(generation)
    return {
        "file": name,
        "id": generation.id,
        "task_id": generation.task_id,
        "model": generation.model,
        "status": generation.status.value,
        "simulated": generation.is_simulated,
        "created_at": generation.created_at,
        "finished_at": generation.finished_at,
        "usd_confirmed": generation.usd_confirmed,
        "usd_spent": generation.usd_spent,
        "prompt": recipe["prompt"],
        **{f"parameter {name}": value for name, value in recipe["parameters"].items()},
    }


def _cell(value: Any) -> str:
    """Return a value as text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text
