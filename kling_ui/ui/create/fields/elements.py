"""The elements: up to four people or things, each shown by pictures, one by a video."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from kling_ui.catalog import MAX_ELEMENTS, MAX_REFERENCES, Elements, Param
from kling_ui.ui.create.fields.field import (
    Built,
    Field,
    Look,
    Updates,
    is_anything_there,
)
from kling_ui.ui.create.fields.media_fields import (
    link_box,
    paths_of,
    picture_gallery,
    split,
    split_many,
    well_for,
)
from kling_ui.ui.create.fields.visible_rows import GrowingRows

_CONTROLS = 4
"""How many controls each element has."""


def elements_field(name: str, _built: Built) -> Field:
    """Lay out the elements, one at first: a frontal picture, other views, a video if allowed."""
    inputs: list[Any] = []
    videos: list[Any] = []
    rows: list[Any] = []
    with gr.Column(elem_id=f"param-{name}", elem_classes=["k-elements"]) as frame:
        for number in range(1, MAX_ELEMENTS + 1):
            with gr.Column(visible=number == 1, elem_classes=["k-element", "k-media"]) as row:
                with gr.Row(elem_classes=["k-pair", "k-wells"]):
                    front = well_for("image", label=f"Element {number}, front")
                    views = picture_gallery(f"Other views, 1 to {MAX_REFERENCES}")
                links = link_box("Links: the front first, then the views, one a line")
                video = gr.Textbox(
                    value="",
                    label="Video (optional, in one element only)",
                    placeholder="A link to a video of it",
                )
            inputs += [front, views, links, video]
            videos.append(video)
            rows.append(row)
        growing = GrowingRows(rows, "Add an element", first=1)

    def reveal(raw: Sequence[Any]) -> Updates:
        return growing.revealing([is_anything_there(group) for group in _groups(raw)])

    def read(param: Param, raw: Sequence[Any], _look: Look) -> Any:
        takes_video = isinstance(param, Elements) and param.takes_video
        made = [_element(*group, takes_video=takes_video) for group in _groups(raw)]
        return [element for element in made if element] or None

    def fill(value: Any) -> Sequence[Any]:
        given = value if isinstance(value, list) else []
        return [
            part for each in [*given, *[{}] * MAX_ELEMENTS][:MAX_ELEMENTS] for part in _raw(each)
        ]

    def updates(param: Param, _value: Any) -> Updates:
        takes_video = isinstance(param, Elements) and param.takes_video
        return {frame: {"visible": True}, **{each: {"visible": takes_video} for each in videos}}

    return Field(
        name=name,
        kind="Elements",
        frame=frame,
        inputs=tuple(inputs),
        read=read,
        fill=fill,
        updates=updates,
        reveal=reveal,
        extras=growing.parts,
    )


def _groups(raw: Sequence[Any]) -> list[Any]:
    """Return the raw values of each element."""
    return [raw[start : start + _CONTROLS] for start in range(0, len(raw), _CONTROLS)]


def _element(
    front: str | None, items: Any, links: str | None, video: str | None, *, takes_video: bool
) -> dict[str, Any] | None:
    addresses: list[Any] = split(links)
    frontal = Path(front) if front else None
    if frontal is None and addresses:
        frontal = addresses.pop(0)
    element: dict[str, Any] = {}
    references = [*paths_of(items), *addresses]
    if references:
        element["reference_image_urls"] = references
    if frontal:
        element["frontal_image_url"] = frontal
    if takes_video and (video or "").strip():
        element["video_url"] = str(video).strip()
    return element or None


def _raw(element: dict[str, Any]) -> Sequence[Any]:
    front, views = element.get("frontal_image_url"), element.get("reference_image_urls")
    files, links = split_many(views)
    if isinstance(front, str):
        links = "\n".join(part for part in (front, links) if part)
    return [
        str(front) if isinstance(front, Path) else None,
        files,
        links,
        element.get("video_url", ""),
    ]
