"""`arc-toy-models`: make a bundled toy model again. Run command: ``arc-toy-models toy_model=toy_a``."""

from __future__ import annotations

from arc_encoder.config.app.run import run_app
from arc_encoder.tools.toy.train import train_toy_model

KEYS = {
    "model", "world_seed", "seed", "window", "steps", "stop_after", "init_from", "batch_size", "threads",
    "validate_every", "mix", "optim", "logs", "output",
}  # fmt: skip


def main() -> None:
    """Console entry point."""
    run_app("toy_model", train_toy_model, keys=KEYS)


if __name__ == "__main__":
    main()
