"""Where a released ARC-Encoder is: a folder, or a repository of the hub."""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers.utils.hub import cached_file

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.released.checkpoint import Checkpoint, find_checkpoint
from arc_encoder.model.language_models.downloads.places import catalogue_name, missing_model
from arc_encoder.model.language_models.gguf.reader import is_gguf

# Decoders of the encoders that the method's authors published, in the order of their heads (Pilchen et al., 2025).
PUBLISHED = {
    "ARC8_Encoder_Llama": ("llama_3_1_8b",),
    "ARC8_Encoder_Mistral": ("mistral_7b_v0_3",),
    "ARC8_Encoder_multi": ("llama_3_1_8b", "mistral_7b_v0_3"),
}
FILES = ["*.json", "*.safetensors", "tokenizer*"]


def released_checkpoint(source: str | Path, revision: str | None = None) -> Checkpoint | None:
    """The released ARC-Encoder at a folder or hub name; None if something else is there.

    Raises:
        CheckpointError: one that cannot be downloaded or is not whole.
    """
    folder = Path(source)
    if folder.is_dir():
        return None if _is_ours(folder / "config.json") else find_checkpoint(folder)
    config = cached_file(
        str(source), "config.json", revision=revision, _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False, _raise_exceptions_for_gated_repo=False,
    ) if is_hub_name(str(source)) else None  # fmt: skip
    if config is None or _is_ours(Path(config)):
        return None
    try:
        return find_checkpoint(Path(snapshot_download(str(source), revision=revision, allow_patterns=FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(f"{source} cannot be downloaded: {error}") from error


def decoder_names(source: str | Path) -> tuple[str, ...] | None:
    """Names for the decoders of a published ARC-Encoder; None if it is not known."""
    return PUBLISHED.get(Path(source).name)


def is_hub_name(source: str) -> bool:
    """Whether this may name a repository of the hub: owner/name."""
    return source.count("/") == 1 and not source.startswith((".", "/", "~"))


def check_folder_exists(source: str | Path, what: str) -> None:
    """Tell a folder that is not there from a repository of the hub that cannot be reached.

    The place of a known model says how to fetch it. GGUF files are left to whoever opens them.

    Raises:
        CheckpointError: `source` can only be a folder, by how it is written, and there is none.
    """
    text = str(source)
    if (text.startswith((".", "/", "~")) or text.count("/") > 1) and not Path(text).exists() and not is_gguf(text):
        missing, name = missing_model(text), catalogue_name(text)
        advice = "fetch-model" if missing else None
        raise CheckpointError(f"{what} {text!r}: {missing or 'there is no such folder'}", advice=advice, model=name)


def _is_ours(file: Path) -> bool:
    try:
        return json.loads(file.read_text()).get("model_type") == "arc_encoder"
    except (OSError, ValueError, AttributeError):
        return False
