"""All commands: where each is defined, and what it does in one line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command of `arc`.

    Attributes:
        module: that has its `main`.
        about: what it does, in one line.
        config: its primary configuration, where it takes Hydra's overrides.
    """

    module: str
    about: str
    config: str | None = None


COMMANDS = {
    "quickstart": Command("quickstart", "train, fine-tune and evaluate on the bundled toy world", "quickstart"),
    "train": Command("train", "train an ARC-Encoder in front of frozen decoders", "train"),
    "eval": Command("evaluate", "evaluate compressors and baselines on benchmarks", "eval"),
    "ask": Command("ask", "ask a question about a document, from text and from vectors", "ask"),
    "compress": Command("compress", "compress files of documents into a store of vectors", "compress"),
    "serve": Command("serve", "serve a decoder that reads documents as vectors, by OpenAI's protocol", "serve"),
    "store": Command("store", "look after a store of compressed documents"),
    "probe": Command("probe", "train a probe that foretells answers that are lost in vectors", "probe"),
    "report": Command("report", "tables, plots and a page of finished runs; examples; comparisons"),
    "ablate": Command("ablate", "train and evaluate the variants of an ablation", "ablate"),
    "data": Command("data", "look at data before training on it, and prepare public sets"),
    "models": Command("models", "fetch language models by name"),
    "convert": Command("convert", "convert a trained compressor: dtype, layout, released checkpoints", "convert"),
    "plan": Command("plan", "memory, time and data that a training needs, without running it", "plan"),
    "bench": Command("bench", "measure the speed of training and encoding", "bench"),
    "parity": Command("parity", "compare with golden vectors of the method's public implementation"),
    "lm-eval": Command("lm_eval", "run tasks of lm-evaluation-harness on compressed contexts"),
    "toy-models": Command("toy_models", "train the toy world's language models anew", "toy_model"),
}

# What the first word after a command makes of it.
NESTED = {
    ("bench", "serve"): Command("bench_serve", "measure the speed of a gateway", "bench_serve"),
    ("plan", "serve"): Command("plan_serve", "memory and work of serving", "plan_serve"),
}
