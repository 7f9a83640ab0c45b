"""Product quantisation: half a bit to two bits a dimension, learned from the vectors that are kept.

Vectors are put into the space that they span, rotated (optimised product quantisation, Ge et al., 2013), cut into
pieces, and each piece is named by the nearest of 256 centroids. Where a linear projector has a bottleneck, the space
that its vectors span is the bottleneck's, so this quantises the bottleneck (Pilchen et al., 2025, §5) without knowing
the projector. faiss learns; keeping and reading are plain torch.

Shape legend: N vectors, E decoder width, D dimensions that are kept, P pieces of a vector, S dimensions of a piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.errors import ConfigError, needing
from arc_encoder.inference.storage.codecs.codecs import Codec

CENTROIDS = 256  # a byte for each piece
NEEDED = 4 * CENTROIDS  # vectors, below which centroids are no more than the vectors themselves
LEARNED_FROM = 16_384  # most vectors that are looked at
LEAST_RATIO = 4  # vectors for each dimension: with fewer than one, faiss has no basis to rotate into
NEGLIGIBLE = 1e-6  # of the greatest variance: a direction with less is not kept
ROUNDS = 8  # of learning the rotation
FEW_ROUNDS = 2  # where pieces are short: there are many, faiss is slow with them, and a rotation gains little
SHORT = 4  # dimensions of such a piece, at most
ENCODED_AT_ONCE = 4096


class ProductCodec(Codec):
    """Each vector in `bits` for each of the dimensions that the vectors span.

    It learns from the first vectors that a store is given (`fit`), and the store keeps what it learned.

    Args:
        bits: for a dimension, above 0 and at most 8.

    Raises:
        ConfigError: another number.
    """

    def __init__(self, bits: float = 1.0) -> None:
        if isinstance(bits, bool) or not isinstance(bits, int | float) or not 0 < bits <= 8:
            raise ConfigError(f"codec: bits={bits!r} must be above 0 and at most 8 (bits for a dimension)")
        self.bits = bits
        self._learned: dict[str, Tensor] = {}

    @property
    def fitted(self) -> bool:
        return bool(self._learned)

    def fit(self, vectors: Tensor) -> None:
        """Learn from vectors (N, E).

        Raises:
            ConfigError: too few of them, values that are not finite, or faiss is missing.
        """
        faiss = _faiss()
        if len(vectors) < NEEDED:
            raise ConfigError(
                f"codec: product quantisation learns from at least {NEEDED} vectors, and the first block has {len(vectors)}; give "
                "more documents at once, or choose the codec int8"
            )
        every = max(1, len(vectors) // LEARNED_FROM)
        sample = vectors[::every].float()
        if not sample.isfinite().all():
            raise ConfigError("codec: there are vectors whose values are not finite; nothing can be learned from them")
        mean = sample.mean(0)
        centred = sample - mean
        variances, directions = torch.linalg.eigh(centred.T.double() @ centred.double())
        kept = variances > NEGLIGIBLE * variances[-1]
        if not kept.any():  # all vectors are the same
            kept[-1] = True
        basis = directions[:, kept].float()  # (E, D), orthonormal: distances stay what they are
        dimensions = basis.shape[1]
        pieces = min(dimensions, max(1, round(dimensions * self.bits / 8)))
        padded = -(-dimensions // pieces) * pieces
        if len(sample) < LEAST_RATIO * padded:
            raise ConfigError(
                f"codec: {len(sample)} vectors of {vectors.shape[1]} numbers are too few to learn from: product quantisation wants "
                f"{LEAST_RATIO * padded}; give more documents at once, or choose the codec int8"
            )
        coordinates = torch.nn.functional.pad(centred @ basis, (0, padded - dimensions)).contiguous().numpy()
        quantizer = faiss.ProductQuantizer(padded, pieces, 8)
        quantizer.cp.min_points_per_centroid = 1  # it warns of fewer than 39, each time
        rotation = faiss.OPQMatrix(padded, pieces)
        rotation.niter = FEW_ROUNDS if padded // pieces <= SHORT else ROUNDS
        rotation.pq = quantizer
        rotation.train(coordinates)
        quantizer.train(rotation.apply(coordinates))
        turned = torch.from_numpy(faiss.vector_to_array(rotation.A).reshape(padded, padded).copy())
        centroids = torch.from_numpy(faiss.vector_to_array(quantizer.centroids).copy())
        self._learned = {
            "mean": mean,
            "into": (basis @ turned[:, :dimensions].T).contiguous(),
            "centroids": centroids.reshape(pieces, CENTROIDS, padded // pieces),
        }
        self._prepare()

    def learned(self) -> dict[str, Tensor]:
        """What `fit` learned: mean (E,), the way into the rotated space (E, P·S), centroids (P, 256, S)."""
        return dict(self._learned)

    def set_learned(self, tensors: Mapping[str, Tensor]) -> None:
        self._learned = dict(tensors)
        self._prepare()

    def encode(self, vectors: Tensor) -> dict[str, Tensor]:
        self._check()
        centroids = self._learned["centroids"]
        halves = centroids.square().sum(-1) / 2  # (P, 256)
        codes = []
        for part in vectors.float().split(ENCODED_AT_ONCE):
            turned = (part - self._learned["mean"]) @ self._learned["into"]
            pieces = turned.unflatten(-1, (len(centroids), -1)).transpose(0, 1)  # (P, N, S)
            nearest = (pieces @ centroids.transpose(1, 2) - halves[:, None]).argmax(-1)  # (P, N)
            codes.append(nearest.T.to(torch.uint8))
        return {"codes": torch.cat(codes)}

    def decode(self, rows: Mapping[str, Tensor]) -> Tensor:
        self._check()
        pieces, size = self._learned["centroids"].shape[::2]
        places = rows["codes"].int() + torch.arange(pieces, dtype=torch.int32) * CENTROIDS
        found = torch.nn.functional.embedding(places, self._table.flatten(0, 1)).reshape(-1, pieces * size)
        return torch.addmm(self._back[0], found, self._back[1]).float()

    def _prepare(self) -> None:
        """What reading needs, in bfloat16 where the CPU multiplies that: its rounding is far below the codec's."""
        fast = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
        kind = torch.bfloat16 if fast else torch.float32
        self._table = self._learned["centroids"].to(kind)
        self._back = self._learned["mean"].to(kind), self._learned["into"].T.contiguous().to(kind)

    def _check(self) -> None:
        if not self.fitted:
            raise ConfigError("codec: product quantisation has not learned anything yet; call fit first")


def _faiss() -> Any:
    with needing("codec: product quantisation learns with faiss", "pq"):
        import faiss
    return faiss
