"""Pictures, sounds and videos on their way to the provider: checked, mended, made a data URI.

Mended is only what can be mended honestly, and each time it is said. Fetching a URL, sending
and asking the person stay with others; sounds and videos are never transcoded.
"""

from kling_ui.catalog.media_input.kinds import (
    PictureLimits,
    Taken,
    UnusableMediaError,
    data_uri,
)
from kling_ui.catalog.media_input.pictures import (
    resized_mask,
    size_of,
    take_picture,
)
from kling_ui.catalog.media_input.recordings import seconds_of, take_audio, take_video
from kling_ui.catalog.media_input.values import check_media

__all__ = [
    "PictureLimits",
    "Taken",
    "UnusableMediaError",
    "check_media",
    "data_uri",
    "resized_mask",
    "seconds_of",
    "size_of",
    "take_audio",
    "take_picture",
    "take_video",
]
