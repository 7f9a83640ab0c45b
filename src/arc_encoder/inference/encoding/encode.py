"""Documents → vectors of one decoder: lists of texts, and the documents of prompts, each different one once."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.batch import pad_rows
from arc_encoder.core.errors import ConfigError, DataError, check_number
from arc_encoder.core.segments import TaskToken
from arc_encoder.data.batching.tokens import token_ids
from arc_encoder.inference.encoding.contexts import CompressedContext, Context, Origin, source_digest
from arc_encoder.inference.generation.prompts import Parts, check_texts, text_problem
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.published.decoder_identity import sampled_digest


class DocumentEncoder:
    """An ARC-Encoder for one of its decoders."""

    def __init__(self, model: ArcEncoderModel, tokenizer: PreTrainedTokenizerBase, decoder_name: str) -> None:
        self.model, self.tokenizer, self.decoder_name = model, tokenizer, decoder_name

    @property
    def fingerprint(self) -> str:
        """Of the ARC-Encoder with its head for the decoder; the same in every dtype that weights are rounded to."""
        head = f"heads.{self.decoder_name}."
        mine = [(n, p) for n, p in self.model.named_parameters() if n.startswith(("encoder.", head))]
        return sampled_digest(mine)

    @property
    def decoder_fingerprint(self) -> str | None:
        """Of the decoder that vectors are made for; None where the ARC-Encoder does not know."""
        known = (self.model.config.heads.get(self.decoder_name, {}).get("decoder") or {}).get("weights")
        return str(known) if known else None

    def compress(self, texts: Sequence[str], *, factor: float | None = None, batch_size: int = 32) -> list[Tensor]:
        """Texts → vectors in the decoder's embedding space, task token included.

        Args:
            texts: documents of any length; long ones are cut into chunks.
            batch_size: texts encoded at once; similar lengths are put together.

        Returns:
            for each text, in order, a tensor (vectors, decoder width) on the CPU.

        Raises:
            DataError: no list of texts, or one that is empty or no text, named by its place.
            ConfigError: a setting that is no number, or too small.
        """
        rows = self._token_ids(texts)
        return self._vectors(rows, [factor] * len(rows), batch_size)

    def encode(
        self,
        texts: Sequence[str],
        *,
        factor: float | None = None,
        max_vectors: int | None = None,
        batch_size: int = 32,
    ) -> list[CompressedContext]:
        """Texts → compressed contexts, which can be kept and put into prompts.

        Args:
            texts: documents of any length; each different one is encoded once.

        Raises:
            DataError: no list of texts, one that is empty or no text, or that needs more vectors than it may have.
            ConfigError: a setting that is no number, or too small; both factor and budget.
        """
        rows = self._token_ids(texts)
        factors = [self._factor(factor, max_vectors, [len(row)]) for row in rows]
        places = {text: place for place, text in reversed(list(enumerate(texts)))}  # of each, the first
        chosen = sorted(places.values())
        vectors = self._vectors([rows[i] for i in chosen], [factors[i] for i in chosen], batch_size)
        encoder, own = self.fingerprint, self.model.overall_factor
        found = {
            texts[i]: CompressedContext(
                each,
                Origin(
                    source=source_digest(texts[i]),
                    encoder=encoder,
                    decoder=self.decoder_fingerprint,
                    decoder_name=self.decoder_name,
                    factor=own if factors[i] is None else factors[i],
                    tokens=len(rows[i]),
                ),
            )
            for i, each in zip(chosen, vectors, strict=True)
        }
        _warn_of_short(list(found.values()))
        return [found[text] for text in texts]

    def encode_prompts(
        self, prompts: Sequence[Parts], factor: float | None, max_vectors: int | None, batch_size: int
    ) -> list[list[str | CompressedContext]]:
        """Prompts whose texts to compress are compressed, each different one once; those that were before are checked."""
        encoder = self.fingerprint if any(isinstance(p, CompressedContext) for parts in prompts for p in parts) else ""
        if max_vectors is not None:
            check_number("max_vectors", max_vectors, lowest=1)
        wanted: dict[tuple[str, float | None], None] = {}
        factors: list[float | None] = []
        for parts in prompts:
            ready = [part for part in parts if isinstance(part, CompressedContext)]
            for each in ready:
                each.check(encoder=encoder, decoder=self.decoder_fingerprint, decoder_name=self.decoder_name)
            texts = [str(part.text) for part in parts if isinstance(part, Context)]
            taken = sum(map(len, ready))
            if max_vectors is not None and taken + bool(texts) > max_vectors:
                raise DataError(
                    f"max_vectors={max_vectors} is too small: the documents that were compressed before take {taken} already"
                )
            left = None if max_vectors is None else max_vectors - taken
            lengths = [len(row) for row in self._token_ids(texts)] if max_vectors is not None else []
            factors.append(self._factor(factor, left, lengths) if texts else None)
            wanted.update(dict.fromkeys((text, factors[-1]) for text in texts))
        made: dict[tuple[str, float | None], CompressedContext] = {}
        for chosen in dict.fromkeys(key[1] for key in wanted):
            texts = [text for text, other in wanted if other == chosen]
            made |= {
                (text, chosen): each
                for text, each in zip(texts, self.encode(texts, factor=chosen, batch_size=batch_size), strict=True)
            }
        return [
            [made[str(part.text), chosen] if isinstance(part, Context) else part for part in parts]
            for parts, chosen in zip(prompts, factors, strict=True)
        ]

    def chunks(self, text: str, factor: float | None) -> list[tuple[str, int]]:
        """The pieces of a document that are encoded by themselves, and how many vectors each becomes, no task token."""
        (row,) = token_ids([text], self.tokenizer)
        size = self.model.chunking.size
        parts = [row] if len(row) <= size else [row[i : i + size] for i in range(0, len(row), size)]
        parts = parts[: self.model.chunking.max_chunks]  # overflow=cut reads no more
        texts = [text] if len(row) <= size else [str(self.tokenizer.decode(part)) for part in parts]
        return [
            (each, self.model.compressed_length(len(part), factor)) for each, part in zip(texts, parts, strict=True)
        ]

    def problems(self, texts: Sequence[str]) -> dict[int, str]:
        """What is wrong with those of `texts` that cannot be compressed, by their place."""
        found = {place: reason for place, text in enumerate(texts) if (reason := text_problem(text))}
        sound = [place for place in range(len(texts)) if place not in found]
        rows = token_ids([texts[place] for place in sound], self.tokenizer)
        found |= {place: reason for place, row in zip(sound, rows, strict=True) if (reason := self._row_problem(row))}
        return dict(sorted(found.items()))

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        rows = token_ids(check_texts(texts), self.tokenizer)
        for place, row in enumerate(rows):
            reason = self._row_problem(row)
            if reason:
                raise DataError(f"text number {place} {reason}")
        return rows

    def _row_problem(self, row: Sequence[int]) -> str | None:
        chunking = self.model.chunking
        if not row:
            return "has no token; there is nothing to compress"
        if chunking.overflow == "stop" and len(row) > chunking.size * chunking.max_chunks:
            return (
                f"has {len(row)} tokens, but at most {chunking.max_chunks} chunks of {chunking.size} are read ({chunking.size * chunking.max_chunks} "
                "in all); cut it into several"
            )
        return None

    def _factor(self, factor: float | None, max_vectors: int | None, tokens: Sequence[int]) -> float | None:
        """The factor at which documents of so many tokens are compressed; None for the pooling's own."""
        if factor is not None:
            check_number("factor", factor, lowest=1, whole=False)
            if max_vectors is not None:
                raise ConfigError(
                    f"factor={factor} and max_vectors={max_vectors} were both given; a budget chooses the factor"
                )
        if max_vectors is None:
            return factor
        return factor_within(self.model, tokens, max_vectors, extra=self.model.head(self.decoder_name).extra_vectors())

    @torch.no_grad()
    def _vectors(self, rows: Sequence[list[int]], factors: Sequence[float | None], batch_size: int) -> list[Tensor]:
        """Vectors of tokenized documents, on the CPU, similar lengths encoded together."""
        check_number("batch_size", batch_size, lowest=1)
        for factor in factors:
            if factor is not None:
                check_number("factor", factor, lowest=1, whole=False)
        order = sorted(range(len(rows)), key=lambda i: (factors[i] or 0, len(rows[i])))
        found: dict[int, Tensor] = {}
        device = next(self.model.parameters()).device
        for factor, group in itertools.groupby(order, key=lambda i: factors[i]):
            alike = list(group)
            for start in range(0, len(alike), batch_size):
                places = alike[start : start + batch_size]
                ids, lengths = pad_rows([rows[i] for i in places])
                vectors, counts = self.model(
                    ids.to(device), lengths.to(device), self.decoder_name, TaskToken.CONTINUE, factor
                )
                for place, vector, count in zip(places, vectors, counts.tolist(), strict=True):
                    found[place] = vector[:count].cpu()
        return [found[i] for i in range(len(rows))]


def _warn_of_short(contexts: Sequence[CompressedContext]) -> None:
    """Say that texts are too short to gain anything: their vectors, with the task token, take as many positions."""
    short = [context for context in contexts if len(context) >= context.origin.tokens and context.origin.factor != 1]
    if short:
        shortest = min(short, key=lambda context: context.ratio)
        warnings.warn(
            f"{len(short)} of {len(contexts)} texts are too short to be compressed: their vectors take as many positions as their "
            f"tokens, or more (such as {shortest.origin.tokens} tokens, {len(shortest)} positions); put them into the prompt as text",
            stacklevel=3,
        )


def trained_factors(model: ArcEncoderModel) -> list[float]:
    """Pooling factors that the ARC-Encoder was trained at, the lowest first; where it does not say, its pooling's own."""
    own = model.overall_factor
    return sorted(model.config.factors) or ([] if own is None else [float(own)])


def factor_within(model: ArcEncoderModel, tokens: Sequence[int], max_vectors: int, *, extra: int) -> float:
    """The lowest trained factor at which documents take at most `max_vectors` positions together.

    Raises:
        ConfigError: the budget is no positive number.
        DataError: it is too small for every factor.
    """
    check_number("max_vectors", max_vectors, lowest=1)
    factors = trained_factors(model)
    if not factors:
        raise ConfigError(
            f"{type(model.encoder.pooling).__name__} has no pooling factor, which max_vectors could choose"
        )
    needed = 0
    for factor in factors:
        needed = sum(model.compressed_length(count, factor) + extra for count in tokens)
        if needed <= max_vectors:
            return factor
    raise DataError(
        f"max_vectors={max_vectors} is too small: {len(tokens)} documents of {sum(tokens)} tokens need {needed} vectors at "
        f"×{factors[-1]:g}, the largest factor that this ARC-Encoder was trained at; give shorter documents or a larger budget"
    )
