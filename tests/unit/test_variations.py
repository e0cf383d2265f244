"""What is varied, what it adds up to, and how a set is laid out again from its rows."""

import itertools

import pytest
from harness import MODEL, PROMPT

from kling_ui.catalog import MODELS
from kling_ui.service import Generation, Status
from kling_ui.ui.create.form_input import FormInput
from kling_ui.ui.sets.plan import Total, makespan
from kling_ui.ui.sets.set_grid import grid, newest_tries
from kling_ui.ui.sets.variations import Wish, axes, carry, table

KLING_3 = "klingai/video-v3-standard-text-to-video"
EFFECTS = "kling-video/v1.6/standard/effects"
ALL = ("prompt", "duration", "aspect_ratio", "cfg_scale", "generate_audio", "effect_scene")


def filled(model=MODEL, *, counting=ALL, **values):
    return FormInput(model=MODELS[model], values=values, counting=counting)


def matrix(form, *prompts, axis="", chosen=None, off=()):
    wish = Wish(
        is_matrix=True, prompts=prompts, axis=axis, chosen=chosen, off=frozenset(off), takes=0
    )
    return table(form, wish)


def names(form):
    return [axis.name for axis in axes(form)]


# -- what can vary


def test_only_what_the_form_has_can_vary():
    assert names(filled()) == ["model", "duration", "aspect_ratio", "cfg_scale"]
    assert "generate_audio" in names(filled(KLING_3))
    assert names(filled(counting=("prompt",))) == ["model"]


def test_the_length_of_a_timed_storyboard_does_not_vary():
    turbo = "klingai/video-v3-standard-turbo-text-to-video"
    shots = [{"prompt": "one", "duration": 5}]
    assert "duration" in names(filled(turbo))
    assert "duration" not in names(filled(turbo, multi_prompt=shots))


def test_an_axis_begins_with_what_the_form_holds():
    axis = next(each for each in axes(filled(duration=10)) if each.name == "duration")
    assert axis.first[0] == "10"
    assert [option.words for option in axis.options] == ["5 s", "10 s"]


def test_takes_send_the_same_thing():
    takes = table(filled(prompt=PROMPT, duration=10), Wish(takes=3))
    assert takes.columns == ("Take 1", "Take 2", "Take 3")
    assert {tuple(cell.values.items()) for cell in takes.cells} == {
        (("prompt", PROMPT), ("duration", 10))
    }
    assert len({cell.key for cell in takes.cells}) == 3


@pytest.mark.parametrize(("asked", "made"), [(-1, 2), (0, 2), (4, 4), (10**9, 4)])
def test_takes_are_two_to_four(asked, made):
    assert len(table(filled(prompt=PROMPT), Wish(takes=asked)).cells) == made


def test_a_matrix_has_a_cell_for_each_prompt_and_value():
    made = matrix(filled(prompt="old"), "a", "b", "a", axis="duration", chosen=("10", "5", "77"))
    assert (made.rows, made.columns) == (("a", "b"), ("5 s", "10 s"))
    assert [(cell.row, cell.column) for cell in made.cells] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    # Like the form, it leaves the default out.
    assert [cell.values for cell in made.cells[:2]] == [
        {"prompt": "a"},
        {"prompt": "a", "duration": 10},
    ]


def test_a_cell_keeps_its_key_while_others_come_and_go():
    form = filled(prompt="old")
    few = matrix(form, "a", axis="duration", chosen=("10",)).cells
    many = matrix(form, "b", "a", axis="duration", chosen=("5", "10")).cells
    assert few[0].key in {cell.key for cell in many}


def test_without_a_prompt_there_is_one_row():
    made = matrix(filled(counting=ALL[1:]), "a", "b", axis="duration", chosen=("5",))
    assert len(made.cells) == 1
    assert "prompt" not in made.cells[0].values


def test_another_model_is_sent_what_the_form_shows_and_tells_what_it_lacks():
    values = {"prompt": PROMPT, "cfg_scale": 0.7, "aspect_ratio": "9:16"}
    sent, left_out = carry(MODELS[MODEL], values, MODELS[KLING_3])
    assert (sent["prompt"], sent["aspect_ratio"]) == (PROMPT, "9:16")
    has_guidance = MODELS[KLING_3].param("cfg_scale") is not None
    assert (left_out == ("Prompt strength",)) is not has_guidance
    for one, other in itertools.product([MODELS[MODEL], MODELS[KLING_3]], MODELS.values()):
        sent, _ = carry(one, {"prompt": PROMPT}, other)
        assert all(other.param(name) for name in sent)


# -- what it adds up to


@pytest.mark.parametrize(
    ("seconds", "parallel", "expected"),
    [([], 3, 0), ([5], 3, 5), ([5, 5, 5, 5], 3, 10), ([9, 1, 1, 1], 2, 9), ([2] * 100, 20, 10)],
)
def test_the_time_of_a_batch_is_that_of_its_longest_line(seconds, parallel, expected):
    assert makespan(seconds, parallel=parallel) == expected


@pytest.mark.parametrize(
    ("high", "unpriced", "is_simulated", "asks"),
    [
        (1.0, 0, False, False),
        (1.01, 0, False, True),
        (0.1, 1, False, True),
        (99.0, 9, True, False),
    ],
)
def test_a_sum_is_asked_about_above_the_limit_or_where_nobody_knows_it(
    high, unpriced, is_simulated, asks
):
    total = Total(
        count=3,
        low=0,
        high=high,
        unpriced=unpriced,
        is_simulated=is_simulated,
        seconds=1,
        parallel=3,
    )
    assert total.must_ask(1.0) is asks


# -- how it is laid out


def row(number, status=Status.COMPLETED, *, model=MODEL, created=0, finished=None, **payload):
    def stamp(second):
        return f"2026-01-01T00:00:{second:02}.000+00:00"

    return Generation(
        id=f"{number:032x}",
        model=model,
        payload={"model": model, "prompt": PROMPT, **payload},
        owner="local",
        origin="aimlapi",
        status=status,
        created_at=stamp(created),
        updated_at=stamp(created),
        finished_at=None if finished is None else stamp(finished),
    )


def numbers(found):
    return [[None if each is None else int(each.id, 16) for each in line] for line in found.cells]


def test_takes_are_columns():
    found = grid([row(1), row(2), row(3)])
    assert (found.rows, found.columns) == ((PROMPT,), ("Take 1", "Take 2", "Take 3"))
    assert numbers(found) == [[1, 2, 3]]


def test_prompts_are_rows_and_what_differs_are_columns():
    rows = [
        row(1, prompt="a", duration=10),
        row(2, prompt="b", duration=5),
        row(3, prompt="b", duration=10),
    ]
    found = grid(rows)
    assert (found.rows, found.columns) == (("a", "b"), ("5 s", "10 s"))
    assert numbers(found) == [[None, 1], [2, 3]]


def test_models_are_columns_by_name_whatever_else_follows_from_them():
    found = grid([row(1), row(2, model=KLING_3, generate_audio=False)])
    assert found.columns == ("Kling 1.6 · Standard", "Kling 3 · Standard")


def test_what_shares_little_is_a_list():
    rows = [row(number, prompt=f"p{number}", cfg_scale=number / 10) for number in range(5)]
    found = grid(rows)
    assert (found.rows, set(found.columns)) == (("",), {""})
    assert numbers(found) == [[0, 1, 2, 3, 4]]


def test_another_try_takes_the_place_of_what_ended_without_a_video():
    failed = row(2, Status.FAILED, finished=5)
    tries = [row(1, finished=5), failed, row(3, Status.WAITING, created=6)]
    assert [int(each.id, 16) for each in newest_tries(tries)] == [1, 3]
    assert numbers(grid(tries)) == [[1, 3]]
    # A take that was submitted before that end is a take of its own.
    early = [row(1), failed, row(3, Status.WAITING, created=4)]
    assert numbers(grid(early)) == [[1, 2, 3]]
