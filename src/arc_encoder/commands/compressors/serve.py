"""`arc-serve`: a gateway that speaks OpenAI's protocol, and takes documents as vectors.

Run command: ``arc-serve checkpoint=<run>/compressor decoder=toy_a page=true``
"""

from __future__ import annotations

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.compressors import load_compressor
from arc_encoder.core.errors import ConfigError

KEYS = {
    "checkpoint", "encoder_tokenizer", "backbone", "imports", "decoders", "decoder_name", "threads", "device",
    "dtype", "engine", "store", "model", "host", "port", "api_key_file", "page", "limits", "batch_size", "cache_mib",
    "grace", "log_level", "paths",
}  # fmt: skip


def serve(config: DictConfig) -> None:
    """Answer requests as `config` says, until the process is told to end."""
    try:
        from arc_encoder.inference.serving.server import gateway_of
        from arc_encoder.inference.serving.server import serve as run
    except ModuleNotFoundError as error:
        raise ConfigError(f"arc-serve needs {error.name}; install it with: pip install 'arc-encoder[serve]'") from error
    if config.checkpoint is None:
        raise ConfigError("checkpoint is missing: arc-serve checkpoint=<run>/compressor decoder=<name>")
    if config.threads:
        torch.set_num_threads(config.threads)
    gateway = gateway_of(
        load_compressor(config),
        instantiate(config.engine),
        store=config.store,
        limits=instantiate(config.limits),
        api_key_file=config.api_key_file,
        model=config.model,
        page=config.page,
        max_batch=config.batch_size,
        cache_mib=config.cache_mib,
    )
    print(f"{gateway.model} at http://{config.host}:{config.port}/v1, engine {gateway.engine.name}", flush=True)
    run(gateway, host=config.host, port=config.port, grace=config.grace, log_level=config.log_level)


def main() -> None:
    """Console entry point."""
    run_app("serve", serve, keys=KEYS)


if __name__ == "__main__":
    main()
