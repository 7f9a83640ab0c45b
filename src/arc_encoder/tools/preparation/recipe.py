"""A recipe: origin, conversion, and what to say about the result. One YAML file each in `configs/recipe`."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.retrieval import Retriever
from arc_encoder.data.retrieval.answers import contains_answer
from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row
from arc_encoder.tools.preparation.origin import Origin
from arc_encoder.tools.preparation.separation import Separation
from arc_encoder.tools.preparation.writing import Writer, atomic_writer, held_out_of, write_manifest

BLOCK = 256  # questions that are searched at once


@dataclass(frozen=True)
class Job:
    """What the user asks of a recipe.

    Attributes:
        output: file to write; of a recipe with several parts, the folder.
        separation: keeps training and evaluation apart, None for nothing to keep apart.
    """

    name: str
    output: Path
    place: Path
    given: str | None = None
    limit: int | None = None
    overwrite: bool = False
    retriever: Retriever | None = None
    top: int = 5
    separation: Separation | None = None
    command: str = ""


@dataclass(frozen=True)
class Prepared:
    """A file that was written: how many records, why others are not there, and how many were held out."""

    path: Path
    records: int
    left_out: dict[str, int]
    answers_found: float | None = None
    held_out: int = 0


class Recipe:
    """How a data set becomes files of this project.

    Args:
        about: one line for the list of recipes.
        origin: where its rows come from.
        convert: rows → records.
        licence: as its authors state it; goes into the manifest.
        limit: most records, None for all.
        parts: write a file for each part of the origin, into a folder.
        ending: of those files' names.
    """

    def __init__(
        self,
        about: str,
        origin: Origin,
        convert: Conversion,
        licence: str,
        limit: int | None = None,
        parts: bool = False,
        ending: str = ".jsonl.gz",
    ) -> None:
        self.about, self.origin, self.convert, self.licence = about, origin, convert, licence
        self.limit, self.parts, self.ending = limit, parts, ending

    def prepare(self, job: Job) -> list[Prepared]:
        """Write the files of `job`.

        Raises:
            ConfigError: a file exists or cannot be written, or passages are needed.
            DataError: the rows cannot be had, or give no record.
        """
        if self.convert.needs_passages and job.retriever is None:
            raise ConfigError(
                f"{job.name} comes without passages; give the texts to search, a JSONL file of {{text}}",
                advice="passages",
            )
        if not self.parts and job.output.exists() and not job.overwrite:
            raise ConfigError(
                f"{job.output} exists already; choose another, or let it be overwritten", advice="overwrite"
            )
        limit = job.limit or self.limit
        rows = iter(
            tqdm(self.origin.rows(job.given, job.place), desc=job.name, unit=" rows", mininterval=1, disable=None)
        )
        first = list(itertools.islice(rows, 1))  # before anything is written
        if not first:
            raise DataError(f"{job.name}: {job.given or 'its origin'} has no rows")
        pairs = itertools.chain(first, rows)
        done = []
        groups: Iterable[tuple[str, Iterable[tuple[str, Row]]]] = [("", pairs)]
        if self.parts:
            groups = itertools.groupby(pairs, key=lambda pair: pair[0])
        for part, own in groups:
            path = job.output / f"{part}{self.ending}" if self.parts else job.output
            if self.parts and path.exists() and not job.overwrite:
                raise ConfigError(
                    f"{path} exists already; choose another folder, or let it be overwritten", advice="overwrite"
                )
            done.append(self._write(path, (row for _, row in own), job, limit, part or job.name))
        return done

    def _write(self, path: Path, rows: Iterable[Row], job: Job, limit: int | None, name: str) -> Prepared:
        search = _Search(job.retriever if self.convert.needs_passages else None, job.top)
        with ExitStack() as stack:
            writer = Writer(stack.enter_context(atomic_writer(path)), name)
            apart = job.separation or Separation()
            aside = Writer(stack.enter_context(atomic_writer(held_out_of(path))), name) if apart.held_out else None
            for item in search(item for row in rows for item in self.convert.records(row)):
                item = item if isinstance(item, LeftOut) else apart.check(item) or item
                if aside is not None and isinstance(item, dict) and apart.is_held_out(item):
                    aside.add(item)
                else:
                    writer.add(item)
                if limit is not None and writer.written >= limit:
                    break
            for each, what in ((writer, "record"), (aside, "record to hold out")):
                if each is not None and not each.written:
                    reasons = "; ".join(f"{count} × {reason}" for reason, count in writer.left_out.most_common(10))
                    raise DataError(f"{name}: no {what} was made of these rows ({reasons or 'there were too few'})")
        share = None if search.asked == 0 else search.found / search.asked
        self._describe(path, job, writer, aside, limit, search, share)
        return Prepared(path, writer.written, dict(writer.left_out), share, aside.written if aside else 0)

    def _describe(
        self,
        path: Path,
        job: Job,
        writer: Writer,
        aside: Writer | None,
        limit: int | None,
        search: _Search,
        share: float | None,
    ) -> None:
        files = [] if job.given is None and not job.place.is_dir() else self.origin.find(Path(job.given or job.place))
        content: dict[str, Any] = {
            "recipe": job.name,
            "source": {**self.origin.describe(), "read_from": [str(file) for file in files] or "hub"},
            "licence": self.licence,
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **writer.counts(),
            "stopped_at_limit": limit if limit is not None and writer.written >= limit else None,
            "command": job.command,
        }
        if aside is not None:
            content["held_out"] = {"file": held_out_of(path).name, "records": aside.written}
        if search.retriever is not None:
            content["passages"] = {
                **search.retriever.stamp, "top": job.top, "answer_stands_in_them": round(share or 0.0, 4),
            }  # fmt: skip
        write_manifest(path, content)


class _Search:
    """Gives passages to records that have none, a block at a time, and counts how often an answer occurs in them."""

    def __init__(self, retriever: Retriever | None, top: int) -> None:
        self.retriever, self.top = retriever, top
        self.asked = self.found = 0

    def __call__(self, items: Iterator[Record | LeftOut]) -> Iterator[Record | LeftOut]:
        if self.retriever is None:
            yield from items
            return
        while block := list(itertools.islice(items, BLOCK)):
            records = [item for item in block if isinstance(item, dict)]
            found = iter(self.retriever.search([record["question"] for record in records], self.top))
            for item in block:
                if isinstance(item, LeftOut):
                    yield item
                    continue
                passages = next(found)
                if not passages:
                    yield LeftOut("no passage was found")
                    continue
                self.asked += 1
                self.found += contains_answer(item["answers"], passages)
                yield {**item, "passages": passages}
