"""Callbacks that log what the decoder makes of vectors."""
