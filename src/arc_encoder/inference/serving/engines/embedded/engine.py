"""The decoder inside this process, by Transformers: requests share one batch, documents that are asked again are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import suppress

import torch

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError, at_least
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.generation.answering import Answering
from arc_encoder.inference.serving.engines.base import Delta, Engine, Finished, Job, T
from arc_encoder.inference.serving.engines.embedded.decoding import Decoding, Work
from arc_encoder.inference.serving.engines.embedded.generation_loop import GenerationLoop
from arc_encoder.inference.serving.engines.embedded.kv_rows import EMPTY
from arc_encoder.inference.serving.prompts.chat_format import format_of
from arc_encoder.inference.serving.prompts.prompt import Run, length_of, runs_of
from arc_encoder.inference.serving.protocol.errors import refused
from arc_encoder.model.arc_model import ArcForCausalLM

TEST_TEXT = "The bridge was opened in the spring, and the first train crossed it the same day."
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.2, torch.float16: 0.05}  # of the logits' spread


class TransformersEngine(Engine):
    """Embedded engine.

    Args:
        compressor: with its decoder.
        max_batch: answers that are generated at the same time.
        prefill_positions: positions of new prompts that are read in one pass.
        prefix_cache_mib: memory for documents that were read, so that the next question about them reads its own words
            alone; 0 keeps none.
        max_positions: positions that all answers under way may come to; prompts beyond wait.
        self_test: compare text with its own embeddings at start.

    Raises:
        ConfigError: a number that cannot work.
        CheckpointError: a compressor without decoder.
    """

    name = "transformers"

    def __init__(
        self,
        compressor: Compressor,
        *,
        max_batch: int = 32,
        prefill_positions: int = 4096,
        prefix_cache_mib: float = 512,
        max_positions: int = 131072,
        self_test: bool = True,
    ) -> None:
        at_least(1, "engine.", max_batch=max_batch, prefill_positions=prefill_positions, max_positions=max_positions)
        at_least(0, "engine.", prefix_cache_mib=prefix_cache_mib)
        decoder = compressor.decoder
        if decoder is None:
            raise CheckpointError("the embedded engine needs the decoder in this process", advice="decoder")
        name = compressor.decoder_name
        answering = Answering(ArcForCausalLM(compressor.model, {name: decoder}), compressor.tokenizer, name)
        self.text = DecoderText(decoder.tokenizer, decoder.bos, decoder.chat)
        self.format = format_of(self.text)
        self.dtype: torch.dtype = decoder.model.get_input_embeddings().weight.dtype
        self.window, self.self_test = decoder.window, self_test
        answering.arc.onload(answering.name, next(compressor.model.parameters()).device)
        self.decoding = Decoding(
            answering,
            end_ids=self.format.end_ids,
            max_batch=max_batch,
            prefill_positions=prefill_positions,
            prefix_cache_mib=prefix_cache_mib,
        )
        self.loop = GenerationLoop(self.decoding, max_positions=max_positions)

    def check(self) -> None:
        if self.self_test:
            self._compare()

    async def start(self) -> None:
        self.loop.start()

    async def stop(self) -> None:
        await asyncio.to_thread(self.loop.stop)

    async def problem(self) -> str | None:
        return None if self.loop.broken is None else f"the decoder fails ({self.loop.broken})"

    def call(self, work: Callable[[], T]) -> Future[T]:
        return self.loop.call(work)

    def counters(self) -> dict[str, float]:
        return {
            "answers_running": len(self.decoding.active),
            "prompts_waiting": self.loop.waiting,
            "prefix_hits": self.decoding.prefix_hits,
            "prefix_misses": self.decoding.prefix_misses,
            "prefix_bytes": self.decoding.prefixes.used,
            "failures": self.loop.failures,
        }

    async def generate(self, job: Job) -> AsyncGenerator[Delta | Finished]:
        runs = await asyncio.to_thread(self._runs, job)
        events: asyncio.Queue[Delta | Finished | Exception] = asyncio.Queue()
        here = asyncio.get_running_loop()

        def tell(event: Delta | Finished | Exception) -> None:
            with suppress(RuntimeError):  # the loop is closed, so nobody waits
                here.call_soon_threadsafe(events.put_nowait, event)

        work = Work(job, runs, self._longest(job, length_of(runs)), tell)
        self.loop.submit(work)
        try:
            while True:
                event = await events.get()
                if isinstance(event, Exception):
                    raise event
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            work.cancelled = True

    def _runs(self, job: Job) -> list[Run]:
        """The prompt of a job.

        Raises:
            ApiError: vectors that the decoder's dtype cannot hold.
        """
        runs = runs_of(job.parts, self.text)
        try:
            for run in runs:
                if isinstance(run, CompressedContext):
                    run.vectors_as(self.dtype)
        except DataError as error:
            raise refused(str(error), param="documents") from error
        return runs

    def _longest(self, job: Job, prompt: int) -> int:
        """Tokens that an answer may have."""
        if prompt == 0:
            raise refused("the prompt is empty", param="prompt")
        room = job.limit if self.window is None else self.window - prompt
        wanted = job.max_tokens if job.max_tokens is not None else min(job.limit, max(room, 1))
        if wanted > room:
            raise refused(
                f"the prompt takes {prompt} positions and the answer up to {wanted}, which does not fit the decoder's "
                f"window of {self.window}; use a larger pooling factor, shorter text or fewer max_tokens",
                code="context_length_exceeded",
            )
        return wanted

    @torch.no_grad()
    def _compare(self) -> None:
        """Text as ids and the same text as embeddings must give the same logits.

        Raises:
            ConfigError: they do not.
        """
        decoder = self.decoding.decoder
        ids = torch.tensor([decoder.prefix_ids + decoder.token_ids(TEST_TEXT)], device=decoder.device)
        with self.decoding.arc.decoder_adapter_of(self.decoding.name):
            as_text = decoder.model(input_ids=ids, use_cache=False).logits[0, -1]
        as_embeddings, _ = self.decoding.extend([EMPTY], [decoder.embed(ids)[0]])
        apart = float((as_text.float() - as_embeddings[0].float()).abs().max() / as_text.float().std())
        if not apart <= TOLERANCE.get(as_text.dtype, 0.2):
            raise ConfigError(
                f"the decoder says something else to a text than to the same text's embeddings (logits are {apart:.3g} of "
                "their spread apart): it cannot read vectors"
            )
