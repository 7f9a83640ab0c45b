"""The toy world: a seeded, endless supply of short documents with questions about them.

`ToyWorld(seed, split)[i]` is a pure function of (seed, split, i), so nothing is stored
and any worker can make any document. Splits:

- ``train``: known names, and only (entity, relation, value) triples of the training side;
- ``held_out``: known names, and only triples that no training document states;
- ``new_names``: people, towns and ships that training never names, from the same pieces.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from typing import Literal, get_args

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.synthetic.toy_world.facts import PERSON_RELATIONS, SHIP_RELATIONS, TOWN_RELATIONS, Fact, Relation
from arc_encoder.data.synthetic.toy_world.lexicon import ANIMALS, COLOURS, VERBS, Lexicon

Split = Literal["train", "held_out", "new_names"]

FILLERS = (
    "The day was quiet.",
    "It rained for an hour.",
    "Nobody was in a hurry.",
    "The bells rang twice.",
    "Summer came late that year.",
    "Later the wind turned.",
)
HELD_OUT_PART = 8  # one value in so many is kept away from training


@dataclass(frozen=True)
class ToyQuestion:
    """A question about an entity of a document, with the answer that only the document holds."""

    question: str
    answer: str
    entity: str


@dataclass(frozen=True)
class ToyDocument:
    """One invented document and everything the tasks of the method need of it.

    `text` states the facts once, `retelling` states them again in other words, `summary`
    names each entity with its first fact, `questions` ask for every fact.
    """

    id: str
    text: str
    retelling: str
    summary: str
    questions: tuple[ToyQuestion, ...]


def is_held_out(entity: str, relation: str, position: int) -> bool:
    """Whether the value at `position` of a relation's list is kept from `entity` in training.

    Every eighth value is, counted from a stable hash of (entity, relation), so that each
    entity has held-out values of each relation on every machine.
    """
    return position % HELD_OUT_PART == first_held_out(entity, relation)


def first_held_out(entity: str, relation: str) -> int:
    """The first position that is; each `HELD_OUT_PART`-th after it is too."""
    return -zlib.crc32(f"{entity}|{relation}".encode()) % HELD_OUT_PART


class ToyWorld:
    """Documents about two or three invented entities, by index.

    Args:
        seed: chooses the lexicon and every document.
        split: which names and triples are used (see the module's text).
        entities: smallest and largest number of entities in a document.
        facts: smallest and largest number of facts of one entity.

    Raises:
        ConfigError: unknown split, or ranges that are empty.
    """

    def __init__(
        self,
        seed: int = 0,
        split: Split = "train",
        *,
        entities: tuple[int, int] = (2, 3),
        facts: tuple[int, int] = (1, 3),
    ) -> None:
        if split not in get_args(Split):
            raise ConfigError(f"toy world: unknown split {split!r}; choose one of {', '.join(get_args(Split))}")
        for name, (low, high) in {"entities": tuple(entities), "facts": tuple(facts)}.items():
            if not 1 <= low <= high:
                raise ConfigError(f"toy world: {name}=({low}, {high}) must be an increasing range from 1 on")
        self.seed, self.split = seed, split
        self.entities, self.facts = tuple(entities), tuple(facts)
        self.lexicon = Lexicon.from_seed(seed)
        new = split == "new_names"
        lex = self.lexicon
        self._names = {
            "people": lex.new_people if new else lex.people,
            "towns": lex.new_towns if new else lex.towns,
            "ships": lex.new_ships if new else lex.ships,
            "rivers": lex.rivers,
        }

    def __getitem__(self, index: int) -> ToyDocument:
        rng = random.Random(f"toy-world-{self.seed}-{self.split}-{index}")
        groups = [self._entity_facts(rng, name, relations) for name, relations in self._cast(rng)]
        stated = [fact for group in groups for fact in group]
        if rng.random() < 0.3:  # the facts of different entities are mixed
            rng.shuffle(stated)
        sentences = [fact.state(rng.randrange(3)) for fact in stated]
        if rng.random() < 0.25:
            sentences.insert(rng.randrange(len(sentences) + 1), rng.choice(FILLERS))
        again = list(stated)
        rng.shuffle(again)
        first: dict[str, str] = {}
        for fact in stated:
            first.setdefault(fact.entity, fact.value)
        return ToyDocument(
            id=f"toy-{self.seed}-{self.split}-{index}",
            text=" ".join(sentences),
            retelling=" ".join(fact.state(rng.randrange(3)) for fact in again),
            summary=", ".join(f"{entity}: {value}" for entity, value in first.items()) + ".",
            questions=tuple(ToyQuestion(fact.ask(rng.randrange(2)), fact.value, fact.entity) for fact in again),
        )

    def translation(self, index: int) -> tuple[str, str]:
        """A text of three simple sentences, and the same in the invented language (object, subject, verb)."""
        rng = random.Random(f"toy-world-translation-{self.seed}-{self.split}-{index}")
        foreign = self.lexicon.foreign
        plain, translated = [], []
        for _ in range(3):
            name = rng.choice(self._names["people"])
            verb, colour, animal = rng.choice(VERBS), rng.choice(COLOURS), rng.choice(ANIMALS)
            plain.append(f"{name} {verb} the {colour} {animal}.")
            translated.append(f"{foreign[animal]} {foreign[colour]} {name} {foreign[verb]}.")
        return " ".join(plain), " ".join(translated)

    def _cast(self, rng: random.Random) -> list[tuple[str, tuple[Relation, ...]]]:
        count = rng.randint(*self.entities)
        kinds = rng.choices(("people", "towns", "ships"), weights=(6, 1, 1), k=count)
        relations = {"people": PERSON_RELATIONS, "towns": TOWN_RELATIONS, "ships": SHIP_RELATIONS}
        cast: dict[str, tuple[Relation, ...]] = {}
        for kind in kinds:
            free = [name for name in self._names[kind] if name not in cast]
            cast[rng.choice(free)] = relations[kind]
        return list(cast.items())

    def _entity_facts(self, rng: random.Random, entity: str, relations: tuple[Relation, ...]) -> list[Fact]:
        count = min(rng.randint(*self.facts), len(relations))
        return [Fact(entity, relation, self._value(rng, entity, relation)) for relation in rng.sample(relations, count)]

    def _value(self, rng: random.Random, entity: str, relation: Relation) -> str:
        values = self._names[relation.values] if isinstance(relation.values, str) else relation.values
        if self.split == "new_names":
            allowed = [value for value in values if value != entity]
        else:
            first = first_held_out(entity, relation.name)
            chosen = list(values[first::HELD_OUT_PART])
            if self.split == "train":
                chosen = list(values)
                del chosen[first::HELD_OUT_PART]
            allowed = [value for value in chosen if value != entity]
        return rng.choice(allowed)
