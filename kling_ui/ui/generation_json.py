"""A generation as programs see it: every answer of the API is made here, field by field."""

from typing import Any

from kling_ui.service import Generation, GenerationError
from kling_ui.ui.media_routes import poster_url, video_url


def generation_json(generation: Generation) -> dict[str, Any]:
    """Return what anyone who has the id may see; a new field of the row is not among it.

    `video` and `poster` are URL paths from the app's root, or None. Times are UTC, ISO 8601.
    """
    return {
        "id": generation.id,
        "task_id": generation.task_id,
        "model": generation.model,
        "prompt": generation.prompt,
        "payload": generation.payload,
        "status": generation.status.value,
        "created_at": generation.created_at,
        "updated_at": generation.updated_at,
        "finished_at": generation.finished_at,
        "video": video_url(generation),
        "poster": poster_url(generation),
        "usd_spent": generation.usd_spent,
        "credits_used": generation.credits_used,
        "simulated": generation.is_simulated,
        "starred": generation.is_starred,
        "set": generation.set_id,
        "error": _error_json(generation.error),
    }


def _error_json(error: GenerationError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"kind": error.kind, "message": error.message, "field": error.field}
