"""The models as the provider lists them, with sample prices."""

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

from kling_ui.catalog import MODELS, Model
from kling_ui.simulator.tasks import CREDITS_PER_USD

TYPE = "internal/video-generations/submit"
_ALIASES = {
    "klingai/video-v2-6-motion-control": ["klingai/video-v2-6-pro-motion-control"],
    **{
        f"klingai/video-v3-{tier}-{task}": [f"kling-video/v3/turbo/{path}/{task}"]
        for tier, path in (("standard-turbo", "standard"), ("turbo-pro", "pro"))
        for task in ("text-to-video", "image-to-video")
    },
}
"""Other names under which the vendor's pages print a model."""
_USD = (
    *(("master", 0.21), ("motion-control", 0.105), ("avatar-pro", 1.15), ("avatar", 0.562)),
    *(("effects", 0.35), ("omni", 0.105), ("turbo-pro", 0.112), ("turbo", 0.07)),
    *(("v3-pro", 0.14), ("v3-standard", 0.1), ("o1", 0.112), ("v2.1/pro", 0.0945)),
    *(("v2.1/standard", 0.056), ("pro", 0.0735), ("standard", 0.042), ("", 0.084)),
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


def find_model(name: str) -> Model | None:
    """Return the model that can be asked for as `name`, its id or an alias."""
    known = (MODELS[key] for key, names in _ALIASES.items() if name in names)
    return MODELS.get(name) or next(known, None)


def items(*, has_pricing: bool) -> list[dict[str, Any]]:
    """Return every model as an item of `/v1/models`."""
    info = {"developer": "Kling AI", "docsJson": {}}
    info["description"] = "Simulated: sample prices, no video leaves this machine."
    return [
        {
            "id": model.id,
            "aliases": _ALIASES.get(model.id, []),
            "type": TYPE,
            "info": {"name": model.title, **info},
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
    price = next(price for price in _prices(model) if price["when"].items() <= values.items())
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

    Each is USD for `per` units, for requests whose values equal those in `when`. Omni's
    resolution is no parameter, and O1's default provider has no price of its own: for such
    requests the list leaves a range.
    """
    special = {"master": ["duration"], "omni": ["generate_audio", "resolution"], "o1": ["provider"]}
    usual = [name for name in ("generate_audio", "mode") if model.param(name)]
    names = next((names for part, names in special.items() if part in model.id), usual)
    unit = "generation" if "effects" in model.id else "video" if "duration" in names else "second"
    base = next(usd for part, usd in _USD if part in model.id)
    return [
        {
            "when": when,
            "price": round(base * prod(_FACTORS[name][value] for name, value in when.items()), 6),
            "unit": unit,
            "per": 10 if "avatar" in model.id else 1,
        }
        for values in product(*(_FACTORS[name] for name in names))
        for when in [dict(zip(names, values, strict=True))]
    ]
