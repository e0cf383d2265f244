"""Where in the frame things are: boxes with even edges, in pixels."""

from dataclasses import dataclass

from kling_ui.simulator.lettering import Layout

_SQUARE = 1.2
"""A frame whose sides differ by less than this is laid out like a square."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the frame."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def corner_and_size(self) -> tuple[int, int, int, int]:
        """Left, top, width and height."""
        return self.left, self.top, self.width, self.height

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height


def whole(layout: Layout) -> Box:
    """Return the whole frame."""
    return Box(0, 0, layout.width, layout.height)


def mosaic(layout: Layout, count: int) -> list[Box]:
    """Divide the frame among `count` pictures, in reading order, with thin gutters between."""
    gutter = max(2, _even(6 * layout.unit))
    if count == 3 and layout.width >= layout.height * _SQUARE:  # noqa: PLR2004  as it says
        return _one_and_two(layout, gutter)
    rows = _rows(layout, count)
    edges = _edges(layout.height, rows, gutter)
    boxes = []
    for number, (top, bottom) in enumerate(edges):
        in_row = (count + number) // rows
        columns = _edges(layout.width, in_row, gutter)
        boxes += [Box(left, top, right - left, bottom - top) for left, right in columns]
    return boxes


def insets(layout: Layout, count: int) -> list[Box]:
    """Place `count` squares in the upper left, beside the label."""
    if count == 0:
        return []
    gap = _even(14 * layout.unit)
    room = layout.width - 2 * layout.margin - round(190 * layout.unit)
    most_in_row = 6 if layout.width > layout.height else 4
    rows = -(-count // most_in_row)
    in_row = -(-count // rows)
    side = _even(min(148 * layout.unit, (room - gap * (in_row - 1)) / in_row))
    left, top = _even(layout.margin), _even(layout.margin * 0.86)
    return [
        Box(left + n % in_row * (side + gap), top + n // in_row * (side + gap), side, side)
        for n in range(count)
    ]


def corner(layout: Layout, aspect: float) -> Box:
    """Place one bigger inset of `aspect` (width/height) in the upper left."""
    area = (232 * layout.unit) ** 2
    width = max(_even((area * aspect) ** 0.5), 2)
    height = max(_even((area / aspect) ** 0.5), 2)
    return Box(_even(layout.margin), _even(layout.margin * 0.86), width, height)


def _one_and_two(layout: Layout, gutter: int) -> list[Box]:
    """Give the left half to the first of three: thin strips would cut off too much."""
    (left, middle), (second, right) = _edges(layout.width, 2, gutter)
    first = Box(left, 0, middle - left, layout.height)
    rows = _edges(layout.height, 2, gutter)
    return [first, *(Box(second, top, right - second, end - top) for top, end in rows)]


def _rows(layout: Layout, count: int) -> int:
    aspect = layout.width / layout.height
    if aspect >= _SQUARE:
        return 1 if count <= 3 else 2 if count <= 8 else 3  # noqa: PLR2004  by how it looks
    if aspect > 1 / _SQUARE:
        return 1 if count <= 2 else 2 if count <= 6 else 3  # noqa: PLR2004  by how it looks
    return count if count <= 3 else -(-count // 2)  # noqa: PLR2004  by how it looks


def _edges(length: int, count: int, gutter: int) -> list[tuple[int, int]]:
    step = (length + gutter) / count
    starts = [_even(number * step) for number in range(count)]
    ends = [start - gutter for start in starts[1:]]
    return list(zip(starts, [*ends, length], strict=True))


def _even(length: float) -> int:
    return int(length // 2) * 2
