"""A set as HTML: its frame, and the grid of its cells with what can be done with each.

Pure functions to text; every word that came from outside is escaped. `set.js` asks, replaces the
cells that have changed and plays them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from kling_ui.service import Batch, ErrorKind, Generation, Status
from kling_ui.ui import formatting
from kling_ui.ui.asked_view import answer
from kling_ui.ui.media_routes import poster_url, video_url
from kling_ui.ui.result import panel, recipe
from kling_ui.ui.sets.set_grid import Grid, grid
from kling_ui.ui.zip_routes import set_zip_url

SCRIPT = "window.klingSets.connect(element, trigger, props, watch);"
"""Hands the component to `set.js`."""

MOST_SHOWN = 200
"""How many cells are drawn; a set that came through the API may have a thousand."""

_LONGEST_TITLE = 80
_AT_WORK = (Status.SUBMITTING, Status.QUEUED, Status.GENERATING, Status.SAVING)
_AGAIN = (Status.FAILED, Status.REJECTED, Status.CANCELLED)
_UNSPENT = (*_AGAIN, Status.ABANDONED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFacts:
    """What a grid tells besides its rows.

    `again_usd` returns what a generation would cost anew, at most; None where nobody knows.
    `is_mine`: whoever looks may change it.
    """

    is_mine: bool
    typical_seconds: Callable[[Generation], float]
    again_usd: Callable[[Generation], float | None]


def frame() -> str:
    """Return the static markup that `set.js` fills; Gradio never draws it anew."""
    tools = (
        ("play", "Play all", "Plays every video here, muted (P)", ""),
        ("captions", "Captions", "Shows or hides the words (C)", ' aria-pressed="true"'),
        ("present", "Present", "Shows it alone, as a link does", ""),
        ("link", "Copy link", "", ""),
    )
    buttons = "".join(
        f'<button type="button" class="k-button" data-set-do="{name}" title="{title}"{more}>'
        f"{words}</button>"
        for name, words, title, more in tools
    )
    return (
        '<section class="k-set" aria-labelledby="set-title" hidden>'
        '<header class="k-set-bar"><div class="k-set-head"><h2 id="set-title">'
        '<input class="k-set-name" maxlength="200" aria-label="Name of this set" '
        'placeholder="Name this set" autocomplete="off"></h2>'
        '<p class="k-set-facts" role="status"></p></div>'
        f'<div class="k-set-tools" role="toolbar" aria-label="This set">{buttons}'
        '<a class="k-button" data-set-do="zip" download>Zip</a>'
        '<button type="button" class="k-button k-set-own" data-set-do="resume_set" hidden></button>'
        '<button type="button" class="k-button k-set-own" data-set-do="cancel_set" hidden></button>'
        '<button type="button" class="k-button" data-set-do="close">Close</button></div></header>'
        '<div class="k-set-body" aria-busy="true"></div>'
        '<div class="k-set-large" role="dialog" aria-modal="true" aria-label="One video of it" '
        'tabindex="-1" hidden><video playsinline loop controls></video>'
        '<p class="k-set-caption"></p>'
        '<button type="button" data-set-do="earlier" aria-label="The one before">←</button>'
        '<button type="button" data-set-do="later" aria-label="The next one">→</button>'
        '<button type="button" data-set-do="small" aria-label="Back to the grid">✕</button></div>'
        '<div class="k-set-told" role="alert"></div></section>'
    )


def view(batch: Batch, facts: SetFacts, *, asked: str, told: str = "") -> str:
    """Carry a set as it is; `asked` names the question that it answers, `told` says what failed."""
    shown = grid(batch.generations[:MOST_SHOWN])
    is_named = bool(batch.set.name) or len(shown.rows[0]) > _LONGEST_TITLE
    inside = _table(shown, facts, has_prompt=is_named)
    asking = [each for each in batch.generations if _asks(each)]
    waiting = [each for each in batch.generations if each.status is Status.WAITING]
    carried = {
        "id": batch.set.id,
        "name": batch.set.name,
        "title": _title(batch),
        "facts": _facts(batch),
        "shape": "|".join((*shown.rows, "", *shown.columns)),
        "pending": _flag(any(not each.status.is_final for each in batch.generations)),
        "mine": _flag(facts.is_mine),
        "asking": str(len(asking) or ""),
        "asking_usd": _sum_words([each.usd_confirmed for each in asking]),
        "waiting": str(len(waiting) or ""),
        "zip": set_zip_url(batch.set.id),
    }
    stamp = hashlib.sha256(f"{carried}{inside}".encode()).hexdigest()[:16]
    return answer("set", inside, asked=asked, stamp=stamp, now=_now(), told=told, **carried)


def stamp_of(answer: str) -> str:
    """Return the stamp of a view: equal ones show the same."""
    return answer.partition('data-stamp="')[2].partition('"')[0]


def same(*, asked: str) -> str:
    """Carry that a set still is as the page shows it."""
    return answer("same", asked=asked, now=_now())


def missing(*, asked: str) -> str:
    """Carry that there is no such set."""
    said = (
        '<div class="k-nothing"><strong>No set at this link</strong><span>It was deleted, or comes '
        "from another installation.</span></div>"
    )
    return answer("missing", said, asked=asked)


def told(message: str, *, asked: str) -> str:
    """Carry a sentence in place of an answer."""
    return answer("told", escape(message), asked=asked)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# -- in words


def _title(batch: Batch) -> str:
    """Return what a set is called: its name, else what it was made from."""
    if batch.set.name:
        return batch.set.name
    first = next((each.prompt for each in batch.generations if each.prompt), "")
    return formatting.shortened(first, _LONGEST_TITLE) or "A set"


def _facts(batch: Batch) -> str:
    shown = grid(batch.generations[:MOST_SHOWN]).generations
    ready = sum(each.status is Status.COMPLETED for each in shown)
    without = sum(each.status in _UNSPENT for each in shown)
    rest = len(batch.generations) - MOST_SHOWN
    parts = [
        f"{ready} of {len(shown)} ready",
        f"{without} without a video" if without else "",
        _spent(batch.generations),
        f"{rest} more in History" if rest > 0 else "",
    ]
    return " · ".join(part for part in parts if part)


def _spent(generations: Sequence[Generation]) -> str:
    paid = [each.usd_spent for each in generations if each.status not in _UNSPENT]
    usd = sum(each for each in paid if each is not None)
    if not usd:
        return ""
    is_simulated = any(each.is_simulated for each in generations)
    return f"{formatting.usd(usd)}{' sim' if is_simulated else ''}"


def _sum_words(amounts: Sequence[float | None]) -> str:
    known = [each for each in amounts if each is not None]
    return formatting.usd(sum(known)) if known and len(known) == len(amounts) else ""


def _flag(is_so: bool) -> str:  # noqa: FBT001
    return "1" if is_so else ""


def _asks(generation: Generation) -> bool:
    return generation.status is Status.WAITING and generation.confirmed_at is None


# -- the grid


def _table(shown: Grid, facts: SetFacts, *, has_prompt: bool) -> str:
    has_rows, has_columns = len(shown.rows) > 1, len(shown.columns) > 1 and any(shown.columns)
    if not has_rows:
        cells = "".join(
            _cell(each, _caption(each, label), label if has_columns else "", facts)
            for each, label in zip(shown.cells[0], shown.columns, strict=True)
            if each is not None
        )
        said = escape(shown.rows[0]) if has_prompt else ""  # else it is the title
        prompt = f'<p class="k-set-prompt">{said}</p>' if said else ""
        play = _play("row", 0, "them") if len(shown.generations) > 1 else ""
        return f'{prompt}{play}<div class="k-set-list" data-row="0">{cells}</div>'
    heads = "".join(
        f'<th scope="col">{escape(label)}{_play("column", number, label or "this column")}</th>'
        for number, label in enumerate(shown.columns)
    )
    rows = "".join(
        f'<tr data-row="{number}"><th scope="row"><span title="{escape(prompt[:1000])}">'
        f"{escape(formatting.shortened(prompt, 160) or 'Without a prompt')}</span>"
        f"{_play('row', number, 'this row')}</th>{_cells(row, shown.columns, facts)}</tr>"
        for number, (prompt, row) in enumerate(zip(shown.rows, shown.cells, strict=True))
    )
    corner = '<th><span class="k-hidden">Prompt</span></th>'
    return (
        '<div class="k-set-scroll" tabindex="0" role="region" aria-label="The grid">'
        f'<table style="--columns:{len(shown.columns)}">'
        f"<thead><tr>{corner}{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cells(row: Sequence[Generation | None], columns: Sequence[str], facts: SetFacts) -> str:
    return "".join(
        f'<td data-column="{number}">{_cell(each, _caption(each, label), "", facts)}</td>'
        if each is not None
        else '<td class="k-set-empty"><span aria-label="Nothing here">–</span></td>'
        for number, (each, label) in enumerate(zip(row, columns, strict=True))
    )


def _play(kind: str, number: int, what: str) -> str:
    words = {"column": "", "row": " Play"}[kind]
    label = f"Play {what} together"
    return (
        f'<button type="button" class="k-set-play" data-set-do="together" data-kind="{kind}" '
        f'data-number="{number}" aria-label="{escape(label)}" '
        f'title="{escape(label)}: up to four on one clock">▶{words}</button>'
    )


def _caption(generation: Generation, label: str) -> str:
    return " · ".join(part for part in (generation.prompt, label) if part)


def _cell(generation: Generation, caption: str, label: str, facts: SetFacts) -> str:
    said = f'<b class="k-set-label">{escape(label)}</b>' if label else ""
    status = generation.status
    name = f"{_word(generation)}: {formatting.shortened(caption, 120)}"
    return (
        f'<div class="k-set-cell" data-id="{generation.id}" data-status="{status.value}" '
        f'data-tone="{panel.tone(generation)}" data-caption="{escape(caption)}" '
        f'style="--ratio:{recipe.ratio(generation):.4f}">'
        f'<a class="k-set-picture" href="?v={generation.id}&amp;edit" '
        f'data-open="{generation.id}" aria-label="{escape(name)}">'
        f"{_picture(generation, facts)}</a>"
        f'<div class="k-set-below">{said}<span class="k-set-price">{escape(_price(generation))}'
        f"</span>{_why(generation)}{_buttons(generation, facts)}</div></div>"
    )


def _picture(generation: Generation, facts: SetFacts) -> str:
    poster, video = poster_url(generation), video_url(generation)
    if poster and video:
        return (
            f'<img data-src="{escape(poster)}" data-rooted alt="" loading="lazy" decoding="async">'
        )
    if generation.status not in _AT_WORK:
        return f'<span class="k-set-word">{_word(generation)}</span>'
    begun = generation.sent_at or generation.created_at
    left = (
        f'<small data-begun="{escape(begun)}" '
        f'data-typical="{facts.typical_seconds(generation):.0f}"></small>'
    )
    return f'<i class="k-ring"></i><span class="k-set-word">{_word(generation)}</span>{left}'


def _word(generation: Generation) -> str:
    return (
        "Asks before it is sent"
        if _asks(generation)
        else formatting.STATUS_WORDS[generation.status]
    )


def _price(generation: Generation) -> str:
    if generation.status is Status.FAILED:
        return "not charged"
    if generation.status in _UNSPENT:
        return ""
    figure = formatting.money(generation)
    if figure or generation.usd_confirmed is None:
        return figure
    most = formatting.usd(generation.usd_confirmed)
    return f"{most}\N{NO-BREAK SPACE}sim" if generation.is_simulated else most


def _why(generation: Generation) -> str:
    error = generation.error
    if error is None or error.kind is ErrorKind.CANCELLED:
        return ""
    return f'<span class="k-set-why" title="{escape(error.message)}">{escape(error.message)}</span>'


def _buttons(generation: Generation, facts: SetFacts) -> str:
    if not facts.is_mine:
        return ""
    status = generation.status
    buttons = []
    if _asks(generation):
        buttons.append(_button("send", "Send", generation))
    if status is Status.WAITING:
        buttons.append(_button("cancel", "Withdraw", generation))
    if status in _AGAIN:
        usd = facts.again_usd(generation)
        price = "" if usd is None else f' data-price="{formatting.usd(usd)}" data-usd="{usd:.6f}"'
        buttons.append(_button("retry", "Try again", generation, price))
    return "".join(buttons)


def _button(act: str, words: str, generation: Generation, more: str = "") -> str:
    return (
        f'<button type="button" class="k-set-own k-set-small" data-set-do="{act}" '
        f'data-id="{generation.id}"{more}>{words}</button>'
    )
