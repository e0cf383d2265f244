"""The ledger's tables, and the steps that bring an older ledger to them."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kling_ui.ledger.engine import LedgerError
from kling_ui.ledger.generation import Status

METADATA = sa.MetaData()
VERSION = sa.Table("schema_version", METADATA, sa.Column("version", sa.Integer, nullable=False))
GENERATIONS = sa.Table(
    "generations",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("task_id", sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Text, nullable=False),
    sa.Column("finished_at", sa.Text),
    sa.Column("video", sa.Text),
    sa.Column("credits_used", sa.Float),
    sa.Column("usd_spent", sa.Float),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("sent_at", sa.Text),
    sa.Column("route", sa.Text),
    sa.Column("key_hash", sa.Text),
    sa.Column("is_put_away", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("is_repeatable", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("is_starred", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("deleted_at", sa.Text),
    sa.Column("seconds", sa.Float),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("search_text", sa.Text),
    sa.Column("set_id", sa.String(32)),
    sa.Column("set_position", sa.Integer),
    sa.Column("confirmed_at", sa.Text),
    sa.Column("usd_confirmed", sa.Float),
    sa.Column("admitted_at", sa.Text),
    sa.Column("chain", sa.JSON),
    sa.Index("generations_by_owner", "owner", "created_at"),
    sa.Index("generations_by_status", "status"),
    sa.Index("generations_by_change", "owner", "updated_at"),
    sa.Index("generations_by_deletion", "owner", "deleted_at", "created_at", "id"),
    sa.Index("generations_by_set", "set_id", "set_position"),
)

SETS = sa.Table(
    "sets",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
)

INPUTS = sa.Table(
    "inputs",
    METADATA,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("frame_of", sa.String(32)),
)

_CREATE_VERSION_1 = (
    """CREATE TABLE IF NOT EXISTS generations (
        id VARCHAR(32) NOT NULL PRIMARY KEY, task_id TEXT, model TEXT NOT NULL,
        payload JSON NOT NULL, owner TEXT NOT NULL, origin TEXT NOT NULL, status TEXT NOT NULL,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL, finished_at TEXT, video TEXT,
        credits_used FLOAT, usd_spent FLOAT, error JSON)""",
    "CREATE INDEX IF NOT EXISTS generations_by_owner ON generations (owner, created_at)",
    "CREATE INDEX IF NOT EXISTS generations_by_status ON generations (status)",
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)",
)
_ADD_VERSION_2 = (
    "ALTER TABLE generations ADD COLUMN sent_at TEXT",
    "ALTER TABLE generations ADD COLUMN route TEXT",
    "ALTER TABLE generations ADD COLUMN key_hash TEXT",
    "ALTER TABLE generations ADD COLUMN is_put_away BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE generations ADD COLUMN is_repeatable BOOLEAN NOT NULL DEFAULT TRUE",
    "ALTER TABLE generations ADD COLUMN is_starred BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE generations ADD COLUMN deleted_at TEXT",
    "ALTER TABLE generations ADD COLUMN seconds FLOAT",
    "ALTER TABLE generations ADD COLUMN width INTEGER",
    "ALTER TABLE generations ADD COLUMN height INTEGER",
    "ALTER TABLE generations ADD COLUMN search_text TEXT",
    "CREATE INDEX generations_by_change ON generations (owner, updated_at)",
    """CREATE INDEX generations_by_deletion
        ON generations (owner, deleted_at, created_at, id)""",
    """CREATE TABLE inputs (
        owner TEXT NOT NULL, reference TEXT NOT NULL, PRIMARY KEY (owner, reference))""",
)
_ADD_VERSION_3 = (
    "ALTER TABLE generations ADD COLUMN set_id VARCHAR(32)",
    "ALTER TABLE generations ADD COLUMN set_position INTEGER",
    "ALTER TABLE generations ADD COLUMN confirmed_at TEXT",
    "ALTER TABLE generations ADD COLUMN usd_confirmed FLOAT",
    "ALTER TABLE generations ADD COLUMN admitted_at TEXT",
    "ALTER TABLE generations ADD COLUMN chain JSON",
    "ALTER TABLE inputs ADD COLUMN frame_of VARCHAR(32)",
    "UPDATE generations SET confirmed_at = created_at",
    "CREATE INDEX generations_by_set ON generations (set_id, set_position)",
    """CREATE TABLE sets (
        id VARCHAR(32) NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL,
        created_at TEXT NOT NULL)""",
)
_RENAMED_STATUSES = {"withdrawn": Status.CANCELLED, "forgotten": Status.ABANDONED}
"""What version 1 wrote as `rejected` and told apart by the kind of its error."""


def search_text(model: str, payload: Mapping[str, Any]) -> str:
    """Return what a generation is found by: prompts, effect and model id, as `folded` has them."""
    return folded(" ".join([*_prompts(payload), model]))


def folded(text: str) -> str:
    """Return a text so that equal ones compare equal whatever their case or form."""
    return unicodedata.normalize("NFKC", text).casefold()


def _prompts(payload: Mapping[str, Any]) -> Iterator[str]:
    shots = payload.get("multi_prompt")
    for part in (payload, *(shots if isinstance(shots, list) else ())):
        prompt = part.get("prompt") if isinstance(part, Mapping) else None
        if isinstance(prompt, str):
            yield prompt
    effect = payload.get("effect_scene")
    if isinstance(effect, str):
        yield f"{effect} {effect.replace('_', ' ')}"


def _create(connection: Connection) -> None:
    for statement in _CREATE_VERSION_1:
        connection.execute(sa.text(statement))


def _add_version_2(connection: Connection) -> None:
    """Add who sent a generation by which route, a status for what people ended, and a search."""
    for statement in _ADD_VERSION_2:
        connection.execute(sa.text(statement))
    _name_what_people_ended(connection)
    _make_searchable(connection)


def _name_what_people_ended(connection: Connection) -> None:
    table = GENERATIONS.c
    abridged = sa.cast(table.payload, sa.Text).like("%characters, sha256 %")
    connection.execute(sa.update(GENERATIONS).where(abridged).values(is_repeatable=False))
    rejected = sa.select(table.id, table.error).where(table.status == Status.REJECTED)
    for row in connection.execute(rejected).mappings().all():
        error = row["error"] if isinstance(row["error"], dict) else {}
        status = _RENAMED_STATUSES.get(str(error.get("kind")))
        if status is not None:
            changed = sa.update(GENERATIONS).where(table.id == row["id"])
            connection.execute(changed.values(status=status))


def _make_searchable(connection: Connection) -> None:
    table = GENERATIONS.c
    for row in connection.execute(sa.select(table.id, table.model, table.payload)).all():
        payload = row.payload if isinstance(row.payload, dict) else {}
        found = {"search_text": search_text(row.model, payload), "seconds": _seconds(payload)}
        connection.execute(sa.update(GENERATIONS).where(table.id == row.id).values(found))


def _seconds(payload: Mapping[str, Any]) -> float | None:
    """Return the length that was asked for: version 1 did not note that of the file."""
    try:
        return float(payload["duration"])
    except (KeyError, TypeError, ValueError):
        return None


def _add_version_3(connection: Connection) -> None:
    """Add sets, what a person confirmed of a generation and when, and whose turn it is."""
    for statement in _ADD_VERSION_3:
        connection.execute(sa.text(statement))


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create, _add_version_2, _add_version_3)
"""Step n takes a ledger from version n to n + 1; a released step is never edited."""


def migrate(connection: Connection) -> None:
    """Bring the tables to the newest version; raise LedgerError where they are newer still."""
    version = _read_version(connection)
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"This ledger was written by a newer Kling UI (schema {version}; this one "
            f"knows {len(MIGRATIONS)}). Update the app, or point KLING_UI_DATA_DIR "
            "at another folder."
        )
    for step in MIGRATIONS[version:]:
        step(connection)
    connection.execute(sa.delete(VERSION))
    connection.execute(sa.insert(VERSION).values(version=len(MIGRATIONS)))


def _read_version(connection: Connection) -> int:
    if not sa.inspect(connection).has_table(VERSION.name):
        return 0
    return connection.execute(sa.select(VERSION.c.version)).scalar() or 0
