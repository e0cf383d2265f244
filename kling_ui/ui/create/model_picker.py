"""The models of a task with what helps to choose: price, wait, features; and which comes first."""

from collections.abc import Mapping

from kling_ui.catalog import MODELS, Choice, Model, Param, Storyboard, Task
from kling_ui.service import Estimate, Service
from kling_ui.ui import formatting
from kling_ui.ui.create.picker import Option

_FEATURES = (
    ("generate_audio", "audio"),
    ("tail_image_url", "last frame"),
    ("last_image_url", "last frame"),
    ("dynamic_masks", "brush"),
    ("camera_control", "camera"),
    ("elements", "elements"),
)
_USUAL_LENGTH = 5
_GONE = {"withdrawn", "deprecated", "superseded"}


def models_of(task: Task) -> list[Model]:
    """Return a task's models, the newest version first, Standard before Pro."""
    models = [model for model in MODELS.values() if model.task is task]
    return sorted(models, key=_newness)


def default_model(task: Task, last_used: Mapping[str, str]) -> Model:
    """Return the model last used for a task, else its newest Standard, else its newest."""
    models = models_of(task)
    used = MODELS.get(last_used.get(task.value, ""))
    if used is not None and used.task is task:
        return used
    return next((model for model in models if model.tier == "Standard"), models[0])


def options(task: Task, service: Service) -> list[Option]:
    """Return the rows of the list, one a model."""
    models = models_of(task)
    estimates = {model.id: service.estimates.estimate(model.id, _usual(model)) for model in models}
    waits = {id_: each.wait.p50 for id_, each in estimates.items()}
    known = {id_: each.usd_low for id_, each in estimates.items() if each.usd_low is not None}
    marks = {models[0].id: "Newest"} if len(models) > 1 else {}
    if len(known) > 1:
        marks[min(known, key=lambda id_: known[id_])] = "Cheapest"
    if len(set(waits.values())) > 1:
        marks.setdefault(min(waits, key=lambda id_: waits[id_]), "Fastest")
    return [
        Option(
            value=model.id,
            label=model.title,
            detail=" · ".join(_details(model, estimates[model.id])),
            mark=_leaving(model, service) or marks.get(model.id, ""),
        )
        for model in models
    ]


def _details(model: Model, estimate: Estimate) -> list[str]:
    named = [word for name, word in _FEATURES if model.param(name)]
    duration = model.param("duration")
    longest = max(duration.choices) if isinstance(duration, Choice) else None
    lengths = [f"≤ {longest} s"] if longest else []
    boards = ["storyboard"] if any(isinstance(p, Storyboard) for p in model.params) else []
    price = _price(estimate)
    wait = f"~{formatting.about(estimate.wait.p50)}"
    return [*([price] if price else []), wait, *dict.fromkeys([*lengths, *named, *boards])]


def _price(estimate: Estimate) -> str:
    if estimate.usd_low is None or estimate.usd_high is None:
        return estimate.detail if "$" in estimate.detail else ""
    if "×" not in estimate.detail:
        return formatting.dollars(estimate.usd_low, estimate.usd_high)
    low, high = estimate.usd_low / _USUAL_LENGTH, estimate.usd_high / _USUAL_LENGTH
    return f"{formatting.dollars(low, high)} a second"


def _usual(model: Model) -> dict[str, int]:
    param: Param | None = model.param("duration")
    return {"duration": _USUAL_LENGTH} if isinstance(param, Choice) else {}


def _leaving(model: Model, service: Service) -> str:
    check = service.live.check(model.id)
    if check.status not in _GONE:
        return ""
    successor = MODELS.get(check.successor or "")
    word = check.status.capitalize()
    return f"{word}: use {successor.title}" if successor else word


def _newness(model: Model) -> tuple[float, int, int]:
    number, *variant = model.version.split()
    # O1 came between 2.6 and 3; avatars have no number.
    version = float(number) if number[0].isdigit() else 2.8
    tiers = ("Standard", "Pro", "Master", "720p", "1080p")
    return -version, len(variant), tiers.index(model.tier) if model.tier in tiers else len(tiers)
