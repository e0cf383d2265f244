"""The latest runs below the result, as HTML: newest left; a click puts one on the stage."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from kling_ui.service import Generation, Status
from kling_ui.ui import formatting
from kling_ui.ui.media_routes import poster_url
from kling_ui.ui.result import panel, recipe

LONGEST = 12
"""How many runs the strip shows."""

RECENT = timedelta(hours=12)
"""For how long a finished run counts as one of this visit."""

_CORNERS = {
    Status.FAILED: "not charged",
    Status.REJECTED: "not accepted",
    Status.UNKNOWN: "looking",
    Status.WAITING: "waiting",
    Status.CANCELLED: "withdrawn",
    Status.ABANDONED: "given up",
}


def recent(generations: Sequence[Generation], *, now: datetime | None = None) -> list[Generation]:
    """Return those of an owner's newest generations that the strip shows."""
    oldest = (now or datetime.now(UTC)) - RECENT
    return [
        each
        for each in generations
        if not each.is_put_away
        and (not each.status.is_final or datetime.fromisoformat(each.created_at) >= oldest)
    ][:LONGEST]


def strip(
    generations: Sequence[Generation],
    *,
    total: int,
    typical_seconds: Callable[[Generation], float],
) -> str:
    """Draw the runs; the counts for the header and the tab stand in the attributes."""
    running = sum(_is_running(each) for each in generations)
    items = "".join(_run(each, typical_seconds) for each in generations)
    more = (
        f'<button type="button" class="k-all" data-place="history">all {total:,} →</button>'
        if total > len(generations)
        else ""
    )
    is_comparable = sum(each.status is Status.COMPLETED for each in generations) > 1
    pick = (
        '<button type="button" class="k-all" data-do="pick">Compare</button>'
        if is_comparable
        else ""
    )
    return (
        f'<div class="k-strip" role="group" aria-label="Runs of this visit" '
        f'data-running="{running}" data-total="{total}">{items}{more}{pick}</div>'
    )


def _is_running(generation: Generation) -> bool:
    return not generation.status.is_final


def _run(generation: Generation, typical_seconds: Callable[[Generation], float]) -> str:
    poster = poster_url(generation)
    inside = _ring(generation, typical_seconds) if _is_running(generation) else ""
    if poster:
        inside = f'<img data-src="{escape(poster, quote=True)}" data-rooted alt="" loading="lazy">'
    corner = _CORNERS.get(generation.status) or _length(generation)
    tag = f'<span class="k-corner">{escape(corner)}</span>' if corner else ""
    what = generation.prompt[:80] or formatting.model_title(generation.model)
    label = f"{formatting.TITLES[generation.status]}: {what}"
    return (
        f'<button type="button" class="k-run" data-open="{generation.id}" '
        f'data-status="{generation.status.value}" data-tone="{panel.tone(generation)}" '
        f'aria-label="{escape(label, quote=True)}" title="{escape(what, quote=True)}">'
        f"{inside}{tag}</button>"
    )


def _ring(generation: Generation, typical_seconds: Callable[[Generation], float]) -> str:
    return (
        f'<span class="k-left" data-elapsed="{panel.elapsed(generation):.1f}" '
        f'data-typical="{typical_seconds(generation):.1f}"><i class="k-ring"></i><b></b></span>'
    )


def _length(generation: Generation) -> str:
    if generation.status is not Status.COMPLETED:
        return ""
    return next((chip.text for chip in recipe.chips(generation) if chip.text.endswith(" s")), "")
