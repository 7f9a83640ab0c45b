"""Callbacks that keep a run sound, or end it."""
