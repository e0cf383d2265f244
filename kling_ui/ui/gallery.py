"""The History tab as HTML: one card a generation, newest first; a click opens it."""

from datetime import datetime
from html import escape
from pathlib import Path

from kling_ui.catalog import MODELS
from kling_ui.service import Generation, Status
from kling_ui.ui import formatting
from kling_ui.ui.stage import file_url, model_title

SCRIPT = """
element.addEventListener('click', event => {
  const card = event.target.closest('[data-open]');
  if (card) trigger('click', {id: card.dataset.open});
});
"""
"""What the list does in the browser: a click on a card is an event that carries its id."""


def gallery(generations: list[tuple[Generation, Path | None]]) -> str:
    """Draw the generations with their posters (None where there is no picture yet)."""
    if not generations:
        return (
            '<div class="k-nothing"><strong>Nothing here yet</strong>'
            "<span>Every generation you start is listed here, also those still running.</span>"
            "</div>"
        )
    cards = "".join(_card(generation, poster) for generation, poster in generations)
    return f'<div class="k-gallery">{cards}</div>'


def unreadable(message: str) -> str:
    """Say why nothing can be listed for now."""
    return (
        '<div class="k-nothing" role="alert"><strong>History can\'t be read for now</strong>'
        f"<span>{escape(message)}</span></div>"
    )


def _card(generation: Generation, poster: Path | None) -> str:
    effect = str(generation.payload.get("effect_scene", "")).replace("_", " ").capitalize()
    prompt = generation.prompt or effect or "(no prompt)"
    when = datetime.fromisoformat(generation.created_at)
    cost = formatting.money(generation) if generation.status is Status.COMPLETED else ""
    if generation.status is Status.FAILED:
        cost = "not charged"
    model = MODELS.get(generation.model)
    task = model.task.value if model else ""
    small = " · ".join(part for part in (task, model_title(generation.model), cost) if part)
    return (
        f'<button type="button" class="k-tile" data-open="{generation.id}">'
        f"{_picture(generation, poster)}"
        f'<span class="k-tile-prompt">{escape(prompt[:200])}</span>'
        f'<span class="k-tile-facts">{escape(small)}</span>'
        f'<time datetime="{generation.created_at}" data-local>{when:%Y-%m-%d %H:%M} UTC</time>'
        "</button>"
    )


def _picture(generation: Generation, poster: Path | None) -> str:
    if poster is not None:
        return (
            f'<span class="k-tile-picture"><img src="{escape(file_url(poster), quote=True)}" '
            'data-rooted alt="" loading="lazy"></span>'
        )
    tone = "bad" if generation.status in {Status.REJECTED, Status.FAILED} else "calm"
    return (
        f'<span class="k-tile-picture" data-tone="{tone}">'
        f'<code class="k-word">{generation.status.value}</code></span>'
    )


def has_unfinished(generations: list[Generation]) -> bool:
    """Tell whether the list will look different by itself in a while."""
    return any(not generation.status.is_final for generation in generations)
