"""Whatever is sent to an event of the page is answered in words, and sends nothing on.

Gradio checks the types of few values; its answer to a mistake of ours is an error without words.
"""

import inspect

import gradio as gr
import pytest
from served_page import QUIETLY, serving

pytestmark = QUIETLY

WRONG = [[], {"a": 1}]
WRONG_DATA = [None, 3, "x", [], {}, {"id": [], "act": {}, "ids": 1, "asked": [1], "path": ""}]
UNCHECKED = ("html",)
"""Kinds of components that hand on whatever comes."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("wrong")) as served:
        yield served


def events(served):
    """Return one event of each handler of the page's own, and of each step in the browser."""
    private = {
        (getattr(fn.fn, "__qualname__", ""), len(fn.inputs)): (number, fn)
        for number, fn in served.page.fns.items()
        if fn.api_visibility == "private"
    }
    return private.values()


def defaults(fn):
    """Return what a page that was just opened sends."""
    return [None if each.stateful else each.get_config().get("value") for each in fn.inputs]


def takes_event_data(fn):
    return fn.fn is not None and any(
        isinstance(each.annotation, type) and issubclass(each.annotation, gr.EventData)
        for each in inspect.signature(fn.fn, eval_str=True).parameters.values()
    )


def calls(fn):
    """Yield the values and the data of the event itself of every call to try."""
    for value in WRONG:
        yield [value] * len(fn.inputs), value
    yield [], {}
    opened = defaults(fn)
    if takes_event_data(fn):
        for data in WRONG_DATA:
            yield opened, data
    for position, component in enumerate(fn.inputs):
        if component.get_block_name() in UNCHECKED:
            for value in (*WRONG, "nothing"):
                yield [*opened[:position], value, *opened[position + 1 :]], {}


def test_every_event_of_the_page_answers_wrong_values_in_words(served):
    tried = 0
    for number, fn in events(served):
        for values, data in calls(fn):
            tried += 1
            session = f"wrong{number}x{tried}"
            answer = served.fire(number, values, session=session, event_data=data)
            is_told = answer.error or answer.values is not None
            assert is_told, (number, fn.fn, values, data, answer.text)
    assert tried > 100
    assert served.simulator.accepted == 0
    assert served.ledger.unfinished(origin="simulator") == []


def test_a_refusal_repeats_no_value_and_no_path(served):
    [event] = served.events("on_generate")
    values = ["secret" * 100] * len(served.page.fns[event].inputs)
    answer = served.fire(event, values)
    assert "Nothing was sent, nothing was spent." in answer.error
    assert "secret" not in answer.text
