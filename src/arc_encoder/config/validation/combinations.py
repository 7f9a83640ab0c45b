"""What only shows when parts of a configuration are seen together: combinations that cannot work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig

from arc_encoder.config.app.advice import with_advice
from arc_encoder.core.errors import ArcError, ConfigError
from arc_encoder.training.optim.trainable import check_adapter, layer_numbers


def concerned(path: str, problems: list[str]) -> bool:
    """Whether one of `problems` names a key below `path`."""
    return any(problem.startswith((f"{path}.", f"{path}:", f"{path}=")) for problem in problems)


def combinations(config: DictConfig, problems: list[str]) -> list[str]:
    """What only shows when parts are seen together."""
    found = _encoder(config, problems) + _start(config, problems)
    if not concerned("model.pooling", problems) and not concerned("data.factors", problems):
        found += _pooling_factors(config)
        if not concerned("data.growth", problems):
            found += _growth(config)
    if not concerned("trainer", problems) and not concerned("optim", problems):
        found += _lengths(config)
    if not concerned("data", problems) and not concerned("objective", problems):
        found += _text_forms(config)
    data = config.get("data") or {}
    for name in config.get("decoders") or {}:
        weights = data.get("decoder_weights")
        if weights and name not in weights:
            found.append(f"data.decoder_weights lacks decoder {name!r}")
    return found


def _encoder(config: DictConfig, problems: list[str]) -> list[str]:
    """A pooling that does not fit the encoder, and layers that it does not have."""
    model: Mapping[str, Any] = config.get("model") or {}
    if concerned("model.encoder", problems) or model.get("encoder") is None or model.get("pooling") is None:
        return []
    try:
        encoder = instantiate(model["encoder"])
        layers = encoder.config().num_hidden_layers
    except ArcError as error:
        return [f"model.encoder: {with_advice(error)}"]
    found = []
    if not concerned("model.pooling", problems):
        pooling = instantiate(model["pooling"])
        steps = len(pooling.factors())
        if steps > layers:
            found.append(
                f"model.pooling.schedule has {steps} steps, but the truncated encoder has only {layers} layers"
            )
        try:
            pooling.check_mask(encoder.causal)
        except ArcError as error:
            found.append(f"model.pooling: {with_advice(error)}")
        if model.get("layer_mix") and steps in (0, layers):
            found.append(
                f"model.layer_mix=true needs a layer before the pooling blocks; the truncated encoder has {layers}, of which {steps} pool"
            )
    optim = config.get("optim") or {}
    if not concerned("optim", problems):
        try:
            check_adapter(encoder.adapter, optim.get("train_encoder", True))
            layer_numbers(optim.get("train_layers"), layers)
        except ArcError as error:
            found.append(f"optim: {with_advice(error)}")
    return found


def _start(config: DictConfig, problems: list[str]) -> list[str]:
    """A start of the vectors that pooling or projector have no room for."""
    model: Mapping[str, Any] = config.get("model") or {}
    gain = model.get("gain")
    found = [f"model.gain={gain} must be above 0; null has none"] if isinstance(gain, int | float) and gain <= 0 else []
    if not model.get("start"):
        return found
    checks = {"model.pooling": lambda node: instantiate(node).check_start()}
    checks["model.projector"] = lambda node: get_object(node["_target_"]).check_start()
    for path, check in checks.items():
        node = model.get(path.removeprefix("model."))
        if node is None or concerned(path, problems):
            continue
        try:
            check(node)
        except ArcError as error:
            found.append(f"model.start: {with_advice(error)}")
    return found


def _growth(config: DictConfig) -> list[str]:
    """A growth that the pooling cannot follow, or that begins beyond its goal."""
    data = config.get("data") or {}
    pooling = (config.get("model") or {}).get("pooling")
    if not data.get("growth") or pooling is None:
        return []
    growth, own = instantiate(data["growth"]), instantiate(pooling)
    if not growth.grows:
        return []
    goals = [float(factor) for factor in data.get("factors") or []] or [own.overall_factor]
    if None in goals:
        return ["data.growth: this pooling has no factor that could grow; choose growth=none"]
    try:
        growth.check(goals)
        own.factors((growth.start + max(goals)) / 2 + 0.01)  # one on the way, which is not whole
    except ArcError as error:
        return [f"data.growth: {with_advice(error)}; choose growth=none, or another pooling"]
    return []


def _text_forms(config: DictConfig) -> list[str]:
    """Tasks that a distillation has nothing to distil from."""
    objective = config.get("objective")
    if not objective or not instantiate(objective).needs_reference:
        return []
    found = []
    for name, node in ((config.get("data") or {}).get("tasks") or {}).items():
        task = instantiate(node)
        if task.share > 0 and not task.has_text_form:
            found.append(
                f"objective: data.tasks.{name} has documents of any length, whose text the decoder could not read whole; give it "
                "max_tokens, or choose objective=cross_entropy"
            )
    return found


def _pooling_factors(config: DictConfig) -> list[str]:
    """Pooling factors of the data that contradict the model's pooling."""
    node = (config.get("model") or {}).get("pooling")
    factors = (config.get("data") or {}).get("factors")
    if node is None or not factors:
        return []
    pooling, found = instantiate(node), []
    for factor in factors:
        try:
            if int(factor) < 1:
                raise ConfigError(f"pooling factor {factor} is not possible: give a whole number from 1 on")
            pooling.factors(int(factor))
        except (ArcError, ValueError) as error:
            found.append(f"data.factors: {with_advice(error)}")
    own = pooling.overall_factor
    if not found and own is not None and own not in {int(factor) for factor in factors}:
        shown = ", ".join(map(str, dict.fromkeys(factors)))
        found.append(
            f"model.pooling.factor={own} would never be trained: data.factors holds {shown}; "
            f"add {own} there, or train this factor alone with data.factors=null"
        )
    return found


def _lengths(config: DictConfig) -> list[str]:
    """Numbers of steps and batches that contradict the length of the run."""
    trainer, found = config.get("trainer") or {}, []
    warmup, steps = (config.get("optim") or {}).get("warmup_steps"), trainer.get("max_steps")
    if warmup is not None and steps is not None and 0 < steps <= warmup:
        found.append(f"optim.warmup_steps={warmup} must be smaller than trainer.max_steps={steps}")
    every = trainer.get("val_check_interval")
    if (config.get("data") or {}).get("validation") and isinstance(every, int) and steps is not None:
        batches = steps * (trainer.get("accumulate_grad_batches") or 1)
        if 0 < batches < every:
            found.append(
                f"trainer.val_check_interval={every} is longer than the run of {batches} batches, which would never be validated; lower it"
            )
    return found
