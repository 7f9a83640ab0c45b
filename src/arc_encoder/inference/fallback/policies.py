"""What is done with documents whose vectors may have lost the answer: nothing, the text instead, or a smaller factor.

To add a policy: subclass `Fallback`, implement `instead`, and name the class in a YAML file of `configs/fallback`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from arc_encoder.core.errors import ConfigError, check_number
from arc_encoder.inference.encoding.contexts import CompressedContext, Context, ContextStore, source_digest
from arc_encoder.inference.fallback.probe import AnswerProbe
from arc_encoder.inference.generation.prompts import Part, Parts, Prompt


class Reader(Protocol):
    """What a policy asks of a `Compressor`."""

    def risks(self, prompts: Sequence[Prompt], probe: AnswerProbe, *, batch_size: int = 16) -> list[float]:
        """For each prompt, the probability that its vectors have lost the answer."""

    def positions(self, part: str | Context | CompressedContext) -> int:
        """Positions of the decoder's input that a part takes."""

    def fits(self, parts: Parts) -> bool:
        """Whether a prompt and its answer fit the decoder's window."""

    def encode(self, documents: Sequence[str], *, factor: float | None = None) -> list[CompressedContext]:
        """Documents as vectors."""


class Fallback(ABC):
    """Replaces the documents of prompts that are at risk, the least faithful first.

    Args:
        probe: predicts from vectors and question whether the answer is lost; a file that `arc-probe` wrote, or the probe
            itself. None goes by fidelity: a document's risk is the share of its tokens that the vectors have lost.
        threshold: risk above which a document is replaced.
        max_positions: most positions that the documents of a prompt may take together, or else a document stays as it
            is; None sets no limit but the decoder's window.

    Raises:
        ConfigError: a setting outside its range.
    """

    def __init__(
        self,
        probe: AnswerProbe | str | Path | None = None,
        threshold: float = 0.5,
        max_positions: int | None = None,
    ) -> None:
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            raise ConfigError(f"fallback: threshold={threshold!r} must be between 0 and 1, a probability")
        if max_positions is not None:
            check_number("fallback: max_positions", max_positions, lowest=1)
        self.probe = AnswerProbe.load(probe) if isinstance(probe, str | Path) else probe
        self.threshold, self.max_positions = threshold, max_positions

    @abstractmethod
    def instead(self, compressor: Reader, text: str, context: CompressedContext) -> Part:
        """What takes the place of a document's vectors."""

    def apply(self, compressor: Reader, prompts: Sequence[Parts], texts: Mapping[str, str]) -> list[Parts]:
        """Prompts, some of whose documents were replaced.

        Args:
            compressor: that reads them.
            prompts: their documents are vectors.
            texts: of documents, by SHA-256; a document whose text is not here stays as it is.

        Raises:
            CheckpointError: the probe is another compressor's.
            ConfigError: neither a probe nor a fidelity that was measured.
        """
        if not prompts:
            return []
        if self.probe is not None:
            risks = compressor.risks(prompts, self.probe)
            return [
                self._replaced(compressor, parts, texts, [risk] * len(parts)) if risk > self.threshold else parts
                for parts, risk in zip(prompts, risks, strict=True)
            ]
        return [self._replaced(compressor, parts, texts, [lost(part) for part in parts]) for parts in prompts]

    def _replaced(self, compressor: Reader, parts: Parts, texts: Mapping[str, str], risks: Sequence[float]) -> Parts:
        unsure = [
            place
            for place, part in enumerate(parts)
            if isinstance(part, CompressedContext) and risks[place] > self.threshold and part.origin.source in texts
        ]
        found = list(parts)
        taken = sum(len(part) for part in parts if isinstance(part, CompressedContext))
        for place in sorted(unsure, key=lambda place: _fidelity(parts[place])):
            context = parts[place]
            assert isinstance(context, CompressedContext)
            other = self.instead(compressor, texts[context.origin.source], context)
            more = compressor.positions(other) - len(context)
            tried = [*found[:place], other, *found[place + 1 :]]
            if (self.max_positions is None or taken + more <= self.max_positions) and compressor.fits(tried):
                found, taken = tried, taken + more
        return found


class TextFallback(Fallback):
    """The text takes the place of the vectors."""

    def instead(self, compressor: Reader, text: str, context: CompressedContext) -> Part:
        return text


class LowerFactorFallback(Fallback):
    """The document is compressed again, less.

    Args:
        factor: pooling factor, one that was trained.
        probe, threshold, max_positions: see `Fallback`.
    """

    def __init__(
        self,
        factor: float = 2.0,
        probe: AnswerProbe | str | Path | None = None,
        threshold: float = 0.5,
        max_positions: int | None = None,
    ) -> None:
        super().__init__(probe, threshold, max_positions)
        check_number("fallback: factor", factor, lowest=1, whole=False)
        self.factor = factor

    def instead(self, compressor: Reader, text: str, context: CompressedContext) -> Part:
        if context.origin.factor is not None and context.origin.factor <= self.factor:
            return context
        return compressor.encode([text], factor=self.factor)[0]


def known_texts(prompts: Sequence[Prompt]) -> dict[str, str]:
    """The texts of the documents of prompts, by SHA-256: given as texts, or kept in a store."""
    found = {}
    for context in (part for prompt in prompts if not isinstance(prompt, str) for part in prompt):
        if isinstance(context, Context) and isinstance(context.text, str):
            text = context.text if context.store is None else _kept_text(context.store, context.text)
            if text is not None:
                found[source_digest(text)] = text
    return found


def lost(part: Part) -> float:
    """Share of a document's tokens that its vectors have lost; 0 for text.

    Raises:
        ConfigError: it was not measured.
    """
    if not isinstance(part, CompressedContext):
        return 0.0
    if part.fidelity is None:
        raise ConfigError(
            "fallback: no probe was given, and the fidelity of a document was not measured; give a probe, or measure it "
            "with `Compressor.with_fidelity`"
        )
    return 1 - part.fidelity


def _fidelity(part: Part) -> float:
    known = part.fidelity if isinstance(part, CompressedContext) else None
    return 1.0 if known is None else known


def _kept_text(store: ContextStore, id: str) -> str | None:
    text = getattr(store, "text", None)
    return None if text is None else text(id)
