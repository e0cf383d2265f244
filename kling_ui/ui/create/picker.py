"""A list to choose from whose rows say more than a name: details, a mark, groups, a search.

What opens, moves and chooses is picker.js; the value is the chosen option's.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

_SCRIPT = Path(__file__).parents[1] / "assets" / "picker.js"
_TEMPLATE = """
<div class="k-picker" data-part="root">
  <label class="k-label" data-part="label"></label>
  <div class="k-picker-box">
    <input type="text" role="combobox" aria-autocomplete="list" aria-expanded="false"
      autocomplete="off" spellcheck="false" data-part="input">
    <p class="k-picker-detail" data-part="detail"></p>
    <i class="k-chevron" aria-hidden="true"></i>
  </div>
  <ul role="listbox" data-part="list" hidden></ul>
</div>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One row: what it stands for, its name, and what helps to choose it."""

    value: str
    label: str
    detail: str = ""
    group: str = ""
    mark: str = ""


def picker(
    *, elem_id: str, label: str, options: Sequence[Option], value: str, is_searchable: bool
) -> gr.HTML:
    """Return the control; its value is the chosen option's `value`, or "" for none."""
    return gr.HTML(
        html_template=_TEMPLATE,
        js_on_load=_SCRIPT.read_text("utf-8"),
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=["k-plain", "k-picker-block"],
        **picker_props(label=label, options=options, value=value, is_searchable=is_searchable),
    )


def picker_props(
    *, label: str, options: Sequence[Option], value: str, hint: str = "", is_searchable: bool
) -> dict[str, Any]:
    """Return the properties that show these options with `value` chosen."""
    # Always all together: after a change of visibility alone Gradio 6.31 forgets the others.
    return {
        "name": label,
        "options": [asdict(option) for option in options],
        "hint": hint,
        "is_searchable": is_searchable,
        "value": value,
    }
