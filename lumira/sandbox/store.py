"""What the sandbox remembers, in SQLite: objects, idempotency keys, deliveries, and what is due later.

One connection, used by one thread (the event loop's), so that a request is a transaction and nothing needs a
lock. Every list is a walk along one index from where the page begins: it costs the same at 1,000 and at
100,000 objects.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lumira.sandbox.errors import StripeObject, words

# Fields that lists filter by; each has a column and an index ending in the order of lists.
FILTERS = words("customer payment_intent charge source type email currency status destination payout")

SCHEMA_VERSION = 3
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    object TEXT NOT NULL,
    created INTEGER NOT NULL,
    {", ".join(f"{name} TEXT" for name in FILTERS)},
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS by_id ON objects (id);
CREATE INDEX IF NOT EXISTS newest ON objects (object, created, sequence);
{
    "".join(
        f"CREATE INDEX IF NOT EXISTS by_{name} ON objects (object, {name}, created, sequence) WHERE {name} "
        "IS NOT NULL;"
        for name in FILTERS
    )
}
CREATE INDEX IF NOT EXISTS not_paid_out ON objects (currency, status)
    WHERE object = 'balance_transaction' AND payout IS NULL;
CREATE TABLE IF NOT EXISTS metadata (
    key TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (key, value, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS metadata_of ON metadata (id);
CREATE INDEX IF NOT EXISTS metadata_in_any_case ON metadata (key, value COLLATE NOCASE);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, endpoint TEXT NOT NULL, status INTEGER NOT NULL,
    body BLOB NOT NULL, request_id TEXT NOT NULL, created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS tasks (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, due REAL NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS tasks_due ON tasks (due, sequence);
CREATE TABLE IF NOT EXISTS deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL,
    state TEXT NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, rank REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, due);
CREATE INDEX IF NOT EXISTS deliveries_next ON deliveries (state, endpoint, rank, sequence);
CREATE INDEX IF NOT EXISTS deliveries_of ON deliveries (event);
CREATE TABLE IF NOT EXISTS attempts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, delivery INTEGER NOT NULL, at REAL NOT NULL,
    status INTEGER, error TEXT, milliseconds REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_of ON attempts (delivery);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# How events are delivered: at once, each twice, `seconds` late, newest first every `seconds`, or not at all.
DELIVERY_MODES = ("normal", "twice", "late", "reversed", "off")
RARE = 1000
KEYS_KEPT = 86400  # Stripe forgets idempotency keys after a day,
EVENTS_KEPT = 30 * 86400  # and events after 30: https://docs.stripe.com/api/events


class Store:
    """Objects by id, lists newest first, and the small tables beside them.

    Raises sqlite3.Error when the file can't be opened or written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        # Survives a crash of the process; only a crash of the machine can lose the last moments.
        self.connection.execute("PRAGMA synchronous = NORMAL")
        [version] = self.connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            self.connection.close()
            raise sqlite3.DatabaseError("it was made by another version of the sandbox")
        self.connection.executescript(f"{SCHEMA} PRAGMA user_version = {SCHEMA_VERSION};")

    def close(self) -> None:
        """Close the file; without it the last moments stand in the -wal file, which is as good."""
        self.connection.close()

    def begin(self) -> None:
        """Start a transaction, if none is open."""
        if not self.connection.in_transaction:
            # Another process may write to the file too (see history.py): wait for it now, not half-way.
            self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep what was done since `begin`."""
        if self.connection.in_transaction:
            self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Forget what was done since `begin`."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is done inside, or nothing."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()

    # Objects

    def get(self, identifier: str) -> StripeObject | None:
        """The object with this id, of whatever kind."""
        row = self.connection.execute("SELECT body FROM objects WHERE id = ?", (identifier,)).fetchone()
        return json.loads(row[0]) if row else None

    def save(self, body: StripeObject) -> None:
        """Insert or replace an object; a replaced one keeps its place in lists."""
        columns = [value if isinstance(value := body.get(name), str) else None for name in FILTERS]
        assignments = ", ".join(f"{name} = excluded.{name}" for name in ("object", *FILTERS, "body"))
        marks = ", ".join("?" * (4 + len(FILTERS)))
        self.connection.execute(
            f"INSERT INTO objects (id, object, created, {', '.join(FILTERS)}, body) VALUES ({marks}) "  # noqa: S608
            f"ON CONFLICT (id) DO UPDATE SET {assignments}",
            (body["id"], body["object"], body["created"], *columns, json.dumps(body, ensure_ascii=False)),
        )
        if body["object"] == "event":  # events aren't searched, and have no metadata of their own
            return
        self.connection.execute("DELETE FROM metadata WHERE id = ?", (body["id"],))
        if metadata := body.get("metadata"):
            rows = [(key, value, body["id"]) for key, value in metadata.items()]
            self.connection.executemany("INSERT INTO metadata VALUES (?, ?, ?)", rows)

    def delete(self, identifier: str) -> None:
        """Remove an object altogether."""
        self.connection.execute("DELETE FROM objects WHERE id = ?", (identifier,))
        self.connection.execute("DELETE FROM metadata WHERE id = ?", (identifier,))

    def position(self, identifier: str | None) -> tuple[int, int] | None:
        """Where an object stands in the order of lists: (created, sequence)."""
        query = "SELECT created, sequence FROM objects WHERE id = ?"
        row: tuple[int, int] | None = self.connection.execute(query, (identifier,)).fetchone()
        return row

    def page(
        self,
        kind: str,
        conditions: Sequence[tuple[str, Sequence[Any]]] = (),
        *,
        limit: int,
        after: tuple[int, int] | None = None,
        before: tuple[int, int] | None = None,
        few: bool = False,
    ) -> tuple[list[StripeObject], bool]:
        """Objects of a kind, newest first, and whether more follow.

        `conditions` are SQL with its values. `after` continues towards older objects; `before` is the page
        just ahead of an object, still newest first. `few`: the conditions name few
        ids, so these are looked up instead of walking the list.
        """
        where = ["object = ?", *(text for text, _ in conditions)]
        values: list[Any] = [kind, *(value for _, many in conditions for value in many)]
        for position, comparison in ((after, "<"), (before, ">")):
            if position:
                where.append(f"(created, sequence) {comparison} (?, ?)")
                values += position
        direction = "ASC" if before else "DESC"
        rows = self.connection.execute(
            f"SELECT body FROM objects {'INDEXED BY by_id' if few else ''} WHERE {' AND '.join(where)} "  # noqa: S608
            f"ORDER BY created {direction}, sequence {direction} LIMIT ?",
            (*values, limit + 1),
        ).fetchall()
        more = len(rows) > limit
        bodies = [json.loads(row[0]) for row in rows[:limit]]
        return (bodies[::-1] if before else bodies), more

    def is_rare(self, key: str, value: str) -> bool:
        """Whether few objects have this in their metadata."""
        where = "key = ? AND value = ? COLLATE NOCASE"
        query = f"SELECT count(*) FROM (SELECT 1 FROM metadata WHERE {where} LIMIT ?)"  # noqa: S608
        return int(self.connection.execute(query, (key, value, RARE)).fetchone()[0]) < RARE

    def each(self, kind: str, **filters: str) -> Iterator[StripeObject]:
        """Every object of a kind with these filters, newest first."""
        conditions = [(f"{name} = ?", [value]) for name, value in filters.items()]
        yield from self.page(kind, conditions, limit=1_000_000)[0]

    def count(self, kind: str, conditions: Sequence[tuple[str, Sequence[Any]]] = ()) -> int:
        """How many objects of a kind meet the conditions."""
        where = " AND ".join(["object = ?", *(text for text, _ in conditions)])
        values = [kind, *(value for _, many in conditions for value in many)]
        row = self.connection.execute(f"SELECT count(*) FROM objects WHERE {where}", values).fetchone()  # noqa: S608
        return int(row[0])

    def balance(self) -> list[tuple[str, int, int]]:
        """(currency, available, pending) summed over what has not been paid out, in minor units."""
        net, free = "json_extract(body, '$.net')", "status = 'available'"
        return self.connection.execute(
            f"SELECT currency, sum(iif({free}, {net}, 0)), sum(iif({free}, 0, {net})) "  # noqa: S608
            "FROM objects INDEXED BY not_paid_out "
            "WHERE object = 'balance_transaction' AND payout IS NULL GROUP BY currency"
        ).fetchall()

    # Idempotency keys

    def recall(self, key: str, now: float) -> tuple[str, str, int, bytes, str] | None:
        """What a key was used for in the last day: (request, endpoint, status, body, request id)."""
        names = "request, endpoint, status, body, request_id"
        query = f"SELECT {names} FROM idempotency WHERE key = ? AND created > ?"  # noqa: S608
        row: tuple[str, str, int, bytes, str] | None
        row = self.connection.execute(query, (key, now - KEYS_KEPT)).fetchone()
        return row

    def remember(
        self, key: str, request: str, endpoint: str, status: int, body: bytes, request_id: str, now: float
    ) -> None:
        """Keep an answer for whoever sends the same key again."""
        values = (key, request, endpoint, status, body, request_id, int(now))
        self.connection.execute("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def forget(self, now: float) -> None:
        """Drop what Stripe would no longer know: old idempotency keys, old events and their deliveries."""
        lost = "NOT EXISTS (SELECT 1 FROM objects WHERE objects.id = deliveries.event)"
        old = f"SELECT sequence FROM deliveries WHERE {lost}"  # noqa: S608
        with self.transaction():
            self.connection.execute("DELETE FROM idempotency WHERE created <= ?", (now - KEYS_KEPT,))
            gone = self.connection.execute(
                "DELETE FROM objects WHERE object = 'event' AND created < ?", (now - EVENTS_KEPT,)
            )
            if gone.rowcount:
                self.connection.execute(f"DELETE FROM attempts WHERE delivery IN ({old})")  # noqa: S608
                self.connection.execute(f"DELETE FROM deliveries WHERE sequence IN ({old})")  # noqa: S608

    # What is due later

    def add_task(self, due: float, kind: str, identifier: str) -> None:
        """Remember to do `kind` to an object at `due` (UTC seconds), once."""
        task = (due, kind, identifier)
        known = "SELECT 1 FROM tasks WHERE due = ? AND kind = ? AND id = ?"
        if not self.connection.execute(known, task).fetchone():
            self.connection.execute("INSERT INTO tasks (due, kind, id) VALUES (?, ?, ?)", task)

    def take_task(self, now: float) -> tuple[float, str, str] | None:
        """The next task due, which is thereby taken: (due, kind, id)."""
        row: tuple[float, str, str] | None = self.connection.execute(
            "DELETE FROM tasks WHERE sequence = (SELECT sequence FROM tasks WHERE due <= ? ORDER BY due, "
            "sequence LIMIT 1) RETURNING due, kind, id",
            (now,),
        ).fetchone()
        return row

    def next_task(self) -> float | None:
        """When the next task is due."""
        row = self.connection.execute("SELECT min(due) FROM tasks").fetchone()
        return None if row[0] is None else float(row[0])

    # Deliveries of events

    def owe(self, event: str, endpoint: str, now: float, mode: str | None = None) -> None:
        """Owe an event to a webhook endpoint, in this one of DELIVERY_MODES, else in the one that is set."""
        mode = mode or self.setting("delivery_mode", "normal")
        seconds = float(self.setting("delivery_seconds", "1"))
        due, rank = now, 0.0
        if mode == "late":
            due = now + seconds
        elif mode == "reversed":
            last = self.connection.execute("SELECT coalesce(max(sequence), 0) FROM deliveries").fetchone()[0]
            due, rank = (now // seconds + 1) * seconds, -1.0 - last
        for _ in range(2 if mode == "twice" else 1):
            self.connection.execute(
                "INSERT INTO deliveries (event, endpoint, state, due, rank) VALUES (?, ?, ?, ?, ?)",
                (event, endpoint, "withheld" if mode == "off" else "pending", due, rank),
            )

    def delivery_log(self, limit: int, event: str | None = None) -> list[StripeObject]:
        """Deliveries with their attempts, newest first; of one event, or of all."""
        deliveries = self._dicts(
            "SELECT d.sequence AS id, d.event, e.type, d.endpoint, d.state, d.due, d.attempts "
            "FROM deliveries d JOIN objects e ON e.id = d.event WHERE ?1 IS NULL OR d.event = ?1 "
            "ORDER BY d.sequence DESC LIMIT ?2",
            (event, limit),
        )
        attempts = "SELECT at, status, error, milliseconds FROM attempts WHERE delivery = ? ORDER BY sequence"
        return [{**one, "log": self._dicts(attempts, (one["id"],))} for one in deliveries]

    def _dicts(self, query: str, values: Sequence[Any]) -> list[StripeObject]:
        cursor = self.connection.execute(query, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    # Settings

    def setting(self, name: str, default: str) -> str:
        """A remembered value; the default is remembered the first time."""
        self.connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default))
        row = self.connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        """Remember a value."""
        self.connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))
