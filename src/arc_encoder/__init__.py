"""ARC-Encoder: compress a text into a few vectors that a frozen decoder reads in place of its tokens.

What the commands do is here as functions: `fit`, `evaluate`, `compress`, `report`.

from arc_encoder import CompressedContext, Compressor, Context

compressor = Compressor.from_pretrained("logs/quickstart/latest/finetune/compressor", decoder="data/toy_world/toy_a")
(document,) = compressor.encode(["a document"])
answers = compressor.ask(document, ["…?", "…?"])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arc_encoder.evaluation.evaluate import evaluate
    from arc_encoder.evaluation.reporting.page import report
    from arc_encoder.evaluation.session.session import open_session
    from arc_encoder.inference import CompressedContext, Compressor, Context
    from arc_encoder.inference.storage import VectorStore
    from arc_encoder.inference.storage.corpus.compress import compress
    from arc_encoder.model.assembly.build import build_arc_model
    from arc_encoder.model.checkpoint.config import ArcEncoderConfig
    from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
    from arc_encoder.model.decoder.load import load_decoder
    from arc_encoder.training.fit import fit

__version__ = "0.2.0"
__all__ = [
    "ArcEncoderConfig",
    "ArcEncoderModel",
    "CompressedContext",
    "Compressor",
    "Context",
    "VectorStore",
    "__version__",
    "build_arc_model",
    "compress",
    "evaluate",
    "fit",
    "load_decoder",
    "open_session",
    "report",
]

# Imported when used, so that `import arc_encoder` does not wait for torch.
PLACES = {
    "ArcEncoderConfig": "model.checkpoint.config",
    "ArcEncoderModel": "model.checkpoint.pretrained",
    "CompressedContext": "inference",
    "Compressor": "inference",
    "Context": "inference",
    "VectorStore": "inference.storage",
    "build_arc_model": "model.assembly.build",
    "compress": "inference.storage.corpus.compress",
    "evaluate": "evaluation.evaluate",
    "fit": "training.fit",
    "load_decoder": "model.decoder.load",
    "open_session": "evaluation.session.session",
    "report": "evaluation.reporting.page",
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'arc_encoder' has no attribute {name!r}")
    return getattr(importlib.import_module(f"arc_encoder.{PLACES[name]}"), name)
