"""The catalog turns values into a payload, or says what is wrong with each of them."""

import json
import math

import pytest
from harness import every
from hypothesis import example, given
from hypothesis import strategies as st

from kling_ui.catalog import MODELS, Choice, InvalidValuesError, Number, Task, Text, find_model

MODEL = MODELS["kling-video/v1.6/standard/text-to-video"]
PROMPT = "A cheerful raccoon"
HUGE = 10**400
"""A whole number that JSON may hold and a float can't."""

every_model = every(MODELS.values())


def problems(model, values):
    with pytest.raises(InvalidValuesError) as caught:
        model.payload(values)
    return {problem.field: problem.message for problem in caught.value.problems}


def problem(**values):
    found = problems(MODEL, {"prompt": PROMPT, **values})
    assert list(found) == list(values)[-1:]
    return found.popitem()[1]


def sent(**values):
    return MODEL.payload({"prompt": PROMPT, **values})


# -- what is sent


def test_only_what_was_set_is_sent():
    assert sent() == {"model": MODEL.id, "prompt": PROMPT}
    values = {
        "negative_prompt": "blur",
        "aspect_ratio": "9:16",
        "duration": 10,
        "cfg_scale": 0.7,
        "provider": "kling",
    }
    assert sent(**values) == {"model": MODEL.id, "prompt": PROMPT, **values}


def test_the_documented_types_are_sent():
    body = sent(duration=10.0, cfg_scale=1)
    assert json.dumps(body["duration"]) == "10"
    assert body["cfg_scale"] == 1


@pytest.mark.parametrize("unset", [None, ""])
def test_an_unset_optional_value_is_left_out(unset):
    names = ("negative_prompt", "aspect_ratio", "duration", "cfg_scale", "provider")
    assert sent(**dict.fromkeys(names, unset)) == {"model": MODEL.id, "prompt": PROMPT}


def test_blank_optional_text_is_left_out():
    assert "negative_prompt" not in sent(negative_prompt=" \n ")


def test_the_prompt_is_sent_as_it_was_typed():
    prompt = "  Regen,\n\tein 🦝 — „leise“  "
    assert MODEL.payload({"prompt": prompt})["prompt"] == prompt


def test_the_given_values_are_not_changed():
    values = {"prompt": PROMPT, "duration": 5.0, "negative_prompt": " "}
    MODEL.payload(values)
    assert values == {"prompt": PROMPT, "duration": 5.0, "negative_prompt": " "}


# -- what is refused


@pytest.mark.parametrize(
    "prompt",
    [
        *(None, "", " ", "\n\t\u2003", "\u200b", " \ufeff\u2060\u00ad\u202e\n", "\u180e"),
        # Of the categories of letters, marks and symbols, and yet nothing to see.
        *("\u115f\u1160\u3164\uffa0", "\u2800 \u2800", "\ufe0f\U000e0100\u180b"),
        *("\u17b4\u034f", "\x07\x1b"),
    ],
)
def test_a_blank_prompt_is_refused(prompt):
    message = "is required. Say what should happen in the video."
    assert problems(MODEL, {"prompt": prompt}) == {"prompt": message}
    assert problems(MODEL, {}) == {"prompt": message}


@pytest.mark.parametrize(
    "prompt",
    ["\u1100\u1160", "\u2800\u2813", "\u2764\ufe0f", "e\u0301", "\U0001f469\u200d\U0001f680"],
)
def test_what_shows_nothing_by_itself_may_stand_beside_what_does(prompt):
    assert sent(prompt=prompt)["prompt"] == prompt


def test_a_prompt_may_have_2500_characters_whatever_their_size_in_bytes():
    assert sent(prompt="🦝" * 2500)["prompt"] == "🦝" * 2500
    message = "has 2,503 characters; 2,500 are allowed. Shorten it by 3."
    assert problems(MODEL, {"prompt": "🦝" * 2503}) == {"prompt": message}


def test_what_to_avoid_has_the_same_limit():
    assert problem(negative_prompt="a" * 2501).startswith("has 2,501 characters")


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83e", "\udd9d half"])
def test_characters_that_no_parser_agrees_on_are_refused(text):
    assert problem(negative_prompt=text).startswith("holds characters that can't be sent")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("prompt", 5, "must be text, not 5."),
        ("prompt", ["rain"], "must be text, not ['rain']."),
        ("negative_prompt", False, "must be text, not False."),
        ("duration", "5", "must be 5 or 10 as a number, not '5'."),
        ("duration", True, "must be 5 or 10 as a number, not True."),
        ("duration", 7, "must be 5 or 10 as a number, not 7."),
        ("duration", 5.5, "must be 5 or 10 as a number, not 5.5."),
        ("duration", math.nan, "must be 5 or 10 as a number, not nan."),
        ("duration", math.inf, "must be 5 or 10 as a number, not inf."),
        pytest.param("duration", HUGE, None, id="duration-huge"),
        ("aspect_ratio", "4:3", "must be 16:9, 9:16 or 1:1, not '4:3'."),
        ("aspect_ratio", 1, "must be 16:9, 9:16 or 1:1, not 1."),
        ("aspect_ratio", {"x": 1}, "must be 16:9, 9:16 or 1:1, not {'x': 1}."),
        ("cfg_scale", True, "must be a number from 0 to 1, not True."),
        ("cfg_scale", "0.5", "must be a number from 0 to 1, not '0.5'."),
        ("cfg_scale", -0.01, "must be a number from 0 to 1, not -0.01."),
        ("cfg_scale", 1.01, "must be a number from 0 to 1, not 1.01."),
        ("cfg_scale", math.nan, "must be a number from 0 to 1, not nan."),
        ("cfg_scale", math.inf, "must be a number from 0 to 1, not inf."),
        pytest.param("cfg_scale", HUGE, None, id="cfg_scale-huge"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_what_is_right(name, value, message):
    said = problem(**{name: value})
    assert message is None or said == message
    assert said.startswith("must be ")


def test_every_problem_is_told_at_once_in_one_sentence_a_field():
    with pytest.raises(InvalidValuesError) as caught:
        MODEL.payload({"seed": 7, "prompt": " ", "duration": "5", "cfg_scale": 2})
    assert [each.field for each in caught.value.problems] == [
        "seed",
        "prompt",
        "duration",
        "cfg_scale",
    ]
    assert str(caught.value) == (
        f"seed: is not a parameter of {MODEL.id}; it takes prompt, negative_prompt, "
        "aspect_ratio, duration, cfg_scale, provider. "
        "prompt: is required. Say what should happen in the video. "
        "duration: must be 5 or 10 as a number, not '5'. "
        "cfg_scale: must be a number from 0 to 1, not 2."
    )


def test_a_long_wrong_value_is_not_repeated_at_length():
    assert len(problem(aspect_ratio="x" * 10_000)) < 100


@pytest.mark.parametrize(
    "name", [None, 5, "", [], {}, "kling-video/v9", "KLING-VIDEO/V1.6/STANDARD/TEXT-TO-VIDEO"]
)
def test_an_unknown_model_is_refused(name):
    with pytest.raises(InvalidValuesError, match="is not a Kling model this app knows") as caught:
        find_model(name)
    assert [each.field for each in caught.value.problems] == ["model"]


# -- every model


def required(model):
    return [param.name for param in model.params if param.required]


def test_a_model_is_found_by_its_id():
    assert all(find_model(name) is model and model.id == name for name, model in MODELS.items())


@every_model
def test_a_model_is_readable(model):
    assert model.title
    assert isinstance(model.task, Task)
    assert 5 <= model.typical_seconds <= 3600
    names = [param.name for param in model.params]
    assert len(names) == len(set(names))
    assert all(param.label and param.label != param.name for param in model.params)
    assert "model" not in names


@every_model
def test_without_values_a_model_asks_for_just_what_it_requires(model):
    needed = set(required(model))
    if model.param("multi_prompt") is not None:
        # Neither of the two is required by itself, but a video of nothing is.
        needed.add("prompt")
    assert set(problems(model, {})) == needed


@every_model
def test_a_parameter_that_a_model_does_not_have_is_named(model):
    assert "not_of_kling" in problems(model, {"not_of_kling": 1})


@every_model
def test_what_the_form_starts_with_may_be_sent(model):
    for param in model.params:
        if param.initial is not None:
            assert param.check(param.initial) == param.initial


@every_model
def test_bounds_and_choices_are_in_order(model):
    for param in model.params:
        if isinstance(param, Number):
            assert param.minimum < param.maximum
        if isinstance(param, Choice):
            assert len(set(param.choices)) == len(param.choices) > 1
            assert len({type(choice) for choice in param.choices}) == 1
            assert all(param.check(choice) == choice for choice in param.choices)
        if isinstance(param, Text):
            assert 1 <= param.max_length <= 10_000


@every_model
def test_a_models_listing_is_json_that_names_every_parameter(model):
    listing = json.loads(json.dumps(model.listing()))
    assert listing["id"] == model.id
    assert listing["task"] == model.task.value
    names = [parameter["name"] for parameter in listing["parameters"]]
    assert names == [param.name for param in model.params]
    assert [each["name"] for each in listing["parameters"] if each["required"]] == required(model)
    assert all(each["type"] for each in listing["parameters"])


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["5", 5, 10, 0.5, "16:9", "auto", "https://example.com/a.jpg", "std"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def a_model_and_values(draw):
    model = draw(st.sampled_from(list(MODELS.values())))
    names = st.sampled_from([param.name for param in model.params]) | st.text()
    return model, draw(st.dictionaries(names, json_values, max_size=8))


@given(a_model_and_values())
@example((MODEL, {"prompt": "a", "cfg_scale": HUGE}))
@example((MODEL, {"prompt": "a", "duration": -HUGE}))
@example((MODEL, {"prompt": "a", "aspect_ratio": [[[]]]}))
def test_any_values_become_a_payload_of_just_them_or_named_problems(case):
    model, values = case
    try:
        body = model.payload(values)
    except InvalidValuesError as exc:
        refusal = exc
    else:
        refusal = None
    if refusal is not None:
        known = {param.name for param in model.params} | set(values)
        assert refusal.problems
        for problem in refusal.problems:
            start = problem.field.removesuffix("…")  # a long name is cut
            is_cut = start != problem.field and any(name.startswith(start) for name in known)
            assert problem.field in known or is_cut
        return
    assert body.pop("model") == model.id
    assert all(body[name] == values[name] for name in body)
    assert set(required(model)) <= set(body)
    json.dumps(body, allow_nan=False).encode()
