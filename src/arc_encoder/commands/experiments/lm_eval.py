"""`arc-lm-eval`: lm-evaluation-harness with the model `arc`, so that any of its tasks runs on a compressor.

Run command: ``arc-lm-eval run --model arc --model_args checkpoint=<run>/compressor,decoder=toy_a --tasks <task>``
"""

from __future__ import annotations

import sys

from arc_encoder.config.app.failing import user_errors
from arc_encoder.config.app.run import quieten
from arc_encoder.config.app.usage import LM_EVAL


def main() -> None:
    """Console entry point."""
    if sys.argv[1:] in ([], ["--help"], ["-h"]):
        print(LM_EVAL, end="")
        return
    from arc_encoder.config.building.harness import register

    with user_errors():
        register()
        quieten()
        from lm_eval.__main__ import cli_evaluate

        cli_evaluate()
