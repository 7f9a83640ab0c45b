"""`arc-bench all`: every promised figure of speed and memory beside its limit.

Run command: ``arc-bench all output=bench.json`` and later ``arc-bench all compare=bench.json``
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.settings import set_up_process


def run(config: DictConfig) -> None:
    """Measure as `config` says, print tables, and exit with status 1 if something became worse."""
    from hydra.utils import instantiate

    from arc_encoder.tools.bench.suite.run import comparison, figures_table, measure_all, read_figures

    set_up_process(config)
    before = None if config.compare is None else read_figures(Path(config.compare))
    output = None if config.output is None else Path(config.output)
    found = measure_all(instantiate(config.parts, _convert_="all"), only=list(config.only), output=output)
    print(figures_table(found))
    if before is None:
        return
    shown, worse = comparison(before, found, config.tolerance)
    print(f"\n{shown}")
    if worse:
        print(f"\nworse than in {config.compare}: {'; '.join(worse)}")
        sys.exit(1)


main = partial(run_app, "bench_all", run)
