"""Opens the database."""

from __future__ import annotations

import logging
import threading
from datetime import UTC
from typing import Any, Final

from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from pymongo.uri_parser import split_options

from lumira import traces
from lumira.errors import SettingsError, StoreStopped, StoreUnavailable
from lumira.metrics import STORE
from lumira.settings import DEFAULT_DATABASE
from lumira.storage.failures import UNAUTHORIZED, Document, refusal_noted, store_errors
from lumira.storage.indexes import ORDERS, RESTORES, Unmade, create_indexes
from lumira.storage.server import (
    Deviations,
    Server,
    index_deviations,
    refused_write,
    server,
    validator_deviations,
)
from lumira.storage.validators import create_validators

logger: Final = logging.getLogger("lumira.store")

# A store that is down must be reported within 5 seconds, whatever the driver was waiting for.
OPERATION_TIMEOUT_MS: Final = 4_000
# Where a URI states these itself the driver would still prefer what it is given beside it:
# https://www.mongodb.com/docs/manual/reference/connection-string-options/#timeout-options
_PATIENCE: Final = {
    "serverSelectionTimeoutMS": OPERATION_TIMEOUT_MS,
    "connectTimeoutMS": 2_000,
    "timeoutMS": OPERATION_TIMEOUT_MS,
}
# A date that Python has none for, as JavaScript writes where it takes milliseconds for seconds, comes as the
# driver's own: by default it would keep all documents of its page from being read.
READING: Final[CodecOptions[Document]] = CodecOptions(
    tz_aware=True, tzinfo=UTC, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
# No order has it.
_NO_ORDER: Final = ObjectId(b"\0" * 12)
# The commands worth a line of their own.
_COMMANDS: Final = frozenset({"find", "getMore", "aggregate", "insert", "update", "delete", "ping"})


class _CommandTimes(CommandListener):
    """Times every command of the driver, as the driver sees it, and makes it part of what asked for it."""

    def __init__(self) -> None:
        # The driver tells the collection as a command begins, in the thread that will tell its end.
        self._asked = threading.local()

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing is known yet but what is asked."""
        self._asked.collection = _collection(event) if traces.is_traced() else None

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """The store has answered."""
        self._ended(event)

    def failed(self, event: CommandFailedEvent) -> None:
        """The store has refused, or did not answer."""
        self._ended(event, failed=True)

    def _ended(self, event: CommandSucceededEvent | CommandFailedEvent, *, failed: bool = False) -> None:
        command, seconds = _command(event.command_name), event.duration_micros / 1e6
        STORE.labels(command, "failed" if failed else "ok").observe(seconds)
        collection = getattr(self._asked, "collection", None)
        if collection:
            traces.asked(
                f"{command} {collection}",
                seconds,
                failed=failed,
                db__system__name="mongodb",
                db__operation__name=command,
                db__collection__name=collection,
            )


def _collection(event: CommandStartedEvent) -> str | None:
    # What goes on in a cursor names its collection beside the cursor's id.
    named = event.command.get("collection") or event.command.get(event.command_name)
    return named if isinstance(named, str) else None


def _command(name: str) -> str:
    return name if name in _COMMANDS else "other"


def _patience(uri: str) -> dict[str, Any]:
    """The time-outs that the URI leaves to us: those that the driver finds none for in it.

    It takes semicolons between the options too, and drops a value that is no time.
    """
    options = uri.partition("?")[2]
    stated = split_options(options, warn=True) if options else {}
    return {name: milliseconds for name, milliseconds in _PATIENCE.items() if name not in stated}


class Store:
    """One connection pool to one database, for the life of the process; made without any traffic.

    `uri` is a MongoDB connection string; the database is `name`, else the one in `uri`, else `lumira`. Reads
    go to the primary and writes wait for a majority, so what was acknowledged survives a fail-over. A store
    that does not answer is given up after 4 seconds, or after the timeoutMS that the URI states. Instants are
    read as UTC. Raises SettingsError for a URI that is none.
    """

    def __init__(self, uri: str, name: str | None = None) -> None:
        try:
            self._client: MongoClient[Document] = MongoClient(
                uri,
                appname="lumira",
                w="majority",
                event_listeners=[_CommandTimes()],
                readPreference="primary",
                **_patience(uri),
            )
            default = self._client.get_default_database(DEFAULT_DATABASE).name
        except (PyMongoError, ValueError) as error:
            raise SettingsError(f"MONGODB_URI can't be used: {error}") from None
        self.database: Database[Document] = self._client.get_database(name or default, codec_options=READING)

    def prepare(self) -> Unmade:
        """Creates missing validators and indexes; answers what could not be made, as the log says.

        Everything works without, more slowly, but what was to be unique may come twice. Raises
        StoreUnavailable when the store can't be reached.
        """
        refused = create_validators(self.database)
        unmade = create_indexes(self.database)
        unmade.refused = [*refused, *unmade.refused]
        for index, value in unmade.shared.items():
            logger.error("index not made: documents share a value", extra={"index": index, "value": value})
        if unmade.refused:
            logger.error("not made: the store's user has no right", extra={"names": unmade.refused})
        return unmade

    def check_whole(self) -> None:
        """Raises SettingsError for a store that a restore has filled in part, which would be taken for the
        whole, and so would a backup of it. Raises StoreUnavailable.
        """
        refused: list[str] = []
        # Without the right to read it this user has restored nothing either.
        with store_errors(), refusal_noted(refused, RESTORES):
            if self.database[RESTORES].find_one() is not None:
                raise SettingsError(
                    "A restore into this store goes on, or was cut short: a part of it is missing. Run "
                    "`lumira restore` with the same file again, or set LUMIRA_HOME or MONGODB_DB to another."
                )

    def ping(self) -> None:
        """Raises StoreUnavailable when the store does not answer in time, or not with what it holds.

        That we have no right to read is an answer: the doctor names the right.
        """
        with store_errors():
            try:
                # To a bare ping a store answers that can't read any more.
                self.database[ORDERS].find_one({"_id": _NO_ORDER})
            except OperationFailure as error:
                if error.code != UNAUTHORIZED:
                    raise

    def has_given_up(self) -> bool:
        """Whether the store says itself that it does not work until it begins anew; a busy one does not."""
        try:
            self.ping()
        except StoreStopped:
            return True
        except StoreUnavailable:
            pass
        return False

    def server(self) -> Server:
        """Which server answers. Raises StoreUnavailable when none does in time."""
        return server(self.database)

    def refused_write(self) -> str | None:
        """Tries one write; why it was refused, None when it was not. Raises StoreUnavailable."""
        return refused_write(self.database)

    def index_deviations(self) -> Deviations:
        """How the indexes differ from those that are needed. Raises StoreUnavailable."""
        return index_deviations(self.database)

    def validator_deviations(self) -> Deviations:
        """How the validators differ from those that are needed. Raises StoreUnavailable."""
        return validator_deviations(self.database)

    def close(self) -> None:
        """Closes every connection."""
        self._client.close()
