"""VectorWords: what each compressed vector says, in the decoder's own words.

Shape legend: M vectors, T tokens of the context, V vocabulary, E decoder width.

A heat map shows how similar each vector (after the projector) is to the embedding of each token of
the text that it stands for; a table names the tokens of the vocabulary that are nearest to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from arc_encoder.core.errors import at_least
from arc_encoder.core.segments import Role
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.sharding import ShardedStrategy

ROWS = 8192  # rows of the vocabulary that are compared at once
CELL, LEFT, BOTTOM, EDGE = 14, 24, 70, 6  # pixels: of a cell of the heat map, and of what stands around them
DPI, FONT = 100, 7


class VectorWords(Callback):
    """After each validation, shows the vectors of the first context of each validation task, for each decoder.

    Args:
        nearest: tokens that are named for each vector.
        max_vectors: of a long context only this many, the first, are shown.

    Raises:
        ConfigError: a number below 1.
    """

    def __init__(self, nearest: int = 5, max_vectors: int = 64) -> None:
        at_least(1, "vector words", nearest=nearest, max_vectors=max_vectors)
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
                own = max(1, int(counts[0]) - (batch.task_token is not None))
                tokens = tokens[: -(-len(tokens) * min(len(shown), own) // own)]  # what these vectors stand for
                words = [_word(decoder, token).strip("`") for token in tokens]
                similar = similarities(shown, decoder.embed(torch.tensor(tokens, device=shown.device)).float())
                image = heat_map(similar, words)
                for board in boards:
                    place: dict[str, Any] = {"global_step": trainer.global_step}
                    board.experiment.add_image(f"vectors/{name}/{task_name}", image, **place)
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


def heat_map(similar: Tensor, words: Sequence[str]) -> Tensor:
    """An image (3, height, width) of similarities (M, T): dark is unlike, bright is alike.

    Args:
        words: the tokens in letters; they stand under their columns, and the numbers of the vectors before their rows.
    """
    rows, columns = similar.shape
    across, down = columns * CELL + LEFT + EDGE, rows * CELL + BOTTOM + EDGE
    figure = Figure(figsize=(across / DPI, down / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    axis = figure.add_axes((LEFT / across, BOTTOM / down, columns * CELL / across, rows * CELL / down))
    axis.imshow(similar.clamp(0, 1).cpu().numpy(), vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axis.set_xticks(range(columns), labels=list(words), rotation=90, fontsize=FONT, parse_math=False)
    axis.set_yticks(range(rows), labels=[str(row) for row in range(rows)], fontsize=FONT)
    axis.tick_params(length=0, pad=2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Glyph .* missing")  # a box stands for a letter that the font lacks
        canvas.draw()
    pixels = torch.tensor(np.asarray(canvas.buffer_rgba())[..., :3])
    return pixels.permute(2, 0, 1).float() / 255


def _word(decoder: FrozenDecoder, token: int) -> str:
    text = str(decoder.tokenizer.decode([token])).replace("|", "\\|").replace("\n", "↵").replace("`", "'")
    return f"`{text}`" if text.strip() else f"`{text or '∅'}`"
