"""How a video was made, as its own file tells: what is written into it, and what is taken from it.

Pictures, sounds and videos that were sent are only named by their kind; no key, no owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kling_ui import media
from kling_ui.catalog import MODELS, Media, MediaParam
from kling_ui.ledger import Generation

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecipe:
    """What of a video's recipe can be used here.

    `values` are by parameter, the prompt among them, each one checked. `missing` names the
    parameters whose files were sent and are not in the video, `refused` those that the model
    does not take as they are written.
    """

    model: str
    values: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the recipe in a video, or in its beginning; None where there is none of ours.

        Blocks. The file may be anybody's.
        """
        found = media.read_recipe(path)
        return None if found is None else cls.from_json(found)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self | None:
        """Return what can be used of a recipe; None where the model is not of this catalog."""
        name = found.get("model")
        model = MODELS.get(name) if isinstance(name, str) else None
        given = found.get("parameters")
        if model is None or not isinstance(given, Mapping):
            return None
        values: dict[str, Any] = {}
        missing, refused = [], []
        for key, value in {**given, "prompt": found.get("prompt", "")}.items():
            param = model.param(key)
            if param is not None and isinstance(param, MediaParam):
                missing.append(key)
            elif param is None or param.is_empty(value):
                refused += [] if value in ("", None) else [key]
            else:
                try:
                    values[key] = param.check(value)
                except ValueError:
                    refused.append(key)
        return cls(model=model.id, values=values, missing=tuple(missing), refused=tuple(refused))

    @property
    def payload(self) -> dict[str, Any]:
        """Return the values and the model, as a form is filled with them."""
        return {**self.values, "model": self.model}


def recipe_of(generation: Generation) -> dict[str, Any]:
    """Return what is written into a generation's video."""
    model = MODELS.get(generation.model)
    given = {name: generation.payload[name] for name in generation.payload if name != "model"}
    prompt = given.pop("prompt", "")
    parameters = {
        name: _named_by_kind(param, value)
        for name, value in given.items()
        if model is not None and (param := model.param(name)) is not None
    }
    return {
        "kling_ui": VERSION,
        "model": generation.model,
        "prompt": prompt,
        "parameters": parameters,
        "task_id": generation.task_id,
        "created_at": generation.created_at,
        "simulated": generation.is_simulated,
    }


def _named_by_kind(param: Any, value: Any) -> Any:
    """Return a value as it is, or with a word for its kind in the place of each medium."""
    if not isinstance(param, MediaParam):
        return value
    return _without_media(value, param.media if isinstance(param, Media) else "image")


def _without_media(value: Any, kind: str) -> Any:
    if isinstance(value, str):
        return kind
    if isinstance(value, Mapping):
        return {
            name: _without_media(part, "video" if name == "video_url" else kind)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_without_media(part, kind) for part in value]
    return value
