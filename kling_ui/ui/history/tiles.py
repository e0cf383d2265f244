"""Generations as tiles, and the answers that carry them to `history.js`, which lays them out."""

import hashlib
import json
import math
from collections.abc import Collection
from html import escape

from kling_ui.service import (
    Generation,
    HistoryChanges,
    HistoryPage,
    HistoryTotals,
    SetTotals,
    Status,
)
from kling_ui.ui import formatting
from kling_ui.ui.asked_view import answer, data
from kling_ui.ui.media_routes import poster_url, video_url
from kling_ui.ui.result import recipe

_NAMED_RATIOS = {16 / 9: "16:9", 9 / 16: "9:16", 1.0: "1:1", 4 / 3: "4:3", 3 / 4: "3:4"}
_ICONS = {
    "star": '<path d="M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.8-5.2 2.8 1-5.8L3.6 9.7l5.8-.8z"/>',
    "delete": '<path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5"/>',
}


def page_answer(page: HistoryPage, *, asked: str, is_first: bool, limit: int) -> str:
    """Carry a page of tiles; `asked` names the request that it answers."""
    last = page.generations[-1].id if len(page.generations) == limit else ""
    return _answer("first" if is_first else "more", page, asked=asked, after=last)


def changes_answer(changes: HistoryChanges, *, asked: str) -> str:
    """Carry the tiles of what has changed; listed ids without a tile are not to be shown."""
    kind = "changes" if changes.is_whole else "reload"
    return _answer(kind, changes.page, asked=asked, changed=" ".join(changes.ids))


def deletion_answer(ids: Collection[str], *, asked: str, kept: int, remaining: HistoryPage) -> str:
    """Name what was deleted, how many could not be, and what is found without them."""
    return _answer("deleted", remaining, asked=asked, ids=" ".join(ids), kept=str(kept))


def unreadable_answer(message: str, *, asked: str) -> str:
    """Say why nothing can be listed for now."""
    said = (
        '<div class="k-nothing" role="alert"><strong>History can\'t be read for now</strong>'
        f"<span>{escape(message)}</span></div>"
    )
    return answer("unreadable", said, asked=asked)


def tile(generation: Generation, of_set: SetTotals | None = None) -> str:
    """Draw one generation: a link that opens it, with its star and its bin; and whose set it is."""
    words, ratio = _prompt(generation), recipe.ratio(generation)
    facts = {
        "open": generation.id,
        "status": generation.status.value,
        "created": generation.created_at,
        "usd": _paid(generation),
        "take": _settings(generation),
        "video": video_url(generation) or "",
        **(_set_facts(generation, of_set) if of_set else {}),
    }
    known = "" if recipe.known_ratio(generation) is None else " data-sized"
    star = f'aria-pressed="{str(generation.is_starred).lower()}"'
    return (
        f'<article class="k-tile"{data(facts)}{known} style="--ratio:{ratio:.4f}">'
        f'<a class="k-tile-link" href="?v={generation.id}&amp;edit">'
        f'<span class="k-tile-picture">{_picture(generation)}'
        f'<span class="k-tile-chips">{"".join(_chips(generation))}</span></span>'
        f'<span class="k-tile-prompt" title="{escape(words[:500])}">{escape(words[:200])}</span>'
        f'<span class="k-tile-facts">{escape(formatting.model_title(generation.model))}</span></a>'
        f"{_button('star', 'Star', star)}{_button('delete', 'Delete')}</article>"
    )


def _set_facts(generation: Generation, of_set: SetTotals) -> dict[str, str]:
    told = (f"set of {of_set.totals.count}", sum_of(of_set.totals))
    return {
        "set": generation.set_id or "",
        "set_name": of_set.name,
        "set_told": " · ".join(part for part in told if part),
    }


def _answer(kind: str, page: HistoryPage, **facts: str) -> str:
    return answer(
        kind,
        "".join(tile(each, page.sets.get(each.set_id or "")) for each in page.generations),
        **facts,
        total=str(page.totals.count),
        sum=sum_of(page.totals),
        deleted=sum_of(page.deleted),
        stamp=page.stamp,
    )


def sum_of(totals: HistoryTotals) -> str:
    """Write what generations cost, samples of the simulator apart; empty where nothing."""
    paid = [f"${totals.usd:,.2f}"] if totals.usd else []
    samples = [f"${totals.simulated_usd:,.2f} simulated"] if totals.simulated_usd else []
    return " · ".join(paid + samples)


def _button(name: str, label: str, more: str = "") -> str:
    icon = f'<svg viewBox="0 0 24 24" aria-hidden="true">{_ICONS[name]}</svg>'
    opening = (
        f'<button type="button" class="k-tile-tool k-tile-{name}" aria-label="{label}" {more}>'
    )
    return f"{opening}{icon}</button>"


def _picture(generation: Generation) -> str:
    poster = poster_url(generation)
    if poster is not None:
        return (
            f'<img data-src="{escape(poster)}" data-rooted alt="" loading="lazy" decoding="async">'
        )
    ring = "" if generation.status.is_final else '<i class="k-tile-ring"></i>'
    return f'{ring}<span class="k-tile-word">{formatting.STATUS_WORDS[generation.status]}</span>'


def _chips(generation: Generation) -> list[str]:
    seconds = generation.seconds or _asked_seconds(generation)
    ratio = recipe.known_ratio(generation)
    is_free = generation.status is Status.FAILED
    told = {
        "length": f"{seconds:.3g} s" if seconds else "",
        "ratio": _ratio_name(ratio) if ratio else "",
        "audio": "audio" if generation.payload.get("generate_audio") is True else "",
        "price": "not charged" if is_free else formatting.money(generation),
    }
    return [
        f'<span data-chip="{name}">{escape(text)}</span>' for name, text in told.items() if text
    ]


def _paid(generation: Generation) -> str:
    is_known = generation.usd_spent is not None and not generation.is_simulated
    return f"{generation.usd_spent:.4f}" if is_known else ""


def _prompt(generation: Generation) -> str:
    shots = enumerate(recipe.shots(generation), start=1)
    told = [f"Shot {number}: {shot.prompt}" for number, shot in shots]
    effect = str(generation.payload.get("effect_scene", "")).replace("_", " ").capitalize()
    return generation.prompt or " · ".join(told) or effect or "(no prompt)"


def _asked_seconds(generation: Generation) -> float | None:
    try:
        seconds = float(generation.payload["duration"])
    except (KeyError, TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) else None


def _ratio_name(ratio: float) -> str:
    nearest = min(_NAMED_RATIOS, key=lambda known: abs(known - ratio))
    return _NAMED_RATIOS[nearest] if abs(nearest / ratio - 1) < 0.03 else f"{ratio:.2f}:1"  # noqa: PLR2004


def _settings(generation: Generation) -> str:
    """Return what equal settings have in common."""
    written = json.dumps([generation.model, generation.payload], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]
