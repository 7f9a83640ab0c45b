"""`arc-probe`: train a probe that predicts lost answers, and measure what falling back is worth.

Run command: ``arc-probe checkpoint=<run>/compressor decoder=toy_a``
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.compressors import load_compressor
from arc_encoder.config.building.settings import need, one_decoder, set_up_process
from arc_encoder.tools.studies.probe import PROBE, check_probe, make_probe


def run(config: DictConfig) -> None:
    """Train and measure as `config` says, and print the results."""
    need(config, "checkpoint", usage="arc-probe checkpoint=<run>/compressor decoder=<name>")
    one_decoder(config)
    output, factors = Path(config.output), list(config.factors)
    numbers = {key: config[key] for key in ("train", "test", "batch_size", "max_new_tokens", "shots")}
    check_probe(output, metric=config.metric, factors=factors, overwrite=config.overwrite, **numbers)
    set_up_process(config)
    results = make_probe(
        load_compressor(config),
        instantiate(config.questions),
        output,
        factors,
        metric=config.metric,
        right_from=float(config.right_from),
        seed=config.seed,
        **numbers,
    )
    print(f"{results}\n{output / PROBE}")


main = partial(run_app, "probe", run)
