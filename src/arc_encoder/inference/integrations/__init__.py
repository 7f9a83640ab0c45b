"""Thin adapters to frameworks: documents of a store, read as vectors. Each needs its extra."""
