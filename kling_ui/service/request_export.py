"""A generation's request, to be sent once more: what the form and programs start from again."""

import json
from dataclasses import dataclass
from typing import Any

from kling_ui import catalog
from kling_ui.ledger import Generation
from kling_ui.service.files import Files

_ABRIDGED = "characters, sha256 "
"""What ledgers of version 1 wrote in the place of a file's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExport:
    """What was sent, ready to be prepared again; inputs are `input:SHA256.ext`.

    `missing` names the parameters whose files are gone; they are not among `parameters`.
    """

    model: str
    prompt: str
    parameters: dict[str, Any]
    missing: tuple[str, ...]

    @property
    def values(self) -> dict[str, Any]:
        """Return every value by its name, the prompt among them, as `prepare` takes them."""
        return {**self.parameters, **({"prompt": self.prompt} if self.prompt else {})}

    @property
    def payload(self) -> dict[str, Any]:
        """Return the values and the model, as a row has them."""
        return {"model": self.model, **self.values}

    def to_json(self) -> dict[str, Any]:
        """Return what `/request` answers."""
        return {"model": self.model, "prompt": self.prompt, "parameters": self.parameters}


def export_request(generation: Generation, files: Files, *, is_owned: bool = True) -> RequestExport:
    """Return the request of a generation as far as it can be repeated.

    Not `is_owned`: whoever asks may not use its inputs, so they count as missing. Looks at the
    disk: use it from a thread.
    """
    given = {name: value for name, value in generation.payload.items() if name != "model"}
    prompt = given.pop("prompt", "")
    missing = tuple(
        name
        for name, value in given.items()
        if _is_gone(generation, files, name, value, is_owned=is_owned)
    )
    return RequestExport(
        model=generation.model,
        prompt=prompt if isinstance(prompt, str) else "",
        parameters={name: value for name, value in given.items() if name not in missing},
        missing=missing,
    )


def _is_gone(
    generation: Generation, files: Files, name: str, value: Any, *, is_owned: bool
) -> bool:
    if not generation.is_repeatable and _ABRIDGED in json.dumps(value):
        return True
    return any(
        not is_owned or files.named(generation, reference.removeprefix("input:")) is None
        for reference in catalog.references({"model": generation.model, name: value})
    )
