"""Systems × benchmarks × pooling factors → rows and costs, part by part, so that nothing finished is done twice."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arc_encoder.core.compute import peak_memory_gib, reset_peak_memory
from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.benchmarks import Benchmark, ExampleResult
from arc_encoder.evaluation.runs.folder import FinishedParts
from arc_encoder.evaluation.runs.results import Cost, Part, Row, rows_of, write_examples
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import System

# (model, decoder, contexts=, context_tokens=, positions=, factor=) → operations of encoder and decoder for a prompt
Price = Callable[..., tuple[float, float]]


@dataclass
class PendingPart:
    """A part that is to be evaluated, and with what."""

    part: Part
    system: System
    benchmark: Benchmark
    factor: int | None


def run_parts(
    systems: Mapping[str, System],
    benchmarks: Sequence[Benchmark],
    session: Session,
    *,
    factors: Sequence[int | None] = (None,),
    folder: Path | None = None,
    finished: FinishedParts | None = None,
    price: Price | None = None,
    on_progress: Callable[[list[Row], list[Cost]], None] | None = None,
) -> tuple[list[Row], list[Cost]]:
    """Run every system on every benchmark.

    Args:
        session: model and tokenizers; its factor is set for each run.
        factors: pooling factors for the systems that compress or have a budget; None takes the trained one.
        finished: parts of an earlier start, which are not done again, and where new ones are kept.
        price: operations for a prompt; without it no costs are told.
        on_progress: called with all rows and costs so far after each part, in the order of the parts.

    Raises:
        ConfigError: a system that needs an ARC-Encoder, without one; two benchmarks of one name.
    """
    pending: list[PendingPart] = []
    for name, system in systems.items():
        own = list_parts(name, system, benchmarks, session, factors)
        check_parts(own, session)
        pending += own
        if len(systems) > 1:
            system.close()  # one is held at a time
    done: dict[str, tuple[list[Row], list[Cost]]] = {}
    opened: dict[str, Session] = {}  # of the current system, with what it remembers

    def so_far() -> tuple[list[Row], list[Cost]]:
        known = [done[each.part.slug] for each in pending if each.part.slug in done]
        return [row for rows, _ in known for row in rows], [cost for _, costs in known for cost in costs]

    if on_progress is not None:
        on_progress([], [])  # from now on this is a run that is being written
    for each in _claimed(pending, finished):
        known = finished.read(each.part) if finished else None
        if known is not None and folder is not None and not _examples_of(each.part, folder).is_file():
            known = None  # figures without their examples could be neither read nor compared
        if known is None:
            if each.part.system not in opened:
                for name in opened:
                    systems[name].close()
                opened = {each.part.system: each.system.open(session)}
            found, cost = _run(each, opened[each.part.system], folder, price)
            modified = _modifies(each.system, opened[each.part.system])
            shared = _is_shared(opened[each.part.system])
            file = each.benchmark.asked_from
            rows = rows_of(found, each.part, decoder_modified=modified, shared_encoder=shared, asked_from=file)
            known = rows, [cost] if cost else []
            if finished:
                finished.write(each.part, *known)
        done[each.part.slug] = known
        if on_progress is not None:
            on_progress(*so_far())
    session.factor = None
    for name in opened if len(systems) > 1 else ():
        systems[name].close()
    return so_far()


def list_parts(
    name: str, system: System, benchmarks: Sequence[Benchmark], session: Session, factors: Sequence[int | None]
) -> list[PendingPart]:
    """The parts of one system.

    Raises:
        ConfigError: an ARC-Encoder or a factor is missing, or two parts could not be told apart.
    """
    if system.needs_checkpoint and not session.has_compressor:
        raise ConfigError(f"system {name!r} needs a trained ARC-Encoder", advice="compressor")
    pending: dict[str, PendingPart] = {}
    for benchmark in benchmarks:
        for factor, shown in system.factors(session, factors):
            part = Part(
                system=name,
                decoder=session.decoder_name,
                pooling_factor=shown,
                benchmark=benchmark.name,
                version=benchmark.version,
                protocol=benchmark.protocol,
                shots=benchmark.shots,
                seed=benchmark.seed,
            )
            if part.slug in pending:
                raise ConfigError(
                    f"two parts of the evaluation are called {part.slug!r}; give benchmarks and factors different names"
                )
            pending[part.slug] = PendingPart(part, system, benchmark, factor)
    return list(pending.values())


def check_parts(pending: Sequence[PendingPart], session: Session) -> None:
    """Tell what cannot work before anything is evaluated.

    Raises:
        CheckpointError, ConfigError: a compressor that does not serve the decoder, or a factor that it cannot have.
    """
    opened: dict[str, Session] = {}
    for each in pending:
        if each.part.system not in opened:
            opened[each.part.system] = each.system.open(session)  # what it needs of its own is there
        compressor = opened[each.part.system].measure
        if compressor is not None and (each.system.needs_compressor or each.system.needs_budget):
            compressor.head(session.decoder_name)
            compressor.compressed_length(1, each.factor)


def _claimed(pending: list[PendingPart], finished: FinishedParts | None) -> Iterator[PendingPart]:
    """The parts one after the other; those that another process works on come last, when it has finished them."""
    if finished is None:
        yield from pending
        return
    later = []
    for each in pending:
        with finished.claim(each.part, wait=False) as ours:
            if ours:
                yield each
            else:
                later.append(each)
    for each in later:
        with finished.claim(each.part, wait=True):
            yield each


def _run(
    each: PendingPart, session: Session, folder: Path | None, price: Price | None
) -> tuple[list[ExampleResult], Cost | None]:
    session.factor = each.factor
    session.meter.reset()
    reset_peak_memory(session.device)
    start = time.perf_counter()
    results = each.benchmark.run(each.system, session)
    seconds = time.perf_counter() - start
    if folder is not None:
        write_examples(_examples_of(each.part, folder), results)
    _warn_of_empty(each.part, results)
    asked = session.meter.prompts > 0  # a benchmark of your own may ask without the session
    cost = None if price is None or not asked else _cost(each, session, results, seconds, price)
    session.factor = None
    return results, cost


def _warn_of_empty(part: Part, results: Sequence[ExampleResult]) -> None:
    """Warn of answers that say nothing: such as those that open with a blank line, where an answer ends."""
    answers = [str(result.details["answer"]) for result in results if "answer" in result.details]
    empty = sum(not answer.strip() for answer in answers)
    if empty:
        warnings.warn(
            f"{empty} of {len(answers)} answers of {part.system} on {part.benchmark} are empty and count as wrong; a decoder "
            "that opens its answers with a blank line may want its chat template or more examples (shots)",
            stacklevel=2,
        )


def _examples_of(part: Part, folder: Path) -> Path:
    return folder / f"{part.slug}.jsonl"


def _is_shared(session: Session) -> bool:
    """Whether the encoder was trained in front of several decoders."""
    return session.has_compressor and len(getattr(session.model.compressor, "heads", ())) > 1


def _modifies(system: System, session: Session) -> bool:
    return system.decoder_modified or session.model.decoder_modified


def _cost(each: PendingPart, session: Session, results: list[ExampleResult], seconds: float, price: Price) -> Cost:
    memory = peak_memory_gib(session.device)
    meter, count = session.meter, len(results)
    documents = sum(result.document_positions for result in results) / count
    positions = meter.text_tokens / meter.prompts + (documents if meter.contexts else 0.0)
    encoder, decoder = price(
        session.model,
        session.decoder_name,
        contexts=meter.contexts / meter.prompts,
        context_tokens=meter.context_tokens / max(1, meter.contexts),
        positions=positions,
        factor=each.factor,
    )
    tokens, shown = sum(result.document_tokens for result in results) / count, (each.part.shots or 0) + 1
    chosen = each.system.selection_work(shown, tokens / shown)
    values: dict[str, Any] = {
        "document_positions": documents,
        "document_tokens": tokens,
        "stored_bytes": sum(result.stored_bytes for result in results) / count,
        "prompt_positions": positions,
        "encoder_gflops": (encoder + chosen) / 1e9,
        "decoder_gflops": decoder / 1e9,
        "first_token_ms": meter.first_token_ms(session.model, each.factor),
        "seconds": seconds,
        "peak_memory_gib": memory,
        "decoder_modified": _modifies(each.system, session),
    }
    return Cost(**asdict(each.part), **values)
