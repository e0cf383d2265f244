"""`/history`: an owner's own generations, newest first, as the ledger itself has them."""

import pytest
from harness import MODEL, PROMPT
from served_page import OWNER_OF, QUIETLY, serving, visitor_of
from test_visitors import ANN, BOB, a_row

pytestmark = QUIETLY
EFFECTS = "klingai/kling-video-v1.6-standard-effects"


@pytest.fixture(scope="module")
def served(tmp_path_factory, films):
    with pytest.MonkeyPatch.context() as patch:
        for name in OWNER_OF:
            patch.setattr(name, visitor_of)
        with serving(tmp_path_factory.mktemp("history")) as served:
            for number in range(5):
                served.ledger.insert(
                    a_row(
                        id=f"{number:032x}",
                        model=EFFECTS if number == 4 else MODEL,
                        payload={"prompt": f"{PROMPT} {number}"},
                        created_at=f"2026-01-0{number + 1}T00:00:00.000+00:00",
                    )
                )
            yield served


def history(served, *, search="", filters=None, limit=10, offset=0, visitor=ANN):
    return served.call("history", search, filters or {}, limit, offset, visitor=visitor)


def ids(answer):
    return [int(each["id"], 16) for each in answer["generations"]]


def test_the_newest_come_first_and_total_counts_all_that_is_found(served):
    assert ids(history(served)) == [4, 3, 2, 1, 0]
    page = history(served, limit=2, offset=1)
    assert (page["total"], ids(page)) == (5, [3, 2])
    assert ids(history(served, search="BOAT 3")) == [3]
    assert history(served, limit=0) == {"total": 5, "generations": []}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"task": "Effects"}, [4]),
        ({"task": ["Effects", "Text → Video"]}, [4, 3, 2, 1, 0]),
        ({"model": MODEL}, [3, 2, 1, 0]),
        ({"model": "Kling 1.6 · Standard", "task": "Effects"}, [4]),
        ({"status": ["failed", "rejected"]}, []),
        ({"starred": False}, [4, 3, 2, 1, 0]),
        ({"starred": True}, []),
        ({"set": "f" * 32}, []),
        ({"set": ["", None]}, [4, 3, 2, 1, 0]),
        ({"simulated": [True, False]}, [4, 3, 2, 1, 0]),
        ({"simulated": False}, []),
        ({"model": None, "status": ""}, [4, 3, 2, 1, 0]),
    ],
)
def test_filters_take_a_value_or_a_list(served, filters, expected):
    assert ids(history(served, filters=filters)) == expected


def test_it_lists_its_callers_own(served):
    for visitor in (BOB, None):
        assert history(served, visitor=visitor) == {"total": 0, "generations": []}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"search": 5}, "search: must be text."),
        ({"filters": ["x"]}, "filters: must be an object"),
        ({"filters": {"color": "red"}}, "filters: there is no 'color'"),
        ({"filters": {"task": "Knitting"}}, "filters.task: 'Knitting' is not known."),
        ({"filters": {"status": {"a": 1}}}, "filters.status:"),
        ({"filters": {"starred": "yes"}}, "filters.starred:"),
        ({"filters": {"set": 7}}, "filters.set:"),
        ({"filters": {"set": ["a"] * 1001}}, "filters.set: 1,000 values at most."),
        ({"limit": -1}, "limit: must be a whole number"),
        ({"limit": 501}, "limit: 500 at most"),
        ({"offset": 1.5}, "offset: must be a whole number"),
        ({"offset": 10**30}, "offset: 1,000,000 at most"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(served, arguments, words):
    assert history(served, **arguments).startswith(words)


@pytest.mark.parametrize("arguments", [[], ["", {}, 5], ["", {}, 5, 0, 7]])
def test_a_call_with_too_many_or_too_few_values_is_told_what_it_takes(served, arguments):
    said = served.call("history", *arguments, visitor=ANN)
    assert said.startswith(f"{len(arguments)} values were given; this call takes search, filters, ")
