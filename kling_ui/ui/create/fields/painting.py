"""The motion brush in the form: what is painted on the start image fills two parameters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from kling_ui.catalog import MEDIA_TYPES, Param, data_uri
from kling_ui.ui.create import brush
from kling_ui.ui.create.fields.field import Built, Field, Look, Updates
from kling_ui.ui.event_options import QUIET

PICTURE = "image_url"
MASKS, STILL = "dynamic_masks", "static_mask"
_SHARED = "brush"

MAX_MASK_BYTES = 1_000_000
"""A larger mask is not shown again; painted ones have some ten thousand bytes."""


def brush_field(name: str, built: Built) -> Field:
    """Lay out what moves, and along which path."""
    return _field(name, "MotionBrush", built, lambda painting: painting.dynamic_masks or None)


def mask_field(name: str, built: Built) -> Field:
    """Lay out what stays still: one more area of the same painting."""
    return _field(name, "Mask", built, lambda painting: painting.static_mask)


def _field(name: str, kind: str, built: Built, part: Any) -> Field:
    frame, canvas, picture = built.shared.get(_SHARED) or _lay_out(built)

    def read(_param: Param, raw: Sequence[Any], look: Look) -> Any:
        return part(painting_to_send(raw, look))

    def is_painted(raw: Sequence[Any]) -> bool:
        try:
            return part(_painted(raw)) is not None
        except ValueError:
            return True

    def updates(_param: Param, _value: Any) -> Updates:
        return {frame: {"visible": True}}

    return Field(
        name=name,
        kind=kind,
        frame=frame,
        inputs=(canvas, picture),
        read=read,
        fill=lambda _value: [None],
        fill_from=_raw,
        emptied=lambda raw: [brush.without(raw[0], still=name == STILL)],
        updates=updates,
        is_filled=is_painted,
    )


def _lay_out(built: Built) -> tuple[Any, Any, Any]:
    picture = built.control_of(PICTURE, "image")
    with gr.Column(elem_classes=["k-media", "k-only-dynamic_masks"]) as frame:
        canvas = brush.motion_brush()
    # Also when it comes into view: what was told to it before may be lost.
    for seen in (picture.change, built.shown_model.change, built.shared["control"].change):
        seen(lambda path: brush.with_picture(_address(path)), [picture], [canvas], **QUIET)
    built.shared[_SHARED] = frame, canvas, picture
    return frame, canvas, picture


def painting_to_send(raw: Sequence[Any], look: Look) -> brush.Painting:
    """Return what was painted in pixels of the picture that is sent.

    `raw` holds the brush's raw value and the path of the uploaded picture. Raises ValueError
    where an area is only half done.
    """
    painting = _painted(raw)
    if painting == brush.Painting():
        return painting
    kept = look(raw[1])
    if kept is None or kept.size is None or kept.shown_size is None:
        return painting  # told of at the picture's own field
    return painting.scaled(kept.shown_size, kept.size)


def not_paintable(values: Mapping[str, Any]) -> list[str]:
    """Return which painted parameters among a request's values can't be shown again whole.

    `values` are as `fill_from` takes them. Only what is here as a file can be: neither a start
    image nor a mask that was given as a link.
    """
    masks = {
        MASKS: [each.get("mask") for each in values.get(MASKS, [])],
        STILL: [values[STILL]] if STILL in values else [],
    }
    has_picture = isinstance(values.get(PICTURE), Path)
    return [
        name
        for name, given in masks.items()
        if given and not (has_picture and all(map(_is_shown, given)))
    ]


def _raw(values: Mapping[str, Any]) -> Sequence[Any]:
    """Return the raw value of the brush that means a request's values, its files as Paths.

    Reads the masks' files: use it from a thread.
    """
    picture = values.get(PICTURE)
    if not isinstance(picture, Path):
        return [None]
    areas = [{**each, "mask": _uri(each.get("mask"))} for each in values.get(MASKS, [])]
    painting = brush.Painting(_uri(values.get(STILL)), areas)
    return [brush.raw_value(painting, picture=_address(str(picture)))]


def _is_shown(mask: Any) -> bool:
    return isinstance(mask, Path) and mask.stat().st_size <= MAX_MASK_BYTES


def _uri(mask: Any) -> str | None:
    return data_uri(MEDIA_TYPES[mask.suffix[1:]], mask.read_bytes()) if _is_shown(mask) else None


def _painted(raw: Sequence[Any]) -> brush.Painting:
    return brush.read(raw[0], picture=_address(raw[1]))


def _address(path: str | None) -> str:
    return f"/gradio_api/file={path}" if path else ""
