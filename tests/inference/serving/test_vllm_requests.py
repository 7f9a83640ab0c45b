"""The requests for vLLM: what its own loader makes of them, and what must never be sent.

The loader is read from an unpacked wheel of vLLM where ARC_VLLM_SOURCE names its folder (``pip download --no-deps vllm``,
``unzip``); it imports without the rest of vLLM. Elsewhere the same rules are checked by the stand-in's code.
"""

from __future__ import annotations

import ast
import base64
import enum
import io
import os
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.inference.serving.prompts.chat_format import TemplateFormat
from arc_encoder.inference.serving.prompts.prompt import Document, Turn, runs_of
from arc_encoder.inference.serving.vllm import chat_request, completions_request, offline_mixed, offline_prompt
from arc_encoder.inference.serving.vllm.requests import to_base64
from arc_encoder.model.language_models.downloads.places import is_complete, model_folder
from tests.inference.serving.stand_in_decoder import PLACEHOLDER, tensor_of
from tests.inference.storage.conftest import Made, made
from tests.tiny_chat import CHATML, LLAMA_2, chat_tokenizer

__all__ = ["made"]
SOURCE = os.environ.get("ARC_VLLM_SOURCE")
needs_vllm = pytest.mark.skipif(SOURCE is None, reason="needs ARC_VLLM_SOURCE=<folder of vLLM's unpacked wheel>")
WIDTH = 8
Load = Callable[[str], Tensor]


def decoded(data: str) -> Tensor:
    found: Tensor = torch.load(io.BytesIO(base64.b64decode(data, validate=True)), weights_only=True)
    return found


@pytest.fixture(params=["stand-in", pytest.param("vllm", marks=needs_vllm)])
def load(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Load:
    """What a server makes of base64, for a decoder of width 8 in float32."""
    if request.param == "stand-in":
        return lambda data: tensor_of(data, WIDTH, torch.float32)
    module = vllm_module("renderers/embed_utils.py", monkeypatch)
    config = types.SimpleNamespace(
        enable_prompt_embeds=True, hf_text_config=types.SimpleNamespace(), get_hidden_size=lambda: WIDTH, dtype=torch.float32
    )  # fmt: skip
    return lambda data: module.safe_load_prompt_embeds(config, data.encode())


def vllm_module(path: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of the wheel, with as much of vLLM around it as it imports."""

    class Invalid(ValueError):
        def __init__(self, message: str, **_: Any) -> None:
            super().__init__(message)

    def put(name: str, **content: Any) -> None:
        module = types.ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)

    put("vllm", envs=types.SimpleNamespace(VLLM_MAX_EMBED_DECODE_BYTES=1 << 28))
    put("vllm.envs", VLLM_MAX_EMBED_DECODE_BYTES=1 << 28)
    put("vllm.exceptions", VLLMValidationError=Invalid)
    put("vllm.utils")
    put("vllm.utils.async_utils", make_async=lambda function, **_: function)
    put("vllm.utils.mem_constants", MiB_bytes=1 << 20)
    put("pybase64", b64decode=base64.b64decode)
    put("vllm.utils.sparse_utils", **read("utils/sparse_utils.py"))
    return types.SimpleNamespace(**read(path))


def read(path: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": path}
    exec(compile((Path(str(SOURCE)) / "vllm" / path).read_text(), path, "exec"), names)
    return names


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_loader_reads_what_was_sent(load: Load, dtype: torch.dtype) -> None:
    vectors = torch.randn(5, WIDTH).to(dtype)
    assert torch.equal(load(to_base64(vectors)), vectors.float())


def test_of_a_slice_only_the_slice_travels(load: Load) -> None:
    whole = torch.randn(10_000, WIDTH)
    data = to_base64(whole[3:7])
    assert torch.equal(load(data), whole[3:7])
    assert len(data) < 4000
    assert torch.equal(load(to_base64(whole.T[:, :1].T.expand(3, WIDTH))), whole[:1].expand(3, WIDTH))


def test_a_tensor_that_learns_is_sent_as_numbers(load: Load) -> None:
    vectors = torch.randn(2, WIDTH, requires_grad=True)
    assert not load(to_base64(vectors)).requires_grad


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (torch.zeros(2, WIDTH, dtype=torch.int8), "int8"),
        (torch.zeros(2, WIDTH, dtype=torch.float8_e4m3fn), "float8"),
        (torch.zeros(2, WIDTH, dtype=torch.float64), "float64"),
        (torch.zeros(2, WIDTH, dtype=torch.complex64), "complex64"),
        (torch.zeros(2, WIDTH).to_sparse(), "dense"),
        (torch.zeros(WIDTH), "shape"),
        (torch.zeros(1, 2, WIDTH), "shape"),
        (torch.zeros(0, WIDTH), "shape"),
    ],
)
def test_what_is_never_sent(vectors: Tensor, told: str) -> None:
    with pytest.raises(DataError, match=told):
        to_base64(vectors)


def test_other_widths_are_refused_by_the_loader(load: Load) -> None:
    with pytest.raises(Exception, match="hidden_size"):
        load(to_base64(torch.zeros(2, WIDTH + 1)))


def test_a_chat(made: Made) -> None:
    context = made("one")
    body = chat_request("m", [{"role": "user", "content": ["see ", context, "?"]}], temperature=0, max_tokens=5)
    (text, vectors, end) = body["messages"][0]["content"]
    assert (text, end) == ({"type": "text", "text": "see "}, {"type": "text", "text": "?"})
    assert vectors["type"] == "prompt_embeds"
    assert torch.equal(decoded(vectors["data"]), context.vectors)
    assert body["temperature"] == 0
    plain = chat_request("m", [{"role": "user", "content": "hello"}])
    assert plain["messages"] == [{"role": "user", "content": "hello"}]
    assert "cache_salt" not in plain
    with pytest.raises(DataError, match="int"):
        chat_request("m", [{"role": "user", "content": [3]}])


def test_salts_tell_apart_what_the_prefix_cache_does_not(made: Made) -> None:
    one, two = made("one"), made("two")

    def salt(*content: Any, role: str = "user") -> Any:
        return chat_request("m", [{"role": role, "content": list(content)}])["cache_salt"]

    assert salt("a", one, "b") == salt("a", one, "other question")  # the document is shared
    different = [
        salt("a", one),
        salt("a", two),
        salt(one, "a"),
        salt("a", one, one),
        salt("a", one, "b", two),
        salt("b", one),
    ]
    different += [salt("a", one, role="system"), salt("a", replace(one, vectors=one.vectors.half()))]
    assert len(set(different)) == len(different)


@pytest.mark.parametrize("name", ["frequency_penalty", "presence_penalty", "repetition_penalty"])
def test_penalties_are_refused(made: Made, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        chat_request("m", [{"role": "user", "content": [made("x")]}], **{name: 0.5})
    with pytest.raises(ConfigError, match=name):
        completions_request("m", torch.zeros(2, WIDTH), **{name: 1.5})
    completions_request("m", torch.zeros(2, WIDTH), frequency_penalty=0, presence_penalty=None, repetition_penalty=1)


def test_nothing_is_left_to_the_servers_defaults(made: Made) -> None:
    neutral = {"repetition_penalty": 1, "presence_penalty": 0, "frequency_penalty": 0, "top_k": 0, "min_p": 0}
    bodies = [
        chat_request("m", [{"role": "user", "content": [made("x")]}], presence_penalty=None),
        completions_request("m", torch.zeros(2, WIDTH), repetition_penalty=None),
    ]
    for body in bodies:
        assert {name: body[name] for name in neutral} == neutral
    assert completions_request("m", torch.zeros(2, WIDTH), top_k=5)["top_k"] == 5


def test_vectors_that_a_dtype_cannot_hold(made: Made) -> None:
    big = replace(made("one"), vectors=torch.full((2, WIDTH), 1e5))
    with pytest.raises(DataError, match="not finite in the decoder's float16"):
        big.vectors_as(torch.float16)
    with pytest.raises(DataError, match="not finite"):
        to_base64(torch.full((2, WIDTH), torch.nan))


def test_a_completion_and_offline_prompts(made: Made) -> None:
    embeddings = torch.randn(4, WIDTH)
    body = completions_request("m", embeddings, max_tokens=3)
    assert body["prompt"] is None  # a prompt beside it would be a second prompt
    assert torch.equal(decoded(body["prompt_embeds"]), embeddings)
    assert torch.equal(offline_prompt(embeddings)["prompt_embeds"], embeddings)
    context = made("one")
    mixed = offline_mixed([[5, 6], context, [7]])
    assert mixed["prompt_token_ids"] == [5, 6, 0, 0, 0, 7]
    assert mixed["prompt_is_token_ids"] == [True, True, False, False, False, True]
    assert torch.equal(mixed["prompt_embeds"][2:5], context.vectors)
    assert not mixed["prompt_embeds"][[0, 1, 5]].any()
    with pytest.raises(DataError, match="no vectors"):
        offline_mixed([[1, 2]])


@needs_vllm
def test_mixed_prompts_are_what_the_server_builds_of_a_chat(made: Made) -> None:
    tree = ast.parse((Path(str(SOURCE)) / "vllm" / "renderers" / "hf.py").read_text())
    wanted = [each for each in tree.body if getattr(each, "name", "") == "_build_mixed_prompt_embeds"]
    names: dict[str, Any] = {"torch": torch, "Sequence": Sequence, "Final": Final, "enum": enum}
    exec(compile(ast.Module(wanted, []), "hf.py", "exec"), names)
    context = made("one")
    built, is_ids = names["_build_mixed_prompt_embeds"]([5, 6, 1, 1, 1, 7], [context.vectors], [(2, 3)])
    mixed = offline_mixed([[5, 6], context, [7]])
    assert torch.equal(mixed["prompt_embeds"], built)
    assert mixed["prompt_is_token_ids"] == is_ids


@pytest.mark.parametrize("template", [CHATML, LLAMA_2], ids=["chatml", "llama 2"])
@pytest.mark.parametrize("tokenizer", ["bytes", "smollm2_135m"])
def test_text_around_a_placeholder_is_text_by_itself(made: Made, tokenizer: str, template: str) -> None:
    """The server tokenizes the whole chat around special tokens; we tokenize each piece. Both give the same ids."""
    found: Any = chat_tokenizer(template)
    if tokenizer != "bytes":
        if not is_complete(model_folder(tokenizer)) or template is LLAMA_2:
            pytest.skip("needs arc-models get smollm2_135m, and has its own template")
        from transformers import AutoTokenizer

        found = AutoTokenizer.from_pretrained(model_folder(tokenizer))
    text = DecoderText(found, bos=False, chat=True)
    said = ["Read this:", "then: that", "\n What  now? Straße 12 "]
    runs = runs_of(
        TemplateFormat(text).parts(
            [Turn("user", (said[0], Document(made("a")), said[1], Document(made("b")), said[2]))]
        ),
        text,
    )
    joined = "\n".join([said[0], PLACEHOLDER, said[1], PLACEHOLDER, said[2]])
    found.add_special_tokens({"extra_special_tokens": [*found.extra_special_tokens, PLACEHOLDER]})
    mark = found.convert_tokens_to_ids(PLACEHOLDER)
    ids = found.apply_chat_template(
        [{"role": "user", "content": joined}], add_generation_prompt=True, return_dict=False
    )
    pieces: list[list[int]] = [[]]
    for id in ids:
        if id == mark:
            pieces.append([])
        else:
            pieces[-1].append(id)
    ours = [run for run in runs if isinstance(run, list)]
    if template is LLAMA_2:  # it strips what a message ends with; our texts stay as they are
        ours[-1] = [id for id in ours[-1] if id != found.convert_tokens_to_ids("Ġ")]
        pieces[-1] = [id for id in pieces[-1] if id != found.convert_tokens_to_ids("Ġ")]
    assert ours == pieces


def test_tokenizers_that_put_a_space_in_front_differ_in_that_space(made: Made) -> None:
    """With such a tokenizer (Llama 2's), a text behind vectors begins with a space here and without one at the server."""
    letters = {letter: i for i, letter in enumerate(["<unk>", "<s>", "</s>", "▁", *"abcdefgh", PLACEHOLDER])}
    inner = Tokenizer(models.BPE(letters, [], unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", extra_special_tokens=[PLACEHOLDER]
    )
    ours = runs_of(["abc", made("x"), "def"], DecoderText(tokenizer, bos=False))
    server = tokenizer(f"abc{PLACEHOLDER}def", add_special_tokens=False)["input_ids"]
    place = server.index(letters[PLACEHOLDER])
    assert ours[0] == server[:place]
    assert ours[2] == [letters["▁"], *server[place + 1 :]]
