"""Training whose weights, gradients and moments are divided among processes (FSDP2).

Each layer of the encoder and of the frozen decoders is gathered when its turn comes and let go
afterwards; what belongs to no layer (embeddings, heads, projectors, task tokens) is gathered for the
whole step. Every process must call the same layers in the same order: a step has one task and one
decoder on all of them, and contexts are encoded in one group.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.language_models.activation_checkpointing import layers_of


class ShardedStrategy(ModelParallelStrategy):
    """FSDP2 over all processes of the run; checkpoints are single files, which every strategy reads.

    Args:
        options: further arguments of Lightning's `ModelParallelStrategy`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"save_distributed_checkpoint": False, "tensor_parallel_size": 1, **options})

    def setup_environment(self) -> None:
        if self._data_parallel_size == "auto":
            self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """State of an optimizer as one process alone would have it; empty on all but the first."""
        plain: Any = getattr(optimizer, "_optimizer", optimizer)
        saved = plain.state_dict()
        state = {number: full_state_dict(values) for number, values in saved["state"].items()}
        return {"state": state, "param_groups": saved["param_groups"]} if self.is_global_zero else {}

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint of any strategy.

        Raises:
            CheckpointError: it holds other weights than those that are trained.
        """
        module = self.lightning_module
        assert module is not None
        saved = torch.load(checkpoint_path, map_location="cpu", mmap=True, weights_only=True)["state_dict"].keys()
        differing = sorted(saved ^ module.state_dict().keys())
        if differing:
            raise CheckpointError(
                f"{checkpoint_path} holds other weights than this training: {', '.join(differing[:8])} differ; resume with the "
                "settings that it was written with"
            )
        # Lightning would miss the decoders, which no checkpoint holds, and would take the numbers of an optimizer's
        # parameters for their places in the model.
        optimizers, self.optimizers = self.optimizers, []
        module.strict_loading = False
        try:
            checkpoint = super().load_checkpoint(checkpoint_path, weights_only=weights_only)
        finally:
            module.strict_loading, self.optimizers = True, optimizers
        for optimizer, state in zip(optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(divided_state(optimizer, state))
        return checkpoint


def shard(model: ArcForCausalLM, mesh: DeviceMesh) -> None:
    """Divide the weights of `model` among the processes of `mesh`, in place.

    Raises:
        ConfigError: settings with which processes would call layers differently often.
    """
    compressor = model.compressor
    if compressor.config.length_buckets != 1:
        raise ConfigError(
            f"length_buckets={compressor.config.length_buckets}: with sharded weights all processes must encode equally often; set it to 1"
        )
    if compressor.encoder.adapter.adds_weights:
        raise ConfigError("an adapter on the encoder cannot be trained with sharded weights; choose the strategy ddp")
    placed = [name for name, decoder in model.frozen_decoders().items() if decoder.placement.managed]
    if placed:
        raise ConfigError(
            f"decoder {', '.join(placed)}: a device of its own or offload does not go with sharded weights; leave both "
            "away, or choose the strategy ddp"
        )
    for part in (compressor.encoder.backbone, *(decoder.model for decoder in model.frozen_decoders().values())):
        for layer in layers_of(part):
            fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for method in ("generate", "sample_losses"):  # entered from outside, besides `forward`
        register_fsdp_forward_method(model, method)


def divided_state(optimizer: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """An optimizer's saved state, its tensors divided as the weights are that they belong to."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state = {
        number: {name: _divided(value, weights[number]) for name, value in values.items()}
        for number, values in saved["state"].items()
    }
    return {"state": state, "param_groups": saved["param_groups"]}


def _divided(value: Any, weight: Tensor) -> Any:
    if not isinstance(weight, DTensor) or not isinstance(value, Tensor) or value.shape != weight.shape:
        return value
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)


def whole(tensor: Tensor) -> Tensor:
    """A tensor with all its parts; every process must ask for it."""
    full: Any = getattr(tensor, "full_tensor", None)
    gathered: Tensor = tensor if full is None else full()
    return gathered


def full_state_dict(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dictionary with all parts of its tensors, on the CPU; every process must ask for it."""
    with torch.no_grad():
        return {name: whole(tensor).cpu() for name, tensor in state.items()}
