"""What the address of a page holds, the one way of changing it, and the controls that show it.

With each action the browser tells what its address holds and what each control shows. An action that follows
another at once was sent before the browser had heard what the first one changed; taken at its word, it would
undo that. So every drawing of a page carries its number in a hidden field, which the browser sends along:
what changed in a later drawing than it has heard of holds against what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import urlencode, urlsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lumira.dashboard import session

_DRAWING: Final = "drawing"
_HEARD: Final = "drawing-heard"
_LAST: Final = "address-changed"
_REPLACED: Final = "controls-replaced"
_LEFT: Final = "addresses-left"


@dataclass(frozen=True)
class _Change:
    """The last change: of which page, what the address held before and holds since, and its drawing."""

    page: str
    before: list[dict[str, str]]
    since: dict[str, str]
    drawing: int


def begin_drawing() -> DeltaGenerator:
    """To be called before a page is drawn; answers the place for `end_drawing`."""
    _put_back()
    catch_up()
    st.session_state[_DRAWING] = _drawing() + 1
    return st.container(key="drawing")


def end_drawing(place: DeltaGenerator) -> None:
    """Numbers what was drawn, once all of it is: a browser that sends this number has heard everything."""
    st.session_state[_HEARD] = str(_drawing())
    place.text_input("drawing", key=_HEARD, label_visibility="collapsed")


def held() -> dict[str, str]:
    """What the address holds by name, a change included that the browser has not heard of yet."""
    catch_up()
    return _told()


def change(changes: Mapping[str, str | None]) -> None:
    """Has the address hold these values; a name whose value is None or empty leaves it."""
    told, now = _told(), held()
    wanted = {name: value for name, value in {**now, **changes}.items() if value}
    if wanted == now:
        return
    last: _Change | None = st.session_state.get(_LAST)
    before = [*last.before, now] if last and told != now else [now]
    _write(wanted)
    st.session_state[_LAST] = _Change(_page(), before, wanted, _drawing() + 1)


def catch_up() -> None:
    """Puts a change back that the browser had not heard of when it sent what is being done.

    Not after the browser's back button: the address it brings back is the one that is meant.
    """
    last: _Change | None = st.session_state.get(_LAST)
    if last is None or _heard() >= last.drawing or last.page != _page() or _went_back():
        return
    told = _told()
    if told != last.since and told in last.before:
        _write(last.since)


def link(path: str, query: Mapping[str, str]) -> str:
    """A link that loads a page anew, in the language and the role this one is read in."""
    return f"{path}?{urlencode({**query, **session.carried()})}"


def leave(page: Page, query: Mapping[str, str]) -> NoReturn:
    """Opens another page at this query.

    Streamlit writes the query into the browser's history at the page being left, before it opens the other
    one. The back button leads there, and `begin_drawing` then puts back what that page's address held.
    """
    left: dict[tuple[str, frozenset[tuple[str, str]]], dict[str, str]]
    left = st.session_state.setdefault(_LEFT, {})
    left[_page(), frozenset(query.items())] = held()
    st.switch_page(page, query_params=query)


def control(key: str, shown: Any, changed: Callable[[Any], None]) -> Callable[[], None]:
    """Has the control `key` show a value; to be called before it is drawn, and every time.

    Answers what the control calls when it was used: `changed`, with what was chosen. The value it showed
    before, sent along by a browser that has not heard of the new one, is nobody's choice.
    """
    replaced: dict[str, tuple[Any, int]] = st.session_state.setdefault(_REPLACED, {})
    if key in st.session_state and st.session_state[key] != shown:
        replaced[key] = st.session_state[key], _drawing()
    st.session_state[key] = shown

    def used() -> None:
        chosen = st.session_state[key]
        before, drawing = replaced.get(key, (None, 0))
        if chosen != before or _heard() >= drawing:
            changed(chosen)

    return used


def _put_back() -> None:
    """After the back button gives a page that was left by `leave` its address back."""
    arrived = _page(), frozenset(_told().items())
    if _went_back() and (left := st.session_state.get(_LEFT, {}).get(arrived)) is not None:
        _write(left)


def _drawing() -> int:
    return int(st.session_state.get(_DRAWING, 0))


def _heard() -> int:
    return int(st.session_state.get(_HEARD) or 0)


def _told() -> dict[str, str]:
    # The language is a widget's own, which Streamlit keeps; the role is read as a session begins.
    apart = {session.LANGUAGE, session.ROLE}
    return {name: value for name, value in st.query_params.items() if name not in apart}


def _write(wanted: Mapping[str, str]) -> None:
    for name in _told().keys() - wanted.keys():
        del st.query_params[name]
    if wanted:
        st.query_params.update(wanted)


def _page() -> str:
    return urlsplit(st.context.url or "").path


def _went_back() -> bool:
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation
