"""`arc-plan`: parameters, memory, work and speed of a training, before any weight is loaded.

Run command: ``arc-plan experiment=paper/pretrain_arc8_llama``. It takes the configuration of
`arc-train`. Models are built on the meta device from a folder's config.json or from a bundled
architecture; the data is not read.
"""

from __future__ import annotations

from huggingface_hub import constants

from arc_encoder.config.app.run import run_app
from arc_encoder.tools.planning.configured import UNREAD, plan_of


def main() -> None:
    """Console entry point."""
    constants.HF_HUB_OFFLINE = True  # nothing is asked of the hub; what is not bundled must be in a folder
    run_app("plan", lambda config: print(plan_of(config)), ignored=UNREAD)
