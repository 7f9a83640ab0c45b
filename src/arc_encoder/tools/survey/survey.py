"""Surveying a source and the tasks that read it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from tqdm import tqdm

from arc_encoder.core.errors import ArcError
from arc_encoder.data.sources.files.line_index import Skipped
from arc_encoder.data.tasks import FewShot, Task
from arc_encoder.tools.survey.counting import BROKEN, SKIPPED, Findings, Measure
from arc_encoder.tools.survey.records import RecordSurvey
from arc_encoder.tools.survey.report import SourceReport
from arc_encoder.tools.survey.samples import survey_task


def survey_source(
    name: str,
    build: Callable[[], Any],
    tasks: Mapping[str, Callable[[Any], Task]],
    measure: Measure,
    *,
    limit: int | None = None,
    samples: int = 64,
    examples: int = 2,
    seed: int = 0,
    strict: bool = True,
) -> SourceReport:
    """Look at a source once, and at the first samples of each task that reads it."""
    findings, report = Findings(), SourceReport(name)
    with warnings.catch_warnings(record=True):  # what is left out is in the report
        warnings.simplefilter("always")
        try:
            source = build()
            survey = RecordSurvey(measure)
            made: dict[str, Task | ArcError] = {}
            for task, make in tasks.items():
                try:
                    made[task] = make(source)
                except ArcError as error:
                    made[task] = error
            used = [task.max_passages for task in made.values() if isinstance(task, FewShot)]
            survey.max_passages = max(used, default=None)
            total = len(source)
            number = total if limit is None else min(limit, total)
            survey.add(
                tqdm(_each(source, number), desc=name, total=number, unit=" records", mininterval=1, disable=None)
            )
        except ArcError as error:
            report.error = str(error)
            return report
        left_out: Skipped = getattr(source, "skipped", Skipped())  # a source of a user's own may not count
        skipped, first = left_out.count, left_out.first
    for place in first:
        findings.add(BROKEN if strict else SKIPPED, place, 0)
    if skipped:
        findings.add(BROKEN if strict else SKIPPED, "", skipped)
    report.fill(survey, findings, total=total, read=number, skipped=skipped)
    for task, found in made.items():
        if isinstance(found, ArcError):
            report.refused[task] = str(found)
        else:
            report.tasks.append(
                survey_task(task, found, measure, samples=min(samples, total), examples=examples, seed=seed)
            )
    return report


def _each(source: Any, number: int) -> Iterator[Any]:
    """The first `number` records; a source that can be iterated is read in its own order."""
    if hasattr(source, "__iter__"):
        yield from islice(iter(source), number)
    else:
        yield from (source[index] for index in range(number))
