"""Invented prices, in the provider's own form; what the live catalogue really asks differs."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from kling_ui.catalog import MODELS, Model
from kling_ui.simulator.tasks import CREDITS_PER_USD

_USD_PER_SECOND = (
    ("master", 0.21),
    ("v3-motion-control", 0.126),
    ("motion-control", 0.105),
    ("avatar-pro", 0.115),
    ("avatar", 0.0562),
    ("effects", 0.07),
    ("omni-1080p", 0.147),
    ("omni-720p", 0.105),
    ("v3-turbo-pro", 0.112),
    ("standard-turbo", 0.07),
    ("v3-pro", 0.14),
    ("v3-standard", 0.1),
    ("o1-video-to-video", 0.168),
    ("o1", 0.112),
    ("v2-6-pro", 0.0735),
    ("v2.5-turbo", 0.07),
    ("v2.1/pro", 0.0945),
    ("v2.1/standard", 0.056),
    ("multi-image", 0.06),
    ("pro", 0.0735),
    ("standard", 0.042),
)
"""The first part of an id that fits decides."""
_OTHER_USD_PER_SECOND = 0.084
_FACTORS: Mapping[str, Mapping[Any, float]] = {
    "generate_audio": {False: 1, True: 2},
    "mode": {"std": 1, "pro": 1.6},
}


def credits_for(payload: Mapping[str, Any], seconds: float) -> int:
    """Return what a generation of `seconds` that `payload` asks for costs, in credits."""
    model = MODELS[payload["model"]]
    usd = _usd_per_second(model) * seconds
    for name in _dimensions(model):
        param = model.param(name)
        usd *= _FACTORS[name].get(payload.get(name, param.default if param else None), 1)
    return round(usd * CREDITS_PER_USD)


def pricing(model: Model) -> dict[str, Any]:
    """Describe the price of `model` as the live catalogue does: fixed, or in variants."""
    usd = _usd_per_second(model)
    dimensions = _dimensions(model)
    if not dimensions:
        unit = {"name": "video", "measure": "second", "price": usd, "per": 1}
        return {"kind": "fixed", "units": [unit]}
    variants = []
    for values in product(*(_FACTORS[name] for name in dimensions)):
        when = dict(zip(dimensions, values, strict=True))
        price = usd
        for name, value in when.items():
            price *= _FACTORS[name][value]
        variants.append({"when": when, "price": round(price, 6), "unit": "second", "per": 1})
    return {"kind": "variants", "dimensions": dimensions, "variants": variants}


def _dimensions(model: Model) -> list[str]:
    """Return the parameters of `model` that its price depends on, besides the seconds."""
    return [name for name in _FACTORS if model.param(name) is not None]


def _usd_per_second(model: Model) -> float:
    known = (price for part, price in _USD_PER_SECOND if part in model.id)
    return next(known, _OTHER_USD_PER_SECOND)
