"""The form's fields: for each kind of parameter the controls that fill it in."""

from kling_ui.ui.create.fields.composite import (
    brush_fields,
    camera_field,
    elements_field,
    move_field,
    storyboard_field,
)
from kling_ui.ui.create.fields.field import QUIET, Field, Updates, readable, reading
from kling_ui.ui.create.fields.media import ServedVideo, media_field, pair_field, pictures_field
from kling_ui.ui.create.fields.plain import (
    flag_field,
    list_field,
    number_field,
    range_field,
    segments_field,
    text_field,
)

__all__ = [
    "QUIET",
    "Field",
    "ServedVideo",
    "Updates",
    "brush_fields",
    "camera_field",
    "elements_field",
    "flag_field",
    "list_field",
    "media_field",
    "move_field",
    "number_field",
    "pair_field",
    "pictures_field",
    "range_field",
    "readable",
    "reading",
    "segments_field",
    "storyboard_field",
    "text_field",
]
