"""`/batch`: several generations in one call, confirmed together, through the API as served."""

import pytest
from harness import API_FIELDS, MODEL, PROMPT
from served_page import OWNER_OF, QUIETLY, serving, visitor_of
from test_visitors import ANN, BOB

pytestmark = QUIETLY
ONE = {"model": MODEL, "prompt": PROMPT, "parameters": {"duration": 5}}


@pytest.fixture(scope="module")
def served(tmp_path_factory, films):
    with pytest.MonkeyPatch.context() as patch:
        for name in OWNER_OF:
            patch.setattr(name, visitor_of)
        with serving(tmp_path_factory.mktemp("batch")) as served:
            served.http.portal.call(served.service.live._refresh_list)
            yield served


def test_a_batch_is_answered_at_once_and_found_by_its_set(served):
    requests = [{**ONE, "prompt": f"{PROMPT} {number}"} for number in range(3)]
    answer = served.call("batch", requests, "Boats", 0.63, visitor=ANN)
    assert set(answer) == {"set", "generations"}
    assert [each["prompt"] for each in answer["generations"]] == [
        each["prompt"] for each in requests
    ]
    for each in answer["generations"]:
        assert set(each) == API_FIELDS
        assert (each["set"], each["status"]) == (answer["set"], "waiting")
    for each in answer["generations"]:
        while (told := served.call("status", each["id"], 45))["status"] != "completed":
            assert told["error"] is None
    single = served.call("submit", MODEL, PROMPT, {}, visitor=ANN)
    assert single["set"] is None
    found = served.call("history", "", {"set": answer["set"]}, 9, 0, visitor=ANN)
    assert found["total"] == 3
    assert {each["id"] for each in found["generations"]} == {
        each["id"] for each in answer["generations"]
    }
    assert served.call("history", "", {"set": answer["set"]}, 9, 0, visitor=BOB)["total"] == 0
    assert served.call("history", "", {"set": "f" * 32}, 9, 0, visitor=ANN)["total"] == 0


@pytest.mark.parametrize(
    ("requests", "name", "max_usd", "words"),
    [
        ("x", "", None, "requests: must be a list of objects."),
        ({}, "", None, "requests: must be a list of objects."),
        (None, "", None, "requests: must be a list of objects."),
        ([], "", None, "requests: must be a list of 1 to 1,000."),
        ([ONE, 7], "", None, "requests[1].model: is missing"),
        ([ONE, {}], "", None, "requests[1].model:"),
        ([{**ONE, "seed": 1}], "", None, "requests[0].seed: is not known"),
        ([{**ONE, "parameters": []}], "", None, "requests[0].parameters: must be an object"),
        ([ONE, {**ONE, "prompt": ""}], "", None, "requests[1].prompt:"),
        ([7, {**ONE, "prompt": ""}], "", None, "requests[0].model: is missing"),
        ([7, {**ONE, "prompt": ""}], "", None, "requests[1].prompt:"),
        ([ONE], 7, None, "name: must be text"),
        ([ONE], "", "1", "max_usd: must be an amount"),
        ([ONE] * 2, "", 0.41, "max_usd: the estimates add up to $0.42"),
    ],
)
def test_what_is_refused_is_refused_whole_by_name(served, requests, name, max_usd, words):
    refusal = served.call("batch", requests, name, max_usd, visitor=BOB)
    assert words in refusal
    assert refusal.endswith("Nothing was sent, nothing was spent.")
    assert served.call("history", "", {}, 9, 0, visitor=BOB)["total"] == 0


def test_no_name_and_no_bound_are_no_mistake(served):
    answer = served.call("batch", [ONE], None, None, visitor=ANN)
    assert len(answer["generations"]) == 1
