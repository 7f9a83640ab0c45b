"""One optimizer step at the paper's shapes: time, peak memory, and what `arc-plan` said of them."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from lightning.fabric.utilities.throughput import get_available_flops

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.segments import TaskToken
from arc_encoder.tools.planning.costs.workload import Workload
from arc_encoder.tools.planning.estimate import GIB, Machine, estimate
from arc_encoder.tools.planning.parts import Parts
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.optim.optimizer import OptimSettings, make_optimizer
from tools.gpu.models import DECODER, Size, random_model

FACTOR = 8
RESERVE = 3.0  # GiB that CUDA, libraries and gaps between tensors take


def measure_step(size: Size, device: torch.device, *, steps: int = 3) -> dict[str, Any]:
    """Train `steps` steps of continuation with activation checkpointing, in bfloat16 with float32 weights.

    Returns:
        batch size, seconds a step (median), tokens a second, peak memory and its prediction in GiB, operations a
        second and their share of the device's peak; None where something is not known of the device.
    """
    model = random_model(size, device, factor=FACTOR, dtype=torch.bfloat16)
    model.checkpoint_activations()
    module = ArcLightningModule(model, OptimSettings(warmup_steps=1))
    optimizer = make_optimizer(model.compressor, module.optim, steps + 1)["optimizer"]
    parts = Parts(model.compressor, {DECODER: model.decoder(DECODER).model})
    memory = torch.cuda.get_device_properties(device).total_memory / GIB if device.type == "cuda" else None
    machine = Machine(gpus=1, memory_gib=memory or 1024.0, reserve_gib=RESERVE)
    plans = {
        each: estimate(parts, {"continuation": (1.0, _shape(size, each))}, machine, compute=2)
        for each in size.batch_sizes
    }
    fitting = [each for each in size.batch_sizes if plans[each].fits(checkpointing=True)]
    chosen = fitting[0] if fitting else size.batch_sizes[-1]
    plan = plans[chosen]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(steps + 1):  # the first warms up
        start = now(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(_batch(size, chosen, device)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(now(device) - start)
    second = statistics.median(seconds[1:])
    flops = plan.batches[0].work[True]
    peak = get_available_flops(device, torch.bfloat16) if device.type == "cuda" else None
    return {
        "batch_size": chosen,
        "seconds": second,
        "tokens_per_second": plan.batches[0].batch.tokens / second,
        "peak_memory_gib": torch.cuda.max_memory_allocated(device) / GIB if device.type == "cuda" else None,
        "predicted_memory_gib": plan.peak(checkpointing=True) / GIB,
        "tflops": flops / second / 1e12,
        "share_of_peak": None if not peak else flops / second / peak,
        "loss_is_finite": bool(torch.isfinite(loss)),
    }


def _shape(size: Size, batch_size: int) -> Workload:
    return Workload(batch_size, 1, size.part, 1 + size.part, size.part, padded=False)


def _batch(size: Size, batch_size: int, device: torch.device) -> ArcBatch:
    """Random tokens: BOS and a prefix, a compressed part, and its continuation."""
    part, rows = size.part, torch.arange(batch_size, device=device)
    text = torch.randint(2, int(size.decoder.vocab_size), (batch_size, 1 + 2 * part), device=device)
    targets = torch.zeros_like(text, dtype=torch.bool)
    targets[:, 1 + part :] = True
    return ArcBatch(
        task="continuation",
        decoder=DECODER,
        task_token=TaskToken.CONTINUE,
        sample_ids=tuple(map(str, range(batch_size))),
        context_ids=torch.randint(2, int(size.encoder.vocab_size), (batch_size, part), device=device),
        context_lengths=torch.full_like(rows, part),
        context_rows=rows,
        context_positions=torch.full_like(rows, 1 + part),
        text_ids=text,
        text_lengths=torch.full_like(rows, 1 + 2 * part),
        target_mask=targets,
    )


def now(device: torch.device) -> float:
    """Seconds of a clock, once everything that is queued on the device has been computed."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
