"""A probe that predicts, before an answer is generated, whether vectors have lost it.

It sees what the frozen decoder makes of vectors and question: its hidden states at the prompt's last position, how sure
it is of the first token, how many tokens each vector stands for, and how faithful the vectors are, where that was
measured. A logistic regression on these is what Alain and Bengio (2016) call a linear probe.

Shape legend: B prompts, F features, E decoder width.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from arc_encoder.core.atomic import atomic_path
from arc_encoder.core.errors import CheckpointError, ConfigError, DataError, check_number, writing
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.generation.answering import Answering
from arc_encoder.inference.generation.prompts import Parts

KEY = "answer_probe"
VERSION = 1
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # of the weights' squares, tried on folds
FOLDS = 4


class AnswerProbe:
    """Features of prompts → how probable it is that their answer is lost.

    Args:
        mean, scale: (F,) of the features in training.
        weight: (F,) of the standardised features.
        bias: a number.
        encoder, decoder_name: of the vectors that it was trained on: fingerprint and name.
    """

    def __init__(
        self, mean: Tensor, scale: Tensor, weight: Tensor, bias: float, encoder: str, decoder_name: str
    ) -> None:
        self.mean, self.scale, self.weight, self.bias = mean, scale, weight, bias
        self.encoder, self.decoder_name = encoder, decoder_name

    @classmethod
    def fit(cls, features: Tensor, lost: Tensor, *, encoder: str, decoder_name: str, seed: int = 0) -> AnswerProbe:
        """Train on prompts whose answers are known.

        Args:
            features: (B, F), see `prompt_features`.
            lost: (B,) True where the text's answer is right and the vectors' is wrong.

        Raises:
            DataError: fewer than ten prompts of either kind, from which nothing can be learned.
        """
        kinds = [int(lost.sum()), int((~lost).sum())]
        if min(kinds) < 10:
            raise DataError(
                f"a probe learns from answers that are lost and answers that are not; there are {kinds[0]} and {kinds[1]}, and ten of "
                "each are needed: ask more questions, or choose a larger factor"
            )
        mean, scale = features.mean(0), features.std(0).clamp(min=1e-6)
        x, y = ((features - mean) / scale).double(), lost.double()
        folds = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed)) % FOLDS
        losses = {}
        for penalty in PENALTIES:
            parts = [_fitted(x[folds != fold], y[folds != fold], penalty) for fold in range(FOLDS)]
            held_out = torch.cat([x[folds == fold] @ w + b for fold, (w, b) in enumerate(parts)])
            wanted = torch.cat([y[folds == fold] for fold in range(FOLDS)])
            losses[penalty] = float(nn.functional.binary_cross_entropy_with_logits(held_out, wanted))
        weight, bias = _fitted(x, y, min(losses, key=losses.__getitem__))
        return cls(mean, scale, weight.float(), float(bias), encoder, decoder_name)

    def risk(self, features: Tensor) -> Tensor:
        """Probability (B,) that the answer is lost.

        Raises:
            CheckpointError: features of another decoder.
        """
        if features.shape[-1] != len(self.weight):
            raise CheckpointError(
                f"the probe knows {len(self.weight)} features, but there are {features.shape[-1]}: it was trained with another decoder"
            )
        features = torch.where(features.isnan(), self.mean, features)  # a fidelity that was not measured says nothing
        return torch.sigmoid((features - self.mean) / self.scale @ self.weight + self.bias)

    def save(self, file: str | Path) -> None:
        """Write a safetensors file, atomically.

        Raises:
            ConfigError: it cannot be written.
        """
        about = {"version": VERSION, "encoder": self.encoder, "decoder_name": self.decoder_name, "bias": self.bias}
        tensors = {"mean": self.mean, "scale": self.scale, "weight": self.weight}
        with writing(f"the probe {file}", errors=(SafetensorError,)), atomic_path(Path(file)) as part:
            save_file(tensors, part, metadata={KEY: json.dumps(about)})

    @classmethod
    def load(cls, file: str | Path) -> AnswerProbe:
        """Read what `save` wrote.

        Raises:
            CheckpointError: no such file, or another kind of file.
        """
        try:
            with safe_open(file, framework="pt") as opened:
                about = json.loads((opened.metadata() or {}).get(KEY, "{}"))
                if about.get("version") != VERSION:
                    raise CheckpointError(f"{file} is no probe of version {VERSION}; train one")
                tensors = {name: opened.get_tensor(name) for name in ("mean", "scale", "weight")}
        except (OSError, SafetensorError, ValueError) as error:
            raise CheckpointError(f"no probe can be read from {file} ({error}); train one") from error
        return cls(
            tensors["mean"],
            tensors["scale"],
            tensors["weight"],
            float(about["bias"]),
            str(about["encoder"]),
            str(about["decoder_name"]),
        )

    def check(self, encoder: str, decoder_name: str) -> None:
        """Refuse to judge vectors of another ARC-Encoder.

        Raises:
            CheckpointError: naming both.
        """
        if (self.encoder, self.decoder_name) != (encoder, decoder_name):
            raise CheckpointError(
                f"the probe was trained on vectors of ARC-Encoder {self.encoder[:12]} for {self.decoder_name!r}, not of "
                f"{encoder[:12]} for {decoder_name!r}; train one for it"
            )


def prompt_features(
    logits: Tensor, hidden: Sequence[Tensor], ratios: Sequence[float], fidelities: Sequence[float]
) -> Tensor:
    """Features (B, F) of prompts.

    Args:
        logits: (B, V) at their last positions.
        hidden: (B, E) there, after each layer.
        ratios: tokens that a vector stands for, in the prompt's documents.
        fidelities: of the least faithful document; NaN where it was not measured.
    """
    chances = logits.float().softmax(-1)
    two = chances.topk(2).values
    entropy = torch.special.entr(chances).sum(-1)
    surface = torch.stack(
        [two[:, 0].log(), two[:, 0] - two[:, 1], entropy, torch.tensor(ratios), torch.tensor(fidelities)], dim=-1
    )
    layers = [hidden[len(hidden) // 2], hidden[-1]]
    return torch.cat([surface, *(layer.float() for layer in layers)], dim=-1).cpu()


def _fitted(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Weight (F,) and bias of the logistic regression with an L2 penalty, which has one minimum."""
    if penalty <= 0:
        raise ConfigError(f"penalty={penalty} must be above 0")
    weight = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros((), dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.binary_cross_entropy_with_logits(x @ weight + bias, y, reduction="sum")
        value = value + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weight.detach(), bias.detach()


@torch.no_grad()
def features_of(answering: Answering, prompts: Sequence[Parts], batch_size: int) -> Tensor:
    """Features (B, F) of prompts whose documents are vectors or text; see `prompt_features`."""
    check_number("batch_size", batch_size, lowest=1)
    if not prompts:
        raise DataError("there is no prompt to judge; give one at least")
    order = sorted(range(len(prompts)), key=lambda i: answering.positions(prompts[i]))
    found: dict[int, Tensor] = {}
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        chosen = [prompts[i] for i in places]
        logits, hidden = answering.at_the_end(chosen)
        contexts = [[part for part in parts if isinstance(part, CompressedContext)] for parts in chosen]
        ratios = [
            sum(each.origin.tokens for each in some) / max(sum(map(len, some)), 1) if some else 1.0 for some in contexts
        ]
        fidelities = [
            min((math.nan if c.fidelity is None else c.fidelity for c in some), default=1.0) for some in contexts
        ]
        rows = prompt_features(logits.cpu(), [each.cpu() for each in hidden], ratios, fidelities)
        found.update(zip(places, rows, strict=True))
    return torch.stack([found[i] for i in range(len(prompts))])
