"""`arc-eval`: answer a benchmark with one or more systems.

Run command: ``arc-eval checkpoint=<run>/compressor system=[arc,open_book] benchmark=toy_qa``
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from arc_encoder.cli.app import choose_device, run_app
from arc_encoder.cli.train import build_decoders, decoder_texts, prepare_folder
from arc_encoder.data.collator import ArcCollator
from arc_encoder.errors import CheckpointError, ConfigError
from arc_encoder.evaluation.results import Row, write_results
from arc_encoder.evaluation.runner import evaluate
from arc_encoder.evaluation.session import Session
from arc_encoder.model.arc_model import ArcModel
from arc_encoder.model.decoder import FrozenDecoder
from arc_encoder.model.interchange.tokenizer import load_tokenizer
from arc_encoder.model.pretrained import ArcEncoderModel
from arc_encoder.reporting.tables import markdown_table

KEYS = {
    "checkpoint",
    "encoder_tokenizer",
    "imports",
    "factors",
    "batch_size",
    "seed",
    "threads",
    "device",
    "benchmark",
    "systems",
    "decoders",
    "paths",
    "experiment_name",
}


def open_session(
    decoders: Mapping[str, FrozenDecoder],
    decoder_name: str,
    checkpoint: str | None,
    *,
    batch_size: int,
    device: str = "cpu",
    encoder_tokenizer: str | None = None,
) -> tuple[Session, int | None]:
    """A session for one decoder, and the pooling factor that its ARC-Encoder was trained with.

    Raises:
        CheckpointError: the checkpoint cannot be loaded or does not serve this decoder.
    """
    decoder = decoders[decoder_name]
    compressor, tokenizer, trained = None, decoder.tokenizer, None
    if checkpoint is not None:
        try:
            compressor = ArcEncoderModel.from_pretrained(checkpoint, dtype=torch.float32, use_safetensors=True).eval()
            tokenizer = load_tokenizer(checkpoint, tokenizer=encoder_tokenizer, vocabulary=compressor.vocabulary)
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"checkpoint={checkpoint}: no compressor could be loaded ({error}); give a folder such as <run>/compressor"
            ) from error
        trained = compressor.encoder.pooling.overall_factor
    model = ArcModel(compressor, {decoder_name: decoder}).to(device)
    if compressor is not None:
        compressor.to(device)
    collator = ArcCollator(tokenizer, decoder_texts({decoder_name: decoder}))
    return Session(model, collator, decoder_name, batch_size=batch_size, device=torch.device(device)), trained


def run(config: DictConfig) -> list[Row]:
    """Evaluate as `config` says, write results.json and report.md, print the table."""
    if config.threads:
        torch.set_num_threads(config.threads)
    L.seed_everything(config.seed, verbose=False)
    folder = Path(config.paths.run)
    prepare_folder(folder, config)
    systems: dict[str, Any] = {str(name): instantiate(node) for name, node in (config.get("systems") or {}).items()}
    if not systems:
        raise ConfigError("no system was given; choose at least one, such as system=open_book")
    needing = [name for name, system in systems.items() if system.needs_compressor]
    if needing and config.checkpoint is None:
        raise ConfigError(
            f"system {', '.join(needing)} needs a trained ARC-Encoder: give checkpoint=<run>/compressor, or choose system=open_book"
        )
    benchmark = instantiate(config.benchmark)
    device = choose_device(config.device)
    decoders = build_decoders(config.get("decoders") or {})
    rows: list[Row] = []
    for name in decoders:
        session, trained = open_session(
            decoders,
            name,
            config.checkpoint if needing else None,
            batch_size=config.batch_size,
            device=device,
            encoder_tokenizer=config.encoder_tokenizer,
        )
        factors = list(config.factors) or [None]
        rows += evaluate(
            systems, [benchmark], session, factors=factors, folder=folder / "examples", trained_factor=trained
        )
    write_results(folder / "results.json", rows)
    table = markdown_table(rows)
    (folder / "report.md").write_text(f"# Results\n\n{table}\n")
    print(table)
    print(f"written to {folder}")
    return rows


def main() -> None:
    """Console entry point."""
    run_app("eval", lambda config: run(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
