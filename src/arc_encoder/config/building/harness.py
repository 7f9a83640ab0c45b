"""The model that lm-evaluation-harness asks, from the words of its `--model_args`."""

from __future__ import annotations

import importlib.util
from typing import Any

from hydra import compose
from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException

from arc_encoder.config.building.compressors import build_decoders
from arc_encoder.config.compose import composing
from arc_encoder.config.paths import configs_folder, register_resolvers
from arc_encoder.core.compute import choose_device
from arc_encoder.core.errors import ArcError, ConfigError, at_least
from arc_encoder.evaluation.session.session import open_session
from arc_encoder.model.decoder.load import FrozenDecoder

KNOWN = (
    "checkpoint",
    "decoder",
    "decoder_path",
    "encoder_tokenizer",
    "backbone",
    "factor",
    "keep",
    "max_new_tokens",
    "batch_size",
    "device",
)


def model_of(settings: dict[str, Any]) -> Any:
    """The harness's model for what `--model_args` says.

    Args:
        settings: `decoder` (a configuration such as toy_a; huggingface with `decoder_path`), `checkpoint` (folder of
            an ARC-Encoder; without it prompts stay text), `encoder_tokenizer`, `backbone`, `factor`, `keep` (decoder tokens at
            a prompt's end that stay text), `max_new_tokens`, `batch_size`, `device`.

    Raises:
        ConfigError: an unknown setting, or one that cannot be used.
        CheckpointError: decoder or ARC-Encoder cannot be loaded.
    """
    from arc_encoder.evaluation.runs.harness import HarnessModel

    unknown = sorted(set(settings) - set(KNOWN))
    if unknown:
        raise ConfigError(f"model_args: unknown {', '.join(unknown)}; there are {', '.join(KNOWN)}")
    keep = _number(settings, "keep", 64, minimum=0)
    max_new_tokens = _number(settings, "max_new_tokens", 256, minimum=1)
    batch_size = _number(settings, "batch_size", 16, minimum=1)
    factor = _number(settings, "factor", 1, minimum=1) if settings.get("factor") else None
    ((name, decoder),) = _decoders(str(settings.get("decoder", "toy_a")), settings.get("decoder_path")).items()
    session = open_session(
        decoder,
        name,
        settings.get("checkpoint"),
        batch_size=batch_size,
        device=choose_device(str(settings.get("device") or "auto")),
        encoder_tokenizer=settings.get("encoder_tokenizer"),
        backbone=settings.get("backbone"),
    )
    session.factor = factor
    return HarnessModel(session, keep=keep, max_new_tokens=max_new_tokens)


def _number(settings: dict[str, Any], name: str, default: int, *, minimum: int) -> int:
    """A whole number of the arguments."""
    given = settings.get(name)
    try:
        value = default if given in (None, "") else int(str(given))
    except ValueError as error:
        raise ConfigError(
            f"model_args: {name}={given} is no whole number; give one such as {name}={default}"
        ) from error
    at_least(minimum, "model_args", **{name: value})
    return value


def _decoders(name: str, path: str | None) -> dict[str, FrozenDecoder]:
    """The decoder of a configuration."""
    overrides = [f"decoder={name}", "paths.run=."]
    if path:
        overrides.append(f"decoders.{name}.path={path}")
    register_resolvers()
    try:
        with composing():
            return build_decoders(compose("eval", overrides=overrides).decoders)
    except InstantiationException as error:  # Hydra wraps what a part says about its settings
        if not isinstance(error.__cause__, ArcError):
            raise
        raise error.__cause__ from error
    except (HydraException, OmegaConfBaseException) as error:
        names = ", ".join(sorted(file.stem for file in (configs_folder() / "decoder").glob("*.yaml")))
        chosen = f"decoder={name}" + (f", decoder_path={path}" if path else "")
        raise ConfigError(
            f"model_args: {chosen} cannot be used ({str(error).splitlines()[0]}); the decoders are {names}, "
            "and decoder=huggingface takes decoder_path=<folder or hub name>"
        ) from error


def register() -> None:
    """Let the harness know the model `arc`.

    Raises:
        ConfigError: the library is not installed.
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise ConfigError("arc-lm-eval needs lm-evaluation-harness: pip install 'arc-encoder[lm-eval]'")
    from lm_eval.api.registry import register_model
    from lm_eval.utils import simple_parse_args_string

    from arc_encoder.config.building.harness import model_of
    from arc_encoder.evaluation.runs.harness import HarnessModel

    class Arc(HarnessModel):
        """What `--model arc` makes."""

        @classmethod
        def create_from_arg_string(cls, arg_string: str, additional_config: dict[str, Any] | None = None) -> Any:
            return cls.create_from_arg_obj(simple_parse_args_string(arg_string), additional_config)

        @classmethod
        def create_from_arg_obj(cls, arg_dict: dict[str, Any], additional_config: dict[str, Any] | None = None) -> Any:
            """The command's own batch size where the arguments name none; its default device is a GPU and is not taken."""
            size = str((additional_config or {}).get("batch_size") or "")
            return model_of({**({"batch_size": int(size)} if size.isdigit() else {}), **arg_dict})

    register_model("arc")(Arc)
