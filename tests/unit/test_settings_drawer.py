"""The drawer shows what is safe for whoever looks, and changes only what the owner may change."""

import json
from types import SimpleNamespace

import gradio as gr
import pytest

from kling_ui.service import CannotConnectError, DataPlace, Lifetime, Usage
from kling_ui.service.preferences import DEFAULT_ASK_ABOVE_USD, DEFAULT_PARALLEL, FILE, Preferences
from kling_ui.ui.question import Question
from kling_ui.ui.settings.drawer import Answer, Shown, opened
from kling_ui.ui.settings.settings_events import _Questions
from kling_ui.ui.settings.storage_part import StorageShown

KEY = "sk-0123456789abcdef"
USAGE = Usage(
    videos=12 * 10**9,
    posters=1000,
    inputs=0,
    simulator=0,
    temporary=0,
    ledger=None,
    free=None,
)
PAYLOAD = {"model": "kling", "prompt": "It's <b>night</b>", "image_url": f"input:{'a' * 64}.jpg"}


def shown(**more):
    return Shown(
        **{
            "is_simulated": False,
            "may_change": True,
            "spent_usd": 4.1,
            "day_usd": 20.0,
            "ask_above_usd": 1.0,
            "parallel": 3,
            "last": PAYLOAD,
            **more,
        }
    )


def asked(**data):
    return Question(gr.EventData(None, data))


class FakeService:
    """As much of a service as the drawer changes."""

    def __init__(self, folder, *, can_switch=True):
        self.connections = SimpleNamespace(can_switch=can_switch)
        self.preferences = Preferences(folder)
        self.storage = SimpleNamespace(
            place=DataPlace(lifetime=Lifetime.SPACE), is_over_limit=True, usage=self.usage
        )
        self.counts = 0
        self.keys = []

    async def usage(self):
        self.counts += 1
        return USAGE

    async def use_key(self, key):
        self.keys.append(key)
        if key == KEY:
            return 12.4
        raise CannotConnectError("The AI/ML API refused this key.")


def test_visitors_see_where_requests_go_and_sums_but_nothing_to_change():
    html = opened(shown(may_change=False), None)
    assert "AI/ML API" in html
    assert "$4.10 of $20.00" in html
    assert not any(tag in html for tag in ("<input", "<form", "data-act"))


@pytest.mark.parametrize("is_simulated", [True, False])
def test_the_way_back_to_the_simulator_is_there_where_one_is_elsewhere(is_simulated):
    html = opened(shown(is_simulated=is_simulated), None)
    assert ('data-act="simulator"' in html) is not is_simulated


def test_the_last_request_is_code_with_a_placeholder_for_the_key():
    html = opened(shown(), None)
    assert "Authorization: Bearer $AIML_API_KEY" in html
    assert "<b>night</b>" not in html


def test_what_an_answer_says_is_text_and_stands_at_its_question():
    html = opened(shown(), Answer(about="key", text="<i>no</i>", is_good=False))
    assert 'id="settings-key-answer" role="status" data-tone="bad">&lt;i&gt;no&lt;/i&gt;' in html
    assert 'id="settings-spending-answer" role="status" data-tone="bad"></p>' in html
    assert "data-switched" not in html


async def test_a_key_is_used_and_not_repeated(tmp_path):
    service = FakeService(tmp_path)
    answer = await _Questions(service).answer(asked(act="key", key=f" {KEY}\n"))
    assert service.keys == [KEY]
    assert answer.is_switch
    assert "$12.40" in answer.text
    assert KEY not in opened(shown(), answer)


async def test_a_key_that_is_refused_switches_nothing(tmp_path):
    answer = await _Questions(FakeService(tmp_path)).answer(asked(act="key", key="x" * 9000))
    assert not answer.is_switch
    assert "refused" in answer.text


async def test_the_amount_to_ask_above_outlives_a_restart(tmp_path):
    answer = await _Questions(FakeService(tmp_path)).answer(asked(act="ask_above", usd="2.5"))
    assert answer.is_good
    assert Preferences(tmp_path).ask_above_usd == 2.5


@pytest.mark.parametrize("usd", ["", "much", None, -1, 1e9, "nan", "inf", [], {"a": 1}])
async def test_an_amount_that_is_none_changes_nothing(tmp_path, usd):
    answer = await _Questions(FakeService(tmp_path)).answer(asked(act="ask_above", usd=usd))
    assert not answer.is_good
    assert Preferences(tmp_path).ask_above_usd == DEFAULT_ASK_ABOVE_USD


async def test_how_many_run_at_once_outlives_a_restart(tmp_path):
    answer = await _Questions(FakeService(tmp_path)).answer(asked(act="parallel", count="5"))
    assert (answer.is_good, answer.text) == (True, "5 at a time.")
    assert Preferences(tmp_path).parallel == 5


@pytest.mark.parametrize("count", ["", "many", None, "0", 21, "1.5", "nan", [], {"a": 1}])
async def test_a_number_that_is_none_changes_nothing(tmp_path, count):
    answer = await _Questions(FakeService(tmp_path)).answer(asked(act="parallel", count=count))
    assert (answer.is_good, answer.about) == (False, "parallel")
    assert Preferences(tmp_path).parallel == DEFAULT_PARALLEL


@pytest.mark.parametrize(
    "change", [{"act": "ask_above", "usd": 9}, {"act": "parallel", "count": 9}]
)
async def test_visitors_change_no_amount(tmp_path, change):
    service = FakeService(tmp_path, can_switch=False)
    answer = await _Questions(service).answer(asked(**change))
    assert not answer.is_good
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("may_change", [True, False])
async def test_visitors_see_how_long_things_are_kept_but_not_how_much_is(tmp_path, may_change):
    """And nobody walks the disk for them."""
    service = FakeService(tmp_path, can_switch=may_change)
    storage = await _Questions(service).storage()
    html = opened(shown(may_change=may_change, storage=storage), None)
    assert "gone when this Space restarts" in html
    assert ("12.0 GB" in html) is may_change
    assert ("KLING_UI_DATA_DIR" in html) is may_change
    assert service.counts == may_change


def test_what_is_above_the_limit_is_said_and_so_is_that_nothing_is_deleted():
    place = DataPlace(lifetime=Lifetime.LASTING, is_default=False)
    storage = StorageShown(place=place, usage=USAGE, limit_gb=10.0, is_over_limit=True)
    html = opened(shown(storage=storage, is_storage_full=True), None)
    assert "12.0 GB are used, more than the 10 GB that you set" in html
    assert "nothing is deleted and no video is refused" in html
    assert "above its limit" in html
    assert "<dt>Ledger</dt><dd>on a server</dd>" in html


@pytest.mark.parametrize("lifetime", Lifetime)
@pytest.mark.parametrize("is_default", [True, False])
def test_every_lifetime_is_told_in_words(lifetime, is_default):
    place = DataPlace(lifetime=lifetime, is_default=is_default)
    storage = StorageShown(place=place, usage=None, limit_gb=None, is_over_limit=False)
    html = opened(shown(storage=storage), None)
    assert "KLING_UI_DATA_DIR" in html
    assert "Look again" in html


@pytest.mark.parametrize(("given", "kept"), [("2.5", 2.5), ("", None)])
async def test_the_storage_limit_outlives_a_restart(tmp_path, given, kept):
    Preferences(tmp_path).set_storage_limit_gb(7)
    question = asked(act="storage_limit", gigabytes=given)
    answer = await _Questions(FakeService(tmp_path)).answer(question)
    assert answer.is_good
    assert Preferences(tmp_path).storage_limit_gb == kept


@pytest.mark.parametrize("given", ["much", None, 0, -1, 1e9, 10**400, "nan", "inf", [], {"a": 1}])
async def test_a_storage_limit_that_is_none_changes_nothing(tmp_path, given):
    question = asked(act="storage_limit", gigabytes=given)
    answer = await _Questions(FakeService(tmp_path)).answer(question)
    assert not answer.is_good
    assert Preferences(tmp_path).storage_limit_gb is None


async def test_visitors_change_no_storage_limit(tmp_path):
    service = FakeService(tmp_path, can_switch=False)
    answer = await _Questions(service).answer(asked(act="storage_limit", gigabytes="1"))
    assert not answer.is_good
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [None, {}, [], {"act": "open"}, {"act": ["key"]}, {"act": "x"}])
async def test_other_questions_change_nothing(tmp_path, data):
    service = FakeService(tmp_path)
    assert await _Questions(service).answer(Question(gr.EventData(None, data))) is None
    assert service.keys == []


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b"[" * 50_000, json.dumps({"ask_above_usd": "1"}).encode()],
)
def test_a_file_that_cant_be_read_is_as_good_as_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert Preferences(tmp_path).ask_above_usd == DEFAULT_ASK_ABOVE_USD
