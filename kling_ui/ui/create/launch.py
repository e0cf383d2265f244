"""What stands around Generate: what will be sent, what it costs, how long it takes. Pure."""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from kling_ui.catalog import Choice, Flag, MediaParam, Model, Param, Storyboard, Text
from kling_ui.service import Estimate
from kling_ui.ui import formatting
from kling_ui.ui.create.fields.field import readable

_SHOWN_PROMPT = 24
NOT_PUBLISHED = "price not published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the page writes beside fields: by parameter, for its choices, its label or below it.

    `prices`: by choice ("" for the label); `doubts`: messages; `fixed_length` in place of the
    length's control; `is_empty`: nothing is filled in yet; `advanced`: how much is set in there;
    `draft`: what the browser keeps, see `draft.py`; `balance`: the account's, for the badge.
    """

    prices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    fixed_length: str = ""
    is_empty: bool = False
    advanced: int = 0
    draft: Mapping[str, Any] = field(default_factory=dict)
    balance: str = ""

    def attribute(self) -> str:
        """Return the hints as an HTML attribute for create.js."""
        return f'data-hints="{escape(json.dumps(asdict(self)), quote=True)}"'


def button_label(estimate: Estimate) -> str:
    """Return what Generate says: the price, as far as it is known."""
    if estimate.is_simulated:
        return "Generate · free"
    known = price(estimate)
    return f"Generate · {known}" if known else "Generate"


def asking_html(estimate: Estimate) -> str:
    """Ask for a second press; create.js shows it on the button for a while."""
    question = f"Spend {price(estimate)}? Press again"
    # Never twice the same: the page has to see that it is asked again.
    return f'<p class="k-asks" role="alert" data-asking="{uuid.uuid4().hex}">{question}</p>'


def price_html(estimate: Estimate, hints: Hints, *, balance: float | None) -> str:
    """Say how the price comes about and how long it takes; hover tells where both are from."""
    said = escape(estimate.detail) if "$" in estimate.detail else NOT_PUBLISHED
    if estimate.is_simulated:
        sample = f"sample price {price(estimate) or said}" if said != NOT_PUBLISHED else said
        said = f'{sample} <i class="k-sim">simulated</i>'
    title = escape(f"{estimate.detail} ({estimate.source})", quote=True)
    parts = f"<span>{said}</span><span>{escape(wait(estimate))}</span>"
    return (
        f'<div class="k-price" title="{title}" {hints.attribute()}>{parts}</div>'
        f"{_balance_note(estimate, balance)}"
    )


def wait(estimate: Estimate) -> str:
    """Return the usual wait: "usually 6 min (5–8)"."""
    usual = estimate.wait
    if usual.source == "simulator":
        return f"takes {formatting.about(usual.p50)}"
    said = f"usually {formatting.about(usual.p50)}"
    if usual.p90 is None or usual.p90 <= usual.p50:
        return said
    return f"{said} ({formatting.span(usual.p10 or usual.p50, usual.p90)})"


def sends_html(parts: Iterable[tuple[str, str, bool]]) -> str:
    """Say what will be sent: (parameter, words, may be dropped) each."""
    chips = "".join(
        f"<li>{escape(words)}{_dropper(name, words) if is_droppable else ''}</li>"
        for name, words, is_droppable in parts
    )
    return f'<div class="k-sends"><span>Sends</span><ul>{chips}</ul></div>' if chips else ""


def part_words(param: Param, value: Any) -> str:
    """Return what the line above Generate calls a value that will be sent."""
    label = param.label[:1].lower() + param.label[1:]
    if isinstance(param, Flag):
        return label.removeprefix("generate ") if value else f"no {label.removeprefix('generate ')}"
    if isinstance(param, Storyboard):
        return f"{len(value)} shot{'s' if len(value) > 1 else ''}"
    if isinstance(param, Text):
        return (
            label if param.required else f"{label} “{formatting.shortened(value, _SHOWN_PROMPT)}”"
        )
    if isinstance(param, MediaParam):
        count = len(value) if isinstance(value, list) else 1
        return label if count == 1 else f"{count} {label.removesuffix('s')}s"
    if not isinstance(param, Choice):
        return f"{label} {value}" if isinstance(value, int | float) else label
    word = param.names.get(str(value)) or f"{value}{param.unit}"
    is_plain = isinstance(value, int) or ":" in word
    return word if is_plain else f"{label}: {readable(word)}"


def fixed_length(model: Model, values: Mapping[str, Any]) -> str:
    """Return the length that the shots set, in words; empty where the form's own counts."""
    board, shots = model.param("multi_prompt"), values.get("multi_prompt")
    if not isinstance(board, Storyboard) or not board.is_timed or shots is None:
        return ""
    seconds = sum(shot["duration"] or 0 for shot in shots)
    return f"{seconds:.0f} s (from the storyboard)"


def price(estimate: Estimate) -> str:
    """Return what is to be paid, or from what to what; empty where that is not known."""
    if estimate.usd_low is None or estimate.usd_high is None:
        return ""
    return formatting.dollars(estimate.usd_low, estimate.usd_high)


def _balance_note(estimate: Estimate, balance: float | None) -> str:
    if estimate.is_simulated or balance is None or estimate.usd_low is None:
        return ""
    if balance >= estimate.usd_low:
        return ""
    return (
        '<p class="k-low-balance" role="status">Your balance is below this price. If the provider '
        "refuses it, you aren't charged.</p>"
    )


def _dropper(name: str, words: str) -> str:
    label = escape(f"Don't send {words}", quote=True)
    drop = escape(name, quote=True)
    return f'<button type="button" data-drop="{drop}" aria-label="{label}">✕</button>'
