"""What the driver's failures mean to the rest of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError

from lumira.errors import InvalidText, StoreUnavailable

Document = dict[str, Any]


@contextmanager
def store_errors() -> Iterator[None]:
    """Raises StoreUnavailable where the driver could not reach the store or ran out of time.

    And InvalidText for half a surrogate pair, which JSON, file names and arguments may hold and BSON can't.
    """
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout) as error:
        raise StoreUnavailable(
            "The order store does not answer. Nothing was lost: try again in a moment."
        ) from error
    except PyMongoError as error:
        if error.timeout:
            raise StoreUnavailable(
                "The order store did not answer in time. Nothing was lost: try again in a moment."
            ) from error
        raise
    except UnicodeEncodeError as error:
        raise InvalidText("The text holds half a character. Type it anew.") from error
