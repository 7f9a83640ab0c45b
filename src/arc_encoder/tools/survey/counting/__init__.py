"""Lengths and duplicates, counted in constant memory."""
