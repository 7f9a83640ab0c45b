"""Training batches: encoder states, vectors, decoder inputs, logits, loss and gradients.

Shape legend: C contexts, M vectors, B samples, T positions, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from arc_encoder.model.checkpoint.released.export import bridge, embedder
from arc_encoder.model.decoder.output_layer.chosen_logits import forward_at
from arc_encoder.model.splice import lay_out, splice, text_mask
from arc_encoder.tools.parity.case import Case, flat_rows
from arc_encoder.tools.parity.comparison import LOGITS_TOLERANCE, Comparison


def check_batch(case: Case, batch: str, found: Comparison) -> None:
    """Compare everything that was recorded of one batch."""
    golden, record = case.golden(batch), case.records[batch]
    number = int(record.get("llm_number", 0))
    decoder = list(case.compressor.heads)[number]
    vectors, counts = _encoder(case, batch, golden, found)
    found.same("vectors of each context", counts.tolist(), record["enc_out_seqlens"])
    head, token = case.compressor.head(decoder), case.task_token(batch)
    before, with_token = head.append_task_token(vectors, counts, token)
    after, merged_counts = head(vectors, counts, token)
    found.close("before the projector", flat_rows(before, with_token), golden["comp_before_bridge"])
    found.close("after the projector", flat_rows(after, merged_counts), golden["comp_after_bridge"])
    model = case.decoders[number]
    ids, lengths = case.texts(batch)
    layout = lay_out(lengths, merged_counts, *case.places(batch))
    embeddings: nn.Module = model.get_input_embeddings()
    merged = splice(embeddings(ids), after, layout)
    found.close("decoder inputs", merged[layout.mask], golden["dec_inputs_embeds"])
    at_text = text_mask(layout)
    found.same("text positions", at_text[layout.mask].tolist(), golden["dec_text_position_mask"].bool().tolist())
    logits = forward_at(model, at_text, inputs_embeds=merged, attention_mask=layout.mask.long(), use_cache=False).logits
    found.close("logits", logits, golden["logits"], LOGITS_TOLERANCE)
    everything = torch.ones(len(logits), dtype=torch.bool)
    mask = golden.get("target_mask", everything).bool().to(logits.device)
    targets = golden["targets"].to(logits.device)
    loss = nn.functional.cross_entropy(logits[mask].float(), targets[mask])
    found.close("loss", loss[None], golden["loss"])
    file = case.folder / record.get("grad_file", f"grads_{batch}.safetensors")
    if file.is_file():
        _gradients(case, loss, load_file(file), found)


def _encoder(case: Case, batch: str, golden: Mapping[str, Tensor], found: Comparison) -> tuple[Tensor, Tensor]:
    """Encode a batch's contexts, comparing the states after every layer."""
    ids, lengths = case.contexts(batch)
    encoder, states = case.compressor.encoder, list[Tensor]()
    hooks = [layer.register_forward_hook(lambda _m, _i, out: states.append(out)) for layer in encoder.backbone.layers]
    vectors, counts = encoder(ids, lengths)
    for hook in hooks:
        hook.remove()
    start = encoder.pooling.extend(encoder.backbone.get_input_embeddings()(ids), lengths)[1]
    plan = encoder.pooling.stage_lengths(start)
    rows = [start] * (len(states) - len(plan) + 1) + plan[1:]
    for layer, (state, count) in enumerate(zip(states, rows, strict=True)):
        if f"enc_layer_{layer}_out" in golden:
            found.close("encoder states", flat_rows(state, count), golden[f"enc_layer_{layer}_out"])
    found.close("encoder output", flat_rows(vectors, counts), golden["enc_out"])
    return vectors, counts


def _gradients(case: Case, loss: Tensor, golden: Mapping[str, Tensor], found: Comparison) -> None:
    """Compare the loss's gradient for every trained parameter, under the names of the released layout."""
    model = case.compressor
    model.zero_grad()
    loss.backward()
    values = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    with torch.no_grad():  # the export then writes gradients instead of weights
        for parameter in model.parameters():
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
        written = {f"embedder.{name}": value.clone() for name, value in embedder(model).items()}
        written |= {f"bridge_module.{name}": value.clone() for name, value in bridge(model).items()}
        for name, parameter in model.named_parameters():
            parameter.copy_(values[name])
    model.zero_grad()
    for name, value in golden.items():
        if name in written:
            found.close("gradients", written[name], value)
        else:
            found.problems.append(f"gradients: {name} was recorded, but is no parameter here")
