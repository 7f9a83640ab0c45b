"""`arc-lm-eval`: lm-evaluation-harness with the model `arc`, so that any of its tasks runs on a compressor.

Run command: ``arc-lm-eval run --model arc --model_args checkpoint=<run>/compressor,decoder=toy_a --tasks <task>``
"""

from __future__ import annotations

import importlib.util
from typing import Any

from arc_encoder.config.app.failing import fail
from arc_encoder.config.app.run import quieten
from arc_encoder.core.errors import ArcError, ConfigError


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


def main() -> None:
    """Console entry point."""
    try:
        register()
        quieten()
        from lm_eval.__main__ import cli_evaluate

        cli_evaluate()
    except ArcError as error:
        fail(error)


if __name__ == "__main__":
    main()
