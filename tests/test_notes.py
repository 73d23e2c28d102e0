"""Notes: any characters, once an attempt, audited."""

import pytest

from lumira.errors import InvalidNote, OrderNotFound
from lumira.notes import LENGTH


@pytest.fixture
def order(desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    return desk.intents.find(created.order_id, actor=support)


def test_a_note_keeps_any_character_and_says_who_and_when(desk, order, support):
    text = "Rappeler demain ☎ <b>« à 9 h »</b> $where {{x}} \u202f\n**deux** lignes"
    desk.notes.add(order.id, text, actor=support, attempt_id="1")
    desk.notes.add(order.id, text, actor=support, attempt_id="1")
    desk.notes.add(order.id, "\x00half \ud800", actor=support, attempt_id="2")
    newest, first = desk.notes.of_order(order.id, actor=support)
    assert (first.text, first.by) == (text, "claire")
    assert newest.text == "half ?"
    assert newest.at >= first.at
    assert [entry.action for entry in desk.audit.of_order(order.id)].count("add_note") == 2


@pytest.mark.parametrize("text", ["", " \n\t", "n" * (LENGTH + 1)])
def test_an_empty_or_endless_note_is_refused(desk, order, support, text):
    with pytest.raises(InvalidNote):
        desk.notes.add(order.id, text, actor=support, attempt_id="1")
    assert desk.notes.of_order(order.id, actor=support) == []


def test_a_note_needs_its_order(desk, support):
    with pytest.raises(OrderNotFound):
        desk.notes.add("0" * 24, "Bonjour", actor=support, attempt_id="1")
