"""A vLLM server as engine: only the encoder is in this process, and vLLM gets vectors by HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from typing import Any, Literal

import httpx

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.serving.engines.base import Delta, Engine, Finished, Job
from arc_encoder.inference.serving.engines.remote.server import FLOOR, ServerFacts, facts_of
from arc_encoder.inference.serving.engines.remote.stream import error_of, event_of
from arc_encoder.inference.serving.prompts.chat_format import PartsFormat, format_of
from arc_encoder.inference.serving.prompts.prompt import Document, length_of, runs_of
from arc_encoder.inference.serving.protocol.errors import ApiError, refused, unavailable
from arc_encoder.inference.serving.vllm.embedding_table import EmbeddingTable
from arc_encoder.inference.serving.vllm.requests import PLACEHOLDER, chat_request, completions_request
from arc_encoder.model.language_models.layouts.tokenizer import load_tokenizer

TEST_TEXT = "The bridge was opened in the spring, and the first train crossed it the same day. "
CONNECT_SECONDS = 5.0
LINES = 1 << 20

log = logging.getLogger("arc_encoder.inference.serving.vllm")


class VllmEngine(Engine):
    """A server with `--enable-prompt-embeds`, on a private network.

    Args:
        compressor: the ARC-Encoder; its decoder is not needed here.
        url: of the server, such as http://localhost:8000.
        model: the name of the decoder there; null takes the only one.
        prompts: `chat` sends messages whose parts are text and vectors, to which the server adds its chat template;
            `embeddings` sends whole prompts as embeddings, for decoders without template. null: as the decoder was trained.
        decoder: the decoder's folder, whose tokenizer and embedding matrix `embeddings` needs; the self-test needs it too.
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
        width = compressor.model.head(compressor.decoder_name).projector.out_dim
        if self.table is not None and self.table.width != width:
            raise ConfigError(
                f"engine.decoder={decoder} has embeddings of width {self.table.width}, but vectors have {width}"
            )
        tokenizer = compressor.tokenizer if decoder is None else load_tokenizer(decoder)
        self.text = DecoderText(tokenizer, bool(trained.get("bos", True)), chat)
        self.format = PartsFormat(self.text) if self.prompts == "chat" else format_of(self.text)
        self.url, self.model, self.minimum_version, self.self_test = url, model, minimum_version, self_test
        key = os.environ.get(api_key_variable)
        self._options: dict[str, Any] = {
            "base_url": url,
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "timeout": httpx.Timeout(None, connect=CONNECT_SECONDS),
            "limits": httpx.Limits(max_connections=None),
        }
        self._client: httpx.AsyncClient | None = None
        self._facts: ServerFacts | None = None

    def check(self) -> None:
        """Meet the server: version, model, and whether text and its embeddings are the same to it.

        Raises:
            ConfigError: it cannot be used.
            ApiError: it does not answer.
        """
        try:
            with httpx.Client(**{**self._options, "timeout": httpx.Timeout(60, connect=CONNECT_SECONDS)}) as client:
                facts = facts_of(client, self.model, floor=self.minimum_version)
                if self.self_test:
                    self._compare(client, facts)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise unavailable(f"the vLLM server does not answer as expected ({type(error).__name__})") from error
        self._facts = facts

    async def start(self) -> None:
        self._client = httpx.AsyncClient(**self._options)

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def problem(self) -> str | None:
        try:
            if self._facts is None:
                await asyncio.to_thread(self.check)
            answer = await self._http().get("/health", timeout=CONNECT_SECONDS)
            return None if answer.status_code == 200 else f"the vLLM server is not well ({answer.status_code})"
        except httpx.HTTPError as error:
            self._facts = None  # another one may be there when it comes back
            return f"the vLLM server does not answer ({type(error).__name__})"
        except (ConfigError, ApiError) as error:
            return str(error)

    async def generate(self, job: Job) -> AsyncGenerator[Delta | Finished]:
        if self._facts is None:
            try:
                await asyncio.to_thread(self.check)
            except ConfigError as error:
                raise unavailable(str(error)) from error
        assert self._facts is not None
        path, body = await asyncio.to_thread(self._request, job, self._facts)
        try:
            async with self._http().stream("POST", path, json=body) as answer:
                if answer.status_code != 200:
                    raise error_of(answer.status_code, await answer.aread())
                ended = False
                async for line in answer.aiter_lines():
                    for event in event_of(line):
                        ended = isinstance(event, Finished)
                        yield event
                if not ended:
                    raise unavailable("the engine broke off its answer; try again")
        except httpx.HTTPError as error:
            self._facts = None
            raise unavailable(f"the vLLM server does not answer ({type(error).__name__})") from error

    def _request(self, job: Job, facts: ServerFacts) -> tuple[str, dict[str, Any]]:
        """Path and body of a job."""
        settings: dict[str, Any] = {
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": job.sampling.temperature,
            "top_p": job.sampling.top_p,
            "seed": job.sampling.seed % 2**63,
            "n": job.n,
        }
        if job.ignore_eos:
            settings["ignore_eos"] = True
        if job.stops:
            settings["stop"] = list(job.stops)
        try:
            if self.prompts == "chat" and job.turns is not None:
                return "/v1/chat/completions", self._chat(job, facts, settings)
            return "/v1/completions", self._whole(job, facts, settings)
        except DataError as error:
            raise refused(str(error)) from error

    def _chat(self, job: Job, facts: ServerFacts, settings: dict[str, Any]) -> dict[str, Any]:
        assert job.turns is not None
        if any(PLACEHOLDER in part for turn in job.turns for part in turn.parts if isinstance(part, str)):
            raise refused(
                f"{PLACEHOLDER} is what vLLM marks vectors with; it cannot be part of a text", param="messages"
            )
        messages = [
            {
                "role": turn.role,
                "content": [part.content if isinstance(part, Document) else part for part in turn.parts],
            }
            for turn in job.turns
        ]
        if job.logprobs is not None:
            settings |= {"logprobs": True, "top_logprobs": job.logprobs}
        settings["max_tokens"] = job.max_tokens if job.max_tokens is not None else job.limit
        return chat_request(facts.model, messages, **settings)

    def _whole(self, job: Job, facts: ServerFacts, settings: dict[str, Any]) -> dict[str, Any]:
        if self.table is None:
            raise refused(
                "completions are embedded as a whole, for which this gateway needs the decoder's folder (engine.decoder); use "
                "/v1/chat/completions",
                code="no_embeddings",
            )
        runs = runs_of(job.parts, self.text)
        room = job.limit if facts.window is None else facts.window - length_of(runs)
        longest = job.max_tokens if job.max_tokens is not None else min(job.limit, max(room, 1))
        if not runs or longest > room:
            raise refused(
                f"the prompt takes {length_of(runs)} positions and the answer up to {longest}; the decoder's window is {facts.window}",
                code="context_length_exceeded",
            )
        if job.logprobs is not None:
            settings["logprobs"] = job.logprobs
        if self.format.end_ids:
            settings["stop_token_ids"] = list(self.format.end_ids)
        return completions_request(facts.model, self.table.embed(runs), max_tokens=longest, **settings)

    def _compare(self, client: httpx.Client, facts: ServerFacts) -> None:
        """Greedy answers to a text as ids and as embeddings must be the same.

        Raises:
            ConfigError: they are not.
        """
        if self.table is None:
            log.warning("self-test left out: it needs the decoder's folder (engine.decoder)")
            return
        (ids,) = runs_of([*self.format.completion([], [TEST_TEXT])], self.text)
        assert isinstance(ids, list)
        ask = {"max_tokens": 8, "temperature": 0}
        bodies = [
            {"model": facts.model, "prompt": ids, **ask},
            completions_request(facts.model, self.table.rows(ids), **ask),
        ]
        answers = [client.post("/v1/completions", json=body) for body in bodies]
        if answers[1].status_code == 400:
            raise ConfigError(
                f"the vLLM server takes no embeddings; start it with --enable-prompt-embeds ({answers[1].text[:200]})"
            )
        for answer in answers:
            answer.raise_for_status()
        said = [answer.json()["choices"][0]["text"] for answer in answers]
        if said[0] != said[1]:
            raise ConfigError(
                f"the vLLM server says {said[0]!r} to a text and {said[1]!r} to the same text's embeddings: engine.decoder is another "
                "model than it serves, or the server misreads embeddings"
            )

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            raise unavailable("the gateway is not started")
        return self._client
