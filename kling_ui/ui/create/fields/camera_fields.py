"""The camera: ready-made movements, or one axis and how far; one control for every model."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from kling_ui.catalog import AXES, AXIS_HELP, CAMERA_PRESETS, Param
from kling_ui.ui.create.fields.field import AnySlider, Built, Field, Look, readables
from kling_ui.ui.event_options import QUIET

CUSTOM = "simple"
_SHARED = "camera"


def camera_field(name: str, built: Built) -> Field:
    """Lay out the camera of an object: `{"type": …}`."""

    def read(_param: Param, raw: Sequence[Any], _look: Look) -> Any:
        kind, axis, amount = raw
        if kind != CUSTOM:
            return {"type": kind} if kind else None
        return {"type": CUSTOM, "config": {axis: amount} if amount else {}}

    def fill(value: Any) -> Sequence[Any]:
        parts = value if isinstance(value, dict) else {}
        axis, amount = next(iter((parts.get("config") or {}).items()), (AXES[0], 0))
        return [parts.get("type", ""), axis, amount]

    return _field(name, "Camera", built, read, fill)


def preset_field(name: str, built: Built) -> Field:
    """Lay out the camera where a ready-made movement is a word."""

    def read(_param: Param, raw: Sequence[Any], _look: Look) -> Any:
        return raw[0] if raw[0] and raw[0] != CUSTOM else None

    def fill(value: Any) -> Sequence[Any]:
        return [value or "", AXES[0], 0]

    return _field(name, "CameraPreset", built, read, fill)


def move_field(name: str, built: Built) -> Field:
    """Lay out the camera where an own movement is a parameter of its own."""

    def read(_param: Param, raw: Sequence[Any], _look: Look) -> Any:
        kind, axis, amount = raw
        return {"movement_type": axis, "movement_value": amount} if kind == CUSTOM else None

    def fill(value: Any) -> Sequence[Any]:
        if not isinstance(value, dict):
            return ["", AXES[0], 0]
        return [CUSTOM, value["movement_type"], value["movement_value"]]

    return _field(name, "CameraMove", built, read, fill)


def _field(name: str, kind: str, built: Built, read: Any, fill: Any) -> Field:
    frame, controls = built.shared.get(_SHARED) or _lay_out(built)
    return Field(
        name=name,
        kind=kind,
        frame=frame,
        inputs=controls,
        read=read,
        fill=fill,
        updates=lambda _param, _value: {frame: {"visible": True}},
        is_filled=lambda raw: (
            raw[0] == CUSTOM
            if kind == "CameraMove"
            else bool(raw[0]) and not (kind == "CameraPreset" and raw[0] == CUSTOM)
        ),
    )


def _lay_out(built: Built) -> tuple[Any, tuple[Any, ...]]:
    with gr.Column(
        elem_id="param-camera_control", elem_classes=["k-camera", "k-only-camera_control"]
    ) as frame:
        kinds = [("Default", ""), *readables(CAMERA_PRESETS), ("Custom move", CUSTOM)]
        kind = gr.Radio(kinds, value="", label="Camera", elem_classes=["k-segments"])
        with gr.Column(elem_id="param-advanced_camera_control", visible=False) as custom:
            axis = gr.Radio(
                [(axis.capitalize(), axis) for axis in AXES],
                value=AXES[0],
                label="Axis",
                elem_classes=["k-segments"],
            )
            amount = AnySlider(
                -10,
                10,
                value=0,
                step=1,
                label="How far",
                info=AXIS_HELP[AXES[0]],
                elem_classes=["k-slider"],
            )
    kind.change(
        lambda chosen: gr.Column(visible=chosen == CUSTOM),
        [kind],
        [custom],
        **QUIET,
    )
    axis.change(lambda chosen: gr.Slider(info=AXIS_HELP.get(chosen)), [axis], [amount], **QUIET)
    built.shared[_SHARED] = frame, (kind, axis, amount)
    return frame, (kind, axis, amount)
