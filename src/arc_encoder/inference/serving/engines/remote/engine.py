"""A vLLM server as engine: only the encoder is in this process, and vLLM gets vectors by HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

import httpx

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.serving.engines.base import Delta, Engine, Finished, Job
from arc_encoder.inference.serving.engines.logprobs import TokenBytes
from arc_encoder.inference.serving.engines.remote.bodies import Bodies
from arc_encoder.inference.serving.engines.remote.self_test import compare
from arc_encoder.inference.serving.engines.remote.server import FLOOR, ServerFacts, facts_of
from arc_encoder.inference.serving.engines.remote.stream import WINDOW, AnswerStream, error_of, lines_of
from arc_encoder.inference.serving.prompts.chat_format import PartsFormat, format_of
from arc_encoder.inference.serving.protocol.errors import ApiError, unavailable, without_text
from arc_encoder.inference.serving.vllm.embedding_table import EmbeddingTable
from arc_encoder.model.language_models.layouts.tokenizer import load_tokenizer

CONNECT_SECONDS = 5.0
UNUSABLE = "the vLLM server cannot be used as it is; the gateway's log says why"  # the reason may name addresses

log = logging.getLogger("arc_encoder.inference.serving.vllm")


class VllmEngine(Engine):
    """A server with `--enable-prompt-embeds`, on a private network.

    Args:
        compressor: the ARC-Encoder; its decoder is not needed here.
        url: of the server, such as http://localhost:8000.
        model: the name of the decoder there; null takes the only one.
        prompts: `chat` sends messages whose parts are text and vectors, to which the server adds its chat template;
            `embeddings` sends whole prompts as embeddings, for decoders without template. null: as the decoder was trained.
        decoder: the decoder's folder, whose tokenizer and embedding matrix `embeddings` needs; the self-test needs it too,
            and without it the answer to a chat may be asked for twice where the server's window is small.
        api_key_variable: environment variable with the server's key.
        minimum_version: of vLLM.
        self_test: compare text with its own embeddings when the server is met.

    Raises:
        ConfigError: settings that cannot work.
    """

    name = "vllm"

    def __init__(
        self,
        compressor: Compressor,
        *,
        url: str,
        model: str | None = None,
        prompts: Literal["chat", "embeddings"] | None = None,
        decoder: str | None = None,
        api_key_variable: str = "VLLM_API_KEY",
        minimum_version: str = FLOOR,
        self_test: bool = True,
    ) -> None:
        trained = compressor.model.config.heads.get(compressor.decoder_name, {}).get("decoder") or {}
        chat = bool(trained.get("chat", False))
        self.prompts = prompts or ("chat" if chat else "embeddings")
        if self.prompts not in ("chat", "embeddings"):
            raise ConfigError(f"engine.prompts={prompts!r} is unknown; choose chat or embeddings")
        if self.prompts == "embeddings" and decoder is None:
            raise ConfigError(
                "prompts of embeddings alone are embedded here: give the decoder's folder as `decoder`, of which "
                "tokenizer and embedding matrix are read"
            )
        self.table = None if decoder is None else EmbeddingTable(decoder)
        self.width = compressor.model.head(compressor.decoder_name).projector.out_dim
        if self.table is not None and self.table.width != self.width:
            raise ConfigError(
                f"engine.decoder={decoder} has embeddings of width {self.table.width}, but vectors have {self.width}"
            )
        tokenizer = compressor.tokenizer if decoder is None else load_tokenizer(decoder)
        self.text = DecoderText(tokenizer, bool(trained.get("bos", True)), chat)
        self.format = PartsFormat(self.text) if self.prompts == "chat" else format_of(self.text)
        self.bodies = Bodies(self.text, self.format, chat=self.prompts == "chat", table=self.table)
        self.url, self.model, self.minimum_version, self.self_test = url, model, minimum_version, self_test
        key = os.environ.get(api_key_variable)
        self._options: dict[str, Any] = {
            "base_url": url,
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "timeout": httpx.Timeout(None, connect=CONNECT_SECONDS),
            "limits": httpx.Limits(max_connections=None),
            "trust_env": False,  # a proxy of the environment is for the way outside
        }
        self._client: httpx.AsyncClient | None = None
        self._bytes = None if self.table is None else TokenBytes(self.text.tokenizer)
        self._facts: ServerFacts | None = None
        self._meeting: asyncio.Task[ServerFacts] | None = None

    def check(self) -> None:
        """Meet the server: version, model, and whether text and its embeddings are the same to it.

        Raises:
            ConfigError: it cannot be used.
            ApiError: it does not answer.
        """
        self._facts = self._asked()

    def _asked(self) -> ServerFacts:
        try:
            with httpx.Client(**{**self._options, "timeout": httpx.Timeout(60, connect=CONNECT_SECONDS)}) as client:
                facts = facts_of(client, self.model, floor=self.minimum_version)
                if self.self_test:
                    compare(client, facts.model, self.bodies, self.width)
                return facts
        except (httpx.HTTPError, ValueError, KeyError, TypeError, IndexError) as error:
            raise unavailable(f"the vLLM server does not answer as expected ({type(error).__name__})") from error

    async def start(self) -> None:
        self._client = httpx.AsyncClient(**self._options)

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def problem(self) -> str | None:
        try:
            await self._met()
            answer = await self._http().get("/health", timeout=CONNECT_SECONDS)
            return None if answer.status_code == 200 else f"the vLLM server is not well ({answer.status_code})"
        except httpx.HTTPError as error:
            self._facts = None  # another one may be there when it comes back
            return f"the vLLM server does not answer ({type(error).__name__})"
        except ApiError as error:
            return error.message

    async def _met(self) -> ServerFacts:
        """What the server says of itself; whoever comes while it is being met waits for the same answer.

        Raises:
            ApiError: it does not answer, or cannot be used.
        """
        if self._facts is not None:
            return self._facts
        if self._meeting is None or self._meeting.done():
            self._meeting = asyncio.create_task(self._meet())
        return await asyncio.shield(self._meeting)

    async def _meet(self) -> ServerFacts:
        try:
            self._facts = facts = await asyncio.to_thread(self._asked)
        except ConfigError as error:
            log.error("the vLLM server cannot be used", extra={"fields": {"error": str(error)}})
            raise unavailable(UNUSABLE) from error
        return facts

    async def generate(self, job: Job) -> AsyncGenerator[Delta | Finished]:
        facts = await self._met()
        path, body = await asyncio.to_thread(self.bodies.of, job, facts)
        try:
            try:
                async with aclosing(self._answers(job, path, body)) as events:
                    async for event in events:
                        yield event
            except ApiError as error:
                if error.code != WINDOW or job.max_tokens is not None:
                    raise
                # The prompt is longer than it was thought to be. Where no length is named, the server fills its window, and
                # that is less than what was just too much.
                body["max_tokens"] = None  # not left out: a completion would get 16
                async with aclosing(self._answers(job, path, body)) as events:
                    async for event in events:
                        yield event
        except httpx.HTTPError as error:
            self._facts = None
            raise unavailable(f"the vLLM server does not answer ({type(error).__name__})") from error

    async def _answers(self, job: Job, path: str, body: dict[str, Any]) -> AsyncGenerator[Delta | Finished]:
        """What the server says; an answer that was asked for once is repeated for every choice."""
        stream = AnswerStream(self._bytes)
        copies = range(job.n if body["n"] == 1 else 1)
        ended = False
        async with self._http().stream("POST", path, json=body) as answer:
            if answer.status_code != 200:
                raise error_of(answer.status_code, await answer.aread())
            async with aclosing(lines_of(answer)) as lines:
                async for line in lines:
                    for event in self._read(stream, line):
                        if isinstance(event, Finished):
                            ended = True
                            yield replace(event, completion_tokens=event.completion_tokens * len(copies))
                        else:
                            for copy in copies:
                                yield replace(event, choice=event.choice + copy)
        if not ended:
            raise unavailable("the engine broke off its answer; try again")

    @staticmethod
    def _read(stream: AnswerStream, line: str) -> list[Delta | Finished]:
        try:
            return stream.events(line)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            log.error("the vLLM server's answer cannot be read", extra={"fields": {"error": without_text(error)}})
            raise unavailable("the engine's answer cannot be read; try again") from error

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            raise unavailable("the gateway is not started")
        return self._client
