"""The models as the provider lists them, with sample prices; what the live list asks differs."""

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

from kling_ui.catalog import MODELS, Model
from kling_ui.simulator.tasks import CREDITS_PER_USD

TYPE = "internal/video-generations/submit"

_USD = (
    ("master", 0.21),
    ("motion-control", 0.105),
    ("avatar-pro", 1.15),
    ("avatar", 0.562),
    ("effects", 0.35),
    ("omni", 0.105),
    ("turbo-pro", 0.112),
    ("turbo", 0.07),
    ("v3-pro", 0.14),
    ("v3-standard", 0.1),
    ("o1", 0.112),
    ("v2.1/pro", 0.0945),
    ("v2.1/standard", 0.056),
    ("pro", 0.0735),
    ("standard", 0.042),
    ("", 0.084),
)
"""The first part of an id that fits decides. Avatars: for ten seconds, effects: for each."""
_FACTORS: Mapping[str, Mapping[Any, float]] = {
    "duration": {5: 5, 10: 10},
    "generate_audio": {False: 1, True: 1.5},
    "resolution": {"720p": 1, "1080p": 1.4},
    "mode": {"std": 1, "pro": 1.6},
    "provider": {"kling": 1, "fal": 1.25},
}
_VARIABLE = "kling-video/v1.5/standard/image-to-video"
_UNPRICED = "kling-video/v1.6/standard/multi-image-to-video"


def model_list(*, has_pricing: bool) -> list[dict[str, Any]]:
    """Return every model as an item of `/v1/models`."""
    return [
        {
            "id": model.id,
            "aliases": [],
            "type": TYPE,
            "info": {
                "name": model.title,
                "developer": "Kling AI",
                "description": "Simulated: sample prices, no video leaves this machine.",
            },
            **({"pricing": _pricing(model)} if has_pricing and model.id != _UNPRICED else {}),
        }
        for model in MODELS.values()
    ]


def credits_for(payload: Mapping[str, Any], seconds: float) -> int:
    """Return what a generation of `seconds` that `payload` asks for costs, in credits.

    It is the listed price that matches. What the list leaves open is settled here: the
    provider is Kling, the resolution is the one in the id, the duration is the video's.
    """
    model = MODELS[payload["model"]]
    values = {param.name: param.default for param in model.params} | dict(payload)
    if values.get("provider") in {None, "auto"}:
        values["provider"] = "kling"
    values |= {"duration": seconds, "resolution": "720p" if "720p" in model.id else "1080p"}
    price = next(
        price
        for price in _prices(model)
        if all(values.get(name) == value for name, value in price["when"].items())
    )
    units = seconds if price["unit"] == "second" else 1
    usd: float = price["price"] * units / price["per"]
    return round(usd * CREDITS_PER_USD)


def _pricing(model: Model) -> dict[str, Any]:
    if model.id == _VARIABLE:
        return {"kind": "variable"}
    first, *_ = prices = _prices(model)
    if first["when"]:
        return {"kind": "variants", "dimensions": list(first["when"]), "variants": prices}
    name = {"name": "Simulated sample price", "content": "video", "origin": "output"}
    unit = {"measure": first["unit"], "price": first["price"], "per": first["per"]}
    return {"kind": "fixed", "units": [{**name, **unit}]}


def _prices(model: Model) -> list[dict[str, Any]]:
    """Return the sample prices of `model`: one, or one for each combination of its dimensions.

    Each is USD for `per` units, for requests whose values equal those in `when`.
    """
    base = next(usd for part, usd in _USD if part in model.id)
    dimensions = _dimensions(model)
    unit = "generation" if "effects" in model.id else "second"
    return [
        {
            "when": when,
            "price": round(base * prod(_FACTORS[name][value] for name, value in when.items()), 6),
            "unit": "video" if "duration" in when else unit,
            "per": 10 if "avatar" in model.id else 1,
        }
        for values in product(*(_FACTORS[name] for name in dimensions))
        for when in [dict(zip(dimensions, values, strict=True))]
    ]


def _dimensions(model: Model) -> list[str]:
    """Return what the price of `model` depends on.

    Omni's resolution is no parameter, and O1's default provider has no price of its own: for
    such requests the list leaves a range.
    """
    if "master" in model.id:
        return ["duration"]
    if "omni" in model.id:
        return ["generate_audio", "resolution"]
    if "o1" in model.id:
        return ["provider"]
    return [name for name in ("generate_audio", "mode") if model.param(name)]
