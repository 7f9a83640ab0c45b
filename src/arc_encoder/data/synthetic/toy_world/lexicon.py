"""Words of the toy world: names built from pieces, things that exist, and an invented language.

Every list is a pure function of the seed, so that a split of the world can be made
again anywhere. Names that the training split never uses are built from the same
pieces as the others.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import product

PERSON_STARTS = tuple("Mi Ta Bre Ko Zan Lu Fe Dra Oli Sor Nal Gri Wen Pa Hul Jo".split())
PERSON_MIDDLES = ("", "ra", "li", "no", "vi", "ma")
PERSON_ENDS = ("ra", "len", "to", "vik", "sa", "min", "dor", "ya", "k", "nel")
FAMILY_STARTS = ("Ash", "Bol", "Crom", "Dun", "Fal", "Hem", "Kel", "Mor")
FAMILY_ENDS = ("wick", "ham", "ley", "ster", "by", "gate")
TOWN_STARTS = ("Tol", "Ar", "Vesk", "Quil", "Ned", "Bor", "Istr", "Hel", "Ump", "Rav", "Cal", "Yor")
TOWN_ENDS = ("ven", "mouth", "ia", "grad", "heim", "ossa", "field", "un")
SHIP_STARTS = ("Glim", "Star", "Wave", "Storm", "Gull", "Salt", "Moon", "Drift")
SHIP_ENDS = ("runner", "song", "feather", "rider", "bell", "spark")
RIVER_STARTS = ("Isk", "Oma", "Thel", "Ruun", "Deva", "Sil", "Vo", "Kra")
RIVER_ENDS = ("a", "el", "or", "ith")

JOBS = (
    "baker weaver miller potter sailor doctor painter farmer teacher hunter tailor singer "
    "mason carpenter judge guard smith brewer dancer gardener banker writer barber cook"
).split()
ANIMALS = (
    "goat horse cat owl fox hen crow wolf bear rabbit turtle donkey parrot sheep frog snake "
    "hedgehog pigeon otter monkey lizard badger swan mouse"
).split()
FOODS = (
    "soup bread cheese rice beans honey apples fish plums noodles eggs pears nuts cake corn "
    "grapes onions berries pie carrots olives figs ham pudding"
).split()
OBJECTS = (
    "lamp rope mirror knife drum basket ladder hammer clock candle map spoon ring shovel "
    "kettle bottle compass blanket brush umbrella whistle coin hat bucket"
).split()
COLOURS = "red blue green yellow white black brown purple orange grey pink silver golden crimson".split()
INSTRUMENTS = "flute violin harp trumpet guitar piano organ banjo lute cello horn fiddle bagpipe zither".split()
CARGOES = "timber wool salt iron silk spices grain coal tea marble wine sugar cotton copper glass paper".split()
VERBS = "sees feeds paints follows draws finds wants sells".split()

_FOREIGN_STARTS = ("sk", "pl", "gr", "m", "n", "t", "vr", "z", "l", "k", "d", "f")
_FOREIGN_VOWELS = ("a", "e", "i", "o", "u", "oo")
_FOREIGN_ENDS = ("x", "sh", "nt", "rk", "p", "mbo", "ls", "g")


def _built(rng: random.Random, *pieces: tuple[str, ...]) -> list[str]:
    """All distinct words made of one piece from each group, in a seeded order."""
    words = sorted({"".join(parts) for parts in product(*pieces)})
    rng.shuffle(words)
    return words


@dataclass(frozen=True)
class Lexicon:
    """The words of one world. `known` names occur in training, `new` names never do."""

    people: tuple[str, ...]
    new_people: tuple[str, ...]
    towns: tuple[str, ...]
    new_towns: tuple[str, ...]
    ships: tuple[str, ...]
    new_ships: tuple[str, ...]
    rivers: tuple[str, ...]
    foreign: dict[str, str] = field(repr=False)

    @classmethod
    def from_seed(cls, seed: int) -> Lexicon:
        """Build the lexicon of `seed`: 160 known people (every fourth with a family name), 40 towns, 24 ships."""
        rng = random.Random(f"toy-world-lexicon-{seed}")
        first = _built(rng, PERSON_STARTS, PERSON_MIDDLES, PERSON_ENDS)
        families = _built(rng, FAMILY_STARTS, FAMILY_ENDS)
        people = [f"{name} {families[i % len(families)]}" if i % 4 == 0 else name for i, name in enumerate(first)]
        towns = _built(rng, TOWN_STARTS, TOWN_ENDS)
        ships = _built(rng, SHIP_STARTS, SHIP_ENDS)
        rivers = _built(rng, RIVER_STARTS, RIVER_ENDS)
        words = (*COLOURS, *ANIMALS, *VERBS)
        invented = _built(rng, _FOREIGN_STARTS, _FOREIGN_VOWELS, _FOREIGN_ENDS)
        return cls(
            people=tuple(people[:160]),
            new_people=tuple(people[160:280]),
            towns=tuple(towns[:40]),
            new_towns=tuple(towns[40:64]),
            ships=tuple(ships[:24]),
            new_ships=tuple(ships[24:40]),
            rivers=tuple(rivers[:16]),
            foreign=dict(zip(words, invented, strict=False)),
        )
