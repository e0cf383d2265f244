"""The drawer as HTML, from what is to be shown in it. Nothing is looked up here."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from kling_ui.service import MOST_PARALLEL
from kling_ui.ui.result.code_samples import as_curl, as_python
from kling_ui.ui.settings.storage_part import StorageShown, storage_part

_CLOSE = (
    '<button type="button" class="k-icon-button" data-close aria-label="Close settings">'
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 6l12 12M18 6L6 18"/></svg></button>'
)
_TITLE = f'<header><h2 id="settings-title">Settings</h2>{_CLOSE}</header>'
_CALLS = (
    ("/models", "the models and what each takes"),
    ("/submit", "start one video, answered as soon as it is accepted"),
    ("/status", "how far it is, waiting up to 45 s for a change"),
    ("/generate", "start one and stream its states to the end"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a question: `is_switch` where requests go elsewhere from now on."""

    about: Literal["key", "spending", "parallel", "storage"]
    text: str
    is_good: bool
    is_switch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the drawer tells. Sums are USD; `day_usd` None is no limit, `last` the last request.

    `may_change`: whoever looks may enter a key and change amounts. `parallel` is how many of
    several requests run at once. `storage` None: nobody has looked at that part yet.
    """

    is_simulated: bool
    may_change: bool
    spent_usd: float
    day_usd: float | None
    ask_above_usd: float
    parallel: int
    last: Mapping[str, Any] | None
    is_storage_full: bool = False
    storage: StorageShown | None = None


def closed() -> str:
    """Return the drawer before it was opened."""
    return f'{_TITLE}<p class="k-quiet" role="status">Looking…</p>'


def opened(shown: Shown, answer: Answer | None) -> str:
    """Return the drawer with a tab for each of its parts, and what came of the last question."""
    switched = " data-switched" if answer and answer.is_switch else ""
    parts = {
        "Connection": _connection(shown, answer),
        "Spending": _spending(shown, answer),
        "Storage": _storage(shown, answer),
        "API": _api(shown),
    }
    full = ("Storage",) if shown.is_storage_full else ()
    tabs = "".join(_tab(title, is_urgent=title in full) for title in parts)
    panels = "".join(_panel(title, content) for title, content in parts.items())
    return (
        f'{_TITLE}<div{switched}><div class="k-tabs" role="tablist" aria-label="Settings">{tabs}'
        f"</div>{panels}</div>"
    )


def _connection(shown: Shown, answer: Answer | None) -> str:
    kind, where, about = (
        ("simulator", "Simulator", "On this machine: free, and its videos are labeled.")
        if shown.is_simulated
        else ("live", "AI/ML API", "Every request is paid from the key's balance.")
    )
    now = (
        f'<p class="k-where" data-kind="{kind}"><b>{where}</b></p>'
        f'<p class="k-quiet">New requests go here. {about}</p>'
    )
    return now + (_change(shown, answer) if shown.may_change else "")


def _change(shown: Shown, answer: Answer | None) -> str:
    """Return the field for a key and, where a key is in use, the way back to the simulator."""
    word = "Use a key of the AI/ML API" if shown.is_simulated else "Use another key"
    back = (
        ""
        if shown.is_simulated
        else '<button type="button" class="k-button" data-act="simulator">'
        "Back to the simulator</button>"
    )
    return (
        '<form class="k-field" data-act="key" autocomplete="off">'
        f'<label for="settings-key">{word}</label><div class="k-pairing">'
        '<input id="settings-key" name="key" type="password" autocomplete="off" spellcheck="false" '
        'maxlength="512" required aria-describedby="settings-key-help settings-key-answer">'
        '<button class="k-button" data-primary>Test and use</button></div>'
        '<p class="k-quiet" id="settings-key-help">Tested by asking for its balance, which is '
        "free. Kept in this app's memory until it ends, and written nowhere.</p>"
        f"{_said(answer, 'key')}</form>{back}"
    )


def _spending(shown: Shown, answer: Answer | None) -> str:
    limit = "" if shown.day_usd is None else f" of ${shown.day_usd:,.2f}"
    sums = (
        '<dl class="k-sums"><div><dt>Today, since 00:00 UTC</dt>'
        f"<dd>${shown.spent_usd:,.2f}{limit}</dd></div></dl>"
        '<p class="k-quiet">At the AI/ML API, with what is still running or has no price yet '
        "counted as what it may cost.</p>"
    )
    if not shown.may_change:
        return sums
    return (
        f'{sums}<form class="k-field" data-act="ask_above">'
        '<label for="settings-ask">Ask again above</label><div class="k-pairing">'
        '<span class="k-dollars"><input id="settings-ask" name="usd" type="number" min="0" '
        f'max="10000" step="0.05" required value="{shown.ask_above_usd:.2f}" '
        'aria-describedby="settings-ask-help settings-spending-answer"></span>'
        '<button class="k-button">Save</button></div><p class="k-quiet" id="settings-ask-help">'
        "In US dollars. Generate then wants a second press for a video that costs more.</p>"
        f"{_said(answer, 'spending')}</form>"
        '<form class="k-field" data-act="parallel">'
        '<label for="settings-parallel">At once, of several</label><div class="k-pairing">'
        f'<input id="settings-parallel" name="count" type="number" min="1" max="{MOST_PARALLEL}" '
        f'step="1" required value="{shown.parallel}" '
        'aria-describedby="settings-parallel-help settings-parallel-answer">'
        '<button class="k-button">Save</button></div>'
        '<p class="k-quiet" id="settings-parallel-help">So many takes or cells of a matrix run at '
        "a time; the rest wait. Your account may allow fewer.</p>"
        f"{_said(answer, 'parallel')}</form>"
    )


def _storage(shown: Shown, answer: Answer | None) -> str:
    if shown.storage is None:
        return '<p class="k-quiet" data-unread>Counting…</p>'
    return storage_part(shown.storage, _said(answer, "storage"), may_change=shown.may_change)


def _api(shown: Shown) -> str:
    calls = "".join(f"<li><code>{name}</code> {about}</li>" for name, about in _CALLS)
    address = (
        '<p class="k-quiet">Programs call this app at</p><div class="k-code">'
        '<code data-address="/gradio_api/call">/gradio_api/call</code>'
        '<button type="button" data-copy-code>Copy</button></div>'
        f'<ul class="k-calls">{calls}</ul>'
        '<p class="k-quiet">Parameters and code for each: <em>Use via API</em> at the foot of '
        "the page.</p>"
    )
    if shown.last is None:
        last = '<p class="k-quiet">Code for your last request stands here once there is one.</p>'
    else:
        last = (
            '<p class="k-quiet">Your last request, sent to the AI/ML API directly. '
            "<code>$AIML_API_KEY</code> stands for your key.</p>"
            + _code("cURL", as_curl(shown.last))
            + _code("Python", as_python(shown.last))
        )
    return address + last


def _code(name: str, text: str) -> str:
    return (
        f'<details class="k-sample"><summary>{name}</summary><div class="k-code">'
        f'<pre tabindex="0" aria-label="{name}">{escape(text)}</pre>'
        '<button type="button" data-copy-code>Copy</button></div></details>'
    )


def _tab(title: str, *, is_urgent: bool) -> str:
    """Return a tab; which one is chosen is the browser's to say."""
    name = title.lower()
    mark = '<span class="k-urgent" role="img" aria-label="above its limit"></span>'
    return (
        f'<button type="button" role="tab" id="settings-tab-{name}" data-tab="{name}" '
        f'aria-controls="settings-{name}">{title}{mark if is_urgent else ""}</button>'
    )


def _panel(title: str, content: str) -> str:
    name = title.lower()
    return (
        f'<section role="tabpanel" id="settings-{name}" aria-labelledby="settings-tab-{name}">'
        f"{content}</section>"
    )


def _said(answer: Answer | None, about: str) -> str:
    """Return the line that says what came of it, empty at first: readers hear of a change."""
    is_mine = answer is not None and answer.about == about
    tone = "good" if answer and is_mine and answer.is_good else "bad"
    text = escape(answer.text) if answer and is_mine else ""
    name = f"settings-{about}-answer"
    return f'<p class="k-said" id="{name}" role="status" data-tone="{tone}">{text}</p>'
