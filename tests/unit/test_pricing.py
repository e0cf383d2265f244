"""The provider's public lists and the balance: how they are asked for and read."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_lists import KEY, VIDEO_TYPE, ProviderLists, fixed, item, variants

from kling_ui.client import (
    Client,
    Deprecation,
    KeyRefusedError,
    ListedModel,
    ModelList,
    Pricing,
    Rate,
    UnavailableError,
    Variant,
    value_text,
)
from kling_ui.client.client import MAX_ANSWER_BYTES
from kling_ui.client.pricing import read_balance, read_deprecations

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "id",
                    "aliases",
                    "type",
                    "pricing",
                    "kind",
                    "units",
                    "when",
                    "price",
                    "per",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
)


@pytest.fixture
def lists():
    with ProviderLists() as running:
        yield running


@pytest.fixture
async def client(lists):
    async with Client(base_url=lists.url, api_key=KEY) as opened:
        yield opened


# -- values


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (fixed(0.218), Pricing(kind="fixed", units=(Rate(price=0.218, unit="second"),))),
        (
            fixed("0.5", "Video", 2, content="video", origin="output"),
            Pricing(kind="fixed", units=(Rate(price=0.5, unit="video", per=2.0, origin="output"),)),
        ),
        (
            variants(({"generate_audio": True, "duration": 5.0}, 0.39)),
            Pricing(
                kind="variants",
                variants=(
                    Variant(
                        price=0.39,
                        unit="second",
                        when={"generate_audio": "true", "duration": "5"},
                    ),
                ),
            ),
        ),
        (
            {"kind": "variants", "variants": [{"price": -1, "unit": "second", "per": 0}, 7]},
            Pricing(
                kind="variants",
                variants=(
                    Variant(price=None, unit="second", when=None),
                    Variant(price=None, unit="", when=None),
                ),
            ),
        ),
        (fixed(0.1, per=0), Pricing(kind="fixed", units=(Rate(price=None, unit="second"),))),
        (fixed("cheap"), Pricing(kind="fixed", units=(Rate(price=None, unit="second"),))),
        ({"kind": "variable"}, Pricing(kind="variable")),
        ({"kind": "auction", "units": [{"price": 1}]}, Pricing(kind="variable")),
        ({"kind": "fixed"}, Pricing(kind="fixed")),
        ({}, Pricing(kind="variable")),
        (None, None),
        ("free", None),
    ],
)
def test_a_price_of_any_shape_is_read(body, expected):
    assert Pricing.from_json(body) == expected


@given(JSON)
def test_no_answer_breaks_the_reading_and_what_is_read_is_kept_as_itself(body):
    read_deprecations(body)
    read_balance(body)
    listed = ModelList.from_json(body)
    if listed is not None:
        kept = json.dumps([asdict(model) for model in listed.models])
        assert ModelList.from_json(json.loads(kept)) == listed


@pytest.mark.parametrize("body", [None, [], {}, {"data": []}, {"data": [{}, 5]}, "list", 7])
def test_a_list_that_names_no_model_is_none(body):
    assert ModelList.from_json(body) is None


@pytest.mark.parametrize(
    ("etag", "kept"),
    [
        ('W/"abc-1"', 'W/"abc-1"'),
        ('"abc"', '"abc"'),
        ("abc", None),
        ('"a\nb"', None),
        ('"ü"', None),
        (7, None),
        (None, None),
    ],
)
def test_only_an_etag_that_can_be_sent_back_is_kept(etag, kept):
    assert ModelList.from_json([{"id": "a"}], etag=etag).etag == kept


def test_an_id_goes_before_an_alias_and_what_makes_videos_before_other_types():
    listed = ModelList.from_json(
        [
            item("other", aliases=["a"]),
            item("a", fixed(1), kind="internal/chat"),
            item("a", fixed(2)),
            item("b", fixed(3), kind="internal/chat"),
        ]
    )
    assert listed.named("a") == (ListedModel.from_json(item("a", fixed(2))),)
    assert [model.type for model in listed.named("b")] == ["internal/chat"]
    assert listed.named("c") == ()
    assert listed.names == {"a", "b", "other"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {
                "id": "a",
                "aliases": ["b"],
                "status": "withdrawn",
                "shutdown_at": "2026-03-01",
                "replaced_by": "c",
                "reason": "Old.",
            },
            Deprecation(
                id="a",
                aliases=("b",),
                status="withdrawn",
                shutdown_at="2026-03-01",
                replaced_by="c",
                reason="Old.",
            ),
        ),
        ({"id": "a", "status": "superseded"}, Deprecation(id="a", status="superseded")),
        ({"id": "a", "status": "on its way"}, Deprecation(id="a", status="deprecated")),
        (
            {"id": "a", "replaced_by": ["c", "d"], "shutdown_at": 5},
            Deprecation(id="a", replaced_by="c"),
        ),
    ],
)
def test_a_deprecation_is_read(row, expected):
    assert read_deprecations({"data": [row, None, {"status": "withdrawn"}]}) == (expected,)


def test_no_deprecations_are_good_news_and_no_list_of_them_is_none():
    assert read_deprecations({"data": []}) == ()
    assert read_deprecations({"error": {}}) is None


@pytest.mark.parametrize(
    ("body", "usd"),
    [
        ({"current_balance": 10.07, "currency": "USD"}, 10.07),
        ({"current_balance": "3.5", "currency": "usd"}, 3.5),
        ({"current_balance": -0.2}, -0.2),
        ({"current_balance": 10, "currency": "EUR"}, None),
        ({"current_balance": True}, None),
        ({"current_balance": "NaN"}, None),
        ({"balance": 3}, None),
        ([], None),
    ],
)
def test_the_balance_is_read_in_dollars(body, usd):
    assert read_balance(body) == usd


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (5, "5"), (5.0, "5"), (0.5, "0.5"), (" PRO ", "pro")]
)
def test_values_are_compared_as_lower_case_text(value, text):
    assert value_text(value) == text


# -- calls


async def test_the_lists_are_asked_for_without_the_key_and_the_balance_with_it(client, lists):
    lists.models["data"] = [item("a", fixed(0.1))]
    await client.models()
    await client.deprecations()
    assert await client.balance() == 10.07
    for path in ("/v1/models", "/v1/models/deprecations"):
        (headers,) = lists.headers_of(path)
        assert "authorization" not in headers
        assert KEY not in str(headers)
    (headers,) = lists.headers_of("/v2/billing")
    assert headers["authorization"] == f"Bearer {KEY}"


async def test_only_models_that_make_videos_are_asked_for_with_their_prices(client, lists):
    lists.models["data"] = [item("a", fixed(0.1))]
    listed = await client.models()
    assert listed.models == (ListedModel.from_json(item("a", fixed(0.1))),)
    (_, query, _), *_ = lists.requests
    assert query == "include=pricing&type=internal%2Fvideo-generations%2Fsubmit"
    assert VIDEO_TYPE == "internal/video-generations/submit"


async def test_a_list_is_fetched_anew_only_where_it_has_changed(client, lists):
    lists.models["data"] = [item("a", fixed(0.1))]
    first = await client.models()
    assert await client.models(etag=first.etag) is None
    lists.models["data"] = [item("a", fixed(0.2))]
    second = await client.models(etag=first.etag)
    assert second.models[0].pricing.units[0].price == 0.2
    assert second.etag != first.etag


async def test_a_whole_list_of_more_than_a_megabyte_fits(client, lists):
    lists.models["data"] = [
        {**item(f"maker/model-{n}", fixed(0.1)), "info": {"docsJson": "x" * 3000}}
        for n in range(440)
    ]
    listed = await client.models()
    assert len(listed.models) == 440
    assert 1_300_000 < len(str(lists.models)) < MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"data": []}', b'{"data": [{"id": ', b"null"]
)
async def test_an_answer_without_a_model_is_no_news(client, lists, body):
    lists.models = body
    with pytest.raises(UnavailableError, match="list of models could not be read"):
        await client.models()


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_a_list_that_is_refused_is_no_news(client, lists, status):
    lists.status = status
    for call in (client.models, client.deprecations, client.balance):
        with pytest.raises(UnavailableError):
            await call()


async def test_a_304_that_was_not_asked_for_is_no_news(client, lists):
    lists.status = 304
    with pytest.raises(UnavailableError):
        await client.models()


async def test_a_key_that_may_not_see_the_balance_is_told(client, lists):
    lists.status = 401
    with pytest.raises(KeyRefusedError):
        await client.balance()


async def test_a_balance_that_is_no_number_is_no_news(client, lists):
    lists.billing = {"current_balance": None}
    with pytest.raises(UnavailableError, match="balance could not be read"):
        await client.balance()
