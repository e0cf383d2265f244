"""What a request will cost and how long it will take, before it is sent.

Quick, so that a form may ask at each change. A price is certain or it is a range: what
the provider's list does not say is not made up.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from kling_ui import catalog
from kling_ui.catalog import Choice, Flag, Model, Number, SecondsRange, Text
from kling_ui.client import ListedModel, ModelList, Pricing, Rate, Variant, value_text
from kling_ui.ledger import Generation
from kling_ui.service import messages
from kling_ui.service.live_catalog import LiveCatalog
from kling_ui.service.waits import UsualWait, UsualWaits

_SECOND_UNITS = frozenset({"second", "seconds", "sec", "s"})
_ONCE_UNITS = frozenset({"video", "videos", "generation", "generations", "request", "requests"})

T = TypeVar("T")

NO_LIST = "The provider's price list has not been read yet."
NO_PRICE = "The provider lists no price for this model."
NOT_QUOTED = "The provider quotes no price for this model beforehand."


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a request costs, in USD: `usd` where certain, else from `usd_low` to `usd_high`.

    Where it is certain all three are equal. None is what nobody can know beforehand. `detail` is
    the arithmetic in words.
    """

    usd: float | None = None
    usd_low: float | None = None
    usd_high: float | None = None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(Price):
    """Price and usual wait of a request, in seconds, None where unknown.

    `source` says in words where both come from; `is_simulated`: the price is a sample.
    """

    wait_p50: float | None
    wait_p90: float | None
    source: str
    is_simulated: bool
    wait: UsualWait

    def to_json(self) -> dict[str, Any]:
        """Return what `/estimate` answers."""
        names = ("usd", "usd_low", "usd_high", "detail", "wait_p50", "wait_p90", "source")
        return {name: getattr(self, name) for name in names}


class Estimates:
    """Estimates by the newest list and our own history, at one provider.

    `seconds_of` measures the inputs of a payload, and may block.
    """

    def __init__(
        self,
        *,
        live: LiveCatalog,
        waits: UsualWaits,
        is_simulated: bool,
        seconds_of: Callable[[Mapping[str, Any]], float | None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._live = live
        self._waits = waits
        self._is_simulated = is_simulated
        self._seconds_of = seconds_of
        self._now = now

    def estimate(
        self, model_id: Any, values: Mapping[str, Any], *, input_seconds: float | None = None
    ) -> Estimate:
        """Price whatever is there; what is missing or wrong only widens the range.

        `input_seconds` is the length of the given video or sound, where it was measured. Raises
        catalog.InvalidValuesError for an unknown model only.
        """
        model = catalog.find_model(model_id)
        fetched_at = self._live.fetched_at
        wait = self._waits.usual(model.id, values)
        listed = _entries(self._live.model_list, self._live.model_id_to_send(model.id))
        price = price_of(model, values, listed, input_seconds=input_seconds)
        if fetched_at is None:
            price = Price(detail=NO_LIST)
        return Estimate(
            **asdict(price),
            wait_p50=round(wait.p50, 1),
            wait_p90=None if wait.p90 is None else round(wait.p90, 1),
            source=f"{self._price_source(fetched_at)}; {_wait_source(wait)}",
            is_simulated=self._is_simulated,
            wait=wait,
        )

    async def of_payloads(self, payloads: Iterable[Mapping[str, Any]]) -> list[Estimate]:
        """Estimate checked payloads, their inputs measured; wait a few seconds for a first list.

        Raises catalog.InvalidValuesError for a model that is not in the catalog.
        """
        if self._live.fetched_at is None:
            await self._live.first_list()
        return [await self._measured(payload) for payload in payloads]

    async def most_usd(self, generation: Generation) -> float | None:
        """Return the most that a generation may cost now, None where nobody can know."""
        [estimate] = await self.of_payloads([generation.payload])
        return estimate.usd_high

    def again_usd(self, generation: Generation) -> float | None:
        """Return the most that it would cost anew; None where nobody knows or nothing is paid."""
        if self._is_simulated or generation.model not in catalog.MODELS:
            return None
        return self.estimate(generation.model, generation.payload).usd_high

    async def _measured(self, payload: Mapping[str, Any]) -> Estimate:
        seconds = await asyncio.to_thread(self._seconds_of, payload)
        return self.estimate(payload.get("model"), payload, input_seconds=seconds)

    def _price_source(self, fetched_at: datetime | None) -> str:
        if fetched_at is None:
            return "price: none yet"
        if self._is_simulated:
            return "price: simulated sample"
        return f"price: live list, {_age(self._now() - fetched_at)} old"


def price_of(
    model: Model,
    values: Mapping[str, Any],
    listed: Sequence[ListedModel],
    *,
    input_seconds: float | None = None,
) -> Price:
    """Return what a request costs by the provider's entries for its model.

    Entries that differ make a range: nothing says which of them counts.
    """
    length = catalog.output_seconds(model, values)
    counted = _Counted(length=length, input_seconds=input_seconds)
    pricings = _distinct(entry.pricing for entry in listed if entry.pricing is not None)
    prices = [_price(pricing, model, values, counted) for pricing in pricings]
    if len(prices) <= 1:
        return next(iter(prices), Price(detail=NO_PRICE))
    return Price(
        usd_low=_bound(min, [price.usd_low for price in prices]),
        usd_high=_bound(max, [price.usd_high for price in prices]),
        detail=" or ".join(_distinct(price.detail for price in prices)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What a request's units are counted on; `length` None: on the input, whatever is said."""

    length: SecondsRange | None
    input_seconds: float | None

    def is_of_input(self, rate: Rate) -> bool:
        return rate.unit in _SECOND_UNITS and (rate.origin == "input" or self.length is None)

    def units(self, rate: Rate) -> SecondsRange | None:
        """Return how many units are charged; None where that can't be known."""
        if rate.unit in _ONCE_UNITS:
            return SecondsRange(low=1, high=1)
        if rate.unit not in _SECOND_UNITS:
            return None
        if not self.is_of_input(rate):
            return self.length
        if self.input_seconds is None:
            return None
        # How the provider rounds a part of a second is not documented.
        return SecondsRange(low=math.floor(self.input_seconds), high=math.ceil(self.input_seconds))


def _price(pricing: Pricing, model: Model, values: Mapping[str, Any], counted: _Counted) -> Price:
    if pricing.kind == "variable":
        return Price(detail=NOT_QUOTED)
    rates, is_certain = _rates(pricing, model, values)
    # The units of a fixed price may all be charged; of the variants it is one.
    is_sum = pricing.kind == "fixed"
    costs = [_cost(rate, counted) for rate in rates]
    low = _bound(min, [cost.low if cost else None for cost in costs])
    high = _bound(sum if is_sum else max, [cost.high if cost else None for cost in costs])
    is_certain = is_certain and not any(counted.is_of_input(rate) for rate in rates)
    return Price(
        usd=low if is_certain and low == high else None,
        usd_low=low,
        usd_high=high,
        detail=_detail(rates, counted, " + " if is_sum else " or ") or NO_PRICE,
    )


def _rates(
    pricing: Pricing, model: Model, values: Mapping[str, Any]
) -> tuple[Sequence[Rate], bool]:
    """Return the rates that may be charged, and whether the first is surely the only one."""
    if pricing.kind == "fixed":
        return pricing.units, len(pricing.units) == 1
    names = {name for variant in pricing.variants for name in variant.when or ()}
    effective = {name: _effective(model, values, name) for name in names}
    matches = [_match(variant, effective) for variant in pricing.variants]
    possible = _distinct(
        Rate(price=variant.price, unit=variant.unit, per=variant.per, origin=variant.origin)
        for variant, match in zip(pricing.variants, matches, strict=True)
        if match is not False
    )
    return possible or pricing.variants, len(possible) == 1 and True in matches


def _match(variant: Variant, effective: Mapping[str, str | None]) -> bool | None:
    """Tell whether a variant is for these values; None where that can't be known."""
    if variant.when is None:
        return None
    are_equal = {
        None if effective[name] is None else effective[name] == wanted
        for name, wanted in variant.when.items()
    }
    if False in are_equal:
        return False
    return None if None in are_equal else True


def _effective(model: Model, values: Mapping[str, Any], name: str) -> str | None:
    """Return what the provider will read for a parameter: the given value, else its default."""
    if name == "duration":
        length = catalog.output_seconds(model, values)
        return value_text(length.exact) if length and length.exact is not None else None
    param = model.param(name)
    # What is sent of the others, pictures for one, is no value that a price could name.
    if not isinstance(param, Choice | Flag | Number | Text):
        return None
    given = values.get(name)
    try:
        return value_text(param.check(param.default if param.is_empty(given) else given))
    except ValueError:
        return None


def _cost(rate: Rate, counted: _Counted) -> SecondsRange | None:
    units = counted.units(rate)
    if units is None or rate.price is None:
        return None
    low, high = (round(rate.price * count / rate.per, 6) for count in (units.low, units.high))
    return SecondsRange(low=low, high=high)


def _bound(pick: Callable[[list[float]], float], amounts: Sequence[float | None]) -> float | None:
    """Return the bound of what is known; None where one amount is not, or there is none."""
    known = [amount for amount in amounts if amount is not None]
    return round(pick(known), 6) if known and len(known) == len(amounts) else None


def _detail(rates: Sequence[Rate], counted: _Counted, between: str) -> str:
    """Return the arithmetic in words, like "5 s × $0.14"."""
    priced = [rate for rate in rates if rate.price is not None]
    kinds = _distinct((rate.unit, rate.per, counted.is_of_input(rate)) for rate in priced)
    parts = []
    for unit, per, is_of_input in kinds:
        same = [
            rate
            for rate in priced
            if (rate.unit, rate.per, counted.is_of_input(rate)) == (unit, per, is_of_input)
        ]
        prices = [rate.price for rate in same if rate.price is not None]
        parts.append(_part(same[0], counted, _span(min(prices), max(prices))))
    return between.join(parts)


def _part(rate: Rate, counted: _Counted, price: str) -> str:
    many = "" if rate.per == 1 else f"{rate.per:,g} "
    if rate.unit in _ONCE_UNITS:
        return f"{price} per {many}{rate.unit}" if many else f"{price} a {rate.unit.rstrip('s')}"
    if rate.unit not in _SECOND_UNITS:
        return f"{price} per {many}{rate.unit or 'unit'}"
    each = f"{price} per {many}s" if many else price
    if not counted.is_of_input(rate):
        length = counted.length or SecondsRange(low=0, high=0)
        exact = length.exact
        seconds = f"{length.low:g}–{length.high:g}" if exact is None else f"{exact:g}"
        return f"{seconds} s × {each}"
    if counted.input_seconds is None:
        return f"{price} per {many}second{'s' if many else ''} of the input"
    return f"about {counted.input_seconds:.3g} s × {each}"


def _span(low: float, high: float) -> str:
    return (
        messages.dollars(low)
        if low == high
        else f"{messages.dollars(low)}–{messages.dollars(high)}"
    )


def _entries(models: ModelList | None, name: str) -> tuple[ListedModel, ...]:
    return models.named(name) if models else ()


def _distinct(values: Iterable[T]) -> list[T]:
    """Return each of the values once; prices hold mappings, so a set can't tell."""
    found: list[T] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _age(age: timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:  # noqa: PLR2004  two hours: from here on minutes say nothing
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"  # noqa: PLR2004  two days


def _wait_source(wait: UsualWait) -> str:
    match wait.source:
        case "history":
            return f"wait: {wait.count} generations of your own"
        case "documented":
            return "wait: the documented time"
        case "simulator":
            return "wait: the simulator's setting"
        case "assumed":
            return "wait: a guess, since none is documented"
