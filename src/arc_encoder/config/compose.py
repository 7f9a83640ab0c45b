"""Composing configurations from the project's folder, and from a user's own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from arc_encoder.config.paths import configs_folder
from arc_encoder.core.errors import ConfigError
from arc_encoder.core.run_folder.renamed import current_module


@contextmanager
def composing(config_dir: str | Path | None = None, *, root: str | Path | None = None) -> Iterator[Any]:
    """Within it, Hydra's `compose` reads the project's configurations (or those of `root`) and those of `config_dir`.

    Yields Hydra's configuration loader. A Hydra command that is running continues afterwards.

    Raises:
        ConfigError: `config_dir` is no folder.
    """
    if config_dir and not Path(config_dir).is_dir():
        raise ConfigError(f"--config-dir {config_dir}: no such folder; give the folder of your configuration groups")
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(root or configs_folder()), version_base="1.3"):
            loader: Any = GlobalHydra.instance().config_loader()
            if config_dir:
                path = loader.get_search_path()
                path.prepend("command-line", f"file://{Path(config_dir).resolve()}", anchor="schema")  # schemas last
                loader.repository.initialize_sources(path)
            yield loader
    finally:
        GlobalHydra.instance().clear()
        GlobalHydra.instance().hydra = running


def composed(config_name: str, overrides: Sequence[str]) -> DictConfig:
    """Another configuration than that of the Hydra command that is running, whose `--config-dir` counts too.

    Raises:
        HydraException: the overrides do not compose.
    """
    with composing(config_dir_of_run()):
        return compose(config_name, overrides=list(overrides))


def config_dir_of_run() -> str | None:
    """The folder that `--config-dir` gave to the Hydra command that is running."""
    if not HydraConfig.initialized():
        return None
    sources = HydraConfig.get().runtime.config_sources
    return next((str(source.path) for source in sources if source.provider == "command-line"), None)


def import_modules(names: Sequence[str]) -> None:
    """Import a user's own modules, so that the classes that they define can be loaded by name.

    Raises:
        ConfigError: one cannot be imported, with the reason.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a user's module raises is theirs to see
            missing = str(error.name) if isinstance(error, ModuleNotFoundError) else ""
            if (moved := current_module(missing)) is not None:
                raise ConfigError(f"imports={name}: {missing} is now {moved}") from error
            raise ConfigError(
                f"imports={name}: cannot be imported ({type(error).__name__}: {error}); "
                "give a module that Python finds, such as my_arc.pooling with PYTHONPATH=<its folder>"
            ) from error
