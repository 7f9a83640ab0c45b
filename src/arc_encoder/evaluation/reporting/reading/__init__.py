"""Finished runs, read from their folders."""
