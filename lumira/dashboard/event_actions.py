"""What staff can do with failed events: handle one of them again, or all."""

from __future__ import annotations

from typing import Final

import streamlit as st

from lumira.access import Permission
from lumira.dashboard import event_details, notices, problems, session
from lumira.dashboard.texts import number, text
from lumira.events import EventFilter, EventState, RecordedEvent

# More failed events than this are retried just the same; only the bar can't say how many are left.
_COUNTED: Final = 1_000


def failed(size: int) -> tuple[list[RecordedEvent], bool]:
    """The newest failed events, at most `size`, and whether there are more."""
    found, more = session.desk().webhooks.page(
        size, selected=EventFilter(EventState.FAILED), actor=session.actor()
    )
    return found, more is not None


def retry(event: RecordedEvent) -> None:
    """The button that handles a failed event again, or one whose worker may have died, for those who may."""
    is_open = event.state in {EventState.FAILED, EventState.PROCESSING}
    if not is_open or not session.may(Permission.RETRY_WEBHOOK):
        return
    if st.button(text("event.retry"), type="primary", icon=":material/replay:", key="retry-event"):
        with problems.remembered(event.event_id):
            with st.spinner(text("event.retrying")):
                session.desk().webhooks.retry(event.event_id, actor=session.actor())
            now = session.desk().webhooks.find(event.event_id, actor=session.actor())
            notices.say(text("event.retried", outcome=problems.plain(event_details.outcome(now))))
        st.rerun()


def retry_all() -> None:
    """The button that handles every failed event again, oldest first, and says how far it is."""
    if not session.may(Permission.RETRY_WEBHOOK):
        return
    place = st.empty()
    if not place.button(text("events.retry_all"), icon=":material/replay:", key="retry-all"):
        return
    known, more = failed(_COUNTED)
    total = len(known) + more
    bar = place.progress(0.0, text("events.retrying", done=number(0)))
    done = 0
    with problems.remembered("retry-all"):
        for done, _ in enumerate(session.desk().webhooks.retry_failed(actor=session.actor()), start=1):
            bar.progress(min(done / max(total, 1), 1.0), text("events.retrying", done=number(done)))
        left, _ = failed(_COUNTED)
        name = "events.retried.left" if left else "events.retried"
        notices.say(text(name, done=number(done), left=number(len(left))))
    st.rerun()
