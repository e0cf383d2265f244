"""What a request costs: each kind of pricing with its arithmetic, ranges in place of guesses."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_lists import fixed, item, variants

from kling_ui.catalog import MODELS, InvalidValuesError
from kling_ui.client import ListedModel, ModelList
from kling_ui.service.estimates import (
    NO_LIST,
    NO_PRICE,
    NOT_QUOTED,
    Estimates,
    _age,
    price_of,
)
from kling_ui.service.waits import UsualWait

V3 = MODELS["klingai/video-v3-pro-image-to-video"]
V1 = MODELS["kling-video/v1/standard/text-to-video"]
TURBO = MODELS["klingai/video-v3-turbo-pro-text-to-video"]
EDIT = MODELS["klingai/video-o1-video-to-video-edit"]
MOTION = MODELS["klingai/video-v3-motion-control"]
AVATAR = MODELS["klingai/avatar-pro"]
NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
BY_SOUND = variants(({"generate_audio": False}, 0.14), ({"generate_audio": True}, 0.28))
BY_LENGTH_AND_SOUND = variants(
    ({"duration": "5", "generate_audio": False}, 0.7),
    ({"duration": "5", "generate_audio": True}, 1.4),
    ({"duration": "10", "generate_audio": False}, 1.3),
    ({"duration": "10", "generate_audio": True}, 2.6),
    unit="video",
)


def priced(model, values, *pricings, **more):
    entries = [ListedModel.from_json(item(model.id, pricing)) for pricing in pricings]
    return price_of(model, values, entries, **more)


@pytest.mark.parametrize(
    ("model", "values", "pricing", "usd", "detail"),
    [
        # fixed: price × units ÷ per
        (V3, {"duration": 5}, fixed(0.14), 0.7, "5 s × $0.14"),
        (V3, {}, fixed(0.14), 0.7, "5 s × $0.14"),
        (V3, {"duration": 8}, fixed(0.218), 1.744, "8 s × $0.218"),
        (V3, {"duration": 10}, fixed(0.7, per=5), 1.4, "10 s × $0.70 per 5 s"),
        (V3, {"duration": 10}, fixed(0.56, "video"), 0.56, "$0.56 a video"),
        (V3, {"duration": 10}, fixed(0.56, "generation"), 0.56, "$0.56 a generation"),
        (V3, {"duration": 10}, fixed(5, "request", 10), 0.5, "$5.00 per 10 request"),
        # the shots of a timed storyboard set the length
        (
            TURBO,
            {"duration": 5, "multi_prompt": [{"prompt": "", "duration": 6}, {"prompt": "b"}]},
            fixed(0.112),
            1.232,
            "11 s × $0.112",
        ),
        (V3, {"duration": 5, "multi_prompt": ["a", "b"]}, fixed(0.14), 0.7, "5 s × $0.14"),
        # variants: the effective value decides, given or the documented default
        (V3, {"duration": 5}, BY_SOUND, 1.4, "5 s × $0.28"),
        (V3, {"generate_audio": False}, BY_SOUND, 0.7, "5 s × $0.14"),
        (V3, {"duration": 10}, BY_LENGTH_AND_SOUND, 2.6, "$2.60 a video"),
        (V3, {"generate_audio": False}, BY_LENGTH_AND_SOUND, 0.7, "$0.70 a video"),
        (
            V3,
            {"provider": "fal"},
            variants(({"provider": "FAL"}, 0.1), ({"provider": "kling"}, 0.2)),
            0.5,
            "5 s × $0.10",
        ),
        # two that say the same price are no doubt
        (
            V3,
            {"duration": 5},
            variants(({"generate_audio": True}, 0.28), ({"duration": 5}, 0.28)),
            1.4,
            "5 s × $0.28",
        ),
    ],
)
def test_a_price_that_is_certain_is_told_with_its_arithmetic(model, values, pricing, usd, detail):
    price = priced(model, values, pricing)
    assert (price.usd, price.usd_low, price.usd_high, price.detail) == (usd, usd, usd, detail)


@pytest.mark.parametrize(
    ("model", "values", "pricing", "bounds", "detail"),
    [
        # missing or wrong values widen the range
        (V1, {}, fixed(0.04), (0.2, 0.4), "5–10 s × $0.04"),
        (V3, {"duration": 99}, fixed(0.1), (0.3, 1.5), "3–15 s × $0.10"),
        (V3, {"duration": "5"}, fixed(0.1), (0.3, 1.5), "3–15 s × $0.10"),
        (V3, {"generate_audio": "perhaps"}, BY_SOUND, (0.7, 1.4), "5 s × $0.14–$0.28"),
        (TURBO, {"multi_prompt": [{"duration": "6"}]}, fixed(0.1), (0.3, 1.5), "3–15 s × $0.10"),
        (TURBO, {"multi_prompt": "a"}, fixed(0.1), (0.3, 1.5), "3–15 s × $0.10"),
        # a value that only the provider knows
        (
            V3,
            {},
            variants(({"provider": "fal"}, 0.1), ({"provider": "kling"}, 0.2)),
            (0.5, 1.0),
            "5 s × $0.10–$0.20",
        ),
        (
            V3,
            {"generate_audio": True},
            variants(
                ({"generate_audio": True, "resolution": "720p"}, 0.2),
                ({"generate_audio": True, "resolution": "1080p"}, 0.3),
                ({"generate_audio": False}, 0.1),
            ),
            (1.0, 1.5),
            "5 s × $0.20–$0.30",
        ),
        # a single one that may be for others
        (V3, {}, variants(({"resolution": "720p"}, 0.2)), (1.0, 1.0), "5 s × $0.20"),
        # none is for this request
        (
            V3,
            {"duration": 7},
            variants(({"duration": 5}, 0.7), ({"duration": 10}, 1.3), unit="video"),
            (0.7, 1.3),
            "$0.70–$1.30 a video",
        ),
        # several are, at different prices
        (
            V3,
            {},
            variants(({"generate_audio": True}, 0.28), ({"duration": 5}, 0.2), ({}, 0.25)),
            (1.0, 1.4),
            "5 s × $0.20–$0.28",
        ),
        # one that can't be read may be the one
        (
            V3,
            {},
            {
                "kind": "variants",
                "variants": [
                    {"when": {"generate_audio": True}, "price": 0.28, "unit": "second"},
                    {"when": "always", "price": 0.1, "unit": "second"},
                ],
            },
            (0.5, 1.4),
            "5 s × $0.10–$0.28",
        ),
        # several units may add up
        (
            V3,
            {},
            {
                "kind": "fixed",
                "units": [
                    {"measure": "second", "price": 0.1, "per": 1},
                    {"measure": "request", "price": 0.2, "per": 1},
                ],
            },
            (0.2, 0.7),
            "5 s × $0.10 + $0.20 a request",
        ),
    ],
)
def test_what_is_not_certain_is_a_range(model, values, pricing, bounds, detail):
    price = priced(model, values, pricing)
    assert (price.usd, (price.usd_low, price.usd_high), price.detail) == (None, bounds, detail)


@pytest.mark.parametrize(
    ("model", "pricing", "detail"),
    [
        (V3, {"kind": "variable"}, NOT_QUOTED),
        (V3, {"kind": "by the moon"}, NOT_QUOTED),
        (V3, None, NO_PRICE),
        (V3, {"kind": "fixed", "units": []}, NO_PRICE),
        (V3, {"kind": "variants", "variants": []}, NO_PRICE),
        (V3, fixed("a lot"), NO_PRICE),
        (V3, fixed(0.02, "megapixel"), "$0.02 per megapixel"),
        (V3, fixed(2, "token", 1000), "$2.00 per 1,000 token"),
        (EDIT, fixed(0.168), "$0.168 per second of the input"),
        (EDIT, fixed(0.8, per=5), "$0.80 per 5 seconds of the input"),
    ],
)
def test_a_price_that_nobody_can_know_is_none_and_what_is_listed_is_shown(model, pricing, detail):
    price = priced(model, {}, pricing)
    assert (price.usd, price.usd_low, price.usd_high, price.detail) == (None, None, None, detail)


@pytest.mark.parametrize("model", [EDIT, MOTION, AVATAR])
def test_what_is_charged_by_the_inputs_length_is_only_about(model):
    price = priced(model, {}, fixed(0.1), input_seconds=7.4)
    assert (price.usd, price.usd_low, price.usd_high) == (None, 0.7, 0.8)
    assert price.detail == "about 7.4 s × $0.10"


def test_a_unit_that_is_counted_on_the_input_is_not_counted_on_the_video():
    price = priced(V3, {"duration": 5}, fixed(0.1, origin="input"))
    assert (price.usd, price.usd_low) == (None, None)
    assert price.detail == "$0.10 per second of the input"


def test_entries_that_differ_make_a_range_and_equal_ones_do_not():
    assert priced(V3, {}, fixed(0.1), fixed(0.1)).usd == 0.5
    price = priced(V3, {}, fixed(0.1), fixed(0.2, "video"))
    assert (price.usd, price.usd_low, price.usd_high) == (None, 0.2, 0.5)
    assert price.detail == "5 s × $0.10 or $0.20 a video"
    assert priced(V3, {}, fixed(0.1), {"kind": "variable"}).usd_high is None


SAMPLE_VALUES = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from([None, "", 5, 5.0, "5", 10, True, "pro", "fal", {}, [], float("nan")])
        for name in ("duration", "generate_audio", "mode", "provider", "multi_prompt", "prompt")
    },
)


@given(st.sampled_from(list(MODELS.values())), SAMPLE_VALUES)
def test_no_values_break_an_estimate_and_a_certain_price_is_its_own_range(model, values):
    for pricing in (fixed(0.1), BY_SOUND, BY_LENGTH_AND_SOUND, {"kind": "variable"}):
        price = priced(model, values, pricing)
        assert price.usd is None or price.usd_low == price.usd == price.usd_high
        assert (price.usd_low is None) == (price.usd_high is None)
        assert price.usd_low is None or 0 < price.usd_low <= price.usd_high


# -- with a list and a wait


class Live:
    def __init__(self, *items, fetched_at=NOW - timedelta(minutes=4), sends=None):
        self.model_list = ModelList.from_json(list(items))
        self.fetched_at = fetched_at if items else None
        self.sends = sends or {}

    def model_id_to_send(self, model_id):
        return self.sends.get(model_id, model_id)


class Waits:
    def __init__(self, wait):
        self.wait = wait

    def usual(self, *_):
        return self.wait


DOCUMENTED = UsualWait(p50=401.04, source="documented")
LEARNED = UsualWait(p10=200.0, p50=240.0, p90=300.0, source="history", count=7)


def estimates(live, wait=DOCUMENTED, *, is_simulated=False):
    return Estimates(live=live, waits=Waits(wait), is_simulated=is_simulated, now=lambda: NOW)


def test_an_estimate_is_the_contracts_json():
    found = estimates(Live(item(V3.id, fixed(0.14))), LEARNED).estimate(V3.id, {"duration": 5})
    assert json.loads(json.dumps(found.to_json())) == {
        "usd": 0.7,
        "usd_low": 0.7,
        "usd_high": 0.7,
        "detail": "5 s × $0.14",
        "wait_p50": 240.0,
        "wait_p90": 300.0,
        "source": "price: live list, 4 min old; wait: 7 generations of your own",
    }
    assert not found.is_simulated


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (LEARNED, "wait: 7 generations of your own"),
        (DOCUMENTED, "wait: the documented time"),
        (UsualWait(p50=3, source="assumed"), "wait: a guess, since none is documented"),
        (UsualWait(p50=8, source="simulator"), "wait: the simulator's setting"),
    ],
)
def test_it_says_where_the_wait_comes_from(wait, said):
    found = estimates(Live(item(V3.id, fixed(0.14))), wait, is_simulated=True)
    estimate = found.estimate(V3.id, {})
    assert estimate.source == f"price: simulated sample; {said}"
    assert estimate.is_simulated
    assert (estimate.usd, estimate.wait_p50) == (0.7, round(wait.p50, 1))


def test_without_a_list_only_the_wait_is_known():
    found = estimates(Live()).estimate(V3.id, {})
    assert (found.usd, found.usd_low, found.usd_high) == (None,) * 3
    assert found.detail == NO_LIST
    assert found.source == "price: none yet; wait: the documented time"
    assert found.wait_p50 == 401.0


def test_a_model_that_the_list_does_not_name_has_no_price():
    found = estimates(Live(item("someone/else", fixed(1)))).estimate(V3.id, {})
    assert (found.usd, found.usd_high, found.detail) == (None, None, NO_PRICE)


def test_a_price_is_found_under_an_alias_and_under_the_id_that_is_sent():
    listed_as_alias = Live(item("new/id", fixed(0.14), aliases=[V3.id]))
    assert estimates(listed_as_alias).estimate(V3.id, {}).usd == 0.7
    sent_as_other = Live(item("kling/other", fixed(0.14)), sends={V3.id: "kling/other"})
    assert estimates(sent_as_other).estimate(V3.id, {}).usd == 0.7


@pytest.mark.parametrize("model_id", ["nobody/knows", None, 7, [], ""])
def test_only_an_unknown_model_is_an_error(model_id):
    with pytest.raises(InvalidValuesError, match="model"):
        estimates(Live()).estimate(model_id, {})


@pytest.mark.parametrize(
    ("age", "words"),
    [
        ({"seconds": -30}, "less than a minute"),
        ({"seconds": 59}, "less than a minute"),
        ({"minutes": 119}, "119 min"),
        ({"hours": 47}, "47 h"),
        ({"days": 3, "hours": 5}, "3 days"),
    ],
)
def test_the_age_of_a_list_is_told_in_words(age, words):
    assert _age(timedelta(**age)) == words
