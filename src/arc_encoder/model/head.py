"""What belongs to one decoder: its projector and its pair of task tokens.

Shape legend: C contexts, M vectors, D encoder width, E decoder width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arc_encoder.model.decoder_adapter import DecoderAdapter
from arc_encoder.model.projectors import Projector
from arc_encoder.segments import TaskToken


class DecoderHead(nn.Module):
    """Projector and task tokens of one decoder (Pilchen et al., 2025, §3.2).

    Args:
        projector: encoder width → decoder width.
        task_tokens: whether a learned token follows each context (off for instruct decoders).
        adapter: changes to the decoder, for baselines that train it too; the method has none.
    """

    def __init__(
        self, projector: Projector, *, task_tokens: bool = True, adapter: DecoderAdapter | None = None
    ) -> None:
        super().__init__()
        self.projector, self.adapter = projector, adapter
        names = [str(token) for token in TaskToken] if task_tokens else []
        self.task_tokens = nn.ParameterDict({name: nn.Parameter(torch.ones(projector.in_dim)) for name in names})

    def reset_parameters(self) -> None:
        """Start as the method does: the projector drawn anew, task tokens of ones."""
        self.projector.reset_parameters()
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

    def forward(self, vectors: Tensor, counts: Tensor, task_token: TaskToken) -> tuple[Tensor, Tensor]:
        """Encoder vectors (C, M, D) → decoder embeddings (C, M + 1, E), and their counts (C,)."""
        extended, counts = self.append_task_token(vectors, counts, task_token)
        return self.projector(extended), counts
