"""Revenue as files: each day, level and currency in a row, and charts as images."""

from __future__ import annotations

import io
from collections.abc import Callable
from enum import StrEnum

import streamlit as st

from lumira.dashboard import choices, session
from lumira.dashboard.revenue_figures import Days
from lumira.dashboard.texts import text
from lumira.export import FileFormat, write
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
        for kind in FileFormat:
            st.download_button(
                text(f"revenue.files.{kind}"),
                _writer(kind, days, rows),
                file_name=f"lumira-{first}-{last}-{currency}.{kind}",
                mime=kind.mime,
                icon=":material/table:",
                width="stretch",
                on_click="ignore",
                key=f"download-{kind}",
            )
        return choices.choose(
            "image", text("revenue.files.image"), Image, Image.PNG, format_func=lambda image: image.upper()
        )


def _writer(kind: FileFormat, days: Days, rows: list[Row]) -> Callable[[], bytes]:
    """Writes the file when it is asked for."""
    # It runs outside of the page's script, which knows the reader.
    desk, actor, language, zone = session.desk(), session.actor(), session.language(), session.timezone()

    def written() -> bytes:
        desk.revenue.export(rows, *days, kind=kind, actor=actor)
        file = io.BytesIO()
        write(file, kind, revenue_columns(language), rows, language=language, zone=zone)
        return file.getvalue()

    return written
