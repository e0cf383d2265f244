"""What lies over the moving picture: still words and frames, and the line that fills up."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from kling_ui.simulator.lettering import Layout
from kling_ui.simulator.light import yuv
from kling_ui.simulator.planes import Planes

Ink = npt.NDArray[np.float32]
Box = tuple[slice, slice]


class Overlay:
    """A still RGBA picture, laid over frames where it is not clear."""

    def __init__(self, picture: Image.Image) -> None:
        rgba = np.asarray(picture)
        self._patches = [
            _Patch(index, box, rgba) for box in _boxes(rgba[..., 3] > 0) for index in range(3)
        ]

    def put_on(self, planes: Planes) -> None:
        """Blend into the planes in place."""
        for patch in self._patches:
            patch.put_on(planes)


class _Patch:
    """One box of a picture in one plane, made ready so that blending costs three cheap steps."""

    def __init__(self, index: int, box: Box, rgba: npt.NDArray[np.uint8]) -> None:
        part = rgba[box].astype(np.float32) / np.float32(255)
        cover: Ink = part[..., 3]
        ink: Ink = yuv(part[..., :3])[..., index] / np.float32(256) * cover
        by = 2 if index else 1
        if index:
            cover, ink = _halved(cover), _halved(ink)
        self._index = index
        self._box = tuple(slice(side.start // by, side.stop // by) for side in box)
        self._shown = (256 - np.rint(cover * 256)).astype(np.uint16)
        self._ink = (np.rint(ink * 256) + 128).astype(np.uint16)

    def put_on(self, planes: Planes) -> None:
        """Blend into its plane in place."""
        target = planes[self._index][self._box]
        mixed = target * self._shown
        mixed += self._ink
        mixed >>= 8
        target[...] = mixed


class Bar:
    """The thin line that fills while the video plays."""

    def __init__(self, layout: Layout, accent: npt.NDArray[np.float32]) -> None:
        self._line = layout.line
        self._color = np.rint(yuv(accent[None])[0] / 256).astype(np.uint8)

    def put_on(self, planes: Planes, share: float) -> None:
        """Fill `share` of the line."""
        left, top, right, bottom = self._line
        end = left + round((right - left) * share / 2) * 2
        for index, color in enumerate(self._color):
            by = 2 if index else 1
            planes[index][top // by : bottom // by, left // by : end // by] = color


def _halved(field: Ink) -> Ink:
    height, width = field.shape
    quads = field.reshape(height // 2, 2, width // 2, 2)
    halved: Ink = quads.mean(axis=(1, 3), dtype=np.float32)
    return halved


def _boxes(is_covered: npt.NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the bands of rows that hold something, as narrow as can be, with even edges."""
    pairs = is_covered.any(axis=1).reshape(-1, 2).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], pairs, [False]))))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        rows = slice(int(first) * 2, int(end) * 2)
        columns = np.flatnonzero(is_covered[rows].any(axis=0))
        yield rows, slice(int(columns[0]) // 2 * 2, int(columns[-1]) // 2 * 2 + 2)
