"""How fast a gateway answers about documents: as text, as vectors that are made now, as vectors of a store.

All ways take turns in one run, so that their ratios hold on a machine whose speed changes. Beside each ratio is what
the floating-point operations imply (`plan.prefill`): a way that needs a quarter of the text's work should take a quarter of
its time to the first token.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from arc_encoder.data.batching.tokens import text_ids
from arc_encoder.data.prompts import DOCUMENT, asked
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.storage.store import VectorStore
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.tools.planning.costs.work import prefill_work

QUESTION = "What is said there?"


@dataclass(frozen=True)
class Way:
    """A way in which documents reach the decoder.

    Attributes:
        factor: pooling factor; None is text.
    """

    factor: int | None = None
    stored: bool = False

    @property
    def name(self) -> str:
        """For tables."""
        return "text" if self.factor is None else f"×{self.factor} {'stored' if self.stored else 'cold'}"


@dataclass(frozen=True)
class Case:
    """What is measured at once."""

    way: Way
    tokens: int
    clients: int


@dataclass
class Measured:
    """What was measured of a case.

    Attributes:
        first: seconds until the first text of each answer, all rounds.
        rates: tokens of all answers a second, of each round.
        positions: of a prompt.
        processor: seconds of the processor until the first text, where one client asks; on a machine that others use
            too, they tell more than the clock.
    """

    first: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    positions: int = 0
    processor: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """One answer.

    Attributes:
        first, processor: seconds until its first text, by the clock and of the processor.
    """

    first: float
    processor: float
    tokens: int
    positions: int


class ServingBench:
    """Asks a running gateway.

    Args:
        url: of the gateway; its caches are off.
    """

    def __init__(
        self, url: str, model: str, compressor: Compressor, words: Sequence[str], *, answer_tokens: int
    ) -> None:
        self.url, self.model, self.compressor, self.words = url, model, compressor, words
        self.answer_tokens = answer_tokens
        self._asked = 0

    def document(self, tokens: int, number: int) -> str:
        """Words drawn from the given ones, cut to so many encoder tokens; the same for the same number."""
        draw = random.Random(number)
        text = " ".join(draw.choices(self.words, k=2 * tokens))
        ids = text_ids(text, self.compressor.tokenizer)[:tokens]
        return str(self.compressor.tokenizer.decode(ids))

    def fill(self, store: VectorStore, sizes: Sequence[int], clients: int, factors: Sequence[int]) -> None:
        """Put the documents of all clients into a store."""
        for tokens in sizes:
            texts = [self.document(tokens, number) for number in range(clients)]
            for factor in factors:
                contexts = self.compressor.encode(texts, factor=factor, batch_size=4)
                store.add({id_of(tokens, number, factor): each for number, each in enumerate(contexts)})

    def run(self, cases: Sequence[Case], rounds: int) -> dict[Case, Measured]:
        """Measure cases, one after the other in every round, after one round that is not counted."""
        found = {case: Measured() for case in cases}
        for number in range(rounds + 1):
            for case in cases:
                if number == 0 and case.clients > 1:
                    continue
                answers, rate = asyncio.run(self._ask(case))
                if number:
                    measured = found[case]
                    measured.first += [each.first for each in answers]
                    measured.processor += [each.processor for each in answers] if case.clients == 1 else []
                    measured.rates.append(rate)
                    measured.positions = answers[0].positions
        return found

    async def _ask(self, case: Case) -> tuple[list[Asked], float]:
        async with httpx.AsyncClient(
            base_url=self.url, timeout=None, limits=httpx.Limits(max_connections=None)
        ) as client:
            begun = time.perf_counter()
            answers = await asyncio.gather(*(self._one(client, case, number) for number in range(case.clients)))
            seconds = time.perf_counter() - begun
        return answers, sum(each.tokens for each in answers) / seconds

    async def _one(self, client: httpx.AsyncClient, case: Case, number: int) -> Asked:
        way, source = case.way, {"text": ""}
        if way.stored:
            source = {"id": id_of(case.tokens, number, way.factor)}
        else:  # the gateway has never seen it
            self._asked += 1
            source = {"text": self.document(case.tokens, 1000 + self._asked)}
        body = {
            "model": self.model,
            "prompt": [
                {"type": "text", "text": DOCUMENT},
                {"type": "document", **source},
                {"type": "text", "text": asked(QUESTION)},
            ],
            "read": "text" if way.factor is None else "vectors",
            "factor": way.factor,
            "max_tokens": self.answer_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        usage: dict[str, Any] = {}
        begun, used, first, worked = time.perf_counter(), time.process_time(), 0.0, 0.0
        async with client.stream("POST", "/v1/completions", json=body) as answer:
            if answer.status_code != 200:
                raise RuntimeError(f"the gateway answered {answer.status_code}: {(await answer.aread())[:300]!r}")
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    worked = worked or time.process_time() - used
                    first = first or time.perf_counter() - begun
                    usage = json.loads(line[6:]).get("usage") or usage
        return Asked(first, worked, int(usage["completion_tokens"]), int(usage["prompt_tokens"]))

    def operations(self, case: Case) -> float:
        """Floating-point operations until the first token of one answer."""
        decoder = self.compressor.decoder
        assert decoder is not None
        name, way = self.compressor.decoder_name, case.way
        arc = ArcForCausalLM(self.compressor.model, {name: decoder})
        around = len(decoder.token_ids(DOCUMENT)) + len(decoder.token_ids(asked(QUESTION))) + len(decoder.prefix_ids)
        if way.factor is None:
            vectors = case.tokens
        else:
            extra = self.compressor.model.head(name).extra_vectors()
            vectors = self.compressor.model.compressed_length(case.tokens, way.factor) + extra
        cold = way.factor is not None and not way.stored
        encoder, passed = prefill_work(
            arc,
            name,
            contexts=1 if cold else 0,
            context_tokens=case.tokens,
            positions=vectors + around,
            factor=way.factor,
        )
        return encoder + passed


def cases_of(sizes: Sequence[int], clients: Sequence[int], factors: Sequence[int]) -> list[Case]:
    """Every way at every size for every number of clients; text first."""
    ways = [Way(), *(Way(factor, stored) for factor in factors for stored in (False, True))]
    return [Case(way, tokens, count) for tokens in sizes for count in clients for way in ways]


Row = dict[str, float | int | str | None]


def rows_of(bench: ServingBench, found: dict[Case, Measured]) -> Iterator[Row]:
    """For each case what was measured, its ratio to text, and the ratio that the operations imply."""
    for case, measured in found.items():
        text = Case(Way(), case.tokens, case.clients)
        by_processor = [statistics.median(each.processor) for each in (found[text], measured) if each.processor]
        first, base = statistics.median(measured.first), statistics.median(found[text].first)
        implied = bench.operations(text) / bench.operations(case)
        rate, base_rate = statistics.median(measured.rates), statistics.median(found[text].rates)
        yield {
            "document_tokens": case.tokens,
            "clients": case.clients,
            "way": case.way.name,
            "positions": measured.positions,
            "first_token_seconds": first,
            "tokens_per_second": rate,
            "faster_first_token": base / first,
            "implied_by_operations": implied,
            "share_of_implied": base / first / implied,
            "share_by_processor": by_processor[0] / by_processor[1] / implied if by_processor else None,
            "faster_tokens": rate / base_rate,
        }


def id_of(tokens: int, number: int, factor: int | None) -> str:
    """Of a document in the store."""
    return f"{tokens}-{number}-x{factor}"
