"""`arc-quickstart`: pretrain, fine-tune and evaluate an ARC-Encoder on the bundled toy world.

The same code and configurations as `arc-train experiment=toy/pretrain`, then
`arc-train experiment=toy/finetune`, then `arc-eval`, one after the other in one folder.
"""

from __future__ import annotations

import sys

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import run_app
from arc_encoder.tools.quickstart import quickstart


def main() -> None:
    """Console entry point."""
    if chosen := next((word for word in sys.argv[1:] if word.startswith("decoder=")), None):
        fail(f"{chosen}: the quickstart's decoder is chosen with decoder_name={chosen.partition('=')[2]}")
    run_app("quickstart", quickstart)
