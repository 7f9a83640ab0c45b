"""The parts of a training on the meta device: shapes without values, nothing downloaded.

`architectures/` holds the sizes of the usual models, one JSON file each; the table of sources is in its README.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, PretrainedConfig

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.assembly.build import head_settings
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.pooling import Pooling
from arc_encoder.model.heads.decoder_adapter import DecoderLora
from arc_encoder.model.heads.projectors import Projector
from arc_encoder.model.language_models.downloads.catalogue import CATALOGUE
from arc_encoder.model.language_models.downloads.library import config_at
from arc_encoder.model.language_models.downloads.places import catalogue_name
from arc_encoder.model.language_models.gguf.reader import is_gguf
from arc_encoder.training.optim.optimizer import OptimSettings
from arc_encoder.training.optim.trainable import set_trainable

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Parts:
    """What a training holds in memory.

    Attributes:
        compressor: everything that is trained, on the meta device; what is frozen asks for no gradient.
        decoders: frozen language models by name, on the meta device, in the dtype that they are kept in.
        elsewhere: names of the decoders with a device of their own.
        resting: names of the decoders that are in main memory while another computes.
    """

    compressor: ArcEncoderModel
    decoders: dict[str, Any]
    elsewhere: frozenset[str] = frozenset()
    resting: frozenset[str] = frozenset()

    def encoder_parameters(self) -> list[Tensor]:
        """Weights of the encoder, memory tokens included."""
        return list(self.compressor.encoder.parameters())

    def projector_parameters(self) -> list[Tensor]:
        """Weights of the projectors of all decoders."""
        return [p for head in self.compressor.decoder_heads() for p in head.projector.parameters()]

    def adapter_parameters(self) -> list[Tensor]:
        """Trained changes to decoders; the method has none."""
        return [p for head in self.compressor.decoder_heads() if head.adapter for p in head.adapter.parameters()]

    def task_token_parameters(self) -> list[Tensor]:
        """Task tokens of all decoders."""
        return [p for head in self.compressor.decoder_heads() for p in head.task_tokens.parameters()]


def build_parts(
    encoder: Backbone,
    pooling: Pooling,
    projector: Callable[..., Projector],
    decoders: Mapping[str, tuple[str, str]],
    *,
    optim: OptimSettings,
    chunking: Chunking | None = None,
    task_tokens: bool = True,
    decoder_adapter: DecoderLora | None = None,
    chat: Collection[str] = (),
    elsewhere: Collection[str] = (),
    resting: Collection[str] = (),
) -> Parts:
    """The parts as `build_arc_model` makes them, but on the meta device.

    Args:
        encoder: backbone; its path may be a folder or the hub name of a bundled architecture.
        decoders: (path, dtype) by name.

    Raises:
        CheckpointError: an architecture that is not known here.
        ConfigError: no decoder, an unknown dtype, or parts that do not fit.
    """
    if not decoders:
        raise ConfigError("no decoder was given; choose at least one", advice="decoder")
    models = {name: language_model(path, dtype) for name, (path, dtype) in decoders.items()}
    located = replace(encoder, path=locate(encoder.path), revision=None)
    with torch.device("meta"):
        body = AutoModel.from_config(located.config(), dtype=torch.float32)
        heads = {}
        for name, model in models.items():
            made = projector(int(body.config.hidden_size), int(model.get_input_embeddings().weight.shape[1]))
            changes = None if decoder_adapter is None else decoder_adapter.settings_for(model)
            heads[name] = head_settings(made, task_tokens and name not in chat, changes)
        compressor = ArcEncoderModel.build(body, pooling, heads, causal=encoder.causal, chunking=chunking)
        compressor.encoder.attach(encoder.adapter)
    set_trainable(compressor, optim)
    return Parts(compressor, models, frozenset(elsewhere), frozenset(resting))


def language_model(path: str, dtype: str) -> Any:
    """A frozen language model on the meta device.

    Raises:
        CheckpointError: an architecture that is not known here.
        ConfigError: unknown dtype.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"decoder dtype {dtype!r} is unknown; choose {', '.join(DTYPES)}")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(language_model_config(path), dtype=DTYPES[dtype])
    return model.requires_grad_(False)


def count(parameters: Iterable[Tensor]) -> int:
    """Numbers in `parameters`; a weight that is shared counts once."""
    return sum(p.numel() for p in {id(p): p for p in parameters}.values())


def size(parameters: Iterable[Tensor]) -> int:
    """Bytes of `parameters`; a weight that is shared counts once."""
    return sum(p.numel() * p.element_size() for p in {id(p): p for p in parameters}.values())


ARCHITECTURES = Path(__file__).parent / "architectures"


@functools.cache
def known_models() -> dict[str, Path]:
    """Hub name → file of its architecture."""
    files = sorted(ARCHITECTURES.glob("*.json"))
    return {hub: file for file in files for hub in json.loads(file.read_text(encoding="utf-8"))["hub_names"]}


def locate(path: str) -> str:
    """Where the architecture of a model is: its folder or GGUF file, or the bundled file of its hub name.

    A model that `arc-models get` would fetch needs not be here.

    Raises:
        CheckpointError: neither a folder nor a model whose architecture is bundled.
    """
    if Path(path).is_dir() or is_gguf(path):
        return path
    name = catalogue_name(path)
    path = path if name is None else CATALOGUE[name].hub
    if path not in known_models():
        raise CheckpointError(
            f"the architecture of {path!r} is not known here: it is no folder with a config.json, and no bundled model. "
            f"Download its config.json into a folder and give that, or choose one of {', '.join(sorted(known_models()))}"
        )
    return str(known_models()[path])


def language_model_config(path: str) -> PretrainedConfig:
    """Configuration of a language model, from a folder, a GGUF file or a bundled architecture.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    place = locate(path)
    try:
        return config_at(place)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"no architecture can be read at {place!r}: {error}; expected a config.json") from error
