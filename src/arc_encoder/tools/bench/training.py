"""Does the data keep up with the model, and how much of a step is padding? From a training's configuration."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from arc_encoder.config.building.compressors import build_decoders
from arc_encoder.config.building.settings import set_up_process
from arc_encoder.config.building.training import build_trainer
from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.compute import choose_device, compute_dtype
from arc_encoder.core.errors import ConfigError, DataError, check_number
from arc_encoder.data.batching.collator import texts_of
from arc_encoder.data.batching.datamodule import ArcDataModule
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.padding.length_buckets import bucket_count, padded_tokens
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.optim.optimizer import make_optimizer


@dataclass(frozen=True)
class Speed:
    """Work done and the time that it took.

    Attributes:
        batches: number of batches.
        tokens: text tokens of encoder and decoder.
        seconds: wall-clock time.
    """

    batches: int
    tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Text tokens of encoder and decoder, a second."""
        return self.tokens / self.seconds


def loader_speed(loader: Iterable[ArcBatch], *, batches: int, warmup: int) -> tuple[Speed, list[ArcBatch]]:
    """How fast `loader` gives batches, after `warmup` of them that start its workers; and the batches."""
    iterator = iter(loader)
    for _ in itertools.islice(iterator, warmup):
        pass
    start = time.perf_counter()
    found = list(itertools.islice(iterator, batches))
    seconds = time.perf_counter() - start
    return Speed(len(found), sum(batch.tokens for batch in found), seconds), found


def step_speed(
    module: ArcLightningModule, batches: list[ArcBatch], device: torch.device, *, warmup: int, precision: torch.dtype
) -> Speed:
    """How fast `module` trains on `batches`, after the first `warmup` of them: forward, backward, optimizer.

    Args:
        precision: dtype of the computation; weights stay as they are.
    """
    module.model.to(device)
    optimizer = make_optimizer(module.model.compressor, module.optim, len(batches))["optimizer"]
    counted, start = batches[warmup:], 0.0
    for number, batch in enumerate(tqdm(batches, desc="steps", unit="step", leave=False)):
        if number == warmup:
            _wait(device)
            start = time.perf_counter()
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            loss = module.model(batch.to(device)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    _wait(device)
    return Speed(len(counted), sum(batch.tokens for batch in counted), time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass
class Padding:
    """Real positions and computed ones, summed over batches.

    Attributes:
        encoder_tokens, encoder_slots: of chunks of contexts, in the groups in which they are encoded.
        decoder_positions, decoder_slots: of merged sequences, vectors and task tokens included.
    """

    encoder_tokens: int = 0
    encoder_slots: int = 0
    decoder_positions: int = 0
    decoder_slots: int = 0

    @property
    def encoder_waste(self) -> float:
        """Share of the encoder's slots that is padding."""
        return 1 - self.encoder_tokens / max(1, self.encoder_slots)

    @property
    def decoder_waste(self) -> float:
        """Share of the decoder's slots that is padding."""
        return 1 - self.decoder_positions / max(1, self.decoder_slots)


def padding_of(batches: Iterable[ArcBatch], compressor: ArcEncoderModel) -> Padding:
    """Padding of `batches`, by the rules with which `compressor` cuts, groups and pools; nothing is computed."""
    total = Padding()
    for batch in batches:
        chunks = compressor.chunking.cut(batch.context_ids, batch.context_lengths)
        lengths = chunks.lengths.tolist()
        total.encoder_tokens += sum(lengths)
        buckets = bucket_count(lengths, compressor.config.length_buckets)
        total.encoder_slots += sum(lengths) if compressor.encoder.packed else padded_tokens(lengths, buckets)
        extra = compressor.head(batch.decoder).extra_vectors()
        positions = batch.text_lengths.tolist()
        for row, length in zip(batch.context_rows.tolist(), batch.context_lengths.tolist(), strict=True):
            positions[row] += compressor.compressed_length(length, batch.factor) + extra
        total.decoder_positions += sum(positions)
        total.decoder_slots += len(positions) * max(positions)
    return total


def bench_training(config: DictConfig) -> str:
    """Measure the training of `config`; two tables."""
    check_numbers(config)
    set_up_process(config, workers=True)
    device = torch.device(choose_device(config.device))
    decoders = build_decoders(config.get("decoders") or {})
    model, tokenizer = instantiate(config.model)(decoders=decoders)
    module = ArcLightningModule(model, instantiate(config.optim))

    def batches_of(workers: int, pool: int, count: int) -> tuple[Speed, list[ArcBatch]]:
        data = instantiate(config.data, workers=workers, length_pool=pool)
        assert isinstance(data, ArcDataModule)
        data.connect(tokenizer, texts_of(decoders), own_factor=model.compressor.overall_factor)
        data.trainer = build_trainer(config.trainer, [], [])
        speed, found = loader_speed(data.train_dataloader(), batches=count, warmup=config.warmup)
        if len(found) < count:
            raise DataError(
                f"{count} batches and {config.warmup} to warm up were asked for, but trainer.max_steps gives {len(found)}; raise it"
            )
        return speed, found

    pool = config.data.get("length_pool", 1)
    loaders = {workers: batches_of(workers, pool, config.batches) for workers in config.workers}
    trained = next(iter(loaders.values()))[1]
    waste = {
        size: padding_of(batches_of(0, size, max(config.batches, size))[1], model.compressor) for size in {1, pool}
    }
    step = step_speed(
        module,
        trained,
        device,
        warmup=config.warmup,
        precision=compute_dtype(config.trainer.get("precision", "32-true")),
    )
    speeds = speed_table({workers: speed for workers, (speed, _) in loaders.items()}, step, device)
    return f"{speeds}\n\n{padding_table(waste)}"


def check_numbers(config: DictConfig) -> None:
    """Refuse numbers that nothing can be measured with.

    Raises:
        ConfigError: naming the key.
    """
    for key, lowest in (("batches", 2), ("warmup", 0)):
        check_number(key, config[key], lowest=lowest)
    if config.warmup >= config.batches:
        raise ConfigError(f"warmup={config.warmup} must be smaller than batches={config.batches}")
    workers: Any = config.workers
    if not workers or any(not isinstance(each, int) or each < 0 for each in workers):
        raise ConfigError(f"workers={workers!r}: expected a list of whole numbers from 0 on, such as [0,2]")
    compute_dtype(config.trainer.get("precision", "32-true"), "trainer.precision")


def speed_table(loaders: dict[int, Speed], step: Speed, device: torch.device) -> str:
    """Tokens a second of the loaders beside those of the step."""
    rows = []
    for workers, speed in loaders.items():
        ratio = speed.tokens_per_second / step.tokens_per_second
        rows.append([f"data, {workers} workers", *_numbers(speed), f"{ratio:.1f}"])
    rows.append([f"step on {device}", *_numbers(step), "1.0"])
    return table(["", "ms a batch", "tokens/s", "times the step"], rows)


def padding_table(waste: dict[int, Padding]) -> str:
    """Share of padding, for each number of batches among which samples are sorted."""
    rows = [
        [str(pool), f"{found.encoder_waste:.1%}", f"{found.decoder_waste:.1%}"] for pool, found in sorted(waste.items())
    ]
    return table(["length_pool", "encoder padding", "decoder padding"], rows)


def _numbers(speed: Speed) -> list[str]:
    return [f"{1000 * speed.seconds / speed.batches:.1f}", f"{speed.tokens_per_second:.0f}"]
