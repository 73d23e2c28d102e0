"""What the house sells: a product for each level, prices in EUR minor units.

The catalog says what a new order costs. What an old order cost stands on the order: prices changed over
time, so revenue never asks the catalog.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final


class Level(StrEnum):
    """The levels of a reading, lowest first; the value is the level's name on the wire."""

    INITIE = "initie"
    MYSTIQUE = "mystique"
    PROFOND = "profond"
    INTEGRALE = "integrale"

    @property
    def rank(self) -> int:
        """1 for the lowest level, and one more for each above it."""
        return list(Level).index(self) + 1

    @property
    def label(self) -> str:
        """The name staff know the level by."""
        return _LABELS[self]


_LABELS: Final = {
    Level.INITIE: "Initié",
    Level.MYSTIQUE: "Mystique",
    Level.PROFOND: "Profond",
    Level.INTEGRALE: "Intégral",
}

# Names of the levels met in documents of earlier years, which knew four and numbered them.
_FORMER_NAMES: Final = {
    "1": Level.INITIE,
    "2": Level.MYSTIQUE,
    "3": Level.PROFOND,
    "4": Level.INTEGRALE,
    "simple": Level.INITIE,
    "intuitive": Level.MYSTIQUE,
    "alchimique": Level.PROFOND,
    "integrale": Level.INTEGRALE,
    "integral": Level.INTEGRALE,
}


@dataclass(frozen=True)
class Product:
    """One thing for sale. `amount` is in minor units of `currency`; `coming_soon` can't be sold yet."""

    id: str
    level: Level
    name: str
    description: str
    amount: int
    access: tuple[str, ...]
    bonus: tuple[str, ...]
    currency: str = "eur"
    coming_soon: bool = False

    @property
    def is_free(self) -> bool:
        """A free product never goes to Stripe."""
        return self.amount == 0


_PRODUCTS: Final = (
    Product(
        id="initie",
        level=Level.INITIE,
        name="Niveau Initié",
        description="Une première lecture, offerte, pour découvrir la maison.",
        amount=0,
        access=("pdf",),
        bonus=("welcome-guide",),
    ),
    Product(
        id="mystique",
        level=Level.MYSTIQUE,
        name="Niveau Mystique",
        description="La lecture écrite et sa méditation enregistrée.",
        amount=4700,
        access=("pdf", "audio"),
        bonus=("audio-meditation",),
    ),
    Product(
        id="profond",
        level=Level.PROFOND,
        name="Niveau Profond",
        description="La lecture complète avec son mandala personnel.",
        amount=6700,
        access=("pdf", "audio", "mandala"),
        bonus=("mandala-guide",),
    ),
    Product(
        id="integrale",
        level=Level.INTEGRALE,
        name="Niveau Intégral",
        description="Tout le chemin : lecture, mandala, rituels et accompagnement.",
        amount=9700,
        access=("pdf", "audio", "mandala", "rituals"),
        bonus=("ritual-kit", "lunar-calendar", "personal-support"),
        coming_soon=True,
    ),
)

CATALOG: Final[dict[str, Product]] = {product.id: product for product in _PRODUCTS}


def level_of(name: object) -> Level | None:
    """The level a stored name means, or None when it means none we know.

    Takes today's ids, and the names and numbers of earlier years, without regard to case and accents:
    `Intégrale`, `ALCHIMIQUE`, `niveau profond` and `3` are all found.
    """
    if isinstance(name, float) and name.is_integer():
        # JavaScript has one number type.
        name = int(name)
    return _level_named(str(name))


def level_sold(product: object, level: object) -> Level | None:
    """The level an order sold, by its productId or else by the level in its metadata."""
    return level_of(product) or level_of(level)


# A list asks for the same few names row after row.
@lru_cache(maxsize=256)
def _level_named(name: str) -> Level | None:
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold().strip()
    folded = folded.removeprefix("niveau").strip()
    if folded in set(Level):
        return Level(folded)
    return _FORMER_NAMES.get(folded)
