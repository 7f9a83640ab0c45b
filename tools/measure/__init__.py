"""Measurements behind pages of docs/results, one file each."""
