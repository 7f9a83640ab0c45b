"""Mistakes in a configuration, all named before anything is loaded."""
