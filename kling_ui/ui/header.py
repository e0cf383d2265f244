"""The page's frame as HTML: the bar above, the places of a phone below, notes above the form."""

from html import escape

_PLACES = (
    ("create", "Create", '<path d="M4 20l4-1L19 8l-3-3L5 16zM14 7l3 3"/>'),
    ("result", "Result", '<path d="M4 5.5h16v13H4zM10 9.2v5.6l4.8-2.8z"/>'),
    ("history", "History", '<path d="M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z"/>'),
)


def bar(*, is_simulated: bool, is_storage_full: bool = False) -> str:
    """Return the bar above: the name, what runs, and where requests go.

    `is_storage_full`: whoever looks is to be told that more is kept than they wanted.
    """
    urgent = (
        '<span class="k-urgent" role="img" aria-label="Storage is above its limit"></span>'
        if is_storage_full
        else ""
    )
    kind, where = ("simulator", "Simulator") if is_simulated else ("live", "AI/ML API")
    return (
        '<header class="k-header"><h1>Kling <em>UI</em></h1>'
        '<span id="running" role="status"></span>'
        f'<button type="button" id="badge" data-kind="{kind}" aria-haspopup="dialog">{where}'
        f"{urgent}</button></header>"
    )


def places() -> str:
    """Return the three places of a phone: Create, Result, History."""
    buttons = "".join(
        f'<button type="button" data-place="{place}"><svg viewBox="0 0 24 24" aria-hidden="true">'
        f"{drawing}</svg>{name}</button>"
        for place, name, drawing in _PLACES
    )
    return f'<nav class="k-places" aria-label="Places">{buttons}</nav>'


def limit_note(message: str | None) -> str:
    """Say above the form that the day's limit is reached; empty where it is not."""
    return f'<p role="status">{escape(message)}</p>' if message else ""
