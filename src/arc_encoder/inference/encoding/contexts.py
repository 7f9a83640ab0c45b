"""What of a prompt is read as vectors: a text that is compressed when it is needed, or vectors that were kept.

Shape legend: M vectors, E decoder width.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from arc_encoder.core.atomic import atomic_path
from arc_encoder.core.errors import CheckpointError, DataError, writing

VERSION = 1  # of the file's metadata
KEY = "compressed_context"


class ContextStore(Protocol):
    """What keeps compressed contexts by id, such as `arc_encoder.inference.storage.VectorStore`."""

    def __getitem__(self, id: str, /) -> CompressedContext:
        """The compressed context of an id."""


@dataclass(frozen=True)
class Context:
    """A part of a prompt that the decoder sees as compressed vectors.

    Three forms: ``Context("a text")`` is compressed when the prompt is read, ``Context(vectors)`` holds what `encode`
    made before, and ``Context("an id", store)`` is looked up.

    Args:
        text: the text, or a `CompressedContext`, or an id in `store`.
        store: where the id is looked up.
    """

    text: str | CompressedContext
    store: ContextStore | None = None

    def resolved(self) -> Context | CompressedContext:
        """Vectors where there are any already, or else the context of a text itself.

        Raises:
            DataError: the store does not hold the id.
        """
        if isinstance(self.text, CompressedContext):
            return self.text
        return self if self.store is None else self.store[self.text]


@dataclass(frozen=True)
class Origin:
    """Where vectors come from.

    Attributes:
        source: SHA-256 of the document's UTF-8 text.
        encoder: fingerprint of the ARC-Encoder, its head for the decoder included.
        decoder: fingerprint of the decoder that it was trained in front of; None where the compressor does not know.
        decoder_name: the head's name.
        factor: pooling factor that was asked for; None with a fixed number of vectors.
        tokens: encoder tokens of the document.
    """

    source: str
    encoder: str
    decoder: str | None
    decoder_name: str
    factor: float | None
    tokens: int


@dataclass(frozen=True)
class CompressedContext:
    """A document as vectors in a decoder's embedding space, which can be kept and used in any number of prompts.

    Attributes:
        vectors: (M, E), the task token included where the decoder has one.
        origin: what they were made of, by what, for what.
        fidelity: share of the document's tokens that the decoder reads back from them; None where it was not measured.
    """

    vectors: Tensor
    origin: Origin
    fidelity: float | None = None

    def __len__(self) -> int:
        """Positions that it takes in the decoder."""
        return len(self.vectors)

    @property
    def ratio(self) -> float:
        """Encoder tokens of the document ÷ positions that its vectors take: what was achieved, not what was asked for."""
        return self.origin.tokens / len(self.vectors)

    @property
    def norms(self) -> Tensor:
        """Length of each vector (M,), in float32."""
        return self.vectors.float().norm(dim=-1)

    def vectors_as(self, dtype: torch.dtype) -> Tensor:
        """The vectors in the dtype of a decoder.

        Raises:
            DataError: numbers that are not finite there.
        """
        found = self.vectors.to(dtype)
        if not bool(found.isfinite().all()):
            raise DataError(
                f"the vectors hold numbers that are not finite in the decoder's {str(dtype).removeprefix('torch.')}"
            )
        return found

    def save(self, file: str | Path) -> None:
        """Write a safetensors file, atomically: the tensor `vectors`, and the origin as its metadata.

        Raises:
            DataError: it cannot be written.
        """
        metadata = {KEY: json.dumps({"version": VERSION, "fidelity": self.fidelity, **asdict(self.origin)})}
        with writing(file, kind=DataError, errors=(SafetensorError,)), atomic_path(Path(file)) as part:
            save_file({"vectors": self.vectors.contiguous()}, part, metadata=metadata)

    @classmethod
    def load(cls, file: str | Path) -> CompressedContext:
        """Read what `save` wrote.

        Raises:
            CheckpointError: no such file, or another kind of file.
        """
        try:
            with safe_open(file, framework="pt") as opened:
                about: dict[str, Any] = json.loads((opened.metadata() or {}).get(KEY, "null")) or {}
                version = about.pop("version", None)
                if version != VERSION:
                    content = (
                        "no compressed context" if version is None else f"a compressed context of version {version}"
                    )
                    raise CheckpointError(
                        f"{file} holds {content}; expected what CompressedContext.save writes (version {VERSION})"
                    )
                fidelity = about.pop("fidelity", None)
                return cls(opened.get_tensor("vectors"), Origin(**about), fidelity)
        except (OSError, SafetensorError, ValueError, TypeError) as error:
            raise CheckpointError(f"no compressed context could be read from {file} ({error})") from error

    def check(self, *, encoder: str, decoder: str | None, decoder_name: str) -> None:
        """Refuse vectors that were made by or for another model.

        Args:
            encoder: fingerprint of the ARC-Encoder in use.
            decoder: that of the decoder; None where it is unknown.
            decoder_name: the decoder's name.

        Raises:
            CheckpointError: names which of the two is another one.
        """
        made = self.origin
        if made.decoder_name != decoder_name or (made.decoder and decoder and made.decoder != decoder):
            raise CheckpointError(
                f"these vectors were made for decoder {made.decoder_name!r} ({_short(made.decoder)}), not for "
                f"{decoder_name!r} ({_short(decoder)}): vectors are made for one decoder; compress the document for this one"
            )
        if made.encoder != encoder:
            raise CheckpointError(
                f"these vectors were made by another ARC-Encoder ({_short(made.encoder)}) than the one in use ({_short(encoder)}): "
                "load the one that made them, or compress the document again"
            )


def source_digest(text: str) -> str:
    """SHA-256 of a document."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _short(digest: str | None) -> str:
    return "unknown" if digest is None else digest[:12]
