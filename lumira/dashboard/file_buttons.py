"""Buttons that hand out what a page shows as a file, one for each kind of file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from lumira.dashboard.texts import text
from lumira.export import FileFormat


def show(name: str, file: str, written: Callable[[FileFormat], bytes], *, key: str, icon: str) -> None:
    """The buttons, each called by the text `name` and its kind; `file` is the file's name without an ending.

    What `written` answers is made when it is asked for, not while the page is drawn. It is called outside of
    the page's script, which knows the reader: it has to know desk, actor, language and zone itself.
    """
    for kind in FileFormat:
        st.download_button(
            text(f"{name}.{kind}"),
            data=partial(written, kind),
            file_name=f"{file}.{kind}",
            mime=kind.mime,
            icon=icon,
            on_click="ignore",
            width="stretch",
            key=f"{key}-{kind}",
        )
