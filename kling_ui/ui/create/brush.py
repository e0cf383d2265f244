"""The motion brush: paint areas on the start image, click the path each takes; and its reading.

The painting itself happens in brush.js; what leaves the browser becomes a Painting here, once,
and a Painting becomes what the browser shows.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from kling_ui.catalog import PictureLimits, resized_mask, size_of
from kling_ui.catalog.params import MAX_MASKS, MAX_POINTS, MIN_POINTS

_HERE = Path(__file__).parents[1] / "assets"
_PICTURE = ("data:image/png;base64,", "data:image/jpeg;base64,")

Size = tuple[int, int]
"""Width and height in px."""

LONGEST_MASK = 1280
"""Masks are painted with at most so many px on the longer side: larger ones only cost time."""


@dataclass(frozen=True, slots=True)
class Painting:
    """What a person painted, as the provider takes it: masks are data URIs, white on black.

    `dynamic_masks` is `[{"mask": URI, "trajectories": [{"x": 0, "y": 0}, …]}, …]`; points are
    pixels of the start image, the origin at its bottom left, in the order of the clicks.
    """

    static_mask: str | None = None
    dynamic_masks: list[dict[str, Any]] = field(default_factory=list)

    def scaled(self, shown: Size, sent: Size) -> "Painting":
        """Return what was painted on a picture of `shown` px for the same one in `sent` px.

        Points stay on what they point at, and inside. All masks get one size with the shape of
        the picture, as the provider demands; where they have one already they stay as they are.

        Raises UnusableMediaError for a mask that is no picture.
        """
        masks = [each["mask"] for each in self.dynamic_masks]
        masks += [self.static_mask] if self.static_mask else []
        fitting = [size for size in map(size_of, masks) if _is_alike(size, sent)]
        size = min(fitting, default=sent)
        moving = [
            {
                "mask": resized_mask(each["mask"], size),
                "trajectories": [_moved(point, shown, sent) for point in each["trajectories"]],
            }
            for each in self.dynamic_masks
        ]
        return Painting(self.static_mask and resized_mask(self.static_mask, size), moving)


def motion_brush(*, picture: str = "", **more: Any) -> gr.HTML:
    """Return the control, one a page, showing `picture`; `more` is what gr.HTML takes besides."""
    shape = {"elem_id": "param-dynamic_masks", "elem_classes": ["k-brush-block"], **more}
    return gr.HTML(
        html_template=_template(),
        js_on_load=(_HERE / "brush.js").read_text("utf-8"),
        apply_default_css=False,
        picture=picture,
        **shape,
    )


def with_picture(address: str, **more: Any) -> gr.HTML:
    """Return an update: the control shows this start image; "" is none.

    `address` is a data URI or a path on this server (`/gradio_api/file=…`). The value stays: a
    painting is shown, and counts, where its own picture is shown.
    """
    return gr.HTML(picture=address, **more)


def raw_value(painting: Painting, *, picture: str) -> str | None:
    """Return the control's value that means this painting of the picture at this address."""
    if painting == Painting():
        return None
    still: dict[str, Any] = {"mask": painting.static_mask, "trajectories": []}
    return json.dumps({"picture": picture, "areas": [still, *painting.dynamic_masks]})


def without(value: Any, *, still: bool) -> str | None:
    """Return the control's value without what stays still, or else without what moves."""
    parts = _parts(value)
    areas = _list(parts.get("areas"))
    areas = [{}, *areas[1:]] if still else areas[:1]
    is_painted = any(_mask(area) or _path(area) for area in areas)
    return json.dumps({**parts, "areas": areas}) if is_painted else None


def read(value: Any, *, picture: str) -> Painting:
    """Return the painting in the control's value, as far as it is one of this picture.

    Raises ValueError, in words for people, where an area is only half done.
    """
    parts = _parts(value)
    if not picture or parts.get("picture") != picture:
        return Painting()
    areas = _list(parts.get("areas"))[: MAX_MASKS + 1]
    pairs = [_area(number, area) for number, area in enumerate(areas[1:], start=1)]
    problems = [problem for _, problem in pairs if problem]
    if problems:
        raise ValueError(" ".join(problems))
    return Painting(_mask(areas[0]) if areas else None, [mask for mask, _ in pairs if mask])


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError as exc:
            raise ValueError("The painting can't be read: clear all and paint again.") from exc
    return value if isinstance(value, dict) else {}


def _area(number: int, area: Any) -> tuple[dict[str, Any] | None, str]:
    """Return what to send for one area, or None, and what it lacks."""
    mask, path = _mask(area), _path(area)
    if mask is None and not path:
        return None, ""
    problem = _problem(f"Area {number}", mask, len(path))
    return (None, problem) if problem else ({"mask": mask, "trajectories": path}, "")


def _problem(name: str, mask: str | None, points: int) -> str:
    if mask is None:
        return f"{name} has a path but no paint: paint what should move along it."
    if points == 0:
        return f"{name} has no path: click at least two points."
    if points < MIN_POINTS:
        return f"{name} has a path of one point: click at least one more."
    if points > MAX_POINTS:
        return f"{name} has a path of {points} points: {MAX_POINTS} are the most."
    return ""


def _mask(area: Any) -> str | None:
    mask = area.get("mask") if isinstance(area, dict) else None
    return mask if isinstance(mask, str) and mask.startswith(_PICTURE) else None


def _path(area: Any) -> list[dict[str, int]]:
    return [
        {"x": int(point["x"]), "y": int(point["y"])}
        for point in _list(area.get("trajectories") if isinstance(area, dict) else None)
        if isinstance(point, dict) and all(_is_number(point.get(axis)) for axis in "xy")
    ]


def _is_alike(mask: Size, picture: Size) -> bool:
    """Tell whether a mask has the shape of a picture, but for the rounding of its sides."""
    difference = mask[0] * picture[1] - mask[1] * picture[0]
    return abs(difference) <= sum(picture) / 2


def _moved(point: dict[str, int], shown: Size, sent: Size) -> dict[str, int]:
    if shown == sent:
        return point
    # A point means the middle of its pixel.
    places = (
        math.floor((point[axis] + 0.5) * new / old)
        for axis, old, new in zip("xy", shown, sent, strict=True)
    )
    x, y = (min(max(place, 0), new - 1) for place, new in zip(places, sent, strict=True))
    return {"x": x, "y": y}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _template() -> str:
    chips = "".join(_chip(number, f"Area {number}") for number in range(1, MAX_MASKS + 1))
    sheets = "".join(
        f'<canvas class="k-brush-sheet" data-area="{number}"></canvas>'
        for number in range(MAX_MASKS + 1)
    )
    tools = "".join(_tool(name) for name in ("Paint", "Erase", "Path"))
    return f"""
<div class="k-brush" data-part="root" data-limits="{escape(json.dumps(_limits()))}">
  <div class="k-brush-head">
    <span class="k-brush-title">Motion brush</span>
    <p class="k-brush-hint" data-part="hint" role="status">Add the start image as a file first.</p>
  </div>
  <div class="k-brush-body" data-part="body" hidden>
    <div class="k-brush-areas" role="group" aria-label="Areas">
      {chips}
      <button type="button" class="k-brush-add" data-part="add">+ Add area</button>
      {_chip(0, "Stays still")}
    </div>
    <div class="k-brush-tools">
      <div class="k-brush-segments" role="group" aria-label="Tool">{tools}</div>
      <label class="k-brush-size"><span>Size</span>
        <input type="range" min="1" max="25" step="0.5" value="7" data-part="size"
          aria-label="Brush size"></label>
    </div>
    <div class="k-brush-mat">
      <div class="k-brush-stage" data-part="stage" tabindex="0" role="application"
        aria-label="The start image, to paint on. The arrow keys move the brush, Shift makes
 small steps, Space paints or sets a point.">
        <img data-part="photo" alt="" draggable="false">
        {sheets}
        <svg class="k-brush-paths" data-part="paths" aria-hidden="true"></svg>
        <i class="k-brush-cursor" data-part="cursor" hidden></i>
      </div>
    </div>
    <div class="k-brush-actions">
      <button type="button" data-part="undo">Undo</button>
      <button type="button" data-part="clear">Clear area</button>
      <button type="button" data-part="clear-all">Clear all</button>
    </div>
  </div>
</div>"""


def _limits() -> dict[str, int]:
    """Return what brush.js keeps to: points of a path; px on the longer side of a mask."""
    pictures = PictureLimits()
    shortest = math.ceil(pictures.min_side * pictures.max_aspect)
    return {
        "minPoints": MIN_POINTS,
        "maxPoints": MAX_POINTS,
        "longestMask": LONGEST_MASK,
        "shortestMask": shortest,
    }


def _chip(number: int, label: str) -> str:
    return (
        f'<button type="button" class="k-brush-chip" data-area="{number}" aria-pressed="false">'
        f'<i aria-hidden="true"></i><span>{label}</span></button>'
    )


def _tool(name: str) -> str:
    return (
        f'<button type="button" data-tool="{name.lower()}" aria-pressed="false">'
        f'<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{_ICONS[name]}"/></svg>'
        f"{name}</button>"
    )


_ICONS = {
    "Paint": "M13.5 2.5 8 8M8 8c-2.5-1-4.5.5-4.5 2.5 0 1-.5 2-1.5 2 2.5 1 7 .5 7-2.5z",
    "Erase": "M7 13.5h7M2.5 10 9 3.5 13 7.5 7 13.5H5z",
    "Path": "M4 13.5c0-6 8-2 8-8M9 6.5l3-3 3 3",
}
