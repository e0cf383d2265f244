"""The compare view as HTML: its frame, the videos in it, the table of what differs.

Pure functions to text; every word that came from outside is escaped. `compare.js` plays the
videos on one clock and answers the buttons by `data-do`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kling_ui.service import Generation, Playback
from kling_ui.ui import formatting
from kling_ui.ui.asked_view import answer
from kling_ui.ui.compare import differences
from kling_ui.ui.media_routes import poster_url, video_url
from kling_ui.ui.result import recipe

MOST = 4
"""How many results are compared at once."""

LETTERS = "ABCD"
SCRIPT = "window.klingCompare.connect(element, trigger, props, watch);"
"""Hands the component to `compare.js`."""

_ASSUMED_FRAME_RATE = 24.0
_SPEEDS = ("0.25", "0.5", "1", "1.5", "2")
_KEYS = "1–4 large · 0 all · Space · ← → frame · L loop · F full screen · Esc"
_ICONS = {
    "back": '<path d="M15 5l-7 7 7 7"/>',
    "full": '<path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"/>',
    "link": '<path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.4'
    'l-3 3a4 4 0 0 0 5.7 5.7l1-1"/>',
    "play": '<path class="k-solid" d="M7 4.5v15l12-7.5z"/>',
    "pause": '<path class="k-solid" d="M7 5h3.6v14H7zM13.4 5H17v14h-3.6z"/>',
    "earlier": '<path d="M14.5 6l-6 6 6 6M18 6v12"/>',
    "later": '<path d="M9.5 6l6 6-6 6M6 6v12"/>',
    "loop": '<path d="M5 11V9.5A3.5 3.5 0 0 1 8.5 6H19M16 3l3 3-3 3M19 13v1.5a3.5 3.5 0 0 1-3.5 '
    '3.5H5M8 21l-3-3 3-3"/>',
    "sound": '<path d="M4 9.5v5h3.5L12 18V6L7.5 9.5z"/><path class="k-waves" d="M15 9.5a4 4 0 0 1 '
    '0 5M17.5 7a8 8 0 0 1 0 10"/><path class="k-mute" d="M15.5 10l4.5 4.5M20 10l-4.5 4.5"/>',
    "star": '<path d="M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.8-5.2 2.8 1-5.8L3.6 9.7l5.8-.8z"/>',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place of the view: the id that was asked for, and what there is of it.

    `is_mine`: whoever looks may star it.
    """

    id: str
    generation: Generation | None = None
    playback: Playback | None = None
    is_mine: bool = False


def frame() -> str:
    """Return the static markup that `compare.js` fills; Gradio never draws it anew."""
    return (
        '<div class="k-compare" tabindex="-1" autofocus hidden><header class="k-compare-bar">'
        f"{_button('back', 'Back', words='Back')}"
        '<h2 id="compare-title">Compare</h2>'
        '<div class="k-views" role="group" aria-label="What is shown"></div>'
        f'<span class="k-keys" aria-hidden="true">{_KEYS}</span>'
        f"{_button('link', 'Copy link', words='Copy link')}"
        f"{_button('full', 'Full screen')}</header>"
        '<div class="k-compare-body"><div class="k-slots" aria-busy="true"></div>'
        f"{_clock()}"
        '<div class="k-differs"></div></div>'
        '<div class="k-compare-told" role="status"></div></div>'
    )


def view(slots: Sequence[Slot], *, asked: str) -> str:
    """Carry the slots and the table; `asked` names the question that it answers."""
    shown = slots[:MOST]
    generations = [each.generation for each in shown]
    is_pending = any(each is not None and not each.status.is_final for each in generations)
    inside = "".join(_slot(each, number) for number, each in enumerate(shown))
    return answer(
        "view",
        f"{inside}{_differences(generations)}",
        asked=asked,
        ids=",".join(each.id for each in shown),
        tall="1" if all(_ratio(each) < 1 for each in generations) else "",
        pending="1" if is_pending else "",
    )


def told(message: str, *, asked: str, star: str = "") -> str:
    """Carry a sentence in place of an answer; `star`: the id whose star could not be changed."""
    return answer("told", escape(message), asked=asked, star=star)


# -- the frame


def _clock() -> str:
    speeds = "".join(
        f'<option value="{each}"{" selected" if each == "1" else ""}>{each}×</option>'
        for each in _SPEEDS
    )
    play = (
        '<button type="button" class="k-tool" data-do="play" aria-label="Play" '
        f'title="Play (Space)">{_icon("play")}{_icon("pause")}</button>'
    )
    return (
        f'<div class="k-clockbar" role="group" aria-label="Playback of all">{play}'
        '<span class="k-now" translate="no">0:00.0</span>'
        '<input class="k-seek" type="range" min="0" max="1" step="any" value="0" '
        'aria-label="Position"><span class="k-total" translate="no">0:00.0</span>'
        f"{_button('earlier', 'One frame back')}{_button('later', 'One frame on')}"
        f'<select class="k-speed" aria-label="Speed">{speeds}</select>'
        f"{_button('loop', 'Loop', more=' aria-pressed=true')}</div>"
    )


def _button(name: str, label: str, *, words: str = "", more: str = "") -> str:
    said = f"<span>{words}</span>" if words else ""
    title = "" if words else f' title="{escape(label)}"'
    return (
        f'<button type="button" class="k-tool" data-do="{name}" aria-label="{escape(label)}"'
        f"{title}{more}>{_icon(name)}{said}</button>"
    )


def _icon(name: str) -> str:
    return f'<svg viewBox="0 0 24 24" data-icon="{name}" aria-hidden="true">{_ICONS[name]}</svg>'


# -- the videos


def _slot(slot: Slot, number: int) -> str:
    letter, generation = LETTERS[number], slot.generation
    title = formatting.model_title(generation.model) if generation else "Not here"
    name = (
        f'<a class="k-slot-name" href="?v={generation.id}&amp;edit" data-result="{generation.id}" '
        f'title="{escape(formatting.shortened(generation.prompt, 300) or title)}">'
        f"{escape(title)}</a>"
        if generation
        else f'<span class="k-slot-name">{title}</span>'
    )
    has_video = generation is not None and generation.video is not None
    tools = _tools(slot, letter) if has_video else ""
    return (
        f'<section class="k-slot" data-id="{escape(slot.id)}" aria-label="{letter}: '
        f'{escape(title)}" style="--ratio:{_ratio(generation):.4f}">'
        f"<header><b>{letter}</b>{name}{tools}</header>"
        f'<div class="k-slot-mat">{_screen(slot, letter)}</div></section>'
    )


def _tools(slot: Slot, letter: str) -> str:
    is_silent = slot.playback is not None and not slot.playback.has_sound
    label = f"{letter} has no sound" if is_silent else f"Sound from {letter}"
    sound = _button("sound", label, more=" disabled" if is_silent else " aria-pressed=false")
    if not slot.is_mine:
        return sound
    is_on = slot.generation is not None and slot.generation.is_starred
    return sound + _button("star", f"Star {letter}", more=f" aria-pressed={str(is_on).lower()}")


def _screen(slot: Slot, letter: str) -> str:
    generation = slot.generation
    if generation is None:
        return (
            "<p><strong>No video at this link</strong><span>It was deleted, or comes from another "
            f"installation.</span><code>{escape(slot.id)}</code></p>"
        )
    video, poster = video_url(generation), poster_url(generation)
    if video is None or poster is None:
        return f"<p><strong>{formatting.TITLES[generation.status]}</strong></p>"
    rate = slot.playback.frames_per_second if slot.playback else 0
    return (
        f'<video data-src="{escape(video)}" data-poster="{escape(poster)}" data-rooted muted '
        f'playsinline preload="auto" data-fps="{rate or _ASSUMED_FRAME_RATE:.4f}" '
        f'aria-label="Video {letter}"></video>'
    )


def _ratio(generation: Generation | None) -> float:
    return recipe.ratio(generation) if generation else 16 / 9


# -- what differs


def _differences(generations: Sequence[Generation | None]) -> str:
    found = differences.compare(generations)
    if not found.rows and not found.same:
        return ""
    if not found.rows:
        return '<p class="k-same">Nothing differs: not even price and time.</p>'
    letters = "".join(f'<th scope="col">{each}</th>' for each in LETTERS[: len(generations)])
    rows = "".join(_row(each) for each in found.rows)
    return (
        '<div class="k-table" role="region" aria-label="What differs" tabindex="0"><table>'
        f'<thead><tr><th scope="col"><span class="k-hidden">Setting</span></th>{letters}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>{_same(found.same)}"
    )


def _row(row: differences.Row) -> str:
    first = row.cells[0].text
    cells = []
    for number, cell in enumerate(row.cells):
        if row.name == differences.PROMPT and cell.text:
            # Each against the first, the first against the second.
            inside = _marked(cell.text, first if number else row.cells[1].text)
        else:
            inside = escape(cell.text) + "".join(_input(each) for each in cell.inputs)
        cells.append(f"<td>{inside or '–'}</td>")
    return f'<tr><th scope="row">{escape(row.name)}</th>{"".join(cells)}</tr>'


def _marked(text: str, other: str) -> str:
    said = ""
    for each in differences.marked(text, other):
        words = each.text.lstrip()
        gap = each.text[: len(each.text) - len(words)]
        said += gap + (escape(words) if each.is_common else f"<mark>{escape(words)}</mark>")
    return said


def _input(shown: recipe.InputShown) -> str:
    label = escape(shown.label)
    if shown.address is None:
        return "not kept"
    address = escape(shown.address)
    if shown.kind == "image":
        return f'<img data-src="{address}" data-rooted alt="{label}" loading="lazy">'
    if shown.kind == "link":
        return f'<a href="{address}" target="_blank" rel="noreferrer">link ↗</a>'
    return f'<a href="{address}" data-rooted target="_blank">{shown.kind} ↗</a>'


def _same(names: Sequence[str]) -> str:
    if not names:
        return ""
    listed = [each if each.isupper() else each[:1].lower() + each[1:] for each in names]
    head, last = listed[:-1], listed[-1]
    said = f"{', '.join(head)} and {last}" if head else last
    return f'<p class="k-same">The same: {escape(said)}.</p>'
