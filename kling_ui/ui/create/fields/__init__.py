"""The form's fields: for each kind of parameter the controls that fill it in.

A new kind is a class in the catalog, a builder here, and its row in BUILDERS.
"""

from collections.abc import Mapping

from kling_ui.ui.create.fields.camera import camera_field, move_field, preset_field
from kling_ui.ui.create.fields.elements import elements_field
from kling_ui.ui.create.fields.field import (
    Builder,
    Built,
    Field,
    Updates,
    kind_of,
)
from kling_ui.ui.create.fields.media import (
    LATE,
    ServedVideo,
    audio_field,
    image_field,
    limits_of,
    pair_field,
    pictures_field,
    video_field,
)
from kling_ui.ui.create.fields.painting import brush_field, mask_field, not_paintable
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
    "image": image_field,
    "audio": audio_field,
    "video": video_field,
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

__all__ = [
    "BUILDERS",
    "LATE",
    "Built",
    "Field",
    "ServedVideo",
    "Updates",
    "kind_of",
    "limits_of",
    "not_paintable",
]
