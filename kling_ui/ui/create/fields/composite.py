"""Fields of several controls: camera, motion brush, elements, storyboard."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from kling_ui.catalog import (
    AXES,
    AXIS_HELP,
    CAMERA_PRESETS,
    MAX_ELEMENTS,
    MAX_REFERENCES,
    Camera,
    CameraMove,
    Elements,
    Media,
    MotionBrush,
    Param,
    PictureLimits,
    Storyboard,
)
from kling_ui.ui.create import brush
from kling_ui.ui.create.fields.field import QUIET, Field, Updates, readables
from kling_ui.ui.create.fields.media import (
    picture_gallery,
    picture_sizes,
    picture_well,
    split,
    taken_picture,
    taken_pictures,
)

MAX_SHOTS = 6
"""Shots of a storyboard that the form has rows for."""

_FIRST_SHOTS = 2


def camera_field(name: str) -> Field:
    """Lay out the camera: a ready-made movement, or one of six axes."""
    kinds = [("Not set", ""), ("One axis", "simple"), *readables(CAMERA_PRESETS)]
    with gr.Column(elem_id=f"param-{name}") as frame:
        kind = gr.Radio(
            kinds,
            value="",
            label="Movement",
            info="A ready-made one, or exactly one axis of your own.",
            elem_classes=["k-segments"],
        )
        with gr.Column(visible=False, elem_classes=["k-axes"]) as sliders:
            axes = [
                gr.Slider(-10, 10, value=0, step=1, label=axis.capitalize(), info=AXIS_HELP[axis])
                for axis in AXES
            ]
    kind.change(
        lambda chosen: gr.Column(visible=chosen == "simple"),
        [kind],
        [sliders],
        **QUIET,
    )

    def read(_param: Param, raw: Sequence[Any]) -> Any:
        chosen, *amounts = raw
        if not chosen:
            return None
        if chosen != "simple":
            return {"type": chosen}
        moved = {axis: amount for axis, amount in zip(AXES, amounts, strict=True) if amount}
        return {"type": "simple", "config": moved}

    return Field(
        name=name,
        fits=lambda param: isinstance(param, Camera),
        frame=frame,
        inputs=(kind, *axes),
        read=read,
        updates=lambda _param, _value: {frame: {"visible": True}},
        is_filled=lambda raw: bool(raw[0]),
    )


def move_field(name: str) -> Field:
    """Lay out one camera movement by a number."""
    with gr.Column(elem_id=f"param-{name}") as frame:
        kinds = [("Not set", ""), *readables(AXES)]
        kind = gr.Radio(kinds, value="", label="Camera by numbers", elem_classes=["k-segments"])
        amount = gr.Slider(-10, 10, value=0, step=1, label="How far", visible=False)
    kind.change(
        lambda chosen: gr.Slider(visible=bool(chosen), info=AXIS_HELP.get(chosen)),
        [kind],
        [amount],
        **QUIET,
    )

    def read(_param: Param, raw: Sequence[Any]) -> Any:
        return {"movement_type": raw[0], "movement_value": raw[1]} if raw[0] else None

    return Field(
        name=name,
        fits=lambda param: isinstance(param, CameraMove),
        frame=frame,
        inputs=(kind, amount),
        read=read,
        updates=lambda _param, _value: {frame: {"visible": True}},
        is_filled=lambda raw: bool(raw[0]),
    )


def brush_fields(
    moving: str, still: str, *, picture: Any, fold: Any, shown_model: gr.State
) -> tuple[Field, Field]:
    """Lay out the motion brush on the picture in a well; what it paints fills two parameters."""
    with gr.Column(elem_classes=["k-media"]) as frame:
        canvas = brush.motion_brush()
    # Also when it comes into view: what was told to it before may be lost.
    for seen in (picture.change, fold.expand, shown_model.change):
        seen(lambda path: brush.with_picture(_address(path)), [picture], [canvas], **QUIET)

    def updates(_param: Param, _value: Any) -> Updates:
        return {frame: {"visible": True}}

    def is_painted(raw: Sequence[Any]) -> bool:
        try:
            painting = _painted(raw)
        except ValueError:
            return True
        return bool(painting.dynamic_masks or painting.static_mask)

    def read_moving(_param: Param, raw: Sequence[Any]) -> Any:
        return painting_to_send(raw).dynamic_masks or None

    def read_still(_param: Param, raw: Sequence[Any]) -> Any:
        return painting_to_send(raw).static_mask

    shape: dict[str, Any] = {"frame": frame, "inputs": (canvas, picture), "updates": updates}
    return (
        Field(
            name=moving,
            fits=lambda param: isinstance(param, MotionBrush),
            read=read_moving,
            is_filled=is_painted,
            **shape,
        ),
        Field(
            name=still,
            fits=lambda param: isinstance(param, Media),
            read=read_still,
            is_filled=lambda _raw: False,
            **shape,
        ),
    )


def painting_to_send(raw: Sequence[Any]) -> brush.Painting:
    """Return what was painted in pixels of the picture that is sent.

    `raw` holds the brush's raw value and the path of the uploaded picture. Raises ValueError
    where an area is only half done.
    """
    painting = _painted(raw)
    if painting == brush.Painting():
        return painting
    try:
        shown, sent = picture_sizes(raw[1], PictureLimits())
    except ValueError:  # told of at the picture's own field
        return painting
    return painting.scaled(shown, sent)


def _painted(raw: Sequence[Any]) -> brush.Painting:
    return brush.read(raw[0], picture=_address(raw[1]))


def elements_field(name: str) -> Field:
    """Lay out up to four elements: a frontal picture, references, and a video where allowed."""
    inputs: list[Any] = []
    videos: list[Any] = []
    with gr.Column(elem_id=f"param-{name}") as frame:
        for number in range(1, MAX_ELEMENTS + 1):
            with gr.Accordion(f"Element {number}", open=number == 1):
                with gr.Row(elem_classes=["k-pair"]):
                    front = picture_well("From the front")
                    references = picture_gallery(f"Other views, 1 to {MAX_REFERENCES}")
                links = gr.Textbox(
                    label="or links",
                    placeholder="The front first, then the other views, one a line",
                    lines=1,
                )
                video = gr.Textbox(
                    label="Video (optional)",
                    info="In one element only. Kling's pages name pictures or a video, its schema "
                    "both; both are sent as given.",
                    placeholder="A link to a video of it",
                )
                inputs += [front, references, links, video]
                videos.append(video)

    def read(param: Param, raw: Sequence[Any]) -> Any:
        takes_video = isinstance(param, Elements) and param.takes_video
        groups = [raw[start : start + 4] for start in range(0, len(raw), 4)]
        made = []
        for number, group in enumerate(groups, start=1):
            try:
                made.append(_element(*group, takes_video=takes_video))
            except ValueError as exc:
                raise ValueError(f"(element {number}) {exc}") from exc
        return [element for element in made if element] or None

    def updates(param: Param, _value: Any) -> Updates:
        takes_video = isinstance(param, Elements) and param.takes_video
        shown = {video: {"visible": takes_video} for video in videos}
        return {frame: {"visible": True}, **shown}

    return Field(
        name=name,
        fits=lambda param: isinstance(param, Elements),
        frame=frame,
        inputs=tuple(inputs),
        read=read,
        updates=updates,
    )


def storyboard_field(name: str) -> Field:
    """Lay out the shots: a prompt each and, where timed, its seconds with their sum."""
    prompts, seconds, rows = [], [], []
    with gr.Column(elem_id=f"param-{name}") as frame:
        for number in range(1, MAX_SHOTS + 1):
            with gr.Row(elem_classes=["k-shot"], visible=number <= _FIRST_SHOTS) as row:
                prompts.append(_shot_box(number))
                seconds.append(
                    gr.Number(
                        5,
                        label="Seconds",
                        minimum=1,
                        maximum=15,
                        precision=0,
                        scale=1,
                        min_width=90,
                    )
                )
            rows.append(row)
        more = gr.Button("Add a shot", size="sm", elem_classes=["k-quiet-button"])
        total = gr.HTML("", elem_classes=["k-plain", "k-note"])
    count = gr.State(_FIRST_SHOTS)
    timed = gr.Checkbox(visible=False)

    def add(shown: int) -> tuple[Any, ...]:
        shown = min(shown + 1, MAX_SHOTS)
        visible = [gr.Row(visible=i < shown) for i in range(MAX_SHOTS)]
        return (shown, *visible, gr.Button(interactive=shown < MAX_SHOTS))

    def sum_up(is_timed: bool, *raw: Any) -> str:  # noqa: FBT001  a component's value
        texts, lengths = raw[:MAX_SHOTS], raw[MAX_SHOTS:]
        given = [s or 0 for text, s in zip(texts, lengths, strict=True) if (text or "").strip()]
        if not given:
            return ""
        shots = f"{len(given)} shot{'s' if len(given) > 1 else ''}"
        return f"<p>{shots}, {sum(given):.0f} s together</p>" if is_timed else f"<p>{shots}</p>"

    more.click(add, [count], [count, *rows, more], **QUIET)
    for box in (*prompts, *seconds):
        box.change(sum_up, [timed, *prompts, *seconds], [total], **QUIET)

    def read(param: Param, raw: Sequence[Any]) -> Any:
        texts, lengths = raw[:MAX_SHOTS], raw[MAX_SHOTS:]
        shots = [(t, s) for t, s in zip(texts, lengths, strict=True) if (t or "").strip()]
        if isinstance(param, Storyboard) and param.is_timed:
            return [{"prompt": t, "duration": s} for t, s in shots] or None
        return [t for t, _ in shots] or None

    def updates(param: Param, _value: Any) -> Updates:
        is_timed = isinstance(param, Storyboard) and param.is_timed
        clocks = {box: {"visible": is_timed} for box in seconds}
        return {frame: {"visible": True}, timed: {"value": is_timed}, **clocks}

    return Field(
        name=name,
        fits=lambda param: isinstance(param, Storyboard),
        frame=frame,
        inputs=(*prompts, *seconds),
        read=read,
        updates=updates,
        extras=(timed,),
        is_filled=lambda raw: any((text or "").strip() for text in raw[:MAX_SHOTS]),
    )


def _address(path: str | None) -> str | None:
    return f"/gradio_api/file={path}" if path else None


def _shot_box(number: int) -> gr.Textbox:
    hint = "What happens first" if number == 1 else "What happens then"
    return gr.Textbox(
        label=f"Shot {number}", placeholder=hint, lines=1, max_lines=4, scale=4, min_width=180
    )


def _element(
    front: str | None, items: Any, links: str | None, video: str | None, *, takes_video: bool
) -> dict[str, Any] | None:
    limits = PictureLimits()
    addresses = split(links)
    frontal = taken_picture(front, limits) if front else None
    if frontal is None and addresses:
        frontal = addresses.pop(0)
    element: dict[str, Any] = {}
    references = [*taken_pictures(items, limits), *addresses]
    if references:
        element["reference_image_urls"] = references
    if frontal:
        element["frontal_image_url"] = frontal
    if takes_video and (video or "").strip():
        element["video_url"] = str(video).strip()
    return element or None
