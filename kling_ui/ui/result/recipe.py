"""How a video was made, for people: the settings as chips, the inputs to look at, the shots.

Pure functions from a generation's payload; nothing here is markup.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kling_ui.catalog import (
    MEDIA_TYPES,
    MODELS,
    MediaParam,
    Model,
    Param,
    is_reference,
    output_seconds,
)
from kling_ui.service import Generation
from kling_ui.ui import formatting
from kling_ui.ui.media_routes import media_url

_SLIMMEST, _WIDEST = 0.4, 2.5
_REFERENCE = "input:"
_LONGEST_CHIP = 60
_WORDLESS = ("model", "prompt", "multi_prompt")
"""What is shown in other places than the chips."""

_TOLD_AT_DEFAULT = ("duration", "aspect_ratio", "generate_audio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One setting: its words, and the name it goes by."""

    text: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One parameter by its API name, its label and its value; `is_sent`: not the default's."""

    name: str
    label: str
    value: Any
    is_sent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InputShown:
    """One picture, sound or video that was sent; `kind` is image, audio, video or link.

    `address` is a URL path from the app's root, or the link; None where it was not kept.
    """

    label: str
    kind: str
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One shot of a storyboard; `seconds` None where Kling decides."""

    prompt: str
    seconds: int | None


def ratio(generation: Generation) -> float:
    """Return the width by the height of a video, or as it was asked for; 16:9 where nothing tells.

    Within bounds: what no row should hold must not make a box that nobody can see, or that hides
    all others.
    """
    found = known_ratio(generation) or _named_ratio(_default_of(generation, "aspect_ratio"))
    return min(max(found or 16 / 9, _SLIMMEST), _WIDEST)


def known_ratio(generation: Generation) -> float | None:
    """Return the width by the height of a video, or as it was asked for; None where it wasn't."""
    if generation.width and generation.height:
        return generation.width / generation.height
    return _named_ratio(generation.payload.get("aspect_ratio"))


def chips(generation: Generation) -> list[Chip]:
    """Return the settings that made a video, the model first.

    What decides price and shape (length, ratio, audio) is told even where it was left at its
    default.
    """
    found = [Chip(text=formatting.model_title(generation.model), name="Model")]
    for setting in settings(generation):
        is_told = setting.is_sent or setting.name in _TOLD_AT_DEFAULT
        text = words(setting) if is_told else ""
        if text:
            found.append(Chip(text=text, name=setting.label))
    return found


def settings(generation: Generation) -> list[Setting]:
    """Return what a model was told besides prompt and media, defaults included."""
    model, payload = MODELS.get(generation.model), generation.payload
    found = []
    for name in [param.name for param in model.params] if model else payload:
        param = model.param(name) if model else None
        if name in _WORDLESS or isinstance(param, MediaParam):
            continue
        value = payload.get(name, _default(param))
        if name == "duration":
            value = _length(model, payload)
        if value is not None:
            label = param.label if param else name
            found.append(Setting(name=name, label=label, value=value, is_sent=name in payload))
    return found


def _default(param: Param | None) -> Any:
    """Return what is used where nothing is sent: as documented, else as it is assumed."""
    if param is None:
        return None
    return param.assumed if param.default is None else param.default


def words(setting: Setting) -> str:
    """Say a setting in few words that need no name beside them; "" where it says nothing."""
    return _WORDS.get(setting.name, _plain(setting.name))(setting.value)


def inputs(generation: Generation) -> list[InputShown]:
    """Return every picture, sound and video that was sent, in the form's order."""
    model = MODELS.get(generation.model)
    params = model.params if model else ()
    found: list[InputShown] = []
    for param in params:
        if isinstance(param, MediaParam) and param.name in generation.payload:
            leaves = list(_media(param.label, generation.payload[param.name]))
            found += [_shown(generation, label, value) for label, value in leaves]
    return found


def shots(generation: Generation) -> list[Shot]:
    """Return the shots of a storyboard, none where there is one prompt."""
    given = generation.payload.get("multi_prompt")
    return [
        Shot(prompt=str(shot.get("prompt", "")), seconds=shot.get("duration"))
        if isinstance(shot, Mapping)
        else Shot(prompt=str(shot), seconds=None)
        for shot in (given if isinstance(given, list) else [])
    ]


def _named_ratio(name: Any) -> float | None:
    width, _, height = str(name).partition(":")
    if width.isdecimal() and height.isdecimal() and int(width) and int(height):
        return int(width) / int(height)
    return None


def _default_of(generation: Generation, name: str) -> Any:
    """Return what the provider documents that it uses where nothing is sent."""
    model = MODELS.get(generation.model)
    param = model.param(name) if model else None
    return param.default if param else None


def _length(model: Model | None, payload: Mapping[str, Any]) -> Any:
    seconds = output_seconds(model, payload) if model else None
    return payload.get("duration") if seconds is None else seconds.exact


def _media(label: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield each medium of a parameter's value with what it is called."""
    if isinstance(value, str):
        yield label, value
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            yield from _media(f"{label} {number}" if len(value) > 1 else label, item)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if name != "trajectories":
                yield from _media(f"{label}{_PARTS.get(name, '')}", part)


_PARTS = {
    "frontal_image_url": ", front",
    "reference_image_urls": ", view",
    "video_url": ", video",
}


def _shown(generation: Generation, label: str, value: str) -> InputShown:
    if is_reference(value):
        name = value.removeprefix(_REFERENCE)
        kind = MEDIA_TYPES[name.rpartition(".")[2]].partition("/")[0]
        return InputShown(label=label, kind=kind, address=media_url(generation, name))
    is_link = value[:8].lower().startswith(("http://", "https://"))
    return InputShown(label=label, kind="link", address=value if is_link else None)


def _cut(text: str) -> str:
    return formatting.shortened(text, _LONGEST_CHIP)


def _readable(value: Any) -> str:
    return str(value).replace("_", " ").strip()


def _moved(axis: Any, amount: Any) -> str:
    return f"camera {_readable(axis)} {str(amount).replace('-', '−')}"


def _camera(value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"camera {_readable(value)}"
    if value.get("type") != "simple":
        return f"camera {_readable(value.get('type', ''))}"
    moved = [(axis, amount) for axis, amount in value.get("config", {}).items() if amount]
    return _moved(*moved[0]) if moved else ""


def _camera_move(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    return _moved(value.get("movement_type", ""), value.get("movement_value", ""))


def _plain(name: str) -> Callable[[Any], str]:
    return lambda value: _cut(f"{_readable(name)}: {value}")


_WORDS: dict[str, Callable[[Any], str]] = {
    "duration": lambda value: f"{value:g} s" if isinstance(value, int | float) else f"{value} s",
    "aspect_ratio": str,
    "generate_audio": lambda is_on: "audio" if is_on else "no audio",
    "keep_audio": lambda is_on: "original audio" if is_on else "no original audio",
    "cfg_scale": lambda value: f"guidance {value}",
    "effect_scene": lambda value: _readable(value).capitalize(),
    "camera_control": _camera,
    "advanced_camera_control": _camera_move,
    "mode": lambda value: {"std": "Standard mode", "pro": "Pro mode"}.get(value, str(value)),
    "character_orientation": lambda value: f"orientation of the {value}",
    "shot_type": lambda value: f"shots: {_readable(value)}",
    "provider": lambda value: f"via {value}",
    "negative_prompt": lambda value: _cut(f"without {value}"),
}
"""How a setting is said in few words, by the parameter's name."""
