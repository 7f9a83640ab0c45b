"""Text → samples → batches."""

from arc_encoder.data.datamodule import ArcDataModule

__all__ = ["ArcDataModule"]
