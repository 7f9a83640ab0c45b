"""Systems × benchmarks × pooling factors → rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from arc_encoder.errors import ConfigError
from arc_encoder.evaluation.benchmarks import Benchmark
from arc_encoder.evaluation.results import Part, Row, rows_of, write_examples
from arc_encoder.evaluation.session import Session
from arc_encoder.evaluation.systems import System


def evaluate(
    systems: Mapping[str, System],
    benchmarks: Sequence[Benchmark],
    session: Session,
    *,
    factors: Sequence[int | None] = (None,),
    folder: Path | None = None,
    trained_factor: int | None = None,
) -> list[Row]:
    """Run every system on every benchmark.

    Args:
        systems: by name.
        benchmarks: what to run.
        session: model and tokenizers; its factor is set for each run.
        factors: pooling factors for the systems that compress; None takes the trained one.
        folder: where a JSONL of the examples of each run is written.
        trained_factor: what None stands for, in the rows.

    Raises:
        ConfigError: a system that needs an ARC-Encoder, without one.
    """
    rows: list[Row] = []
    for system_name, system in systems.items():
        for benchmark in benchmarks:
            for factor in factors if system.needs_compressor else (None,):
                session.factor = factor
                if system.needs_compressor and not session.has_compressor:
                    raise ConfigError(
                        f"system {system_name!r} needs an ARC-Encoder; give checkpoint=<folder of a trained one>"
                    )
                results = benchmark.run(system, session)
                shown = (factor or trained_factor) if system.needs_compressor else None
                part = Part(
                    system=system_name,
                    decoder=session.decoder_name,
                    pooling_factor=shown,
                    benchmark=benchmark.name,
                    version=benchmark.version,
                    protocol="strict",
                    shots=getattr(benchmark, "shots", None),
                    seed=getattr(benchmark, "seed", 0),
                )
                rows += rows_of(results, part)
                if folder is not None:
                    write_examples(folder / f"{part.slug}.jsonl", results)
    session.factor = None
    return rows
