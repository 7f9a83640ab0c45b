"""A job → what the vLLM server is asked: a chat whose parts are text and vectors, or a prompt of embeddings as a whole."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.serving.engines.base import Job
from arc_encoder.inference.serving.engines.remote.server import ServerFacts
from arc_encoder.inference.serving.prompts.chat_format import ChatFormat, format_of
from arc_encoder.inference.serving.prompts.prompt import Document, length_of, runs_of
from arc_encoder.inference.serving.protocol.errors import refused
from arc_encoder.inference.serving.vllm.embedding_table import EmbeddingTable
from arc_encoder.inference.serving.vllm.requests import PLACEHOLDER, chat_request, completions_request

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"


class Bodies:
    """Writes the requests of one engine.

    Args:
        text: how text is tokenized for the decoder.
        format: how a chat becomes a prompt.
        chat: send messages, and let the server write the template.
        table: the decoder's token embeddings; None where its folder is not here.
    """

    def __init__(self, text: DecoderText, format: ChatFormat, *, chat: bool, table: EmbeddingTable | None) -> None:
        self.text, self.format, self.chat, self.table = text, format, chat, table
        self._counting: ChatFormat | None = None
        if chat and table is not None:
            with suppress(ConfigError):  # the server may have a template that is not in the decoder's folder
                self._counting = format_of(text)

    def of(self, job: Job, facts: ServerFacts) -> tuple[str, dict[str, Any]]:
        """Path and body of a job.

        Raises:
            ApiError: a prompt that cannot be sent.
        """
        greedy = job.sampling.temperature == 0
        settings: dict[str, Any] = {
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": job.sampling.temperature,
            "top_p": job.sampling.top_p,
            "n": 1 if greedy else job.n,  # several answers that are the same are refused there
        }
        if job.seeded:  # otherwise the server draws by its own
            settings["seed"] = job.sampling.seed % 2**63
        if job.ignore_eos:
            settings["ignore_eos"] = True
        if job.stops:
            settings["stop"] = list(job.stops)
        try:
            if self.chat and job.turns is not None:
                return CHAT, self._chat(job, facts, settings)
            return COMPLETIONS, self._whole(job, facts, settings)
        except DataError as error:
            raise refused(str(error)) from error

    def _chat(self, job: Job, facts: ServerFacts, settings: dict[str, Any]) -> dict[str, Any]:
        assert job.turns is not None
        messages = [
            {
                "role": turn.role,
                "content": [part.content if isinstance(part, Document) else part for part in turn.parts],
            }
            for turn in job.turns
        ]
        if any(isinstance(part, str) and PLACEHOLDER in part for each in messages for part in each["content"]):
            raise refused(
                f"{PLACEHOLDER} is what vLLM marks vectors with; it cannot be part of a text", param="messages"
            )
        if self.table is not None:  # the server would cast them to infinity
            for part in (part for each in messages for part in each["content"]):
                if isinstance(part, CompressedContext):
                    part.vectors_as(self.table.weight.dtype)
        if job.logprobs is not None:
            settings |= {"logprobs": True, "top_logprobs": job.logprobs}
            if (
                self.table is not None
            ):  # by its id a token has its exact bytes; the server's own are those of its text alone
                settings["return_tokens_as_token_ids"] = True
        settings["max_tokens"] = job.max_tokens if job.max_tokens is not None else self._longest(job, facts)
        return chat_request(facts.model, messages, **settings)

    def _longest(self, job: Job, facts: ServerFacts) -> int:
        """Tokens that an answer to a chat may have where nobody said it: what fits the window, as far as it is known here."""
        if facts.window is None:
            return job.limit
        prompt = 1
        if self._counting is not None and job.turns is not None:
            with suppress(DataError):  # the server's template has the last word
                prompt = length_of(runs_of(self._counting.parts(job.turns), self.text))
        return max(1, min(job.limit, facts.window - prompt))

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
            settings |= {"logprobs": job.logprobs, "return_tokens_as_token_ids": True}
        if self.format.end_ids and not job.ignore_eos:
            settings["stop_token_ids"] = list(self.format.end_ids)
        return completions_request(facts.model, self.table.embed(runs), max_tokens=longest, **settings)
