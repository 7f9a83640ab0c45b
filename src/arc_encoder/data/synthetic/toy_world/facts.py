"""What can be said of an entity of the toy world, and in how many ways.

A relation has several statements and several questions. A question shares no content
word with the statements, so that finding the answer needs the meaning of the relation
and not its wording.
"""

from __future__ import annotations

from dataclasses import dataclass

from arc_encoder.data.synthetic.toy_world import lexicon as words


@dataclass(frozen=True)
class Relation:
    """One kind of fact: `{e}` is the entity, `{v}` the value.

    `values` is either a fixed tuple of words or the name of a `Lexicon` field.
    """

    name: str
    values: tuple[str, ...] | str
    statements: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """A stated relation between an entity and a value."""

    entity: str
    relation: Relation
    value: str

    def state(self, variant: int) -> str:
        """The fact as a sentence, in the wording number `variant` (taken modulo the wordings)."""
        statements = self.relation.statements
        return statements[variant % len(statements)].format(e=self.entity, v=self.value)

    def ask(self, variant: int) -> str:
        """A question whose answer is the fact's value."""
        questions = self.relation.questions
        return questions[variant % len(questions)].format(e=self.entity)


PERSON_RELATIONS = (
    Relation(
        "home",
        "towns",
        ("{e} lives in {v}.", "The house of {e} stands in {v}.", "In {v} lives {e}."),
        ("Where is {e} at home?", "Which place does {e} call home?"),
    ),
    Relation(
        "birthplace",
        "towns",
        ("{e} was born in {v}.", "{v} saw the birth of {e}.", "The cradle of {e} stood in {v}."),
        ("Where does {e} come from?", "What is the origin of {e}?"),
    ),
    Relation(
        "job",
        tuple(words.JOBS),
        ("{e} works as a {v}.", "{e} earns a living as a {v}.", "As a {v} {e} goes to work."),
        ("What is the profession of {e}?", "Which trade has {e}?"),
    ),
    Relation(
        "pet",
        tuple(words.ANIMALS),
        ("{e} keeps a {v}.", "A {v} sleeps beside {e}.", "{e} takes care of a {v}."),
        ("Which animal belongs to {e}?", "What pet has {e}?"),
    ),
    Relation(
        "dish",
        tuple(words.FOODS),
        ("{e} loves {v}.", "{e} never gets enough of {v}.", "Nothing tastes better to {e} than {v}."),
        ("What does {e} like to eat?", "What is the favourite dish of {e}?"),
    ),
    Relation(
        "object",
        tuple(words.OBJECTS),
        ("{e} carries a {v}.", "In the bag of {e} lies a {v}.", "{e} bought a {v}."),
        ("Which thing has {e}?", "What object does {e} own?"),
    ),
    Relation(
        "colour",
        tuple(words.COLOURS),
        ("{e} wears a {v} coat.", "The coat of {e} is {v}.", "{e} has a {v} coat."),
        ("What colour are the clothes of {e}?", "In which colour is {e} dressed?"),
    ),
    Relation(
        "instrument",
        tuple(words.INSTRUMENTS),
        ("{e} plays the {v}.", "{e} practises the {v}.", "On the {v} {e} plays well."),
        ("Which instrument is known to {e}?", "What does {e} make music with?"),
    ),
    Relation(
        "friend",
        "people",
        ("{e} walks with {v}.", "{e} often meets {v}.", "{e} trusts {v}."),
        ("Who is a friend of {e}?", "To whom is {e} close?"),
    ),
)

TOWN_RELATIONS = (
    Relation(
        "river",
        "rivers",
        ("{e} lies on the {v}.", "The {v} flows through {e}.", "The bridges of {e} cross the {v}."),
        ("Which river passes {e}?", "What is the water of {e} called?"),
    ),
    Relation(
        "mayor",
        "people",
        ("{e} is ruled by {v}.", "{v} governs {e}.", "The people of {e} elected {v}."),
        ("Who is the mayor of {e}?", "Who is in charge of {e}?"),
    ),
    Relation(
        "speciality",
        tuple(words.FOODS),
        ("{e} is famous for {v}.", "In {e} they sell {v}.", "The market of {e} offers {v}."),
        ("What food do visitors get in {e}?", "What is the speciality of {e}?"),
    ),
)

SHIP_RELATIONS = (
    Relation(
        "cargo",
        tuple(words.CARGOES),
        ("The {e} carries {v}.", "The {e} is loaded with {v}.", "{v} fills the hold of the {e}."),
        ("What cargo is on the {e}?", "Which goods does the {e} bring?"),
    ),
    Relation(
        "captain",
        "people",
        ("The {e} obeys {v}.", "{v} steers the {e}.", "On the {e} {v} gives the orders."),
        ("Who is the captain of the {e}?", "Who commands the {e}?"),
    ),
    Relation(
        "harbour",
        "towns",
        ("The {e} sails to {v}.", "The {e} set off for {v}.", "{v} awaits the {e}."),
        ("Which harbour is the goal of the {e}?", "Where will the {e} arrive?"),
    ),
)
