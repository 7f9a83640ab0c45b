"""Batches for training and validation."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.core.segments import TaskToken
from arc_encoder.data import ArcDataModule
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.data.records import Document
from arc_encoder.data.synthetic.toy_sources import ToyDocuments, ToyQuestions
from arc_encoder.data.tasks import Continuation, FewShot, Reconstruction


def trainer(**state: int) -> Any:
    """What the data module reads of a trainer."""
    usual = {"max_steps": 12, "accumulate_grad_batches": 1, "global_rank": 0, "world_size": 1, "global_step": 0}
    return SimpleNamespace(**{**usual, **state})


@pytest.fixture
def decoders(bpe: PreTrainedTokenizerFast, letters: PreTrainedTokenizerFast) -> dict[str, DecoderText]:
    return {"a": DecoderText(bpe), "b": DecoderText(letters)}


def toy_module(**options: Any) -> ArcDataModule:
    documents = ToyDocuments(size=40)
    tasks = {
        "reconstruction": Reconstruction(documents, max_tokens=12, share=0.2),
        "continuation": Continuation(documents, part=8, share=0.6),
        "few_shot": FewShot(ToyQuestions(size=30), shots=1, share=0.2),
    }
    return ArcDataModule(tasks, batch_size=2, **options)


@pytest.fixture
def module(bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]) -> ArcDataModule:
    made = toy_module()
    made.connect(bpe, decoders)
    return made


def train_batches(module: ArcDataModule, **state: int) -> list[ArcBatch]:
    module.trainer = trainer(**state)
    return list(module.train_dataloader())


def same(one: ArcBatch, other: ArcBatch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(ArcBatch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def all_same(ones: list[ArcBatch], others: list[ArcBatch]) -> bool:
    return len(ones) == len(others) and all(map(same, ones, others))


def test_batches_hold_one_task_and_one_decoder(module: ArcDataModule) -> None:
    batches = train_batches(module, max_steps=20)
    assert Counter(batch.task for batch in batches) == {"reconstruction": 4, "continuation": 12, "few_shot": 4}
    assert {batch.decoder for batch in batches} == {"a", "b"}
    for batch in batches:
        assert len(batch.sample_ids) == 2
        assert batch.task_token is (TaskToken.RECONSTRUCT if batch.task == "reconstruction" else TaskToken.CONTINUE)
        assert len(batch.context_ids) == (4 if batch.task == "few_shot" else 2)


def test_reconstruction_holds_one_text_in_the_ids_of_both_sides(
    module: ArcDataModule, bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]
) -> None:
    batches = [batch for batch in train_batches(module, max_steps=40) if batch.task == "reconstruction"]
    assert {batch.decoder for batch in batches} == {"a", "b"}
    for batch in batches:
        tokenizer = decoders[batch.decoder].tokenizer
        for row in range(2):
            text = bpe.decode(batch.context_ids[row, : batch.context_lengths[row]])
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            expected = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
            assert batch.text_ids[row, : batch.text_lengths[row]].tolist() == expected


@pytest.mark.parametrize("task", ["reconstruction", "continuation"])
def test_every_record_comes_once_an_epoch(
    words: PreTrainedTokenizerFast, letters: PreTrainedTokenizerFast, task: str
) -> None:
    source = [Document(f"d{i}", "one two three") for i in range(12)]
    tasks = {"reconstruction": Reconstruction(source), "continuation": Continuation(source)}
    module = ArcDataModule({task: tasks[task]}, batch_size=3, seed=5)
    module.connect(words, {"d": DecoderText(letters)})
    ids = [name for batch in train_batches(module, max_steps=8) for name in batch.sample_ids]
    assert sorted(ids[:12]) == sorted(ids[12:]) == sorted(document.id for document in source)
    assert ids[:12] != ids[12:]


def test_workers_do_not_change_the_batches(bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]) -> None:
    made = []
    for workers in (0, 2):
        module = toy_module(workers=workers)
        module.connect(bpe, decoders)
        made.append(train_batches(module))
    assert all_same(*made)


def test_the_seed_changes_records_and_choices(bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]) -> None:
    made = []
    for seed in (0, 0, 1):
        module = toy_module(seed=seed)
        module.connect(bpe, decoders)
        made.append(train_batches(module))
    assert all_same(made[0], made[1])
    assert [batch.sample_ids for batch in made[0]] != [batch.sample_ids for batch in made[2]]
    assert [batch.decoder for batch in made[0]] != [batch.decoder for batch in made[2]]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_resumed_run_gets_the_batches_that_are_left(module: ArcDataModule, accumulate: int) -> None:
    whole = train_batches(module, accumulate_grad_batches=accumulate)
    assert len(whole) == 12 * accumulate
    rest = train_batches(module, accumulate_grad_batches=accumulate, global_step=5)
    assert all_same(rest, whole[5 * accumulate :])


def test_accumulated_batches_are_of_one_decoder(module: ArcDataModule) -> None:
    drawn = [batch.decoder for batch in train_batches(module, accumulate_grad_batches=3)]
    assert set(drawn) == {"a", "b"}
    assert all(len(set(drawn[first : first + 3])) == 1 for first in range(0, 36, 3))


def test_ranks_read_different_records(module: ArcDataModule) -> None:
    ranks = [train_batches(module, global_rank=rank, world_size=2, max_steps=10) for rank in (0, 1)]
    assert [(b.task, b.decoder) for b in ranks[0]] == [(b.task, b.decoder) for b in ranks[1]]
    read = [{(b.task, name) for b in batches for name in b.sample_ids} for batches in ranks]
    assert not read[0] & read[1]
    assert len(read[0] | read[1]) == 40


def test_decoder_weights_choose_the_decoders(bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]) -> None:
    module = toy_module(decoder_weights={"b": 1.0})
    module.connect(bpe, decoders)
    assert {batch.decoder for batch in train_batches(module)} == {"b"}


def test_factors_reach_the_training_batches_alone(
    bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]
) -> None:
    module = toy_module(factors={2: 1.0, 4: 1.0}, validation={"x": Reconstruction(ToyDocuments(split="held_out"))})
    module.connect(bpe, decoders)
    assert {batch.factor for batch in train_batches(module)} == {2, 4}
    assert {batch.factor for loader in module.val_dataloader() for batch in loader} == {None}


def test_validation_covers_every_task_and_decoder(
    bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]
) -> None:
    held_out = ToyDocuments(split="held_out", size=40)
    validation = {
        "reconstruction": Reconstruction(held_out, max_tokens=12),
        "continuation": Continuation(held_out, part=8),
    }
    module = toy_module(validation=validation, validation_batches=3)
    module.connect(bpe, decoders)
    seen: dict[int, list[list[ArcBatch]]] = {}
    for rank in (0, 1):
        module.trainer = trainer(global_rank=rank, world_size=2, global_step=7)
        seen[rank] = [list(loader) for loader in module.val_dataloader()]
        assert all_same(
            [batch for batches in seen[rank] for batch in batches],
            [batch for loader in module.val_dataloader() for batch in loader],
        )
        assert [{(b.decoder, b.task) for b in batches} for batches in seen[rank]] == [
            {("a", "reconstruction")},
            {("a", "continuation")},
            {("b", "reconstruction")},
            {("b", "continuation")},
        ]
        assert [len(batches) for batches in seen[rank]] == [3, 3, 3, 3]
        assert all("held_out" in name for batches in seen[rank] for batch in batches for name in batch.sample_ids)
    for one, other in zip(seen[0], seen[1], strict=True):
        names = [name for batch in one + other for name in batch.sample_ids]
        assert len(set(names)) == len(names) == 12
    # both decoders are judged on the same samples
    assert [b.sample_ids for b in seen[0][0]] == [b.sample_ids for b in seen[0][2]]


def test_no_validation_tasks_make_no_loader(module: ArcDataModule) -> None:
    module.trainer = trainer()
    assert module.val_dataloader() == []


@pytest.mark.parametrize("weights", [{}, {"a": 1.0}])
@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader"])
def test_tokenizers_must_be_connected_first(weights: dict[str, float], loader: str) -> None:
    module = toy_module(decoder_weights=weights, validation={"x": Reconstruction(ToyDocuments(split="held_out"))})
    module.trainer = trainer()
    with pytest.raises(ConfigError, match=r"connect.*must be called before"):
        getattr(module, loader)()


def test_weights_of_unknown_decoders_are_refused(
    bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]
) -> None:
    with pytest.raises(ConfigError, match="decoder_weights names llama; loaded decoders: a, b"):
        toy_module(decoder_weights={"a": 1.0, "llama": 1.0}).connect(bpe, decoders)


@pytest.mark.parametrize("loader", ["train_dataloader", "val_dataloader"])
def test_a_trainer_is_needed(module: ArcDataModule, loader: str) -> None:
    with pytest.raises(ConfigError, match="must be used by a Lightning Trainer"):
        getattr(module, loader)()


@pytest.mark.parametrize("max_steps", [-1, 0])
def test_a_run_needs_a_length_in_steps(module: ArcDataModule, max_steps: int) -> None:
    module.trainer = trainer(max_steps=max_steps)
    with pytest.raises(ConfigError, match=r"give the Trainer max_steps"):
        module.train_dataloader()


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_of_samples_reach_the_run(
    words: PreTrainedTokenizerFast, letters: PreTrainedTokenizerFast, workers: int
) -> None:
    source = [Document("good", "one two"), Document("hollow", " ")]
    module = ArcDataModule({"x": Reconstruction(source)}, batch_size=2, workers=workers)
    module.connect(words, {"d": DecoderText(letters)})
    with pytest.raises(DataError, match="sample 'hollow' has an empty document"):
        train_batches(module)


class Recorder(L.LightningModule):
    """Trains one number and remembers its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen: list[tuple[str, str, tuple[str, ...]]] = []

    def training_step(self, batch: ArcBatch, index: int) -> torch.Tensor:
        self.seen.append((batch.task, batch.decoder, batch.sample_ids))
        return self.weight.sum()

    def transfer_batch_to_device(self, batch: ArcBatch, device: torch.device, dataloader_idx: int) -> ArcBatch:
        return batch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(module: ArcDataModule, folder: Path, steps: int, **options: Any) -> tuple[Recorder, L.Trainer]:
    """Train `steps` steps of a run of six, two batches each."""
    from lightning.pytorch.callbacks import Callback

    class Stop(Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
            trainer.should_stop = trainer.should_stop or trainer.global_step >= steps

    recorder = Recorder()
    run = L.Trainer(
        max_steps=6,
        accumulate_grad_batches=2,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[Stop()],
    )
    run.fit(recorder, module, **options)
    return recorder, run


@pytest.mark.filterwarnings("ignore")
def test_a_run_in_two_parts_sees_what_one_run_sees(
    tmp_path: Path, bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]
) -> None:
    def connected() -> ArcDataModule:
        module = toy_module()
        module.connect(bpe, decoders)
        return module

    whole, _ = fit(connected(), tmp_path, 6)
    assert len(whole.seen) == 12
    first, run = fit(connected(), tmp_path, 3)
    assert first.seen == whole.seen[:6]
    run.save_checkpoint(tmp_path / "half.ckpt")
    second, _ = fit(connected(), tmp_path, 6, ckpt_path=str(tmp_path / "half.ckpt"))
    assert second.seen == whole.seen[6:]


def test_factors_are_a_list_or_weights(module: ArcDataModule) -> None:
    listed, weighted = (toy_module(factors=factors).factors for factors in ([4, 8, 4], {4: 2, 8: 1}))
    assert listed == weighted == {4: 2, 8: 1}
    assert toy_module(factors=None).factors == toy_module(factors=[]).factors == {}


def test_validation_is_not_sorted_and_pools_are_at_least_one_batch(
    bpe: PreTrainedTokenizerFast, decoders: dict[str, DecoderText]
) -> None:
    with pytest.raises(ConfigError, match="length_pool=0 must be at least 1"):
        toy_module(length_pool=0)
    made = []
    for pool in (1, 4):
        held = {"few_shot": FewShot(ToyQuestions(size=30), shots=1)}
        data = toy_module(length_pool=pool, validation=held)
        data.connect(bpe, decoders)
        data.trainer = trainer()
        made.append([batch for loader in data.val_dataloader() for batch in loader])
        assert len({name for batch in train_batches(data, max_steps=20) for name in batch.sample_ids}) > 20
    assert all_same(*made)
