"""Pages of documents, newest first, whatever the size of the collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from bson import ObjectId
from pymongo.collection import Collection

from lumira.documents import BEGINNING
from lumira.storage.conditions import stored_id
from lumira.storage.failures import Document, store_errors

# MongoDB resolves dates to the millisecond. Bounds are kept exclusive and shifted by one: an inclusive bound
# on an index of several fields loses the documents equal to it on the embedded store.
MILLISECOND: Final = timedelta(milliseconds=1)
# A page looks this far back first, then further, until it is full: a bounded range is served by the index
# alone, and a sort without one reads the whole collection on the embedded store.
FIRST_WINDOW: Final = timedelta(hours=1)
_GROWTH: Final = 8
WIDEST: Final = timedelta(days=365_000)
# A window that took longer is as wide as windows get: the next must end in time too.
_SLOW_SECONDS: Final = 0.25
# Another's clock may be ahead of ours.
AHEAD: Final = timedelta(days=1)
# Rows that one page may read while it looks for what fits.
READ_AT_MOST: Final = 2_000
Row = TypeVar("Row")


def newest_page(
    collection: Collection[Document],
    query: Mapping[str, Any],
    size: int,
    cursor: str | None = None,
    *,
    since: datetime | None = None,
    fields: Mapping[str, int] | None = None,
    dated: str = "createdAt",
) -> tuple[list[Document], str | None]:
    """At most `size` documents of `query` by date and _id, newest first, and the next page's cursor.

    `dated` names the field of the date. `query` holds equalities of fields that stand before it in an index,
    `since` is the earliest date (UTC), `fields` are those to read, the date among them; None for all.
    Documents of the same instant are kept apart by their _id, so none is skipped or shown twice. A cursor
    that is none shows the first page. Raises StoreUnavailable.
    """
    found: list[Document] = []
    beginning = max(since, BEGINNING) if since else BEGINNING
    now = datetime.now(UTC)
    bound = now + AHEAD

    def read(more: Mapping[str, Any]) -> None:
        with store_errors():
            rows = collection.find({**query, **more}, fields)
            found.extend(rows.sort([(dated, -1), ("_id", -1)]).limit(size + 1 - len(found)))

    if cursor and (after := _parse_cursor(cursor)):
        bound, last_id = after
        if bound >= beginning:
            read({dated: bound, "_id": {"$lt": last_id}})
    width = FIRST_WINDOW
    while len(found) <= size and bound > beginning:
        before, began = len(found), time.monotonic()
        floor = max(min(bound, now) - width, beginning)
        read({dated: {"$gt": floor - MILLISECOND, "$lt": bound}})
        bound = floor
        width = next_width(width, len(found) - before, size + 1 - len(found), time.monotonic() - began)
    page = found[:size]
    return page, cursor_after(page[-1], dated) if len(found) > size else None


def fitting_page(
    read: Callable[[str | None], tuple[list[Document], str | None]],
    fitting: Callable[[Document], Row | None],
    size: int,
    cursor: str | None,
    *,
    dated: str = "createdAt",
) -> tuple[list[Row], str | None]:
    """At most `size` rows, of the documents that `read` gives from a cursor on, and the next page's cursor.

    `fitting` makes the row of a document, None of one that does not fit. A page that would read more than
    READ_AT_MOST documents ends early; its cursor goes on from there.
    """
    found: list[tuple[Document, Row]] = []
    seen = 0
    while len(found) <= size and seen < READ_AT_MOST:
        documents, cursor = read(cursor)
        seen += len(documents)
        found += [(document, row) for document in documents if (row := fitting(document)) is not None]
        if cursor is None:
            break
    rows = [row for _, row in found[:size]]
    return rows, cursor_after(found[size - 1][0], dated) if len(found) > size else cursor


def next_width(width: timedelta, found: int, missing: int, seconds: float) -> timedelta:
    """How far to look after a window so wide, which took so many seconds: as far as it takes to find the
    `missing` by what it `found`, never much further than before.
    """
    if seconds > _SLOW_SECONDS:
        return width
    factor = min(_GROWTH, max(1.0, 1.3 * missing / found)) if found else _GROWTH
    return min(width * factor, WIDEST)


def cursor_after(document: Document, dated: str = "createdAt") -> str:
    """The cursor of the page that begins behind this document."""
    return f"{milliseconds(document[dated])}-{document['_id']}"


def milliseconds(instant: datetime) -> int:
    """An instant (UTC) as a cursor has it: to the millisecond, as the store does."""
    return round((instant - BEGINNING) / MILLISECOND)


def instant_at(milliseconds: str) -> datetime:
    """The instant (UTC) that a cursor names. Raises ValueError and OverflowError for text that names none."""
    return BEGINNING + timedelta(milliseconds=int(milliseconds))


def _parse_cursor(cursor: str) -> tuple[datetime, ObjectId | str] | None:
    """The instant and _id a cursor stands for; None for text that is no cursor."""
    at, _, identifier = cursor.partition("-")
    try:
        return (instant_at(at), stored_id(identifier)) if identifier else None
    except (ValueError, OverflowError):
        return None
