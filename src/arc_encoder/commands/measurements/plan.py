"""`arc-plan`: parameters, memory, work and speed of a training, before any weight is loaded; and what serving needs.

Run command: ``arc-plan experiment=paper/pretrain_arc8_llama``, or
``arc-plan serve experiment=paper/finetune_arc4_llama document_tokens=1024``. It takes the configuration of
`arc-train`. Models are built on the meta device from a folder's config.json or from a bundled
architecture; the data is not read.
"""

from __future__ import annotations

from collections.abc import Callable

from huggingface_hub import constants
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.tools.planning.configured import UNREAD, plan_of
from arc_encoder.tools.planning.costs.serving import serving_plan_of


def main() -> None:
    """Console entry point."""
    _run("plan", plan_of)


def serve() -> None:
    """Console entry point of `arc-plan serve`."""
    _run("plan_serve", serving_plan_of)


def _run(config_name: str, plan: Callable[[DictConfig], str]) -> None:
    constants.HF_HUB_OFFLINE = True  # nothing is asked of the hub; what is not bundled must be in a folder
    run_app(config_name, lambda config: print(plan(config)), ignored=UNREAD)
