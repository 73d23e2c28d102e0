"""The brand on the page: colours, the mark, and the little CSS that Streamlit's theme can't say.

Colours of the two lights stand in .streamlit/config.toml; here are those that mean something.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import streamlit as st

from lumira.catalog import Level
from lumira.order_filter import UNKNOWN
from lumira.orders import OrderStatus

ASSETS: Final = Path(__file__).parent / "assets"
ICON: Final = ASSETS / "icon.png"
# Red: among the tabs of a browser, too, nobody takes real money for a test.
LIVE_ICON: Final = ASSETS / "icon_live.png"
LOGO: Final = ASSETS / "logo.png"
# In pixels: no wider than its words, for a list needs the room. lumira.css counts with it.
MENU_WIDTH: Final = 256

GOLD: Final = "#D4AF37"
NEUTRAL: Final = "#8B8595"
LEVEL_COLOURS: Final[Mapping[str, str]] = {
    Level.INITIE: "#4F46E5",
    Level.MYSTIQUE: "#7C3AED",
    Level.PROFOND: "#DB2777",
    Level.INTEGRALE: "#059669",
    UNKNOWN: NEUTRAL,
}
STATUS_COLOURS: Final[Mapping[str, str]] = {
    OrderStatus.PENDING: "#9A6700",
    OrderStatus.PROCESSING: "#2563EB",
    OrderStatus.COMPLETED: "#15803D",
    OrderStatus.FAILED: "#C81E45",
    OrderStatus.CANCELLED: "#6B6478",
}
DISAGREES_COLOUR: Final = "#C2410C"
_EVENT_COLOURS: Final = {
    "failed": STATUS_COLOURS[OrderStatus.FAILED],
    "processed": STATUS_COLOURS[OrderStatus.COMPLETED],
    "processing": STATUS_COLOURS[OrderStatus.PROCESSING],
    "received": STATUS_COLOURS[OrderStatus.PROCESSING],
}
_PAYOUT_COLOURS: Final = {
    "paid": STATUS_COLOURS[OrderStatus.COMPLETED],
    "pending": STATUS_COLOURS[OrderStatus.PENDING],
    "in_transit": STATUS_COLOURS[OrderStatus.PROCESSING],
    "failed": STATUS_COLOURS[OrderStatus.FAILED],
    "canceled": STATUS_COLOURS[OrderStatus.CANCELLED],
}
# How much of a colour a table's chip takes, the rest is the page: Streamlit writes white on what is dark and
# black on what is light, and only so much of each colour leaves 4.5:1 to either.
_TINTS: Final = {"dark": {"level": "D9", "status": "80"}, "light": {"level": "4D", "status": "40"}}


def level_colour(level: Level | None) -> str:
    """The brand colour of a level."""
    return LEVEL_COLOURS[level or UNKNOWN]


def event_colour(state: str) -> str:
    """The colour of an event's state in the ledger."""
    return _EVENT_COLOURS.get(state, NEUTRAL)


def payout_colour(status: str) -> str:
    """The colour of a payout's status at Stripe."""
    return _PAYOUT_COLOURS.get(status, NEUTRAL)


def chip(colour: str, kind: Literal["level", "status"], light: str | None = None) -> str:
    """The colour as a table's chip takes it in this light, the page's own by default."""
    return colour + _TINTS["light" if (light or st.context.theme.type) == "light" else "dark"][kind]
