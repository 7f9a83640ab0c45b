"""Commands in two words: what the first word after a command makes of it."""

from __future__ import annotations

from arc_encoder.commands.catalogue import Command

NESTED = {
    ("bench", "all"): Command("measurements.bench_all", "measure everything beside its limit", "bench_all"),
    ("bench", "serve"): Command("measurements.bench_serve", "measure the speed of a gateway", "bench_serve"),
    ("plan", "serve"): Command("measurements.plan_serve", "memory and work of serving", "plan_serve"),
}
