"""Sets through the page as served: planned, confirmed once, changed by their owner, zipped."""

import csv
import io
import json
import re
import zipfile

import pytest
from harness import MODEL, PROMPT, posts, until
from served_page import OWNER_OF, QUIETLY, serving, visitor_of
from test_visitors import ANN, BOB

pytestmark = QUIETLY
TICKET = "a-ticket"


@pytest.fixture
def served(tmp_path, films):
    with pytest.MonkeyPatch.context() as patch:
        for name in OWNER_OF:
            patch.setattr(name, visitor_of)
        with serving(tmp_path) as served:
            served.http.portal.call(served.service.live._refresh_list)
            yield served
            served.http.portal.call(at_rest, served.service)


async def at_rest(service):
    """End as a service that has nothing to do: what it left open would be told in other tests."""
    await until(lambda: set(service.diagnostics().values()) == {0})
    await service.close()
    await service.connections.current.client.aclose()


def ask(served, event, *, visitor=ANN, prompt=PROMPT, **question):
    [number] = served.events(event)
    inputs = served.page.fns[number].inputs
    data = [prompt if each.elem_id == "prompt" else each.value for each in inputs]
    question = {"asked": "7", **question}
    answer = served.fire(number, data, visitor=visitor, event_data=question)
    assert answer.error is None, answer
    return str((answer.values or [""])[0])


def fact(answer, name):
    return re.search(f'data-{name}="([^"]*)"', answer)[1]


def confirmed(served, **question):
    planned = ask(served, "_on_plan", takes=3, **question)
    usd, key = float(fact(planned, "usd")), fact(planned, "key")
    return {"takes": 3, "max_usd": usd, "key": key, "ticket": TICKET, **question}


def made(served, count=2):
    one = {"model": MODEL, "prompt": PROMPT, "parameters": {}}
    answer = served.call("batch", [one] * count, "Boats", None, visitor=ANN)
    for each in answer["generations"]:
        while served.call("status", each["id"], 45)["status"] != "completed":
            pass
    return answer


def test_a_confirmation_counts_once_however_often_it_arrives(served):
    question = confirmed(served)
    first = ask(served, "_on_generate_set", **question)
    assert fact(first, "kind") == "submitted"
    assert ask(served, "_on_generate_set", **question) == first
    shown = ask(served, "_on_set", id=fact(first, "set"))
    assert shown.count('class="k-set-cell"') == 3
    assert served.call("history", "", {}, 9, 0, visitor=ANN)["total"] == 3


@pytest.mark.parametrize(
    "changed",
    [{"key": "0" * 24}, {"max_usd": None}, {"max_usd": 0.1}, {"takes": 4}, {"prompt": "another"}],
)
def test_nothing_but_what_was_shown_is_sent(served, changed):
    answer = ask(served, "_on_generate_set", **{**confirmed(served), **changed})
    assert fact(answer, "kind") != "submitted"
    assert served.call("history", "", {}, 9, 0, visitor=ANN)["total"] == 0
    assert posts(served.simulator) == []


def test_a_plan_names_what_is_wrong_and_has_nothing_to_send(served):
    answer = ask(served, "_on_plan", prompt="", takes=2)
    assert "Say what should happen." in answer
    assert (fact(answer, "ready"), fact(answer, "label")) == ("", "Generate")
    answer = ask(served, "_on_plan", matrix=True, prompts="\n".join(map(str, range(60))))
    assert "At most 100 at once." in answer


def test_whoever_has_the_id_may_look_and_the_owner_alone_changes(served):
    answer = made(served)
    set_id, one = answer["set"], answer["generations"][0]["id"]
    for visitor in (ANN, BOB, None):
        told = ask(served, "_on_set", visitor=visitor, id=set_id)
        assert told.count("poster.jpg") == 2
        assert fact(told, "mine") == ("1" if visitor == ANN else "")
        assert ANN not in told
    for visitor in (BOB, None):
        for act in ("rename", "cancel", "send", "cancel_set", "resume_set"):
            wish = {"act": act, "generation": one, "name": "Mine now"}
            ask(served, "_on_set_change", visitor=visitor, id=set_id, **wish)
        ask(served, "_on_set_retry", visitor=visitor, id=set_id, generation=one)
    told = ask(served, "_on_set_change", id=set_id, act="rename", name=" <b>Rain</b> \n")
    assert fact(told, "name") == "&lt;b&gt;Rain&lt;/b&gt;"
    assert "<b>Rain" not in told
    # What has a video is not tried again.
    ask(served, "_on_set_retry", id=set_id, generation=one)
    assert served.call("history", "", {"set": set_id}, 9, 0, visitor=ANN)["total"] == 2


def test_history_tells_name_count_and_sum_of_a_set_to_its_owner(served):
    set_id = made(served)["set"]
    listed = ask(served, "_on_list")
    assert listed.count(f'data-set="{set_id}"') == 2
    assert listed.count('data-set-name="Boats" data-set-told="set of 2 · $0.42 simulated"') == 2
    assert set_id not in ask(served, "_on_list", visitor=BOB)


def test_what_failed_is_tried_again_in_the_same_set_once(served):
    one = {"model": MODEL, "prompt": f"{PROMPT} [fail]", "parameters": {}}
    answer = served.call("batch", [one, {**one, "prompt": PROMPT}], "", None, visitor=ANN)
    set_id, failed = answer["set"], answer["generations"][0]["id"]
    for each in answer["generations"]:
        while served.call("status", each["id"], 45)["finished_at"] is None:
            pass
    for _ in range(2):
        told = ask(served, "_on_set_retry", id=set_id, generation=failed)
        assert failed not in told
    assert served.call("history", "", {"set": set_id}, 9, 0, visitor=ANN)["total"] == 3


def test_a_set_is_one_zip_file_for_whoever_has_its_id(served):
    answer = made(served)
    zipped = served.http.get(f"/media/sets/{answer['set']}.zip")
    assert zipped.status_code == 200
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        assert archive.testzip() is None
        table = archive.read("settings.csv").decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(table)))
        assert {row["file"] for row in rows} == set(archive.namelist()) - {"settings.csv"}
    assert ANN not in table
    for path in ("0" * 32, "x", "%2e%2e%2fledger.db", f"{answer['set']}%00"):
        assert served.http.get(f"/media/sets/{path}.zip").status_code == 404


def test_a_selection_is_one_zip_file_for_whoever_has_its_ids(served):
    one, other = (served.call("generate", MODEL, f"A kite {n}", {}, visitor=ANN) for n in (1, 2))
    ids = [one["id"], other["id"], one["id"], "0" * 32, "../../ledger.db", ""]
    zipped = served.http.get("/media/selection.zip", params={"ids": ",".join(ids)})
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        assert archive.testzip() is None
        names = sorted(archive.namelist())
    assert [name.partition("-kling-")[0] for name in names] == ["1", "2", "settings.csv"]
    for nothing in ("", "0" * 32, "x,y", "%00"):
        assert served.http.get(f"/media/selection.zip?ids={nothing}").status_code == 404
    assert served.http.get("/media/selection.zip").status_code == 404


@pytest.mark.parametrize("odd", [None, 7, {}, [], [None, 3], ["a" * 10_000] * 3, "../..", "\0"])
def test_odd_questions_are_answered(served, odd):
    names = ("id", "stamp", "asked", "act", "generation", "name", "max_usd", "key", "ticket")
    names += ("takes", "matrix", "prompts", "axis", "chosen", "off")
    for event in ("_on_set", "_on_set_change", "_on_set_retry", "_on_plan", "_on_generate_set"):
        assert json.dumps(ask(served, event, **dict.fromkeys(names, odd)))
    assert posts(served.simulator) == []
