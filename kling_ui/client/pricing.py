"""What the provider's public lists say of models: prices, and which are on their way out.

The values keep the provider's own names, so that one written as JSON is read back as itself.
What a request costs by them is the service's business.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from kling_ui.client.error_body import as_list, as_object, clean
from kling_ui.client.responses import amount, identifier, number

VIDEO_TYPE = "internal/video-generations/submit"
"""The `type` under which the provider lists what makes videos."""

DeprecationStatus = Literal["deprecated", "superseded", "withdrawn"]
PricingKind = Literal["fixed", "variants", "variable"]

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,256}"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What `per` units cost, in USD; `price` is None where it could not be read.

    `origin` is "input" where the units are counted on what is sent, "" where nothing is said.
    """

    price: float | None
    unit: str
    per: float = 1.0
    origin: str = ""

    @classmethod
    def from_json(cls, row: Any) -> Self:
        """Read one entry of `units` or `variants`; a rate that makes no sense has no price."""
        return cls(**_rate(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant(Rate):
    """A rate for requests whose values equal `when`: parameter → lower-case text.

    `when` is None where it could not be read: then nobody knows for which requests it is.
    """

    when: Mapping[str, str] | None

    @classmethod
    def from_json(cls, row: Any) -> Self:
        """Read one entry of `variants`."""
        when = as_object(row).get("when")
        if not isinstance(when, dict):
            return cls(**_rate(row), when=None)
        return cls(**_rate(row), when={name: value_text(value) for name, value in when.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """How a model is priced: by `units`, by `variants`, or in a way that can't be quoted."""

    kind: PricingKind
    units: tuple[Rate, ...] = ()
    variants: tuple[Variant, ...] = ()

    @classmethod
    def from_json(cls, body: Any) -> Self | None:
        """Read `pricing`; None where there is none. A kind that is new can't be quoted."""
        if not isinstance(body, dict):
            return None
        match body.get("kind"):
            case "fixed":
                units = tuple(Rate.from_json(row) for row in as_list(body.get("units")))
                return cls(kind="fixed", units=units)
            case "variants":
                variants = tuple(Variant.from_json(row) for row in as_list(body.get("variants")))
                return cls(kind="variants", variants=variants)
        return cls(kind="variable")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One entry of the provider's list of models."""

    id: str
    aliases: tuple[str, ...] = ()
    type: str = ""
    pricing: Pricing | None = None

    @classmethod
    def from_json(cls, item: Any) -> Self | None:
        """Read one item; None where it has no id."""
        item = as_object(item)
        name = identifier(item.get("id"))
        if name is None:
            return None
        return cls(
            id=name,
            aliases=_names(item.get("aliases")),
            type=_text(item.get("type")),
            pricing=Pricing.from_json(item.get("pricing")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelList:
    """The provider's list of models. `etag` is what to ask with whether it has changed."""

    models: tuple[ListedModel, ...]
    etag: str | None = None

    @classmethod
    def from_json(cls, body: Any, *, etag: Any = None) -> Self | None:
        """Read a list; None where it names no model at all, since such an answer says nothing."""
        rows = body if isinstance(body, list) else as_object(body).get("data")
        models = tuple(filter(None, map(ListedModel.from_json, as_list(rows))))
        is_etag = isinstance(etag, str) and _ETAG.fullmatch(etag)
        return cls(models=models, etag=etag if is_etag else None) if models else None

    @property
    def names(self) -> frozenset[str]:
        """Every id and alias in the list."""
        return frozenset(name for model in self.models for name in (model.id, *model.aliases))

    def named(self, name: str) -> tuple[ListedModel, ...]:
        """Return the entries for `name`: by id before alias, those that make videos first.

        One id may stand under several types; only the entries of the best rank are returned.
        """
        found = [model for model in self.models if name == model.id or name in model.aliases]
        ranks = [(model.id != name, model.type not in ("", VIDEO_TYPE)) for model in found]
        best = min(ranks, default=None)
        return tuple(model for model, rank in zip(found, ranks, strict=True) if rank == best)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """A model on its way out. `shutdown_at` is a time or a day as the provider writes it."""

    id: str
    aliases: tuple[str, ...] = ()
    status: DeprecationStatus = "deprecated"
    shutdown_at: str | None = None
    replaced_by: str | None = None
    reason: str | None = None

    @classmethod
    def from_json(cls, row: Any) -> Self | None:
        """Read one row; None where it has no id. A status that is new is read as the mildest."""
        row = as_object(row)
        name = identifier(row.get("id"))
        if name is None:
            return None
        status: DeprecationStatus = "deprecated"
        match row.get("status"):
            case "superseded" | "withdrawn" as known:
                status = known
        return cls(
            id=name,
            aliases=_names(row.get("aliases")),
            status=status,
            shutdown_at=_text(row.get("shutdown_at")) or None,
            replaced_by=next(iter(_names(row.get("replaced_by"))), None),
            reason=_text(row.get("reason")) or None,
        )


def read_deprecations(body: Any) -> tuple[Deprecation, ...] | None:
    """Read the list of deprecations; None where there is no list (an empty one is good news)."""
    rows = body if isinstance(body, list) else as_object(body).get("data")
    if not isinstance(rows, list):
        return None
    return tuple(filter(None, map(Deprecation.from_json, rows)))


def read_balance(body: Any) -> float | None:
    """Return what is left on the account in USD (it may be below zero), or None."""
    body = as_object(body)
    currency, balance = body.get("currency", "USD"), body.get("current_balance")
    return number(balance) if value_text(currency) == "usd" else None


def value_text(value: Any) -> str:
    """Return a parameter's value as prices are matched by: lower-case text, 5.0 as "5"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().lower()


def _rate(row: Any) -> dict[str, Any]:
    row = as_object(row)
    unit = next(filter(None, (_text(row.get(key)) for key in ("measure", "unit", "name"))), "")
    per = amount(row.get("per", 1))
    return {
        # Without a number of units that it is for, a price is none.
        "price": amount(row.get("price")) if per else None,
        "unit": unit.lower(),
        "per": per or 1.0,
        "origin": _text(row.get("origin")).lower(),
    }


def _names(value: Any) -> tuple[str, ...]:
    return tuple(filter(None, map(identifier, value if isinstance(value, list) else [value])))


def _text(value: Any) -> str:
    return clean(value)[:300] if isinstance(value, str) else ""
