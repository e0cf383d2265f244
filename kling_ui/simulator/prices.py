"""Invented prices, in the provider's own form; what the live catalogue really asks differs."""

from collections.abc import Mapping
from typing import Any

from kling_ui.catalog import MODELS, Model
from kling_ui.simulator.tasks import CREDITS_PER_USD

_USD_PER_SECOND = {"standard": 0.042, "std": 0.042, "pro": 0.0735, "master": 0.21}
_OTHER_USD_PER_SECOND = 0.084
_SOUND_FACTOR = 2


def seconds_of(payload: Mapping[str, Any]) -> int:
    """Return how long the video that `payload` asks for is."""
    param = MODELS[payload["model"]].param("duration")
    return int(payload.get("duration") or (param.initial if param else None) or 5)


def credits_for(payload: Mapping[str, Any]) -> int:
    """Return what the generation that `payload` asks for costs, in credits."""
    model = MODELS[payload["model"]]
    usd = _usd_per_second(model) * seconds_of(payload)
    sound = model.param("generate_audio")
    if sound and payload.get("generate_audio", sound.default):
        usd *= _SOUND_FACTOR
    return round(usd * CREDITS_PER_USD)


def pricing(model: Model) -> dict[str, Any]:
    """Describe the price of `model` as the live catalogue does: fixed, or in variants."""
    usd = _usd_per_second(model)
    if model.param("generate_audio") is None:
        unit = {"name": "video", "measure": "second", "price": usd, "per": 1}
        return {"kind": "fixed", "units": [unit]}
    variants = [
        {"when": {"generate_audio": sound}, "price": price, "unit": "second", "per": 1}
        for sound, price in ((False, usd), (True, usd * _SOUND_FACTOR))
    ]
    return {"kind": "variants", "dimensions": ["generate_audio"], "variants": variants}


def _usd_per_second(model: Model) -> float:
    words = model.id.replace("-", "/").split("/")
    known = [_USD_PER_SECOND[word] for word in words if word in _USD_PER_SECOND]
    return known[0] if known else _OTHER_USD_PER_SECOND
