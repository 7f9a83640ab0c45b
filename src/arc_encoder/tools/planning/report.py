"""An estimate as text: tables in Markdown, and the verdict."""

from __future__ import annotations

from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.tools.planning.costs.workload import Workload
from arc_encoder.tools.planning.estimate import GIB, BatchEstimate, Estimate
from arc_encoder.tools.planning.parts import Parts, count, size


def plan_text(parts: Parts, result: Estimate, *, title: str, steps: int, accumulate: int) -> str:
    """The whole plan of a training."""
    machine, largest = result.machine, result.largest(checkpointing=False)
    how = "sharded" if machine.sharded else "each with all weights"
    blocks = [
        f"{title} on {machine.gpus} GPU{'s' if machine.gpus > 1 else ''} of {machine.memory_gib:g} GiB, {how}",
        parameter_table(parts),
        f"Largest batch: {largest.task} in front of {largest.decoder}. Rows with a letter are not there at the same time.",
        memory_table(result),
        "Batches on one GPU:",
        batch_table(result),
        "\n".join(speed_lines(result, steps=steps, accumulate=accumulate)),
        verdict(result),
    ]
    return "\n\n".join(blocks)


def parameter_table(parts: Parts) -> str:
    """Parameters of each part, and how they are kept."""
    own = {
        "encoder": parts.encoder_parameters(),
        "projectors": parts.projector_parameters(),
        **({"decoder adapter": found} if (found := parts.adapter_parameters()) else {}),
        "task tokens": parts.task_token_parameters(),
    }
    rows = []
    for name, parameters in own.items():
        trained = count([p for p in parameters if p.requires_grad])
        kept = "trained" if trained == count(parameters) else "frozen" if trained == 0 else f"{trained:,} trained"
        rows.append([name, f"{count(parameters):,}", kept if parameters else "none", _gib(size(parameters))])
    for name, model in parts.decoders.items():
        weights = list(model.parameters())
        dtype = str(next(iter(weights)).dtype).removeprefix("torch.")
        rows.append([f"decoder {name}", f"{count(weights):,}", f"frozen, {dtype}", _gib(size(weights))])
    return table(["part", "parameters", "", "GiB"], rows)


def memory_table(result: Estimate) -> str:
    """Memory of one GPU, without and with activation checkpointing."""
    standing, (plain, less) = result.standing, (result.largest(checkpointing=c) for c in (False, True))
    both = {
        "trained weights, float32": standing.trained,
        "frozen weights": standing.frozen,
        "gradients": standing.gradients,
        "AdamW's two moments": standing.moments,
        "gradients exchanged between GPUs": standing.buckets,
    }
    rows = [[name, _gib(value), _gib(value)] for name, value in both.items()]
    for name, key in {
        "activations of the encoder": "encoder",
        "activations of the decoder": "decoder",
        "trained weights in the compute dtype": "casts",
        "logits at targets, with gradients (a)": "logits",
        "gradients of a decoder block (b)": "gradients",
        "gradients of an encoder block (c)": "encoder_gradients",
    }.items():
        rows.append([name, _gib(getattr(plain.plain, key)), _gib(getattr(less.checkpointed, key))])
    rows.append(["AdamW while it steps (d)", _gib(standing.step), _gib(standing.step)])
    rows.append(["peak", *(f"**{result.peak(checkpointing=c) / GIB:.1f}**" for c in (False, True))])
    return table(["GiB on one GPU", "plain", "with checkpointing"], rows)


def batch_table(result: Estimate) -> str:
    """The batches of every decoder; tasks whose batches have one shape share a line."""
    groups: dict[tuple[str, Workload], list[BatchEstimate]] = {}
    for batch in result.batches:
        groups.setdefault((batch.decoder, batch.batch), []).append(batch)
    rows = []
    for (decoder, shape), batches in groups.items():
        first, others = batches[0], len(batches) - 1
        rows.append(
            [
                f"{first.task} and {others} more" if others else first.task,
                decoder,
                f"{100 * sum(batch.share for batch in batches):.1f} %",
                f"{shape.samples} × {shape.contexts} × {shape.context_tokens}",
                f"{shape.samples * shape.targets}",
                f"{first.work[0] / 1e12:.1f}",
                _gib(first.plain.peak),
                _gib(first.checkpointed.peak),
            ]
        )
    names = [
        "task",
        "decoder",
        "share",
        "samples × contexts × tokens",
        "targets",
        "10¹² operations",
        "GiB",
        "checkpointed",
    ]
    return table(names, rows)


def speed_lines(result: Estimate, *, steps: int, accumulate: int) -> list[str]:
    """Work and duration of a step and of the run, without and with checkpointing."""
    machine, lines = result.machine, []
    tokens = result.step_tokens(accumulate=accumulate)
    for checkpointing, name in ((False, "plain"), (True, "with checkpointing")):
        seconds = result.step_seconds(accumulate=accumulate, checkpointing=checkpointing)
        work = result.step_work(accumulate=accumulate, checkpointing=checkpointing)
        lines.append(
            f"{name}: {work / 1e15:.2f}·10¹⁵ operations and {tokens:,.0f} text tokens a step, {seconds:.2f} s at "
            f"{100 * machine.utilisation:.0f} % of {machine.peak_tflops:g} TFLOP/s: {tokens / seconds:,.0f} tokens/s on "
            f"{machine.gpus} GPU{'s' if machine.gpus > 1 else ''}, {steps * seconds / 3600:.1f} h for {steps} steps"
        )
    return lines


def verdict(result: Estimate) -> str:
    """Whether it fits, and what to do if not."""
    machine = result.machine
    room = f"{machine.memory_gib:g} GiB less {machine.reserve_gib:g} in reserve"
    if result.fits(checkpointing=False):
        return f"It fits: {result.peak(checkpointing=False) / GIB:.1f} GiB of {room}."
    if result.fits(checkpointing=True):
        return (
            f"It fits only with activation checkpointing: {result.peak(checkpointing=True) / GIB:.1f} GiB of {room}; "
            "or lower data.batch_size and raise trainer.accumulate_grad_batches."
        )
    over = result.peak(checkpointing=True) / GIB
    advice = "shard weights and optimizer over more GPUs" if not machine.sharded else "use more GPUs"
    return (
        f"It does not fit: {over:.1f} GiB even with activation checkpointing, of {room}. Lower data.batch_size, "
        f"train fewer decoders or a smaller encoder, or {advice}."
    )


def _gib(value: int) -> str:
    return f"{value / GIB:.2f}"
