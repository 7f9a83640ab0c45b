"""Whether a checkpoint is one of the model that a run would continue with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from arc_encoder.core.errors import CheckpointError
from arc_encoder.core.run_folder.record import changed_settings, read_config
from arc_encoder.model.language_models.state_dict_mismatch import state_dict_mismatches
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.optim.optimizer import make_optimizer

DECIDING = ("model.", "decoders.", "optim.")  # settings that decide which weights there are, and which are trained
SHOWN = 6  # of each kind of difference


def check_same_model(checkpoint: str, module: ArcLightningModule, settings: Mapping[str, Any] | None = None) -> None:
    """Refuse a checkpoint whose weights do not fit, before anything is written.

    A sharded checkpoint, a folder, is left to its own reader.

    Raises:
        CheckpointError: which settings differ, and which weights.
    """
    path = Path(checkpoint).resolve()
    if path.is_dir():
        return
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    weights = state_dict_mismatches(content.get("state_dict", {}), module.state_dict())
    problems = weights or _trained_otherwise(content, module)
    if not problems:
        return
    run = path.parent.parent
    before = read_config(run) if settings is not None else None
    changed = (
        [] if before is None else [f"{key} {values}" for key, values in changed_settings(before, settings).items()]
    )
    deciding = [each for each in changed if each.startswith(DECIDING)]
    reason = f"settings that differ: {_first(deciding)}; " if deciding else ""
    raise CheckpointError(
        f"{checkpoint} was written by a run of another model, which cannot be continued with this one: {reason}"
        f"{len(problems)} parts do not fit ({_first(problems)}). Give the settings that the run began with",
        advice="own-settings" if before is not None else None,
        run=run,
    )


def _trained_otherwise(content: Mapping[str, Any], module: ArcLightningModule) -> list[str]:
    """Groups of the optimizer that hold another number of weights than those of the checkpoint."""
    states = content.get("optimizer_states") or []
    if len(states) != 1:
        return []
    optimizer = make_optimizer(module.model.compressor, module.optim, 1)["optimizer"]
    saved, expected = _sizes(states[0]["param_groups"]), _sizes(optimizer.param_groups)
    return [
        f"trained in {name}: saved {saved.get(name, 0)} weights, expected {expected.get(name, 0)}"
        for name in {**saved, **expected}
        if saved.get(name) != expected.get(name)
    ]


def _sizes(groups: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {str(group.get("name")): len(group["params"]) for group in groups}


def _first(texts: Sequence[str]) -> str:
    more = f", and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
