"""Greedy generation: compressed contexts, logits of every step, and the chosen tokens.

Shape legend: B prompts, S text tokens, T positions, V vocabulary.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from arc_encoder.core.batch import pad_rows
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.encoder.pooling import MemoryTokens
from arc_encoder.model.splice import Layout, lay_out, splice
from arc_encoder.tools.parity.case import Case, flat_rows, insertion_places
from arc_encoder.tools.parity.comparison import LOGITS_TOLERANCE, Comparison

AT_END = "{} of its prompts: vectors alone, for the recorded implementation ignores a context at the end"
NEAR_TIE = "tokens compared up to the first near tie"


def check_generation(folder: Path, case: Case, found: Comparison) -> None:
    """Compare one recorded call."""
    record, tensors = json.loads((folder / "io.json").read_text()), load_file(folder / "io.safetensors")
    merged, layout, model = _prompts(case, record, tensors, found)
    steps, kept = tensors["step_logits"], _comparable(record, found)
    if not kept:
        return
    chosen = steps.argmax(-1).T.to(case.device)  # greedy, end of text or not
    embeddings: nn.Module = model.get_input_embeddings()
    inputs = torch.cat([merged, embeddings(chosen[:, :-1])], dim=1)
    mask = torch.cat([layout.mask, layout.mask.new_ones(len(chosen), chosen.shape[1] - 1)], dim=1)
    positions = (mask.long().cumsum(1) - 1).clamp(min=0)
    logits = model(
        inputs_embeds=inputs, attention_mask=mask.long(), position_ids=positions, logits_to_keep=len(steps)
    ).logits
    found.close("logits", logits.transpose(0, 1)[:, kept], steps[:, kept], LOGITS_TOLERANCE)
    wanted = record["generated_tokens"]
    tokens = _generate(model, merged, layout, max(map(len, wanted)), record["eos_id"])
    sure = _sure_steps(steps, found)
    found.same("tokens", [tokens[i][: sure[i]] for i in kept], [wanted[i][: sure[i]] for i in kept])
    if any(sure[i] < len(wanted[i]) for i in kept):
        found.notes.append(NEAR_TIE)


def _sure_steps(logits: Tensor, found: Comparison) -> list[int]:
    """For each prompt, the steps before the first whose two best tokens are closer than the logits' differences.

    Beyond it, two right implementations of another precision may write different texts.

    Args:
        logits: (steps, B, V), recorded.
    """
    best = logits.float().topk(2, dim=-1).values
    unsure = best[..., 0] - best[..., 1] <= 2 * found.worst["logits"]
    return [int(row.long().argmax()) if row.any() else len(row) for row in unsure.T]


def _comparable(record: dict[str, Any], found: Comparison) -> list[int]:
    """The prompts whose generation can be compared; how many cannot is noted."""
    lengths = [sum(len(part) for part in parts) for parts in record["prompt_tokens"]]
    steps = record["insertion_lists"] or [[] for _ in lengths]
    kept = [i for i, length in enumerate(lengths) if not steps[i] or sum(steps[i]) < length]
    if len(kept) < len(lengths):
        found.notes.append(AT_END.format(len(lengths) - len(kept)))
    return kept


def check_end_of_text(record: dict[str, Any], neighbour: Path, case: Case, found: Comparison) -> None:
    """Generation must stop before an end-of-text token wherever it comes."""
    call, tensors = json.loads((neighbour / "io.json").read_text()), load_file(neighbour / "io.safetensors")
    merged, layout, model = _prompts(case, call, tensors, found)
    kept, length = _comparable(call, found), max(map(len, record["base_generated"]))
    for run in record["runs"]:
        tokens = _generate(model, merged, layout, length, run["eos_id"])
        expected = [run["generated"][i] for i in kept]
        found.same(f"tokens with end of text {run['eos_id']}", [tokens[i] for i in kept], expected)
    first = record.get("first_token_is_eos_everywhere")
    if first:
        found.notes.append(
            "an end of text as first token gives no token here, and a token 0 in the recorded implementation"
        )


def _prompts(
    case: Case, record: dict[str, Any], tensors: dict[str, Tensor], found: Comparison
) -> tuple[Tensor, Layout, PreTrainedModel]:
    """Decoder inputs of the recorded prompts, padded on the left."""
    number = int(record["call"].get("decoder", 0))
    model, head = case.decoders[number], case.compressor.head(list(case.compressor.heads)[number])
    prompts = [[token for part in parts for token in part] for parts in record["prompt_tokens"]]
    ids, lengths = (tensor.to(case.device) for tensor in pad_rows(prompts))
    embeddings: nn.Module = model.get_input_embeddings()
    text = embeddings(ids)
    if record.get("embed_seqlens"):
        vectors, counts = _contexts(case, record["call"], record, tensors, found)
        vectors, counts = head(vectors, counts, TaskToken.CONTINUE)
        found.close("after the projector", flat_rows(vectors, counts), tensors["comp_repr"])
        rows, places = insertion_places(record["insertion_lists"], case.device)
    else:
        vectors, counts = text.new_zeros(0, 0, text.shape[-1]), lengths.new_zeros(0)
        rows, places = lengths.new_zeros(0), lengths.new_zeros(0)
    layout = lay_out(lengths, counts, rows, places, pad_left=True)
    return splice(text, vectors, layout), layout, model


def _generate(model: Any, merged: Tensor, layout: Layout, length: int, end: int) -> list[list[int]]:
    rows = model.generate(
        inputs_embeds=merged,
        attention_mask=layout.mask.long(),
        max_new_tokens=length,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=end,
    ).tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


def _contexts(
    case: Case, call: dict[str, Any], record: dict[str, Any], tensors: dict[str, Tensor], found: Comparison
) -> tuple[Tensor, Tensor]:
    """Vectors of every context; one that was recorded in chunks is joined again."""
    pooling = case.compressor.encoder.pooling
    used = call.get("comp_rate_override")
    if used is not None and isinstance(pooling, MemoryTokens):
        pooling.used = int(used)
    factor = -int(used) if used is not None and int(used) < 0 else None
    sizes = record["enc_seqlens"]
    if call.get("chunk_to"):
        case.compressor.chunking.size, case.compressor.chunking.max_chunks = int(call["chunk_to"]), 10**6
        sizes = _documents(sizes, record["embed_seqlens"], case)
    try:
        vectors, counts = _encode(case, sizes, tensors["enc_input_ids"], factor)
    finally:
        case.compressor.chunking.size = 10**6
        if isinstance(pooling, MemoryTokens):
            pooling.used = None
    found.close("encoder output", flat_rows(vectors, counts), tensors["enc_out"])
    return vectors, counts


def _encode(case: Case, sizes: list[int], ids: Tensor, factor: int | None = None) -> tuple[Tensor, Tensor]:
    rows, lengths = pad_rows([row.tolist() for row in torch.as_tensor(ids).split(sizes)])
    return case.compressor.encode(rows.to(case.device), lengths.to(case.device), factor)


def _documents(chunks: list[int], embeds: list[list[int]], case: Case) -> list[int]:
    """Lengths of the documents whose chunks are `chunks`: as many vectors as each was recorded with."""
    documents, rest = [], list(chunks)
    extra = case.compressor.decoder_heads()[0].extra_vectors()
    for wanted in (count - extra for row in embeds for count in row):
        total = vectors = 0
        while vectors < wanted:
            vectors += int(case.compressor.encoder.pooling.output_lengths(torch.tensor([rest[0]]))[0])
            total += rest.pop(0)
        documents.append(total)
    return documents
