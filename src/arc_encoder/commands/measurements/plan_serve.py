"""`arc-plan serve`: what serving a decoder with its ARC-Encoder needs, before any weight is loaded.

Run command: ``arc-plan serve experiment=paper/finetune_arc4_llama document_tokens=1024``
"""

from __future__ import annotations

from huggingface_hub import constants

from arc_encoder.config.app.run import run_app
from arc_encoder.tools.planning.configured import UNREAD
from arc_encoder.tools.planning.costs.serving import serving_plan_of


def main() -> None:
    """Console entry point."""
    constants.HF_HUB_OFFLINE = True  # nothing is asked of the hub; what is not bundled must be in a folder
    run_app("plan_serve", lambda config: print(serving_plan_of(config)), ignored=UNREAD)
