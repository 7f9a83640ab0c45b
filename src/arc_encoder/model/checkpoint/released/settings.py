"""Settings of a released ARC-Encoder: pooling and projectors in its words and in ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.encoder.pooling import FusionPooling, LastPooling, MeanPooling, MemoryTokens, Pooling, SumPooling
from arc_encoder.model.encoder.pooling.base import Where
from arc_encoder.model.language_models.layouts.tensors import Tensors

OPERATORS: dict[str, type[Pooling]] = {
    "mean": MeanPooling,
    "last": LastPooling,
    "sum": SumPooling,
    "fusion": FusionPooling,
}
QUERIES = "_pooled_queries"


def pooling_of(settings: Mapping[str, Any]) -> Pooling:
    """The pooling that `embedder_params` describe.

    Raises:
        CheckpointError: one that this project does not have.
    """
    memory = int(settings.get("memory_tokens") or 0)
    if memory:
        return MemoryTokens(memory)
    rates = [int(rate) for rate in settings.get("compress_rates") or []]
    fixed = len(rates) == 1 and rates[0] >= 0
    if not rates or (any(rate >= 0 for rate in rates) and not fixed):
        raise CheckpointError(
            f"compress_rates={rates} cannot be loaded: expected negative numbers, the pooling factor of each of the last "
            "layers, or one positive number of vectors"
        )
    module = settings.get("pooling_module") or {}
    kind = str(module.get("pool_type", "mean_pooled_queries"))
    operator = kind.removesuffix(QUERIES)
    if operator not in OPERATORS:
        known = ", ".join(OPERATORS)
        raise CheckpointError(f"pool_type={kind!r} is unknown; known: {known}, each also with {QUERIES!r}")
    where: Where = "queries" if kind.endswith(QUERIES) else "block"
    if module.get("where") == "between":
        where = "between"
    if fixed:
        return OPERATORS[operator](where=where, vectors=max(rates[0], 1))
    schedule = [-rate for rate in rates]
    return OPERATORS[operator](math.prod(schedule), schedule if len(schedule) > 1 else None, where)


def pooling_settings(pooling: Pooling) -> dict[str, Any]:
    """The entries of `embedder_params` that describe `pooling`.

    Raises:
        CheckpointError: one that the released layout cannot hold.
    """
    if isinstance(pooling, MemoryTokens):
        return {
            "memory_tokens": pooling.count,
            "compress_rates": [],
            "pooling_module": {"pool_type": "mean", "where": "before"},
        }
    names = {kind: name for name, kind in OPERATORS.items()}
    if type(pooling) not in names:
        raise CheckpointError(
            f"{type(pooling).__name__} cannot be written in the released layout; it knows {', '.join(OPERATORS)} and memory tokens"
        )
    return {
        "memory_tokens": 0,
        "compress_rates": [-step for step in pooling.factors()] if pooling.vectors is None else [pooling.vectors],
        "pooling_module": {
            "pool_type": names[type(pooling)] + (QUERIES if pooling.where == "queries" else ""),
            "where": "between" if pooling.where == "between" else "before",
        },
    }


def projector_of(weights: Tensors, prefix: str) -> dict[str, Any]:
    """Name and settings of the projector whose weights begin with `prefix`.

    Raises:
        CheckpointError: none there, or one of another kind.
    """
    own = {name.removeprefix(prefix): weights.size(name) for name in weights if name.startswith(prefix)}
    own = {name: size for name, size in own.items() if not name[0].isdigit()}
    norms = [name for name, size in own.items() if len(size) == 1]
    maps = [name for name, size in own.items() if len(size) == 2]
    if maps == ["layer1.weight"] and not norms:
        out_dim, in_dim = own["layer1.weight"]
        return {"name": "LinearProjector", "settings": {"in_dim": in_dim, "out_dim": out_dim}}
    if sorted(maps) != ["layer1.weight", "layer2.weight"] or len(norms) > 1:
        raise CheckpointError(
            f"{weights!r}: a projector of {', '.join(own) or 'nothing'} is unknown; expected layer1 and layer2"
        )
    bottleneck, in_dim = own["layer1.weight"]
    shape = {"in_dim": in_dim, "out_dim": own["layer2.weight"][0], "bottleneck": bottleneck}
    return {"name": "RMSProjector" if norms else "MLPProjector", "settings": shape}
