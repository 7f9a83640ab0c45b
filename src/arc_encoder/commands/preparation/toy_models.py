"""`arc-toy-models`: make a bundled toy model again. Run command: ``arc-toy-models toy_model=toy_a``."""

from __future__ import annotations

from arc_encoder.config.app.run import run_app
from arc_encoder.tools.toy.train import train_toy_model


def main() -> None:
    """Console entry point."""
    run_app("toy_model", train_toy_model)


if __name__ == "__main__":
    main()
