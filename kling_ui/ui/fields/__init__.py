"""The form's fields: for each kind of parameter the controls that fill it in."""

from kling_ui.ui.fields.composite import (
    brush_fields,
    camera_field,
    elements_field,
    move_field,
    storyboard_field,
)
from kling_ui.ui.fields.field import QUIET, Dress, Field, readable, reading
from kling_ui.ui.fields.media import media_field, pair_field, pictures_field
from kling_ui.ui.fields.plain import (
    flag_field,
    list_field,
    number_field,
    range_field,
    segments_field,
    text_field,
)

__all__ = [
    "QUIET",
    "Dress",
    "Field",
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
