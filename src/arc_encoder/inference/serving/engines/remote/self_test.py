"""What is asked of a vLLM server before anybody is served: whether a text and its own embeddings are the same to it."""

from __future__ import annotations

import logging
from itertools import chain
from typing import Any

import httpx
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.batching.tokens import token_ids
from arc_encoder.inference.encoding.contexts import CompressedContext, Origin
from arc_encoder.inference.serving.engines.remote.bodies import CHAT, COMPLETIONS, Bodies
from arc_encoder.inference.serving.prompts.prompt import runs_of
from arc_encoder.inference.serving.vllm.requests import chat_request, completions_request, settled

TEST_TEXT = "The bridge was opened in the spring, and the first train crossed it the same day. "
AROUND = "Read this", "The bridge was opened in the spring and the first train crossed it", "Then say what it is about"
ASK: dict[str, Any] = {"max_tokens": 8, "temperature": 0}

log = logging.getLogger("arc_encoder.inference.serving.vllm")


def compare(client: httpx.Client, model: str, bodies: Bodies, width: int) -> None:
    """Greedy answers to a text as ids and as embeddings must be the same, on each way that requests will go.

    Args:
        client: for the server.
        model: the name of the decoder there.
        bodies: how requests are written.
        width: of the decoder's embeddings.

    Raises:
        ConfigError: they are not, or the server takes no embeddings.
        httpx.HTTPError: it does not answer.
    """
    if bodies.table is None:
        _takes_parts(client, model, width)
        log.warning(
            "self-test in part: the server takes vectors; whether it reads them right is seen with the decoder's folder (engine.decoder)"
        )
        return
    (ids,) = runs_of([*bodies.format.completion([], [TEST_TEXT])], bodies.text)
    assert isinstance(ids, list)
    as_text = {"model": model, "prompt": ids, **settled(ASK)}
    _same(client, COMPLETIONS, as_text, completions_request(model, bodies.table.rows(ids), **ASK))
    if not bodies.chat:
        return
    tokenizer = bodies.text.tokenizer
    pieces = token_ids([f"{AROUND[0]}\n", AROUND[1], f"\n{AROUND[2]}"], tokenizer)
    if token_ids(["\n".join(AROUND)], tokenizer)[0] != list(chain(*pieces)):
        _takes_parts(client, model, width)
        log.warning(
            "self-test of chats in part: this tokenizer joins tokens across parts, so answers cannot be compared"
        )
        return
    vectors = _context(bodies.table.rows(pieces[1]))
    as_parts = [{"role": "user", "content": [AROUND[0], vectors, AROUND[2]]}]
    plain = [{"role": "user", "content": list(AROUND)}]
    _same(client, CHAT, chat_request(model, plain, **ASK), chat_request(model, as_parts, **ASK))


def _takes_parts(client: httpx.Client, model: str, width: int) -> None:
    """Whether a chat may hold vectors of this width."""
    content = [_context(torch.full((1, width), 0.01))]
    _said(client, CHAT, chat_request(model, [{"role": "user", "content": content}], max_tokens=1, temperature=0))


def _same(client: httpx.Client, path: str, as_text: dict[str, Any], as_embeddings: dict[str, Any]) -> None:
    said = _said(client, path, as_embeddings), _said(client, path, as_text)
    if said[0] != said[1]:
        raise ConfigError(
            f"the vLLM server says {said[1]!r} to a text and {said[0]!r} to the same text's embeddings ({path}): engine.decoder is "
            "another model than it serves, or the server misreads embeddings"
        )


def _said(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    answer = client.post(path, json=body)
    if answer.status_code == 400:
        raise ConfigError(
            f"the vLLM server refuses embeddings ({path}); start it with --enable-prompt-embeds, and with the decoder that the "
            f"compressor was trained for ({answer.text[:200]})"
        )
    answer.raise_for_status()
    choice = answer.json()["choices"][0]
    return str(choice["message"]["content"] if path == CHAT else choice["text"])


def _context(vectors: torch.Tensor) -> CompressedContext:
    return CompressedContext(vectors, Origin("", "", None, "", None, len(vectors)))
