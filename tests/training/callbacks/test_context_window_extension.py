"""ContextWindowExtension: chunking follows the optimizer step, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.training.callbacks import ContextWindowExtension
from tests.tiny_models import make_batch, numbers
from tests.training.conftest import Fit, Record


def limits() -> Record:
    """Records (optimizer step, tokens of a chunk, chunks) as the model sees them."""
    return Record(
        lambda trainer, module: (
            trainer.global_step,
            module.model.compressor.chunking.size,
            module.model.compressor.chunking.max_chunks,
        )
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"chunk_size": 0}, "chunk_size=0"),
        ({"max_chunks": 0}, "at least 1"),
        ({"growth": {5: 0}}, "at least 1"),
        ({"max_chunks": 4, "growth": {5: 2}}, "must not fall"),
        ({"max_chunks": 1, "growth": {5: 8, 9: 4}}, "must not fall"),
    ],
)
def test_impossible_schedules_are_refused(arguments: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ContextWindowExtension(**arguments)


def test_the_number_of_chunks_is_a_function_of_the_step() -> None:
    window = ContextWindowExtension(8, 2, {10: 16, 4: 8})  # in any order
    assert [window.chunks_at(step) for step in (0, 3, 4, 9, 10, 10**6)] == [2, 2, 8, 8, 16, 16]
    assert [window.chunks_at(step) for step in (10, 0, 4)] == [16, 2, 8]  # whatever was asked before
    assert ContextWindowExtension(8, 2).chunks_at(99) == 2


def test_the_model_s_chunking_grows_at_optimizer_steps(fit: Fit) -> None:
    seen = limits()
    _, module = fit(ContextWindowExtension(64, 1, {2: 3, 3: 5}), seen, steps=4, accumulate_grad_batches=2)
    assert seen.seen == [(0, 64, 1)] * 2 + [(1, 64, 1)] * 2 + [(2, 64, 3)] * 2 + [(3, 64, 5)] * 2
    config = module.model.compressor.config  # what an export will hold
    assert (config.chunk_size, config.max_chunks) == (64, 5)


def test_a_long_context_is_refused_before_its_time_and_read_in_chunks_after(fit: Fit) -> None:
    long = make_batch([[("plain", [1]), ("context", list(numbers(20))), ("target", list(numbers(3, 2)))]])
    short = make_batch([[("plain", [1]), ("context", list(numbers(8))), ("target", list(numbers(3, 2)))]])
    window = ContextWindowExtension(8, 1, {2: 3})
    fit(window, data=[short, short, long], steps=3)
    with pytest.raises(DataError, match="at most 1 chunks of 8 tokens"):
        fit(window, data=[short, long, short], steps=3)


def test_a_resumed_run_takes_the_chunks_of_its_step(fit: Fit, tmp_path: Path) -> None:
    window = lambda: ContextWindowExtension(64, 1, {2: 3, 3: 5})  # noqa: E731
    saved = ModelCheckpoint(tmp_path, every_n_train_steps=2, save_top_k=-1)
    fit(window(), saved, steps=4, enable_checkpointing=True)
    seen = limits()
    fit(window(), seen, steps=4, resume=tmp_path / "epoch=0-step=2.ckpt")
    assert seen.seen == [(2, 64, 3), (3, 64, 5)]
