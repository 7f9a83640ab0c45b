"""What a pooling is: how many vectors a context becomes, and how a group becomes one vector.

Shape legend: C contexts, L tokens, M groups, G tokens of the largest group, D width.

To add one: subclass `Pooling`, implement `reduce` (or `forward`, if groups are not made of
neighbours; then say `contiguous = False`), and name the class in a YAML file of
`configs/model/pooling`. Constructor arguments must be stored under their own names: that
is how they reach the saved configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.registry import Registered
from arc_encoder.model.encoder.pooling.grouping import balanced_groups, gather_groups, group_counts

Where = Literal["queries", "block", "between"]


class Pooling(Registered, nn.Module, kind="pooling"):
    """Pools groups of consecutive tokens inside the encoder's last block or blocks.

    Args:
        factor: pooling factor x, tokens per vector; the last block pools by it.
        schedule: instead of one pooling by `factor`: a factor for each of the last blocks,
            1 meaning a plain block. [2, 2, 2] pools by 8 in three steps. Its product must
            be `factor`.
        where: ``queries`` pools the block's input for queries and residual, keys and values
            see every token (the method's default); ``block`` pools what keys and values see
            as well; ``between`` pools between attention and feed-forward.
        vectors: pool to so many vectors (fewer for shorter contexts), whatever the length, instead of by `factor`.

    Raises:
        ConfigError: a factor below 1, a schedule whose product is not `factor`, unknown `where`.
    """

    contiguous: ClassVar[bool] = True  # whether a group is made of neighbours, as a causal mask needs it

    def __init__(
        self,
        factor: int = 4,
        schedule: Sequence[int] | None = None,
        where: Where = "queries",
        vectors: int | None = None,
    ) -> None:
        super().__init__()
        if factor < 1:
            raise ConfigError(
                f"pooling factor {factor} is not possible: give a whole number from 1 on (4 and 8 are usual)"
            )
        if where not in get_args(Where):
            raise ConfigError(f"pooling: where={where!r} is unknown; choose one of {', '.join(get_args(Where))}")
        if vectors is not None and (vectors < 1 or schedule is not None):
            raise ConfigError(
                f"pooling: vectors={vectors} must be at least 1, and has no schedule (given: {schedule}); leave one of them out"
            )
        self.factor, self.where, self.vectors = factor, where, vectors
        self.schedule = None if schedule is None else [int(step) for step in schedule]
        if self.schedule is not None:
            product = 1
            for step in self.schedule:
                if step < 1:
                    raise ConfigError(
                        f"pooling schedule {self.schedule} holds {step}; every step must be 1 (plain) or more"
                    )
                product *= step
            if product != factor:
                raise ConfigError(f"pooling schedule {self.schedule} pools by {product} in all, but factor is {factor}")

    def check_mask(self, causal: bool) -> None:
        """Refuse a mask that has no meaning for these groups.

        Raises:
            ConfigError: a causal mask, and groups that are not made of neighbours.
        """
        if causal and not self.contiguous:
            raise ConfigError(
                f"{type(self).__name__} cannot be causal: its groups are not made of neighbours, so a vector has no place up to "
                "which it could see; make the encoder bidirectional or choose another pooling"
            )

    def check_start(self) -> None:
        """Refuse to begin vectors as means of neighbours that they do not stand for.

        Raises:
            ConfigError: groups that are not made of neighbours.
        """
        if not self.contiguous:
            raise ConfigError(
                f"{type(self).__name__} does not go with a start: its vectors do not stand for neighbouring tokens, so no mean of "
                "embeddings belongs to them; choose no start or another pooling"
            )

    def setup(self, width: int) -> None:
        """Called once with the encoder's width, for poolings that own parameters."""

    @property
    def overall_factor(self) -> int | None:
        """Tokens per vector, for tables and metadata; None if the number of vectors is fixed instead."""
        return self.factor if self.vectors is None else None

    def factors(self, factor: float | None = None) -> Sequence[float]:
        """The factor of each of the last blocks; `factor` overrides the configured one, and need not be whole.

        Raises:
            ConfigError: an override that the schedule cannot express.
        """
        if self.vectors is not None and factor is not None:
            raise ConfigError(f"pooling factor {factor} cannot be chosen: this pooling gives {self.vectors} vectors")
        if self.schedule is None:
            return [self.factor if factor is None else factor]
        if factor is None or factor == self.factor:
            return self.schedule
        raise ConfigError(
            f"pooling factor {factor} cannot be chosen: the schedule {self.schedule} fixes it to {self.factor}"
        )

    def stage_lengths(self, lengths: Tensor, factor: float | None = None) -> list[Tensor]:
        """Rows of each context before the first pooling block and after each of them."""
        steps = [lengths]
        for step in self.factors(factor):
            if step < 1:
                raise ConfigError(f"pooling factor {step} is not possible: give a number from 1 on")
            steps.append(group_counts(steps[-1], step))
        if self.vectors is not None:
            steps[-1] = lengths.clamp(max=self.vectors)
        return steps

    def output_lengths(self, lengths: Tensor, factor: float | None = None) -> Tensor:
        """Number of vectors that contexts of `lengths` tokens become (task token not counted)."""
        return self.stage_lengths(lengths, factor)[-1]

    def extend(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Hook before the first block: may append rows to `embeddings` (C, L, D)."""
        return embeddings, lengths

    def select(self, hidden: Tensor, lengths: Tensor, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Hook after the last block: chooses the rows that are the output, (C, M, D) and (C,)."""
        return hidden, stages[-1]

    def forward(self, hidden: Tensor, lengths: Tensor, counts: Tensor) -> Tensor:
        """Pool `hidden` (C, L, D) with `lengths` (C,) rows into (C, max counts, D)."""
        groups = balanced_groups(lengths, counts)
        return self.reduce(gather_groups(hidden, groups), groups.mask)

    def reduce(self, grouped: Tensor, mask: Tensor) -> Tensor:
        """One vector for each group.

        Args:
            grouped: (C, M, G, D) rows by group, zero where `mask` is False.
            mask: (C, M, G) True for the members of a group.

        Returns:
            (C, M, D)
        """
        raise NotImplementedError
