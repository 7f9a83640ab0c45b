"""What a store holds, in words."""

from __future__ import annotations

from arc_encoder.inference.storage.store import VectorStore


def summary(store: VectorStore) -> str:
    """A line for each thing that a user wants to know of a store."""
    entries = list(store.index.entries())
    size = sum(store.shards.sizes().values())
    tokens = sum(entry.tokens for entry in entries)
    vectors = sum(entry.count for entry in entries)
    measured = [entry.fidelity for entry in entries if entry.fidelity is not None]
    factors = sorted({entry.factor or 0 for entry in entries})
    lines = [
        f"documents   {len(entries):,}, {sum(entry.text is not None for entry in entries):,} of them with their text",
        f"vectors     {vectors:,} for {tokens:,} tokens; {tokens / max(vectors, 1):.2f} tokens each",
        f"factors     {', '.join(f'{factor:g}' for factor in factors)}",
    ]
    if measured:
        mean = sum(measured) / len(measured)
        lines.append(
            f"fidelity    {mean:.2f} on average, {min(measured):.2f} at least; {len(measured):,} documents were measured"
        )
    lines.append(f"shards      {len(store.index.shards()):,} in use, {size / 1e6:,.1f} MB in all")
    lines.append(f"kept by     {type(store.codec).__name__} {store.codec.settings() or ''}".rstrip())
    return "\n".join([*lines, *(f"{name:<11} {value}" for name, value in store.models.items())])
