"""Compressing by Ray Data: documents are read, made unique and encoded by its workers, and written here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from arc_encoder.core.errors import ArcError, CheckpointError, ConfigError, DataError, check_number, needing
from arc_encoder.data.records import Document
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.encoding.contexts import CompressedContext, Origin, source_digest
from arc_encoder.inference.storage.corpus.corpus import BATCHES, Outcome, note_failed
from arc_encoder.inference.storage.corpus.engines.base import CorpusJob, Engine
from arc_encoder.inference.storage.store import VectorStore

WRITTEN_AT_ONCE = 512  # documents of a shard
PARTITIONS = 4  # of all documents, by their texts, for each worker


class RayEngine(Engine):
    """A pool of workers that Ray Data feeds; on one machine or on a cluster whose machines all see the files.

    Args:
        workers: processes that encode, each with the ARC-Encoder.
        cpus, gpus: of each.
        address: of a cluster; None starts Ray on this machine.

    Raises:
        ConfigError: no worker, or Ray is missing.
    """

    def __init__(self, workers: int = 2, cpus: float = 1, gpus: float = 0, address: str | None = None) -> None:
        check_number("engine: workers", workers, lowest=1)
        self.workers, self.cpus, self.gpus, self.address = workers, cpus, gpus, address
        _ray()

    def compress(
        self, job: CorpusJob, compressor: Compressor, store: VectorStore, documents: Iterator[Document]
    ) -> Outcome:
        ray = _ray()
        if not ray.is_initialized():
            local = {} if self.address else {"num_cpus": max(2, round(self.workers * self.cpus) + 1)}
            ray.init(address=self.address, include_dashboard=False, log_to_driver=False, **local)
        wanted = compressor.pooling_factor if job.factor is None else job.factor
        done = {
            entry.id: entry.source
            for entry in store.index.entries()
            if entry.factor == wanted and store.holds(entry) and (entry.fidelity is not None or not job.fidelity)
        }
        rows = ray.data.from_items([{"file": file} for file in job.files], override_num_blocks=len(job.files))
        rows = (
            rows.flat_map(_Read(job))
            .groupby("source", num_partitions=PARTITIONS * self.workers)
            .map_groups(_together, batch_format="pandas")
        )
        encoded = rows.map_batches(
            _Encode,
            fn_constructor_args=(job, ray.put(done), self.cpus),
            batch_size=job.batch_size * BATCHES,
            batch_format="pandas",
            concurrency=self.workers,
            num_cpus=self.cpus,
            num_gpus=self.gpus,
        )
        return _written(encoded, compressor, store, job, wanted)


class _Read:
    """A file → its documents."""

    def __init__(self, job: CorpusJob) -> None:
        self.job = job

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for document in self.job.read(row["file"]):
            yield {"id": document.id, "text": document.text, "source": source_digest(document.text)}


def _together(group: Any) -> Any:
    """Documents of the same text as one row."""
    import pandas

    first = group.iloc[0]
    return pandas.DataFrame({"ids": [list(group["id"])], "text": [first["text"]], "source": [first["source"]]})


class _Encode:
    """Texts → vectors, with a compressor of its own."""

    def __init__(self, job: CorpusJob, done: Any, cpus: float) -> None:
        self.job, self.done = job, _ray().get(done) if not isinstance(done, dict) else done
        torch.set_num_threads(max(1, int(cpus)))
        self.compressor = job.load()

    def __call__(self, rows: Any) -> Any:
        import pandas

        found: list[dict[str, Any]] = []
        new = []
        for ids, text, source in zip(rows["ids"], rows["text"], rows["source"], strict=True):
            missing = [id for id in ids if self.done.get(id) != source]
            if missing:
                new.append((missing, text))
            before = [id for id in ids if self.done.get(id) == source]
            kept = text if self.job.keep_text else ""
            found += [_row(before, text=kept, source=source, before=True)] if before else []
        problems = self.compressor.problems([text for _, text in new])
        found += [_row(new[place][0], problem=reason) for place, reason in problems.items()]
        good = [pair for place, pair in enumerate(new) if place not in problems]
        texts = [text for _, text in good]
        contexts = self.compressor.encode(texts, factor=self.job.factor, batch_size=self.job.batch_size)
        if self.job.fidelity:
            contexts = self.compressor.with_fidelity(contexts, texts, batch_size=self.job.batch_size)
        found += [
            _row(
                ids,
                text=text if self.job.keep_text else "",
                source=context.origin.source,
                tokens=context.origin.tokens,
                fidelity=-1.0 if context.fidelity is None else context.fidelity,
                vectors=context.vectors.float().numpy(),
            )
            for (ids, text), context in zip(good, contexts, strict=True)
        ]
        return pandas.DataFrame(found)


def _row(ids: list[str], **other: Any) -> dict[str, Any]:
    empty = {"text": "", "source": "", "tokens": 0, "fidelity": -1.0, "problem": "", "before": False}
    vectors = np.asarray(other.pop("vectors", np.zeros((0, 1), np.float32)))
    return {
        "ids": list(ids),
        **empty,
        **other,
        "shape": list(vectors.shape),
        "vectors": vectors.tobytes(),
    }


def _written(encoded: Any, compressor: Compressor, store: VectorStore, job: CorpusJob, factor: float | None) -> Outcome:
    outcome, sources = Outcome(), dict[str, str]()
    made: dict[str, CompressedContext] = {}
    texts: dict[str, str] = {}

    def flush() -> None:
        store.add(made, texts if job.keep_text else None)
        made.clear()
        texts.clear()

    like = compressor.origin_of_vectors()
    for row in _rows(encoded):
        ids = [str(id) for id in row["ids"]]
        for id in ids:
            if row["source"] and sources.setdefault(id, row["source"]) != row["source"]:
                flush()
                raise DataError(f"two documents are called {id!r}; give each an id of its own")
        if row["before"]:
            outcome.done_before += len(ids)
            if job.keep_text:
                store.keep_texts(dict.fromkeys(ids, row["text"]))
        elif row["problem"]:
            outcome.failed += [(id, row["problem"]) for id in ids]
            note_failed(store, dict.fromkeys(ids, row["problem"]))
            if job.stop_on_error:
                flush()
                raise DataError(
                    f"document {ids[0]!r} {row['problem']}; leave it out, or let such be skipped", advice="skip"
                )
        else:
            vectors = torch.frombuffer(bytearray(row["vectors"]), dtype=torch.float32).reshape(*row["shape"])
            origin = Origin(row["source"], like.encoder, like.decoder, like.decoder_name, factor, int(row["tokens"]))
            fidelity = None if row["fidelity"] < 0 else float(row["fidelity"])
            made.update(dict.fromkeys(ids, CompressedContext(vectors, origin, fidelity)))
            texts.update(dict.fromkeys(ids, row["text"]))
            outcome.compressed += len(ids)
            outcome.vectors += len(vectors)
        if len(made) >= WRITTEN_AT_ONCE:
            flush()
    flush()
    if not (outcome.compressed or outcome.done_before or outcome.failed):
        raise DataError(f"{', '.join(map(str, job.files[:3]))}: there is no document")
    return outcome


def _rows(encoded: Any) -> Iterator[dict[str, Any]]:
    """The rows of a Ray data set; what a worker raised of ours is raised here as it was there."""
    try:
        yield from encoded.iter_rows()
    except GeneratorExit:
        raise
    except Exception as error:
        cause: BaseException | None = error
        seen: list[BaseException] = []
        while cause is not None and cause not in seen:
            if isinstance(cause, ArcError):
                raise _plain(cause) from None
            seen.append(cause)
            cause = getattr(cause, "cause", None) or cause.__cause__
        raise DataError(f"Ray could not compress the documents: {str(error).strip().splitlines()[-1]}") from error


def _plain(error: ArcError) -> ArcError:
    """The error of a worker without Ray's wrapping, whose text is the whole remote traceback."""
    message = str(error.args[0]) if error.args and isinstance(error.args[0], str) else str(error)
    kind = next((each for each in (ConfigError, CheckpointError, DataError) if isinstance(error, each)), DataError)
    last = [line for line in message.strip().splitlines() if line.strip()][-1]
    return kind(last.split("Error: ", 1)[-1])


def _ray() -> Any:
    with needing("the Ray engine needs Ray Data", "ray"):
        import ray
        import ray.data
    return ray
