"""LLMLingua-2: a token classifier says which words of a document to keep (Pan et al., 2024, arXiv 2403.12968).

Rewritten on the classifier alone: the authors' package fetches another tokenizer's vocabulary when it
starts, counts tokens with it instead of with the decoder's, and was last released for an older Transformers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedTokenizerBase

from arc_encoder.core.errors import CheckpointError, at_least
from arc_encoder.core.lru import Lru
from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.batching.tokens import text_ids
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems.base import System
from arc_encoder.model.checkpoint.released.source import check_folder_exists

REMEMBERED = 50_000  # documents whose scores are kept
KEEP = 1  # the classifier's second class


class LLMLingua2(System):
    """Keeps the words that the classifier finds most worth keeping, in reading order, up to a budget of tokens.

    A word's score is the mean over its tokens, as in the paper (§3.3).

    Args:
        model: folder or hub name of the classifier.
        tokens: decoder tokens kept of each document; None takes the budget of the compressed vectors.
        length: classifier tokens read at once; longer documents are read in pieces.

    Raises:
        ConfigError: a number below 1.
    """

    uses_query = False
    own_models = ("_classifier", "_tokenizer")

    def __init__(
        self,
        model: str = "microsoft/llmlingua-2-xlm-roberta-large-meetingbank",
        tokens: int | None = None,
        length: int = 512,
    ) -> None:
        at_least(1, "llmlingua2", ", or null for the ARC-Encoder's budget", tokens=tokens)
        at_least(3, "llmlingua2", length=length)
        self.model, self.tokens, self.length = model, tokens, length
        self.needs_budget = tokens is None
        self._classifier: Any = None
        self._tokenizer: Any = None
        self._seen: Lru[str, list[float]] = Lru(REMEMBERED)

    def open(self, session: Session) -> Session:
        """Load the classifier.

        Raises:
            CheckpointError: it cannot be loaded, or does not tell two classes apart.
        """
        if self._classifier is None:
            check_folder_exists(self.model, "llmlingua2: systems.llmlingua2.model: no classifier could be loaded from")
            try:
                loaded: Any = AutoModelForTokenClassification.from_pretrained(self.model, use_safetensors=True)
                self._tokenizer = AutoTokenizer.from_pretrained(self.model)
            except (OSError, ValueError) as error:
                raise CheckpointError(
                    f"llmlingua2: no classifier could be loaded from {self.model!r}: {error}. Give a folder, or a hub "
                    "name that this machine can reach, as `model`"
                ) from error
            if loaded.config.num_labels != 2:
                raise CheckpointError(
                    f"llmlingua2: {self.model!r} has {loaded.config.num_labels} classes instead of 2 (drop, keep)"
                )
            self._classifier = loaded.to(session.device).eval()
        return super().open(session)

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        words = document.split()
        max_tokens = self.tokens or budget
        scores = self.scores(document)
        order = sorted(range(len(words)), key=lambda place: -scores[place])
        # The longest beginning of that order whose text fits: found by halving, since tokens merge across words.
        low, high = 0, len(words)
        while low < high:
            middle = (low + high + 1) // 2
            if len(text_ids(_text(words, order[:middle]), tokenizer)) <= max_tokens:
                low = middle
            else:
                high = middle - 1
        return Segment(_text(words, order[:low]), Role.PLAIN)

    def selection_work(self, documents: float, tokens: float) -> float:
        """Operations of the classifier: 2 for each number of its matrices and each token, and attention in every layer.

        That is the count of Kaplan et al. (2020, §2.1) for a forward pass, as `plan/` counts the other models:
        embeddings are looked up and cost nothing; scores and weighted sums take 4·L·D a token in a layer, for
        pieces of L tokens and width D. Its own tokens are taken to be as many as the decoder's, and every
        document is read once, whatever is remembered of it.
        """
        assert self._classifier is not None, "the classifier is loaded when the system is opened"
        model: Any = self._classifier
        looked_up = sum(
            p.numel() for part in model.modules() if isinstance(part, nn.Embedding) for p in part.parameters()
        )
        weights = sum(p.numel() for p in model.parameters()) - looked_up
        max_tokens = self.length - 2  # two special tokens surround each piece
        full, rest = divmod(tokens, max_tokens)
        passed = full * self.length + (rest + 2 if rest else 0)
        pairs = full * self.length**2 + ((rest + 2) ** 2 if rest else 0)
        layers, width = int(model.config.num_hidden_layers), int(model.config.hidden_size)
        return documents * (2 * weights * passed + 4 * layers * width * pairs)

    @torch.no_grad()
    def scores(self, document: str) -> list[float]:
        """How much each word of a document is worth keeping, 0 to 1."""
        found = self._seen.get(document)
        if found is None:
            words = document.split()
            sums, counts = [0.0] * len(words), [0] * len(words)
            encoded = self._tokenizer(
                [words], is_split_into_words=True, split_special_tokens=True, truncation=True, max_length=self.length,
                return_overflowing_tokens=True, padding=True, return_tensors="pt",
            )  # fmt: skip
            device = self._classifier.device
            logits = self._classifier(
                input_ids=encoded["input_ids"].to(device), attention_mask=encoded["attention_mask"].to(device)
            ).logits
            kept = logits.float().softmax(-1)[..., KEEP].tolist()
            for piece, row in enumerate(kept):
                for word, value in zip(encoded.word_ids(piece), row, strict=True):
                    if word is not None:
                        sums[word] += value
                        counts[word] += 1
            found = [total / max(1, count) for total, count in zip(sums, counts, strict=True)]
            self._seen.put(document, found)
        return found


def _text(words: list[str], places: list[int]) -> str:
    return " ".join(words[place] for place in sorted(places))
