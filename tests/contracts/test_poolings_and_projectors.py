"""What every pooling and every projector must do; new ones are found in the registries.

A pooling is tried in each of its variants: its defaults, and what its constructor lets one
choose. A new one that needs other arguments gets a line in `VARIANTS`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.pooling import MemoryTokens, Pooling
from arc_encoder.model.heads.projectors import Projector
from tests.tiny_models import WIDTH, random_contexts, tiny_body

LENGTHS = [17, 1, 9, 4, 32, 2]
# Constructor arguments to try, for each class; a class that is not here is tried as FACTOR or DEFAULT.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "MemoryTokens": [{"count": 4}, {"count": 4, "used": 2}, {"count": 1}],
}
FACTOR: list[dict[str, Any]] = [
    {"factor": 1},
    {"factor": 4},
    {"factor": 8, "where": "block"},
    {"factor": 3, "where": "between"},
    {"factor": 4, "schedule": [2, 2]},
    {"factor": 6, "schedule": [3, 1, 2], "where": "block"},
    {"factor": 100},
    {"vectors": 5},
    {"vectors": 3, "where": "block"},
]
DEFAULT: list[dict[str, Any]] = [{}]


def _variants(arguments: Mapping[str, object]) -> list[dict[str, Any]]:
    if not {"factor", "schedule", "where"} <= arguments.keys():
        return DEFAULT
    return [settings for settings in FACTOR if settings.keys() <= arguments.keys()]


Case = tuple[type[Pooling], dict[str, Any]]


def cases() -> list[Any]:
    found = []
    for name, kind in sorted(Pooling.registry.items()):
        if not kind.__module__.startswith("arc_encoder."):
            continue  # made by some other test
        arguments = inspect.signature(kind.__init__).parameters
        for settings in VARIANTS.get(name, _variants(arguments)):
            label = "-".join([name, *(f"{key}={value}" for key, value in settings.items())])
            found.append(pytest.param((kind, settings), id=label.replace(" ", "")))
    return found


every_pooling = pytest.mark.parametrize("case", cases())
every_projector = pytest.mark.parametrize(
    "kind", [kind for kind in Projector.registry.values() if kind.__module__.startswith("arc_encoder.")]
)


def make_encoder(case: Case, *, causal: bool = False, layers: int = 3) -> PoolingEncoder:
    kind, settings = case
    encoder = PoolingEncoder(tiny_body(layers=layers), kind(**settings), causal=causal)
    with torch.no_grad():
        for parameter in encoder.pooling.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return encoder


def encode(encoder: PoolingEncoder, ids: Tensor, lengths: Tensor) -> list[Tensor]:
    """The vectors of each context."""
    vectors, counts = encoder(ids, lengths)
    assert vectors.shape == (len(lengths), int(counts.max()), WIDTH)
    return [row[:count] for row, count in zip(vectors, counts.tolist(), strict=True)]


def test_the_registries_hold_what_the_packages_export() -> None:
    import arc_encoder.model.encoder.pooling as poolings
    import arc_encoder.model.heads.projectors as projectors

    for package, base in ((poolings, Pooling), (projectors, Projector)):
        exported = set(package.__all__) - {base.__name__}
        assert exported <= base.registry.keys()
        assert all(base.registry[name] is getattr(package, name) for name in exported)
        assert all(issubclass(kind, base) for kind in base.registry.values())


@torch.no_grad()
@every_pooling
def test_promised_number_of_vectors_is_the_real_one(case: Case) -> None:
    encoder = make_encoder(case)
    lengths_list = [*range(1, 20), 37, 64]
    ids, lengths = random_contexts(lengths_list)
    _, counts = encoder(ids, lengths)
    promised = encoder.pooling.output_lengths(lengths)
    assert torch.equal(promised, counts)
    assert promised.dtype == torch.long
    assert (promised >= 1).all()
    real = [len(encode(encoder, ids[i : i + 1, :n], lengths[i : i + 1])[0]) for i, n in enumerate(lengths_list)]
    assert promised.tolist() == real


@torch.no_grad()
@every_pooling
def test_promise_holds_for_another_factor(case: Case) -> None:
    encoder = make_encoder(case)
    ids, lengths = random_contexts(LENGTHS)
    try:
        promised = encoder.pooling.output_lengths(lengths, 2)
    except ConfigError:  # a pooling may have one number only, and then must refuse on both sides
        with pytest.raises(ConfigError):
            encoder(ids, lengths, 2)
        return
    vectors, counts = encoder(ids, lengths, 2)
    assert torch.equal(promised, counts)
    assert vectors.shape[1] == int(counts.max())


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@every_pooling
def test_padding_order_and_batch_size_change_nothing(case: Case, causal: bool) -> None:
    if causal and not case[0].contiguous:
        with pytest.raises(ConfigError, match="cannot be causal"):
            make_encoder(case, causal=True)
        return
    encoder = make_encoder(case, causal=causal)
    ids, lengths = random_contexts(LENGTHS)
    expected = encode(encoder, ids, lengths)
    order = [3, 5, 0, 2, 1, 4]
    shuffled = encode(encoder, ids[order], lengths[order])
    alone = [encode(encoder, ids[i : i + 1, :n], lengths[i : i + 1])[0] for i, n in enumerate(LENGTHS)]
    halves = [*encode(encoder, ids[:3], lengths[:3]), *encode(encoder, ids[3:], lengths[3:])]
    wider, _ = random_contexts(LENGTHS, padding=7)
    wider[torch.arange(wider.shape[1]) >= lengths[:, None]] = 23
    padded = encode(encoder, wider, lengths)
    for i in range(len(LENGTHS)):
        for name, other in (
            ("order", shuffled[order.index(i)]),
            ("alone", alone[i]),
            ("halves", halves[i]),
            ("padding", padded[i]),
        ):
            torch.testing.assert_close(
                other, expected[i], rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
            )


@every_pooling
def test_pooled_rows_do_not_depend_on_padding_rows(case: Case) -> None:
    """The operator by itself, with values of padding that nothing has masked."""
    pooling = make_encoder(case).pooling
    if not pooling.factors():
        pytest.skip("pools no groups")
    lengths = torch.tensor(LENGTHS)
    counts = pooling.stage_lengths(lengths)[1]
    hidden = torch.randn(len(LENGTHS), 40, WIDTH)
    noisy = hidden.masked_fill((torch.arange(40) >= lengths[:, None])[..., None], 1e4)
    before, after = pooling(hidden, lengths, counts), pooling(noisy, lengths, counts)
    assert before.shape == (len(LENGTHS), int(counts.max()), WIDTH)
    for row, other, count in zip(before, after, counts.tolist(), strict=True):
        assert torch.equal(row[:count], other[:count])


@every_pooling
def test_gradient_reaches_every_parameter(case: Case) -> None:
    encoder = make_encoder(case).train()
    ids, lengths = random_contexts(LENGTHS)
    torch.cat(encode(encoder, ids, lengths)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@every_pooling
def test_gradient_reaches_every_token(case: Case) -> None:
    encoder = make_encoder(case, layers=4)  # at least one plain layer, in which every token is seen
    ids, lengths = random_contexts(LENGTHS)
    caught: list[Tensor] = []
    handle = encoder.backbone.get_input_embeddings().register_forward_hook(
        lambda _m, _i, out: caught.append(out.detach().requires_grad_()) or caught[0]
    )
    torch.cat(encode(encoder, ids, lengths)).square().sum().backward()
    handle.remove()
    assert torch.equal(caught[0].grad.abs().amax(-1) > 0, torch.arange(max(LENGTHS)) < lengths[:, None])


@torch.no_grad()
@every_pooling
def test_settings_round_trip(case: Case) -> None:
    encoder = make_encoder(case)
    pooling = encoder.pooling
    settings = json.loads(json.dumps(pooling.settings()))
    again = Pooling.from_settings(type(pooling).__name__, settings)
    assert type(again) is type(pooling)
    assert again.settings() == pooling.settings()
    assert {**pooling.settings(), **case[1]} == pooling.settings()
    other = PoolingEncoder(tiny_body(), again)
    other.load_state_dict(encoder.state_dict(), strict=True)
    ids, lengths = random_contexts(LENGTHS)
    for one, two in zip(encode(other, ids, lengths), encode(encoder, ids, lengths), strict=True):
        assert torch.equal(one, two)


@torch.no_grad()
def test_fewer_memory_tokens_at_inference() -> None:
    encoder = make_encoder((MemoryTokens, {"count": 4}))
    ids, lengths = random_contexts(LENGTHS)
    everything = encode(encoder, ids, lengths)
    encoder.pooling.used = 2
    assert encoder.pooling.output_lengths(lengths).tolist() == [2] * len(LENGTHS)
    fewer = encode(encoder, ids, lengths)
    assert all(len(part) == 2 for part in fewer)
    trained_with_two = PoolingEncoder(tiny_body(), MemoryTokens(2))
    trained_with_two.pooling.embeddings.copy_(encoder.pooling.embeddings[:2])
    for part, other, whole in zip(fewer, encode(trained_with_two, ids, lengths), everything, strict=True):
        assert torch.equal(part, other)
        assert (part - whole[:2]).abs().max() > 1e-4  # attention is full: the others are really gone
    encoder.pooling.used = None
    for part, whole in zip(encode(encoder, ids, lengths), everything, strict=True):
        assert torch.equal(part, whole)


def make_projector(kind: type[Projector], in_dim: int = 12, out_dim: int = 20) -> Projector:
    optional = {"bottleneck": 7} if "bottleneck" in inspect.signature(kind.__init__).parameters else {}
    return kind(in_dim, out_dim, **optional)


@every_projector
def test_projector_maps_the_last_dimension(kind: type[Projector]) -> None:
    projector = make_projector(kind)
    assert (projector.in_dim, projector.out_dim) == (12, 20)
    for shape in ((12,), (3, 12), (2, 5, 12), (0, 4, 12)):
        assert projector(torch.randn(shape)).shape == (*shape[:-1], 20)


@every_projector
def test_projector_treats_each_vector_by_itself(kind: type[Projector]) -> None:
    projector, vectors = make_projector(kind), torch.randn(3, 5, 12)
    whole = projector(vectors)
    for row in range(3):
        for place in range(5):
            torch.testing.assert_close(projector(vectors[row, place]), whole[row, place], rtol=1e-5, atol=1e-5)
    order = torch.randperm(3)
    torch.testing.assert_close(projector(vectors[order]), whole[order], rtol=1e-5, atol=1e-5)
    noisy = vectors.clone()
    noisy[:, 3:] = 1e4
    torch.testing.assert_close(projector(noisy)[:, :3], whole[:, :3], rtol=1e-5, atol=1e-5)


@every_projector
def test_gradient_reaches_projector_and_vectors(kind: type[Projector]) -> None:
    projector, vectors = make_projector(kind), torch.randn(3, 5, 12, requires_grad=True)
    projector(vectors).square().sum().backward()
    assert vectors.grad.any(-1).all()
    parameters = dict(projector.named_parameters())
    assert parameters
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@every_projector
def test_projector_settings_round_trip(kind: type[Projector]) -> None:
    projector = make_projector(kind)
    settings = json.loads(json.dumps(projector.settings()))
    again = Projector.from_settings(kind.__name__, settings)
    assert type(again) is kind
    assert again.settings() == projector.settings()
    assert {"in_dim": 12, "out_dim": 20}.items() <= settings.items()
    again.load_state_dict(projector.state_dict(), strict=True)
    vectors = torch.randn(4, 12)
    assert torch.equal(again(vectors), projector(vectors))


@every_projector
def test_projector_can_start_anew(kind: type[Projector]) -> None:
    projector = make_projector(kind)
    before = {name: p.clone() for name, p in projector.named_parameters() if p.dim() > 1}
    projector.reset_parameters()
    for name, parameter in projector.named_parameters():
        if name in before:
            assert not torch.equal(parameter, before[name]), name
            assert parameter.abs().max() <= parameter.shape[1] ** -0.5, name
