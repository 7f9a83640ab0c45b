"""Time to the first token of an answer: a document as text, as vectors made on the spot, and as stored vectors."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.segments import TaskToken
from tools.gpu.models import DECODER, Size, random_compressor, random_decoder

FACTORS = (4, 8)


@torch.no_grad()
def measure_first_token(size: Size, device: torch.device, *, repeats: int = 3) -> list[dict[str, Any]]:
    """Median milliseconds for every length and way, one prompt at a time, in bfloat16.

    Returns:
        for each length and factor: text_ms, vectors_ms (encoder included), stored_ms.
    """
    decoder = random_decoder(size, device, torch.bfloat16)
    compressor = random_compressor(size, device, torch.bfloat16, factor=FACTORS[0]).eval()
    language_model: Any = decoder.model
    rows = []
    for length in size.documents:
        ids = torch.randint(2, int(size.encoder.vocab_size), (1, length), device=device)
        lengths = torch.tensor([length], device=device)
        words = torch.randint(2, int(size.decoder.vocab_size), (1, length), device=device)

        def answer(embeddings: Tensor) -> None:
            logits = language_model(inputs_embeds=embeddings, use_cache=True, logits_to_keep=1).logits
            logits[0, -1].argmax().item()

        def compressed(factor: int, ids: Tensor = ids, lengths: Tensor = lengths) -> Tensor:
            return compressor(ids, lengths, DECODER, TaskToken.CONTINUE, factor)[0].to(language_model.dtype)

        text = _median(lambda words=words: answer(decoder.embed(words)), device, repeats)  # type: ignore[misc]
        for factor in FACTORS:
            stored = compressed(factor)
            rows.append(
                {
                    "tokens": length,
                    "factor": factor,
                    "positions": stored.shape[1],
                    "text_ms": text,
                    "vectors_ms": _median(lambda factor=factor: answer(compressed(factor)), device, repeats),  # type: ignore[misc]
                    "stored_ms": _median(lambda stored=stored: answer(stored), device, repeats),  # type: ignore[misc]
                }
            )
    return rows


def _median(work: Callable[[], None], device: torch.device, repeats: int) -> float:
    """Median milliseconds of `work`, after one call that warms up."""
    times = []
    for _ in range(repeats + 1):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])
