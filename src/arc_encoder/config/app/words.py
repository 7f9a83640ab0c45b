"""The words of a command line that mixes plain words with Hydra's."""

from __future__ import annotations

# Hydra's options that are followed by a word of their own
WITH_VALUE = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--cfg", "-c", "--package", "-p")


def sorted_out(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    """A command line as plain words, options with their values, and overrides.

    Hydra's parser wants all overrides side by side.
    """
    words: list[str] = []
    options: list[str] = []
    overrides: list[str] = []
    for place, argument in enumerate(arguments):
        if argument.startswith("-") or (place > 0 and arguments[place - 1] in WITH_VALUE):
            options.append(argument)
        elif "=" in argument or argument.startswith(("+", "~")):
            overrides.append(argument)
        else:
            words.append(argument)
    return words, options, overrides
