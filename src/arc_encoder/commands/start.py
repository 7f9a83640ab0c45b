"""The way into every command: help and misspelt words are answered before anything large is imported.

Run command: ``arc --help``, ``arc train …`` or ``arc-train …``
"""

from __future__ import annotations

import importlib
import sys
from functools import partial

from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.commands.catalogue import COMMANDS, NESTED
from arc_encoder.config.app.failing import fail, listed
from arc_encoder.config.app.help import show_help
from arc_encoder.config.overrides import check_names
from arc_encoder.config.paths import register_resolvers
from arc_encoder.config.validation.suggestions import suggest
from arc_encoder.core.errors import ArcError

INTERRUPTED = 130  # exit status of what Ctrl-C ended, as shells give it


def main() -> None:
    """Console entry point of `arc`: the first word is the command."""
    words = sys.argv[1:]
    if not words or words[0] in ("--help", "-h"):
        width = max(map(len, COMMANDS))
        print("arc: ARC-Encoder, a context of n tokens in about n/x vectors for a frozen language model\n")
        print("\n".join(f"  arc {name:<{width}}  {command.about}" for name, command in COMMANDS.items()))
        print("\narc <command> --help shows the settings of one; arc-<command> is the same command.")
        return
    if words[0] not in COMMANDS:
        fail(f"arc {words[0]}: no such command{suggest(words[0], COMMANDS)}")
    sys.argv = [f"arc-{words[0]}", *words[1:]]
    start(words[0])


def start(name: str) -> None:
    """Run the command `name` on the words of the command line."""
    command = COMMANDS[name]
    if (name, *sys.argv[1:2]) in NESTED:
        command = NESTED[name, sys.argv.pop(1)]
    try:
        if command.config is not None and not _answered(command.config):
            return
        importlib.import_module(f"arc_encoder.commands.{command.module}").main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _answered(config: str) -> bool:
    """Show the help that was asked for, or refuse names that do not exist; whether the command is to be run."""
    if any(word.split("=")[0] in ("--resume", "resume") for word in sys.argv[1:]):
        return True  # the run's own words come in front of these
    register_resolvers()
    arguments = get_args_parser().parse_args()
    if arguments.help or arguments.hydra_help:
        show_help(config)
        return False
    try:
        problems = check_names(arguments, config)
    except (HydraException, OmegaConfBaseException, ArcError) as error:
        fail(str(error))
    if problems:
        fail(listed(problems))
    return True


quickstart = partial(start, "quickstart")
train = partial(start, "train")
evaluate = partial(start, "eval")
ask = partial(start, "ask")
compress = partial(start, "compress")
serve = partial(start, "serve")
store = partial(start, "store")
probe = partial(start, "probe")
report = partial(start, "report")
ablate = partial(start, "ablate")
data = partial(start, "data")
models = partial(start, "models")
convert = partial(start, "convert")
plan = partial(start, "plan")
bench = partial(start, "bench")
parity = partial(start, "parity")
lm_eval = partial(start, "lm-eval")
toy_models = partial(start, "toy-models")
