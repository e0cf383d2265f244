"""The motion brush: painted areas of the start image move along their paths, others stay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter, ImageOps

from kling_ui.simulator.films import Film
from kling_ui.simulator.planes import Plane, Planes, blend, covers, split

Point = tuple[float, float]
_OPAQUE = 255
_SOFT = 320
"""The edge of an area is as soft as this part of the frame's longer side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A painted area and its path: points in shares of the picture, y downwards, first to last."""

    mask: Image.Image
    points: tuple[Point, ...]

    def shift(self, share: float) -> Point:
        """Return how far the area has moved after `share` of the time, at an even speed."""
        legs = [math.dist(a, b) for a, b in zip(self.points, self.points[1:], strict=False)]
        left = sum(legs) * min(max(share, 0.0), 1.0)
        (x, y), start = self.points[0], self.points[0]
        for (a, b), leg in zip(zip(self.points, self.points[1:], strict=False), legs, strict=True):
            part = min(left / leg, 1.0) if leg else 1.0
            x, y = a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part
            left -= leg
            if left <= 0:
                break
        return x - start[0], y - start[1]


class Brushed:
    """A picture whose strokes move within `seconds`; what they uncover is filled in."""

    def __init__(
        self,
        picture: Image.Image,
        size: tuple[int, int],
        strokes: Sequence[Stroke],
        seconds: float,
    ) -> None:
        self._seconds = seconds
        self._size = size
        fitted = ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
        masks = [soft_mask(stroke.mask, size) for stroke in strokes]
        together = Image.new("L", size)
        for mask in masks:
            together = ImageChops.lighter(together, mask)
        self._ground = split(filled_in(fitted, together))
        source = split(fitted)
        self._pieces = [
            (stroke, piece)
            for stroke, mask in zip(strokes, masks, strict=True)
            if (piece := _Piece.cut(source, mask))
        ]

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint the ground and the pieces where they are now."""
        for plane, ground in zip(planes, self._ground, strict=True):
            plane[...] = ground
        # The path is done a little before the end, so that one sees where it ends.
        share = seconds / (self._seconds * 0.94)
        for stroke, piece in self._pieces:
            x, y = stroke.shift(share)
            piece.put_on(planes, x * self._size[0], y * self._size[1])


class Frozen:
    """Another film in which the masked area of a picture stays as it is."""

    def __init__(
        self, film: Film, picture: Image.Image, size: tuple[int, int], mask: Image.Image
    ) -> None:
        self._film = film
        fitted = ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
        self._piece = _Piece.cut(split(fitted), soft_mask(mask, size))

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint the film, and what stays over it."""
        self._film.paint(planes, seconds)
        if self._piece:
            self._piece.put_on(planes, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Part of a picture with a soft edge, cut out at `left` and `top` (even)."""

    left: int
    top: int
    planes: Planes
    covers: list[npt.NDArray[np.uint16]]

    @classmethod
    def cut(cls, source: Planes, mask: Image.Image) -> "_Piece | None":
        box = mask.getbbox()
        if box is None:
            return None
        left, top = box[0] // 2 * 2, box[1] // 2 * 2
        right, bottom = -(-box[2] // 2) * 2, -(-box[3] // 2) * 2
        cut = covers(mask.crop((left, top, right, bottom)))
        planes = []
        for index, plane in enumerate(source):
            by = 2 if index else 1
            planes.append(plane[top // by : bottom // by, left // by : right // by])
        return cls(left=left, top=top, planes=planes, covers=cut)

    def put_on(self, planes: Planes, x: float, y: float) -> None:
        """Blend into the planes, moved by `x` and `y` pixels; what is outside is cut off."""
        left, top = self.left + round(x), self.top + round(y)
        for index, (target, source, cover) in enumerate(
            zip(planes, self.planes, self.covers, strict=True)
        ):
            by = 2 if index else 1
            _put(target, source, cover, left // by, top // by)


def soft_mask(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a mask of `size` in 8 bits: what is opaque, or else what is bright, is masked."""
    rgba = mask.convert("RGBA")
    alpha = rgba.getchannel("A")
    is_cut_out = alpha.point([1] * _OPAQUE + [0]).getbbox() is not None
    flat = alpha if is_cut_out else rgba.convert("L")
    hard = ImageOps.fit(flat, size, Image.Resampling.BILINEAR).point([0] * 128 + [_OPAQUE] * 128)
    return hard.filter(ImageFilter.GaussianBlur(max(size) / _SOFT))


def _put(target: Plane, source: Plane, cover: npt.NDArray[np.uint16], left: int, top: int) -> None:
    height, width = source.shape
    from_x, from_y = max(0, -left), max(0, -top)
    to_x, to_y = min(width, target.shape[1] - left), min(height, target.shape[0] - top)
    if from_x >= to_x or from_y >= to_y:
        return
    inner = (slice(from_y, to_y), slice(from_x, to_x))
    outer = (slice(top + from_y, top + to_y), slice(left + from_x, left + to_x))
    blend(target[outer], source[inner], cover[inner])


def without(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """Return `picture` with the masked area filled in."""
    return filled_in(picture, soft_mask(mask, picture.size))


def filled_in(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """Fill what an 8-bit `mask` of the same size covers with what surrounds it, blurred."""
    small = (max(2, picture.width // 8), max(2, picture.height // 8))
    wider = mask.filter(ImageFilter.MaxFilter(5))
    shown = np.asarray(ImageOps.invert(wider).resize(small)).astype(np.float32)[
        ..., None
    ] / np.float32(255)
    colors = np.asarray(picture.resize(small)).astype(np.float32)
    filled, known = colors * shown, shown
    for radius in (2, 5, 12, 30):
        near, weight = _blurred(colors * shown, radius), _blurred(shown, radius)
        guess = near / np.maximum(weight, 1e-3)
        is_missing = (known < 0.5) & (weight > 0.05)  # noqa: PLR2004  enough of it is seen there
        filled = np.where(is_missing, guess, filled)
        known = np.where(is_missing, 1.0, known)
    patch = Image.fromarray(np.clip(filled, 0, 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(1.5)
    )
    whole = picture.copy()
    whole.paste(patch.resize(picture.size, Image.Resampling.BICUBIC), mask=wider)
    return whole


def _blurred(field: npt.NDArray[np.float32], radius: int) -> npt.NDArray[np.float32]:
    """Return the mean of the square around each place."""
    for axis in (0, 1):
        edges = [(radius + 1, radius) if axis == side else (0, 0) for side in range(field.ndim)]
        sums = np.pad(field, edges, mode="edge").cumsum(axis=axis)
        width = 2 * radius + 1
        ends = [slice(width, None) if axis == side else slice(None) for side in range(field.ndim)]
        starts = [
            slice(None, -width) if axis == side else slice(None) for side in range(field.ndim)
        ]
        field = (sums[tuple(ends)] - sums[tuple(starts)]) / np.float32(width)
    return field
