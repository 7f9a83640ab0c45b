"""Checked bodies of requests → jobs of an engine."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.inference.generation.sampling import Sampling
from arc_encoder.inference.serving.documents.reader import DocumentReader
from arc_encoder.inference.serving.engines.base import Job
from arc_encoder.inference.serving.prompts.chat_format import ChatFormat
from arc_encoder.inference.serving.prompts.prompt import Document, Part, TokenIds, Turn
from arc_encoder.inference.serving.protocol.errors import not_found, refused
from arc_encoder.inference.serving.protocol.limits import Limits
from arc_encoder.inference.serving.protocol.schemas import (
    ChatBody,
    CompletionBody,
    DocumentSource,
    GenerationBody,
    Message,
    TextPart,
)

ROLES = {"developer": "system"}
COLDEST = 1e-5  # below, a temperature counts as 0, as with vLLM


class Jobs:
    """Makes jobs."""

    def __init__(self, reader: DocumentReader, limits: Limits, model: str, format: ChatFormat) -> None:
        self.reader, self.limits, self.model, self.format = reader, limits, model, format

    async def of_chat(self, body: ChatBody) -> Job:
        """The job of a chat; documents at the top of the request come before the text of the last user's message."""
        self._check(body)
        if body.max_tokens is not None and body.max_completion_tokens is not None:
            raise refused("max_tokens and max_completion_tokens were both given; give one", param="max_tokens")
        if body.top_logprobs and not body.logprobs:
            raise refused("top_logprobs is for requests with logprobs: true", param="top_logprobs")
        last = max((i for i, message in enumerate(body.messages) if message.role == "user"), default=None)
        if last is None:
            raise refused("messages has none of the user", param="messages")
        parts = [_parts(message) for message in body.messages]
        parts[last] = [*body.sources, *parts[last]]
        filled = await self._filled(body, parts)
        turns = tuple(
            Turn(ROLES.get(message.role, message.role), tuple(each))
            for message, each in zip(body.messages, filled, strict=True)
        )
        try:
            prompt = self.format.parts(turns)
        except DataError as error:
            raise refused(str(error), param="messages") from error
        logprobs = (body.top_logprobs or 0) if body.logprobs else None
        longest = body.max_tokens if body.max_tokens is not None else body.max_completion_tokens
        return Job(
            parts=tuple(prompt),
            turns=turns,
            max_tokens=longest,
            **self._common(body),
            stops=tuple(dict.fromkeys([*body.stops, *self.format.stops])),
            logprobs=logprobs,
        )

    async def of_completion(self, body: CompletionBody) -> Job:
        """The job of a completion: the prompt as it is written, documents at the top of the request in front of it."""
        self._check(body)
        prompt, ids = self._prompt(body)
        documents, filled = await self._filled(body, [body.sources, prompt])
        parts: list[Part] = []
        if documents or ids is None:  # ids alone are a whole prompt, as their sender wrote it
            parts = self.format.completion([each for each in documents if isinstance(each, Document)], filled)
        return Job(
            parts=(*parts, *([] if ids is None else [ids])),
            max_tokens=body.max_tokens if body.max_tokens is not None else 16,  # OpenAI's default
            **self._common(body),
            stops=body.stops,
            logprobs=body.logprobs,
        )

    def _common(self, body: GenerationBody) -> dict[str, Any]:
        """What both kinds of job have; as OpenAI does, a draw is from the whole distribution where nothing is said."""
        temperature = 1.0 if body.temperature is None else body.temperature
        sampling = Sampling(
            temperature=0.0 if temperature < COLDEST else temperature,
            top_p=1.0 if body.top_p is None else body.top_p,
            seed=secrets.randbits(62) if body.seed is None else body.seed,
        )
        number = {"limit": self.limits.max_tokens, "n": body.n or 1, "ignore_eos": bool(body.ignore_eos)}
        return {**number, "sampling": sampling, "seeded": body.seed is not None}

    def _prompt(self, body: CompletionBody) -> tuple[list[str | DocumentSource], TokenIds | None]:
        """The parts of a completion's prompt, or its ids.

        Raises:
            ApiError: ids that the decoder's tokenizer does not have.
        """
        given = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        parts: list[str | DocumentSource] = []
        ids: list[int] = []
        for part in given:
            if isinstance(part, int):
                ids.append(part)
            elif isinstance(part, list):
                ids += part
            else:
                parts.append(part.text if isinstance(part, TextPart) else part)
        size = len(self.format.text.tokenizer)
        if ids and max(ids) >= size:
            raise refused(f"the prompt holds the id {max(ids)}, but the decoder has {size} tokens", param="prompt")
        return parts, TokenIds(tuple(ids)) if ids else None

    async def _filled(
        self, body: GenerationBody, parts: Sequence[Sequence[str | DocumentSource]]
    ) -> list[list[str | Document]]:
        """Several lists of parts, their documents read together."""
        sources = [part for each in parts for part in each if isinstance(part, DocumentSource)]
        documents = iter(
            await self.reader.read(sources, factor=body.factor, max_vectors=body.max_vectors, read=body.read)
        )
        return [[next(documents) if isinstance(part, DocumentSource) else part for part in each] for each in parts]

    def _check(self, body: GenerationBody) -> None:
        """Refuse what is not honoured here, or beyond the limits.

        Raises:
            ApiError: naming the field.
        """
        if body.model != self.model:
            raise not_found(
                f"model {body.model!r} is not served here; this gateway serves {self.model!r}",
                param="model",
                code="model_not_found",
            )
        for name in ("frequency_penalty", "presence_penalty"):
            if getattr(body, name):
                raise refused(
                    f"{name} is not supported: penalties together with prompt embeddings stop vLLM's engine, and the embedded "
                    "engine has none; leave it out or give 0",
                    param=name,
                    code="unsupported_parameter",
                )
        if body.logit_bias:
            raise refused("logit_bias is not supported", param="logit_bias", code="unsupported_parameter")
        if body.stream_options is not None and not body.stream:
            raise refused("stream_options is for requests with stream: true", param="stream_options")
        longest = max(body.max_tokens or 0, getattr(body, "max_completion_tokens", None) or 0)
        if longest > self.limits.max_tokens:
            raise refused(f"max_tokens={longest} is above this gateway's {self.limits.max_tokens}", param="max_tokens")
        if (body.n or 1) > self.limits.max_choices:
            raise refused(f"n={body.n} is above this gateway's {self.limits.max_choices}", param="n")


def _parts(message: Message) -> list[str | DocumentSource]:
    if isinstance(message.content, str):
        return [message.content]
    return [part.text if isinstance(part, TextPart) else part for part in message.content]
