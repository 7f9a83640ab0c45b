"""Memory, work and speed of a whole training, from its parts and its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.tools.planning.costs.activations import Activations, activations
from arc_encoder.tools.planning.costs.work import work
from arc_encoder.tools.planning.costs.workload import Workload
from arc_encoder.tools.planning.parts import Parts, size


@dataclass(frozen=True)
class Standing:
    """What is in memory all the time, in bytes on one process.

    Attributes:
        trained: float32 weights.
        frozen: weights that are not trained: the decoders on this device, and a frozen encoder. Of those that rest in
            main memory only the largest counts.
        gradients: of what is trained.
        moments: AdamW's two.
        buckets: the copy of the gradients that several processes exchange.
        step: what AdamW needs beside while it steps, when no activation is left.
    """

    trained: int
    frozen: int
    gradients: int
    moments: int
    buckets: int
    step: int

    @property
    def total(self) -> int:
        """Without what only the step needs."""
        return self.trained + self.frozen + self.gradients + self.moments + self.buckets


def standing(parts: Parts, *, processes: int = 1, sharded: bool = False) -> Standing:
    """Weights, gradients and optimizer of one process."""
    own: list[Tensor] = list(parts.compressor.parameters())
    trained = size([p for p in own if p.requires_grad])
    here = [
        p
        for name, model in parts.decoders.items()
        if name not in parts.elsewhere | parts.resting
        for p in model.parameters()
    ]
    in_turn = max((size(parts.decoders[name].parameters()) for name in parts.resting - parts.elsewhere), default=0)
    frozen = size([p for p in own if not p.requires_grad]) + size(here) + in_turn
    share = processes if sharded else 1
    return Standing(  # buckets: Lightning's DDP keeps its own copy of the gradients
        trained=trained // share,
        frozen=frozen // share,
        gradients=trained // share,
        moments=2 * trained // share,
        buckets=0 if sharded or processes == 1 else trained,
        step=trained // share,
    )


GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """What the training runs on.

    Attributes:
        memory_gib: of one GPU, GiB.
        peak_tflops: most that one GPU computes in the compute dtype, 10¹² operations a second.
        reserve_gib: of each GPU for CUDA, libraries and gaps between tensors, GiB.
    """

    gpus: int = 8
    memory_gib: float = 80.0
    peak_tflops: float = 989.0
    utilisation: float = 0.4
    reserve_gib: float = 3.0
    sharded: bool = False

    def __post_init__(self) -> None:
        at_least(1, gpus=self.gpus)
        if self.memory_gib <= 0 or self.peak_tflops <= 0:
            raise ConfigError(
                f"gpu_memory_gib={self.memory_gib} and peak_tflops={self.peak_tflops} must both be larger than 0"
            )
        if not 0 < self.utilisation <= 1:
            raise ConfigError(f"utilisation={self.utilisation} must be between 0 and 1; 0.3 to 0.5 is usual")
        if not 0 <= self.reserve_gib < self.memory_gib:
            raise ConfigError(f"reserve_gib={self.reserve_gib} must be between 0 and gpu_memory_gib={self.memory_gib}")


@dataclass(frozen=True)
class BatchEstimate:
    """One task in front of one decoder."""

    task: str
    decoder: str
    share: float
    batch: Workload
    plain: Activations
    checkpointed: Activations
    work: tuple[int, int]


@dataclass(frozen=True)
class Estimate:
    """A training: what is in memory, and its batches."""

    standing: Standing
    batches: tuple[BatchEstimate, ...]
    machine: Machine

    def largest(self, *, checkpointing: bool) -> BatchEstimate:
        """The batch that needs most memory."""
        return max(self.batches, key=lambda batch: (batch.checkpointed if checkpointing else batch.plain).peak)

    def peak(self, *, checkpointing: bool) -> int:
        """Most bytes of one GPU: with the largest batch, or while the optimizer steps."""
        batch = self.largest(checkpointing=checkpointing)
        passing = (batch.checkpointed if checkpointing else batch.plain).peak
        return self.standing.total + max(passing, self.standing.step)

    def fits(self, *, checkpointing: bool) -> bool:
        """Whether that and the reserve are within a GPU's memory."""
        return self.peak(checkpointing=checkpointing) <= (self.machine.memory_gib - self.machine.reserve_gib) * GIB

    def step_work(self, *, accumulate: int, checkpointing: bool) -> float:
        """Operations of an optimizer step on all GPUs, on average."""
        mean = sum(batch.share * batch.work[checkpointing] for batch in self.batches)
        return mean * accumulate * self.machine.gpus

    def step_tokens(self, *, accumulate: int) -> float:
        """Text tokens of an optimizer step on all GPUs, on average."""
        return sum(batch.share * batch.batch.tokens for batch in self.batches) * accumulate * self.machine.gpus

    def step_seconds(self, *, accumulate: int, checkpointing: bool) -> float:
        """Duration of an optimizer step at the machine's utilisation."""
        rate = self.machine.gpus * self.machine.peak_tflops * 1e12 * self.machine.utilisation
        return self.step_work(accumulate=accumulate, checkpointing=checkpointing) / rate


def estimate(
    parts: Parts,
    tasks: Mapping[str, tuple[float, Workload]],
    machine: Machine,
    *,
    compute: int,
    decoder_weights: Mapping[str, float] | None = None,
) -> Estimate:
    """Memory and work of a training.

    Args:
        compute: bytes of a number of the compute dtype.
        decoder_weights: how often each decoder is trained; equally by default.

    Raises:
        ConfigError: no task has a share.
    """
    shares = {name: share for name, (share, _) in tasks.items() if share > 0}
    if not shares:
        raise ConfigError("no task has a share above 0: set data.tasks.<name>.share")
    weights = {name: (decoder_weights or {}).get(name, 0.0 if decoder_weights else 1.0) for name in parts.decoders}
    whole = sum(shares.values()) * sum(weights.values())
    batches = []
    for decoder, weight in weights.items():
        for task, share in shares.items():
            batch = tasks[task][1]
            plain, less = (
                activations(parts, decoder, batch, compute=compute, checkpointing=checkpointing)
                for checkpointing in (False, True)
            )
            amount = work(parts, decoder, batch)
            totals = (amount.total(checkpointing=False), amount.total(checkpointing=True))
            batches.append(BatchEstimate(task, decoder, share * weight / whole, batch, plain, less, totals))
    return Estimate(standing(parts, processes=machine.gpus, sharded=machine.sharded), tuple(batches), machine)
