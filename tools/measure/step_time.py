"""What a training step of each variant of the learning ablations costs, beside the recipe's.

Run command: ``python -m tools.measure.step_time``

All variants take turns, step by step and on the same samples, so that whatever else the machine does falls on all of
them alike. Steps are at the full pooling factor, which is where growth ends.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from dataclasses import replace
from typing import Any

import torch
from hydra import compose
from hydra.utils import instantiate

from arc_encoder.config.building.compressors import build_decoders
from arc_encoder.config.building.training import build_trainer
from arc_encoder.config.compose import composing
from arc_encoder.config.paths import register_resolvers
from arc_encoder.core.batch import ArcBatch
from arc_encoder.data.batching.collator import texts_of
from arc_encoder.training.objectives import Objective
from arc_encoder.training.optim.optimizer import make_optimizer

BASE = ["experiment=toy/pretrain", "trainer.max_steps=300", "seed=0", "threads=1"]
VARIANTS = {
    "recipe": [],
    "paper": ["experiment=toy/paper_pretrain"],
    "start: means through a map": ["model/start=mean_embeddings"],
    "objective: cross-entropy and divergence": ["objective=distillation"],
    "objective: cross-entropy and hidden states": [
        "objective=distillation",
        "objective.divergence=0.0",
        "objective.hidden=1.0",
    ],
    "objective: divergence alone": ["objective=distillation", "objective.cross_entropy=0.0"],
    "layer mixture": ["model.layer_mix=true"],
    "gain 10": ["model.gain=10.0"],
}


class Trained:
    """A variant that is trained one batch at a time.

    Args:
        words: what it changes in the recipe.
        factor: pooling factor.
    """

    def __init__(self, words: list[str], factor: int) -> None:
        with composing():
            config = compose("train", [*BASE, f"model.pooling.factor={factor}", *words])
        torch.manual_seed(0)
        self.config, self.decoders = config, build_decoders(config.decoders)
        self.model, self.tokenizer = instantiate(config.model)(decoders=self.decoders)
        self.objective: Objective = instantiate(config.objective)
        self.optimizer: Any = make_optimizer(self.model.compressor, instantiate(config.optim), 300)["optimizer"]

    def batches(self, count: int) -> list[ArcBatch]:
        """The run's first batches, at its full factor."""
        data = instantiate(self.config.data, workers=0)
        factor = self.model.compressor.encoder.pooling.overall_factor
        data.connect(self.tokenizer, texts_of(self.decoders), own_factor=factor, with_reference=True)
        data.trainer = build_trainer(self.config.trainer, [], [])
        return [replace(batch, factor=None) for batch in itertools.islice(data.train_dataloader(), count)]

    def step(self, batch: ArcBatch) -> float:
        """Seconds of forward, backward and optimizer."""
        begun = time.perf_counter()
        found = self.objective(self.model, batch)
        (found.minimised / found.output.target_tokens).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.perf_counter() - begun


def main() -> None:
    """Console entry point: a Markdown table."""
    parser = argparse.ArgumentParser(description="Time of a training step by variant, in ratios of one run.")
    parser.add_argument("--steps", type=int, default=30, help="of each variant")
    parser.add_argument("--factor", type=int, default=8, help="pooling factor")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    register_resolvers()
    variants = {name: Trained(words, arguments.factor) for name, words in VARIANTS.items()}
    batches = variants["recipe"].batches(arguments.steps + 2)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for batch in batches:
        for name, variant in variants.items():
            seconds[name].append(variant.step(batch))
    print("| variant | ms a step (median) | beside the recipe (median of the pairs) |\n|---|---:|---:|")
    for name, own in seconds.items():
        pairs = zip(own[2:], seconds["recipe"][2:], strict=True)  # the first two warm up
        ratio = statistics.median(mine / theirs for mine, theirs in pairs)
        print(f"| {name} | {1000 * statistics.median(own[2:]):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
