"""ARC-Encoder: compress a text into a few vectors that a frozen decoder reads in place of its tokens.

from arc_encoder import CompressedContext, Compressor, Context

compressor = Compressor.from_pretrained("logs/quickstart/latest/finetune/compressor", decoder="data/toy_world/toy_a")
vectors = compressor.compress(["a document", "another one"])
answers = compressor.generate([["Document: ", Context("a document"), "\\nQuestion: …?\\nAnswer:"]])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arc_encoder.inference import CompressedContext, Compressor, Context
    from arc_encoder.model.arc_config import ArcEncoderConfig
    from arc_encoder.model.pretrained import ArcEncoderModel

__version__ = "0.1.0"
__all__ = ["ArcEncoderConfig", "ArcEncoderModel", "CompressedContext", "Compressor", "Context", "__version__"]


def __getattr__(name: str) -> Any:
    # Imported when used, so that `arc-train --help` does not wait for torch.
    if name in ("CompressedContext", "Compressor", "Context"):
        from arc_encoder import inference

        return getattr(inference, name)
    if name == "ArcEncoderConfig":
        from arc_encoder.model.arc_config import ArcEncoderConfig

        return ArcEncoderConfig
    if name == "ArcEncoderModel":
        from arc_encoder.model.pretrained import ArcEncoderModel

        return ArcEncoderModel
    raise AttributeError(f"module 'arc_encoder' has no attribute {name!r}")
