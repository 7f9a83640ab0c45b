"""A server that reads prompt embeddings as vLLM 0.33 documents it, and answers with a small decoder by Transformers.

Run as a process: ``python -m tests.inference.serving.stand_in <decoder folder> <port>``. It decodes, checks and places vectors by its
own code, so that a request that only our builders understand fails here. What it emulates of vLLM's ways: what a request
leaves open comes from the model's generation_config.json; penalties together with embeddings end it; several greedy answers
and prompts beyond the window are refused; lines are raw UTF-8; tokens of a stop are told although its text is not.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.inference.serving.stand_in_decoder import COLDEST, NEUTRAL, Decoder, Piece, Refused, tensor_of


def create(
    folder: str,
    *,
    version: str = "0.33.0",
    cards: Sequence[dict[str, Any]] = ({"id": "served", "max_model_len": 256, "parent": None},),
    enabled: bool = True,
    defaults: dict[str, Any] | None = None,
    exits: bool = False,
) -> FastAPI:
    """A server of one decoder.

    Args:
        folder: the decoder's.
        version: that it says it has.
        cards: of the models that it says it serves.
        enabled: whether it takes embeddings.
        defaults: what the model's generation_config.json says.
        exits: leave the process where vLLM's engine would stop; otherwise it only answers no more.
    """
    decoder, app = Decoder(folder), FastAPI()
    window = cards[0]["max_model_len"]
    app.state.bodies, app.state.steps, app.state.meetings = [], 0, 0
    app.state.dead, app.state.say = False, None

    @app.middleware("http")
    async def alive(request: Request, go_on: Any) -> Any:
        return JSONResponse({}, 500) if app.state.dead else await go_on(request)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Any) -> Response:
        return JSONResponse({"error": {"message": str(error), "type": "BadRequestError", "code": 400}}, 400)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {}

    @app.get("/version")
    async def told() -> dict[str, str]:
        app.state.meetings += 1
        return {"version": version}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"data": list(cards)}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await request.json()
        parts = [part for each in body["messages"] if isinstance(each["content"], list) for part in each["content"]]
        embeds = any(part["type"] == "prompt_embeds" for part in parts)
        if embeds and not enabled:
            raise Refused("You must set `--enable-prompt-embeds` to input `prompt_embeds`.")
        return reply(body, decoder.chat(body["messages"]), request, embeds)

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        body = await request.json()
        embeds = body.get("prompt_embeds") is not None
        if embeds:
            if not enabled:
                raise Refused("You must set `--enable-prompt-embeds` to input `prompt_embeds`.")
            prompt = tensor_of(body["prompt_embeds"], decoder.width, decoder.dtype)
        elif isinstance(body.get("prompt"), list):
            prompt = decoder.embed(body["prompt"])
        else:
            prompt = decoder.embed(decoder.tokenizer(body["prompt"])["input_ids"])
        return reply(body, prompt, request, embeds)

    def reply(body: dict[str, Any], prompt: torch.Tensor, request: Request, embeds: bool) -> Response:
        app.state.bodies.append(dict(body))
        how = NEUTRAL | (defaults or {}) | {name: body[name] for name in NEUTRAL if body.get(name) is not None}
        if embeds and any(how[name] != NEUTRAL[name] for name in NEUTRAL if name.endswith("penalty")):
            if exits:
                os._exit(1)  # vLLM's issue 57719
            app.state.dead = True
            return JSONResponse({}, 500)
        if how["temperature"] < COLDEST and (body.get("n") or 1) > 1:
            raise Refused(f"n must be 1 when using greedy sampling, got {body['n']}.")
        wanted = body.get("max_tokens")
        if len(prompt) + (wanted or 1) > window:
            raise Refused(
                f"This model's maximum context length is {window} tokens. However, you requested {wanted or 0} output tokens and "
                f"your prompt contains at least {len(prompt)} input tokens."
            )
        body["max_tokens"] = window - len(prompt) if wanted is None else wanted
        chat = "messages" in body
        pieces = decoder.answer(prompt, body, how)
        if app.state.say is not None:
            pieces = iter([*(Piece(0, each, None, None, []) for each in app.state.say), Piece(0, "", "stop", None, [])])
        if not body.get("stream"):
            said = list(pieces)
            text = "".join(piece.text for piece in said if piece.choice == 0)
            content = {"message": {"content": text}} if chat else {"text": text}
            return JSONResponse({"choices": [{"index": 0, **content, "finish_reason": said[-1].finish}]})

        async def lines() -> Any:
            count = 0
            for piece in pieces:
                if await request.is_disconnected():
                    return
                count += len(piece.tokens)
                app.state.steps += 1
                told = {
                    "index": piece.choice,
                    **({"delta": {"content": piece.text}} if chat else {"text": piece.text}),
                    "logprobs": decoder.told(piece, body),
                    "finish_reason": piece.finish,
                    "stop_reason": piece.reason,
                }
                yield f"data: {json.dumps({'choices': [told]}, ensure_ascii=False)}\n\n"
            usage = {"prompt_tokens": len(prompt), "completion_tokens": count}
            yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    torch.set_num_threads(1)
    uvicorn.run(create(sys.argv[1], exits=True), port=int(sys.argv[2]), log_level="warning")
