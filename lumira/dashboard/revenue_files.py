"""Revenue as files: each day, level and currency in a row, and charts as images."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import streamlit as st

from lumira.dashboard import choices, file_buttons, session
from lumira.dashboard.revenue_figures import Days
from lumira.dashboard.texts import text
from lumira.export import FileFormat, as_bytes
from lumira.revenue_export import revenue_columns
from lumira.revenue_sums import Row


class Image(StrEnum):
    """What the button at a chart's corner saves; the value stands in the URL."""

    PNG = "png"
    SVG = "svg"


def choose(days: Days, rows: list[Row], currency: str) -> str:
    """A button that opens the files of the range; answers in which form charts are saved."""
    with st.popover(text("revenue.files"), icon=":material/download:"):
        st.caption(text("revenue.files.lead"))
        first, last = days
        file_buttons.show(
            "revenue.files",
            f"lumira-{first}-{last}-{currency}",
            _writer(days, rows),
            key="download",
            icon=":material/table:",
        )
        return choices.choose(
            "image", text("revenue.files.image"), Image, Image.PNG, format_func=lambda image: image.upper()
        )


def _writer(days: Days, rows: list[Row]) -> Callable[[FileFormat], bytes]:
    """Writes a kind of file when it is asked for."""
    desk, actor, language, zone = session.desk(), session.actor(), session.language(), session.timezone()

    def written(kind: FileFormat) -> bytes:
        desk.revenue.export(rows, *days, kind=kind, actor=actor)
        return as_bytes(kind, revenue_columns(language), rows, language=language, zone=zone)

    return written
