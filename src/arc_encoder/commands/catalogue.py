"""All commands: where each is defined, and what it does in one line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command of `arc`."""

    module: str
    about: str
    config: str | None = None


COMMANDS = {
    "quickstart": Command("experiments.quickstart", "train, fine-tune and evaluate on the toy world", "quickstart"),
    "train": Command("experiments.train", "train an ARC-Encoder in front of frozen decoders", "train"),
    "eval": Command("experiments.evaluate", "evaluate compressors and baselines on benchmarks", "eval"),
    "ask": Command("compressors.ask", "ask a question about a document, from text and from vectors", "ask"),
    "compress": Command("compressors.compress", "compress files of documents into a store of vectors", "compress"),
    "serve": Command("compressors.serve", "serve a decoder, documents as vectors, by OpenAI's protocol", "serve"),
    "store": Command("compressors.store", "look after a store of compressed documents"),
    "probe": Command("compressors.probe", "train a probe that predicts which answers vectors lose", "probe"),
    "report": Command("experiments.report", "tables, plots and a page of finished runs; examples; comparisons"),
    "ablate": Command("experiments.ablate", "train and evaluate the variants of an ablation", "ablate"),
    "data": Command("preparation.data", "look at data before training on it, and prepare public sets"),
    "models": Command("preparation.models", "fetch language models by name"),
    "convert": Command(
        "compressors.convert", "convert a trained compressor: dtype, layout, released checkpoints", "convert"
    ),
    "plan": Command("measurements.plan", "memory, time and data that a training needs, without running it", "plan"),
    "bench": Command("measurements.bench", "measure the speed of training and encoding", "bench"),
    "parity": Command("measurements.parity", "compare with golden vectors of the method's public implementation"),
    "lm-eval": Command("experiments.lm_eval", "run tasks of lm-evaluation-harness on compressed contexts"),
}
GROUPS = {
    "experiments": "train and evaluate",
    "compressors": "use a trained compressor",
    "preparation": "data and models",
    "measurements": "measure and check",
}


def overview() -> str:
    """All commands, by what they are for."""
    width = max(map(len, COMMANDS))
    lines = ["arc: ARC-Encoder, a context of n tokens in about n/x vectors for a frozen language model"]
    for group, title in GROUPS.items():
        own = {name: command for name, command in COMMANDS.items() if command.module.startswith(group)}
        lines += ["", title, *(f"  arc {name:<{width}}  {command.about}" for name, command in own.items())]
    return "\n".join([*lines, "", "arc <command> --help shows the settings of one; arc-<command> is the same command."])
