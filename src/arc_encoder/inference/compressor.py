"""A trained compressor: encode documents, answer prompts that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError, check_number
from arc_encoder.data.prompts import DOCUMENT, asked
from arc_encoder.inference.encoding.contexts import CompressedContext, Context, Origin
from arc_encoder.inference.encoding.encode import DocumentEncoder
from arc_encoder.inference.encoding.fidelity import FidelityMeter
from arc_encoder.inference.fallback.policies import Fallback, known_texts
from arc_encoder.inference.fallback.probe import AnswerProbe, features_of
from arc_encoder.inference.generation.answering import Answering
from arc_encoder.inference.generation.prompts import Parts, Prompt, check_prompts, check_texts
from arc_encoder.inference.generation.sampling import Sampling
from arc_encoder.inference.generation.stops import stop_texts
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.checkpoint.loading import load_arc_encoder
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.saving import save_compressor
from arc_encoder.model.decoder.load import FrozenDecoder, load_decoder

DTYPES = ("float32", "bfloat16", "float16")


class Compressor(DocumentEncoder):
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
        super().__init__(model.eval(), tokenizer, decoder_name or names[0])
        model.head(self.decoder_name)
        self.decoder = decoder
        self._arc = ArcForCausalLM(model, {self.decoder_name: decoder}) if decoder is not None else None

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
            tokenizer: folder or hub name of the encoder's tokenizer, if it is not in `folder`.
            options: further arguments of `ArcEncoderModel.from_pretrained`, such as `decoders` and `backbone`.

        Raises:
            CheckpointError: nothing loadable there.
        """
        dtype = str(dtype).removeprefix("torch.")
        if dtype not in DTYPES:
            raise ConfigError(f"dtype {dtype!r} is unknown; choose one of {', '.join(DTYPES)}")
        model: Any  # the library's `to` has no usable type
        model, found = load_arc_encoder(folder, tokenizer=tokenizer, dtype=getattr(torch, dtype), **options)
        return cls.around(
            model.to(device), found, decoder=decoder, decoder_name=decoder_name, decoder_dtype=decoder_dtype
        )

    @classmethod
    def around(
        cls,
        model: ArcEncoderModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        decoder: str | Path | FrozenDecoder | None = None,
        decoder_name: str | None = None,
        decoder_dtype: str = "auto",
    ) -> Compressor:
        """A loaded ARC-Encoder in front of a decoder, which is loaded if only its place is given.

        Args: see `from_pretrained`.
        """
        if decoder is not None and not isinstance(decoder, FrozenDecoder):
            name = decoder_name if decoder_name is not None else next(iter(model.heads))
            trained = model.config.heads.get(name, {}).get("decoder") or {}
            decoder = load_decoder(
                decoder,
                dtype=decoder_dtype,
                rope_scaling=bool(model.config.rotary_scaling),
                bos=trained.get("bos", True),
                chat=trained.get("chat", False),
            )
        if decoder is not None:
            decoder.to(next(model.parameters()).device)
        return cls(model, tokenizer, decoder=decoder, decoder_name=decoder_name)

    def save_pretrained(self, folder: str | Path, *, dtype: str | None = None, whole: bool = False) -> None:
        """Write model and tokenizer as a Hugging Face folder, atomically: it is complete, or what it was before.

        Args:
            folder: made if it is not there; other files in it stay.
            dtype, whole: see `ArcEncoderModel.save_pretrained`.

        Raises: see `save_compressor`.
        """
        save_compressor(self.model, self.tokenizer, folder, dtype=dtype, whole=whole)

    @property
    def pooling_factor(self) -> float | None:
        """The factor at which documents are compressed where none is given; None with a fixed number of vectors."""
        return self.model.overall_factor

    def origin_of_vectors(self) -> Origin:
        """What is said of every vector that is made here, apart from its document."""
        return Origin("", self.fingerprint, self.decoder_fingerprint, self.decoder_name, self.pooling_factor, 0)

    def with_fidelity(
        self, contexts: Sequence[CompressedContext], texts: Sequence[str], *, batch_size: int = 16
    ) -> list[CompressedContext]:
        """The same contexts, each with the share of its document's tokens that the decoder reads back from it.

        It costs about as much as the decoder reading the documents. See `inference.fidelity`.

        Args:
            contexts: what `encode` made.
            texts: of what.
            batch_size: chunks of documents at once.

        Raises:
            CheckpointError: no decoder was given, or the ARC-Encoder never learned to reconstruct.
            DataError: a text that is not its context's.
        """
        answering = self._answering()
        meter = FidelityMeter(answering.arc, answering.collator, self)
        measured = meter.measure(contexts, check_texts(texts), batch_size)
        return [replace(context, fidelity=share) for context, share in zip(contexts, measured, strict=True)]

    def risks(self, prompts: Sequence[Prompt], probe: AnswerProbe, *, batch_size: int = 16) -> list[float]:
        """How probable it is, before anything is generated, that the answer to each prompt is lost in its vectors.

        Args:
            prompts: see `generate`.
            probe: trained on this compressor (`arc-probe`); another's raises `CheckpointError`.
            batch_size: prompts at once.
        """
        probe.check(self.fingerprint, self.decoder_name)
        risks: list[float] = probe.risk(self.features(prompts, batch_size=batch_size)).tolist()
        return risks

    def features(self, prompts: Sequence[Prompt], *, batch_size: int = 16) -> Tensor:
        """What a probe sees of each prompt (B, F); see `inference.probe`."""
        asked = self.encode_prompts(check_prompts(prompts), None, None, batch_size)
        return features_of(self._answering(), asked, batch_size)

    def positions(self, part: str | Context | CompressedContext) -> int:
        """Positions of the decoder that a part of a prompt takes."""
        (parts,) = self.encode_prompts(check_prompts([[part]]), None, None, 1)
        return self._answering().positions(parts)

    def fits(self, parts: Parts) -> bool:
        """Whether a prompt leaves the decoder's window room for an answer."""
        return self._answering().fits(parts)

    @overload
    def generate(self, prompts: Sequence[Prompt], *, stream: Literal[False] = False, **kw: Any) -> list[str]: ...

    @overload
    def generate(self, prompts: Sequence[Prompt], *, stream: Literal[True], **kw: Any) -> Iterator[str]: ...

    def generate(  # type: ignore[misc]  # the overloads tell what comes back, the settings are listed here alone
        self,
        prompts: Sequence[Prompt],
        *,
        stream: bool = False,
        max_new_tokens: int = 64,
        factor: float | None = None,
        max_vectors: int | None = None,
        stop: str | Sequence[str] | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        batch_size: int = 16,
        fallback: Fallback | None = None,
    ) -> list[str] | Iterator[str]:
        """Answers to prompts of text and contexts, in batches; a prompt's answer does not depend on the others.

        Args:
            prompts: each a text, or a list of texts and contexts in reading order.
            stream: give the answer to one prompt piece by piece, while it is generated.
            max_new_tokens: longest answer, in decoder tokens.
            factor: pooling factor of the `Context`s instead of the trained one.
            max_vectors: most positions that the contexts of a prompt may take together: the lowest factor that was
                trained and keeps to it is used.
            stop: a text, or several, at the first of which an answer ends; it is not part of the answer.
            temperature: 0 takes the likeliest token; above, it is drawn.
            top_p: draw from the likeliest tokens that together have this probability.
            seed: of the draws. A prompt that is given twice is answered with two draws.
            batch_size: prompts at once.
            fallback: what takes the place of documents whose vectors may have lost the answer.

        Raises:
            CheckpointError: no decoder was given, or vectors or a probe of another ARC-Encoder or decoder.
            DataError: an empty prompt or context, or one that does not fit the decoder's window or the budget.
            ConfigError: a setting that is no number, or outside its range.
        """
        answering, sampling, stops = self._answering(), Sampling(temperature, top_p, seed), stop_texts(stop)
        check_number("max_new_tokens", max_new_tokens, lowest=1)
        check_number("batch_size", batch_size, lowest=1)
        checked = check_prompts(prompts)
        if stream and len(checked) != 1:
            raise ConfigError(f"stream=True gives the answer to one prompt, but {len(checked)} were given")
        asked: Sequence[Parts] = self.encode_prompts(checked, factor, max_vectors, batch_size)
        if fallback is not None:
            asked = fallback.apply(self, asked, known_texts(prompts))
        if stream:
            return answering.pieces(asked[0], sampling=sampling, stops=stops, max_new_tokens=max_new_tokens)
        return answering.answers(
            asked, sampling=sampling, stops=stops, max_new_tokens=max_new_tokens, batch_size=batch_size
        )

    def ask(
        self,
        context: str | Context | CompressedContext,
        questions: Sequence[str],
        *,
        max_new_tokens: int = 64,
        factor: float | None = None,
        max_vectors: int | None = None,
        stop: str | Sequence[str] | None = "\n",
        batch_size: int = 16,
        fallback: Fallback | None = None,
    ) -> list[str]:
        """Answers to many questions about one document, which is encoded once and read once by the decoder.

        Each answer is what `generate` says to the same prompt alone; the other arguments are those of `generate`.

        Args:
            context: the document: its text, or what `encode` made of it.
            questions: at least one.

        Raises: as `generate`.
        """
        answering, stops = self._answering(), stop_texts(stop)
        check_number("max_new_tokens", max_new_tokens, lowest=1)
        check_number("batch_size", batch_size, lowest=1)
        ((document,),) = check_prompts([[Context(context) if isinstance(context, str) else context]])
        blank = [place for place, each in enumerate(check_texts(questions, "question")) if not each.strip()]
        if blank:
            raise DataError(f"question number {blank[0]} is blank ({questions[blank[0]]!r})")
        (begun,) = self.encode_prompts([[DOCUMENT, document]], factor, max_vectors, 1)
        prompts: list[Parts] = [[*begun, asked(question)] for question in questions]
        if fallback is not None:
            given = Context(context) if isinstance(context, str) else context
            answers = fallback.apply(self, prompts, known_texts([[given]]))
            return answering.answers(
                answers, sampling=Sampling(), stops=stops, max_new_tokens=max_new_tokens, batch_size=batch_size
            )
        return answering.answers_after_one_beginning(
            prompts, stops=stops, max_new_tokens=max_new_tokens, batch_size=batch_size
        )

    def _answering(self) -> Answering:
        if self._arc is None:
            raise CheckpointError(
                'generating needs a decoder: Compressor.from_pretrained(folder, decoder="…") with its folder or hub name'
            )
        return Answering(self._arc, self.tokenizer, self.decoder_name)
