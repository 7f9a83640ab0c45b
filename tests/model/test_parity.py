"""The golden vectors: encoder states, vectors, decoder inputs, logits, losses and gradients."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from arc_encoder.model.pooling.grouping import balanced_groups, group_counts
from arc_encoder.model.splice import lay_out, splice
from tests.parity_cases import CASES, PARITY, ParityCase, from_meta_names, needs_parity

pytestmark = needs_parity


def close(actual: torch.Tensor, golden: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert actual.shape == golden.shape
    worst = (actual - golden).abs().max().item()
    assert worst <= tolerance, f"worst difference {worst:.3g}"


def flat(rows: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    return rows[torch.arange(rows.shape[1]) < counts[:, None]]


@pytest.mark.parametrize("name", CASES)
def test_golden_case(name: str) -> None:
    case = ParityCase(name)
    for batch, record in case.records.items():
        golden = {
            key.removeprefix(f"{batch}."): value for key, value in case.tensors.items() if key.startswith(f"{batch}.")
        }
        ids, lengths = case.contexts(batch)
        layers = []
        hooks = [
            layer.register_forward_hook(lambda _m, _i, out, seen=layers: seen.append(out))
            for layer in case.compressor.encoder.backbone.layers
        ]
        decoder_name = str(record["llm_number"])
        vectors, counts = case.compressor.encode(ids, lengths)
        for hook in hooks:
            hook.remove()
        plan = case.compressor.encoder.pooling.plan(lengths)
        rows = [lengths + case.config["memory_tokens"]] * (len(layers) - len(plan) + 1) + plan[1:]
        for number, (state, count) in enumerate(zip(layers, rows, strict=True)):
            close(flat(state, count), golden[f"enc_layer_{number}_out"])
        close(flat(vectors, counts), golden["enc_out"])
        assert counts.tolist() == record["enc_out_seqlens"]
        head = case.compressor.head(decoder_name)
        before, _ = head.append_task_token(vectors, counts, case.task_token(batch))
        after, merged_counts = head(vectors, counts, case.task_token(batch))
        close(flat(before, merged_counts), golden["comp_before_bridge"])
        close(flat(after, merged_counts), golden["comp_after_bridge"])

        model = case.decoders[record["llm_number"]]
        text_ids, text_lengths = case.texts(batch)
        layout = lay_out(text_lengths, merged_counts, *case.places(batch))
        merged = splice(model.get_input_embeddings()(text_ids), after, layout)
        close(merged[layout.mask], golden["dec_inputs_embeds"])
        at_text = torch.zeros_like(layout.mask)
        at_text[
            torch.arange(len(text_ids))[:, None].expand_as(layout.text_positions)[layout.text_valid],
            layout.text_positions[layout.text_valid],
        ] = True
        assert torch.equal(at_text[layout.mask], golden["dec_text_position_mask"])
        logits = model(
            inputs_embeds=merged, attention_mask=layout.mask.long(), use_cache=False, logits_to_keep=at_text
        ).logits
        close(logits, golden["logits"], 2e-5)
        mask = golden.get("target_mask", torch.ones(len(logits), dtype=torch.bool))
        loss = torch.nn.functional.cross_entropy(logits[mask], golden["targets"][mask])
        close(loss[None], golden["loss"])
        if (case.folder / f"grads_{batch}.safetensors").exists():
            check_gradients(case, batch, loss, decoder_name)


def check_gradients(case: ParityCase, batch: str, loss: torch.Tensor, decoder_name: str) -> None:
    case.compressor.zero_grad()
    loss.backward()
    golden = load_file(case.folder / f"grads_{batch}.safetensors")
    body = {name.removeprefix("embedder."): value for name, value in golden.items() if name.startswith("embedder.")}
    expected = from_meta_names(body, case.config["encoder"])
    actual = {name: p.grad for name, p in case.compressor.encoder.backbone.named_parameters()}
    for name, value in expected.items():
        close(actual[name], value)
    head = case.compressor.heads[decoder_name]
    for layer in ("layer1", "layer2"):
        close(getattr(head.projector, layer).weight.grad, golden[f"bridge_module.{layer}.weight"])
    token = head.task_tokens[case.task_token(batch)].grad
    close(token[None], golden[f"embedder.{'rec' if batch.startswith('rec') else 'cont'}_tok.0.weight"])


def test_group_sizes() -> None:
    table = json.loads((PARITY / "pooling_groups.json").read_text())["groups"]
    checked = 0
    for rate, by_length in table.items():
        if rate == "-1":
            continue
        for length, sizes in by_length.items():
            n = torch.tensor([int(length)])
            number = int(rate)
            counts = (
                group_counts(n, -number) if number < 0 else torch.clamp(n, max=number) if number else torch.ones_like(n)
            )
            groups = balanced_groups(n, counts)
            assert groups.mask.sum(-1)[0].tolist() == sizes, (rate, length)
            members = groups.index[groups.mask]
            assert members.tolist() == list(range(int(length)))
            checked += 1
    assert checked > 100
