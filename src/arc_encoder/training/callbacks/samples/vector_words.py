"""VectorWords: what each compressed vector says, in the decoder's own words.

Shape legend: M vectors, T tokens of the context, V vocabulary, E decoder width.

A heat map shows how similar each vector (after the projector) is to the embedding of each token of
the text that it stands for; a table names the tokens of the vocabulary that are nearest to it.
"""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib import colormaps
from torch import Tensor

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.sharding import ShardedStrategy

ROWS = 8192  # rows of the vocabulary that are compared at once
PIXELS = 8  # of a cell of the heat map


class VectorWords(Callback):
    """After each validation, shows the vectors of the first context of each validation task, for each decoder.

    Args:
        nearest: tokens that are named for each vector.
        max_vectors: of a long context only this many, the first, are shown.

    Raises:
        ConfigError: a number below 1.
    """

    def __init__(self, nearest: int = 5, max_vectors: int = 64) -> None:
        if nearest < 1 or max_vectors < 1:
            raise ConfigError(f"vector words: nearest={nearest} and max_vectors={max_vectors} must be at least 1")
        self.nearest, self.max_vectors = nearest, max_vectors

    @torch.no_grad()
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data = getattr(trainer, "datamodule", None)
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if trainer.sanity_checking or not boards or not isinstance(data, ArcDataModule) or not trainer.is_global_zero:
            return
        if isinstance(trainer.strategy, ShardedStrategy):  # one process alone cannot gather the weights
            return
        assert isinstance(pl_module, ArcLightningModule)
        tokenizer = data.collator.encoder_tokenizer
        for task_name, task in data.validation.items():
            sample = task.sample(0, data.seed, tokenizer)
            text = next((part.text for part in sample.segments if part.role is Role.CONTEXT), None)
            if text is None:
                continue
            for name, decoder in pl_module.model.frozen_decoders().items():
                batch = data.collator([sample], decoder=name, task=task_name).to(pl_module.device)
                vectors, counts = pl_module.model.compressor(
                    batch.context_ids[:1], batch.context_lengths[:1], name, batch.task_token
                )
                shown = vectors[0, : min(int(counts[0]), self.max_vectors)].float()
                tokens = decoder.token_ids(text)
                similar = similarities(shown, decoder.embed(torch.tensor(tokens, device=shown.device)).float())
                for board in boards:
                    place: dict[str, Any] = {"global_step": trainer.global_step}
                    board.experiment.add_image(f"vectors/{name}/{task_name}", heat_map(similar), **place)
                    table = self._table(shown, decoder, tokens, similar)
                    board.experiment.add_text(f"vectors/{name}/{task_name}", table, **place)

    def _table(self, vectors: Tensor, decoder: FrozenDecoder, tokens: list[int], similar: Tensor) -> str:
        """Markdown: each vector, the token of its own text that is nearest, and those of the vocabulary."""
        own = similar.argmax(1).tolist()
        rows = ["| vector | nearest of the text | nearest of all |", "|---|---|---|"]
        for number, found in enumerate(nearest_tokens(vectors, decoder, self.nearest).tolist()):
            words = ", ".join(_word(decoder, token) for token in found)
            rows.append(f"| {number} | {_word(decoder, tokens[own[number]])} | {words} |")
        return "\n".join(rows)


def similarities(vectors: Tensor, embeddings: Tensor) -> Tensor:
    """Cosine similarities (M, T) of vectors (M, E) and embeddings (T, E)."""
    return torch.nn.functional.normalize(vectors, dim=-1) @ torch.nn.functional.normalize(embeddings, dim=-1).T


def nearest_tokens(vectors: Tensor, decoder: FrozenDecoder, count: int) -> Tensor:
    """The `count` tokens (M, count) of the vocabulary that are most similar to each vector (M, E), nearest first."""
    size = len(decoder.tokenizer)
    best, ids = (
        vectors.new_empty(len(vectors), 0),
        torch.empty(len(vectors), 0, dtype=torch.long, device=vectors.device),
    )
    for start in range(0, size, ROWS):  # a table of 128k tokens is compared piece by piece
        part = torch.arange(start, min(start + ROWS, size), device=vectors.device)
        scores = similarities(vectors, decoder.embed(part).float())
        best, ids = torch.cat([best, scores], 1), torch.cat([ids, part.expand(len(vectors), -1)], 1)
        kept = best.topk(min(count, best.shape[1]), dim=1)
        best, ids = kept.values, ids.gather(1, kept.indices)
    return ids


def heat_map(similar: Tensor) -> Tensor:
    """An image (3, M · pixels, T · pixels) of similarities (M, T): dark is unlike, bright is alike."""
    colours = torch.tensor(colormaps["viridis"](similar.clamp(0, 1).cpu().numpy()))[..., :3]
    large = colours.repeat_interleave(PIXELS, 0).repeat_interleave(PIXELS, 1)
    return large.permute(2, 0, 1).float()


def _word(decoder: FrozenDecoder, token: int) -> str:
    text = str(decoder.tokenizer.decode([token])).replace("|", "\\|").replace("\n", "↵").replace("`", "'")
    return f"`{text}`" if text.strip() else f"`{text or '∅'}`"
