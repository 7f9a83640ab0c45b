"""The whole machine learns: a tiny encoder teaches a frozen random decoder to repeat four texts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.records import Document
from arc_encoder.data.tasks import Reconstruction
from arc_encoder.inference import Compressor
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.load import load_decoder
from tests.tiny_runs import losses, model_overrides, run_train, short_overrides

TEXTS = ["one apple", "two pears", "a third, longer document", "the last of all"]


def test_a_tiny_model_learns_to_copy(tiny_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    run = tmp_path / "run"
    kept = [each for each in short_overrides(steps=150, batch_size=4) if "continuation" not in each]
    run_train(
        run,
        [
            *model_overrides(tiny_model),
            *kept,
            "data=jsonl_pretrain",
            f"data.tasks.reconstruction.source.path={file}",
            "data.tasks.continuation.share=0",
            "data.workers=0",
            "model.pooling.factor=2",
            "optim.encoder_lr=3e-3",
            "optim.projector_lr=6e-3",
            "optim.warmup_steps=10",
        ],
    )
    found = [float(loss) for _, loss in sorted(losses(run).items())]
    assert len(found) == 150
    assert found[0] > 5
    assert sum(found[-5:]) / 5 < 2.5

    decoder = load_decoder(tiny_model)
    compressor = Compressor.from_pretrained(run / "compressor", decoder=decoder)
    model = ArcForCausalLM(compressor.model, {"huggingface": decoder})
    collator = ArcCollator(compressor.tokenizer, {"huggingface": DecoderText(decoder.tokenizer)})
    task = Reconstruction([Document(str(i), text) for i, text in enumerate(TEXTS)])
    batch = collator([task.sample(i, 0, compressor.tokenizer) for i in range(4)], decoder="huggingface", task="copy")
    with torch.no_grad():
        right = model(batch)
        order = torch.tensor([1, 2, 3, 0])
        other = replace(batch, context_ids=batch.context_ids[order], context_lengths=batch.context_lengths[order])
        wrong = model(other)
    assert float(right.correct_tokens) / float(right.target_tokens) > 0.6
    # the text comes from the vectors: another text's vectors are no help
    assert float(wrong.loss) > 2 * float(right.loss)
