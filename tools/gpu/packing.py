"""Contexts of unequal length through the encoder: padded, in buckets, and packed into one row."""

from __future__ import annotations

import statistics
from typing import Any

import torch
from torch import Tensor

from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.padding.length_buckets import bucket_count, padded_tokens
from arc_encoder.model.language_models.activation_checkpointing import checkpoint_layers
from arc_encoder.tools.planning.estimate import GIB
from tools.gpu.models import Size, random_compressor
from tools.gpu.training_step import now

FACTOR = 4
BUCKETS = {"padded": 1, "buckets": 16, "packed": 1}
MOST = 0.1  # largest difference from padded vectors, as a part of the largest value: bfloat16 rounds


def measure_packing(size: Size, device: torch.device, *, repeats: int = 3) -> list[dict[str, Any]]:
    """As many contexts as a batch has, from a part of a chunk to a whole one, in bfloat16 with float32 weights.

    Returns:
        for each way: the tokens that are computed, forward_ms (alone) and step_ms (with gradients and activation
        checkpointing), medians of `repeats`, the peak memory in GiB (None on a CPU), and the largest difference of a
        vector from those of the padded way, as a part of the largest value.

    Raises:
        RuntimeError: vectors that differ by more than bfloat16 explains.
    """
    count = size.batch_sizes[0]
    lengths = torch.arange(1, count + 1, device=device) * size.chunk // count
    ids = torch.randint(2, int(size.encoder.vocab_size), (count, size.chunk), device=device)
    model = random_compressor(size, device, torch.float32, factor=FACTOR)
    checkpoint_layers(model.encoder.backbone)
    rows: list[dict[str, Any]] = []
    expected: Tensor | None = None
    for way, buckets in BUCKETS.items():
        model.config.length_buckets = buckets
        if way == "packed":
            model.encoder.pack()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        forward = [_milliseconds(model, ids, lengths, device, gradients=False) for _ in range(repeats + 1)]
        step = [_milliseconds(model, ids, lengths, device, gradients=True) for _ in range(repeats + 1)]
        vectors = _vectors(model, ids, lengths, device)
        expected = vectors if expected is None else expected
        difference = float((vectors - expected).abs().max() / expected.abs().max())
        if not difference <= MOST:
            raise RuntimeError(f"{way}: vectors differ from the padded ones by {difference:.2g} of the largest value")
        each = lengths.tolist()
        rows.append(
            {
                "way": way,
                "tokens": sum(each) if way == "packed" else padded_tokens(each, bucket_count(each, buckets)),
                "forward_ms": statistics.median(forward[1:]),  # the first of each warms up
                "step_ms": statistics.median(step[1:]),
                "peak_memory_gib": torch.cuda.max_memory_allocated(device) / GIB if device.type == "cuda" else None,
                "difference": difference,
            }
        )
    return rows


def _milliseconds(
    model: ArcEncoderModel, ids: Tensor, lengths: Tensor, device: torch.device, *, gradients: bool
) -> float:
    start = now(device)
    with torch.set_grad_enabled(gradients), torch.autocast(device.type, dtype=torch.bfloat16):
        total = model.encode(ids, lengths)[0].float().square().mean()
    if gradients:
        total.backward()
        model.zero_grad(set_to_none=True)
    return 1000 * (now(device) - start)


@torch.no_grad()
def _vectors(model: ArcEncoderModel, ids: Tensor, lengths: Tensor, device: torch.device) -> Tensor:
    """Those that exist, one below the other."""
    with torch.autocast(device.type, dtype=torch.bfloat16):
        vectors, counts = model.encode(ids, lengths)
    return vectors[torch.arange(vectors.shape[1], device=device) < counts[:, None]].float()
