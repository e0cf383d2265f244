"""Where videos lie below the data folder, and how a fetched file gets there in one step."""

import os
import re
import shutil
from pathlib import Path

from kling_ui import catalog, media
from kling_ui.ledger import Generation

_POSTER = "poster.jpg"


class Files:
    """The videos of a data folder: `videos/ID/NAME.mp4`, its poster, and what is incoming.

    Only `videos/` may be served: whoever knows a generation's id can read its folder.
    Calls block; use them from threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.videos = folder / "videos"
        self._incoming = folder / "incoming"

    def prepare(self) -> None:
        """Make the folders, and remove what a crash left half-written."""
        shutil.rmtree(self._incoming, ignore_errors=True)
        self.videos.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)

    def part(self, generation: Generation) -> Path:
        """Return where a download is written until it is verified."""
        return self._incoming / f"{generation.id}.part"

    def adopt(self, generation: Generation) -> str:
        """Verify the downloaded part and move it into place; return its name below the folder.

        Raises media.BrokenVideoError or OSError; then nothing of it is left in `videos/`.
        """
        part = self.part(generation)
        media.verify(part)
        target = self.videos / generation.id / telling_name(generation)
        target.parent.mkdir(parents=True, exist_ok=True)
        media.save_poster(part, target.with_name(_POSTER))
        _flush(part)
        part.replace(target)
        for folder in (target.parent, self.videos):
            _flush(folder)
        return target.relative_to(self._folder).as_posix()

    def discard(self, generation: Generation) -> None:
        """Remove a download that is of no use."""
        self.part(generation).unlink(missing_ok=True)

    def path(self, generation: Generation) -> Path | None:
        """Return the video on disk, or None where there is none."""
        path = self._folder / generation.video if generation.video else None
        return path if path is not None and path.is_file() else None

    def poster(self, generation: Generation) -> Path | None:
        """Return the video's first picture, or None where there is none."""
        video = self.path(generation)
        poster = video.with_name(_POSTER) if video else None
        return poster if poster is not None and poster.is_file() else None


def telling_name(generation: Generation) -> str:
    """Return the file name a person finds again: model, words of the prompt, a bit of the id."""
    model = catalog.MODELS.get(generation.model)
    title = model.title if model else generation.model
    simulated = "simulated" if generation.is_simulated else ""
    words = " ".join(generation.prompt.split()[:8])
    slugs = [_slug(text) for text in (title, simulated, words[:60], generation.id[:6])]
    return "-".join(slug for slug in slugs if slug) + ".mp4"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _flush(path: Path) -> None:
    """Have what was written to a file, or named in a folder, survive a power cut."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no such thing for folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
