"""The page for a host that the app does not answer for: it names the setting."""

from html import escape

_LONGEST_SHOWN = 100


def unknown_host_message(hosts: list[str]) -> str:
    """Return what to set so that the app answers for this Host header."""
    name = hosts[0][:_LONGEST_SHOWN] if len(hosts) == 1 else ""
    host = name.partition(":")[0] if name and not name.startswith("[") else "the name you use"
    return (
        f"Kling UI does not answer for the host {name!r}. If this name is yours, set "
        f"KLING_UI_HOSTS={host} (a comma list) where the app runs, and restart it. "
        "Nothing was sent, nothing was spent."
    )


def unknown_host_page(hosts: list[str]) -> bytes:
    """Return that as a page."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>Kling UI: unknown host</title>"
        '<body style="font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem">'
        f"<h1>Unknown host</h1><p>{escape(unknown_host_message(hosts))}</p>"
    ).encode()
