"""Running a command: overrides checked, configuration composed, errors told in plain words."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
import warnings
from collections.abc import Callable
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.config.app.advice import with_advice
from arc_encoder.config.app.failing import fail, listed, user_errors
from arc_encoder.config.compose import import_modules
from arc_encoder.config.overrides import check_command_line
from arc_encoder.config.paths import configs_folder, register_resolvers
from arc_encoder.config.validation.keys import keys_of
from arc_encoder.core.errors import ArcError, Interrupted


def run_app(
    config_name: str,
    task: Callable[[DictConfig], Any],
    *,
    ignored: tuple[str, ...] = (),
    unbuilt: tuple[str, ...] = (),
) -> None:
    """Compose `config_name` from the command line and run `task` on it.

    Args:
        task: what to do; its result is what sweepers optimise.
    """
    keep_freed_memory()
    register_resolvers()
    quieten()
    arguments = get_args_parser().parse_args()

    def guarded(config: DictConfig) -> Any:
        try:
            import_modules(config.get("imports") or [])
            if arguments.multirun:  # a single run was checked before
                from arc_encoder.config.validation.check import check_config

                check_config(config, keys=keys_of(config_name), ignored=ignored, unbuilt=unbuilt)
            return task(config)
        except Interrupted as stop:
            if stop.status:  # of several processes, one says it
                print(with_advice(stop), file=sys.stderr)
            sys.exit(stop.status)
        except ArcError as error:
            fail(error)
        except InstantiationException as error:  # Hydra wraps what a part says about its settings
            if not isinstance(error.__cause__, ArcError):
                raise
            fail(error.__cause__)
        except OmegaConfBaseException as error:
            fail(f"the configuration cannot be resolved: {error}")
        except Exception as error:
            if type(error).__name__ != "MisconfigurationException":
                raise
            fail(f"Lightning refuses the trainer's settings: {error}")

    if not (arguments.help or arguments.hydra_help or arguments.info or arguments.cfg):
        with user_errors(HydraException, OmegaConfBaseException):
            problems, added = check_command_line(
                arguments, config_name, keys=keys_of(config_name), ignored=ignored, unbuilt=unbuilt
            )
        if problems:
            fail(listed(problems))
        sys.argv[1:] = [added.get(text, text) for text in sys.argv[1:]]
    hydra.main(version_base="1.3", config_path=str(configs_folder()), config_name=config_name)(guarded)()


def quieten() -> None:
    """Keep the libraries' chatter out of a user's terminal; warnings that matter stay."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for chatty in ("bm25s", "faiss.loader"):  # a filter: they set their own level when they are imported
        logging.getLogger(chatty).addFilter(lambda record: record.levelno >= logging.WARNING)
    for pattern in (
        ".*in eval mode at the start of training.*",
        ".*treespec, LeafSpec.*",
        ".*Total length of `list` across ranks is zero.*",
        ".*does not have many workers.*",
        ".*overridden `transfer_batch_to_device`.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*resuming from a checkpoint that ended before the epoch ended.*",
    ):
        warnings.filterwarnings("ignore", message=pattern)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_Chatter())
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")  # arc-train's is Hydra's own


class _Chatter(logging.Filter):
    """Drops Lightning's advertisement lines and device tables."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not text.startswith(("💡", "GPU available", "TPU available", "HPU available"))


M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # mallopt(3)
SETTINGS = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 64 * 2**20}
OWN_CHOICE = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_", "LD_PRELOAD")


def keep_freed_memory() -> bool:
    """Keep memory that is freed for the next operation; returns whether it was done.

    On a CPU a step allocates and frees the same blocks of megabytes again and again. By default glibc gives large ones
    back at once, and the system hands them out again, cleared page by page.

    Nothing is done with another C library, or where the environment says how memory is allocated: one of glibc's
    own variables, or a preloaded allocator.
    """
    if platform.libc_ver()[0] != "glibc" or any(os.environ.get(name) for name in OWN_CHOICE):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    taken = [mallopt(name, value) == 1 for name, value in SETTINGS.items()]
    return all(taken)
