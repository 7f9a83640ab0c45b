"""Weights that do not fit a model, each named."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def state_dict_mismatches(saved: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """What is missing in `saved`, what is too much, and what has another shape than in `expected`."""
    problems = [f"missing {name}" for name in sorted(expected.keys() - saved.keys())]
    problems += [f"unexpected {name}" for name in sorted(saved.keys() - expected.keys())]
    return problems + [
        f"{name}: saved {tuple(saved[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & saved.keys())
        if saved[name].shape != expected[name].shape
    ]
