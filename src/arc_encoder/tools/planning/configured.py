"""The plan of a training, from its configuration. Models are built on the meta device; the data is not read."""

from __future__ import annotations

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from arc_encoder.core.compute import compute_dtype
from arc_encoder.core.errors import ConfigError, check_number
from arc_encoder.data.tasks import Task
from arc_encoder.tools.planning.costs.workload import Lengths, Workload, batch_of
from arc_encoder.tools.planning.estimate import Estimate, Machine, estimate
from arc_encoder.tools.planning.parts import Parts, build_parts
from arc_encoder.tools.planning.report import plan_text

UNREAD = ("data.tasks.", "data.validation.", "model.encoder: no encoder backbone")  # neither data nor weights are read
WHOLE = ("gpus", "document_tokens", "question_tokens", "answer_tokens")
NUMBERS = ("gpu_memory_gib", "reserve_gib", "peak_tflops", "utilisation")


def check_numbers(config: DictConfig) -> None:
    """Refuse what is no number.

    Raises:
        ConfigError: naming the key.
    """
    for key in (*WHOLE, *NUMBERS):
        if key != "gpus" or config[key] is not None:
            check_number(key, config[key], lowest=int(key in WHOLE), whole=key in WHOLE)
    if config.sharded not in (None, True, False):
        raise ConfigError(f"sharded={config.sharded!r}: expected true, false or null")


def estimate_of(config: DictConfig, parts: Parts | None = None) -> Estimate:
    """The estimate of a composed configuration.

    Raises:
        ConfigError: a setting that cannot be planned.
        CheckpointError: an architecture that is not known here.
    """
    computed = compute_dtype(config.trainer.get("precision", "32-true"), "trainer.precision")
    lengths = Lengths(config.document_tokens, config.question_tokens, config.answer_tokens)
    weights = config.data.get("decoder_weights")
    return estimate(
        parts or parts_of(config),
        {str(name): workload_of(node, config.data.batch_size, lengths) for name, node in config.data.tasks.items()},
        machine_of(config),
        compute=computed.itemsize,
        decoder_weights=None if not weights else {str(name): float(weight) for name, weight in weights.items()},
    )


def parts_of(config: DictConfig) -> Parts:
    """Encoder, heads and decoders of a composed configuration, on the meta device."""
    model = config.model
    cast = ((config.get("callbacks") or {}).get("mixed_precision") or {}).get("decoder_dtype")
    return build_parts(
        instantiate(model.encoder),
        instantiate(model.pooling),
        instantiate(model.projector),
        {
            str(name): (str(node.path), str(cast or node.get("dtype", "float32")))
            for name, node in (config.get("decoders") or {}).items()
        },
        optim=instantiate(config.optim),
        chunking=instantiate(model.chunking),
        task_tokens=model.task_tokens,
        decoder_adapter=instantiate(model.decoder_adapter) if model.get("decoder_adapter") else None,
        chat=_decoders_with(config, "chat"),
        elsewhere=_decoders_with(config, "device"),
        resting=_decoders_with(config, "offload"),
    )


def _decoders_with(config: DictConfig, key: str) -> list[str]:
    return [str(name) for name, node in (config.get("decoders") or {}).items() if node.get(key)]


def machine_of(config: DictConfig) -> Machine:
    """The machine that a configuration describes.

    Raises:
        ConfigError: the number of GPUs is not known.
    """
    gpus = config.gpus
    if gpus is None:
        devices = config.trainer.get("devices", 1)
        gpus = len(devices) if OmegaConf.is_list(devices) else devices
        if not isinstance(gpus, int) or gpus < 1:
            raise ConfigError(f"trainer.devices={devices} does not say how many GPUs there are; set gpus=…")
        gpus *= config.trainer.get("num_nodes", 1)
    strategy = str(config.trainer.get("strategy", "auto"))
    sharded = config.sharded
    return Machine(
        gpus=gpus,
        memory_gib=config.gpu_memory_gib,
        peak_tflops=config.peak_tflops,
        utilisation=config.utilisation,
        reserve_gib=config.reserve_gib,
        sharded=any(word in strategy.lower() for word in ("fsdp", "sharded", "deepspeed"))
        if sharded is None
        else sharded,
    )


class _Unread:
    """Stands in for a source, of which only the length may be asked."""

    def __len__(self) -> int:
        return 2**31


def workload_of(node: DictConfig, batch_size: int, lengths: Lengths) -> tuple[float, Workload]:
    """Share and batch of a task, whose source is not read."""
    kind = get_object(node["_target_"])
    task: Task = kind(_Unread(), **{str(key): node[key] for key in node if key not in ("_target_", "source")})
    return task.share, batch_of(task, batch_size, lengths)


def plan_of(config: DictConfig) -> str:
    """What the training of `config` needs, in words and tables.

    Raises:
        ConfigError: a setting that cannot be planned.
        CheckpointError: an architecture that is not known here.
    """
    check_numbers(config)
    parts = parts_of(config)
    trainer = config.trainer
    return plan_text(
        parts,
        estimate_of(config, parts),
        title=config.experiment_name,
        steps=trainer.max_steps,
        accumulate=trainer.get("accumulate_grad_batches") or 1,
    )
