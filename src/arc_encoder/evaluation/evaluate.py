"""Evaluation as one function: systems on benchmarks, in front of one decoder after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, Unpack

from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.benchmarks import Benchmark
from arc_encoder.evaluation.reporting.tables.result_tables import cost_table, markdown_table
from arc_encoder.evaluation.runs.folder import FinishedParts, ResultsFolder, mark_running
from arc_encoder.evaluation.runs.results import Cost, Part, Row
from arc_encoder.evaluation.runs.runner import Price, run_parts
from arc_encoder.evaluation.session.session import Session, SessionOptions, open_session
from arc_encoder.evaluation.systems import System
from arc_encoder.model.decoder.load import FrozenDecoder, load_decoder

Decoder: TypeAlias = FrozenDecoder | str | Path | Callable[[], FrozenDecoder]


def evaluate(
    systems: Mapping[str, System],
    benchmarks: Sequence[Benchmark],
    decoders: Mapping[str, Decoder] | Session,
    compressor: str | Path | None = None,
    *,
    factors: Sequence[int | None] = (),
    folder: str | Path | None = None,
    identify: Callable[[Part], str] | None = None,
    price: Price | None = None,
    conditions: Mapping[str, Any] | None = None,
    first_process: bool = True,
    **options: Unpack[SessionOptions],
) -> tuple[list[Row], list[Cost]]:
    """Run every system on every benchmark, in front of every decoder.

    Args:
        systems: by name.
        benchmarks: what to run.
        decoders: by the names that the compressor knows them by: loaded ones, folders or hub names, or functions that
            load one. One is held at a time. An open session may be given instead.
        compressor: folder of a trained ARC-Encoder, or the hub name of a released one.
        factors: pooling factors for the systems that compress or have a budget; the trained one by default.
        folder: where results.json, report.md and every example are written.
        identify: a text for a part that is another one whenever something that decides its results is; parts that an
            earlier start finished with the same text are read from `folder` instead of computed.
        price: floating-point operations of a prompt, such as `tools.planning.costs.work.prefill_work`; without it
            no costs are told.
        conditions: written into results.json as they are, for reports.
        first_process: of several that share `folder`, this one marks the results as running and writes report.md.
        options: of `open_session`, such as `batch_size` and `device`.

    Returns:
        a row for each metric of each part, and the costs.

    Raises:
        ConfigError: no system; one that needs a compressor or a factor that was not given.
        CheckpointError: the compressor cannot be loaded or does not serve a decoder.
    """
    check_systems(systems, compressor is not None or isinstance(decoders, Session), factors)
    if isinstance(decoders, Session):
        place = None if folder is None else Path(folder) / "examples"
        return run_parts(systems, benchmarks, decoders, factors=factors or (None,), folder=place, price=price)
    if not decoders:
        raise ConfigError("no decoder was given; choose at least one", advice="decoder")
    results = ResultsFolder(Path(folder), conditions) if folder is not None else None
    if results is not None and first_process:
        mark_running(results.folder)
    needed = any(system.needs_checkpoint or system.needs_budget for system in systems.values())
    rows: list[Row] = []
    costs: list[Cost] = []

    def on_progress(new_rows: list[Row], new_costs: list[Cost]) -> None:
        if results is not None:
            results.write("running", rows + new_rows, costs + new_costs)

    for number, (name, decoder) in enumerate(decoders.items()):  # one is held at a time
        session = open_session(_loaded(decoder), name, compressor if needed else None, **options)
        if number == 0 and len(decoders) > 1:
            check_decoders(systems, session, list(decoders))
        found = run_parts(
            systems,
            benchmarks,
            session,
            factors=factors or (None,),
            folder=None if results is None else results.folder / "examples",
            finished=FinishedParts(results.folder / "parts", identify) if results is not None and identify else None,
            price=price,
            on_progress=on_progress,
        )
        rows += found[0]
        costs += found[1]
        del session  # with its decoder, before the next one is loaded
    if results is not None:
        results.write("finished", rows, costs)
        if first_process:
            results.write_report(results_table(rows, costs))
    return rows, costs


def results_table(rows: Sequence[Row], costs: Sequence[Cost] = ()) -> str:
    """Scores, and costs if there are any, as Markdown."""
    return markdown_table(rows, costs) + (f"\n\n{cost_table(costs)}" if costs else "")


def check_systems(systems: Mapping[str, System], has_compressor: bool, factors: Sequence[int | None]) -> None:
    """Refuse systems that lack what they need.

    Raises:
        ConfigError: there is none, or one needs a compressor or a pooling factor that was not given.
    """
    if not systems:
        raise ConfigError("no system was given; choose at least one", advice="system")
    without = [name for name, system in systems.items() if system.needs_checkpoint]
    if without and not has_compressor:
        raise ConfigError(f"system {', '.join(without)} needs a trained ARC-Encoder", advice="compressor")
    budgets = [name for name, system in systems.items() if system.needs_budget]
    if budgets and not has_compressor and not factors:
        raise ConfigError(
            f"system {', '.join(budgets)} needs a budget, from a trained ARC-Encoder or from pooling factors",
            advice="budget",
        )


def check_decoders(systems: Mapping[str, System], session: Session, decoders: Sequence[str]) -> None:
    """Tell, before the first decoder is asked, that a compressor does not serve one of the others.

    Raises:
        CheckpointError: which one.
    """
    for system in systems.values():
        measure = system.open(session).measure if system.needs_compressor else session.measure
        if measure is not None:
            for name in decoders:
                measure.head(name)
        if len(systems) > 1:
            system.close()


def _loaded(decoder: Decoder) -> FrozenDecoder:
    if isinstance(decoder, str | Path):
        return load_decoder(str(decoder))
    return decoder if isinstance(decoder, FrozenDecoder) else decoder()
