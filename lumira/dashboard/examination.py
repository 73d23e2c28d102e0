"""The parts of the System page: what the doctor found, and the two things that can be mended from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

import streamlit as st

from lumira.dashboard import markup, navigation, notices, payment_link, problems, session
from lumira.dashboard.texts import counted, number, text
from lumira.doctor import CreatedEndpoint, set_signing_secret, versions
from lumira.errors import LumiraError
from lumira.events import ACTED_ON, WEBHOOK_PATHS
from lumira.findings import CREATE_INDEXES, Finding, Status
from lumira.setting_sources import settings_in_force

_EXAMINATION: Final = "examination"
_CREATED: Final = "created-webhook"
# Coming back to the page later looks anew.
_VALID: Final = timedelta(minutes=1)
_COLOURS: Final = {Status.FAILURE: "red", Status.WARNING: "orange"}
_ICONS: Final = {Status.FAILURE: ":material/error:", Status.WARNING: ":material/warning:"}
_PAGES: Final = {
    "webhooks": navigation.webhooks,
    "reconciliation": navigation.reconciliation,
    "orders": navigation.orders,
}


@dataclass(frozen=True)
class Examination:
    """The findings of one look at everything, and when it was made (UTC)."""

    findings: Sequence[Finding]
    made_at: datetime

    @property
    def to_mend(self) -> list[Finding]:
        """What is wrong, failures first."""
        return sorted(
            (finding for finding in self.findings if finding.status is not Status.OK),
            key=lambda finding: finding.status is not Status.FAILURE,
        )

    @property
    def in_order(self) -> list[Finding]:
        """What is as it should be."""
        return [finding for finding in self.findings if finding.status is Status.OK]


def current() -> Examination:
    """The last examination of this session; made anew when there is none of this minute."""
    known: Examination | None = st.session_state.get(_EXAMINATION)
    if known and known.made_at > datetime.now(UTC) - _VALID:
        return known
    with st.spinner(text("system.checking")):
        findings = session.desk().doctor.examine(actor=session.actor())
    st.session_state[_EXAMINATION] = made = Examination(findings, datetime.now(UTC))
    return made


def forget() -> None:
    """The next `current` looks anew."""
    st.session_state.pop(_EXAMINATION, None)


def headline(examination: Examination) -> str:
    """What is to be mended, counted: failures, warnings."""
    counts = {
        "failures": sum(finding.status is Status.FAILURE for finding in examination.findings),
        "warnings": sum(finding.status is Status.WARNING for finding in examination.findings),
    }
    parts = (counted(f"system.{name}", count) for name, count in counts.items() if count)
    return " · ".join(parts)


def show_problem(finding: Finding) -> None:
    """What is wrong, why, and how to mend it."""
    language = session.language()
    with st.container(border=True, key=f"problem-{finding.name}"):
        why, mend = st.columns([1.1, 1], gap="small")
        with why, st.container(gap="small"):
            colour, icon = _COLOURS[finding.status], _ICONS[finding.status]
            st.markdown(f":{colour}[{icon}] **{finding.title(language)}**")
            st.html(markup.paragraph(finding.sentence(language)))
            if finding.page:
                st.page_link(
                    _PAGES[finding.page](),
                    label=text("system.page"),
                    icon=":material/arrow_forward:",
                    width="content",
                )
            if finding.name == "webhook.endpoint" and finding.mend:
                _create_webhook()
            if finding.mend == CREATE_INDEXES:
                _create_indexes(finding.name)
        with mend, st.container(gap="small"):
            if finding.mend:
                st.caption(text("system.mend"))
                st.code(finding.mend, language=None, wrap_lines=True)


def show_in_order(findings: Sequence[Finding]) -> None:
    """What is as it should be, a quiet row each, by part."""
    language = session.language()
    parts = [
        (
            text(f"system.part.{part}"),
            [(finding.title(language), finding.sentence(language)) for finding in group],
        )
        for part, group in groupby(findings, key=lambda finding: finding.name.partition(".")[0])
    ]
    st.html(markup.checks(parts))


def show_settings() -> None:
    """Every setting, masked, and where it came from."""
    st.caption(text("system.settings.lead"))
    rows = (
        (
            setting.variable,
            setting.value or text("system.settings.unset"),
            text(f"system.source.{setting.source}"),
        )
        for setting in settings_in_force(session.desk().settings)
    )
    st.html(markup.settings(rows))


def show_versions() -> None:
    """What runs here, by version."""
    st.html(markup.facts(versions().items(), codes=frozenset(versions())))


def show_created_webhook() -> None:
    """The secret of an endpoint just made, until whoever made it has it."""
    created: CreatedEndpoint | None = st.session_state.get(_CREATED)
    if created is None or created.secret is None:
        return
    with st.container(border=True, key="created-webhook-secret"):
        st.markdown(f":orange[:material/key:] **{text('system.create_webhook.secret')}**")
        st.code(set_signing_secret(created.secret), language=None, wrap_lines=True)
        if st.button(text("system.create_webhook.noted"), icon=":material/check:", key="secret-noted"):
            st.session_state.pop(_CREATED)
            st.rerun()


def _create_indexes(name: str) -> None:
    if not st.button(text("system.create_indexes"), icon=":material/build:", key=f"mend-{name}"):
        return
    try:
        session.desk().doctor.create_indexes(actor=session.actor())
    except LumiraError as error:
        problems.show(error)
        return
    notices.say(text("system.create_indexes.done"))
    forget()
    st.rerun()


def _create_webhook() -> None:
    """The form that has Stripe deliver here, which says what it will do."""
    with st.popover(text("system.create_webhook"), icon=":material/add_link:"):
        desk = session.desk()
        st.markdown(f"**{text('system.create_webhook.title')}**")
        st.caption(
            text("system.create_webhook.what", count=number(len(ACTED_ON)), version=desk.gateway.api_version)
        )
        # Where this page was reached over https, Stripe reaches us too; the sandbox needs no https.
        own = payment_link.origin()
        url = st.text_input(
            text("system.create_webhook.address"),
            value=own + WEBHOOK_PATHS[0] if own.startswith("https:") or desk.gateway.is_sandbox else "",
            placeholder=f"https://…{WEBHOOK_PATHS[0]}",
            key="webhook-url",
        )
        if not st.button(text("system.create_webhook.create"), type="primary", key="create-webhook"):
            return
        try:
            created = desk.doctor.create_webhook(url, actor=session.actor())
        except LumiraError as error:
            problems.beside_field(error)
            return
    st.session_state[_CREATED] = created
    if created.secret is None:
        notices.say(text("system.create_webhook.kept"))
    forget()
    st.rerun()
