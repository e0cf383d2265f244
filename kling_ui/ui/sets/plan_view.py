"""The choice of variations as HTML: its frame, and the answers that `set_plan.js` puts into it.

Pure functions to text; every word that came from outside is escaped. Every price and sum is
written here: the browser adds nothing up.
"""

import uuid
from html import escape

from kling_ui.ui import formatting
from kling_ui.ui.asked_view import answer
from kling_ui.ui.create import launch
from kling_ui.ui.formatting import NOTHING_SENT
from kling_ui.ui.sets.plan import Plan, PlannedCell, Total
from kling_ui.ui.sets.variations import MOST_CELLS, MOST_TAKES, Axis, Option

SCRIPT = "window.klingPlan.connect(element, trigger, props, watch);"
"""Hands the component to `set_plan.js`."""


def frame() -> str:
    """Return the static markup that `set_plan.js` fills; Gradio never draws it anew."""
    takes = "".join(
        f'<button type="button" data-plan-do="takes" data-takes="{number}" aria-pressed="false" '
        f'aria-label="{number} takes">×{number}</button>'
        for number in range(2, MOST_TAKES + 1)
    )
    return (
        '<button type="button" id="variations-open" data-plan-do="open" aria-haspopup="dialog" '
        'aria-label="Several at once: takes or a matrix" title="Several at once">×1 ▾</button>'
        '<div class="k-plan" hidden><header><h2 id="variations-title">Several at once</h2>'
        f'<div class="k-plan-modes" role="group" aria-label="What to make">{takes}'
        '<button type="button" data-plan-do="matrix" aria-pressed="false">Matrix…</button></div>'
        '<button type="button" class="k-plan-close" data-plan-do="close" aria-label="Close">✕'
        '</button></header><div class="k-plan-body">'
        '<p class="k-plan-about">The same settings again: Kling takes no seed, so each comes out '
        'different.</p><div class="k-plan-matrix" hidden><label class="k-plan-prompts"><span>'
        'Rows: prompts, one a line</span><textarea rows="3" spellcheck="true"></textarea></label>'
        '<div data-part="axes"></div></div><div data-part="cells"></div></div>'
        '<div class="k-plan-foot"><p class="k-plan-told" role="alert"></p>'
        '<div data-part="sum" role="status"></div>'
        '<button type="button" id="generate-set" data-plan-do="send" disabled>Generate</button>'
        "</div></div>"
    )


def plan_answer(
    plan: Plan, axes: list[Axis], axis: Axis | None, *, is_matrix: bool, asked: str, told: str = ""
) -> str:
    """Carry a plan: what can vary, its cells, its sum, and what is confirmed by sending it."""
    return answer(
        "plan",
        f'<div data-part="axes">{_axes(axes, axis) if is_matrix else ""}</div>'
        f'<div data-part="cells">{_cells(plan) if is_matrix else _problem(plan)}</div>'
        f'<div data-part="sum">{escape(_sum(plan))}</div>',
        asked=asked,
        key=plan.key,
        usd="" if plan.max_usd is None else f"{plan.max_usd:.6f}",
        label=_label(plan.total),
        ready="1" if plan.requests else "",
        told=told,
    )


def asking(total: Total, *, asked: str) -> str:
    """Ask for a second press."""
    question = f"Spend {_price(total) or 'an unknown sum'}? Press again"
    return answer("asking", question, asked=asked, unlike=_never_twice())


def submitted(set_id: str, *, asked: str) -> str:
    """Carry the id of the set that was submitted."""
    return answer("submitted", asked=asked, set=set_id)


def told(message: str, *, asked: str) -> str:
    """Say why nothing was sent."""
    said = message if message.endswith(NOTHING_SENT) else f"{message} {NOTHING_SENT}"
    return answer("told", escape(said), asked=asked, unlike=_never_twice())


def _never_twice() -> str:
    """Return what makes equal answers differ: the page has to see that one came again."""
    return uuid.uuid4().hex[:8]


# -- in words


def _label(total: Total) -> str:
    if not total.count:
        return "Generate"
    if total.is_simulated:
        return f"Generate {total.count} · free"
    price = _price(total)
    return f"Generate {total.count} · {price}" if price else f"Generate {total.count}"


def _price(total: Total) -> str:
    """Return the sum or range; empty where no price is known at all."""
    if total.unpriced == total.count:
        return ""
    price = formatting.dollars(total.low, total.high)
    return f"{price} + {total.unpriced} without a price" if total.unpriced else price


def _sum(plan: Plan) -> str:
    total = plan.total
    if plan.is_too_large:
        return f"At most {MOST_CELLS} at once."
    if not total.count:
        return "Nothing to send yet."
    price = _price(total) or "price not published"
    if total.is_simulated:
        price = f"free (sample price {price}, simulated)"
    count = f"{total.count} {'run' if total.count == 1 else 'runs'}"
    at_once = f", {min(total.parallel, total.count)} at a time" if total.count > 1 else ""
    return f"{count} · {price} · about {formatting.about(total.seconds)}{at_once}"


# -- what varies


def _axes(axes: list[Axis], chosen: Axis | None) -> str:
    if chosen is None:
        return '<p class="k-plan-about">This form has nothing else to vary.</p>'
    names = "".join(
        f'<option value="{each.name}"{" selected" if each.name == chosen.name else ""}>'
        f"{escape(each.label)}</option>"
        for each in axes
    )
    groups: dict[str, list[Option]] = {}
    for option in chosen.options:
        groups.setdefault(option.group, []).append(option)
    chips = "".join(
        (f'<b class="k-plan-group">{escape(group)}</b>' if group else "")
        + "".join(_chip(option, chosen) for option in options)
        for group, options in groups.items()
    )
    return (
        f'<label class="k-plan-axis"><span>Columns</span><select data-plan-axis>{names}</select>'
        '</label><div class="k-plan-chips" role="group" '
        f'aria-label="{escape(chosen.label)}" data-axis="{chosen.name}">{chips}</div>'
    )


def _chip(option: Option, axis: Axis) -> str:
    first = " data-first" if option.key in axis.first else ""
    return (
        f'<label class="k-plan-chip"><input type="checkbox" value="{escape(option.key)}"{first}>'
        f"<span>{escape(option.words)}</span></label>"
    )


def _problem(plan: Plan) -> str:
    """Say why takes can't be made; all have one reason."""
    problem = next((each.problem for each in plan.cells if each.problem), "")
    return f'<p class="k-plan-problem">{escape(problem)}</p>' if problem else ""


def _cells(plan: Plan) -> str:
    if plan.is_too_large:
        return ""
    table = plan.table
    heads = "".join(f'<th scope="col">{escape(words)}</th>' for words in table.columns)
    rows = []
    for number, prompt in enumerate(table.rows):
        cells = "".join(_cell(each) for each in plan.cells if each.cell.row == number)
        words = escape(formatting.shortened(prompt, 90) or "–")
        rows.append(f'<tr><th scope="row" title="{escape(prompt[:500])}">{words}</th>{cells}</tr>')
    return (
        '<div class="k-plan-scroll" role="region" aria-label="What will be made" tabindex="0">'
        f'<table><thead><tr><th><span class="k-hidden">Prompt</span></th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(planned: PlannedCell) -> str:
    cell = planned.cell
    if planned.estimate is None:
        return f'<td class="k-plan-invalid"><small>{escape(planned.problem)}</small></td>'
    without = f"without {', '.join(cell.left_out)}" if cell.left_out else ""
    note = f"<small>{escape(without)}</small>" if without else ""
    price = launch.price(planned.estimate) or "no price"
    return (
        f'<td><label><input type="checkbox" data-cell="{cell.key}">'
        f"<span>{escape(price)}</span></label>{note}</td>"
    )
