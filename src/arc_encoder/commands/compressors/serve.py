"""`arc-serve`: a gateway that speaks OpenAI's protocol, and takes documents as vectors.

Run command: ``arc-serve checkpoint=<run>/compressor decoder=toy_a page=true``
"""

from __future__ import annotations

from functools import partial

from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.compressors import load_compressor
from arc_encoder.config.building.settings import need, set_up_process
from arc_encoder.core.errors import ConfigError


def run(config: DictConfig) -> None:
    """Answer requests as `config` says, until the process is told to end."""
    try:
        from arc_encoder.inference.serving.server import gateway_of, serve
    except ModuleNotFoundError as error:
        raise ConfigError(f"arc-serve needs {error.name}; install it with: pip install 'arc-encoder[serve]'") from error
    need(config, "checkpoint", usage="arc-serve checkpoint=<run>/compressor decoder=<name>")
    set_up_process(config)
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
    serve(gateway, host=config.host, port=config.port, grace=config.grace, log_level=config.log_level)


main = partial(run_app, "serve", run)
