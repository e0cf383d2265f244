"""The form's fields: for each kind of parameter the controls that fill it in.

A new kind is a class in the catalog, a builder here, and its row in BUILDERS.
"""

from collections.abc import Mapping
from functools import partial

from kling_ui.ui.create.fields.camera_fields import camera_field, move_field, preset_field
from kling_ui.ui.create.fields.elements import elements_field
from kling_ui.ui.create.fields.field import Builder
from kling_ui.ui.create.fields.media_fields import media_field, pair_field, pictures_field
from kling_ui.ui.create.fields.painting import brush_field, mask_field
from kling_ui.ui.create.fields.plain import (
    flag_field,
    list_field,
    number_field,
    range_field,
    segments_field,
    text_field,
)
from kling_ui.ui.create.fields.storyboard import storyboard_field

BUILDERS: Mapping[str, Builder] = {
    "Text": text_field,
    "segments": segments_field,
    "range": range_field,
    "list": list_field,
    "Number": number_field,
    "Flag": flag_field,
    "image": partial(media_field, kind="image"),
    "audio": partial(media_field, kind="audio"),
    "video": partial(media_field, kind="video"),
    "Pictures": pictures_field,
    "PictureOrPair": pair_field,
    "Storyboard": storyboard_field,
    "Elements": elements_field,
    "MotionBrush": brush_field,
    "Mask": mask_field,
    "Camera": camera_field,
    "CameraPreset": preset_field,
    "CameraMove": move_field,
}
"""By the kind of a parameter (`kind_of`): who lays out its field."""
