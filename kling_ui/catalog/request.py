"""A request that was checked once and holds all that is needed to send it, at any time.

Its media lie among the inputs and are named in the payload; links stay links.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kling_ui.catalog.inputs import Inputs, MissingInputError, is_reference
from kling_ui.catalog.media_input.kinds import (
    Kind,
    PictureLimits,
    Taken,
    UnusableMediaError,
    data_uri,
    uri_bytes,
)
from kling_ui.catalog.media_input.pictures import take_picture
from kling_ui.catalog.media_input.recordings import seconds_of, take_audio, take_video
from kling_ui.catalog.media_input.values import canonical_type, check_media
from kling_ui.catalog.model import InvalidValuesError, Model
from kling_ui.catalog.models import MODELS
from kling_ui.catalog.nested import leaves, with_leaves
from kling_ui.catalog.params import MediaParam
from kling_ui.catalog.rules import Problem
from kling_ui.catalog.value_checks import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent to which model; media are links or `input:SHA256.ext`.

    `payload` is JSON and holds `model` as well: the body of the POST but for the inputs.
    """

    model: Model
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUpload:
    """An uploaded file that is now an input, and what was mended of it, in people's words.

    Of a picture also its `size` in px and the one it was shown in before it was mended; of
    sounds and videos their `seconds`, where they can be measured.
    """

    reference: str
    notes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    shown_size: tuple[int, int] | None = None
    seconds: float | None = None


def keep(path: Path, kind: Kind, limits: PictureLimits | None, inputs: Inputs) -> KeptUpload:
    """Check and mend an uploaded file and store it; a later `prepare` won't check it again.

    Raises UnusableMediaError. Decodes and writes: use it from a thread.
    """
    taken = _from_file(path, kind, limits)
    reference = inputs.keep(uri_bytes(taken.uri), canonical_type(taken.uri, kind))
    inputs.note_checked(reference, (kind, limits))
    return KeptUpload(
        reference=reference,
        notes=taken.notes,
        size=taken.size,
        shown_size=taken.shown_size,
        seconds=None if kind == "image" else seconds_of(inputs.path(reference)),
    )


def keep_given(value: object, kind: Kind, limits: PictureLimits | None, inputs: Inputs) -> str:
    """Check a link or a data URI; return the link, or the reference to what was stored of it.

    Raises UnusableMediaError.
    """
    checked = check_media(value, kind, limits)
    if checked[:5].lower() != "data:":
        return checked
    return inputs.keep(uri_bytes(checked), canonical_type(checked, kind))


def find_model(model_id: Any) -> Model:
    """Return the model called `model_id`, or raise InvalidValuesError naming `model`."""
    model = MODELS.get(model_id) if isinstance(model_id, str) else None
    if model is not None:
        return model
    message = f"{said(model_id)} is not a Kling model this app knows; /models lists them."
    raise InvalidValuesError((Problem("model", message),))


def prepare(model_id: Any, values: Mapping[str, Any], inputs: Inputs) -> Request:
    """Check `values` (parameter name → value) and store their media.

    A medium may be a link, a data URI, `input:SHA256.ext`, or the Path of an uploaded file; only
    such a file is mended. Raises InvalidValuesError with every problem at once; media that were
    right by themselves may have been stored by then. Decodes and writes: use it from a thread.
    """
    model = find_model(model_id)
    payload = model.payload(values, partial(_taken, inputs=inputs), inputs.look_at)
    return Request(model=model, payload=payload)


def body(payload: Mapping[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Return the payload as it is POSTed, each input as a data URI.

    Raises MissingInputError where an input is gone.
    """

    def sent(value: Any) -> Any:
        if is_reference(value):
            return data_uri(inputs.media_type(value), inputs.path(value).read_bytes())
        return value

    words = _words(payload)
    return {
        name: value if name in words else with_leaves(value, sent)
        for name, value in payload.items()
    }


def references(payload: Mapping[str, Any]) -> set[str]:
    """Return the inputs that a payload refers to."""
    words = _words(payload)
    media = [value for name, value in payload.items() if name not in words]
    return {value for value in leaves(media) if is_reference(value)}


def _taken(value: object, kind: Kind, limits: PictureLimits | None, inputs: Inputs) -> str:
    """Return a link as it is, anything else as the reference to what was stored."""
    if isinstance(value, Path):
        return keep(value, kind, limits, inputs).reference
    if isinstance(value, str) and is_reference(value):
        return _taken_again(value, kind, limits, inputs)
    return keep_given(value, kind, limits, inputs)


def _taken_again(reference: str, kind: Kind, limits: PictureLimits | None, inputs: Inputs) -> str:
    # Models differ in what they take, so it is looked into for this one too.
    try:
        inputs.touch(reference)
        if not inputs.is_checked(reference, (kind, limits)):
            data = inputs.path(reference).read_bytes()
            check_media(data_uri(inputs.media_type(reference), data), kind, limits)
            inputs.note_checked(reference, (kind, limits))
    except (MissingInputError, OSError) as exc:
        raise UnusableMediaError(
            "This input is not here any more. Choose the file once more."
        ) from exc
    return reference


def _from_file(path: Path, kind: Kind, limits: PictureLimits | None) -> Taken:
    if kind == "image":
        return take_picture(path, limits or PictureLimits())
    return (take_audio if kind == "audio" else take_video)(path)


def _words(payload: Mapping[str, Any]) -> set[str]:
    """Return the names of the parameters that hold no media: a prompt may say anything."""
    model = MODELS.get(payload.get("model", ""))
    params = model.params if model else ()
    return {"model"} | {param.name for param in params if not isinstance(param, MediaParam)}
