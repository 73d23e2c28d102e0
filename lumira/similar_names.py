"""Names that are like one that nobody has, as it is when a name was heard on the telephone. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Final

from lumira.order_filter import search_words

# How alike two words are: Dupond and Dupont 0.83, Müller and Muler 0.91, Martin and Marin 0.91; Durand and
# Dupont 0.5.
_ALIKE: Final = 0.75
# The beginning of a word that is taken to be right; by so much of it orders are found.
BEGINNING: Final = 3
_MOST: Final = 3


def misspelt_words(search: str) -> list[str]:
    """The words of a search that may be a misspelt name, folded; none where it is no name alone."""
    words = search_words(search)
    is_name = all(word.isalpha() for word in words) and any(len(word) > BEGINNING for word in words)
    return words if is_name else []


def similar_names(words: Sequence[str], names: Iterable[str]) -> list[str]:
    """At most three of the names, the most alike first: those with a word like each of the words."""
    found = {" ".join(search_words(name)): name for name in names}
    likeness = {
        name: min(_likeness(word, folded.split()) for word in words) for folded, name in found.items()
    }
    alike = [name for name in likeness if likeness[name] >= _ALIKE]
    return sorted(alike, key=lambda name: (-likeness[name], name))[:_MOST]


def _likeness(word: str, words: Iterable[str]) -> float:
    return max((SequenceMatcher(None, word, other).ratio() for other in words), default=0.0)
