"""Batch → loss: encoder, task token, projector, splice, frozen decoder.

Shape legend: B samples, S text tokens, T merged positions, C contexts, M vectors, N targets, V vocabulary.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from transformers import LogitsProcessor, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.published.decoder_identity import check_decoder_identity
from arc_encoder.model.decoder.generation.prefix import counts_slots, left_padded, shared_beginning
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.decoder.output import ArcOutput, Prediction, norm_ratio
from arc_encoder.model.decoder.output_layer.cross_entropy import cross_entropies
from arc_encoder.model.heads.decoder_adapter import DecoderAdapter
from arc_encoder.model.language_models.activation_checkpointing import checkpoint_layers
from arc_encoder.model.language_models.rotary_scaling import has_rotary_scaling
from arc_encoder.model.splice import Layout, lay_out, prediction_mask, splice


class ArcForCausalLM(nn.Module):
    """An ARC-Encoder in front of one or more frozen decoders.

    Args:
        compressor: everything that is trained; None for text alone (open-book and closed-book).
        decoders: the frozen language models, by name.

    Raises:
        CheckpointError: a decoder without a head, or another one than was trained with.
        ConfigError: a projector whose width is not the decoder's.
    """

    def __init__(self, compressor: ArcEncoderModel | None, decoders: Mapping[str, FrozenDecoder]) -> None:
        super().__init__()
        if not decoders:
            raise ConfigError("no decoder was given; choose at least one", advice="decoder")
        for name, decoder in decoders.items():
            if compressor is None:
                break
            width = compressor.head(name).projector.out_dim
            if width != decoder.width:
                raise CheckpointError(
                    f"the projector of decoder {name!r} gives vectors of width {width}, but the decoder's embeddings "
                    f"have width {decoder.width}: this ARC-Encoder was trained for another decoder"
                )
            check_decoder_identity(name, decoder, compressor.config.heads.get(name, {}).get("decoder"))
            adapter = compressor.head(name).adapter
            if adapter is not None:
                adapter.check(name, decoder.model)
            if has_rotary_scaling(decoder.model.config) and not compressor.config.rotary_scaling:
                warnings.warn(
                    f"decoder {name!r} scales its rotary positions, but this ARC-Encoder was trained without; "
                    f"switch it off with decoders.{name}.rope_scaling=false",
                    stacklevel=2,
                )
        self._compressor = compressor
        self.decoders = nn.ModuleDict(dict(decoders))

    def checkpoint_activations(self) -> None:
        """Compute activations of encoder and decoders again in the backward pass, instead of keeping them."""
        parts = [decoder.model for decoder in self.frozen_decoders().values()]
        for part in [*([self.compressor.encoder.backbone] if self.has_compressor else []), *parts]:
            checkpoint_layers(part)

    @property
    def has_compressor(self) -> bool:
        """Whether contexts can be given."""
        return self._compressor is not None

    @property
    def compressor(self) -> ArcEncoderModel:
        """Everything that is trained.

        Raises:
            ConfigError: this model has none.
        """
        if self._compressor is None:
            raise ConfigError("a context was given to a model without ARC-Encoder; load one")
        return self._compressor

    def decoder(self, name: str) -> FrozenDecoder:
        """The frozen decoder called `name`."""
        if name not in self.decoders:
            raise ConfigError(f"decoder {name!r} is not loaded; loaded: {', '.join(self.decoders)}")
        decoder = self.decoders[name]
        assert isinstance(decoder, FrozenDecoder)
        return decoder

    def frozen_decoders(self) -> dict[str, FrozenDecoder]:
        """All decoders, by name."""
        return {name: self.decoder(name) for name in self.decoders}

    @property
    def decoder_modified(self) -> bool:
        """Whether a decoder computes with trained changes, as no decoder of the method does."""
        return self.has_compressor and any(self._adapter(name) is not None for name in self.decoders)

    def _adapter(self, name: str) -> DecoderAdapter | None:
        return self.compressor.head(name).adapter if self.has_compressor else None

    def decoder_adapter_of(self, name: str) -> AbstractContextManager[None]:
        """Within it the decoder has the changes that belong to its head, if it has any."""
        adapter = self._adapter(name)
        return nullcontext() if adapter is None else adapter.active(self.decoder(name).model)

    def onload(self, name: str, home: torch.device) -> FrozenDecoder:
        """The decoder called `name`, its weights where they compute; others that rest between turns are released."""
        decoder = self.decoder(name)
        for other in self.frozen_decoders().values():
            if other is not decoder:
                other.placement.release()
        decoder.placement.onload(home)
        return decoder

    def merge(self, batch: ArcBatch, *, factor: float | None = None, pad_left: bool = False) -> tuple[Tensor, Layout]:
        """Decoder input embeddings (B, T, E) of a batch, with their layout.

        Raises:
            DataError: a sample that is longer than the decoder's window.
        """
        decoder = self.onload(batch.decoder, batch.text_ids.device)
        text = decoder.embed(batch.text_ids)
        if batch.vectors is not None and batch.vector_counts is not None:  # compressed before
            vectors, counts = batch.vectors, batch.vector_counts
        elif len(batch.context_lengths) > 0:
            vectors, counts = self.compressor(
                batch.context_ids,
                batch.context_lengths,
                batch.decoder,
                batch.task_token,
                batch.factor if factor is None else factor,
            )
        else:  # text only: open-book and closed-book prompts
            vectors, counts = text.new_zeros(0, 0, text.shape[-1]), batch.context_lengths
        layout = lay_out(batch.text_lengths, counts, batch.context_rows, batch.context_positions, pad_left=pad_left)
        if decoder.window is not None and layout.mask.shape[1] > decoder.window:
            _check_length(batch, layout, decoder.window)
        return splice(text, vectors, layout), layout

    def forward(self, batch: ArcBatch, factor: float | None = None) -> ArcOutput:
        """Teacher-forced loss of a batch; logits are computed at target positions only."""
        return self.score(batch, self.predict(batch, factor=factor))

    def score(self, batch: ArcBatch, predicted: Prediction) -> ArcOutput:
        """The loss of what was predicted of a batch, with its counts."""
        logits, layout = predicted.logits, predicted.layout
        targets = batch.text_ids[batch.target_mask].to(logits.device)
        loss_sum = cross_entropies(logits, targets).sum()
        return ArcOutput(
            norm_ratio=predicted.norm_ratio,
            loss_sum=loss_sum.to(batch.text_ids.device),
            target_tokens=batch.target_mask.sum(),
            correct_tokens=(logits.detach().argmax(-1) == targets).sum().to(batch.text_ids.device),
            vectors=layout.vector_valid.sum(),
            positions=layout.mask.sum(),
            slots=layout.mask.numel(),
        )

    @torch.no_grad()
    def sample_losses(self, batch: ArcBatch, factor: float | None = None) -> list[tuple[float, int]]:
        """Sum of the targets' cross-entropies in nats, and their number, for each sample."""
        return [(loss, count) for loss, _, count in self.sample_scores(batch, factor)]

    @torch.no_grad()
    def sample_scores(self, batch: ArcBatch, factor: float | None = None) -> list[tuple[float, int, int]]:
        """For each sample: its targets' cross-entropies in nats, summed, how many are predicted first, how many there are."""
        logits = self.predict(batch, factor=factor).logits
        targets = batch.text_ids[batch.target_mask].to(logits.device)
        losses = cross_entropies(logits, targets)
        right = logits.argmax(-1) == targets
        counts = batch.target_mask.sum(1).tolist()
        parts = zip(losses.split(counts), right.split(counts), counts, strict=True)
        return [(float(loss.sum()), int(first.sum()), count) for loss, first, count in parts]

    def predict(
        self,
        batch: ArcBatch,
        *,
        factor: float | None = None,
        with_hidden: bool = False,
        decoder_as_it_came: bool = False,
    ) -> Prediction:
        """What the decoder says at the targets of a batch.

        Args:
            batch: contexts and text.
            factor: pooling factor instead of the batch's.
            with_hidden: give its hidden states there too.
            decoder_as_it_came: without the changes that a trained baseline makes to it.
        """
        embeddings, layout = self.merge(batch, factor=factor)
        keep = prediction_mask(layout, batch.target_mask)
        with nullcontext() if decoder_as_it_came else self.decoder_adapter_of(batch.decoder):
            logits, hidden = self.decoder(batch.decoder).predict(embeddings, layout.mask, keep, with_hidden=with_hidden)
        return Prediction(logits, layout, hidden, norm_ratio(embeddings.detach(), layout))

    @torch.no_grad()
    def generate(
        self,
        batch: ArcBatch,
        *,
        max_new_tokens: int = 64,
        factor: float | None = None,
        stop: str | Sequence[str] | None = None,
        processors: Sequence[LogitsProcessor] = (),
        streamer: BaseStreamer | None = None,
        criteria: Sequence[StoppingCriteria] = (),
    ) -> list[str]:
        """Greedy answers to prompts, cut at EOS or the batch's `end_ids`, one text a sample.

        A beginning that all of them share is read once.

        Args:
            batch: the prompts.
            max_new_tokens: longest answer, in decoder tokens.
            factor: pooling factor instead of the batch's.
            stop: a text after which nothing more is needed; of several texts, any one.
            processors: what changes the logits before the likeliest token is taken, such as a draw.
            streamer: is given each token at once; for a single prompt.
            criteria: what ends it besides.
        """
        decoder = self.decoder(batch.decoder)
        stops = [stop] if isinstance(stop, str) else stop or ()
        embeddings, layout = self.merge(batch, factor=factor)
        shared = 0 if counts_slots(decoder.model.config) else shared_beginning(embeddings, layout.mask)
        with self.decoder_adapter_of(batch.decoder):
            ids = decoder.generate(
                *left_padded(embeddings, layout.mask, shared),
                prefix=decoder.read_prefix(embeddings[:1, :shared]) if shared else None,
                max_new_tokens=max_new_tokens,
                stop=stops,
                end_ids=batch.end_ids,
                processors=processors,
                streamer=streamer,
                criteria=criteria,
            )
        return decoder.texts(ids, batch.end_ids)


def _check_length(batch: ArcBatch, layout: Layout, window: int) -> None:
    """Name the longest sample of a batch that does not fit the decoder's window, and what fills it."""
    lengths = layout.mask.sum(1)
    row = int(lengths.argmax())
    vectors = int(layout.vector_valid[layout.vector_rows == row].sum())
    raise DataError(
        f"sample {batch.sample_ids[row]!r} of task {batch.task!r} needs {int(lengths[row])} positions ({vectors} vectors and "
        f"{int(batch.text_lengths[row])} tokens of text), which does not fit the window of {window} of decoder "
        f"{batch.decoder!r}; use fewer examples, shorter documents (max_tokens) or a larger pooling factor"
    )
