"""The figures of a GPU check as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arc_encoder.evaluation.reporting.tables.markdown import table


def gpu_report(results: Mapping[str, Any]) -> str:
    """One page: the machine, and a table for each part."""
    machine, parts = results["machine"], results["parts"]
    told = ", ".join(f"{name} {value}" for name, value in machine.items() if name != "device")
    blocks = [f"{machine['device']}; {told}; size {results['size']}"]
    for name, write in (
        ("golden", _golden),
        ("step", _step),
        ("packing", _packing),
        ("first_token", _first_token),
        ("quickstart", _quickstart),
    ):
        part = parts.get(name)
        if part is None:
            continue
        title = f"## {name.replace('_', ' ').capitalize()} ({part['seconds']:.0f} s)"
        if "error" in part:
            blocks.append(f"{title}\n\nFAILED: {part['error']}")
        elif part["result"] is None:
            blocks.append(f"{title}\n\nNot run: no golden cases were given.")
        else:
            blocks.append(f"{title}\n\n{write(part['result'])}")
    return "\n\n".join(blocks)


def _golden(rows: list[dict[str, Any]]) -> str:
    header = ["dtype", "cases that agree", "worst difference", "tolerance, times that of float32 on a CPU"]
    return table(
        header,
        [
            [r["dtype"], f"{r['passed']} of {r['cases']}", f"{r['worst']:.1e}", f"{r['tolerance_factor']:g}"]
            for r in rows
        ],
    )


def _step(found: dict[str, Any]) -> str:
    share = found["share_of_peak"]
    rows = [
        ["batch size", str(found["batch_size"])],
        ["seconds a step", f"{found['seconds']:.3f}"],
        ["text tokens a second", f"{found['tokens_per_second']:.0f}"],
        ["peak memory (GiB)", _number(found["peak_memory_gib"])],
        ["predicted by arc-plan (GiB)", _number(found["predicted_memory_gib"])],
        ["10^12 operations a second", f"{found['tflops']:.2f}"],
        ["share of the device's peak", "not known" if share is None else f"{share:.1%}"],
        ["loss is finite", "yes" if found["loss_is_finite"] else "NO"],
    ]
    return table(["training step", ""], rows)


def _packing(rows: list[dict[str, Any]]) -> str:
    header = ["contexts", "tokens computed", "forward (ms)", "with gradients (ms)", "peak memory (GiB)", "difference"]
    return table(
        header,
        [
            [
                r["way"],
                str(r["tokens"]),
                f"{r['forward_ms']:.1f}",
                f"{r['step_ms']:.1f}",
                _number(r["peak_memory_gib"]),
                f"{r['difference']:.1e}",
            ]
            for r in rows
        ],
    )


def _first_token(rows: list[dict[str, Any]]) -> str:
    header = [
        "document (tokens)",
        "factor",
        "positions",
        "text (ms)",
        "vectors (ms)",
        "stored (ms)",
        "gain",
        "gain stored",
    ]
    return table(
        header,
        [
            [
                str(r["tokens"]),
                f"×{r['factor']}",
                str(r["positions"]),
                f"{r['text_ms']:.1f}",
                f"{r['vectors_ms']:.1f}",
                f"{r['stored_ms']:.1f}",
                f"{r['text_ms'] / r['vectors_ms']:.2f}",
                f"{r['text_ms'] / r['stored_ms']:.2f}",
            ]
            for r in rows
        ],
    )


def _quickstart(found: dict[str, Any]) -> str:
    rows = [[name, f"{value:.0f} s"] for name, value in found["seconds"].items()]
    rows += [[f"surviving share ×{factor}", _number(share)] for factor, share in found["surviving_share"].items()]
    return table(["quickstart", ""], rows)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"
