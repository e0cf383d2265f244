"""What stands around the tiles: search, filters, selection, the question before deleting."""

from collections.abc import Iterable
from html import escape

from kling_ui.catalog import MODELS, Task
from kling_ui.service import UNDO_SECONDS, HistorySort, Status
from kling_ui.ui.history.history_filters import version_of
from kling_ui.ui.zip_routes import MOST_SELECTED, SELECTION_PATH

_SORTS = {
    HistorySort.NEWEST: "Newest",
    HistorySort.OLDEST: "Oldest",
    HistorySort.PRICE: "Price",
    HistorySort.LENGTH: "Length",
}
_KINDS = {"paid": "Paid", "simulated": "Simulated"}

SCRIPT = "window.klingHistory.mount(element, trigger, props, watch);"
"""Hands the component to `history.js`."""


def frame() -> str:
    """Return the static markup that `history.js` fills; Gradio never draws it anew."""
    return (
        f'<div class="k-history" data-undo-seconds="{UNDO_SECONDS:.0f}">'
        '<div class="k-history-bar" role="search">'
        '<label id="history-search"><span class="k-unseen">Search history</span>'
        '<input type="search" name="q" placeholder="Search prompts, effects, models, ids" '
        'autocomplete="off" maxlength="500"></label>'
        f"{_select('task', 'Task', _pairs(task.value for task in Task))}"
        f"{_select('model', 'Model', _models())}"
        f"{_select('status', 'Status', _statuses())}"
        f"{_select('kind', 'Source', _options(_KINDS.items()))}"
        '<button type="button" class="k-pick" data-act="starred" aria-pressed="false" '
        'aria-label="Only starred">★</button>'
        '<span id="history-count" role="status"></span>'
        f"{_select('sort', None, _options((sort.value, word) for sort, word in _SORTS.items()))}"
        '<button type="button" class="k-pick" data-act="select" aria-pressed="false">'
        "Select</button>"
        "</div>"
        '<div class="k-history-list" aria-busy="true"></div>'
        '<div class="k-history-end" aria-hidden="true"></div>'
        '<div class="k-float" role="toolbar" aria-label="Selection" hidden>'
        "<span data-selected></span>"
        '<button type="button" data-act="compare" title="Two to four, side by side">Compare'
        "</button>"
        f'<button type="button" data-act="zip" data-most="{MOST_SELECTED}" '
        f'data-path="{SELECTION_PATH}" title="Videos with a table of settings and prices">Zip'
        "</button>"
        '<button type="button" data-act="delete">Delete</button>'
        '<button type="button" data-act="unselect" aria-label="End selecting">✕</button></div>'
        '<div class="k-float" role="status" data-told hidden><span></span>'
        '<button type="button" data-act="undo">Undo</button></div>'
        '<dialog class="k-ask" aria-labelledby="history-ask"><strong id="history-ask"></strong>'
        "<p>Prompt, inputs and video go; what it cost stays counted.</p><div>"
        '<button type="button" data-act="keep">Keep</button>'
        '<button type="button" data-act="confirm" class="k-danger">Delete</button>'
        "</div></dialog></div>"
    )


def _select(name: str, label: str | None, options: str) -> str:
    everything = f'<option value="">{label}</option>' if label else ""
    named = escape(label or "Order")
    return (
        f'<select class="k-pick" name="{name}" aria-label="{named}">{everything}{options}</select>'
    )


def _options(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(key)}">{escape(word)}</option>' for key, word in pairs)


def _pairs(words: Iterable[str]) -> str:
    return _options((word, word) for word in words)


def _statuses() -> str:
    return _options((status.value, status.value.capitalize()) for status in Status)


def _models() -> str:
    """Return every version with its models below it, the newest first."""
    titles: dict[str, list[str]] = {}
    for model in reversed(MODELS.values()):
        known = titles.setdefault(version_of(model.id), [])
        if model.title not in known:
            known.append(model.title)
    return "".join(
        f'<optgroup label="{escape(version)}">{_options([(version, f"All {version}")])}'
        f"{_pairs(sorted(known))}</optgroup>"
        for version, known in sorted(titles.items(), reverse=True)
    )
