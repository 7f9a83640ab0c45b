"""What a run shows of itself: gradient norms, compression ratio, what vectors say, progress."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.tasks import Reconstruction
from arc_encoder.training.callbacks import CompressionRatio, GradientNorms, Progress, VectorWords
from arc_encoder.training.callbacks.samples.vector_words import (
    BOTTOM,
    CELL,
    EDGE,
    LEFT,
    heat_map,
    nearest_tokens,
    similarities,
)
from tests.tiny_models import tiny_decoder
from tests.training.conftest import Fit, Texts, data_module, two_decoders

LONG = Texts(["a document of some length, in bytes", "another document"])


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    found.Reload()
    return found


def board(tmp_path: Path) -> TensorBoardLogger:
    return TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)


def scalars(found: EventAccumulator, name: str) -> list[float]:
    return [event.value for event in found.Scalars(name)]


def test_gradient_norms_are_those_of_the_parts_before_clipping(fit: Fit, tmp_path: Path) -> None:
    seen: list[float] = []

    class Expected(GradientNorms):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):  # type: ignore[no-untyped-def]
            gradients = [p.grad for p in pl_module.model.compressor.encoder.parameters() if p.grad is not None]
            seen.append(math.sqrt(sum(float(g.double().square().sum()) for g in gradients)))
            super().on_before_optimizer_step(trainer, pl_module, optimizer)

    fit(Expected(), steps=4, logger=board(tmp_path), gradient_clip_val=1e-3, log_every_n_steps=2)
    found = events(tmp_path)
    assert scalars(found, "gradient_norm/encoder") == pytest.approx([seen[1], seen[3]], rel=1e-5)
    assert min(seen) > 1e-3
    assert len(scalars(found, "gradient_norm/projector/decoder")) == 2
    assert len(scalars(found, "gradient_norm/task_tokens/decoder")) == 2


def test_a_decoder_that_is_not_trained_has_no_gradient_norm(fit: Fit, tmp_path: Path) -> None:
    data = data_module(["first", "second"], decoder_weights={"first": 1.0, "second": 0.0})
    fit(GradientNorms(), steps=2, model=two_decoders(), data=data, logger=board(tmp_path))
    names = events(tmp_path).Tags()["scalars"]
    assert "gradient_norm/projector/first" in names
    assert "gradient_norm/projector/second" not in names


def test_the_ratio_counts_decoder_tokens_and_task_tokens(fit: Fit, tmp_path: Path) -> None:
    data = data_module(validation={"again": Reconstruction(LONG)})
    fit(CompressionRatio(count=2), data=data, logger=board(tmp_path))
    lengths = [len(text) for text in LONG.texts]  # one byte a token, on both sides
    expected = sum(lengths) / sum(-(-length // 4) + 1 for length in lengths)
    assert scalars(events(tmp_path), "compression_ratio/decoder/again") == pytest.approx([expected])


def test_vectors_are_shown_with_their_nearest_tokens(fit: Fit, tmp_path: Path) -> None:
    data = data_module(["first", "second"], validation={"again": Reconstruction(LONG)})
    fit(VectorWords(nearest=3, max_vectors=4), model=two_decoders(), data=data, logger=board(tmp_path))
    found = events(tmp_path)
    for decoder in ("first", "second"):
        image = found.Images(f"vectors/{decoder}/again")[-1]
        assert (image.height, image.width) == (
            CELL * 4 + BOTTOM + EDGE,
            CELL * 4 * 4 + LEFT + EDGE,
        )  # 4 tokens a vector
        table = found.Tensors(f"vectors/{decoder}/again/text_summary")[-1].tensor_proto.string_val[0].decode()
        assert table.startswith("| vector | nearest of the text | nearest of all |")
        assert table.count("\n") == 1 + 4


def test_a_vector_that_is_an_embedding_is_nearest_to_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arc_encoder.training.callbacks.samples.vector_words.ROWS", 7)
    decoder = tiny_decoder()
    tokens = torch.tensor([5, 200, 31])
    embeddings = decoder.embed(tokens)
    found = nearest_tokens(3.0 * embeddings, decoder, 4)
    assert found[:, 0].tolist() == tokens.tolist()
    every = similarities(embeddings, decoder.embed(torch.arange(len(decoder.tokenizer))))
    assert found.tolist() == every.topk(4, dim=1).indices.tolist()
    with pytest.raises(ConfigError, match="nearest=0"):
        VectorWords(nearest=0)


def test_each_token_stands_under_its_column() -> None:
    image = heat_map(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), ["a", "$two$"])
    assert image.shape == (3, 2 * CELL + BOTTOM + EDGE, 2 * CELL + LEFT + EDGE)
    dark, bright = (image[:, EDGE + CELL // 2, LEFT + CELL // 2 + place * CELL].sum() for place in (0, 1))
    assert bright > dark
    assert torch.equal(image[:, EDGE + 3, LEFT + 3], image[:, EDGE + CELL + 3, LEFT + CELL + 3])
    short, long = ((image[:, 2 * CELL + EDGE :, LEFT + i * CELL : LEFT + (i + 1) * CELL] < 0.5).sum() for i in (0, 1))
    assert 0 < short < long  # letters; nothing is taken for a formula
    other = heat_map(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), ["b", "$two$"])
    assert torch.equal(image[:, : 2 * CELL + EDGE], other[:, : 2 * CELL + EDGE])
    assert not torch.equal(image, other)


def test_without_a_terminal_plain_lines_tell_how_far_it_is(fit: Fit, capfd: pytest.CaptureFixture[str]) -> None:
    data = data_module(["first", "second"], validation={"again": Reconstruction(LONG)})
    fit(Progress(every_seconds=0.0), steps=3, model=two_decoders(), data=data, enable_progress_bar=True)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("step ")]
    assert [line.split(",")[0] for line in lines] == ["step 1/3", "step 2/3", "step 3/3"]
    assert "0:00 left" in lines[-1]
    assert "reconstruction " in lines[0]
    assert "first " in lines[-1] or "second " in lines[-1]


def test_lines_come_only_so_often_and_at_the_end(fit: Fit, capfd: pytest.CaptureFixture[str]) -> None:
    fit(Progress(every_seconds=1000.0), steps=3, enable_progress_bar=True)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("step ")]
    assert [line.split(",")[0] for line in lines] == ["step 3/3"]
