"""A frozen causal language model behind a small interface.

Shape legend: B samples, S text tokens, T positions, P positions of a shared beginning, N target positions, E width,
V vocabulary.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import BaseStreamer

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.model.decoder.generation.prefix import Prefix, counts_slots
from arc_encoder.model.decoder.generation.roomy_cache import MOST_ROOM, roomy_cache, with_room
from arc_encoder.model.decoder.output_layer.chosen_logits import forward_at, give_contiguous
from arc_encoder.model.decoder.placement import Placement
from arc_encoder.model.decoder.support import check_decoder


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
        name: what the model is called on every machine, such as a hub name; None for a folder of your own.

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
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.load_prefix = ""  # of its weights in the state dict that is being loaded
        check_decoder(model)
        called = getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
        if bos and tokenizer.bos_token_id is None:
            raise ConfigError(f"tokenizer of {called!r} has no BOS token; load it without `bos`")
        if tokenizer.eos_token_id is None:
            raise ConfigError(
                f"tokenizer of {called!r} has no EOS token, which ends every answer; set one in its tokenizer_config.json"
            )
        if chat and not tokenizer.chat_template:
            raise ConfigError(
                f"tokenizer of {called!r} has no chat template, which chat needs; choose an instruct model, or switch chat off for this decoder"
            )
        embeddings: Any = model.get_input_embeddings()
        rows = embeddings.weight.shape[0]
        if len(tokenizer) > rows:
            raise ConfigError(
                f"tokenizer of {called!r} has {len(tokenizer)} tokens, but the model only {rows}: they do not belong together"
            )
        give_contiguous(model.get_output_embeddings())
        self.placement = Placement(model, device, offload=offload)
        self.model: Any
        if self.placement.managed:  # out of sight of whoever moves or divides all modules
            self.__dict__["model"] = model.eval().requires_grad_(False)
        else:
            self.model = model.eval().requires_grad_(False)
        # Greedy means greedy: a folder's own sampling settings and penalties do not apply.
        self.model.generation_config = GenerationConfig()
        self.tokenizer, self.bos, self.chat, self._window = tokenizer, bos, chat, window
        self.check_weights, self.name = check_weights, name
        exclude_from_state_dict(self)

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
        """Ids of a piece of text by itself; what looks like a special token in it is plain text."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
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
        processors: Sequence[LogitsProcessor] = (),
        streamer: BaseStreamer | None = None,
        criteria: Sequence[StoppingCriteria] = (),
        prefix: Prefix | None = None,
    ) -> Tensor:
        """Greedy continuation of left-padded embeddings (B, T, E): new ids (B, ≤ max_new_tokens).

        A row ends at EOS, at one of `end_ids`, or once it has said one of the texts `stop`.

        Args:
            embeddings: (B, T, E).
            mask: (B, T) True at real positions.
            max_new_tokens: most ids of a row.
            stop: texts that end a row.
            end_ids: ids that do, besides EOS.
            processors: what changes the logits before the likeliest token is taken.
            streamer: is given each token at once; for a single row.
            criteria: what ends all rows besides.
            prefix: the first positions, if they are the same in all rows and were read before.
        """
        self.check_length(embeddings.shape[1] + max_new_tokens)
        pad = self.tokenizer.pad_token_id
        if prefix is None:
            cache = (
                None
                if counts_slots(self.model.config)
                else roomy_cache(self.model.config, min(max_new_tokens, MOST_ROOM))
            )
        else:
            cache = with_room(prefix.for_rows(len(embeddings)), min(max_new_tokens, MOST_ROOM))
        ids: Tensor = self.model.generate(
            inputs_embeds=embeddings.to(self.device),
            attention_mask=mask.long().to(self.device),
            max_new_tokens=max_new_tokens,
            stop_strings=list(stop) or None,
            tokenizer=self.tokenizer if stop else None,
            do_sample=False,
            eos_token_id=[self.tokenizer.eos_token_id, *end_ids],
            pad_token_id=self.tokenizer.eos_token_id if pad is None else pad,
            logits_processor=LogitsProcessorList(processors),
            streamer=streamer,
            stopping_criteria=StoppingCriteriaList(criteria),
            past_key_values=cache,
        )
        return ids

    @torch.no_grad()
    def read_prefix(self, embeddings: Tensor) -> Prefix:
        """Read a beginning (1, P, E) that many prompts share."""
        self.check_length(embeddings.shape[1])
        last = torch.zeros(embeddings.shape[:2], dtype=torch.bool, device=self.device)
        last[:, -1] = True
        read = forward_at(self.model, last, inputs_embeds=embeddings.to(self.device), use_cache=True)
        return Prefix(read.past_key_values, embeddings.shape[1])

    def texts(self, ids: Tensor, end_ids: Sequence[int] = ()) -> list[str]:
        """Generated ids (B, T) as texts, each cut at EOS or one of `end_ids`."""
        ends = {self.tokenizer.eos_token_id, *end_ids}  # not every tokenizer counts these among its special tokens
        rows = [list(itertools.takewhile(lambda token: token not in ends, row)) for row in ids.tolist()]
        found: list[str] = self.tokenizer.batch_decode(
            rows, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return found

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


def exclude_from_state_dict(module: FrozenDecoder) -> None:
    """Keep the weights of `module` out of every state dict that it is a part of."""
    module.register_state_dict_post_hook(_drop_weights)
    module.register_load_state_dict_pre_hook(_store_prefix)
    module.register_load_state_dict_post_hook(_ignore_missing)


def _drop_weights(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]


def _store_prefix(module: FrozenDecoder, state: dict[str, Any], prefix: str, *_: Any) -> None:
    module.load_prefix = prefix


def _ignore_missing(module: FrozenDecoder, incompatible: Any) -> None:
    incompatible.missing_keys[:] = [key for key in incompatible.missing_keys if not key.startswith(module.load_prefix)]
