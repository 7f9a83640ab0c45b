"""Memory of one process while it trains, in bytes.

What is trained has float32 weights, a gradient and AdamW's two moments. A frozen decoder has
its weights in its own dtype. What a batch adds is in activations.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

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
