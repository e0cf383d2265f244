"""The Kling models as data: what each takes, and whether given values may be sent.

The form, the validation, the payload and the API listing all derive from the rows of `MODELS`.
This package knows neither HTTP nor Gradio.
"""

from kling_ui.catalog.camera_params import AXES, AXIS_HELP, CAMERA_PRESETS
from kling_ui.catalog.inputs import MEDIA_TYPES, Inputs, MissingInputError, is_reference
from kling_ui.catalog.media_input.kinds import PictureLimits, UnusableMediaError, data_uri
from kling_ui.catalog.media_input.pictures import resized_mask, size_of
from kling_ui.catalog.media_input.recordings import seconds_of
from kling_ui.catalog.model import InvalidValuesError, Model, Task
from kling_ui.catalog.models import MODELS
from kling_ui.catalog.nested import LEFT_OUT, leaves, with_leaves
from kling_ui.catalog.output_length import SecondsRange, output_seconds
from kling_ui.catalog.params import (
    MAX_ELEMENTS,
    MAX_REFERENCES,
    Choice,
    Elements,
    Flag,
    Media,
    MediaParam,
    Number,
    Param,
    Pictures,
    Section,
    Storyboard,
    Text,
)
from kling_ui.catalog.request import (
    KeptUpload,
    Request,
    body,
    find_model,
    keep,
    keep_given,
    prepare,
    references,
)
from kling_ui.catalog.rules import NOTED, PAIR_SCENES, Problem

__all__ = [
    "AXES",
    "AXIS_HELP",
    "CAMERA_PRESETS",
    "LEFT_OUT",
    "MAX_ELEMENTS",
    "MAX_REFERENCES",
    "MEDIA_TYPES",
    "MODELS",
    "NOTED",
    "PAIR_SCENES",
    "Choice",
    "Elements",
    "Flag",
    "Inputs",
    "InvalidValuesError",
    "KeptUpload",
    "Media",
    "MediaParam",
    "MissingInputError",
    "Model",
    "Number",
    "Param",
    "PictureLimits",
    "Pictures",
    "Problem",
    "Request",
    "SecondsRange",
    "Section",
    "Storyboard",
    "Task",
    "Text",
    "UnusableMediaError",
    "body",
    "data_uri",
    "find_model",
    "is_reference",
    "keep",
    "keep_given",
    "leaves",
    "output_seconds",
    "prepare",
    "references",
    "resized_mask",
    "seconds_of",
    "size_of",
    "with_leaves",
]
