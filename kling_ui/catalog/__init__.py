"""The Kling models as data: what each takes, and whether given values may be sent.

The form, the validation, the payload and the API listing all derive from the rows of `MODELS`.
This package knows neither HTTP nor Gradio.
"""

from kling_ui.catalog.inputs import Inputs, MissingInputError, is_reference
from kling_ui.catalog.media_input import (
    PictureLimits,
    Taken,
    UnusableMediaError,
    resized_mask,
    take_audio,
    take_picture,
    take_video,
)
from kling_ui.catalog.model import InvalidValuesError, Model, PrintedWait, Task
from kling_ui.catalog.models import MODELS
from kling_ui.catalog.output_length import SecondsRange, output_seconds
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
)
from kling_ui.catalog.request import Request, body, find_model, prepare, references
from kling_ui.catalog.rules import NOTED, PAIR_SCENES, Problem

__all__ = [
    "AXES",
    "AXIS_HELP",
    "CAMERA_PRESETS",
    "MAX_ELEMENTS",
    "MAX_PROMPT",
    "MAX_REFERENCES",
    "MODELS",
    "NOTED",
    "PAIR_SCENES",
    "Camera",
    "CameraMove",
    "Choice",
    "Elements",
    "Flag",
    "Inputs",
    "InvalidValuesError",
    "Media",
    "MissingInputError",
    "Model",
    "MotionBrush",
    "Number",
    "Param",
    "PictureLimits",
    "PictureOrPair",
    "Pictures",
    "PrintedWait",
    "Problem",
    "Request",
    "SecondsRange",
    "Storyboard",
    "Taken",
    "Task",
    "Text",
    "UnusableMediaError",
    "body",
    "find_model",
    "is_reference",
    "output_seconds",
    "prepare",
    "references",
    "resized_mask",
    "take_audio",
    "take_picture",
    "take_video",
]
