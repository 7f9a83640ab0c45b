"""Work and memory against sums done by hand."""

from __future__ import annotations

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.pooling import MeanPooling, MemoryTokens, Pooling
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.tools.planning.costs.work import work
from arc_encoder.tools.planning.costs.workload import Workload, chunks, context_vectors, merged_positions, stage_lengths
from arc_encoder.tools.planning.estimate import GIB, Machine, estimate, standing
from arc_encoder.tools.planning.parts import Parts, build_parts, count
from arc_encoder.training.optim.optimizer import OptimSettings


def paper(pooling: Pooling | None = None, *, train_encoder: bool = True, chunk: int = 256) -> Parts:
    return build_parts(
        Backbone("meta-llama/Llama-3.2-3B", truncate_layers=2),
        pooling or MeanPooling(8),
        MLPProjector,
        {"llama": ("meta-llama/Llama-3.1-8B", "bfloat16"), "mistral": ("mistralai/Mistral-7B-v0.3", "bfloat16")},
        optim=OptimSettings(train_encoder=train_encoder),
        chunking=Chunking(chunk),
    )


CONTINUATION = Workload(samples=16, contexts=1, context_tokens=256, plain_tokens=257, targets=256)


def test_standing_memory_is_sixteen_bytes_a_trained_weight() -> None:
    parts = paper()
    trained = sum(
        count(p) for p in (parts.encoder_parameters(), parts.projector_parameters(), parts.task_token_parameters())
    )
    frozen = sum(count(model.parameters()) for model in parts.decoders.values())
    alone = standing(parts)
    assert alone.total == 16 * trained + 2 * frozen
    assert standing(parts, processes=8).total == 20 * trained + 2 * frozen  # and the buckets of DDP
    assert standing(parts, processes=8, sharded=True).total == pytest.approx(alone.total / 8, rel=1e-6)
    frozen_encoder = standing(paper(train_encoder=False))
    heads = count(parts.projector_parameters()) + count(parts.task_token_parameters())
    assert frozen_encoder.gradients == 4 * heads


def test_rows_of_a_batch() -> None:
    parts = paper(chunk=1024)
    long = Workload(samples=2, contexts=1, context_tokens=32 * 1024, plain_tokens=30, targets=10)
    assert chunks(parts, long) == (2 * 32, 1024)
    assert stage_lengths(parts, 1024) == [1024, 128]
    assert context_vectors(parts, long) == 4096
    assert merged_positions(parts, "llama", long) == 4096 + 1 + 40
    assert stage_lengths(paper(MeanPooling(8, [2, 2, 2])), 100) == [100, 50, 25, 13]
    assert stage_lengths(paper(MemoryTokens(16)), 100) == [116]


def test_work_is_six_and_four_times_parameters_and_tokens() -> None:
    parts = paper()
    done = work(parts, "llama", CONTINUATION)
    blocks = sum(p.numel() for p in parts.compressor.encoder.backbone.layers.parameters() if p.ndim == 2)
    assert done.encoder == pytest.approx(6 * blocks * 16 * 256, rel=0.05)
    positions = 16 * merged_positions(parts, "llama", CONTINUATION)
    body = 8.03e9 - 2 * 128256 * 4096  # without embeddings and head
    head = 4 * 128256 * 4096 * 16 * 256
    attention = 3 * 32 * 2 * positions * (positions // 16) * 4096
    assert done.decoder == pytest.approx(4 * body * positions + head + attention, rel=0.005)
    assert done.total(checkpointing=True) - done.total(checkpointing=False) == done.again > 0


def test_a_frozen_encoder_is_only_run_forward() -> None:
    trained, frozen = (work(paper(train_encoder=value), "llama", CONTINUATION) for value in (True, False))
    assert frozen.decoder == trained.decoder
    assert frozen.encoder == pytest.approx(trained.encoder / 3, rel=0.01)
    result = estimate(paper(train_encoder=False), {"continuation": (1.0, CONTINUATION)}, Machine(gpus=1), compute=2)
    assert result.batches[0].plain.encoder < 0.1 * GIB


def test_an_estimate_weighs_tasks_and_decoders() -> None:
    small = Workload(samples=1, contexts=1, context_tokens=64, plain_tokens=1, targets=64)
    tasks = {"often": (3.0, small), "seldom": (1.0, CONTINUATION), "never": (0.0, CONTINUATION)}
    machine = Machine(gpus=4, utilisation=0.5, peak_tflops=100.0)
    result = estimate(paper(), tasks, machine, compute=2, decoder_weights={"llama": 1.0, "mistral": 3.0})
    shares = {(batch.task, batch.decoder): batch.share for batch in result.batches}
    assert shares[("often", "llama")] == pytest.approx(3 / 16)
    assert shares[("seldom", "mistral")] == pytest.approx(3 / 16)
    assert sum(shares.values()) == pytest.approx(1)
    assert len(shares) == 4
    assert result.largest(checkpointing=False).task == "seldom"
    assert result.peak(checkpointing=True) < result.peak(checkpointing=False)
    operations = result.step_work(accumulate=2, checkpointing=False)
    assert result.step_seconds(accumulate=2, checkpointing=False) == pytest.approx(operations / (4 * 100e12 * 0.5))
    assert result.step_tokens(accumulate=2) == pytest.approx(2 * 4 * (0.75 * small.tokens + 0.25 * CONTINUATION.tokens))


def test_impossible_machines_are_refused() -> None:
    with pytest.raises(ConfigError, match="gpus=0 must be at least 1"):
        Machine(gpus=0)
    with pytest.raises(ConfigError, match=r"utilisation=1\.5 must be between 0 and 1"):
        Machine(utilisation=1.5)
    with pytest.raises(ConfigError, match="reserve_gib=90"):
        Machine(reserve_gib=90)
    with pytest.raises(ConfigError, match="must both be larger than 0"):
        Machine(peak_tflops=0)
    with pytest.raises(ConfigError, match="no task has a share above 0"):
        estimate(paper(), {"never": (0.0, CONTINUATION)}, Machine(), compute=2)
