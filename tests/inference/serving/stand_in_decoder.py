"""What the stand-in for vLLM decodes with: its own reading of tensors, its own placing of vectors, a small decoder."""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PLACEHOLDER = "<prompt_embeds>"
COLDEST = 1e-5
NEUTRAL: dict[str, Any] = {
    "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_k": 0, "min_p": 0.0,
    "temperature": 1.0, "top_p": 1.0,
}  # fmt: skip
WIDEST = 1 << 28  # bytes of a tensor


class Refused(Exception):
    pass


class Piece(NamedTuple):
    choice: int
    text: str
    finish: str | None
    reason: str | None  # the stop that was met
    tokens: list[tuple[int, float, Any]]  # id, logprob, the likeliest


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
        if PLACEHOLDER not in tokenizer.get_vocab():
            tokenizer.add_special_tokens(
                {"additional_special_tokens": [PLACEHOLDER]}, replace_extra_special_tokens=False
            )
        mark = tokenizer.convert_tokens_to_ids(PLACEHOLDER)
        ids = tokenizer.apply_chat_template(told, add_generation_prompt=True, return_dict=False)
        rows, waiting = [], iter(tensors)
        for id in ids:
            rows.append(next(waiting) if id == mark else self.embed([id]))
        return torch.cat(rows)

    @torch.no_grad()
    def answer(self, prompt: torch.Tensor, body: dict[str, Any], how: dict[str, Any]) -> Iterator[Piece]:
        """Pieces of text as vLLM hands them on: what may begin a stop is held back, its tokens are not."""
        ends = {self.tokenizer.eos_token_id, *body.get("stop_token_ids", [])}
        if "messages" in body:
            ends.add(self.tokenizer.convert_tokens_to_ids("<|im_end|>"))
        if body.get("ignore_eos"):
            ends = set(body.get("stop_token_ids", []))
        stops = body.get("stop") or []
        longest = max(map(len, stops), default=1) - 1
        for choice in range(body.get("n") or 1):
            ids: list[int] = []
            said, generator = "", torch.Generator()
            generator.seed() if body.get("seed") is None else generator.manual_seed(body["seed"] + choice)
            inputs = prompt
            while True:
                logits = self.model(inputs_embeds=inputs[None]).logits[0, -1].float()
                token = self.draw(logits, how, generator)
                if token in ends:
                    now = self.tokenizer.decode(ids, skip_special_tokens=True)
                    yield Piece(choice, now[len(said) :], "stop", None, [])
                    break
                ids.append(token)
                chances = logits.log_softmax(-1)
                tokens = [(token, float(chances[token]), chances.topk(20))]
                now = self.tokenizer.decode(ids, skip_special_tokens=True)
                stop = next((each for each in stops if each in now), None)
                if stop is not None:
                    yield Piece(choice, now[: now.index(stop)][len(said) :], "stop", stop, tokens)
                    break
                finish = "length" if len(ids) >= body["max_tokens"] else None
                if not finish:
                    now = said if now.endswith("\ufffd") else now[: max(len(said), len(now) - longest)]
                yield Piece(choice, now[len(said) :], finish, None, tokens)
                said = now
                if finish:
                    break
                inputs = torch.cat([inputs, self.embed([token])])
                time.sleep(float(os.environ.get("STAND_IN_STEP", "0")))

    @staticmethod
    def draw(logits: torch.Tensor, how: dict[str, Any], generator: torch.Generator) -> int:
        if how["temperature"] < COLDEST:
            return int(logits.argmax())
        if how["top_k"] > 0:
            logits = logits.masked_fill(logits < logits.topk(how["top_k"]).values[-1], -torch.inf)
        return int(torch.multinomial((logits / how["temperature"]).softmax(-1), 1, generator=generator))

    def told(self, piece: Piece, body: dict[str, Any]) -> dict[str, Any] | None:
        """Logprobs in OpenAI's two shapes."""
        if body.get("logprobs") is None or not piece.tokens:
            return None

        def name(id: int) -> str:
            return f"token_id:{id}" if body.get("return_tokens_as_token_ids") else str(self.tokenizer.decode([id]))

        def entry(id: int, chance: float) -> dict[str, Any]:
            return {"token": name(id), "logprob": chance, "bytes": list(name(id).encode())}

        if "messages" in body:
            count = body.get("top_logprobs") or 0
            return {
                "content": [
                    {
                        **entry(token, chance),
                        "top_logprobs": [
                            entry(int(id), float(each))
                            for id, each in zip(top.indices[:count], top.values[:count], strict=True)
                        ],
                    }
                    for token, chance, top in piece.tokens
                ]
            }
        count = body["logprobs"]
        return {
            "tokens": [name(token) for token, _, _ in piece.tokens],
            "token_logprobs": [chance for _, chance, _ in piece.tokens],
            "top_logprobs": [
                {name(int(id)): float(each) for id, each in zip(top.indices[:count], top.values[:count], strict=True)}
                for _, _, top in piece.tokens
            ],
            "text_offset": [0 for _ in piece.tokens],
        }
