"""The part of the drawer that tells how much is kept, and for how long."""

from dataclasses import dataclass

from kling_ui.service import DataPlace, Lifetime, Usage
from kling_ui.ui.formatting import byte_count

_LIFETIMES = {
    Lifetime.LASTING: ("good", "Kept", "What is made here outlives a restart.", ""),
    Lifetime.TEMPORARY: (
        "warn",
        "Perhaps not kept",
        "What is made here lies in the folder for temporary files, which the system may empty.",
        "Set KLING_UI_DATA_DIR to another folder to keep it.",
    ),
    Lifetime.MEMORY: (
        "warn",
        "Not kept",
        "What is made here lies in memory and is gone when this machine restarts.",
        "Set KLING_UI_DATA_DIR to a folder on a disk to keep it.",
    ),
    Lifetime.CONTAINER: (
        "warn",
        "Kept as long as the container",
        "What is made here goes with the container when that is removed.",
        "Set KLING_UI_DATA_DIR to a mounted volume to keep it.",
    ),
    Lifetime.SPACE: (
        "warn",
        "Not kept",
        "What is made here is gone when this Space restarts: download what you want to keep.",
        "Set KLING_UI_DATA_DIR to a mounted storage bucket to keep it.",
    ),
}
"""How a folder's life is shown, titled and said, and what its owner can do about it."""

_FOLDERS = {
    True: "It lies in <code>data</code> beside <code>app.py</code>; KLING_UI_DATA_DIR names "
    "another folder.",
    False: "It lies in the folder that KLING_UI_DATA_DIR names.",
}
"""By whether the data folder is the default one; no path of the disk is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageShown:
    """What is told of the storage. `usage` None: it could not be counted so soon.

    `limit_gb` None is no limit.
    """

    place: DataPlace
    usage: Usage | None
    limit_gb: float | None
    is_over_limit: bool


def storage_part(shown: StorageShown, said: str, *, may_change: bool) -> str:
    """Return the part as HTML; visitors see for how long things are kept, and no figures."""
    if not may_change:
        return _lifetime(shown.place, is_owner=False)
    return (
        _lifetime(shown.place, is_owner=True)
        + _over(shown)
        + _sums(shown.usage)
        + _form(shown.limit_gb, said)
    )


def _lifetime(place: DataPlace, *, is_owner: bool) -> str:
    tone, title, words, cure = _LIFETIMES[place.lifetime]
    if is_owner:
        words = f"{words} {cure or _FOLDERS[place.is_default]}"
    return f'<p class="k-where" data-kind="{tone}"><b>{title}</b></p><p class="k-quiet">{words}</p>'


def _over(shown: StorageShown) -> str:
    if not shown.is_over_limit or shown.usage is None or shown.limit_gb is None:
        return ""
    return (
        f'<p class="k-said" data-tone="bad">{byte_count(shown.usage.total)} are used, more than '
        f"the {shown.limit_gb:,g} GB that you set. Delete what you don't need in History.</p>"
    )


def _sums(usage: Usage | None) -> str:
    if usage is None:
        return (
            '<p class="k-quiet">Counting takes a while here. '
            '<button type="button" class="k-link" data-act="storage">Look again</button></p>'
        )
    rows = [
        ("Videos", byte_count(usage.videos)),
        ("Posters", byte_count(usage.posters)),
        ("Inputs of requests", byte_count(usage.inputs)),
        ("Simulator", byte_count(usage.simulator)),
        ("Temporary files", byte_count(usage.temporary)),
        ("Ledger", "on a server" if usage.ledger is None else byte_count(usage.ledger)),
    ]
    listed = "".join(_row(*row) for row in rows)
    free = "" if usage.free is None else _row("Free on this disk", byte_count(usage.free))
    return (
        f'<dl class="k-sums k-sizes">{listed}<div data-total><dt>In all</dt>'
        f"<dd>{byte_count(usage.total)}</dd></div>{free}</dl>"
        '<p class="k-quiet">The simulator keeps up to 2 GB and makes its videos again; temporary '
        "files go after a day. Videos stay until you delete them in History.</p>"
    )


def _row(kind: str, size: str) -> str:
    return f"<div><dt>{kind}</dt><dd>{size}</dd></div>"


def _form(limit_gb: float | None, said: str) -> str:
    value = "" if limit_gb is None else f"{limit_gb:g}"
    return (
        '<form class="k-field" data-act="storage_limit">'
        '<label for="settings-storage-limit">Warn above</label><div class="k-pairing">'
        '<span class="k-gigabytes"><input id="settings-storage-limit" name="gigabytes" '
        f'type="number" min="0.1" max="1000000" step="any" value="{value}" placeholder="no limit" '
        'aria-describedby="settings-storage-help settings-storage-answer"></span>'
        '<button class="k-button">Save</button></div><p class="k-quiet" id="settings-storage-help">'
        "In GB. It only warns: nothing is deleted and no video is refused because of it.</p>"
        f"{said}</form>"
    )
