"""The Kling models as data: what each takes, and whether given values may be sent.

The form, the validation, the payload and the API listing all derive from the rows of `MODELS`.
This package knows neither HTTP nor Gradio.
"""

from typing import Any

from kling_ui.catalog.media_input import (
    PictureLimits,
    Taken,
    UnusableMediaError,
    take_audio,
    take_picture,
    take_video,
)
from kling_ui.catalog.model import InvalidValuesError, Model, Task
from kling_ui.catalog.models import MODELS
from kling_ui.catalog.params import (
    AXES,
    AXIS_HELP,
    CAMERA_PRESETS,
    MAX_ELEMENTS,
    MAX_PROMPT,
    MAX_REFERENCES,
    Camera,
    CameraMove,
    Choice,
    Elements,
    Flag,
    Media,
    MotionBrush,
    Number,
    Param,
    PictureOrPair,
    Pictures,
    Storyboard,
    Text,
    said,
)
from kling_ui.catalog.rules import PAIR_SCENES, UNDOCUMENTED, Problem


def find_model(model_id: Any) -> Model:
    """Return the model called `model_id`, or raise InvalidValuesError naming `model`."""
    model = MODELS.get(model_id) if isinstance(model_id, str) else None
    if model is not None:
        return model
    message = f"{said(model_id)} is not a Kling model this app knows; /models lists them."
    raise InvalidValuesError((Problem("model", message),))


__all__ = [
    "AXES",
    "AXIS_HELP",
    "CAMERA_PRESETS",
    "MAX_ELEMENTS",
    "MAX_PROMPT",
    "MAX_REFERENCES",
    "MODELS",
    "PAIR_SCENES",
    "UNDOCUMENTED",
    "Camera",
    "CameraMove",
    "Choice",
    "Elements",
    "Flag",
    "InvalidValuesError",
    "Media",
    "Model",
    "MotionBrush",
    "Number",
    "Param",
    "PictureLimits",
    "PictureOrPair",
    "Pictures",
    "Problem",
    "Storyboard",
    "Taken",
    "Task",
    "Text",
    "UnusableMediaError",
    "find_model",
    "take_audio",
    "take_picture",
    "take_video",
]
