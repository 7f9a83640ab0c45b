"""From the names of metrics in a benchmark's configuration to the scores of an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.metrics.answers import METRICS
from arc_encoder.evaluation.metrics.pieces import exact_match_by_kind, faithfulness

LOSS = "answer_token_loss"
# name → (prediction, accepted answers, document) → metric → (value, weight in the mean)
SPLITS: dict[str, Callable[[str, Sequence[str], str], dict[str, tuple[float, float]]]] = {
    "faithfulness": lambda prediction, answers, document: faithfulness(prediction, document),
    "exact_match_by_kind": lambda prediction, answers, document: exact_match_by_kind(prediction, answers),
}


class Scoring:
    """The metrics of a benchmark.

    Args:
        names: of single metrics, of groups of them (`faithfulness`, `exact_match_by_kind`), or `answer_token_loss`:
            cross-entropy of the first accepted answer, in nats a token.

    Raises:
        ConfigError: an unknown one, or none at all.
    """

    def __init__(self, names: Sequence[str]) -> None:
        known = [*METRICS, *SPLITS, LOSS]
        for name in names:
            if name not in known:
                raise ConfigError(f"metric {name!r} is unknown; choose from {', '.join(known)}")
        if not names:
            raise ConfigError(f"no metric was chosen; choose from {', '.join(known)}")
        self.names = tuple(names)

    @property
    def wants_loss(self) -> bool:
        """Whether the accepted answer has to be scored by the decoder too."""
        return LOSS in self.names

    @property
    def wants_answers(self) -> bool:
        """Whether anything has to be generated."""
        return self.names != (LOSS,)

    def scores(
        self, prediction: str, answers: Sequence[str], document: str
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Values, and weights where they are not 1."""
        values: dict[str, float] = {}
        weights: dict[str, float] = {}
        for name in self.names:
            if name in METRICS:
                values[name] = METRICS[name](prediction, answers)
            elif name in SPLITS:
                for metric, (value, weight) in SPLITS[name](prediction, answers, document).items():
                    values[metric], weights[metric] = value, weight
        return values, weights
