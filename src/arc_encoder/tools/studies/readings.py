"""Questions answered from text and from vectors at several factors, and what is known before each answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from arc_encoder.core.errors import DataError
from arc_encoder.data.prompts import DOCUMENT, SEPARATOR, asked, joined_passages
from arc_encoder.data.records import Question, Source
from arc_encoder.inference import Compressor
from arc_encoder.inference.generation.prompts import Part, Parts


@dataclass(frozen=True)
class Readings:
    """What came of one way of reading.

    Attributes:
        right: (N,) whether each answer is right.
        positions: (N,) that each document takes.
        features: (N, F) what a probe sees of each prompt; None for text.
        fidelity: (N,) of each document's vectors; None for text.
    """

    right: Tensor
    positions: Tensor
    features: Tensor | None = None
    fidelity: Tensor | None = None

    def part(self, places: Tensor) -> Readings:
        """Some of the questions."""
        rest: Any = {
            name: None if (x := getattr(self, name)) is None else x[places] for name in ("features", "fidelity")
        }
        return Readings(self.right[places], self.positions[places], **rest)


def drawn(source: Source[Question], train: int, test: int, seed: int) -> tuple[list[Question], list[Question]]:
    """Questions to learn from and to measure on, about different documents.

    Raises:
        DataError: there are not as many, or all are about the same documents.
    """
    wanted = train + test
    places = random.Random(seed).sample(range(len(source)), min(len(source), 2 * wanted))
    questions = [question for place in places if (question := source[place]).passages]
    documents = list(dict.fromkeys(map(joined_passages, questions)))
    share = test / wanted
    of_test = set(documents[: max(1, round(len(documents) * share))])
    parts = [[q for q in questions if (joined_passages(q) in of_test) is chosen] for chosen in (False, True)]
    found = parts[0][:train], parts[1][:test]
    if len(found[0]) < train or len(found[1]) < test:
        raise DataError(
            f"there are {len(found[0])} questions to learn from and {len(found[1])} about other documents to measure on, but {train} "
            f"and {test} are wanted; set train= and test= lower"
        )
    return found


def opening_of(examples: Sequence[Question]) -> str:
    """Answered questions without their documents, which show a decoder that was not fine-tuned how answers look."""
    return "".join(f"{asked(each.question).lstrip()} {each.answers[0]}{SEPARATOR}" for each in examples)


def prompt_about(opening: str, document: Part, question: str) -> Parts:
    """The prompt that is asked."""
    return [f"{opening}{DOCUMENT}", document, asked(question)]


def read_all(
    compressor: Compressor,
    questions: Sequence[Question],
    factors: Sequence[float],
    right: Callable[[str, Sequence[str]], bool],
    *,
    max_new_tokens: int,
    batch_size: int,
    opening: str = "",
) -> dict[str, Readings]:
    """Answers from the text, and from vectors at each factor: `text`, `×4`, ….

    Args:
        right: answer, accepted answers → whether it is right.
    """
    documents = [joined_passages(question) for question in questions]
    texts = list(dict.fromkeys(documents))
    found = {}
    for factor in tqdm([None, *factors], desc="reading", unit="way"):
        parts: dict[str, Any] = {text: text for text in texts}
        if factor is not None:
            contexts = compressor.encode(texts, factor=factor)
            if compressor.model.head(compressor.decoder_name).task_tokens:
                contexts = compressor.with_fidelity(contexts, texts, batch_size=batch_size)
            else:  # nothing reconstructs; the probe sees 1 for all
                contexts = [replace(context, fidelity=1.0) for context in contexts]
            parts = dict(zip(texts, contexts, strict=True))
        prompts: list[Parts] = [
            prompt_about(opening, parts[text], question.question)
            for text, question in zip(documents, questions, strict=True)
        ]
        answers = compressor.generate(prompts, stop="\n", max_new_tokens=max_new_tokens, batch_size=batch_size)
        scored = torch.tensor([right(a, q.answers) for a, q in zip(answers, questions, strict=True)])
        positions = torch.tensor([float(compressor.positions(parts[text])) for text in documents])
        if factor is None:
            found["text"] = Readings(scored, positions)
        else:
            fidelity = torch.tensor([float(parts[text].fidelity) for text in documents])
            found[f"×{factor:g}"] = Readings(
                scored, positions, compressor.features(prompts, batch_size=batch_size), fidelity
            )
    return found
