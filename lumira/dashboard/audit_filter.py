"""The choice of audit entries to list: whose, what and since when, which stand in the URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from lumira.audit import UNKNOWN_ACCOUNT, Action, AuditFilter
from lumira.audit_export import action_name
from lumira.dashboard import choices, session
from lumira.dashboard.event_filter import Age
from lumira.dashboard.texts import actor_name, text

# Whose entries are listed where nobody is named: those of people, and those of programs too.
_PEOPLE: Final = ""
_PROGRAMS_TOO: Final = "*"
# Who acts without an account or a token in the store.
_OTHERS: Final = (UNKNOWN_ACCOUNT, "api", "command line", "lumira")


def choose(on_change: Callable[[], None]) -> AuditFilter:
    """Shows the choices and returns what they select."""
    language = session.language()
    names = {_PEOPLE: text("audit.by.people"), _PROGRAMS_TOO: text("audit.by.programs_too")}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        by = choices.choose_text(
            "by",
            text("audit.by"),
            [*names, *_actors()],
            format_func=lambda name: names.get(name) or actor_name(name),
            on_change=on_change,
            width=230,
        )
        action = choices.choose_text(
            "action",
            text("audit.action"),
            ["", *Action],
            format_func=lambda name: action_name(name, language) if name else text("audit.action.all"),
            on_change=on_change,
            width=250,
        )
        age = choices.choose(
            "age",
            text("audit.age"),
            Age,
            Age.ALL,
            format_func=lambda age: text(f"events.age.{age}"),
            on_change=on_change,
        )
    actor = None if by in names else by
    return AuditFilter(actor, action or None, age.since, people=by == _PEOPLE)


def _actors() -> list[str]:
    """Who may have acted: accounts, tokens, and those that have neither."""
    desk, actor = session.desk(), session.actor()
    members = [member.email for member in desk.staff.all(actor=actor)]
    tokens = [token.name for token in desk.tokens.all(actor=actor)]
    demo = ["demo", "support", "finance"] if desk.is_demo else []
    return list(dict.fromkeys([*members, *demo, *tokens, *_OTHERS]))
