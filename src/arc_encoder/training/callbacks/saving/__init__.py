"""Callbacks that write checkpoints and compressors."""
