"""`arc-plan serve`: what a document costs as text and as vectors, beside what models of that size really keep."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from arc_encoder.commands.measurements import plan
from arc_encoder.tools.planning.configured import machine_of, parts_of
from arc_encoder.tools.planning.costs.serving import document_sizes, weight_bytes
from tests.commands.conftest import Make
from tests.tiny_runs import composed


def rows_of(printed: str) -> dict[str, list[str]]:
    lines = [line for line in printed.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells[1:]}


def test_the_papers_models(make: Make, tmp_path: Path) -> None:
    printed = make(plan.serve)("experiment=paper/finetune_arc4_llama", "document_tokens=1024")
    assert "decoder 15.0 GiB" in printed
    found = rows_of(printed)
    assert list(found) == ["text", "×4", "×8"]
    # 32 layers, 8 key heads of 128, two bytes, keys and values: 128 KiB a position
    assert found["text"][:3] == ["1024", "128.0", "0"]
    assert found["×4"][:3] == ["257", "32.1", str(257 * 4096 * 2 // 1024)]
    assert float(found["×8"][4]) < float(found["×4"][4]) < float(found["text"][4])
    assert not list(tmp_path.iterdir())


def test_keys_and_values_of_a_model_that_is_there(tiny_model: Path) -> None:
    words = ["model/encoder=huggingface", f"model.encoder.path={tiny_model}", "decoder=huggingface"]
    words += [
        f"decoders.huggingface.path={tiny_model}",
        "decoders.huggingface.dtype=float32",
        "model.projector.bottleneck=24",
    ]
    config = composed([*words, "gpus=1", "paths.run=."], "plan_serve")
    parts, machine = parts_of(config), machine_of(config)
    text, vectors = document_sizes(parts, "huggingface", tokens=40, factors=[4], machine=machine)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    cache = model(input_ids=torch.zeros(1, 40, dtype=torch.long), use_cache=True).past_key_values
    assert text.cache_bytes == sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert vectors.positions == 11  # ten, and the task token
    assert vectors.cache_bytes * 40 == text.cache_bytes * 11
    assert weight_bytes(parts, "huggingface")[1] == sum(p.nbytes for p in model.parameters())


def test_mistakes(make: Make) -> None:
    assert "document_tokens='many'" in make(plan.serve).fails(
        "experiment=paper/finetune_arc4_llama", "document_tokens=many"
    )
