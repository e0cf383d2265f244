"""The right column as HTML: the screen before there is a video, and the status card below it.

Pure functions from a generation to text; every word that came from outside is escaped.
The script beside this module ticks the clock and fills the bar from the `data-` attributes.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from kling_ui.catalog import InvalidValuesError, Model, Problem, find_model
from kling_ui.service import VIDEO, Generation, Status, telling_name
from kling_ui.ui import formatting
from kling_ui.ui.media_routes import media_url

_STEPS = (
    (Status.QUEUED, "Queued"),
    (Status.GENERATING, "Generating"),
    (Status.SAVING, "Saving"),
    (Status.COMPLETED, "Ready"),
)
_UNDER_WAY = {Status.QUEUED, Status.GENERATING, Status.SAVING}
_WAITING_BAR = '<div class="k-bar" data-indeterminate><i></i></div>'
_MONEY = {
    Status.UNKNOWN: "Money: not known yet",
    Status.WAITING: "Nothing spent yet",
    Status.REJECTED: "Nothing spent",
    Status.CANCELLED: "Nothing spent",
    Status.ABANDONED: "Money: not known",
    Status.FAILED: "Not charged",
}
_UNWATCHED = (
    "You stopped watching. Kling has no cancel: the generation goes on in the background and the "
    "video will be in History."
)
_ELSEWHERE = (
    "It was started with the other of the two, the simulator or your key, and goes on when the "
    "app runs that way again. Nothing is lost."
)
_LIMIT_TITLE = "Today's limit is reached"
_RATIOS = {"16:9", "9:16", "1:1"}


def empty_screen(*, is_simulated: bool) -> str:
    """Invite to a first video."""
    note = (
        "No key is set, so a simulator answers: free, and clearly labelled."
        if is_simulated
        else "Each generation is paid from your AI/ML API balance."
    )
    return _screen(
        "empty",
        "16:9",
        f"<strong>Your video appears here</strong><span>Write a prompt, or start from one of "
        f"the examples.</span><small>{note}</small>",
    )


def screen(generation: Generation) -> str:
    """Fill the stage while there is no video: a calm shimmer, or why there is none."""
    ratio = str(generation.payload.get("aspect_ratio", "16:9"))
    prompt = f"<q>{escape(_shortened(generation.prompt))}</q>" if generation.prompt else ""
    if generation.status in {Status.REJECTED, Status.FAILED}:
        return _screen("none", ratio, f"<strong>No video this time</strong>{prompt}")
    return _screen("working", ratio, prompt)


def _screen(kind: str, ratio: str, inside: str) -> str:
    ratio = ratio if ratio in _RATIOS else "16:9"
    return (
        f'<div class="k-screen" data-kind="{kind}" data-ratio="{ratio}">'
        f'<div class="k-sheet"></div><div class="k-says">{inside}</div></div>'
    )


def idle_card() -> str:
    """Say what the status card is for, before there is anything to say."""
    return (
        '<section class="k-card" data-status="idle"><p class="k-hint">Progress, cost and what to '
        "do next are shown here. You may close the page meanwhile: nothing gets lost.</p></section>"
    )


def sending_card() -> str:
    """Say that the request is on its way."""
    return (
        '<section class="k-card" data-status="submitting" data-sending>'
        f"{_head(formatting.TITLES[Status.SUBMITTING], 'submitting')}{_WAITING_BAR}</section>"
    )


def refused_card(model: Model, problems: Iterable[Problem]) -> str:
    """Say which values can't be sent."""
    items = "".join(
        f'<li data-field="{escape(problem.field, quote=True)}"><b>'
        f"{escape(formatting.named(model, problem.field))}</b> {escape(problem.message)}</li>"
        for problem in problems
    )
    return (
        '<section class="k-card" data-status="refused" data-tone="bad" role="alert">'
        f"{_head('Please fix this first', 'not sent')}<ul>{items}</ul>"
        '<p class="k-hint">Nothing was sent and nothing was spent. Your entries are kept.</p>'
        "</section>"
    )


def limit_card(message: str) -> str:
    """Say that the day's limit is reached, and when it goes on."""
    return (
        '<section class="k-card" data-status="refused" data-tone="bad" role="alert">'
        f"{_head(_LIMIT_TITLE, 'not sent')}"
        f'<p class="k-message">{escape(message)}</p>'
        '<p class="k-hint">Nothing was sent and nothing was spent. Your entries are kept.</p>'
        "</section>"
    )


def limit_note(message: str | None) -> str:
    """Say above the form that the day's limit is reached; empty where it is not."""
    return f'<p role="status">{escape(message)}</p>' if message else ""


def missing_card() -> str:
    """Say that a link leads to nothing."""
    return (
        '<section class="k-card" data-status="missing" data-tone="bad" role="alert">'
        f"{_head('This generation is not here', 'not found')}"
        '<p class="k-hint">The link may come from another installation. Your own generations '
        "are under History.</p></section>"
    )


def card(
    generation: Generation,
    *,
    typical_seconds: float,
    is_watched: bool,
    is_elsewhere: bool = False,
) -> str:
    """Say where a generation stands, how long it takes, what it costs and what to do next.

    `is_elsewhere`: it was made with the simulator and the app runs with a key, or the other way.
    """
    status = generation.status
    elapsed = _elapsed(generation)
    is_unwatched = not (is_watched or status.is_final or generation.error)
    title = "Going on in the background" if is_unwatched else _title(generation)
    if is_elsewhere and not status.is_final:
        title = "On hold here"
    body = [_head(title, status.value, _clock(generation))]
    is_under_way = status in _UNDER_WAY
    if is_under_way:
        body.append(_bar())
    elif is_watched and not status.is_final:
        body.append(_WAITING_BAR)
    if status in {step for step, _ in _STEPS}:
        body.append(_steps(status))
    if is_unwatched:
        body.append(f'<p class="k-hint">{_ELSEWHERE if is_elsewhere else _UNWATCHED}</p>')
    if generation.error is not None:
        body.append(f'<p class="k-message">{escape(generation.error.message)}</p>')
    body.append(_facts(generation))
    if generation.prompt:
        body.append(
            '<details class="k-prompt"><summary>Prompt</summary>'
            f"<p>{escape(generation.prompt)}</p></details>"
        )
    if generation.video:
        body.append(_download(generation))
    ticking = "" if status.is_final or not is_watched else " data-ticking"
    typical = typical_seconds if is_under_way else 0
    return (
        f'<section class="k-card" data-generation="{generation.id}" data-status="{status.value}" '
        f'data-tone="{_tone(generation)}" data-elapsed="{elapsed:.1f}" '
        f'data-typical="{typical:.1f}"{ticking}>{"".join(body)}</section>'
    )


def model_title(model_id: str) -> str:
    """Return a model's title, or its id where the catalog has lost it."""
    try:
        return find_model(model_id).title
    except InvalidValuesError:
        return model_id


def _title(generation: Generation) -> str:
    if generation.status is Status.SAVING and generation.error is not None:
        return "Paid, but not fetched yet"
    return formatting.TITLES[generation.status]


def _head(title: str, word: str, clock: str = "") -> str:
    return (
        f'<header><strong role="status">{escape(title)}</strong>'
        f'<code class="k-word">{escape(word)}</code>{clock}</header>'
    )


def _clock(generation: Generation) -> str:
    if generation.status.is_final:
        return f'<span class="k-clock">took {formatting.clock(_elapsed(generation))}</span>'
    return f'<span class="k-clock" data-clock>{formatting.clock(_elapsed(generation))}</span>'


def _bar() -> str:
    return (
        '<div class="k-bar" role="progressbar" aria-label="Progress against the usual time" '
        'aria-valuemin="0" aria-valuemax="100"><i></i></div>'
    )


def _steps(status: Status) -> str:
    """Draw the four states; their words are drawn by CSS, so that the text names just one."""
    reached = [step for step, _ in _STEPS].index(status)
    items = "".join(
        f'<li data-label="{label}" data-{"past" if i < reached else "now"}></li>'
        if i <= reached
        else f'<li data-label="{label}"></li>'
        for i, (_, label) in enumerate(_STEPS)
    )
    return f'<ol class="k-steps" aria-hidden="true">{items}</ol>'


def _facts(generation: Generation) -> str:
    facts = [f"<span>{escape(model_title(generation.model))}</span>"]
    cost = _MONEY.get(generation.status) or formatting.money(generation)
    if cost:
        facts.append(f"<span>{escape(cost)}</span>")
    if generation.task_id:
        task = escape(generation.task_id, quote=True)
        facts.append(
            f'<span class="k-task">Task <code title="{task}">{task}</code> '
            f'<button type="button" data-copy="{task}">Copy</button></span>'
        )
    return f'<div class="k-facts">{"".join(facts)}</div>'


def _download(generation: Generation) -> str:
    address, name = media_url(generation, VIDEO), telling_name(generation)
    return (
        f'<div class="k-actions"><a class="k-button" href="{escape(address, quote=True)}" '
        f'data-rooted download="{escape(name, quote=True)}">Download video</a></div>'
    )


def _tone(generation: Generation) -> str:
    if generation.status in {Status.REJECTED, Status.FAILED}:
        return "bad"
    if generation.status is Status.COMPLETED:
        return "good"
    return "warn" if generation.error is not None else "calm"


def _elapsed(generation: Generation) -> float:
    end = datetime.fromisoformat(generation.finished_at or datetime.now(UTC).isoformat())
    return max(0.0, (end - datetime.fromisoformat(generation.created_at)).total_seconds())


def _shortened(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
