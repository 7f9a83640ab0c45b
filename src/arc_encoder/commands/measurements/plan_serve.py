"""`arc-plan serve`: what serving a decoder with its ARC-Encoder needs, before any weight is loaded.

Run command: ``arc-plan serve experiment=paper/finetune_arc4_llama document_tokens=1024``
"""

from __future__ import annotations

from huggingface_hub import constants
from omegaconf import DictConfig

from arc_encoder.commands.measurements.plan import KEYS as PLAN_KEYS
from arc_encoder.commands.measurements.plan import UNREAD, check_numbers, machine_of, parts_of
from arc_encoder.config.app.run import run_app
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.tools.planning.costs.serving import document_sizes, weight_bytes
from arc_encoder.tools.planning.estimate import GIB

KEYS = PLAN_KEYS | {"factors"}


def plan_serve(config: DictConfig) -> None:
    """Print a table for each decoder of `config`."""
    check_numbers(config)
    parts, machine = parts_of(config), machine_of(config)
    speed = machine.peak_tflops * machine.utilisation * 1e12
    for name in parts.decoders:
        encoder, decoder = weight_bytes(parts, name)
        print(
            f"{name}, documents of {config.document_tokens} tokens, one GPU of {machine.memory_gib:g} GiB\n"
            f"weights: encoder and projector {encoder / GIB:.1f} GiB in bfloat16, decoder {decoder / GIB:.1f} GiB\n"
        )
        sizes = document_sizes(
            parts, name, tokens=config.document_tokens, factors=list(config.factors), machine=machine
        )
        head = ["read as", "positions", "keys and values, MiB", "in a store, KiB", "encoding, ms", "prefill, ms", "documents in memory"]  # fmt: skip
        rows = [
            [
                "text" if each.factor is None else f"×{each.factor}",
                str(each.positions),
                f"{each.cache_bytes / 2**20:.1f}",
                f"{each.stored_bytes / 2**10:.0f}",
                f"{1000 * each.encode_work / speed:.1f}",
                f"{1000 * each.prefill_work / speed:.1f}",
                f"{each.fitting:,}",
            ]
            for each in sizes
        ]
        print(table(head, rows))


def main() -> None:
    """Console entry point."""
    constants.HF_HUB_OFFLINE = True  # nothing is asked of the hub
    run_app("plan_serve", plan_serve, keys=KEYS, ignored=UNREAD)


if __name__ == "__main__":
    main()
