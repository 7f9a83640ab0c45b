"""A frozen causal language model behind a small interface.

Shape legend: B samples, S text tokens, T positions, N target positions, E width, V vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from arc_encoder.errors import CheckpointError, ConfigError, DataError
from arc_encoder.model.chosen_logits import forward_at
from arc_encoder.model.decoder_check import check_decoder, check_decoder_config
from arc_encoder.model.frozen_state import leave_out_of_state_dicts
from arc_encoder.model.interchange.language_model import is_foreign_folder, load_language_model
from arc_encoder.model.interchange.source import refuse_missing_folder
from arc_encoder.model.interchange.tokenizer import load_tokenizer
from arc_encoder.model.placement import Placement
from arc_encoder.model.rotary_scaling import without_rotary_scaling
from arc_encoder.model.text_part import text_part
from arc_encoder.models.library import local_path

DTYPES = ("float32", "bfloat16", "float16", "auto")


class FrozenDecoder(nn.Module):
    """Any Hugging Face causal language model; no weight of it ever changes.

    Its weights are left out of every state dict.

    Args:
        model: the language model.
        tokenizer: its tokenizer.
        bos: put the tokenizer's BOS before each sample; turn off for models without one.
        chat: an instruct model: put the tokenizer's chat template around each sample.
        window: most positions to use; None uses as many as the model was made for.
        device: a device of its own for the model, such as ``cuda:1``; None is where the ARC-Encoder is.
        offload: keep the weights in main memory while another decoder computes.
        check_weights: refuse to read vectors that were made for other weights; False only warns.

    Raises:
        ConfigError: the model cannot be a decoder; the tokenizer has no BOS (and `bos` is on), no EOS or no
            chat template (and `chat` is on), or has more tokens than the model.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        bos: bool = True,
        chat: bool = False,
        window: int | None = None,
        device: str | None = None,
        offload: bool = False,
        check_weights: bool = True,
    ) -> None:
        super().__init__()
        check_decoder(model)
        name = getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
        if bos and tokenizer.bos_token_id is None:
            raise ConfigError(f"tokenizer of {name!r} has no BOS token; set bos=false on this decoder to go without")
        if tokenizer.eos_token_id is None:
            raise ConfigError(
                f"tokenizer of {name!r} has no EOS token, which ends every answer; set one in its tokenizer_config.json"
            )
        if chat and not tokenizer.chat_template:
            raise ConfigError(
                f"tokenizer of {name!r} has no chat template, which chat=true needs; choose an instruct model, "
                "or set chat=false on this decoder"
            )
        embeddings: Any = model.get_input_embeddings()
        rows = embeddings.weight.shape[0]
        if len(tokenizer) > rows:
            raise ConfigError(
                f"tokenizer of {name!r} has {len(tokenizer)} tokens, but the model only {rows}: they do not belong together"
            )
        self.placement = Placement(model, device, offload=offload)
        self.model: Any
        if self.placement.managed:  # out of sight of whoever moves or divides all modules
            self.__dict__["model"] = model.eval().requires_grad_(False)
        else:
            self.model = model.eval().requires_grad_(False)
        # Greedy means greedy: a folder's own sampling settings and penalties do not apply.
        self.model.generation_config = GenerationConfig()
        self.tokenizer, self.bos, self.chat, self._window = tokenizer, bos, chat, window
        self.check_weights = check_weights
        leave_out_of_state_dicts(self)

    def train(self, mode: bool = True) -> FrozenDecoder:
        """Never leaves evaluation mode: the decoder's dropout would change what it computes."""
        super().train(False)
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are now."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @property
    def width(self) -> int:
        """Width E of the input embeddings."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    @property
    def window(self) -> int | None:
        """Most positions that may be used, None if neither the user nor the model says."""
        if self._window is not None:
            return self._window
        config = self.model.config.get_text_config()
        value = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        return None if value is None else int(value)

    @property
    def prefix_ids(self) -> list[int]:
        """Ids that open every sample: [BOS], or nothing."""
        return [self.tokenizer.bos_token_id] if self.bos else []

    def token_ids(self, text: str) -> list[int]:
        """Ids of a piece of text by itself, without special tokens."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids (B, S) → input embeddings (B, S, E), scaled as the model scales them; on the device of `ids`."""
        embeddings: Tensor = self.model.get_input_embeddings()(ids.to(self.device))
        return embeddings.to(ids.device)

    def logits(self, embeddings: Tensor, mask: Tensor, keep: Tensor) -> Tensor:
        """Logits (N, V) at chosen positions only; see `predict`."""
        return self.predict(embeddings, mask, keep)[0]

    def predict(
        self, embeddings: Tensor, mask: Tensor, keep: Tensor, *, with_hidden: bool = False
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits at chosen positions only, and the hidden states there.

        Args:
            embeddings: (B, T, E), padded on the right.
            mask: (B, T) True at real positions.
            keep: (B, T) True where logits are wanted.
            with_hidden: give hidden states too.

        Returns:
            (N, V) for the N chosen positions, row by row, on the device of the weights; and, if asked for, (N, E) after
            each layer.
        """
        self.check_length(embeddings.shape[1])
        here = self.device
        output = forward_at(
            self.model,
            keep.to(here),
            inputs_embeds=embeddings.to(here),
            attention_mask=mask.long().to(here),
            use_cache=False,
            output_hidden_states=with_hidden,
        )
        logits: Tensor = output.logits
        states: Sequence[Tensor] = output.hidden_states[1:] if with_hidden else ()
        return logits, tuple(each[keep.to(here)] for each in states)

    @torch.no_grad()
    def generate(
        self,
        embeddings: Tensor,
        mask: Tensor,
        *,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        end_ids: Sequence[int] = (),
    ) -> Tensor:
        """Greedy continuation of left-padded embeddings (B, T, E): new ids (B, ≤ max_new_tokens).

        A row ends at EOS, at one of `end_ids`, or once it has said one of the texts `stop`.
        """
        self.check_length(embeddings.shape[1] + max_new_tokens)
        pad = self.tokenizer.pad_token_id
        ids: Tensor = self.model.generate(
            inputs_embeds=embeddings.to(self.device),
            attention_mask=mask.long().to(self.device),
            max_new_tokens=max_new_tokens,
            stop_strings=list(stop) or None,
            tokenizer=self.tokenizer if stop else None,
            do_sample=False,
            eos_token_id=[self.tokenizer.eos_token_id, *end_ids],
            pad_token_id=self.tokenizer.eos_token_id if pad is None else pad,
        )
        return ids

    def check_length(self, length: int) -> None:
        """Raise `DataError` if a sequence of `length` positions does not fit the decoder's window."""
        if self.window is not None and length > self.window:
            raise DataError(
                f"a sequence of {length} positions does not fit the decoder's window of {self.window}; "
                "use fewer examples, shorter documents or a larger pooling factor"
            )

    def fingerprint(self) -> str:
        """SHA-256 over all weights and buffers, names included; of sharded ones every process must ask for it."""
        digest = hashlib.sha256()
        named = [*self.model.named_parameters(), *self.model.named_buffers()]
        for name, tensor in sorted(named, key=lambda item: item[0]):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            full = getattr(tensor, "full_tensor", None)  # of a sharded weight
            tensor = tensor if full is None else full()
            # A copy: numpy would hold on to the memory of a weight that was gathered for a while.
            copied = tensor.detach().to("cpu", copy=True)
            digest.update(copied.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def load_decoder(
    path: str | Path,
    *,
    dtype: str = "float32",
    bos: bool = True,
    chat: bool = False,
    revision: str | None = None,
    tokenizer: str | Path | None = None,
    rope_scaling: bool = True,
    window: int | None = None,
    device: str | None = None,
    offload: bool = False,
    check_weights: bool = True,
    options: Mapping[str, Any] | None = None,
) -> FrozenDecoder:
    """Load a causal language model and its tokenizer.

    Args:
        path: folder in Hugging Face, Meta's, Mistral's or OLMo-1's layout, GGUF file, or hub name.
        dtype: weights' dtype: ``float32``, ``bfloat16``, ``float16``, or ``auto``, in which they are stored.
        bos: put BOS before each sample.
        chat: an instruct model: put its tokenizer's chat template around each sample.
        revision: hub revision.
        tokenizer: folder or hub name of its tokenizer, if it does not lie with the model.
        rope_scaling: False switches off the rotary scaling of models such as Llama 3.1, in front of which the
            released ARC-Encoders were not trained.
        window: most positions to use; None uses as many as the model was made for.
        device: a device of its own, such as ``cuda:1`` or ``cpu``; None computes where the ARC-Encoder does.
        offload: keep the weights in main memory while another decoder computes.
        check_weights: see `FrozenDecoder`.
        options: further keyword arguments for `AutoModelForCausalLM.from_pretrained`.

    Raises:
        CheckpointError: nothing loadable at `path`.
        ConfigError: unknown dtype, a model that cannot be a decoder, or a tokenizer that does not fit.
    """
    if window is not None and window < 2:
        raise ConfigError(f"decoder window={window} must be at least 2, or null for the model's own")
    if dtype not in DTYPES:
        raise ConfigError(f"decoder dtype {dtype!r} is unknown; choose one of {', '.join(DTYPES)}")
    kind: Any = dtype if dtype == "auto" else getattr(torch, dtype)
    refuse_missing_folder(path, "no decoder could be loaded from")
    path = local_path(path)
    try:
        if is_foreign_folder(path):
            model = load_language_model(Path(path), dtype=None if kind == "auto" else kind, **dict(options or {}))
        else:
            config = AutoConfig.from_pretrained(path, revision=revision)
            check_decoder_config(config)
            if not rope_scaling:
                without_rotary_scaling(config)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                path,
                config=config,
                output_loading_info=True,
                dtype=kind,
                revision=revision,
                use_safetensors=True,
                **dict(options or {}),
            )
            model, report = loaded
            if report["missing_keys"]:  # the library would draw them at random
                raise OSError(f"its files lack the weights {', '.join(sorted(report['missing_keys'])[:3])} …")
            model = text_part(model)
        found = load_tokenizer(path, tokenizer=tokenizer, revision=revision)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise CheckpointError(
            f"no decoder could be loaded from {str(path)!r}: {error}. "
            "Expected a folder with config.json, *.safetensors and tokenizer files, or a hub name that this machine can reach (for a gated one, accept its licence on the hub and log in with `hf auth login`)"
        ) from error
    return FrozenDecoder(
        model, found, bos=bos, chat=chat, window=window, device=device, offload=offload, check_weights=check_weights
    )
