"""Where videos lie below the data folder, and how a fetched file gets there in one step."""

import logging
import re
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kling_ui import catalog, media
from kling_ui.ledger import Generation, Status
from kling_ui.service import messages
from kling_ui.service.folders import make_private_folder, sync_file, sync_folder
from kling_ui.service.video_recipe import recipe_of

_log = logging.getLogger(__name__)

VIDEO = "video.mp4"
POSTER = "poster.jpg"
"""The names under which a generation's files are asked for."""

_INPUT = "input:"
_INPUT_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVideo:
    """A verified video: its name below the data folder, and what it holds."""

    name: str
    facts: media.VideoFacts


class Files:
    """The videos of a data folder: `videos/ID/NAME.mp4`, its poster, and what is incoming.

    Calls block; use them from threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.videos = folder / "videos"
        self._incoming = folder / "incoming"

    def prepare(self) -> None:
        """Make the folders, and remove what a crash left half-written."""
        shutil.rmtree(self._incoming, ignore_errors=True)
        for folder in (self.videos, self._incoming):
            make_private_folder(folder)

    def part(self, generation: Generation) -> Path:
        """Return where a download is written until it is verified."""
        return self._incoming / f"{generation.id}.part"

    def new_zip(self) -> Path:
        """Return where a zip file is written until it was sent; a start removes what is left."""
        return self._incoming / f"{uuid.uuid4().hex}.zip"

    def adopt(self, generation: Generation) -> SavedVideo:
        """Verify the downloaded part and move it into place.

        Its recipe is written into it, where that leaves the video as it is. Raises
        media.BrokenVideoError or OSError; then nothing of it is left in `videos/`.
        """
        part = self.part(generation)
        facts = media.verify(part)
        target = self.videos / generation.id / telling_name(generation)
        make_private_folder(target.parent)
        media.save_poster(part, target.with_name(POSTER))
        _add_recipe(part, generation)
        sync_file(part)
        part.replace(target)
        for folder in (target.parent, self.videos):
            sync_folder(folder)
        return SavedVideo(name=target.relative_to(self._folder).as_posix(), facts=facts)

    def discard(self, generation: Generation) -> None:
        """Remove a download that is of no use."""
        self.part(generation).unlink(missing_ok=True)

    def remove(self, generation: Generation) -> None:
        """Remove what was made for a generation; raise OSError where that can't be."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.videos / generation.id)

    def path(self, generation: Generation) -> Path | None:
        """Return the video on disk, or None where there is none."""
        path = self._folder / generation.video if generation.video else None
        return path if path is not None and path.is_file() else None

    def is_lost(self, generation: Generation) -> bool:
        """Tell whether a completed video is gone and the provider may have it still."""
        is_fetchable = generation.status is Status.COMPLETED and generation.task_id is not None
        return is_fetchable and self.path(generation) is None

    def as_on_disk(self, generation: Generation) -> Generation:
        """Return a row as the disk has it: a completed video that is gone is to be fetched."""
        return replace(generation, **lost_file()) if self.is_lost(generation) else generation

    def playback(self, generation: Generation) -> media.Playback | None:
        """Return how the video on disk plays, or None where none can be opened."""
        path = self.path(generation)
        try:
            return media.playback(path) if path else None
        except media.BrokenVideoError:
            return None

    def poster(self, generation: Generation) -> Path | None:
        """Return the video's first picture, or None where there is none."""
        video = self.path(generation)
        poster = video.with_name(POSTER) if video else None
        return poster if poster is not None and poster.is_file() else None

    def named(self, generation: Generation, name: str) -> Path | None:
        """Return the file that a generation calls `name`: its video, its poster or an input."""
        if name == VIDEO:
            return self.path(generation)
        if name == POSTER:
            return self.poster(generation)
        if _INPUT_NAME.fullmatch(name) is None:
            return None
        path = self._folder / "inputs" / name
        is_sent = f"{_INPUT}{name}" in catalog.leaves(generation.payload)
        return path if is_sent and path.is_file() else None


def lost_file() -> dict[str, Any]:
    """Return what changes of a completed generation whose file is gone."""
    return {
        "status": Status.SAVING,
        "video": None,
        "finished_at": None,
        "error": messages.FILE_GONE,
    }


def _add_recipe(part: Path, generation: Generation) -> None:
    """Replace a verified video by a copy that holds its recipe; keep it as it came otherwise."""
    copy = part.with_suffix(".copy")
    try:
        media.write_recipe(part, copy, recipe_of(generation))
        copy.replace(part)
    except (ValueError, OSError) as exc:
        # The video is paid for and whole; the recipe is a courtesy.
        _log.warning("generation %s: its recipe is not in the file: %s", generation.id, exc)
    finally:
        copy.unlink(missing_ok=True)


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
