"""What generations cost, or may cost, as SQL: the provider's figure, else the best there is."""

from typing import Any

import sqlalchemy as sa

from kling_ui.ledger.generation import NOT_CHARGED, Status
from kling_ui.ledger.schema import GENERATIONS


def expected_usd(*, origin: str, assumed_usd: float) -> sa.ColumnElement[float]:
    """Return what a row costs in USD.

    Without the provider's figure that is the most that was confirmed for it, the dearest one of
    its model at `origin`, or `assumed_usd`.
    """
    table, other = GENERATIONS.c, GENERATIONS.alias().c
    dearest = (
        sa.select(sa.func.max(other.usd_spent))
        .where(
            other.model == table.model,
            other.origin == origin,
            other.status.not_in(NOT_CHARGED),
        )
        .scalar_subquery()
    )
    return sa.func.coalesce(table.usd_spent, table.usd_confirmed, dearest, assumed_usd)


def spent_since(stamp: str, *, origin: str, assumed_usd: float) -> sa.Select[Any]:
    """Return the sum of what `origin` charges for what was sent since `stamp`.

    What has just been asked for counts as sent, what waits for its turn in a set does not.
    """
    table = GENERATIONS.c
    is_queued = (
        (table.status == Status.WAITING) & table.set_id.is_not(None) & table.admitted_at.is_(None)
    )
    return sa.select(sa.func.sum(expected_usd(origin=origin, assumed_usd=assumed_usd))).where(
        sa.func.coalesce(table.sent_at, table.created_at) >= stamp,
        table.origin == origin,
        table.status.not_in(NOT_CHARGED),
        ~is_queued,
    )
