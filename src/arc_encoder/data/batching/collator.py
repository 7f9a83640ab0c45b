"""The one place where text becomes ids.

Contexts are tokenized with the encoder's tokenizer, everything else with the decoder's,
each segment by itself, BOS once at the start (see `ArcBatch` for the layout). For a chat
decoder, its chat template surrounds them (see `chat.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.batch import ArcBatch, pad_rows
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.core.segments import Role, Sample
from arc_encoder.data.batching.chat import read_template
from arc_encoder.data.batching.reference import reference_of
from arc_encoder.data.batching.tokens import token_ids


@dataclass(frozen=True)
class DecoderText:
    """How text is tokenized for one decoder.

    Attributes:
        tokenizer: the decoder's.
        bos: put BOS before each sample.
        chat: put the tokenizer's chat template around each sample.
    """

    tokenizer: PreTrainedTokenizerBase
    bos: bool = True
    chat: bool = False


class Speaks(Protocol):
    """What of a decoder says how text is tokenized for it."""

    tokenizer: PreTrainedTokenizerBase
    bos: bool
    chat: bool


def texts_of(decoders: Mapping[str, Speaks]) -> dict[str, DecoderText]:
    """How text is tokenized for each decoder."""
    return {name: DecoderText(each.tokenizer, each.bos, each.chat) for name, each in decoders.items()}


class ArcCollator:
    """Samples → ArcBatch.

    Args:
        encoder_tokenizer: the encoder's tokenizer; contexts get no special tokens.

    Raises:
        ConfigError: a chat decoder whose tokenizer has no usable chat template.
    """

    def __init__(
        self,
        encoder_tokenizer: PreTrainedTokenizerBase,
        decoders: Mapping[str, DecoderText],
        *,
        with_reference: bool = False,
    ) -> None:
        self.encoder_tokenizer, self.decoders = encoder_tokenizer, dict(decoders)
        self.with_reference = with_reference
        self._templates = {
            name: read_template(text.tokenizer, bos=text.bos) for name, text in self.decoders.items() if text.chat
        }

    def __call__(self, samples: Sequence[Sample], *, decoder: str, task: str, factor: float | None = None) -> ArcBatch:
        """Build the batch of `samples` for one decoder (and one pooling factor, None for the model's own).

        Raises:
            DataError: an empty context, or samples with different task tokens.
            ConfigError: unknown decoder.
        """
        batch = self._batch(samples, decoder=decoder, task=task, factor=factor)
        if not self.with_reference:
            return batch
        return replace(
            batch, reference=self._batch([reference_of(sample) for sample in samples], decoder=decoder, task=task)
        )

    def _batch(self, samples: Sequence[Sample], *, decoder: str, task: str, factor: float | None = None) -> ArcBatch:
        if decoder not in self.decoders:
            raise ConfigError(f"decoder {decoder!r} is not loaded; loaded: {', '.join(self.decoders)}")
        tokens = {sample.task_token for sample in samples}
        if len(tokens) != 1:
            raise DataError(f"a batch holds one task, but its samples have task tokens {sorted(map(str, tokens))}")
        text, template = self.decoders[decoder], self._templates.get(decoder)
        end_ids: tuple[int, ...] = ()
        if template is not None:
            samples = [template.lay_out(sample) for sample in samples]
            end_ids = (special_id(template.end_of_turn, text),)
        context_ids, rows, positions = self._contexts(samples)
        ids, targets = self._text(samples, text)
        before = self._positions(samples, ids)
        text_ids, text_lengths = pad_rows([sum(parts, self._prefix(text)) for parts in ids])
        target_mask, _ = pad_rows([sum(parts, [0] * len(self._prefix(text))) for parts in targets])
        padded, lengths = pad_rows(context_ids)
        return ArcBatch(
            task=task,
            decoder=decoder,
            task_token=samples[0].task_token,
            sample_ids=tuple(sample.id for sample in samples),
            context_ids=padded,
            context_lengths=lengths,
            context_rows=torch.tensor(rows, dtype=torch.long),
            context_positions=torch.tensor(
                [before[r][p] + len(self._prefix(text)) for r, p in zip(rows, positions, strict=True)], dtype=torch.long
            ),
            text_ids=text_ids,
            text_lengths=text_lengths,
            target_mask=target_mask.bool(),
            factor=factor,
            end_ids=end_ids,
        )

    @staticmethod
    def _prefix(text: DecoderText) -> list[int]:
        return [text.tokenizer.bos_token_id] if text.bos and not text.chat else []  # chat templates hold it

    def _contexts(self, samples: Sequence[Sample]) -> tuple[list[list[int]], list[int], list[int]]:
        """Token ids of every context, its sample, and its place among the sample's segments."""
        found = [
            (row, place, segment.text)
            for row, sample in enumerate(samples)
            for place, segment in enumerate(sample.segments)
            if segment.role is Role.CONTEXT
        ]
        ids = token_ids([text for _, _, text in found], self.encoder_tokenizer)
        for (row, _, text), tokens in zip(found, ids, strict=True):
            if not tokens:
                raise DataError(
                    f"sample {samples[row].id!r} has an empty document ({text!r}); there is nothing to compress, leave it out"
                )
        return ids, [row for row, _, _ in found], [place for _, place, _ in found]

    def _text(
        self, samples: Sequence[Sample], text: DecoderText
    ) -> tuple[list[list[list[int]]], list[list[list[int]]]]:
        """Decoder ids and target flags, for each segment of each sample (nothing for contexts)."""
        read = [s.text for sample in samples for s in sample.segments if s.role is not Role.CONTEXT and not s.special]
        encoded = iter(token_ids(read, text.tokenizer))  # special tokens are segments of their own
        ids, targets = [], []
        for sample in samples:
            row_ids: list[list[int]] = []
            row_targets: list[list[int]] = []
            for place, segment in enumerate(sample.segments):
                if segment.special:
                    piece = [special_id(segment.text, text)]
                else:
                    piece = [] if segment.role is Role.CONTEXT else list(next(encoded))
                if sample.end_of_text and place == len(sample.segments) - 1:
                    piece.append(text.tokenizer.eos_token_id)
                row_ids.append(piece)
                row_targets.append([int(segment.role is Role.TARGET)] * len(piece))
            ids.append(row_ids)
            targets.append(row_targets)
        return ids, targets

    @staticmethod
    def _positions(samples: Sequence[Sample], ids: list[list[list[int]]]) -> list[list[int]]:
        """Text tokens before each segment of each sample, BOS not counted."""
        positions = []
        for row in ids:
            before, total = [], 0
            for piece in row:
                before.append(total)
                total += len(piece)
            positions.append(before)
        return positions


def special_id(name: str, text: DecoderText) -> int:
    """Id of a special token by its name."""
    found: Any = text.tokenizer.convert_tokens_to_ids(name)
    return int(found)
