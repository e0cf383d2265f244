"""The History tab as HTML: one card a generation, newest first; a click opens it."""

from datetime import datetime
from html import escape

from kling_ui.catalog import MODELS
from kling_ui.service import Generation, Status
from kling_ui.ui import formatting
from kling_ui.ui.media_routes import poster_url
from kling_ui.ui.result.stage import model_title

SCRIPT = """
element.addEventListener('click', event => {
  const card = event.target.closest('[data-open]');
  if (card) trigger('click', {id: card.dataset.open});
});
"""
"""What the list does in the browser: a click on a card is an event that carries its id."""


_THIS_VISIT = (
    '<p class="k-hint">Your browser keeps no cookie of this page, so this list lasts for this '
    "visit only. Keep the link of what you want to find again.</p>"
)


def gallery(generations: list[Generation], *, is_for_this_visit: bool = False) -> str:
    """Draw the generations, with the first picture of those that have a video.

    `is_for_this_visit`: the browser refuses cookies, so nobody could list them again.
    """
    note = _THIS_VISIT if is_for_this_visit else ""
    if not generations:
        return note + (
            '<div class="k-nothing"><strong>Nothing here yet</strong>'
            "<span>Every generation you start is listed here, also those still running.</span>"
            "</div>"
        )
    cards = "".join(_card(generation) for generation in generations)
    return f'{note}<div class="k-gallery">{cards}</div>'


def unreadable(message: str) -> str:
    """Say why nothing can be listed for now."""
    return (
        '<div class="k-nothing" role="alert"><strong>History can\'t be read for now</strong>'
        f"<span>{escape(message)}</span></div>"
    )


def _card(generation: Generation) -> str:
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
        f"{_picture(generation)}"
        f'<span class="k-tile-prompt">{escape(prompt[:200])}</span>'
        f'<span class="k-tile-facts">{escape(small)}</span>'
        f'<time datetime="{generation.created_at}" data-local>{when:%Y-%m-%d %H:%M} UTC</time>'
        "</button>"
    )


def _picture(generation: Generation) -> str:
    poster = poster_url(generation)
    if poster is not None:
        return (
            f'<span class="k-tile-picture"><img src="{escape(poster, quote=True)}" '
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
