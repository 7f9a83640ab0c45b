"""What belongs to one decoder: its projector, its pair of task tokens, and what its vectors begin as.

Shape legend: C contexts, M vectors, D encoder width, E decoder width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.heads.decoder_adapter import DecoderAdapter
from arc_encoder.model.heads.projectors import Projector
from arc_encoder.model.heads.starts import Start


class DecoderHead(nn.Module):
    """Projector and task tokens of one decoder (Pilchen et al., 2025, §3.2).

    Args:
        projector: encoder width → decoder width.
        task_tokens: whether a learned token follows each context (off for instruct decoders).
        adapter: changes to the decoder, for baselines that train it too; the method has none.
        start: what vectors begin as, to which the projector's output is added; the method has none.
        gain: what the projector's output is multiplied by at first, a number that is learned; the method has none.

    Raises:
        ConfigError: a gain that is not positive, or a projector without room for a start.
    """

    def __init__(
        self,
        projector: Projector,
        *,
        task_tokens: bool = True,
        adapter: DecoderAdapter | None = None,
        start: Start | None = None,
        gain: float | None = None,
    ) -> None:
        super().__init__()
        if gain is not None and gain <= 0:
            raise ConfigError(f"gain={gain} must be above 0; null leaves the projector's output as it is")
        if start is not None:
            projector.check_start()
        self.projector, self.adapter, self.start, self.first_gain = projector, adapter, start, gain
        self.gain = None if gain is None else nn.Parameter(torch.tensor([float(gain)]))
        names = [str(token) for token in TaskToken] if task_tokens else []
        self.task_tokens = nn.ParameterDict({name: nn.Parameter(torch.ones(projector.in_dim)) for name in names})

    def reset_parameters(self) -> None:
        """Start as the method does: a random projector (one of zeros beside a start), task tokens of ones."""
        self.projector.reset_parameters()
        if self.start is not None:
            self.projector.start_from_zero()
        if self.gain is not None and self.first_gain is not None:
            nn.init.constant_(self.gain, self.first_gain)
        for token in self.task_tokens.values():
            nn.init.ones_(token)
        if self.adapter is not None:
            self.adapter.reset_parameters()

    def extra_vectors(self) -> int:
        """Vectors that the task token adds to each context: 1 or 0."""
        return 1 if self.task_tokens else 0

    def append_task_token(self, vectors: Tensor, counts: Tensor, task_token: TaskToken) -> tuple[Tensor, Tensor]:
        """Put the task token after each context's last vector: (C, M, D) → (C, M + 1, D)."""
        if not self.task_tokens:
            return vectors, counts
        longer = torch.cat([vectors, vectors.new_zeros(len(vectors), 1, vectors.shape[2])], dim=1)
        token = self.task_tokens[task_token].to(vectors.dtype).expand(len(vectors), -1)
        rows = torch.arange(len(vectors), device=vectors.device)
        return longer.index_put((rows, counts), token), counts + 1

    def task_vector(self, task_token: TaskToken) -> Tensor:
        """A task token as the decoder sees it (E,): the last vector of every context."""
        output: Tensor = self.projector(self.task_tokens[task_token][None])[0]
        return output if self.gain is None else output * self.gain

    def forward(self, vectors: Tensor, counts: Tensor, task_token: TaskToken) -> tuple[Tensor, Tensor]:
        """Encoder vectors → decoder embeddings (C, M + 1, E), and their counts (C,).

        Args:
            vectors: (C, M, D); beside a start (C, M, D + W), the means of what it averages appended to each vector.
            counts: (C,) vectors of each context.
            task_token: learned token to append.
        """
        states, means = vectors[..., : self.projector.in_dim], vectors[..., self.projector.in_dim :]
        extended, extended_counts = self.append_task_token(states, counts, task_token)
        output = self.projector(extended)
        if self.gain is not None:
            output = output * self.gain
        if self.start is not None:
            real = (torch.arange(means.shape[1], device=counts.device) < counts[:, None])[..., None]
            begun = self.start(means) * real
            output = output + nn.functional.pad(begun, (0, 0, 0, output.shape[1] - begun.shape[1]))
        return output, extended_counts
