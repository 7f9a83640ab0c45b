"""The Python interface: load a trained compressor, compress texts, generate from prompts with contexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from arc_encoder.batch import pad_rows
from arc_encoder.data.collator import ArcCollator, DecoderText
from arc_encoder.data.prompts import merge_plain
from arc_encoder.data.tokens import context_ids
from arc_encoder.errors import CheckpointError, ConfigError, DataError
from arc_encoder.model.arc_model import ArcModel
from arc_encoder.model.decoder import FrozenDecoder, load_decoder
from arc_encoder.model.loading import load_arc_encoder
from arc_encoder.model.pretrained import ArcEncoderModel
from arc_encoder.model.published.tokenizer import comes_with
from arc_encoder.segments import Role, Sample, Segment, TaskToken

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Context:
    """A text inside a prompt that the decoder sees as compressed vectors."""

    text: str


Prompt = str | Sequence[str | Context]


class Compressor:
    """A trained ARC-Encoder, alone or in front of one decoder.

    Args:
        model: the ARC-Encoder.
        tokenizer: the encoder's tokenizer.
        decoder: the decoder that `generate` uses.
        decoder_name: which head belongs to it; the only one by default.
    """

    def __init__(
        self,
        model: ArcEncoderModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        decoder: FrozenDecoder | None = None,
        decoder_name: str | None = None,
    ) -> None:
        names = list(model.heads)
        if decoder_name is None and len(names) != 1:
            raise CheckpointError(
                f"this compressor serves several decoders; choose one with decoder_name=: {', '.join(names)}"
            )
        self.model, self.tokenizer = model.eval(), tokenizer
        self.decoder_name = decoder_name or names[0]
        model.head(self.decoder_name)
        self.decoder = decoder
        self._arc = ArcModel(model, {self.decoder_name: decoder}) if decoder is not None else None

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        decoder: str | Path | FrozenDecoder | None = None,
        decoder_name: str | None = None,
        device: str = "cpu",
        dtype: str | torch.dtype = "float32",
        decoder_dtype: str = "auto",
        tokenizer: str | Path | None = None,
        **options: Any,
    ) -> Compressor:
        """Load a folder that training wrote, a released ARC-Encoder in its authors' layout, or a hub name.

        Args:
            folder: config.json, model.safetensors and tokenizer files; or see `ArcEncoderModel.from_pretrained`.
            decoder: folder, GGUF file or hub name of the decoder, or a loaded one; None if only `compress` is used. One
                that is loaded here gets BOS and chat template as in training, where the folder knows.
            decoder_name: which of the compressor's decoders it is.
            device: where the models are put.
            dtype: in which the ARC-Encoder computes: float32, bfloat16 or float16.
            decoder_dtype: of the decoder's weights: the same, or auto, in which they are stored.
            tokenizer: folder or hub name of the encoder's tokenizer, if it does not lie in `folder`.
            options: further arguments of `ArcEncoderModel.from_pretrained`, such as `decoders` and `backbone`.

        Raises:
            CheckpointError: nothing loadable there.
        """
        dtype = str(dtype).removeprefix("torch.")
        if dtype not in DTYPES:
            raise ConfigError(f"dtype {dtype!r} is unknown; choose one of {', '.join(DTYPES)}")
        model: Any  # the library's `to` has no usable type
        model, found = load_arc_encoder(folder, tokenizer=tokenizer, dtype=getattr(torch, dtype), **options)
        if decoder is None or isinstance(decoder, FrozenDecoder):
            loaded = decoder
        else:
            names = [decoder_name] if decoder_name is not None else list(model.heads)
            trained = model.config.heads.get(names[0], {}).get("decoder") or {}
            loaded = load_decoder(
                decoder,
                dtype=decoder_dtype,
                rope_scaling=bool(model.config.rotary_scaling),
                bos=trained.get("bos", True),
                chat=trained.get("chat", False),
            )
        if loaded is not None:
            loaded.to(device)
        return cls(model.to(device), found, decoder=loaded, decoder_name=decoder_name)

    def save_pretrained(self, folder: str | Path, *, dtype: str | None = None, whole: bool = False) -> None:
        """Write model and tokenizer as a Hugging Face folder.

        Args:
            folder: made if it is not there.
            dtype, whole: see `ArcEncoderModel.save_pretrained`.
        """
        self.model.save_pretrained(folder, dtype=dtype, whole=whole)
        if whole or not comes_with(self.model.config.origin, self.tokenizer):
            self.tokenizer.save_pretrained(folder)

    @torch.no_grad()
    def compress(self, texts: Sequence[str], *, factor: int | None = None, batch_size: int = 32) -> list[Tensor]:
        """Texts → vectors in the decoder's embedding space, task token included.

        Args:
            texts: documents of any length; long ones are cut into chunks.
            factor: pooling factor instead of the trained one.
            batch_size: texts encoded at once; similar lengths are put together.

        Returns:
            for each text, in order, a tensor (vectors, decoder width) on the CPU.

        Raises:
            DataError: an empty text, named by its place.
        """
        if isinstance(texts, str):
            raise DataError("compress takes a list of texts; put a single text into a list")
        rows = context_ids(texts, self.tokenizer)
        for place, row in enumerate(rows):
            if not row:
                raise DataError(
                    f"text number {place} is empty ({texts[place]!r}); there is nothing to compress, leave it out"
                )
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found: dict[int, Tensor] = {}
        device = next(self.model.parameters()).device
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            ids, lengths = pad_rows([rows[i] for i in places])
            vectors, counts = self.model(
                ids.to(device), lengths.to(device), self.decoder_name, TaskToken.CONTINUE, factor
            )
            for place, vector, count in zip(places, vectors, counts.tolist(), strict=True):
                found[place] = vector[:count].cpu()
        return [found[i] for i in range(len(rows))]

    def generate(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int = 64, factor: int | None = None, batch_size: int = 16
    ) -> list[str]:
        """Greedy answers to prompts of text and contexts, in batches.

        Args:
            prompts: each a text, or a list of texts and `Context`s in reading order.
            max_new_tokens: longest answer, in decoder tokens.
            factor: pooling factor instead of the trained one.
            batch_size: prompts at once.

        Raises:
            CheckpointError: no decoder was given.
            DataError: an empty prompt or context, or one that does not fit the decoder's window.
        """
        if self._arc is None or self.decoder is None:
            raise CheckpointError(
                "generate needs a decoder: Compressor.from_pretrained(folder, decoder=<folder or hub name>)"
            )
        texts = DecoderText(self.decoder.tokenizer, self.decoder.bos, self.decoder.chat)
        collator = ArcCollator(self.tokenizer, {self.decoder_name: texts})
        samples = [_sample(number, prompt) for number, prompt in enumerate(prompts)]
        answers: list[str] = []
        device = next(self.model.parameters()).device
        for start in range(0, len(samples), batch_size):
            batch = collator(samples[start : start + batch_size], decoder=self.decoder_name, task="generate")
            answers += self._arc.generate(batch.to(device), max_new_tokens=max_new_tokens, factor=factor)
        return answers


def _sample(number: int, prompt: Prompt) -> Sample:
    parts = [prompt] if isinstance(prompt, str) else list(prompt)
    segments = [
        Segment(part.text, Role.CONTEXT) if isinstance(part, Context) else Segment(part, Role.PLAIN) for part in parts
    ]
    if not any(segment.text for segment in segments):
        raise DataError(f"prompt number {number} is empty")
    return Sample(f"prompt-{number}", tuple(merge_plain(segments)))
