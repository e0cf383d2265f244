"""Goes on from a picture of a finished video: which model, and the picture as its start image."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any, Literal

from kling_ui import catalog, media
from kling_ui.catalog import MODELS, Model, Task
from kling_ui.ledger import Generation
from kling_ui.service.service import Service

At = float | Literal["first", "last"]
"""Which picture of a video: a second of it, or one of its ends."""

_IMAGE = "image_url"
_ANY_PROMPT = "Go on"


class CannotContinueError(Exception):
    """There is no picture to go on from; the message says why."""


async def continued(
    service: Service, generation: Generation, *, at: At, owner: str | None
) -> dict[str, Any]:
    """Return the payload of a request that begins with a picture of a video, without a prompt.

    The picture is kept, in full size, as an input of `owner`. Raises CannotContinueError.
    """
    video = await asyncio.to_thread(service.files.path, generation)
    if video is None:
        raise CannotContinueError("This video's file is not here.")
    model = next_model(generation.model)
    with tempfile.TemporaryDirectory(prefix="kling-ui-frame-") as folder:
        frame = Path(folder) / "frame.png"
        try:
            await asyncio.to_thread(media.save_frame, video, frame, at=at)
            # Checked with some prompt: the one to come is not written yet.
            values = {_IMAGE: frame, "prompt": generation.prompt or _ANY_PROMPT}
            request = await service.prepare(model.id, values, owner=owner)
        except media.BrokenVideoError as exc:
            raise CannotContinueError(str(exc)) from exc
        except catalog.InvalidValuesError as exc:
            raise CannotContinueError(f"{model.title} can't begin with it: {exc}") from exc
    await service.note_frame(request.payload[_IMAGE], of=generation.id, owner=owner)
    return {"model": model.id, _IMAGE: request.payload[_IMAGE], "prompt": ""}


def next_model(model_id: str) -> Model:
    """Return the image-to-video model that is most like the one called `model_id`."""
    shown = MODELS.get(model_id)
    candidates = [model for model in MODELS.values() if model.task is Task.IMAGE]
    if shown is None:
        return max(candidates, key=_number)
    return max(
        candidates,
        key=lambda model: (
            model.version == shown.version and model.tier == shown.tier,
            model.version == shown.version,
            -abs(_number(model) - _number(shown)),
            model.tier == shown.tier,
        ),
    )


def _number(model: Model) -> float:
    first = model.version.split()[0]
    return float(first) if first.replace(".", "", 1).isdigit() else 0.0
