"""Prompts for llama.cpp: by a stand-in of its C interface here; by itself where llama-cpp-python is installed.

The stand-in has the functions and fields of llama-cpp-python 0.3 that `LlamaCpp` uses, and a decoder of Transformers behind
them, so that batches, positions and the order of text and vectors are checked.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.convert_slow_tokenizer import bytes_to_unicode

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.data.batching.collator import DecoderText
from arc_encoder.inference import CompressedContext, Compressor
from arc_encoder.inference.encoding.contexts import Origin
from arc_encoder.inference.serving.prompts.prompt import opening, runs_of
from tests.tiny_gguf import model_of, write_gguf

EXAMPLE = importlib.util.spec_from_file_location(
    "llama_cpp_prompts", Path(__file__).parents[3] / "docs" / "examples" / "llama_cpp_prompts.py"
)
assert EXAMPLE is not None
assert EXAMPLE.loader is not None
_module = importlib.util.module_from_spec(EXAMPLE)
EXAMPLE.loader.exec_module(_module)
LlamaCpp = _module.LlamaCpp


class Interface(types.ModuleType):
    """llama_cpp with a decoder behind it."""

    def __init__(self, compressor: Compressor) -> None:
        super().__init__("llama_cpp")
        assert compressor.decoder is not None
        self.decoder = compressor.decoder
        self.rows: list[torch.Tensor] = []  # what was read
        self.open_batches = 0
        self.kinds: list[str] = []

    def llama_backend_init(self) -> None: ...

    def llama_model_default_params(self) -> Any:
        return types.SimpleNamespace()

    def llama_model_load_from_file(self, path: bytes, _: Any) -> Any:
        return None if path.startswith(b"missing") else "model"

    def llama_model_get_vocab(self, _: Any) -> str:
        return "vocabulary"

    def llama_model_n_embd(self, _: Any) -> int:
        return self.decoder.width

    def llama_vocab_n_tokens(self, _: Any) -> int:
        return int(self.decoder.model.get_input_embeddings().weight.shape[0])

    def llama_context_default_params(self) -> Any:
        return types.SimpleNamespace()

    def llama_init_from_model(self, _: Any, settings: Any) -> Any:
        self.settings = settings
        return "context"

    def llama_get_memory(self, _: Any) -> str:
        return "memory"

    def llama_memory_clear(self, _: Any, data: bool) -> None:
        assert data
        self.rows = []

    def llama_batch_init(self, count: int, width: int, sequences: int) -> Any:
        assert sequences == 1
        self.open_batches += 1
        one = ctypes.c_int32 * 1
        return types.SimpleNamespace(
            n_tokens=0,
            token=None if width else (ctypes.c_int32 * count)(),
            embd=(ctypes.c_float * (count * width))() if width else None,
            pos=(ctypes.c_int32 * count)(),
            n_seq_id=(ctypes.c_int32 * count)(),
            seq_id=[one() for _ in range(count)],
            logits=(ctypes.c_int8 * count)(),
        )

    def llama_batch_free(self, _: Any) -> None:
        self.open_batches -= 1

    def llama_decode(self, _: Any, batch: Any) -> int:
        done = sum(map(len, self.rows))
        assert list(batch.pos) == list(range(done, done + batch.n_tokens))
        assert list(batch.n_seq_id) == [1] * batch.n_tokens
        assert list(batch.logits) == [0] * (batch.n_tokens - 1) + [1]
        if batch.embd is not None:
            numbers = np.ctypeslib.as_array(batch.embd).reshape(batch.n_tokens, -1).copy()
            self.rows.append(torch.from_numpy(numbers))
            self.kinds.append("vectors")
        else:
            self.rows.append(self.decoder.embed(torch.tensor([list(batch.token)]))[0])
            self.kinds.append("text")
        return 0

    @torch.no_grad()
    def llama_get_logits_ith(self, _: Any, place: int) -> Any:
        logits = self.decoder.model(inputs_embeds=torch.cat(self.rows)[None]).logits[0, place].float().numpy()
        self.kept = np.ascontiguousarray(logits)
        return self.kept.ctypes.data_as(ctypes.POINTER(ctypes.c_float))

    def llama_vocab_is_eog(self, _: Any, token: int) -> bool:
        return token == self.decoder.tokenizer.eos_token_id

    def llama_token_to_piece(self, _: Any, token: int, buffer: Any, size: int, lstrip: int, special: bool) -> int:
        letters = {letter: byte for byte, letter in bytes_to_unicode().items()}
        text = bytes(letters[letter] for letter in self.decoder.tokenizer.convert_ids_to_tokens([token])[0])
        buffer.raw = text.ljust(size, b"\0")
        return len(text)

    def llama_free(self, _: Any) -> None: ...

    def llama_model_free(self, _: Any) -> None: ...


@pytest.fixture
def interface(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> Interface:
    made = Interface(compressor)
    monkeypatch.setitem(sys.modules, "llama_cpp", made)
    return made


def test_text_vectors_text_are_three_batches(interface: Interface, compressor: Compressor) -> None:
    text = DecoderText(interface.decoder.tokenizer, interface.decoder.bos)
    (context,) = compressor.encode(["The mill stands by the river."])
    prompt = ["Document: ", context, "\nQuestion: Where?\nAnswer:"]
    llama = LlamaCpp("model.gguf", positions=200)
    said = llama.answer(runs_of([*opening(text), *prompt], text), max_tokens=6)
    assert said == compressor.generate([prompt], max_new_tokens=6)[0]
    assert interface.kinds[:4] == ["text", "vectors", "text", "text"]
    assert interface.settings.n_batch == interface.settings.n_ubatch == 200
    assert llama.answer(runs_of([*opening(text), *prompt], text), max_tokens=6) == said  # nothing of before is left
    assert interface.open_batches == 0
    llama.close()


def test_what_does_not_fit(interface: Interface, compressor: Compressor) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        LlamaCpp("missing.gguf")
    llama = LlamaCpp("model.gguf", positions=4)
    with pytest.raises(DataError, match="9 positions"):
        llama.answer([[5, 6, 7]], max_tokens=6)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(ConfigError, match="llama-cpp-python"):
        LlamaCpp(tmp_path / "model.gguf")


@pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="needs llama-cpp-python")
def test_ids_and_their_embeddings_say_the_same_to_llama_cpp(tmp_path: Path) -> None:
    model = model_of("llama")
    write_gguf(tmp_path / "model.gguf", model)
    ids = [5, 60, 99, 12, 7, 33]
    with torch.no_grad():
        rows = model.get_input_embeddings()(torch.tensor(ids))  # type: ignore[operator]
    context = CompressedContext(rows[2:5], Origin("0" * 64, "e", None, "d", 1.0, 3))
    llama = LlamaCpp(tmp_path / "model.gguf", positions=64, threads=1)
    as_text = llama.answer([ids], max_tokens=6)
    assert llama.answer([ids[:2], context, ids[5:]], max_tokens=6) == as_text
    llama.close()
