"""Which pooling factor keeps a prompt's documents within a budget of vectors."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel


def trained_factors(model: ArcEncoderModel) -> list[float]:
    """Pooling factors that the ARC-Encoder was trained at, the lowest first; where it does not say, its pooling's own."""
    own = model.encoder.pooling.overall_factor
    return sorted(model.config.factors) or ([] if own is None else [float(own)])


def factor_within(model: ArcEncoderModel, tokens: Sequence[int], max_vectors: int, *, extra: int) -> float:
    """The lowest trained factor at which documents take at most `max_vectors` positions together.

    Raises:
        ConfigError: the budget is no positive number.
        DataError: it is too small for every factor.
    """
    if isinstance(max_vectors, bool) or not isinstance(max_vectors, int) or max_vectors < 1:
        raise ConfigError(f"max_vectors={max_vectors!r} must be a whole number from 1 on")
    factors = trained_factors(model)
    if not factors:
        raise ConfigError(
            f"{type(model.encoder.pooling).__name__} has no pooling factor, which max_vectors could choose"
        )
    needed = 0
    for factor in factors:
        needed = sum(model.compressed_length(count, factor) + extra for count in tokens)
        if needed <= max_vectors:
            return factor
    raise DataError(
        f"max_vectors={max_vectors} is too small: {len(tokens)} documents of {sum(tokens)} tokens need {needed} vectors at "
        f"×{factors[-1]:g}, the largest factor that this ARC-Encoder was trained at; give shorter documents or a larger budget"
    )
