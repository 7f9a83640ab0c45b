"""A training step in float32 and in bfloat16, and the memory that it takes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from arc_encoder.core.compute import peak_memory_gib, reset_peak_memory
from arc_encoder.tools.bench.suite.figure import Figure, Measurement, in_turns
from arc_encoder.tools.bench.suite.models import Shape, random_arc_model, random_batch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass
class TrainingStep(Measurement):
    """Forward, backward and AdamW of a continuation.

    Attributes:
        shape: of encoder and decoder.
        samples, tokens: of a batch; as many tokens are compressed as continue them.
        factor: pooling factor.
        rounds: how often each is timed.
    """

    shape: Shape = field(default_factory=Shape)
    samples: int = 16
    tokens: int = 256
    factor: int = 8
    rounds: int = 3

    def figures(self) -> list[Figure]:
        seconds = in_turns({name: self.step(name) for name in DTYPES}, self.rounds)
        tokens = 2 * self.samples * self.tokens
        found = [Figure(f"training step, {name}", tokens / seconds[name], "tokens/s") for name in DTYPES]
        ratio = seconds["float32"] / seconds["bfloat16"]
        found.append(Figure("training step, bfloat16 against float32", ratio, "×", 1.8, "promised"))
        for name, checkpointing in (("float32", False), ("bfloat16", False), ("bfloat16", True)):
            with_what = ", activation checkpointing" if checkpointing else ""
            peak = self._peak(name, checkpointing=checkpointing)
            goal = 1.4 if checkpointing else None
            title = f"memory of a training step, {name}{with_what}"
            found.append(Figure(title, peak, "GiB", goal, "promised" if goal else "", more_is_better=False))
        return found

    def step(self, name: str, *, checkpointing: bool = False) -> Callable[[], None]:
        """One training step in the dtype `name`, as a function."""
        torch.manual_seed(0)
        dtype = DTYPES[name]
        model = random_arc_model(self.shape, self.factor, dtype)
        if checkpointing:
            model.checkpoint_activations()
            model.train()
        optimizer = torch.optim.AdamW(model.compressor.parameters(), lr=1e-4)
        batch = random_batch(self.shape, samples=self.samples, context=self.tokens, text=1 + self.tokens)

        def step() -> None:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
                loss: Any = model(batch).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return step

    def _peak(self, name: str, *, checkpointing: bool) -> float:
        """GiB that steps add to a process that has models and moments; in a process of its own."""
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            return pool.apply(_added_memory, (self, name, checkpointing, torch.get_num_threads()))


def _added_memory(measured: TrainingStep, name: str, checkpointing: bool, threads: int) -> float:
    torch.set_num_threads(threads)
    cpu = torch.device("cpu")
    step = measured.step(name, checkpointing=checkpointing)
    reset_peak_memory(cpu)
    before = peak_memory_gib(cpu)
    for _ in range(3):
        step()
    return peak_memory_gib(cpu) - before
