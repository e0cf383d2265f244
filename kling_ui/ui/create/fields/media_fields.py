"""Fields of pictures, sounds and videos: a well for a file, and a line for a link instead.

Nothing is decoded here: a file's value is its Path, and what was found in it is shown below.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from kling_ui.catalog import PAIR_SCENES, Media, Param, Pictures
from kling_ui.ui.create.fields.field import Built, Field, Look, Updates, variant
from kling_ui.ui.create.kept_uploads import Kind
from kling_ui.ui.event_options import QUIET

WELL_HEIGHT = 132

LATE = (gr.Image, gr.Gallery, gr.Audio, gr.Video)
"""Controls that are laid out with `visible=False` themselves, and shown with their field.

The browser fetches the code of every other component at once, even inside a hidden column.
"""


def _uploaded_path(_self: Any, payload: Any) -> Any:
    """Return the uploaded file's path as it came, or None."""
    return payload.path if payload else None


# Gradio's own image control opens the file first, and fails without a word on what Pillow can't
# read.
Picture = variant("Picture", gr.Image, preprocess=_uploaded_path)


def _uploaded_items(_self: Any, payload: Any) -> Any:
    """Return path and caption of each uploaded file as they came, or None."""
    items = payload.root if payload else ()
    # What the browser takes for a video is looked into like everything else.
    files = [(getattr(item, "image", None) or item.video, item.caption) for item in items]
    return [(file.path, caption) for file, caption in files if file.path] or None


# Gradio's own gallery asks the ending of a file's name, and knows few of them.
PictureGallery = variant("PictureGallery", gr.Gallery, preprocess=_uploaded_items)


def _served(_self: Any, address: Any) -> Any:
    """Return an address of our own as the browser takes it.

    Without `meta`: Gradio would fetch the address, and copy what it finds.
    """
    if not address:
        return None
    return {"path": address, "url": address, "orig_name": "video.mp4", "is_stream": False}


ServedVideo = variant("ServedVideo", gr.Video, postprocess=_served)
"""A video that is played from a route of this app; its value is the URL path."""


def media_field(name: str, built: Built, *, kind: Kind) -> Field:
    """Lay out a well for a picture, a sound or a video, and a line for a link to one."""
    with gr.Column(elem_id=f"param-{name}", elem_classes=["k-media", f"k-only-{name}"]) as frame:
        well = well_for(kind)
        link = link_box("Paste a link")
        note = gr.HTML("", elem_classes=["k-plain", "k-note"])
    built.note(well, note, name, kind)

    def updates(param: Param, _value: Any) -> Updates:
        words = param.help if param.required else f"Optional. {param.help}"
        return {frame: {"visible": True}, well: {"label": param.label}, link: {"info": words}}

    return Field(
        name=name,
        kind=kind,
        frame=frame,
        inputs=(well, link),
        read=lambda _param, raw, _look: _one(raw[0], raw[1]),
        fill=_split_one,
        updates=updates,
    )


def pair_field(name: str, built: Built) -> Field:
    """Lay out two wells for an effect's pictures; the right one only where it takes two."""
    scene = built.control_of("effect_scene", "list")
    with gr.Column(elem_id=f"param-{name}-pair", elem_classes=["k-media"]) as frame:
        with gr.Row(elem_classes=["k-pair", "k-wells"], elem_id=f"param-{name}-wells"):
            with gr.Column(min_width=140, elem_classes=["k-media"]):
                left, left_link = well_for("image", label="Picture"), link_box("Paste a link")
            with gr.Column(min_width=140, elem_classes=["k-media"], visible=False) as second:
                right, right_link = well_for("image", label="Right"), link_box("Paste a link")
        note = gr.HTML("", elem_classes=["k-plain", "k-note"])
    for well in (left, right):
        built.note(well, note, name, "image")

    def fit(chosen: Any) -> dict[Any, Any]:
        is_pair = isinstance(chosen, str) and chosen in PAIR_SCENES
        words = "Two people: left and right." if is_pair else ""
        return {
            second: gr.Column(visible=is_pair),
            left: Picture(label="Left" if is_pair else "Picture"),
            note: f"<p>{words}</p>" if words else "",
        }

    scene.change(fit, [scene], [second, left, note], **QUIET)

    def read(_param: Param, raw: Sequence[Any], _look: Look) -> Any:
        sides = [_one(raw[0], raw[1])]
        if raw[4] in PAIR_SCENES:
            sides.append(_one(raw[2], raw[3]))
        given = [side for side in sides if side is not None]
        return given if len(given) > 1 else next(iter(given), None)

    def fill(value: Any) -> Sequence[Any]:
        sides = [*(value if isinstance(value, list) else [value]), None][:2]
        return [part for side in sides for part in _split_one(side)]

    return Field(
        name=name,
        kind="PictureOrPair",
        frame=frame,
        inputs=(left, left_link, right, right_link, scene),
        read=read,
        fill=fill,
        updates=lambda _param, _value: {frame: {"visible": True}},
        is_filled=lambda raw: any(raw[:4]),
    )


def pictures_field(name: str, _built: Built) -> Field:
    """Lay out a gallery to fill, and a box for links."""
    with gr.Column(elem_id=f"param-{name}", elem_classes=["k-media"]) as frame:
        gallery = picture_gallery()
        links = link_box("Paste links, one a line")

    def updates(param: Param, _value: Any) -> Updates:
        count = f", {param.minimum} to {param.maximum}" if isinstance(param, Pictures) else ""
        optional = "" if param.required else " (optional)"
        label = f"{param.label}{count}{optional}"
        return {frame: {"visible": True}, gallery: {"label": label}, links: {"info": param.help}}

    return Field(
        name=name,
        kind="Pictures",
        frame=frame,
        inputs=(gallery, links),
        read=lambda _param, raw, _look: [*paths_of(raw[0]), *split(raw[1])] or None,
        fill=split_many,
        updates=updates,
    )


def picture_gallery(label: str | None = None) -> Any:
    """Return a gallery that takes several pictures."""
    return PictureGallery(
        label=label,
        interactive=True,
        type="filepath",
        columns=4,
        height=WELL_HEIGHT,
        object_fit="cover",
        file_types=["image"],
        buttons=[],
        visible=False,
        elem_classes=["k-well", "k-well-images"],
    )


def link_box(hint: str) -> gr.Textbox:
    """Return a line for a link; where it is empty it is but a small button beside the label."""
    return gr.Textbox(
        value="",
        placeholder=hint,
        label=hint,
        lines=1,
        max_lines=6,
        container=True,
        elem_classes=["k-link"],
    )


def paths_of(items: Any) -> list[Path]:
    """Return the files of a gallery."""
    return [Path(path) for path, _caption in items or []]


def split(links: str | None) -> list[str]:
    """Return the links of a box, one a line or a word."""
    return (links or "").split()


def split_many(value: Any) -> Sequence[Any]:
    """Return what a gallery and its box of links hold for a list of files and links."""
    given = value if isinstance(value, list) else []
    files = [(str(each), None) for each in given if isinstance(each, Path)]
    return [files or None, "\n".join(each for each in given if isinstance(each, str))]


def _split_one(value: Any) -> Sequence[Any]:
    if isinstance(value, Path):
        return [str(value), ""]
    return [None, value or ""]


def _one(path: str | None, link: str | None) -> Path | str | None:
    address = (link or "").strip()
    if path and address:
        raise ValueError("Given twice: keep the file or the link, not both.")
    return address or (Path(path) if path else None)


def limits_of(param: Param | None, kind: Kind) -> Any:
    """Return what pictures a parameter takes; None for other kinds of media."""
    return param.limits if kind == "image" and isinstance(param, Media) else None


def well_for(kind: Kind, *, label: str | None = None) -> Any:
    """Return a well for one file; a picture may come from the clipboard and the webcam too."""
    shape: dict[str, Any] = {
        "label": label,
        "visible": False,
        "elem_classes": ["k-well", f"k-well-{kind}"],
    }
    if kind == "audio":
        return gr.Audio(sources=["upload"], type="filepath", editable=False, buttons=[], **shape)
    if kind == "video":
        return gr.Video(sources=["upload"], height=WELL_HEIGHT, buttons=[], **shape)
    return Picture(
        type="filepath",
        sources=["upload", "clipboard", "webcam"],
        height=WELL_HEIGHT,
        buttons=[],
        **shape,
    )
