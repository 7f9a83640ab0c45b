"""What serving needs: memory of the models, and what a document costs as text and as vectors.

Counted are weights, keys and values, and operations. What an engine needs besides (activations of a batch, CUDA, gaps) is
`Machine.reserve_gib`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.tools.planning.configured import check_numbers, machine_of, parts_of
from arc_encoder.tools.planning.costs.work import blocks_of, decoder_forward, encoder_forward, logits_work, projected
from arc_encoder.tools.planning.costs.workload import Workload, context_vectors
from arc_encoder.tools.planning.estimate import GIB, Machine
from arc_encoder.tools.planning.parts import Parts, count

HEAD = [
    "read as", "positions", "keys and values, MiB", "in a store, KiB", "encoding, ms", "prefill, ms", "documents in memory",
]  # fmt: skip
STORED = 2  # bytes of a number in a store, codec bfloat16


@dataclass(frozen=True)
class DocumentSize:
    """A document of so many tokens, read in one way.

    Attributes:
        factor: pooling factor; None is text.
    """

    factor: int | None
    positions: int
    cache_bytes: int
    stored_bytes: int
    encode_work: int
    prefill_work: int
    fitting: int


def weight_bytes(parts: Parts, decoder: str) -> tuple[int, int]:
    """Bytes of encoder with its head in bfloat16, and of the decoder as it is kept."""
    head = parts.compressor.head(decoder)
    mine = count(parts.encoder_parameters()) + count(head.parameters())
    return 2 * mine, sum(p.numel() * p.element_size() for p in parts.decoders[decoder].parameters())


def document_sizes(
    parts: Parts, decoder: str, *, tokens: int, factors: Sequence[int], machine: Machine
) -> list[DocumentSize]:
    """The document as text, and at every factor."""
    model = parts.decoders[decoder]
    number = next(model.parameters()).element_size()
    position = sum(2 * block.key_heads * block.head_width * number for block in blocks_of(model))
    free = (machine.memory_gib - machine.reserve_gib) * GIB - sum(weight_bytes(parts, decoder))
    found = []
    for factor in (None, *factors):
        batch = Workload(1, 1, tokens, 0, 0, factor=factor)
        head = parts.compressor.head(decoder)
        rows = tokens if factor is None else context_vectors(parts, batch) + head.extra_vectors()
        found.append(
            DocumentSize(
                factor=factor,
                positions=rows,
                cache_bytes=rows * position,
                stored_bytes=0 if factor is None else rows * model.config.get_text_config().hidden_size * STORED,
                encode_work=0 if factor is None else encoder_forward(parts, batch) + projected(head, rows),
                prefill_work=sum(decoder_forward(model, rows)) + logits_work(model),
                fitting=max(0, int(free // (rows * position))),
            )
        )
    return found


def serving_plan_of(config: DictConfig) -> str:
    """Memory of the models and costs of a document, for each decoder of a configuration of `arc-plan serve`."""
    check_numbers(config)
    parts, machine = parts_of(config), machine_of(config)
    speed = machine.peak_tflops * machine.utilisation * 1e12
    lines = []
    for name in parts.decoders:
        encoder, decoder = weight_bytes(parts, name)
        lines.append(
            f"{name}, documents of {config.document_tokens} tokens, one GPU of {machine.memory_gib:g} GiB\n"
            f"weights: encoder and projector {encoder / GIB:.1f} GiB in bfloat16, decoder {decoder / GIB:.1f} GiB\n"
        )
        sizes = document_sizes(
            parts, name, tokens=config.document_tokens, factors=list(config.factors), machine=machine
        )
        lines.append(table(HEAD, [_row(each, speed) for each in sizes]))
    return "\n".join(lines)


def _row(size: DocumentSize, speed: float) -> list[str]:
    return [
        "text" if size.factor is None else f"×{size.factor}",
        str(size.positions),
        f"{size.cache_bytes / 2**20:.1f}",
        f"{size.stored_bytes / 2**10:.0f}",
        f"{1000 * size.encode_work / speed:.1f}",
        f"{1000 * size.prefill_work / speed:.1f}",
        f"{size.fitting:,}",
    ]
