"""Rows that are generated together, of which some leave and others join while the rest goes on.

A row's keys and values are wherever the mask is True; where they lie does not matter, as each position was told its
place when it was read. So rows that join need not be aligned with those that are there, and a column in which no row
has anything is left out.

Shape legend: B rows, W columns, H key heads, F head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from arc_encoder.model.decoder.generation.roomy_cache import with_room


class RunningRows:
    """Keys and values of rows, with what of them is real.

    Args:
        room: positions that are reserved at once for what will be said.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.cache: Any = None
        self.mask = torch.zeros(0, 0, dtype=torch.bool)  # (B, W)

    @property
    def lengths(self) -> Tensor:
        """(B,) positions that each row has."""
        return self.mask.sum(1)

    def add(self, cache: Any, mask: Tensor) -> None:
        """More rows behind those that are there.

        Args:
            cache: keys and values of the new rows, which is used up.
            mask: (B, W) what of them is real.
        """
        if not len(self.mask):
            self.cache, self.mask = with_room(cache, self.room), mask
            return
        width = max(self.mask.shape[1], mask.shape[1])
        for held, new in zip(self.cache.layers, cache.layers, strict=True):
            held.keys = torch.cat([_wide(held.keys, width), _wide(new.keys, width)])
            held.values = torch.cat([_wide(held.values, width), _wide(new.values, width)])
            new.keys = new.values = None  # layer by layer, so that not all of them are there twice
        self.mask = torch.cat([pad(each, (width - each.shape[1], 0)) for each in (self.mask, mask)])

    def keep(self, places: Sequence[int]) -> None:
        """Only these rows are left, and the columns that one of them needs."""
        if not places:
            self.cache, self.mask = None, self.mask[:0, :0]
            return
        rows = torch.tensor(places, device=self.mask.device)
        columns = self.mask[rows].any(0).nonzero()[:, 0]
        self.mask = self.mask[rows][:, columns]
        for layer in self.cache.layers:
            layer.keys = _chosen(layer.keys, rows, columns)
            layer.values = _chosen(layer.values, rows, columns)

    def step(self) -> Tensor:
        """Room for one more position of every row in the mask, which is given."""
        self.mask = pad(self.mask, (0, 1), value=True)
        return self.mask


def _wide(tensor: Tensor, width: int) -> Tensor:
    """(B, H, W, F) with columns in front, up to `width`."""
    return pad(tensor, (0, 0, width - tensor.shape[2], 0))


def _chosen(tensor: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    here = tensor.device
    return tensor[rows.to(here)[:, None], :, columns.to(here)].transpose(1, 2)
