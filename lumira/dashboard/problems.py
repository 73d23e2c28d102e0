"""Errors as calm messages: what happened, what to do, and the code to tell an administrator."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st

from lumira.dashboard import markup, notices, recent, session
from lumira.dashboard.texts import text, text_or
from lumira.errors import (
    InvalidCustomer,
    InvalidEmail,
    InvalidFirstName,
    InvalidLastName,
    InvalidMetadata,
    LumiraError,
    MissingProductId,
    ProductNotAvailable,
    ProductNotFound,
    StoreUnavailable,
    StripeConfigError,
    StripeError,
    StripeRefused,
    StripeTimeout,
)
from lumira.order_filter import WORD_JOINER
from lumira.texts import is_known

# How often a page that could not be drawn looks whether it can be.
_LOOK_SECONDS: Final = 5
_REST_SECONDS: Final = 60
_DRAWN_ANEW: Final = "drawn-anew"


def show(error: LumiraError, *, again: bool = False) -> None:
    """Shows an error; `again` offers to run the page once more, which what passes does by itself, too."""
    passing = is_passing(error)
    alert = st.warning if passing else st.error
    # Stripe's side of it is for whoever looks into it; our own words are enough where it did not say a thing,
    # or said of our key what they say already.
    said = isinstance(error, StripeError) and not isinstance(error, StripeConfigError | StripeTimeout)
    detail = f" · {plain(error.message)}" if said else ""
    alert(
        f"{what_to_do(error)}  \n:small[{text('error.code', code=error.code)}{detail}]",
        title=headline(error),
        icon=":material/cloud_off:" if passing else ":material/error:",
    )
    if again:
        st.button(text("try_again"), icon=":material/refresh:", key="try-again", on_click=recent.try_again)
        if passing:
            await_answer(error, time.monotonic())


@st.fragment(run_every=_LOOK_SECONDS)
def await_answer(error: LumiraError, shown_at: float) -> None:
    """On a page that this error kept from being drawn: has it drawn as soon as store or Stripe answers again.

    `shown_at` is when it was shown (monotonic seconds). At most once a minute: what keeps a page from being
    drawn although both answer, such as a query that takes too long, is not to be repeated for ever.
    """
    now = time.monotonic()
    lately = now < st.session_state.get(_DRAWN_ANEW, -math.inf) + _REST_SECONDS
    # Drawn with the error itself, it has nothing to ask yet.
    if lately or now < shown_at + 1:
        return
    if session.desk().health.problems()["store" if isinstance(error, StoreUnavailable) else "stripe"]:
        return
    st.session_state[_DRAWN_ANEW] = now
    recent.try_again()
    st.rerun()


def is_passing(error: object) -> bool:
    """Whether it is an error of store or Stripe that may be over when they are asked again."""
    return isinstance(error, StoreUnavailable | StripeError) and not isinstance(error, StripeRefused)


def beside_field(error: LumiraError, advice: str | None = None) -> None:
    """Shows an error right under the field that caused it, with advice of the form's own where it has any.

    Its code, which is for an administrator, is left out where we have advice for the person who typed.
    """
    told = advice or what_to_do(error)
    beside(headline(error), told if is_known(f"error.{error.code}.next") else f"{told} · {error.code}")


def beside(what: str, advice: str) -> None:
    """What is wrong with the field above, and what to do about it."""
    # An address that is named as an example is nobody to write to.
    unlinked = re.sub(r"(?<=\w@)(?=\w)", WORD_JOINER, advice)
    st.markdown(f":red[:material/error: {what}]  \n:small[{unlinked}]")


def remember(subject: str, error: LumiraError) -> None:
    """Keeps why the last action on a subject (an order, an event) failed, over the rerun that follows."""
    st.session_state[f"problem-{subject}"] = error


def forget(subject: str) -> None:
    """Takes back what was remembered: the action has succeeded."""
    st.session_state.pop(f"problem-{subject}", None)


def is_remembered(subject: str, kind: type[LumiraError]) -> bool:
    """Whether the last action on a subject failed for this kind of error."""
    return isinstance(st.session_state.get(f"problem-{subject}"), kind)


@contextmanager
def remembered(subject: str) -> Iterator[None]:
    """Around an action on a subject: remembers why it failed, or forgets why the one before it did."""
    try:
        yield
    except LumiraError as error:
        remember(subject, error)
    else:
        forget(subject)


@contextmanager
def told_once(subject: str) -> Iterator[None]:
    """As `remembered`, around an action that only asks how things stand: that Stripe did not answer is said
    and not kept. Nothing else came of it, and it may be over in a moment.
    """
    try:
        yield
    except LumiraError as error:
        if isinstance(error, StripeError) and is_passing(error):
            notices.say(f"{headline(error)} {what_to_do(error)}", icon=":material/cloud_off:")
        else:
            remember(subject, error)
    else:
        forget(subject)


def show_remembered(subject: str) -> None:
    """Shows why the last action on a subject failed, until one succeeds."""
    if error := st.session_state.get(f"problem-{subject}"):
        show(error)


def plain(sentence: str) -> str:
    """Text from outside with nothing in it that Markdown would act on.

    Bare addresses become links, and names between colons icons, behind any backslash, so a word joiner,
    which nobody sees, parts them.
    """
    linked = r"(?<=@)|(?<=://)|(?<=:)(?=\w)|(?i:(?<=www))(?=\.)"
    parted = re.sub(linked, WORD_JOINER, markup.undirected(sentence))
    return re.sub(r"([\\`*_{}\[\]()#+!|<>$:~])", r"\\\1", parted)


def headline(error: LumiraError) -> str:
    """What happened, in a sentence."""
    if duplicate := error.extra.get("duplicate"):
        return text("new_payment.metadata.twice", key=plain(duplicate))
    return text_or(_named(error), error.error)


def what_to_do(error: LumiraError) -> str:
    """What the reader can do about it."""
    names = plain(str(error.extra.get("names", "")))
    return text_or(f"{_named(error)}.next", plain(error.message), names=names)


def _named(error: LumiraError) -> str:
    """The name of what is said of an error: to callers Stripe's refusal is one of its errors like others, but
    whoever reads it would try again in vain.
    """
    return "error.STRIPE_REFUSED" if isinstance(error, StripeRefused) else f"error.{error.code}"


def field_of(error: LumiraError) -> str | None:
    """The field of a form an error belongs to: email, phone, one of the names, metadata or product."""
    match error.code:
        case InvalidEmail.code:
            return "email"
        case InvalidMetadata.code:
            return "metadata"
        case MissingProductId.code | ProductNotFound.code | ProductNotAvailable.code:
            return "product"
        case InvalidFirstName.code:
            return "first_name"
        case InvalidLastName.code:
            return "last_name"
        case InvalidCustomer.code:
            return "phone" if error.message.startswith(("customerPhone", "phone")) else "name"
        case _:
            return None
