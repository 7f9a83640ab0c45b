"""Ablations: the same chain of commands for every variant and seed."""
