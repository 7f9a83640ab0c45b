"""`arc-convert`: released ARC-Encoders into Hugging Face-style folders, and back; and smaller copies of any.

Run command: ``arc-convert input=kyutai/ARC8_Encoder_Llama output=models/arc8_llama``
"""

from __future__ import annotations

from functools import partial

from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.settings import need
from arc_encoder.model.checkpoint.convert import convert


def run(config: DictConfig) -> None:
    """Convert as `config` says, and print what was written."""
    need(config, "input", "output", usage="arc-convert input=<folder or hub name> output=<folder>")
    same = ("layout", "dtype", "backbone", "tokenizer", "whole", "overwrite")
    found = convert(
        config.input,
        config.output,
        average_with=list(config.average_with),
        decoders=None if config.decoders is None else list(config.decoders),
        **{key: config[key] for key in same},
    )
    print(f"{config.input} → {found.folder}: {found.parameters:,} parameters, decoders {', '.join(found.decoders)}")
    if found.note:
        print(found.note)


main = partial(run_app, "convert", run)
