"""What differs between results, and the view as HTML: escaped, and with stars for owners only."""

import json

import pytest
from harness import MODEL, PROMPT
from served_page import OWNER_OF, QUIETLY, serving, visitor_of
from test_result import ANN, BOB, a_row

from kling_ui.ledger import Status
from kling_ui.service import Playback
from kling_ui.ui.compare import compare_view, differences
from kling_ui.ui.compare.compare_view import Slot

pytestmark = QUIETLY

KLING_3 = "klingai/video-v3-pro-text-to-video"
IMAGE_MODEL = "kling-video/v1.6/pro/image-to-video"
PICTURES = [f"input:{digit * 64}.png" for digit in "12"]
MARKUP = "<img src=x onerror=alert(1)>\"'"


def row(number=1, model=MODEL, *, prompt=PROMPT, of_it=None, **values):
    payload = {"prompt": prompt, "aspect_ratio": "16:9", **values}
    return a_row(id=f"{number}" * 32, model=model, payload=payload, **(of_it or {}))


def rows(*generations):
    """Return what differs, as words by name."""
    found = differences.compare(generations)
    return {each.name: [cell.text for cell in each.cells] for each in found.rows}


# -- what differs


def test_takes_of_one_request_differ_in_nothing():
    found = differences.compare([row(1), row(2)])
    assert found.rows == ()
    assert {"Model", "Prompt", "Length", "Aspect ratio", "Took"} <= set(found.same)


def test_only_what_differs_is_a_row_and_the_model_comes_first():
    one = row(1, KLING_3, duration=5, generate_audio=True)
    other = row(2, MODEL, duration=10, cfg_scale=0.7)
    found = rows(one, other)
    assert list(found)[:3] == ["Model", "Length", "Generate audio"]
    assert found["Model"] == ["Kling 3 · Pro", "Kling 1.6 · Standard"]
    assert found["Length"] == ["5 s", "10 s"]
    assert found["Generate audio"] == ["on", ""]
    assert "Prompt" not in found
    assert "Aspect ratio" not in found


def test_a_documented_default_equals_its_value_sent():
    assert rows(row(1, KLING_3), row(2, KLING_3, duration=5, aspect_ratio="16:9")) == {}


def test_price_time_and_size_are_compared():
    of_it = {"usd_spent": 0.7, "width": 1280, "height": 720, "finished_at": a_row().created_at}
    found = rows(row(1, of_it={"usd_spent": 1.4}), row(2, of_it=of_it))
    assert found["Price"] == ["$1.40", "$0.70"]
    assert found["Took"] == ["5:12", "0:00"]
    assert found["Size"] == ["", "1280 × 720"]


def test_one_without_a_video_says_where_it_stands_and_no_time():
    failed = row(2, of_it={"status": Status.FAILED, "video": None})
    found = rows(row(1), failed)
    assert found["State"] == ["Ready", "Kling could not make this video"]
    assert found["Took"] == ["5:12", ""]
    assert found["Price"] == ["", "not charged"]


def test_inputs_are_compared_by_content_and_not_by_generation():
    same = differences.compare(
        [row(number, IMAGE_MODEL, image_url=PICTURES[0]) for number in (1, 2)]
    )
    assert same.rows == ()
    one, other = (
        row(1, IMAGE_MODEL, image_url=PICTURES[0]),
        row(2, IMAGE_MODEL, image_url=PICTURES[1]),
    )
    [found] = differences.compare([one, other]).rows
    assert found.name == "Start image"
    assert [cell.inputs[0].address for cell in found.cells] == [
        f"/media/{each.id}/{picture.removeprefix('input:')}"
        for each, picture in zip((one, other), PICTURES, strict=True)
    ]


@pytest.mark.parametrize("missing", [[None, None], [None, row(1)], [row(1)], []])
def test_less_than_two_have_no_differences(missing):
    assert differences.compare(missing) == differences.Comparison()


def test_one_that_is_missing_has_empty_cells_and_makes_no_difference():
    assert rows(row(1), None, row(2)) == {}
    found = rows(row(1, duration=5), None, row(2, duration=10))
    assert found == {"Length": ["5 s", "", "10 s"]}


def test_a_payload_that_no_model_knows_is_told_all_the_same():
    odd = {"multi_prompt": [None, 3], "camera_control": {"type": 1}, "x": [MARKUP], "y": None}
    assert "Model" in rows(row(1, "gone/model", **odd), row(2))
    compare_view.view([Slot(id="a", generation=row(1, "gone/model", **odd))] * 2, asked="1")


def test_words_that_the_other_prompt_has_not_are_marked():
    found = differences.marked("A red boat at night", "A blue boat at  night, slowly")
    assert [(each.text, each.is_common) for each in found] == [
        ("A", True),
        (" red", False),
        (" boat at", True),
        (" night", False),
    ]
    assert differences.marked("w " * 5000, "v") == [differences.Words("w " * 5000, is_common=True)]


# -- the view


def view(*slots):
    return compare_view.view(slots, asked="7")


def slot(generation, *, is_mine=False, sound=True):
    return Slot(
        id=generation.id,
        generation=generation,
        playback=Playback(frames_per_second=30.0, has_sound=sound),
        is_mine=is_mine,
    )


def test_the_players_are_fed_from_the_media_routes_with_their_frame_rate():
    told = view(slot(row(1)), slot(row(2), sound=False))
    assert f'src="/media/{"1" * 32}/video.mp4"' in told
    assert f'data-poster="/media/{"2" * 32}/poster.jpg"' in told
    assert told.count('data-fps="30.0000"') == 2
    assert 'aria-label="Sound from A"' in told
    assert 'aria-label="B has no sound" title="B has no sound" disabled' in told
    assert "autoplay" not in told


def test_only_the_owner_gets_stars():
    mine = row(1, of_it={"is_starred": True})
    told = view(slot(mine, is_mine=True), slot(row(2)))
    assert 'aria-label="Star A" title="Star A" aria-pressed=true' in told
    assert "Star B" not in told


def test_words_from_outside_are_escaped():
    one = row(1, "gone/" + MARKUP, prompt=MARKUP, negative_prompt=MARKUP, **{MARKUP: MARKUP})
    told = view(slot(one, is_mine=True), slot(row(2)), Slot(id=MARKUP))
    told += compare_view.told(MARKUP, asked=MARKUP, star=MARKUP)
    assert "<img" not in told
    assert "&lt;img" in told
    assert "onerror=alert(1)>" not in told


def test_an_unknown_id_is_named_and_a_fifth_is_cut():
    told = view(*[slot(row(1))] * 4, Slot(id="nowhere"))
    assert "nowhere" not in told
    told = view(slot(row(1)), Slot(id="nowhere"))
    assert "No video at this link" in told
    assert "nowhere" in told
    assert "<table" not in told


# -- who may do what


@pytest.fixture(scope="module")
def served(tmp_path_factory, films):
    with pytest.MonkeyPatch.context() as patch:
        for name in OWNER_OF:
            patch.setattr(name, visitor_of)
        with serving(tmp_path_factory.mktemp("compare")) as served:
            yield served


@pytest.fixture(scope="module")
def ids(served):
    """Return two finished videos of Ann's, the older one first."""
    made = [served.call("generate", MODEL, PROMPT, {}, visitor=ANN) for _ in range(2)]
    return [each["id"] for each in made]


def asked(served, event, *, visitor, **question):
    [number] = served.events(event)
    answer = served.fire(number, [], visitor=visitor, event_data={"asked": "7", **question})
    assert answer.error is None
    return str(answer.values)


@pytest.mark.parametrize("visitor", [ANN, BOB, None])
def test_whoever_has_the_ids_may_look(served, ids, visitor):
    told = asked(served, "_on_compare", visitor=visitor, ids=ids)
    assert all(f"/media/{each}/video.mp4" in told for each in ids)
    assert ("Star A" in told) == (visitor == ANN)
    assert ANN not in told


@pytest.mark.parametrize("visitor", [BOB, None])
def test_nobody_stars_what_is_anothers(served, ids, visitor):
    asked(served, "_on_compare_star", visitor=visitor, ids=ids[:1], starred=True)
    assert not served.ledger.get(ids[0]).is_starred


def test_the_owner_stars_and_unstars(served, ids):
    for is_starred in (True, False):
        asked(served, "_on_compare_star", visitor=ANN, ids=ids[:1], starred=is_starred)
        assert served.ledger.get(ids[0]).is_starred is is_starred


def test_the_previous_one_is_the_owners_own(served, ids):
    told = asked(served, "_on_compare", visitor=ANN, previous=ids[1])
    assert f'data-ids="{ids[0]},{ids[1]}"' in told
    told = asked(served, "_on_compare", visitor=ANN, previous=ids[0])
    assert "no earlier video" in told
    assert "no earlier video" in asked(served, "_on_compare", visitor=BOB, previous=ids[1])


@pytest.mark.parametrize(
    "odd", [None, "x", 7, {}, [], [None, 3, {}], ["a" * 10_000] * 3, [""], ["../..", "\0"]]
)
def test_odd_questions_are_answered(served, odd):
    for event in ("_on_compare", "_on_compare_star"):
        asked(served, event, visitor=ANN, ids=odd, previous=odd, starred=odd)
    assert json.dumps(asked(served, "_on_compare", visitor=ANN, ids=odd))
