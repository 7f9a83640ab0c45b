"""Keys and values of prompts of different lengths: kept one by one, put together for a step, taken apart again.

Shape legend: B rows, P longest row, H key heads, F head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from arc_encoder.core.errors import ConfigError

Layers = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Row:
    """What a decoder remembers of one prompt.

    Attributes:
        layers: keys and values of each layer, (1, H, length, F).
    """

    layers: Layers
    length: int

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return sum(keys.nbytes + values.nbytes for keys, values in self.layers)


EMPTY = Row([], 0)


class Rows:
    """Several rows as one cache, padded on the left.

    Args:
        rows: what is put together; rows of length 0 among them.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._fill(rows)

    def _fill(self, rows: Sequence[Row]) -> None:
        self.lengths = [row.length for row in rows]
        self.cache: Any = DynamicCache()
        self.width = max(self.lengths, default=0)
        some = next((row for row in rows if row.length), None)
        for layer in range(len(some.layers) if some is not None else 0):
            keys, values = zip(*(_of_layer(row, layer, some) for row in rows), strict=True)
            self.cache.update(self._padded(keys), self._padded(values), layer)

    def _padded(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([torch.nn.functional.pad(each, (0, 0, self.width - each.shape[2], 0)) for each in tensors])

    def mask(self, device: torch.device) -> Tensor:
        """(B, P) True where a row holds something."""
        place = torch.arange(self.width, device=device)
        return place >= self.width - torch.tensor(self.lengths, device=device)[:, None]

    def grown(self, added: Sequence[int]) -> list[Row]:
        """The rows one by one, after a pass that added positions, padded on the right.

        Args:
            added: how many positions of each row are real.
        """
        found = []
        for number, (length, more) in enumerate(zip(self.lengths, added, strict=True)):
            part = slice(self.width - length, self.width + more)
            layers = [
                (layer.keys[number : number + 1, :, part].clone(), layer.values[number : number + 1, :, part].clone())
                for layer in self.cache.layers
            ]
            found.append(Row(layers, length + more))
        return found

    def step(self) -> None:
        """Every row has grown by one position."""
        self.lengths = [length + 1 for length in self.lengths]
        self.width += 1

    def keep(self, places: Sequence[int]) -> None:
        """Only these rows are left; padding that none of them needs goes too."""
        self.lengths = [self.lengths[place] for place in places]
        width = max(self.lengths, default=0)
        index = torch.tensor(places, dtype=torch.long)
        for layer in self.cache.layers:
            chosen = index.to(layer.keys.device)
            layer.keys = layer.keys[chosen, :, self.width - width :]
            layer.values = layer.values[chosen, :, self.width - width :]
        self.width = width

    def add(self, rows: Sequence[Row]) -> None:
        """More rows behind those that are there."""
        if not self.lengths:
            self._fill(rows)
            return
        before, self.width = self.width, max(self.width, *(row.length for row in rows))
        self.lengths += [row.length for row in rows]
        for number, layer in enumerate(self.cache.layers):
            keys = torch.nn.functional.pad(layer.keys, (0, 0, self.width - before, 0))
            values = torch.nn.functional.pad(layer.values, (0, 0, self.width - before, 0))
            layer.keys = torch.cat([keys, self._padded([row.layers[number][0] for row in rows])])
            layer.values = torch.cat([values, self._padded([row.layers[number][1] for row in rows])])


def check_cache(cache: Any) -> None:
    """Refuse a decoder that remembers anything else than keys and values of every position.

    Raises:
        ConfigError: such as one with linear attention.
    """
    if any(getattr(layer, "keys", None) is None for layer in cache.layers):
        raise ConfigError(
            "the embedded engine serves decoders that keep keys and values of every position; this one keeps something else, "
            "use a vLLM server"
        )


def _of_layer(row: Row, layer: int, like: Row | None) -> tuple[Tensor, Tensor]:
    if row.length or like is None:
        return row.layers[layer]
    keys, values = like.layers[layer]
    return keys[:, :, :0], values[:, :, :0]
