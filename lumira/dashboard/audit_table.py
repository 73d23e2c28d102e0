"""The table of the audit log, and the files of what it selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from lumira.audit import AuditEntry, AuditFilter
from lumira.audit_export import action_name, audit_columns, details, role_name
from lumira.dashboard import address, file_buttons, markup, session, tables
from lumira.dashboard.texts import actor_name, moment, text
from lumira.export import FileFormat, as_bytes
from lumira.orders import Order


def frame(entries: Sequence[AuditEntry], orders: Mapping[str, Order]) -> pd.DataFrame:
    """Entries as the list shows them, one row each, in the reader's words."""
    language = session.language()
    return pd.DataFrame(
        [
            {
                "at": entry.at,
                "by": actor_name(entry.actor),
                "role": role_name(entry.role, language) or tables.NOTHING,
                "action": action_name(entry.action, language),
                "order": _about(entry, orders) or tables.NOTHING,
                "details": details(entry, language),
            }
            for entry in entries
        ]
    )


def show(entries: Sequence[AuditEntry], orders: Mapping[str, Order], *, key: str) -> None:
    """The list: a table, and a card for each entry on a narrow screen; a click opens the order.

    `key` must name page and filter, for a selection is a row number only.
    """
    config = st.column_config
    with tables.or_cards("audit", [_card(entry, orders) for entry in entries]):
        st.caption(text("audit.table.lead"))
        st.dataframe(
            frame(entries, orders),
            key=key,
            on_select="rerun",
            selection_mode="single-cell",
            hide_index=True,
            column_config={
                "at": tables.moments(text("audit.at"), narrow=False),
                "by": config.TextColumn(text("audit.by"), width=175),
                "role": config.TextColumn(text("audit.role"), width=105),
                "action": config.TextColumn(text("audit.action"), width=185),
                "order": config.TextColumn(text("audit.order"), width=130),
                "details": config.TextColumn(text("audit.details"), width="large"),
            },
            row_height=tables.ROW_HEIGHT,
            height=tables.height(len(entries)),
            placeholder="",
            alt=text("audit.table"),
        )


def show_files(selected: AuditFilter) -> None:
    """The button that offers everything the filter selects as a file."""
    popover = st.popover(
        text("audit.files"), icon=":material/download:", type="tertiary", key="export", on_change="rerun"
    )
    if not popover.open:
        return
    desk, actor, language, zone = session.desk(), session.actor(), session.language(), session.timezone()

    def written(kind: FileFormat) -> bytes:
        entries = desk.audit_trail.export(selected, kind=kind, actor=actor)
        return as_bytes(kind, audit_columns(language, zone), entries, language=language, zone=zone)

    today = datetime.now(zone).date().isoformat()
    with popover:
        st.caption(text("audit.files.lead", zone=zone.key))
        file_buttons.show(
            "audit.files",
            f"{text('audit.files.name')}-{today}",
            written,
            key="export",
            icon=":material/table_view:",
        )


def _about(entry: AuditEntry, orders: Mapping[str, Order]) -> str:
    """The order that an entry is about, by the name of its customer where it has one."""
    order = orders.get(entry.order_id or "")
    return (order.known_as if order else None) or entry.order_id or ""


def _card(entry: AuditEntry, orders: Mapping[str, Order]) -> markup.Card:
    language = session.language()
    told = [_about(entry, orders), details(entry, language), actor_name(entry.actor)]
    order = orders.get(entry.order_id or "")
    return markup.Card(
        link=address.link("/order", {"id": order.order_id}) if order else "",
        title=action_name(entry.action, language),
        note=" · ".join(filter(None, [moment(entry.at), *told])),
    )
