"""The words of a command line that mixes plain words with Hydra's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from arc_encoder.config.validation.suggestions import suggest
from arc_encoder.core.errors import ConfigError

# Hydra's options that are followed by a word of their own
WITH_VALUE = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--cfg", "-c", "--package", "-p")


def split_words(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
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


def split_places(words: Sequence[str], known: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Words as folders and ``key=value`` settings.

    Raises:
        ConfigError: a setting that is not `known`, or no folder.
    """
    places: list[str] = []
    settings: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or Path(word).exists():
            places.append(word)
        elif key not in known:
            raise ConfigError(f"{word}: no such setting{suggest(key, known)}; there are {', '.join(known)}")
        else:
            settings[key] = value
    if not places:
        raise ConfigError("give at least one folder of a finished run; arc-report --help shows how")
    return places, settings


def files_as_setting(arguments: Sequence[str]) -> list[str]:
    """A command line whose plain words are files: they become the setting ``path``.

    Raises:
        ConfigError: files were given in both ways.
    """
    words, options, overrides = split_words(list(arguments))
    if words and any(word.startswith("path=") for word in overrides):
        raise ConfigError("files were given both as words and as path=…; choose one")
    if words:
        quoted = ",".join("'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'" for word in words)
        overrides = [f"path=[{quoted}]", *overrides]
    return [*options, *overrides]
