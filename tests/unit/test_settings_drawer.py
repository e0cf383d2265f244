"""The drawer shows what is safe for whoever looks, and changes only what the owner may change."""

import json
from types import SimpleNamespace

import pytest

from kling_ui.service import CannotConnectError
from kling_ui.service.preferences import DEFAULT_ASK_ABOVE_USD, FILE, Preferences
from kling_ui.ui.settings.drawer import Answer, Shown, opened
from kling_ui.ui.settings.events import _Questions

KEY = "sk-0123456789abcdef"
PAYLOAD = {"model": "kling", "prompt": "It's <b>night</b>", "image_url": f"input:{'a' * 64}.jpg"}


def shown(**more):
    return Shown(
        **{
            "is_simulated": False,
            "may_change": True,
            "spent_usd": 4.1,
            "day_usd": 20.0,
            "ask_above_usd": 1.0,
            "last": PAYLOAD,
            **more,
        }
    )


def asked(**data):
    return SimpleNamespace(_data=data)


class FakeService:
    """As much of a service as the drawer changes."""

    def __init__(self, folder, *, can_switch=True):
        self.connections = SimpleNamespace(can_switch=can_switch)
        self.preferences = Preferences(folder)
        self.keys = []

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


async def test_visitors_change_no_amount(tmp_path):
    service = FakeService(tmp_path, can_switch=False)
    answer = await _Questions(service).answer(asked(act="ask_above", usd=9))
    assert not answer.is_good
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [None, {}, [], {"act": "open"}, {"act": ["key"]}, {"act": "x"}])
async def test_other_questions_change_nothing(tmp_path, data):
    service = FakeService(tmp_path)
    assert await _Questions(service).answer(SimpleNamespace(_data=data)) is None
    assert service.keys == []


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b"[" * 50_000, json.dumps({"ask_above_usd": "1"}).encode()],
)
def test_a_file_that_cant_be_read_is_as_good_as_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert Preferences(tmp_path).ask_above_usd == DEFAULT_ASK_ABOVE_USD
