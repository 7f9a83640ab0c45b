"""A server that reads prompt embeddings as vLLM 0.33 documents it, and answers with a small decoder by Transformers.

Run as a process: ``python -m tests.inference.serving.stand_in <decoder folder> <port>``. It decodes, checks and places vectors by its
own code, so that a request that only our builders understand fails here. What it emulates of vLLM's defects: penalties
together with embeddings end the process.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from transformers import AutoModelForCausalLM, AutoTokenizer

PLACEHOLDER = "<prompt_embeds>"
WIDEST = 1 << 28  # bytes of a tensor


class Refused(Exception):
    pass


def tensor_of(data: Any, width: int, dtype: torch.dtype) -> torch.Tensor:
    if not isinstance(data, str) or not data:
        raise Refused("prompt_embeds needs base64 data")
    content = base64.b64decode(data, validate=True)
    with torch.sparse.check_sparse_tensor_invariants():
        try:
            tensor = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        except Exception as error:
            raise Refused(f"could not be deserialized: {str(error)[:200]}") from error
    if not isinstance(tensor, torch.Tensor):
        raise Refused("no tensor")
    if tensor.numel() * tensor.element_size() > WIDEST:
        raise Refused("too large once densified")
    tensor = tensor.to_dense()
    tensor = tensor.squeeze(0) if tensor.dim() > 2 else tensor
    if tensor.dim() != 2 or tensor.shape[1] != width:
        raise Refused(f"shape {tuple(tensor.shape)} does not match hidden_size {width}")
    if tensor.untyped_storage().nbytes() != tensor.numel() * tensor.element_size():
        raise Refused("a slice that brings its whole storage")  # vLLM would take it; nobody should send it
    if not tensor.is_floating_point():
        raise Refused(f"dtype {tensor.dtype} is not a floating-point type")
    return tensor.to(dtype)


class Decoder:
    def __init__(self, folder: str) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.table = self.model.get_input_embeddings()
        self.width, self.dtype = self.table.weight.shape[1], self.table.weight.dtype

    @torch.no_grad()
    def embed(self, ids: list[int]) -> torch.Tensor:
        return self.table(torch.tensor(ids, dtype=torch.long))

    def chat(self, messages: list[dict[str, Any]]) -> torch.Tensor:
        """The template around placeholders, tokenized as a whole, vectors in the places of the placeholders."""
        tensors, told = [], []
        for message in messages:
            parts = message["content"]
            texts = []
            for part in [{"type": "text", "text": parts}] if isinstance(parts, str) else parts:
                if part["type"] == "prompt_embeds":
                    tensors.append(tensor_of(part.get("data"), self.width, self.dtype))
                    texts.append(PLACEHOLDER)
                elif part["type"] == "text":
                    if PLACEHOLDER in part["text"]:
                        raise Refused(f"Text content may not contain the reserved placeholder {PLACEHOLDER!r}.")
                    texts.append(part["text"])
                else:
                    raise Refused(f"Unsupported chat content part type: {part['type']!r}")
            told.append({"role": message["role"], "content": "\n".join(texts)})
        tokenizer = self.tokenizer
        tokenizer.add_special_tokens(
            {"additional_special_tokens": [PLACEHOLDER]}, replace_extra_special_tokens=False
        ) if (PLACEHOLDER not in tokenizer.get_vocab()) else None
        mark = tokenizer.convert_tokens_to_ids(PLACEHOLDER)
        ids = tokenizer.apply_chat_template(told, add_generation_prompt=True, return_dict=False)
        rows, waiting = [], iter(tensors)
        for id in ids:
            rows.append(next(waiting) if id == mark else self.embed([id]))
        return torch.cat(rows)

    @torch.no_grad()
    def answer(self, prompt: torch.Tensor, body: dict[str, Any]) -> Iterator[tuple[int, str, str | None]]:
        """Choice, piece of text, and why it ends."""
        ends = {self.tokenizer.eos_token_id, *body.get("stop_token_ids", [])}
        if "messages" in body:
            ends.add(self.tokenizer.convert_tokens_to_ids("<|im_end|>"))
        for choice in range(body.get("n") or 1):
            ids: list[int] = []
            said, generator = "", torch.Generator().manual_seed((body.get("seed") or 0) + choice)
            inputs = prompt
            while True:
                logits = self.model(inputs_embeds=inputs[None]).logits[0, -1].float()
                if body.get("temperature", 1):
                    token = int(torch.multinomial((logits / body["temperature"]).softmax(-1), 1, generator=generator))
                else:
                    token = int(logits.argmax())
                if token in ends:
                    yield choice, "", "stop"
                    break
                ids.append(token)
                now = self.tokenizer.decode(ids, skip_special_tokens=True)
                stop = next((each for each in body.get("stop") or [] if each in now), None)
                if stop is not None:
                    yield choice, now[: now.index(stop)][len(said) :], "stop"
                    break
                finish = "length" if len(ids) >= body["max_tokens"] else None
                yield choice, now[len(said) :], finish
                said = now
                if finish:
                    break
                inputs = torch.cat([inputs, self.embed([token])])
                time.sleep(float(os.environ.get("STAND_IN_STEP", "0")))


def create(folder: str, *, version: str = "0.33.0", parent: str | None = None, enabled: bool = True) -> FastAPI:
    decoder, app = Decoder(folder), FastAPI()
    app.state.bodies = []
    app.state.steps = 0

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Any) -> Response:
        return JSONResponse({"error": {"message": str(error), "type": "BadRequestError", "code": 400}}, 400)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {}

    @app.get("/version")
    async def told() -> dict[str, str]:
        return {"version": version}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"data": [{"id": "served", "max_model_len": 256, "parent": parent}]}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await request.json()
        return reply(body, decoder.chat(body["messages"]), request)

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        body = await request.json()
        if body.get("prompt_embeds") is not None:
            if not enabled:
                raise Refused("You must set `--enable-prompt-embeds` to input `prompt_embeds`.")
            prompt = tensor_of(body["prompt_embeds"], decoder.width, decoder.dtype)
        elif isinstance(body.get("prompt"), list):
            prompt = decoder.embed(body["prompt"])
        else:
            prompt = decoder.embed(decoder.tokenizer(body["prompt"])["input_ids"])
        return reply(body, prompt, request)

    def reply(body: dict[str, Any], prompt: torch.Tensor, request: Request) -> Response:
        app.state.bodies.append(body)
        if any(body.get(f"{name}_penalty") for name in ("frequency", "presence")):
            os._exit(1)  # vLLM's issue 57719
        chat = "messages" in body
        pieces = decoder.answer(prompt, body)
        if not body.get("stream"):
            said = list(pieces)
            text = "".join(piece for choice, piece, _ in said if choice == 0)
            return JSONResponse({"choices": [{"index": 0, "text": text, "finish_reason": said[-1][2]}]})

        async def lines() -> Any:
            count = 0
            for choice, piece, finish in pieces:
                if await request.is_disconnected():
                    return
                count += 1
                app.state.steps += 1
                content = {"delta": {"content": piece}} if chat else {"text": piece}
                yield f"data: {json.dumps({'choices': [{'index': choice, **content, 'finish_reason': finish}]})}\n\n"
            usage = {"prompt_tokens": len(prompt), "completion_tokens": count}
            yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    torch.set_num_threads(1)
    uvicorn.run(create(sys.argv[1]), port=int(sys.argv[2]), log_level="warning")
