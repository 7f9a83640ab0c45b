"""`arc-compress`: documents in, compressed vectors out: a store, or one file.

Run command: ``arc-compress checkpoint=<run>/compressor input=documents.jsonl output=store``. The same words again resume it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.compressors import load_compressor
from arc_encoder.config.building.settings import need, set_up_process
from arc_encoder.core.errors import ConfigError
from arc_encoder.inference.storage.corpus.compress import SINGLE, compress
from arc_encoder.inference.storage.corpus.corpus import FAILED, Outcome

USAGE = "arc-compress checkpoint=<run>/compressor input=<files> output=<folder or file.safetensors>"


def run(config: DictConfig) -> None:
    """Compress as `config` says, and print what became of the documents."""
    need(config, "checkpoint", "input", "output", usage=USAGE)
    set_up_process(config)
    if config.fidelity and (Path(config.output).suffix == SINGLE or not config.get("decoders")):
        raise ConfigError(
            "fidelity=true needs a store (output=<folder>) and the decoder, which reads the documents back: decoder=<name>"
        )
    same = ("factor", "batch_size", "keep_text", "fidelity", "text_field", "on_error", "overwrite")
    outcome = compress(
        partial(load_compressor, config),
        config.input,
        config.output,
        codec=instantiate(config.codec),
        engine=instantiate(config.engine),
        **{key: config[key] for key in same},
    )
    print(describe(outcome, Path(config.output)))


def describe(outcome: Outcome, output: Path) -> str:
    """What became of the documents, in words."""
    done = f"{outcome.compressed} documents → {outcome.vectors} vectors"
    if output.suffix == SINGLE:
        return f"{done} in {output}; {len(outcome.failed)} could not be compressed"
    failed = f"{len(outcome.failed)} could not be compressed{f' (see {output / FAILED})' if outcome.failed else ''}"
    return f"{done}; {outcome.done_before} were there before; {failed}; the store: {output}"


def main() -> None:
    """Console entry point."""
    run_app("compress", run)


if __name__ == "__main__":
    main()
