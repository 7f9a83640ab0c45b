"""Prompts with vectors → answers."""
