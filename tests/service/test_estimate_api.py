"""`/estimate`: what a request will cost and take, through the API as it is served."""

import pytest
from served_page import QUIETLY, serving

pytestmark = QUIETLY

TEXT = "klingai/video-v3-standard-text-to-video"
FIELDS = {"usd", "usd_low", "usd_high", "detail", "wait_p50", "wait_p90", "source"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("estimate")) as served:
        served.http.portal.call(served.service.live._refresh_list)
        served.service.live._has_asked.set()
        yield served


def test_a_price_that_is_certain_is_said_with_its_arithmetic(served):
    answer = served.call("estimate", TEXT, "A boat", {"duration": 10, "generate_audio": False})
    assert set(answer) == FIELDS
    assert answer["usd"] == answer["usd_low"] == answer["usd_high"] == 1.0
    assert "10 s × $0.10" in answer["detail"]


def test_what_is_missing_or_wrong_widens_the_range_and_is_no_error(served):
    answer = served.call("estimate", TEXT, "", {"duration": "long", "generate_audio": 7})
    assert answer["usd"] is None
    assert (answer["usd_low"], answer["usd_high"]) == (0.3, 2.25)


def test_an_unknown_model_is_an_error_that_names_it(served):
    assert "model:" in served.call("estimate", "kling/none", "", {})


def test_an_estimate_sends_and_keeps_nothing(served):
    served.call("estimate", TEXT, "A boat", {"image_url": "data:image/png;base64,AAAA"})
    assert served.ledger.newest("local", limit=1) == []
    assert not any(seen.method == "POST" for seen in served.simulator.seen)
