"""Keys and values with room for what comes: a step of generation writes into it and copies nothing.

Transformers' own cache makes new, slightly longer tensors of everything at every step. On a CPU these copies cost as much
as a small decoder's step, and blocks that grow by a little each time leave holes in memory that nothing fills.

Shape legend: B rows, H key heads, T positions, F head width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer

ROOM, MOST_ROOM = 64, 256  # positions that are reserved at once where nobody says how many will come; and at most


class RoomyLayer(DynamicLayer):
    """A layer's keys and values as views of larger tensors, which are made anew only when they are full.

    Whoever replaces `keys` and `values` (to repeat, choose or cut rows) need not know of the room.

    Args:
        room: positions to reserve beside those that are written.
    """

    def __init__(self, room: int = ROOM) -> None:
        super().__init__()
        self.room = room
        self._stores: dict[str, Tensor] = {}

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append (B, H, T, F) each; gives all keys and values so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = self._appended("keys", self.keys, key_states)
        self.values = self._appended("values", self.values, value_states)
        return self.keys, self.values

    def _appended(self, name: str, held: Tensor | None, new: Tensor) -> Tensor:
        assert held is not None  # initialised above
        length = held.shape[-2] if held.numel() else 0
        needed = length + new.shape[-2]
        store = self._stores.get(name)
        if store is None or store.shape[-2] < needed or (length > 0 and not _is_beginning(held, store)):
            store = new.new_empty(*new.shape[:-2], needed + self.room, new.shape[-1])
            if length:
                store[..., :length, :] = held
            self._stores[name] = store
        store[..., length:needed, :] = new
        return store[..., :needed, :]


def _is_beginning(held: Tensor, store: Tensor) -> bool:
    """Whether `held` is a view of the first positions of `store`."""
    return (
        held.data_ptr() == store.data_ptr()
        and held.stride() == store.stride()
        and held.shape[:-2] == store.shape[:-2]
        and held.dtype == store.dtype
    )


def roomy_cache(config: PretrainedConfig, room: int) -> DynamicCache | None:
    """An empty cache for a decoder that remembers every position in every layer; None for another kind of decoder.

    Args:
        config: of the decoder.
        room: positions that will be generated.
    """
    cache = DynamicCache(config=config.get_text_config())
    if not cache.layers or any(type(layer) is not DynamicLayer for layer in cache.layers):
        return None
    cache.layers = [RoomyLayer(room) for _ in cache.layers]
    return cache


def with_room(cache: Any, room: int) -> Any:
    """The same cache, its plain layers with room for `room` positions; other layers stay."""
    layers = []
    for layer in cache.layers:
        if type(layer) is DynamicLayer and layer.keys is not None and layer.values is not None:
            roomy = RoomyLayer(room)
            roomy.lazy_initialization(layer.keys, layer.values)
            roomy.keys, roomy.values = layer.keys, layer.values
            layer = roomy
        layers.append(layer)
    cache.layers = layers
    return cache
