"""The few pieces of HTML that Streamlit has no element for. Everything put in is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

# With these in it a name turns round the letters of itself and of what stands beside it.
_DIRECTIONS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Step:
    """One line of a timeline: a sentence, a note under it, when and through what."""

    sentence: str
    note: str
    when: str
    colour: str


@dataclass(frozen=True)
class Card:
    """A row of a list on a narrow screen: where a tap leads, if anywhere, and what it says.

    `chips` are (label, colour). `figures` are lines of a small table, the titles of its columns first; the
    first of each line names it. `apart` opens the link in a tab of its own.
    """

    link: str
    title: str
    chips: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    beside: str = ""
    figures: list[tuple[str, ...]] = field(default_factory=list)
    apart: bool = False


def undirected(sentence: str) -> str:
    """Text from outside in the order it is read in: names in Arabic or Hebrew need no marks for theirs."""
    return _DIRECTIONS.sub("", sentence)


def escape(sentence: str) -> str:
    """Text from outside as HTML that says it and does nothing else."""
    return html.escape(undirected(sentence))


def chip(label: str, colour: str) -> str:
    """A small label with a dot of its colour; the text itself keeps the page's colour to stay readable."""
    return f'<span class="lumira-chip" style="--chip:{colour}">{escape(label)}</span>'


def chips(labels: Iterable[tuple[str, str]]) -> str:
    """Chips in a row, from (label, colour)."""
    return f'<div class="lumira-chips">{"".join(chip(*label) for label in labels)}</div>'


def entry(title: str, labels: Iterable[tuple[str, str]], note: str) -> str:
    """One line of a list that has few: what it is, chips from (label, colour), and a note under it."""
    return (
        f'<div class="lumira-entry"><b>{escape(title)}</b>{"".join(chip(*label) for label in labels)}'
        f"<small>{escape(note)}</small></div>"
    )


def facts(
    rows: Iterable[tuple[str, str]],
    *,
    codes: frozenset[str] = frozenset(),
    figures: bool = False,
    total: bool = False,
) -> str:
    """A list of labels and values; the labels in `codes` have a value to be copied, set in monospace.

    `figures` stand under one another to the right, as one adds them up; the last is their `total`.
    """
    pairs = "".join(
        f"<dt>{escape(label)}</dt>"
        + (f"<dd><code>{escape(value)}</code></dd>" if label in codes else f"<dd>{escape(value)}</dd>")
        for label, value in rows
    )
    kinds = f"{' lumira-figures' if figures else ''}{' lumira-total' if total else ''}"
    return f'<dl class="lumira-facts{kinds}">{pairs}</dl>'


def groups(facts: Iterable[str]) -> str:
    """Lists of facts about several things of a kind, apart from one another, their values in one column."""
    return f'<div class="lumira-groups">{"".join(facts)}</div>'


def settings(rows: Iterable[tuple[str, str, str]]) -> str:
    """Variables, each with its value and where that came from."""
    lines = "".join(
        f"<li><code>{escape(variable)}</code><span>{escape(value)}</span><small>{escape(source)}</small></li>"
        for variable, value, source in rows
    )
    return f'<ul class="lumira-settings">{lines}</ul>'


def paragraph(sentence: str) -> str:
    """A sentence with nothing in it that Markdown would act on."""
    return f"<p>{escape(sentence)}</p>"


def checks(parts: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> str:
    """What is in order, by part: a mark, what was checked, and what was found."""
    sections = "".join(
        f"<section><h3>{escape(part)}</h3><ul>"
        + "".join(f"<li><b>{escape(title)}</b><span>{escape(found)}</span></li>" for title, found in rows)
        + "</ul></section>"
        for part, rows in parts
    )
    return f'<div class="lumira-checks">{sections}</div>'


def link(address: str, label: str) -> str:
    """A link to a page of ours that is not Streamlit's; it opens in place of this one."""
    return f'<a class="lumira-link" href="{escape(address)}" target="_self">{escape(label)}</a>'


def timeline(steps: Iterable[Step]) -> str:
    """What happened, one step a line."""
    lines = "".join(
        f'<li style="--chip:{step.colour}"><p>{escape(step.sentence)}</p>'
        + (f'<p class="lumira-note">{escape(step.note)}</p>' if step.note else "")
        + f"<small>{escape(step.when)}</small></li>"
        for step in steps
    )
    return f'<ol class="lumira-timeline">{lines}</ol>'


def product(name: str, price: str, description: str, holds: Iterable[str]) -> str:
    """The face of a product card."""
    items = "".join(f"<li>{escape(item)}</li>" for item in holds)
    return (
        f'<div class="lumira-product"><h2>{escape(name)}</h2><p class="lumira-price">{escape(price)}</p>'
        f"<p>{escape(description)}</p><ul>{items}</ul></div>"
    )


def card_colours(colours: Mapping[str, str]) -> str:
    """Gives the card of each product id its colour; lumira.css says where a card shows it."""
    rules = (f".st-key-product-{name} {{ --level: {colour}; }}" for name, colour in colours.items())
    return f"<style>{' '.join(rules)}</style>"


def amount(value: str, caption: str) -> str:
    """An amount of money written large, with a caption if there is one."""
    small = f"<small>{escape(caption)}</small>" if caption else ""
    return f'<p class="lumira-amount">{escape(value)}{small}</p>'


def order_line(amount: str, status: tuple[str, str], when: str) -> str:
    """What a line says of an order beside its customer; `status` is (label, colour)."""
    return f'<div class="lumira-line">{chip(*status)}<b>{escape(amount)}</b><time>{escape(when)}</time></div>'


def cards(rows: Iterable[Card]) -> str:
    """A list on a narrow screen."""
    return f'<ul class="lumira-cards">{"".join(f"<li>{_card(card)}</li>" for card in rows)}</ul>'


def _card(card: Card) -> str:
    said = "".join(
        [
            f"<b>{escape(card.title)}</b>",
            f"<b>{escape(card.beside)}</b>" if card.beside else "",
            chips(card.chips) if card.chips else "",
            _figures(card.figures) if card.figures else "",
            f"<small>{escape(card.note)}</small>" if card.note else "",
        ]
    )
    if not card.link:
        return f"<div>{said}</div>"
    target = "_blank" if card.apart else "_self"
    return f'<a href="{escape(card.link)}" target="{target}">{said}</a>'


def _figures(lines: list[tuple[str, ...]]) -> str:
    (_, *titles), *rows = lines
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(value)}</td>" for value in values)
        + "</tr>"
        for name, *values in rows
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def mode(label: str, notes: Iterable[str], *, live: bool, language: str) -> str:
    """The badge that says on every page whether money is real, and in which language the page is."""
    kind = "live" if live else "test"
    texts = "".join(f"<span>{escape(note)}</span>" for note in notes)
    return (
        f'<div class="lumira-mode lumira-mode-{kind}" role="status" lang="{escape(language)}">'
        f"<b>{escape(label)}</b>{texts}</div>"
    )
