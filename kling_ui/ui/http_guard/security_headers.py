"""The headers that every answer carries, and the ones that none may carry."""

from kling_ui.ui.asgi import HeaderList

SPACES_SITE = "https://huggingface.co"
"""Shows each Space in a frame."""


def security_headers(*, is_space: bool) -> HeaderList:
    """Return what each answer gets: who may frame it, no guessed types, no addresses told."""
    ancestors = f"'self' {SPACES_SITE}" if is_space else "'self'"
    return [
        (b"content-security-policy", f"frame-ancestors {ancestors}".encode()),
        (b"x-content-type-options", b"nosniff"),
        # An address holds the id of a generation, and whoever has an id may look.
        (b"referrer-policy", b"same-origin"),
    ]


def secured(headers: HeaderList, added: HeaderList) -> HeaderList:
    """Return `headers` with `added` in place of the same names, and without any CORS."""
    replaced = {name for name, _ in added}
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in replaced and not name.lower().startswith(b"access-control-")
    ]
    return [*kept, *added]
