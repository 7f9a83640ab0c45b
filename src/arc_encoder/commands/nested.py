"""Commands in two words, what the first word after a command makes of it; and commands of earlier versions."""

from __future__ import annotations

from arc_encoder.commands.catalogue import Command

NESTED = {
    ("bench", "all"): Command("measurements.bench_all", "measure everything beside its limit", "bench_all"),
    ("bench", "serve"): Command("measurements.bench:serve", "measure the speed of a gateway", "bench_serve"),
    ("plan", "serve"): Command("measurements.plan:serve", "memory and work of serving", "plan_serve"),
}
# Commands of earlier versions, and what does their work now.
MOVED = {"toy-models": "in a checkout: python -m tools.toy_models.train (data/README.md)"}
