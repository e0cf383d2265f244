"""Figures and states in people's words."""

from kling_ui.catalog import Model
from kling_ui.service import Generation, Status

TITLES = {
    Status.WAITING: "Waiting to be sent",
    Status.SUBMITTING: "Sending your request",
    Status.UNKNOWN: "Looking for your request",
    Status.REJECTED: "The request was not accepted",
    Status.CANCELLED: "Withdrawn",
    Status.ABANDONED: "Given up",
    Status.QUEUED: "Waiting in line",
    Status.GENERATING: "Kling is making your video",
    Status.SAVING: "Fetching the finished video",
    Status.COMPLETED: "Your video is ready",
    Status.FAILED: "Kling could not make this video",
}


def clock(seconds: float) -> str:
    """Write seconds as a clock does: 1:05, 1:02:03."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(seconds: float) -> str:
    """Write a usual wait roughly: 8 s, 3 min."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"  # noqa: PLR2004


def named(model: Model, field: str) -> str:
    """Name a parameter as the form labels it and, where that differs, as the API does."""
    param = model.param(field)
    if param is None:
        return field
    is_same = param.label.lower().replace(" ", "_") == field
    return param.label if is_same else f"{param.label} ({field})"


def money(generation: Generation) -> str:
    """Say what a generation cost, labelled where it is simulated; empty where not known."""
    if generation.usd_spent is not None:
        figure = f"${generation.usd_spent:,.4f}".rstrip("0")
        figure = figure + "0" * max(0, 2 - len(figure.partition(".")[2]))
    elif generation.credits_used is not None:
        figure = f"{generation.credits_used:,.0f} credits"
    else:
        return ""
    return f"{figure} (simulated)" if generation.is_simulated else figure
