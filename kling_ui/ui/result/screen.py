"""The stage's box while there is no video in it, as HTML: an invitation, work, or why not."""

from html import escape

from kling_ui.service import Generation, Status
from kling_ui.ui import formatting
from kling_ui.ui.create.examples import cards_html
from kling_ui.ui.result import recipe

_WITHOUT_VIDEO = {
    Status.REJECTED: "Not accepted",
    Status.FAILED: "No video this time",
    Status.CANCELLED: "Withdrawn",
    Status.ABANDONED: "No longer looked for",
}
_UNSENT = "Not sent yet"
_LONGEST_PROMPT = 160


def empty_screen(*, is_simulated: bool) -> str:
    """Invite to a first video."""
    note = (
        "No key is set, so a simulator answers: free, and clearly labeled."
        if is_simulated
        else "Each generation is paid from your AI/ML API balance."
    )
    return _screen(
        "empty",
        16 / 9,
        "<strong>Your video appears here</strong><span>Write a prompt, or start from one of "
        f"these. Nothing is sent before you press Generate.</span>{cards_html()}"
        f"<small>{note}</small>",
    )


def missing_screen() -> str:
    """Say that a link leads to nothing."""
    return _screen(
        "none",
        16 / 9,
        "<strong>No video at this link</strong><span>The link may come from another "
        "installation.</span>",
    )


def screen(generation: Generation) -> str:
    """Fill the box in the ratio that was asked for: calm motion, or why there is no video."""
    ratio = recipe.ratio(generation)
    prompt = (
        f"<q>{escape(formatting.shortened(generation.prompt, _LONGEST_PROMPT))}</q>"
        if generation.prompt
        else ""
    )
    if generation.status in _WITHOUT_VIDEO:
        return _screen("none", ratio, f"<strong>{_WITHOUT_VIDEO[generation.status]}</strong>")
    if generation.status is Status.WAITING:
        return _screen("waiting", ratio, f"<strong>{_UNSENT}</strong>{prompt}")
    if generation.status is Status.UNKNOWN:
        return _screen("unknown", ratio, prompt)
    return _screen("working", ratio, prompt, backdrop=_backdrop(generation))


def _screen(kind: str, ratio: float, inside: str, *, backdrop: str = "") -> str:
    return (
        f'<div class="k-mat"><div class="k-screen" data-kind="{kind}" '
        f'style="--k-ratio:{ratio:.4f}">{backdrop}<div class="k-says">{inside}</div></div></div>'
    )


def _backdrop(generation: Generation) -> str:
    """Return the picture that the video begins with, to be shown dimmed; "" without one."""
    for each in recipe.inputs(generation):
        if each.kind == "image" and each.address:
            address = escape(each.address, quote=True)
            return f'<img class="k-backdrop" data-src="{address}" data-rooted alt="">'
    return ""
