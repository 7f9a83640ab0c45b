"""Rotary scaling of long-context models, as a switch.

The method's implementation ignores the scaling of Llama 3.1 and 3.2, so released ARC-Encoders
and the decoders that they were trained in front of ran without it. Below 8,000 positions the
difference is small.
"""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig


def has_rotary_scaling(config: PretrainedConfig) -> bool:
    """Whether a model scales its rotary positions."""
    return any(part.get("rope_type", "default") != "default" for part in _parts(config))


def without_rotary_scaling(config: PretrainedConfig) -> None:
    """Switch rotary scaling off in a configuration that no model was made of yet; the base stays."""
    for part in _parts(config):
        if part.get("rope_type", "default") != "default":
            kept = {name: value for name, value in part.items() if name in ("rope_theta", "partial_rotary_factor")}
            part.clear()
            part.update(kept, rope_type="default")


def _parts(config: PretrainedConfig) -> list[dict[str, Any]]:
    """Rotary settings: one set, or one for each kind of layer."""
    found = getattr(config.get_text_config(), "rope_parameters", None) or {}
    nested = [part for part in found.values() if isinstance(part, dict)]
    return nested or [found]
