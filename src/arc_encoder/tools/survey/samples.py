"""The samples that a task would build: do they fit, and how do they look."""

from __future__ import annotations

from dataclasses import dataclass, field

from arc_encoder.core.errors import ArcError
from arc_encoder.core.segments import Role, Sample
from arc_encoder.data.batching.chat import read_template
from arc_encoder.data.tasks import Task
from arc_encoder.tools.survey.counting import NOT_BUILT, TOO_LONG, TOO_WIDE, Findings, Lengths, Measure


@dataclass(frozen=True)
class Piece:
    """A segment as a person sees it: its text, its role, and what a context becomes."""

    text: str
    role: Role
    tokens: int = 0
    vectors: int = 0
    task_token: bool = False


@dataclass
class TaskSurvey:
    """Samples of one task."""

    name: str
    positions: dict[str, Lengths] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    examples: list[tuple[str, list[Piece]]] = field(default_factory=list)
    built: int = 0


def survey_task(name: str, task: Task, measure: Measure, *, samples: int, examples: int, seed: int) -> TaskSurvey:
    """Build the first `samples` samples of a run with `seed`."""
    found, collator = TaskSurvey(name, {decoder: Lengths() for decoder in measure.decoders}), measure.collator()
    for index in range(samples):
        try:
            sample = task.sample(index, seed, measure.encoder)
            for decoder in measure.decoders:
                batch = collator([sample], decoder=decoder, task=name)
                contexts = batch.context_lengths.tolist()
                length = int(batch.text_lengths[0]) + sum(measure.positions(tokens, decoder) for tokens in contexts)
                found.positions[decoder].add([length])
                window = measure.windows[decoder]
                if window is not None and length > window:
                    found.findings.add(TOO_WIDE, f"{sample.id}: {length:,} positions, but {decoder} has {window:,}")
        except ArcError as error:
            found.findings.add(NOT_BUILT, str(error))
            if found.findings.counts[NOT_BUILT] >= 10 and not found.built:  # every one fails alike
                break
            continue
        found.built += 1
        if max(contexts, default=0) > measure.budget:
            found.findings.add(TOO_LONG, f"{sample.id}: {max(contexts):,} tokens of at most {measure.budget:,}")
        if len(found.examples) < examples:
            found.examples.append((sample.id, pieces(sample, measure, next(iter(measure.decoders)))))
    return found


def pieces(sample: Sample, measure: Measure, decoder: str) -> list[Piece]:
    """The segments of a sample in front of one decoder, its chat template included."""
    text = measure.decoders[decoder]
    if text.chat:
        sample = read_template(text.tokenizer, bos=text.bos).lay_out(sample)
    shown = []
    for segment in sample.segments:
        if segment.role is Role.CONTEXT:
            tokens = measure.encoder_tokens([segment.text])[0]
            vectors = measure.vectors(tokens)
            shown.append(Piece(segment.text, segment.role, tokens, vectors, measure.task_tokens[decoder]))
        else:
            shown.append(Piece(segment.text, segment.role))
    if sample.end_of_text:
        shown.append(Piece(str(text.tokenizer.eos_token), Role.TARGET))
    return shown
