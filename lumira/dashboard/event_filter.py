"""The choice of events to list: state, age and type, which stand in the URL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import streamlit as st

from lumira.dashboard import choices
from lumira.dashboard.event_details import type_name
from lumira.dashboard.texts import text
from lumira.events import ACTED_ON, EventFilter, EventState

ONLY_FAILED: Final = EventFilter(EventState.FAILED)


class State(StrEnum):
    """Which events are listed; the value stands in the URL."""

    ALL = "all"
    FAILED = "failed"
    PROCESSING = "processing"
    PROCESSED = "processed"

    @property
    def state(self) -> EventState | None:
        """The state of the ledger, None for all."""
        return None if self is State.ALL else EventState(self)


class Age(StrEnum):
    """How far back the list goes; the value stands in the URL."""

    DAY = "1d"
    WEEK = "7d"
    MONTH = "30d"
    ALL = "all"

    @property
    def since(self) -> datetime | None:
        """The earliest instant (UTC), None for all."""
        return None if self is Age.ALL else datetime.now(UTC) - timedelta(days=int(self[:-1]))


def choose(on_change: Callable[[], None]) -> EventFilter:
    """Shows the choices and returns what they select."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        state = choices.choose(
            "state",
            text("events.state"),
            State,
            State.ALL,
            format_func=lambda state: text(f"events.state.{state}"),
            on_change=on_change,
        )
        age = choices.choose(
            "age",
            text("events.age"),
            Age,
            Age.ALL,
            format_func=lambda age: text(f"events.age.{age}"),
            on_change=on_change,
        )
        event_type = choices.choose_text(
            "type",
            text("event.type"),
            ["", *ACTED_ON],
            format_func=lambda name: type_name(name) if name else text("events.type.all"),
            on_change=on_change,
            width=250,
        )
    return EventFilter(state.state, event_type or None, age.since)
