"""Frames and pictures as three planes of samples: how to get at them, and how to mix them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from PIL import Image

Plane = npt.NDArray[Any]
Planes = list[Plane]
"""Y, U and V as YUV 4:2:0 has them, BT.709: the color planes have half the rows and columns."""

WHOLE = 256
"""The cover that hides everything behind it; 0 hides nothing."""


def plane_of(frame: VideoFrame, index: int, dtype: type[np.generic] = np.uint8) -> Plane:
    """Return a plane of `frame` as rows that can be written to."""
    plane = frame.planes[index]
    # A plane is a buffer, though PyAV's hints don't say so.
    samples: Plane = np.frombuffer(plane, dtype)  # type: ignore[call-overload]
    return samples.reshape(plane.height, -1)[:, : plane.width]


def planes_of(frame: VideoFrame) -> Planes:
    """Return the three planes of a YUV 4:2:0 `frame`, writable."""
    return [plane_of(frame, index) for index in range(3)]


def split(picture: Image.Image) -> Planes:
    """Return the planes of an RGB `picture` with even sides."""
    frame: VideoFrame = VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
    return planes_of(frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, threads=1))


def cropped(planes: Planes, left: int, top: int, width: int, height: int) -> Planes:
    """Return a box of `planes` with even edges; writing to it writes to them."""
    y, u, v = planes
    rows, columns = slice(top, top + height), slice(left, left + width)
    half_rows = slice(top // 2, (top + height) // 2)
    half_columns = slice(left // 2, (left + width) // 2)
    return [y[rows, columns], u[half_rows, half_columns], v[half_rows, half_columns]]


def empty(width: int, height: int) -> Planes:
    """Return planes to be painted on."""
    half = (height // 2, width // 2)
    return [np.empty(shape, np.uint8) for shape in ((height, width), half, half)]


def mix(target: Planes, other: Planes, share: float) -> None:
    """Blend `share` (0 to 1) of `other` into `target`, in place."""
    cover = np.uint16(round(share * WHOLE))
    for below, above in zip(target, other, strict=True):
        blend(below, above, cover)


def blend(target: Plane, other: Plane, cover: npt.NDArray[np.uint16] | np.uint16) -> None:
    """Lay `other` over `target` in place; `cover` (0 to 256) says how much of it is seen."""
    mixed = target * (np.uint16(WHOLE) - cover)
    mixed += other * cover
    mixed >>= 8
    target[...] = mixed


def covers(mask: Image.Image) -> list[npt.NDArray[np.uint16]]:
    """Turn an 8-bit `mask` with even sides into the covers of the three planes."""
    half = mask.resize((mask.width // 2, mask.height // 2), Image.Resampling.BOX)
    whole, small = (
        (np.asarray(image).astype(np.uint16) * WHOLE + 127) // 255 for image in (mask, half)
    )
    return [whole, small, small]
