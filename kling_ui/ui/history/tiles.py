"""Generations as tiles, and the answers that carry them to `history.js`, which lays them out."""

import hashlib
import json
import math
from collections.abc import Collection
from html import escape

from kling_ui.catalog import MODELS
from kling_ui.service import (
    Generation,
    HistoryChanges,
    HistoryPage,
    HistoryTotals,
    SetTotals,
    Status,
)
from kling_ui.ui.formatting import STATUS_WORDS
from kling_ui.ui.media_routes import poster_url, video_url

_NAMED_RATIOS = {16 / 9: "16:9", 9 / 16: "9:16", 1.0: "1:1", 4 / 3: "4:3", 3 / 4: "3:4"}
_WIDE = 16 / 9
_ICONS = {
    "star": '<path d="M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.8-5.2 2.8 1-5.8L3.6 9.7l5.8-.8z"/>',
    "delete": '<path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5"/>',
}


def page_answer(page: HistoryPage, *, asked: str, is_first: bool, limit: int) -> str:
    """Carry a page of tiles; `asked` names the request that it answers."""
    last = page.generations[-1].id if len(page.generations) == limit else ""
    facts = {"kind": "first" if is_first else "more", "asked": asked, "after": last}
    return _answer(facts, page)


def changes_answer(changes: HistoryChanges, *, asked: str) -> str:
    """Carry the tiles of what has changed; listed ids without a tile are not to be shown."""
    facts = {"kind": "changes" if changes.is_whole else "reload", "asked": asked}
    return _answer({**facts, "changed": " ".join(changes.ids)}, changes.page)


def deletion_answer(ids: Collection[str], *, asked: str, kept: int, remaining: HistoryPage) -> str:
    """Name what was deleted, how many could not be, and what is found without them."""
    facts = {"kind": "deleted", "asked": asked, "ids": " ".join(ids), "kept": str(kept)}
    return _answer(facts, remaining)


def unreadable_answer(message: str, *, asked: str) -> str:
    """Say why nothing can be listed for now."""
    said = (
        '<div class="k-nothing" role="alert"><strong>History can\'t be read for now</strong>'
        f"<span>{escape(message)}</span></div>"
    )
    return _tag({"kind": "unreadable", "asked": asked}, said)


def tile(generation: Generation, of_set: SetTotals | None = None) -> str:
    """Draw one generation: a link that opens it, with its star and its bin; and whose set it is."""
    words = _prompt(generation)
    ratio = _ratio(generation)
    facts = {
        "open": generation.id,
        "status": generation.status.value,
        "created": generation.created_at,
        "usd": "" if generation.is_simulated else _figure(generation),
        "take": _settings(generation),
        "video": video_url(generation) or "",
        **(_set_facts(generation, of_set) if of_set else {}),
    }
    known = "" if _known_ratio(generation) is None else " data-sized"
    star = f'aria-pressed="{str(generation.is_starred).lower()}"'
    return (
        f'<article class="k-tile"{_data(facts)}{known} style="--ratio:{ratio:.4f}">'
        f'<a class="k-tile-link" href="?v={generation.id}&amp;edit">'
        f'<span class="k-tile-picture">{_picture(generation)}'
        f'<span class="k-tile-chips">{"".join(_chips(generation))}</span></span>'
        f'<span class="k-tile-prompt" title="{escape(words[:500])}">{escape(words[:200])}</span>'
        f'<span class="k-tile-facts">{escape(_title(generation))}</span></a>'
        f"{_button('star', 'Star', star)}{_button('delete', 'Delete')}</article>"
    )


def _set_facts(generation: Generation, of_set: SetTotals) -> dict[str, str]:
    told = (f"set of {of_set.totals.count}", sum_of(of_set.totals))
    return {
        "set": generation.set_id or "",
        "set-name": of_set.name,
        "set-told": " · ".join(part for part in told if part),
    }


def _answer(facts: dict[str, str], page: HistoryPage) -> str:
    told = {
        "total": str(page.totals.count),
        "sum": sum_of(page.totals),
        "deleted": sum_of(page.deleted),
        "stamp": page.stamp,
    }
    return _tag({**facts, **told}, "".join(_tiles(page)))


def _tiles(page: HistoryPage) -> list[str]:
    return [tile(each, page.sets.get(each.set_id or "")) for each in page.generations]


def sum_of(totals: HistoryTotals) -> str:
    """Write what generations cost, samples of the simulator apart; empty where nothing."""
    paid = [f"${totals.usd:,.2f}"] if totals.usd else []
    samples = [f"${totals.simulated_usd:,.2f} simulated"] if totals.simulated_usd else []
    return " · ".join(paid + samples)


def _tag(facts: dict[str, str], inside: str) -> str:
    return f"<div{_data(facts)}>{inside}</div>"


def _data(facts: dict[str, str]) -> str:
    return "".join(f' data-{name}="{escape(value)}"' for name, value in facts.items())


def _button(name: str, label: str, more: str = "") -> str:
    icon = f'<svg viewBox="0 0 24 24" aria-hidden="true">{_ICONS[name]}</svg>'
    opening = (
        f'<button type="button" class="k-tile-tool k-tile-{name}" aria-label="{label}" {more}>'
    )
    return f"{opening}{icon}</button>"


def _picture(generation: Generation) -> str:
    poster = poster_url(generation)
    if poster is not None:
        return f'<img src="{escape(poster)}" data-rooted alt="" loading="lazy" decoding="async">'
    ring = "" if generation.status.is_final else '<i class="k-tile-ring"></i>'
    return f'{ring}<span class="k-tile-word">{STATUS_WORDS[generation.status]}</span>'


def _chips(generation: Generation) -> list[str]:
    seconds = generation.seconds or _asked_seconds(generation)
    ratio = _known_ratio(generation)
    is_free = generation.status is Status.FAILED
    told = {
        "length": f"{seconds:.3g} s" if seconds else "",
        "ratio": _ratio_name(ratio) if ratio else "",
        "audio": "audio" if generation.payload.get("generate_audio") is True else "",
        "price": "not charged" if is_free else price(generation),
    }
    return [
        f'<span data-chip="{name}">{escape(text)}</span>' for name, text in told.items() if text
    ]


def price(generation: Generation) -> str:
    """Write what a generation costs, labeled where it is simulated; empty where not known."""
    figure = _figure(generation)
    if not figure:
        return ""
    return f"${float(figure):,.2f}{' sim' if generation.is_simulated else ''}"


def _figure(generation: Generation) -> str:
    return "" if generation.usd_spent is None else f"{generation.usd_spent:.4f}"


def _prompt(generation: Generation) -> str:
    shots = generation.payload.get("multi_prompt")
    told = [
        f"Shot {number}: {shot['prompt']}"
        for number, shot in enumerate(shots if isinstance(shots, list) else [], 1)
        if isinstance(shot, dict) and isinstance(shot.get("prompt"), str)
    ]
    effect = str(generation.payload.get("effect_scene", "")).replace("_", " ").capitalize()
    return generation.prompt or " · ".join(told) or effect or "(no prompt)"


def _title(generation: Generation) -> str:
    model = MODELS.get(generation.model)
    return model.title if model else generation.model


def _asked_seconds(generation: Generation) -> float | None:
    try:
        seconds = float(generation.payload["duration"])
    except (KeyError, TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) else None


def _known_ratio(generation: Generation) -> float | None:
    if generation.width and generation.height:
        return generation.width / generation.height
    width, _, height = str(generation.payload.get("aspect_ratio", "")).partition(":")
    if width.isdecimal() and height.isdecimal() and int(width) and int(height):
        return int(width) / int(height)
    return None


def _ratio(generation: Generation) -> float:
    # What no row should hold must not make a tile that nobody can see or that hides all others.
    return min(max(_known_ratio(generation) or _WIDE, 0.4), 2.5)


def _ratio_name(ratio: float) -> str:
    nearest = min(_NAMED_RATIOS, key=lambda known: abs(known - ratio))
    return _NAMED_RATIOS[nearest] if abs(nearest / ratio - 1) < 0.03 else f"{ratio:.2f}:1"  # noqa: PLR2004


def _settings(generation: Generation) -> str:
    """Return what equal settings have in common."""
    written = json.dumps([generation.model, generation.payload], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]
