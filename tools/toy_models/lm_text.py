"""Rows of token ids and loss weights on which a toy language model is trained.

A row holds one kind of text, cut at `window` tokens:

- ``questions``: few-shot prompts in the wording of the evaluation (answers weigh more);
- ``renamed``: the same, with every name replaced by a word made up at random, so that answers are
  copied and not guessed from the names that are known;
- ``joined``: one question about one of several documents joined to one, up to as many as fit the window;
- ``joined_many``: often several questions about them in a row, from which more is learned at once, but not to stop;
- ``twice``: documents followed by themselves, from which copying is learned;
- ``articles``: documents followed by a retelling in other words;
- ``summaries`` and ``translations``: the same few-shot prompts for these tasks.

A row is a pure function of (world, seed, index).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from arc_encoder.data.synthetic.toy_world import ToyWorld
from arc_encoder.data.synthetic.toy_world.world import ToyDocument

Pieces = list[tuple[str, float]]
JOINED, ASKED = 8, 4  # documents of about 53 tokens joined at most, and questions about them
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"


class LanguageModelRows(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Map-style dataset of (ids, weights), both of shape (window + 1,).

    Args:
        world: where documents come from.
        tokenizer: the model's tokenizer; needs BOS and EOS.
        rows: number of rows.
        window: tokens that the model sees at once.
        mix: weight of each kind of row.
        answer_weight: loss weight of answers and copied text, other tokens weigh 1.
        seed: chooses documents and kinds.
    """

    def __init__(
        self,
        world: ToyWorld,
        tokenizer: PreTrainedTokenizerBase,
        *,
        rows: int,
        window: int,
        mix: Mapping[str, float],
        answer_weight: float = 5.0,
        seed: int = 0,
    ) -> None:
        self.world, self.tokenizer, self.rows, self.window = world, tokenizer, rows, window
        self.kinds, self.shares = list(mix), list(mix.values())
        self.answer_weight, self.seed = answer_weight, seed
        lexicon = world.lexicon
        known = {*lexicon.people, *lexicon.towns, *lexicon.ships, *lexicon.rivers}
        new = {*lexicon.new_people, *lexicon.new_towns, *lexicon.new_ships}
        self._never = {word for name in known | new for word in name.split()}
        self._names = re.compile(r"\b(?:" + "|".join(sorted({w for name in known for w in name.split()})) + r")\b")
        self._builders: dict[str, Callable[[random.Random], Pieces]] = {
            "questions": self._question,
            "renamed": lambda rng: self._renamed(self._question(rng), rng),
            "joined": lambda rng: self._joined(rng, 1),
            "joined_many": lambda rng: self._joined(rng, ASKED),
            "twice": self._twice,
            "articles": self._article,
            "summaries": self._summary,
            "translations": self._translation,
        }

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = random.Random(f"lm-row-{self.seed}-{index}")
        kind = rng.choices(self.kinds, weights=self.shares)[0]
        prompts = kind in ("questions", "joined", "joined_many", "summaries", "translations")
        ids: list[int] = [self.tokenizer.bos_token_id]
        weights = [1.0]
        for pieces in self._units(kind, rng):
            encoded = self.tokenizer([text for text, _ in pieces], add_special_tokens=False)["input_ids"]
            for piece, (_, weight) in zip(encoded, pieces, strict=True):
                ids += piece
                weights += [weight] * len(piece)
            if not prompts:
                ids += [self.tokenizer.eos_token_id, self.tokenizer.bos_token_id]
                weights += [1.0, 0.0]
            if len(ids) > self.window + 1:
                break
        cut = self.window + 1
        return torch.tensor(ids[:cut]), torch.tensor(weights[:cut])

    def _units(self, kind: str, rng: random.Random) -> Iterator[Pieces]:
        while True:
            yield self._builders[kind](rng)

    def _prompt(self, rng: random.Random, document: str, asked: list[tuple[str, str]]) -> Pieces:
        # Half of the documents are tokenized apart from the words before them, as compressed prompts do.
        pieces: Pieces = (
            [("Document: ", 1.0), (document, 1.0)] if rng.random() < 0.5 else [("Document: " + document, 1.0)]
        )
        for question, answer in asked:
            pieces += [(f"\nQuestion: {question}\nAnswer:", 1.0), (" " + answer, self.answer_weight)]
        return [*pieces, ("\n\n", 1.0)]

    def _question(self, rng: random.Random) -> Pieces:
        document = self.world[rng.randrange(2**40)]
        count = 1 if rng.random() < 0.6 else min(3, len(document.questions))
        asked = [(q.question, q.answer) for q in rng.sample(document.questions, count)]
        return self._prompt(rng, document.text, asked)

    def _joined(self, rng: random.Random, most: int) -> Pieces:
        """Up to `most` questions about several documents, of which no two name the same entity."""
        documents: list[ToyDocument] = []
        named: set[str] = set()
        for _ in range(rng.randint(1, JOINED)):
            document = self.world[rng.randrange(2**40)]
            own = {question.entity for question in document.questions}
            if not own & named:
                documents.append(document)
                named |= own
        count = 1 if rng.random() < 0.5 else min(len(documents), most)
        asked = [rng.choice(document.questions) for document in rng.sample(documents, count)]
        text = " ".join(document.text for document in documents)
        return self._prompt(rng, text, [(question.question, question.answer) for question in asked])

    def _renamed(self, pieces: Pieces, rng: random.Random) -> Pieces:
        """`pieces` with each name replaced by one made-up word, which is no name of the world."""
        words: dict[str, str] = {}

        def made_up(match: re.Match[str]) -> str:
            name = match.group()
            while name not in words or words[name] in self._never:
                syllables = (rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(rng.randint(1, 3)))
                words[name] = ("".join(syllables) + rng.choice(_CONSONANTS)).capitalize()
            return words[name]

        return [(self._names.sub(made_up, text), weight) for text, weight in pieces]

    def _summary(self, rng: random.Random) -> Pieces:
        document = self.world[rng.randrange(2**40)]
        return self._prompt(rng, document.text, [("Summarise the previous document.", document.summary)])

    def _translation(self, rng: random.Random) -> Pieces:
        text, translated = self.world.translation(rng.randrange(2**40))
        return self._prompt(rng, text, [("Translate the previous document into Skoosh.", translated)])

    def _twice(self, rng: random.Random) -> Pieces:
        document = self.world[rng.randrange(2**40)]
        return [(document.text, 1.0), ("\n", 1.0), (document.text, self.answer_weight)]

    def _article(self, rng: random.Random) -> Pieces:
        document = self.world[rng.randrange(2**40)]
        return [(document.text + " " + document.retelling, 1.0)]
