"""Fields of pictures, sounds and videos: a well for a file, and a line for a link instead."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from kling_ui.catalog import (
    PAIR_SCENES,
    Media,
    Param,
    PictureLimits,
    PictureOrPair,
    Pictures,
    Taken,
    take_audio,
    take_picture,
    take_video,
)
from kling_ui.ui.create.brush import Size
from kling_ui.ui.create.fields.field import QUIET, Field, Updates, reading, variant

Kind = Literal["image", "audio", "video"]

_WELL_HEIGHT = 190


def _uploaded_path(_self: Any, payload: Any) -> Any:
    """Return the uploaded file's path as it came, or None."""
    return payload.path if payload else None


# Gradio's own image control opens the file first, and fails without a word on what Pillow can't
# read.
Picture = reading("Picture", gr.Image, _uploaded_path)


def _uploaded_items(_self: Any, payload: Any) -> Any:
    """Return path and caption of each uploaded file as they came, or None."""
    items = payload.root if payload else ()
    # What the browser takes for a video is looked into like everything else.
    files = [(getattr(item, "image", None) or item.video, item.caption) for item in items]
    return [(file.path, caption) for file, caption in files if file.path] or None


# Gradio's own gallery asks the ending of a file's name, and knows few of them.
PictureGallery = reading("PictureGallery", gr.Gallery, _uploaded_items)


def _served(_self: Any, address: Any) -> Any:
    """Return an address of our own as the browser takes it.

    Without `meta`: Gradio would fetch the address, and copy what it finds.
    """
    if not address:
        return None
    return {"path": address, "url": address, "orig_name": "video.mp4", "is_stream": False}


ServedVideo = variant("ServedVideo", gr.Video, postprocess=_served)
"""A video that is played from a route of this app; its value is the URL path."""


def media_field(name: str, kind: Kind) -> Field:
    """Lay out a well for one picture, sound or video."""
    with gr.Column(elem_id=f"param-{name}", elem_classes=["k-media"]) as frame:
        well = _well(kind)
        link = _link_box("or paste a link")
        note = gr.HTML("", elem_classes=["k-plain", "k-note"])
    well.change(lambda path: _noted(path, kind), [well], [note], **QUIET)

    def updates(param: Param, _value: Any) -> Updates:
        label = param.label if param.required else f"{param.label} (optional)"
        return {frame: {"visible": True}, well: {"label": label}}

    def read(param: Param, raw: Sequence[Any]) -> Any:
        return _one(raw[0], raw[1], kind, limits_of(param))

    return Field(
        name=name,
        fits=lambda param: isinstance(param, Media) and param.media == kind,
        frame=frame,
        inputs=(well, link),
        read=read,
        updates=updates,
    )


def pair_field(name: str, scene: gr.Dropdown) -> Field:
    """Lay out two wells for an effect's pictures; the right one only where `scene` takes two."""
    with gr.Column(elem_id=f"param-{name}", elem_classes=["k-media"]) as frame:
        with gr.Row(elem_classes=["k-pair"]):
            with gr.Column(min_width=140, elem_classes=["k-media"]):
                left, left_link = _well("image", label="Picture"), _link_box("or paste a link")
            with gr.Column(min_width=140, elem_classes=["k-media"], visible=False) as second:
                right, right_link = _well("image", label="Right"), _link_box("or paste a link")
        note = gr.HTML("", elem_classes=["k-plain", "k-note"])

    def fit(chosen: str | None) -> tuple[Any, ...]:
        is_pair = chosen in PAIR_SCENES
        words = (
            "This effect takes two pictures: left and right."
            if is_pair
            else ("This effect takes one picture." if chosen else "")
        )
        return (
            gr.Column(visible=is_pair),
            Picture(label="Left" if is_pair else "Picture"),
            f"<p>{words}</p>",
        )

    scene.change(fit, [scene], [second, left, note], **QUIET)

    def read(param: Param, raw: Sequence[Any]) -> Any:
        limits, chosen = limits_of(param), raw[4]
        sides = [_one(raw[0], raw[1], "image", limits)]
        if chosen in PAIR_SCENES:
            sides.append(_one(raw[2], raw[3], "image", limits))
        given = [side for side in sides if side is not None]
        return given if len(given) > 1 else next(iter(given), None)

    return Field(
        name=name,
        fits=lambda param: isinstance(param, PictureOrPair),
        frame=frame,
        inputs=(left, left_link, right, right_link, scene),
        read=read,
        updates=lambda _param, _value: {frame: {"visible": True}},
        is_filled=lambda raw: any(raw[:4]),
    )


def pictures_field(name: str) -> Field:
    """Lay out a gallery to fill, and a box for links."""
    with gr.Column(elem_id=f"param-{name}", elem_classes=["k-media"]) as frame:
        gallery = picture_gallery()
        links = _link_box("or paste links, one a line")

    def updates(param: Param, _value: Any) -> Updates:
        most = f", {param.minimum} to {param.maximum}" if isinstance(param, Pictures) else ""
        return {frame: {"visible": True}, gallery: {"label": f"{param.label}{most}"}}

    return Field(
        name=name,
        fits=lambda param: isinstance(param, Pictures),
        frame=frame,
        inputs=(gallery, links),
        read=lambda param, raw: [*taken_pictures(raw[0], limits_of(param)), *split(raw[1])] or None,
        updates=updates,
    )


def picture_well(label: str) -> Any:
    """Return a well for a picture: a file, the clipboard, the webcam."""
    return _well("image", label=label)


def picture_gallery(label: str | None = None) -> Any:
    """Return a gallery that takes several pictures."""
    return PictureGallery(
        label=label,
        interactive=True,
        type="filepath",
        columns=3,
        height=_WELL_HEIGHT,
        object_fit="cover",
        file_types=["image"],
        buttons=[],
    )


def limits_of(param: Param) -> PictureLimits:
    """Return what pictures a parameter takes."""
    return getattr(param, "limits", None) or PictureLimits()


def taken_picture(path: str, limits: PictureLimits) -> str:
    """Return an uploaded picture as a data URI, mended where needed; raise ValueError."""
    return _take(path, "image", limits).uri


def picture_sizes(path: str, limits: PictureLimits) -> tuple[Size, Size]:
    """Return an uploaded picture's size in px as it is shown and as it is sent.

    Raises ValueError for a picture that can't be sent.
    """
    taken = _take(path, "image", limits)
    if taken.size is None or taken.shown_size is None:
        raise ValueError("is no picture.")
    return taken.shown_size, taken.size


def taken_pictures(items: Any, limits: PictureLimits) -> list[str]:
    """Return a gallery's pictures as data URIs; raise ValueError naming the one that is wrong."""
    uris = []
    for number, (path, _caption) in enumerate(items or [], start=1):
        try:
            uris.append(taken_picture(path, limits))
        except ValueError as exc:
            raise ValueError(f"(picture {number}) {exc}") from exc
    return uris


def split(links: str | None) -> list[str]:
    """Return the links of a box, one a line or a word."""
    return (links or "").split()


def _one(path: str | None, link: str | None, kind: Kind, limits: PictureLimits) -> str | None:
    address = (link or "").strip()
    if path and address:
        raise ValueError("is given twice: keep the file or the link, not both.")
    if address:
        return address
    return _take(path, kind, limits).uri if path else None


_TAKERS: dict[str, Callable[[Path], Taken]] = {"audio": take_audio, "video": take_video}


@lru_cache(maxsize=6)
def _take(path: str, kind: Kind, limits: PictureLimits) -> Taken:
    # Gradio names an upload by what it holds, so a path always means the same file.
    return take_picture(Path(path), limits) if kind == "image" else _TAKERS[kind](Path(path))


def _noted(path: str | None, kind: Kind) -> str:
    """Say at once what was mended of an upload, or why it can't be used."""
    if not path:
        return ""
    try:
        notes = _take(path, kind, PictureLimits()).notes
    except ValueError as exc:
        return f'<p data-tone="bad" role="alert">{escape(str(exc))}</p>'
    return f"<p>{escape(' '.join(notes))}</p>" if notes else ""


def _link_box(hint: str) -> gr.Textbox:
    return gr.Textbox(
        placeholder=hint,
        label=hint,
        show_label=False,
        container=False,
        lines=1,
        max_lines=6,
        elem_classes=["k-link"],
    )


def _well(kind: Kind, *, label: str | None = None) -> Any:
    if kind == "audio":
        return gr.Audio(sources=["upload"], type="filepath", label=label, editable=False)
    if kind == "video":
        return gr.Video(sources=["upload"], label=label, height=_WELL_HEIGHT, buttons=[])
    return Picture(
        type="filepath",
        sources=["upload", "clipboard", "webcam"],
        label=label,
        height=_WELL_HEIGHT,
        buttons=[],
    )
