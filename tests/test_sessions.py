"""What is kept of visits: little, and calls of the API are forgotten before pages."""

from types import SimpleNamespace

from kling_ui.ui import Sessions

STATE = 1


def sessions_of(capacity):
    config = SimpleNamespace(blocks={STATE: SimpleNamespace(stateful=True, value="")})
    sessions = Sessions()
    sessions.set_blocks(SimpleNamespace(default_config=config, state_session_capacity=0))
    assert sessions.capacity > 0
    sessions.capacity = capacity
    return sessions


def test_calls_of_the_api_are_forgotten_before_a_page_that_is_quiet():
    sessions = sessions_of(3)
    sessions["page"].state_data[STATE] = "the generation on its stage"
    for number in range(20):
        assert sessions[f"call {number}"] is sessions[f"call {number}"]
    assert sessions["page"][STATE] == "the generation on its stage"
    assert len(sessions.session_data) == len(sessions.time_last_used) == 3
    assert "call 19" in sessions


def test_of_pages_the_one_that_was_quiet_for_longest_is_forgotten():
    sessions = sessions_of(2)
    for name in ("first", "second", "third"):
        sessions[name].state_data[STATE] = name
    assert "first" not in sessions
    assert sessions["first"][STATE] == ""
    assert "second" not in sessions


def test_a_new_visit_copies_nothing_of_the_page():
    assert sessions_of(2)["new"].config_values == {}
