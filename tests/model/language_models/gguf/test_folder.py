"""A GGUF file becomes an ordinary folder: the same logits as the model that it was written from."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.language_models.gguf import folder as weights_file
from arc_encoder.model.language_models.gguf.folder import room_for, write_folder
from arc_encoder.model.language_models.gguf.reader import GgufFile
from tests.tiny_gguf import FAMILIES, logits_of, model_of, write_gguf


def converted(file: Path, folder: Path, **options: Any) -> PreTrainedModel:
    folder.mkdir()
    write_folder(GgufFile(file), folder, origin={"source": file.name}, **options)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_stay(family: str, tmp_path: Path) -> None:
    model = model_of(family)
    file = write_gguf(tmp_path / "m.gguf", model, family)
    made = converted(file, tmp_path / "folder")
    assert type(made) is type(model)
    for key in ("rope_parameters", "layer_types", "sliding_window", "query_pre_attn_scalar", "tie_word_embeddings"):
        assert getattr(made.config, key, None) == getattr(model.config, key, None), key
    torch.testing.assert_close(logits_of(made), logits_of(model), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "llama_tied", "qwen2", "gemma2"])
def test_the_librarys_own_reader_agrees(family: str, tmp_path: Path) -> None:
    """Where its tables are whole; they know no rotary scaling, for example."""
    file = write_gguf(tmp_path / "m.gguf", model_of(family), family)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=file.name, dtype=torch.float32).eval()
    ours = load_file(_folder_of(file, tmp_path / "folder") / "model.safetensors")
    state = theirs.state_dict()
    for name, values in ours.items():
        assert torch.equal(values, state[name].float()), name


def _folder_of(file: Path, folder: Path) -> Path:
    converted(file, folder)
    return folder


@pytest.mark.parametrize(("kind", "dtype"), [("Q8_0", "bfloat16"), ("Q4_1", "bfloat16"), ("F16", "float16")])
def test_blocks_become_numbers(kind: str, dtype: str, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    model = model_of("qwen2")
    folder = _folder_of(write_gguf(tmp_path / "m.gguf", model, "qwen2", quantization=kind), tmp_path / "folder")
    made = load_file(folder / "model.safetensors")
    assert json.loads((folder / "config.json").read_text())["dtype"] == dtype
    quantization = gguf.GGMLQuantizationType[kind]
    for name, values in model.state_dict().items():
        expected = values
        if values.dim() > 1:
            blocks = gguf.quants.quantize(values.numpy(), quantization)
            expected = torch.from_numpy(gguf.quants.dequantize(blocks, quantization))
        assert torch.equal(made[name], expected.to(getattr(torch, dtype))), name


def test_the_dtype_can_be_chosen(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "m.gguf", model_of("llama"))
    folder = tmp_path / "folder"
    converted(file, folder, dtype="bfloat16")
    assert {values.dtype for values in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}
    with pytest.raises(ConfigError, match="dtype 'int8' is unknown; choose float32, bfloat16, float16"):
        converted(file, tmp_path / "other", dtype="int8")
    assert room_for(GgufFile(file), "float32") - room_for(GgufFile(file), "bfloat16") == 2 * GgufFile(file).elements()


def test_large_models_come_in_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("llama")
    monkeypatch.setattr(weights_file, "SHARD", 50_000)
    folder = tmp_path / "folder"
    made = converted(write_gguf(tmp_path / "m.gguf", model), folder)
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    assert torch.equal(logits_of(made), logits_of(model))


def test_settings_of_the_text_come_along(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "m.gguf", model_of("llama"), chat_template="{{ messages }}")
    folder = tmp_path / "folder"
    model = converted(file, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template == "{{ messages }}"
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<|start|>", "<|end|>", "<|end|>")
    assert (model.config.bos_token_id, model.config.eos_token_id) == (0, 1)
    assert json.loads((folder / "origin.json").read_text()) == {"source": "m.gguf", "dtype": "float32"}


def test_an_unknown_family_is_refused(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "m.gguf", model_of("llama"), architecture="mamba")
    with pytest.raises(CheckpointError, match=r"family 'mamba'.*supported: llama \(Llama, Mistral, SmolLM2\), qwen2"):
        converted(file, tmp_path / "folder")


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    left_out = [f"blk.1.{part}.weight" for part in ("attn_q", "attn_norm", "ffn_down", "ffn_up")]
    file = write_gguf(tmp_path / "m.gguf", model_of("llama"), left_out=left_out)
    with pytest.raises(
        CheckpointError, match=r"lacks 4 of 21 tensors: blk\.1\.attn_q\.weight \(model\.layers\.1\..* …"
    ):
        converted(file, tmp_path / "folder")
    file = write_gguf(tmp_path / "n.gguf", model_of("llama"), left_out=["token_embd.weight"])
    with pytest.raises(CheckpointError, match=r"lacks the tensor token_embd\.weight"):
        converted(file, tmp_path / "folder2")


def test_tensors_without_a_place_are_named(tmp_path: Path) -> None:
    experts = {"blk.0.ffn_gate_inp.weight": np.ones((4, 64), np.float32)}
    file = write_gguf(tmp_path / "m.gguf", model_of("llama"), more_tensors=experts)
    with pytest.raises(CheckpointError, match=r"1 tensors that a plain model .* no place for: blk\.0\.ffn_gate_inp"):
        converted(file, tmp_path / "folder")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rope.scaling.type": "su"}, "scales its rotary embedding by 'su'.*known: none, linear, yarn"),
        ({"rope.dimension_count": 4}, "rotates 4 of 16 numbers of a head"),
        ({"block_count": 3}, "lacks 9 of 29 tensors"),
        ({"feed_forward_length": 96}, r"has the shape \(128, 64\), but its sizes ask for \(96, 64\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(fields: dict[str, Any], words: str, tmp_path: Path) -> None:
    model = model_of("llama_tied")
    model.config.num_hidden_layers = fields.get("block_count", 2)
    model.config.intermediate_size = fields.get("feed_forward_length", 128)
    extra = {key: value for key, value in fields.items() if key.startswith("rope")}
    file = write_gguf(tmp_path / "m.gguf", model, "llama_tied", more_fields=extra)
    with pytest.raises(CheckpointError, match=words):
        converted(file, tmp_path / "folder")


def test_an_unknown_tokenizer_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write_gguf(tmp_path / "m.gguf", model_of("llama"), cut="new-kind")
    with caplog.at_level(logging.WARNING):
        converted(file, tmp_path / "folder")
    assert "cuts text in the way 'new-kind', which is not known here; known: gpt-2, smollm" in caplog.text
    assert "give a folder or hub name as `tokenizer`" in caplog.text
    assert not (tmp_path / "folder" / "tokenizer.json").exists()


def test_broken_files_are_refused(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "m.gguf", model_of("llama")).read_bytes()
    file = tmp_path / "broken.gguf"
    for part in (len(whole) // 2, 3000, 10):
        file.write_bytes(whole[:part])
        with pytest.raises(CheckpointError, match=rf"is damaged or cut off \({part:,} bytes.*download it again"):
            GgufFile(file)
    file.write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match=r"is no GGUF file: it begins with b'PK"):
        GgufFile(file)
    with pytest.raises(CheckpointError, match="cannot be read"):
        GgufFile(tmp_path / "none.gguf")
