"""Text → samples → batches."""

from arc_encoder.data.batching.datamodule import ArcDataModule

__all__ = ["ArcDataModule"]
