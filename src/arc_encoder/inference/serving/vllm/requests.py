"""What vLLM is sent: chats with vectors among their parts, prompts that are embeddings as a whole, prompts for `LLM`.

vLLM reads a tensor from base64 of what `torch.save` wrote (`weights_only`, dense, two dimensions, floating point). This is
for a server on a private network: whoever reaches its prompt embeddings can make it load files.

Shape legend: M vectors, T positions, E decoder width.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.inference.encoding.contexts import CompressedContext

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
PLACEHOLDER = "<prompt_embeds>"  # what stands for vectors in the server's own rendering; it refuses texts that hold it
# What a request leaves open the server fills in from the model's generation_config.json, penalties included. So each is said.
NEUTRAL = {"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_k": 0, "min_p": 0.0}
PENALTIES = ("frequency_penalty", "presence_penalty", "repetition_penalty")


def chat_request(model: str, messages: Sequence[Mapping[str, Any]], **settings: Any) -> dict[str, Any]:
    """The body of a `POST /v1/chat/completions` for a chat model.

    The server writes the chat template around the parts and puts the vectors into their places.

    Args:
        model: the name under which the server serves the decoder.
        messages: each with `role`, and `content`: a text, or a list of texts and `CompressedContext`s in reading order.
        settings: further fields of the request, such as temperature.

    Raises:
        ConfigError: a penalty.
        DataError: a part of another kind, or vectors that the server would refuse.
    """
    settings = settled(settings)
    written = [{**message, "content": _content(message["content"])} for message in messages]
    salt = _salt(messages)
    return {"model": model, "messages": written, **({} if salt is None else {"cache_salt": salt}), **settings}


def completions_request(model: str, embeddings: Tensor, **settings: Any) -> dict[str, Any]:
    """The body of a `POST /v1/completions` whose whole prompt is embeddings, for a decoder without chat template.

    Args:
        model: the name under which the server serves the decoder.
        embeddings: (T, E), the text's own included (`EmbeddingTable.embed`); no template is added to them.
        settings: further fields of the request.

    Raises: as `chat_request`.
    """
    return {"model": model, "prompt": None, "prompt_embeds": to_base64(embeddings), **settled(settings)}


def offline_prompt(embeddings: Tensor) -> dict[str, Any]:
    """A prompt for `LLM(..., enable_prompt_embeds=True).generate([...], SamplingParams(...))`, embeddings (T, E) as a whole.

    Without SamplingParams of its own `generate` takes the model's generation_config.json, perhaps with a penalty.
    """
    return {"prompt_embeds": _checked(embeddings)}


def offline_mixed(runs: Sequence[list[int] | CompressedContext]) -> dict[str, Any]:
    """The same of ids and vectors (`arc_encoder.inference.serving.prompts.prompt.runs_of`), for which no embedding matrix is needed.

    Where `prompt_is_token_ids` is true the id counts, and the row of `prompt_embeds` is zero; elsewhere the row.
    """
    some = next((run for run in runs if isinstance(run, CompressedContext)), None)
    if some is None:
        raise DataError("the prompt has no vectors; give its ids to vLLM as prompt_token_ids")
    ids: list[int] = []
    text: list[bool] = []
    rows: list[Tensor] = []
    for run in runs:
        vectors = isinstance(run, CompressedContext)
        ids += [0] * len(run) if isinstance(run, CompressedContext) else run
        text += [not vectors] * len(run)
        rows.append(
            run.vectors
            if isinstance(run, CompressedContext)
            else some.vectors.new_zeros(len(run), some.vectors.shape[1])
        )
    return {"prompt_embeds": _checked(torch.cat(rows)), "prompt_token_ids": ids, "prompt_is_token_ids": text}


def settled(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a request with nothing left open that the server's own defaults would change.

    Without it, `repetition_penalty: 1.05` in the model's generation_config.json would stop vLLM's engine at the first
    prompt of embeddings (its issue 57719), and `top_k` there would change the draws.

    Raises:
        ConfigError: a penalty.
    """
    for name in PENALTIES:
        if settings.get(name) not in (None, NEUTRAL[name]):
            raise ConfigError(
                f"{name}={settings[name]}: penalties together with prompt embeddings stop vLLM's engine; leave it out"
            )
    return NEUTRAL | {name: value for name, value in settings.items() if value is not None or name not in NEUTRAL}


def to_base64(vectors: Tensor) -> str:
    """Vectors (M, E) as the server reads them.

    Raises:
        DataError: what it would refuse, or misread.
    """
    file = io.BytesIO()
    torch.save(_checked(vectors), file)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _checked(vectors: Tensor) -> Tensor:
    """A tensor of its own: of a slice, `torch.save` would write the whole storage."""
    if vectors.layout is not torch.strided:
        raise DataError(f"vectors are {vectors.layout}; vLLM gets dense ones alone")
    if vectors.dim() != 2 or not len(vectors):
        raise DataError(f"vectors have shape {tuple(vectors.shape)}; expected (vectors, decoder width), one at least")
    if vectors.dtype not in DTYPES:
        raise DataError(
            f"vectors are {str(vectors.dtype).removeprefix('torch.')}; decode them to float32, bfloat16 or float16 first: vLLM "
            "refuses whole numbers, and would read float8 without its scale"
        )
    if not bool(vectors.isfinite().all()):
        raise DataError("vectors hold numbers that are not finite")
    return vectors.detach().to("cpu", copy=True).contiguous().clone()


def _content(content: Any) -> str | list[dict[str, str]]:
    if isinstance(content, str):
        return content
    parts: list[dict[str, str]] = []
    for part in content:
        if isinstance(part, CompressedContext):
            parts.append({"type": "prompt_embeds", "data": to_base64(part.vectors)})
        elif isinstance(part, str):
            parts.append({"type": "text", "text": part})
        else:
            raise DataError(f"a message holds {type(part).__name__}; expected texts and CompressedContext")
    return parts


def _salt(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Tells apart prompts whose vectors are at other places.

    The server's prefix cache does not see which positions are vectors (its issue 56655), so two prompts could share
    what they must not. Prompts that are the same up to the end of their last vectors get the same salt and share that. None for a chat without vectors.
    """
    digest = hashlib.sha256()
    known = None
    for message in messages:
        content = [message["content"]] if isinstance(message["content"], str) else message["content"]
        digest.update(json.dumps(["role", message["role"]]).encode())
        for part in content:
            if isinstance(part, CompressedContext):
                digest.update(f"vectors {tuple(part.vectors.shape)}".encode())
                digest.update(part.vectors.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
                known = digest.hexdigest()
            else:
                digest.update(json.dumps(["text", part]).encode())
    return known
