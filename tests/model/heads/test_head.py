"""The head of one decoder: task tokens, then the projector."""

from __future__ import annotations

import torch

from arc_encoder.core.segments import TaskToken
from arc_encoder.model.heads.head import DecoderHead
from arc_encoder.model.heads.projectors import MLPProjector


def make_head(*, task_tokens: bool = True) -> DecoderHead:
    head = DecoderHead(MLPProjector(5, 7, bottleneck=4), task_tokens=task_tokens)
    with torch.no_grad():
        for token in head.task_tokens.values():
            token.copy_(torch.randn(5))
    return head


def test_tokens_start_as_ones_of_encoder_width() -> None:
    head = DecoderHead(MLPProjector(5, 7, bottleneck=4))
    assert set(head.task_tokens) == {"reconstruct", "continue"}
    for token in head.task_tokens.values():
        assert torch.equal(token, torch.ones(5))
        assert token.requires_grad


def test_token_follows_each_contexts_last_vector() -> None:
    head, vectors = make_head(), torch.randn(3, 4, 5)
    counts = torch.tensor([4, 1, 3])
    for task_token in TaskToken:
        extended, longer = head.append_task_token(vectors, counts, task_token)
        assert longer.tolist() == [5, 2, 4]
        for row, count in enumerate(counts.tolist()):
            assert torch.equal(extended[row, :count], vectors[row, :count])
            assert torch.equal(extended[row, count], head.task_tokens[task_token])
    assert head.extra_vectors() == 1


def test_token_goes_through_the_projector() -> None:
    head, vectors, counts = make_head(), torch.randn(2, 3, 5), torch.tensor([3, 2])
    projected, longer = head(vectors, counts, TaskToken.RECONSTRUCT)
    torch.testing.assert_close(projected[0, :3], head.projector(vectors[0]))
    for row, count in enumerate(counts.tolist()):
        torch.testing.assert_close(projected[row, count], head.projector(head.task_tokens["reconstruct"]))
    assert longer.tolist() == [4, 3]


def test_only_the_token_of_the_task_gets_a_gradient() -> None:
    head, vectors, counts = make_head(), torch.randn(2, 3, 5, requires_grad=True), torch.tensor([3, 2])
    projected, longer = head(vectors, counts, TaskToken.CONTINUE)
    projected[torch.arange(4) < longer[:, None]].square().sum().backward()
    assert head.task_tokens["continue"].grad.any()
    assert head.task_tokens["reconstruct"].grad is None
    assert vectors.grad[0].any(-1).all()
    assert vectors.grad[1].any(-1).tolist() == [True, True, False]


def test_without_task_tokens() -> None:
    head, vectors, counts = make_head(task_tokens=False), torch.randn(2, 3, 5), torch.tensor([3, 2])
    projected, same = head(vectors, counts, TaskToken.CONTINUE)
    assert head.extra_vectors() == 0
    assert torch.equal(same, counts)
    assert torch.equal(projected, head.projector(vectors))
    assert {name.split(".")[0] for name, _ in head.named_parameters()} == {"projector"}
