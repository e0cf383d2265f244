"""The panel below the video, as HTML: where it stands, what made it, and what to do next.

Pure functions from a generation to text; every word that came from outside is escaped. The
scripts in `assets` tick the clock, copy and ask, by the `data-` attributes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from kling_ui.service import VIDEO, Generation, Status, telling_name
from kling_ui.ui import formatting
from kling_ui.ui.media_routes import media_url
from kling_ui.ui.result import code_samples, recipe

_STEPS = (
    (Status.QUEUED, "Queued"),
    (Status.GENERATING, "Generating"),
    (Status.SAVING, "Saving"),
)
_UNDER_WAY = {status for status, _ in _STEPS}
_WAITING_BAR = '<div class="k-bar" data-indeterminate><i></i></div>'
_BAR = (
    '<div class="k-bar" role="progressbar" aria-label="Progress against the usual time" '
    'aria-valuemin="0" aria-valuemax="100"><i></i></div>'
)
_MONEY = {
    Status.UNKNOWN: "Money: not known yet",
    Status.WAITING: "Nothing spent yet",
    Status.REJECTED: "Nothing spent",
    Status.CANCELLED: "Nothing spent",
    Status.ABANDONED: "Money: not known",
    Status.FAILED: "Not charged",
}
_HIDDEN = (
    "Kling has no cancel: it goes on in the background, and the video will be in History. "
    "You can close this page. Nothing is lost."
)
_ELSEWHERE = (
    "It was started with the other of the two, the simulator or your key, and goes on when the "
    "app runs that way again. Nothing is lost."
)
_CLOSABLE = "You can close this page. Nothing is lost."
_LONG_PROMPT = 180
"""Characters from which on a prompt may be longer than two lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a panel tells of a generation besides the row itself.

    `again_usd` is what it would cost anew, None where that is not known. `is_watched`: the page
    follows it. `is_elsewhere`: it was made with the simulator and the app runs with a key, or
    the other way. `is_mine`: whoever looks may change and repeat it.
    """

    typical_seconds: float
    again_usd: float | None
    is_watched: bool
    is_elsewhere: bool
    is_mine: bool
    is_simulated: bool


def idle() -> str:
    """Say what the panel is for, before there is anything to say."""
    return (
        '<section class="k-result" data-status="idle"><div id="status" class="k-hidden">'
        "Nothing has been made here yet.</div></section>"
    )


def sending() -> str:
    """Say that the request is on its way."""
    return (
        '<section class="k-result" data-status="submitting"><div id="status">'
        f"{_head(formatting.TITLES[Status.SUBMITTING], Status.SUBMITTING.value)}{_WAITING_BAR}"
        "<i data-sending></i></div></section>"
    )


def missing() -> str:
    """Say that a link leads to nothing."""
    return (
        '<section class="k-result" data-status="missing" data-tone="bad"><div id="status" '
        f'role="alert">{_head("No video at this link", "not found")}'
        '<p class="k-hint">The link may come from another installation. Your own videos are '
        'under <a href="?tab=history">History</a>.</p></div></section>'
    )


def panel(generation: Generation, view: View) -> str:
    """Return the whole panel of one generation."""
    ticking = "" if generation.status.is_final or not view.is_watched else " data-ticking"
    typical = view.typical_seconds if generation.status in _UNDER_WAY else 0
    mine = " data-mine" if view.is_mine else ""
    return (
        f'<section class="k-result" data-generation="{generation.id}" '
        f'data-status="{generation.status.value}" data-tone="{tone(generation)}" '
        f'data-elapsed="{elapsed(generation):.1f}" data-typical="{typical:.1f}" '
        f'data-ratio="{recipe.ratio(generation):.4f}"{ticking}{mine}>'
        f"{_status(generation, view)}{_recipe(generation)}{_actions(generation, view)}</section>"
    )


def tone(generation: Generation) -> str:
    """Return how a generation is doing, in one of four words for the colors."""
    if generation.status in {Status.REJECTED, Status.FAILED}:
        return "bad"
    if generation.status is Status.COMPLETED:
        return "good"
    return "warn" if generation.error is not None else "calm"


def elapsed(generation: Generation) -> float:
    """Return for how many seconds a generation has been under way, or how long it took."""
    end = datetime.fromisoformat(generation.finished_at or datetime.now(UTC).isoformat())
    return max(0.0, (end - datetime.fromisoformat(generation.created_at)).total_seconds())


# -- where it stands


def _status(generation: Generation, view: View) -> str:
    status, error = generation.status, generation.error
    is_hidden = not (view.is_watched or status.is_final or error)
    title = _title(generation, view, is_hidden=is_hidden)
    body = [_head(title, status.value, _right(generation, view))]
    if status in _UNDER_WAY:
        body.append(_BAR)
    elif view.is_watched and not status.is_final:
        body.append(_WAITING_BAR)
    if error is not None:
        body.append(f'<p class="k-message">{escape(error.message)}</p>')
    if status in _UNDER_WAY:
        hint = "" if error or is_hidden else f'<p class="k-hint">{_CLOSABLE}</p>'
        body.append(f'<div class="k-under">{_steps(status)}{hint}</div>')
    if is_hidden:
        body.append(f'<p class="k-hint">{_ELSEWHERE if view.is_elsewhere else _HIDDEN}</p>')
    body.append(_status_actions(generation, view))
    # A finished video speaks for itself: its state is for screen readers and programs.
    is_quiet = status is Status.COMPLETED
    return f'<div id="status"{" class=k-hidden" if is_quiet else ""}>{"".join(body)}</div>'


def _title(generation: Generation, view: View, *, is_hidden: bool) -> str:
    if view.is_elsewhere and not generation.status.is_final:
        return "On hold here"
    if is_hidden:
        return "Running in the background"
    if generation.status is Status.SAVING and generation.error is not None:
        return "Paid, but not fetched yet"
    return formatting.TITLES[generation.status]


def _head(title: str, word: str, right: str = "") -> str:
    return (
        f'<header><i class="k-dot" aria-hidden="true"></i><strong role="status">{escape(title)}'
        f'</strong><span class="k-word k-hidden">{escape(word)}</span>{right}</header>'
    )


def _right(generation: Generation, view: View) -> str:
    money = _MONEY.get(generation.status, "")
    said = f'<span class="k-money">{money}</span>' if money else ""
    if generation.status.is_final:
        return said
    clock = formatting.clock(elapsed(generation))
    hide = _ask("Hide", "hide", generation, elem_id="stop") if view.is_watched else ""
    return f'{said}<span class="k-clock" data-clock>{clock}</span>{hide}'


def _steps(status: Status) -> str:
    """Draw the states; their words are drawn by CSS, so that the text names just one."""
    reached = [step for step, _ in _STEPS].index(status)
    items = "".join(
        f'<li data-label="{label}"{_reached(i, reached)}></li>'
        for i, (_, label) in enumerate(_STEPS)
    )
    return f'<ol class="k-steps" aria-hidden="true">{items}</ol>'


def _reached(step: int, reached: int) -> str:
    if step > reached:
        return ""
    return " data-now" if step == reached else " data-past"


def _status_actions(generation: Generation, view: View) -> str:
    """Return what can be done about a generation under way."""
    status = generation.status
    if status.is_final or view.is_elsewhere:
        return ""
    buttons = []
    if not view.is_watched and (generation.error is None or not view.is_mine):
        buttons.append(_ask("Show progress", "show", generation, elem_id="stop"))
    elif not view.is_watched:
        buttons.append(_ask(_resume_label(generation), "resume", generation, elem_id="again"))
    if view.is_mine and status is Status.WAITING:
        buttons.append(_ask("Don't send it", "cancel", generation))
    if view.is_mine and status is Status.UNKNOWN and not view.is_watched:
        buttons.append(_ask("Stop looking for it", "abandon", generation))
    return f'<div class="k-actions">{"".join(buttons)}</div>' if buttons else ""


def _resume_label(generation: Generation) -> str:
    if generation.status is Status.WAITING:
        return "Send it now"
    return "Download again" if generation.status is Status.SAVING else "Look again"


# -- what made it


def _recipe(generation: Generation) -> str:
    parts = (
        _chain(generation),
        _set_link(generation),
        _prompt(generation.prompt),
        _chips(generation),
        _inputs(generation),
        _shots(recipe.shots(generation)),
    )
    return f'<div class="k-recipe">{"".join(parts)}</div>'


def _chain(generation: Generation) -> str:
    """Return the parts before this one, each to be opened, where it continues another."""
    if not generation.chain:
        return ""
    parts = "".join(
        f'<li><a href="?v={quote(each)}&amp;edit" data-open="{escape(each, quote=True)}">'
        f"{_part(number)}</a></li>"
        for number, each in enumerate(generation.chain, start=1)
    )
    here = f'<li aria-current="true">{_part(len(generation.chain) + 1)}</li>'
    return f'<ol class="k-chain" aria-label="Continues">{parts}{here}</ol>'


def _set_link(generation: Generation) -> str:
    """Return the way to the set that it was made with."""
    if generation.set_id is None:
        return ""
    set_id = escape(generation.set_id, quote=True)
    address = f'href="?set={set_id}&amp;edit" data-set-open="{set_id}"'
    return f'<a class="k-of-set" {address}>Part of a set</a>'


def continuing(generation: Generation) -> str:
    """Return the line above the form that says which chain the next video goes on with."""
    parts = " ▸ ".join(_part(number) for number in range(1, len(generation.chain) + 2))
    return f"<p>{parts} ▸ <b>new</b></p>"


def _part(number: int) -> str:
    return f"Part {number}" if number == 1 else str(number)


def _shots(shots: list[recipe.Shot]) -> str:
    items = "".join(
        f'<li style="--k-seconds:{shot.seconds or 5}" title="{escape(shot.prompt, quote=True)}">'
        f"<b>{number}{f' · {shot.seconds} s' if shot.seconds else ''}</b>"
        f"<span>{escape(shot.prompt)}</span></li>"
        for number, shot in enumerate(shots, start=1)
    )
    return f'<ol class="k-shots" aria-label="Storyboard">{items}</ol>' if shots else ""


def _prompt(prompt: str) -> str:
    if not prompt:
        return ""
    is_long = len(prompt) > _LONG_PROMPT or "\n" in prompt
    more = (
        '<button type="button" class="k-more" data-act="more" aria-expanded="false">more</button>'
        if is_long
        else ""
    )
    return f'<div class="k-prompt"><p>{escape(prompt)}</p>{more}</div>'


def _chips(generation: Generation) -> str:
    chips = [_chip(escape(chip.text), chip.text, chip.name) for chip in recipe.chips(generation)]
    figure = formatting.spent(generation)
    if figure and generation.status not in _MONEY:
        mark = " <i>sim</i>" if generation.is_simulated else ""
        said = "Sample price: nothing was spent" if generation.is_simulated else "Price"
        chips.append(_chip(f"{escape(figure)}{mark}", figure, said, kind="k-pay"))
    if generation.status is Status.COMPLETED:
        took = formatting.clock(elapsed(generation))
        chips.append(_chip(f"took {took}", took, "Time taken"))
    return f'<div class="k-chips">{"".join(chips)}</div>'


def _chip(inside: str, text: str, name: str, kind: str = "") -> str:
    label = escape(f"{name}: click to copy", quote=True)
    return (
        f'<button type="button" class="k-chip {kind}" data-copy="{escape(text, quote=True)}" '
        f'title="{label}">{inside}</button>'
    )


def _inputs(generation: Generation) -> str:
    shown = "".join(_input(each) for each in recipe.inputs(generation))
    return f'<div class="k-inputs" aria-label="Inputs" role="group">{shown}</div>' if shown else ""


def _input(shown: recipe.InputShown) -> str:
    label = escape(shown.label, quote=True)
    if shown.address is None:
        return f'<span class="k-gone" title="This file was not kept">{label}: not kept</span>'
    address = escape(shown.address, quote=True)
    if shown.kind == "link":
        return f'<a href="{address}" target="_blank" rel="noreferrer">{label} ↗</a>'
    inside = {
        "image": f'<img data-src="{address}" data-rooted alt="" loading="lazy">',
        "video": f'<video data-src="{address}" data-rooted muted preload="metadata"></video>',
        "audio": f'<audio data-src="{address}" data-rooted preload="none"></audio><i>▸</i>',
    }[shown.kind]
    return (
        f'<button type="button" class="k-input" data-act="large" data-kind="{shown.kind}" '
        f'aria-label="{label}, show large" title="{label}">{inside}<b>{label}</b></button>'
    )


# -- what to do next


def _actions(generation: Generation, view: View) -> str:
    status = generation.status
    if status is not Status.COMPLETED and not view.is_mine:
        return ""
    groups = [_looking(generation, view), _making(generation, view)]
    body = '<span class="k-rule" aria-hidden="true"></span>'.join(each for each in groups if each)
    menu = _menu(generation, view)
    return f'<div class="k-actions" role="group" aria-label="Actions">{body}{menu}</div>'


def _looking(generation: Generation, view: View) -> str:
    if generation.status is not Status.COMPLETED:
        return ""
    address, name = media_url(generation, VIDEO), telling_name(generation)
    return (
        f'<a class="k-button k-primary" href="{escape(address, quote=True)}" data-rooted '
        f'download="{escape(name, quote=True)}">Download</a>'
        '<button type="button" class="k-button" data-act="link">Copy link</button>'
        '<button type="button" class="k-button" data-act="present" id="present">Present</button>'
        f"{_compare(generation) if view.is_mine else ''}"
    )


def _compare(generation: Generation) -> str:
    items = "".join(
        f'<button type="button" data-do="{act}" data-id="{generation.id}">{label}</button>'
        for label, act in (("With the previous one", "previous"), ("With another …", "another"))
    )
    return (
        '<details class="k-menu"><summary class="k-button">Compare</summary>'
        f"<div>{items}</div></details>"
    )


def _making(generation: Generation, view: View) -> str:
    buttons = [
        _ask("Use settings", "use", generation, elem_id="reuse"),
        _ask("Make one like this", "use", generation, elem_id="like"),
    ]
    if view.is_mine and generation.status.is_final:
        buttons.append(_run_again(generation, view))
    if view.is_mine and generation.status is Status.COMPLETED:
        more = "".join(
            _ask(label, "continue", generation, at=at)
            for label, at in (
                ("From the last frame", "last"),
                ("From the frame shown now", "now"),
                ("From the first frame", "first"),
            )
        )
        buttons.append(
            f'<span class="k-split">{_ask("Continue", "continue", generation, at="last")}'
            f'<details class="k-menu"><summary class="k-button" aria-label="Continue from '
            f'another frame">▾</summary><div>{more}</div></details></span>'
        )
    return "".join(buttons)


def _run_again(generation: Generation, view: View) -> str:
    if view.is_simulated:
        return _ask("Run again", "again", generation)
    price = "price not published" if view.again_usd is None else formatting.usd(view.again_usd)
    return _ask("Run again", "again", generation, price=price)


def _menu(generation: Generation, view: View) -> str:
    copies = [
        ("Copy prompt", generation.prompt),
        ("Copy as JSON", code_samples.as_json(generation.payload)),
        ("Copy as curl", code_samples.as_curl(generation.payload)),
        ("Copy as Python", code_samples.as_python(generation.payload)),
        ("Copy task id", generation.task_id),
        ("Copy request id", generation.id),
    ]
    items = [
        f'<button type="button" data-copy="{escape(text, quote=True)}">{label}</button>'
        for label, text in copies
        if text
    ]
    if view.is_mine and not generation.status.is_final:
        items.append(_ask("Put away", "put_away", generation))
    return (
        '<details class="k-menu k-last"><summary class="k-button" aria-label="More">⋯</summary>'
        f"<div>{''.join(items)}</div></details>"
    )


def _ask(label: str, act: str, generation: Generation, *, elem_id: str = "", **more: str) -> str:
    """Return a button that asks the server for something about a generation."""
    data = "".join(f' data-{name}="{escape(value, quote=True)}"' for name, value in more.items())
    named = f' id="{elem_id}"' if elem_id else ""
    return (
        f'<button type="button" class="k-button"{named} data-ask="{act}" '
        f'data-id="{generation.id}"{data}>{escape(label)}</button>'
    )
